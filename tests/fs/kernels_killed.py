#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# root-only
"""A run that root kills is a killed one wherever it was: while its codelet runs, and before, which a debugger holds it for."""
import ctypes, errno, os, signal, sys, threading, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

PTRACE_DETACH, PTRACE_GETEVENTMSG, PTRACE_SEIZE = 17, 0x4201, 0x4206
TRACE_CHILDREN = 2 | 4 | 8  # by fork(2), vfork(2) and clone(2)
WALL = 0x40000000
TRIES = 10
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)


def jailed():
    """Processes in a jail, its init apart, with the time that each has used, in ticks."""
    found = {}
    for pid in sfs.processes():
        try:
            with open(f"/proc/{pid}/status") as f:
                inner = next(line.split()[1:] for line in f if line.startswith("NSpid:"))
            with open(f"/proc/{pid}/stat") as f:
                if len(inner) > 1 and inner[-1] != "1":
                    found[pid] = int(f.read().rsplit(")", 1)[1].split()[11])
        except OSError:
            continue
    return found


def in_thread(kernel):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(sfs.run(kernel, "reps=1 timeout_ms=60000")), daemon=True)
    thread.start()
    return thread, answers


def is_killed(what, kernel, answer, how):
    error, text = answer
    sfs.ok(f"{what}: ECANCELED", error == errno.ECANCELED, (sfs.name_of(error), text))
    sfs.ok(f"{what}: with a sentence", text == f"killed: {how} from outside ended it\n", text)
    result = sfs.flat(f"kernels/{kernel}/result")
    sfs.ok(f"{what}: and a result", result["status"] == "killed" and result["errno"] == "ECANCELED", result)


def spinning(before):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        busy = [pid for pid, ticks in jailed().items() if ticks > before.get(pid, 0) + 5]
        if busy:
            return busy[0]
        time.sleep(0.05)
    return None


def ptrace(request, pid, data=None):
    return LIBC.ptrace(request, pid, None, data)


def child_of(stopped):
    """The process that a template which stands still there has just made."""
    child = ctypes.c_ulong()
    ptrace(PTRACE_GETEVENTMSG, stopped, ctypes.byref(child))
    return child.value


def killed_at_birth(number):
    """The answer of a run whose process is ended by that signal before its first instruction; None: it could not be held."""
    held = [pid for pid in jailed() if ptrace(PTRACE_SEIZE, pid, TRACE_CHILDREN) == 0]
    thread, answers = in_thread("f")
    end, born = time.monotonic() + 20, None
    while not born and thread.is_alive() and time.monotonic() < end:
        pid, status = next(((p, s) for p, s in (os.waitpid(h, os.WNOHANG | WALL) for h in held) if p), (0, 0))
        if pid and status >> 16:
            born = child_of(pid)
            os.kill(born, number)
            ptrace(PTRACE_DETACH, pid)
            held.remove(pid)
        elif not pid:
            time.sleep(0.001)
    if born:
        while os.WIFSTOPPED(os.waitpid(born, WALL)[1]):
            ptrace(PTRACE_DETACH, born)  # it goes on to what it was sent
            if number != signal.SIGKILL:
                break
    thread.join(30)
    for pid in held:
        os.kill(pid, signal.SIGSTOP)  # only who stands still can be let go
        os.waitpid(pid, WALL)
        ptrace(PTRACE_DETACH, pid)
        os.kill(pid, signal.SIGCONT)
    return answers[0] if answers and born else None


sfs.codelet('unsigned long f(unsigned long n) { return n + 1; }\nunsigned long spin(unsigned long n) { for (;;) __asm__ volatile(""); }\n',
            "killed")
for name in ("f", "spin"):
    sfs.number_kernel(name)
sfs.ok("a run works", sfs.run("f", "reps=1")[0] == 0, sfs.read("error"))
for number in (signal.SIGKILL, signal.SIGTERM):
    for _ in range(TRIES):  # a machine that stalls leaves no time before the run has to be at its gate
        answer = killed_at_birth(number)
        if answer and answer[0] not in (0, errno.ETIMEDOUT):
            break
    if sfs.ok(f"{number.name}: a run is met before its gate", answer):
        is_killed(f"{number.name} before the gate", "f", answer, number.name)
    sfs.ok("the next one works", sfs.run("f", "reps=1")[0] == 0, sfs.read("error"))

before = jailed()
waiting, outcome = in_thread("spin")
run = spinning(before)
if sfs.ok("a run spins", run):
    os.kill(run, signal.SIGKILL)
    waiting.join(30)
    is_killed("SIGKILL of a codelet that runs", "spin", outcome[0] if outcome else (0, ""), "SIGKILL")
sfs.ok("the next one works", sfs.run("f", "reps=1")[0] == 0, sfs.read("error"))
sfs.done()
