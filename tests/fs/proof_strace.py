#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
# root-only
"""A thousand warm runs make neither daemon nor launcher fork or exec, and each begins with fresh data."""
import os, re, signal, subprocess, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

RUNS = 1000
sfs.codelet("static int count; int next(void) { return count++; }", "next")
sfs.kernel("next", "[kernel]\nname = next\nfunction = next\nreturns = i32\n[call]\nargs =\n")
for i in range(2):
    error, answer = sfs.run("next", "reps=1 codelet=next.o")
    result = sfs.flat("kernels/next/result")
    sfs.ok(f"run {i + 1} reads 0 in .data", error == 0 and result.get("return") == "0", f"{error} {answer} {result}")


def threads_of(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def daemon():
    """The process that reads the mount's requests: the one with most threads among those with /dev/fuse open."""
    best = None
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            if "/dev/fuse" in links and os.readlink(f"/proc/{pid}/exe").endswith("/sandboxfs"):
                if os.environ["STATE"] in open(f"/proc/{pid}/cmdline").read().replace("\0", " "):
                    best = max(best or (0, 0), (threads_of(pid), int(pid)))
        except OSError:
            continue
    return best[1] if best else None


def launcher():
    for pid in sfs.processes():
        with open(f"/proc/{pid}/comm") as f:
            if f.read().strip() == "launcher":
                return pid
    return None


pid, other = daemon(), launcher()
if sfs.ok("the daemon is found, and the launcher", pid and other, f"{pid} {other}"):
    log = os.path.join(sfs.TMP, "strace")
    strace = subprocess.Popen(["strace", "-f", "-q", "-o", log, "-e", "trace=clone,clone3,fork,vfork,execve,execveat",
                               "-p", str(pid), "-p", str(other)])
    time.sleep(1)
    wrong = 0
    fd = os.open(os.path.join(sfs.MNT, "kernels/next/run"), os.O_RDWR)
    for i in range(RUNS):
        os.write(fd, b"reps=1 codelet=next.o\n")
    os.close(fd)
    result = sfs.flat("kernels/next/result")
    sfs.ok("the last of them reads 0 too", result.get("return") == "0", result)
    # It lets threads go one by one and waits for each: for a publisher in a call on the mount that would be for ever, since those
    # that have to answer it stand at their next system call meanwhile. Once nothing has changed for a while there is none.
    time.sleep(1)
    strace.send_signal(signal.SIGINT)
    try:
        strace.wait(10)
    except subprocess.TimeoutExpired:
        strace.kill()
        strace.wait()
    with open(log) as f:
        lines = [x for x in f if re.search(r"\b(clone3?|v?fork|execve(at)?)\(", x) and "CLONE_THREAD" not in x]
    sfs.ok(f"no clone and no execve in {RUNS} runs", not lines, "".join(lines[:5]))
sfs.done()
