#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
# waits
# concurrent
# deadline: 240
"""A writer that waits for a run of ten seconds and is interrupted is gone at once, and so is the run; nobody else's is."""
import errno, os, signal, subprocess, sys, threading, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

# The run would take RUN_MS; whatever ends before GONE_S was ended.
RUN_MS, GONE_S = 20000, 8
NR_WRITE = 1
LINE = f"reps=1 timeout_ms={RUN_MS}\n"
sfs.codelet("unsigned long loop(unsigned long n) { for (;;) __asm__ volatile(\"\"); return n; }\n"
            "unsigned long other(unsigned long n) { for (;;) __asm__ volatile(\"\"); return n; }\n", "loops")
for name in ("loop", "other"):
    sfs.number_kernel(name)
PATH = os.path.join(sfs.MNT, "kernels/loop/run")


def state(name="loop"):
    return sfs.read(f"kernels/{name}/state").strip()


def runs(name="loop"):
    return int(sfs.flat(f"kernels/{name}/activity")["runs"])


def gone(process):
    """Has it ended soon, and how?"""
    begin = time.monotonic()
    try:
        status = process.wait(GONE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return False, f"still there after {GONE_S} s"
    return True, f"status {status} after {time.monotonic() - begin:.2f} s"


PYTHON = f"""
import errno, os, signal, sys
{{}}
fd = os.open({PATH!r}, os.O_WRONLY)
try:
    os.write(fd, {LINE.encode()!r})
except OSError as e:
    sys.exit(errno.errorcode[e.errno])
except KeyboardInterrupt:
    sys.exit("KeyboardInterrupt")
"""
PLAIN_C = f"""
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
static void nothing(int number) {{ (void)number; }}
int main(int argc, char **argv)
{{
    static const char line[] = "reps=1 timeout_ms={RUN_MS}\\n";
    struct sigaction action = {{ .sa_handler = nothing, .sa_flags = argc > 2 ? SA_RESTART : 0 }};
    int fd = open(argv[1], O_WRONLY);
    ssize_t n;
    sigaction(SIGINT, &action, NULL);
    n = write(fd, line, strlen(line));
    printf("%zd %d\\n", n, n < 0 ? errno : 0);
    return 0;
}}
"""


def start(words, **more):
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True, text=True, **more)
    return process, sfs.wait_for(lambda: state() == "running 1")


def ended(label, process, running, before, status="killed", count=1):
    """After the signal: the writer gone, the run too, said so in the result, and it came once."""
    is_gone, how = gone(process)
    sfs.ok(f"{label}: the writer is gone while the run would go on", running and is_gone, how)
    sfs.ok(f"{label}: so is the run", sfs.wait_for(lambda: state() == "idle", GONE_S), state())
    sfs.ok(f"{label}: it was started {count} times", runs() == before + count, runs() - before)
    sfs.ok(f"{label}: the result says {status}", sfs.flat("kernels/loop/result").get("status") == status,
        sfs.read("kernels/loop/result"))
    if process.stderr:
        process.stderr.close()


WRITERS = (
    ("echo of a shell", ["bash", "-c", f"echo {LINE.strip()} >{PATH}"]),
    ("dd", ["bash", "-c", f"echo {LINE.strip()} | exec dd of={PATH} conv=notrunc status=none"]),
    ("cp", ["bash", "-c", f"f=$(mktemp); echo {LINE.strip()} >$f; exec cp $f {PATH}"]),
    ("python", [sys.executable, "-c", PYTHON.format("")]),
    ("three lines", ["bash", "-c",
    f"printf '{LINE.strip()}\\n%.0s' 1 2 3 >cmds; exec dd if=cmds of={PATH} bs=4096 conv=notrunc status=none"]),
)


def each_signal():
    for what, words in WRITERS:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            before = runs()
            process, running = start(words, cwd=sfs.TMP)
            os.killpg(process.pid, number)
            ended(f"{number.name} to {what}", process, running, before)
    time.sleep(1)  # what wrote again would have begun by now
    sfs.ok("and nothing runs again afterwards", state() == "idle", state())


def handlers():
    """PEP 475: Python writes again after a handler that returned. The first run has ended by then: never are there two."""
    before, seen = runs(), set()
    process, running = start([sys.executable, "-c", PYTHON.format("signal.signal(signal.SIGUSR1, lambda n, f: None)")])
    process.send_signal(signal.SIGUSR1)
    again = sfs.wait_for(lambda: seen.add(state()) or runs() == before + 2)
    process.kill()
    is_gone, how = gone(process)
    sfs.ok("a handler that returns: Python starts it again, when the first has ended", running and again and is_gone and
           seen <= {"running 1", "idle"} and sfs.wait_for(lambda: state() == "idle" and runs() == before + 2),
           (seen, how, runs() - before))
    process.stderr.close()
    for label, body, want in (("SystemExit", "signal.signal(signal.SIGUSR1, lambda n, f: sys.exit('left'))", "left"),
                              ("KeyboardInterrupt", "", "KeyboardInterrupt")):
        before = runs()
        process, running = start([sys.executable, "-c", PYTHON.format(body)])
        process.send_signal(signal.SIGUSR1 if body else signal.SIGINT)
        is_gone, how = gone(process)
        said = process.stderr.read()
        sfs.ok(f"a handler that raises {label} ends it, once", running and is_gone and want in said and
               sfs.wait_for(lambda: state() == "idle") and runs() == before + 1, (how, said, runs() - before))
        process.stderr.close()


def system_call():
    """What write(2) itself answers: EINTR, and not ERESTARTSYS, since the work has been ended and must not come again."""
    program = os.path.join(sfs.TMP, "writer")
    subprocess.run(["gcc", "-O1", "-x", "c", "-o", program, "-"], input=PLAIN_C.encode(), check=True)
    for label, more in (("a handler", []), ("a handler with SA_RESTART", ["restart"])):
        before = runs()
        process, running = start([program, PATH, *more], stdout=subprocess.PIPE)
        process.send_signal(signal.SIGINT)
        is_gone, how = gone(process)
        said = process.stdout.read().split() if is_gone else []
        sfs.ok(f"{label}: write(2) answers EINTR", running and said == ["-1", str(errno.EINTR)] and runs() == before + 1,
            (how, said))
        process.stdout.close()
        process.stderr.close()


def others():
    """Of three that wait, in two kernels, one gives up."""
    outcome = {}
    threads = [threading.Thread(target=lambda n=n: outcome.__setitem__(n, sfs.run(n, "reps=1 timeout_ms=1500"))) for n in ("loop",
        "other")]
    for t in threads:
        t.start()
    process = subprocess.Popen(["bash", "-c", f"echo {LINE.strip()} >{PATH}"], stderr=subprocess.DEVNULL)
    both = sfs.wait_for(lambda: state() == "running 2" and state("other") == "running 1", 3)
    process.kill()
    is_gone, how = gone(process)
    for t in threads:
        t.join()
    sfs.ok("one that is killed ends its own run only", is_gone and [outcome[n][0] for n in ("loop",
        "other")] == [errno.ETIMEDOUT] * 2,
           (both, how, outcome))


def deadlines():
    for ms in (1, 50, 500):
        begin = time.monotonic()
        error, answer = sfs.run("loop", f"reps=1 timeout_ms={ms}")
        took = time.monotonic() - begin
        sfs.ok(f"a deadline of {ms} ms is ETIMEDOUT", error == errno.ETIMEDOUT and took < GONE_S and state() == "idle",
            (error, answer, took))
        sfs.ok(f"a deadline of {ms} ms: the result says timeout", sfs.flat("kernels/loop/result")["status"] == "timeout")


def abandoned():
    """O_NONBLOCK: the writer has its answer and goes; who closes the last descriptor gives the work up."""
    before = runs()
    fd = os.open(PATH, os.O_RDWR | os.O_NONBLOCK)
    began = time.monotonic()
    n = os.write(fd, LINE.encode())
    took = time.monotonic() - began
    running = sfs.wait_for(lambda: state() == "running 1")
    error = sfs.error_of(os.write, fd, LINE.encode())
    sfs.ok("O_NONBLOCK: write returns, the run goes on, another is refused",
        n == len(LINE) and running and took < GONE_S and error == errno.EAGAIN, (n, running, error))
    os.close(fd)
    sfs.ok("closing its descriptor ends it", sfs.wait_for(lambda: state() == "idle", GONE_S) and runs() == before + 1,
        (state(), runs() - before))


def storm():
    """Signals without end: whatever a write was doing, it ends, and nothing is left."""
    left = len(sfs.processes())
    processes = [subprocess.Popen(["bash", "-c",
        f"for i in 1 2 3 4 5 6 7 8; do timeout -s INT 0.0$i dd if=line of={PATH} conv=notrunc status=none; done"],
                                  stderr=subprocess.DEVNULL, cwd=sfs.TMP) for _ in range(3)]
    ends = [gone(p)[0] if p.wait(60) is not None else False for p in processes]
    sfs.ok("24 writers that give up early or late are all gone", all(ends) and sfs.wait_for(lambda: state() == "idle", GONE_S),
        (ends, state()))
    sfs.ok("and have left no process", sfs.wait_for(lambda: len(sfs.processes()) <= left), (left, len(sfs.processes())))
    sfs.ok("the next run is answered", sfs.run("loop", "reps=1 timeout_ms=50")[0] == errno.ETIMEDOUT)


with open(os.path.join(sfs.TMP, "line"), "w") as f:
    f.write(LINE)
deadlines()
each_signal()
handlers()
system_call()
others()
abandoned()
storm()
sfs.done()
