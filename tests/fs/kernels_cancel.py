#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
# alone
# concurrent
"""Giving up ends the run at once; many runs at a time are each answered with their own; a queue is served."""
import concurrent.futures, errno, os, signal, subprocess, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

SOURCE = """
typedef unsigned long u64;
u64 loop(u64 n) { for (;;) __asm__ volatile(""); return n; }
u64 work(u64 n) { u64 x = 0; for (u64 i = 0; i < 1000; i++) { __asm__ volatile("" : "+r"(x)); x += n; } return x; }
"""
sfs.codelet(SOURCE, "cancel")
for name in ("loop", "work"):
    sfs.number_kernel(name)
path = os.path.join(sfs.MNT, "kernels/loop/run")


def state():
    return sfs.read("kernels/loop/state").strip()


for number, label in ((signal.SIGINT, "Ctrl-C"), (signal.SIGKILL, "kill -9")):
    writer = subprocess.Popen(["sh", "-c", f"exec dd of={path} bs=100 conv=notrunc status=none"], stdin=subprocess.PIPE)
    writer.stdin.write(b"reps=1 timeout_ms=20000\n")
    writer.stdin.close()
    sfs.ok(f"{label}: it runs", sfs.wait_for(lambda: state() == "running 1", 5), state())
    time.sleep(0.3)
    begin = time.monotonic()
    writer.send_signal(number)
    try:
        writer.wait(5)
    except subprocess.TimeoutExpired:
        print(f"# {label}: it waits on", flush=True)
    took = time.monotonic() - begin
    sfs.ok(f"{label}: the writer is gone within half a second", took < 0.5, took)
    sfs.ok(f"{label}: so is the run", sfs.wait_for(lambda: state() == "idle", 2), state())
    result = sfs.flat("kernels/loop/result")
    sfs.ok(f"{label}: the result says killed", result.get("status") == "killed", result)


class Enough(Exception):
    pass


def alarmed(handler):
    """A run of 400 ms that a signal interrupts after 100 ms: the errno, or the exception, and how many runs there were."""
    before = int(sfs.flat("kernels/loop/activity")["runs"])
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        outcome = errno.errorcode.get(sfs.run("loop", "reps=1 timeout_ms=400")[0])
    except Enough:
        outcome = "raised"
    sfs.wait_for(lambda: state() == "idle", 2)
    return outcome, int(sfs.flat("kernels/loop/activity")["runs"]) - before


def give_up(number, frame):
    raise Enough


# The manual says so: PEP 475.
sfs.ok("a Python handler that raises ends the wait", alarmed(give_up) == ("raised", 1))
sfs.ok("after one that returns Python writes again", alarmed(lambda number, frame: None) == ("ETIMEDOUT", 2))


def work(n):
    error, answer = sfs.run("work", f"n={n} reps=1 events=tsc")
    return error or (0 if "tsc" in answer else -1)


with concurrent.futures.ThreadPoolExecutor(8) as pool:
    errors = list(pool.map(work, range(200)))
sfs.ok("200 runs from 8 threads all end well", not any(errors), [sfs.name_of(e) for e in errors if e][:5])
with concurrent.futures.ThreadPoolExecutor(6) as pool:
    begin = time.monotonic()
    loops = [pool.submit(sfs.run, "loop", "reps=1 timeout_ms=300") for _ in range(6)]
    answers = [f.result() for f in loops]
sfs.ok("six that time out all say so", all(a[0] == errno.ETIMEDOUT for a in answers), answers)
sfs.ok("activity counts them", sfs.flat("kernels/loop/activity")["timeouts"] == "7", sfs.read("kernels/loop/activity"))
sfs.ok("nothing runs any more", state() == "idle", state())
begin = time.monotonic()
for n in range(100):
    work(n)
took = (time.monotonic() - begin) / 100
print(f"# a warm run takes {took * 1e6:.0f} us", flush=True)
sfs.ok("a warm run takes less than 50 ms", took < 0.05, took)
sfs.done()
