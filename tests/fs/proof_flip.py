#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# alone
# root-only
"""A byte of the output is flipped from outside while the run is stopped: the check must notice."""
import os, signal, sys, threading, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

FLIPPED = 5000  # somewhere in the midst of the pages that hold it
SOURCE = """
void fill(unsigned char *dst, const unsigned char *src, unsigned long n, unsigned long spins)
{
	for (unsigned long i = 0; i < n; i++)
		dst[i] = src[i];
	for (unsigned long i = 0; i < spins; i++)
		__asm__ volatile("");
}
"""
SPEC = """[kernel]
name = flip
function = fill
returns = void
[param.n]
type = u64
default = 8192
[param.spins]
type = u64
default = 1
[buffer.dst]
type = u8
count = n
access = w
init = const(170)
[buffer.src]
type = u8
count = n
access = r
init = random
[call]
args = ptr dst, ptr src, u64 n, u64 spins
[check]
reference = builtin:copy(dst, src, n)
compare = dst
tolerance = exact
"""
sfs.codelet(SOURCE, "flip")
sfs.kernel("flip", SPEC)


def children():
    for pid in sfs.processes():
        try:
            with open(f"/proc/{pid}/status") as f:
                text = f.read()
            with open(f"/proc/{pid}/stat") as f:
                ticks = int(f.read().rsplit(")", 1)[1].split()[11])
            if len(text.split("NSpid:\t")[1].splitlines()[0].split()) > 1 and ticks > 20:
                yield pid
        except (OSError, IndexError):
            continue


def attempt(flip):
    outcome = []
    words = "reps=1 timeout_ms=9000 codelet=flip.o spins=1500000000"
    thread = threading.Thread(target=lambda: outcome.append(sfs.run("flip", words)))
    thread.start()
    deadline = time.time() + 6
    done = False
    while not done and time.time() < deadline:
        time.sleep(0.05)
        for pid in children():
            os.kill(pid, signal.SIGSTOP)
            if flip:
                done = flip_in(pid)
            else:
                done = True
            os.kill(pid, signal.SIGCONT)
    thread.join()
    return done, outcome[0]


def flip_in(pid):
    with open(f"/proc/{pid}/maps") as f:
        rows = [line.split() for line in f]
    for row in rows:
        if row[1] != "rw-s" or len(row) < 6 or "arena" not in row[5]:
            continue
        start = int(row[0].split("-")[0], 16)
        with open(f"/proc/{pid}/mem", "r+b", buffering=0) as mem:
            mem.seek(start + FLIPPED)
            byte = mem.read(1)[0]
            mem.seek(start + FLIPPED)
            mem.write(bytes([byte ^ 0x10]))
        return True
    return False


found, (error, answer) = attempt(False)
text = sfs.read("kernels/flip/result")
sfs.ok("stopped and untouched, the check passes", found and error == 0 and "status ok" in text, f"{error} {text}")
found, (error, answer) = attempt(True)
text = sfs.read("kernels/flip/result")
sfs.ok("the run's output was found from outside", found)
sfs.ok("a flipped byte fails the check", "status check" in text, f"{error} {text}")
sfs.done()
