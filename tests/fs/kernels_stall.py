#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# alone
# plain-only
"""A check that takes seconds, of buffers that are small since their strides overlap, holds up nobody else's run."""
import os, sys, threading, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

BUFFER = "[buffer.{0}]\ntype = f64\ncount = 2*n\naccess = {1}\ninit = const(1)\n"
SPEC = """[kernel]
name = slow
function = nothing
returns = void
[param.n]
type = u64
default = 1280
""" + BUFFER.format("a", "r") + BUFFER.format("b", "r") + BUFFER.format("c", "rw") + """[call]
args = u64 n, ptr a, ptr b, ptr c
[check]
reference = builtin:gemm(n, n, n, 1, a, 1, 1, b, 1, 1, 1, c, 1, 1)
compare = c
tolerance = 1
"""
sfs.codelet("void nothing(unsigned long n) {} int call0(void) { return 0; }", "nothing")
sfs.kernel("slow", SPEC)
sfs.ok("a short run", sfs.run("call0", "reps=1")[0] == 0)
answers, begin = [], time.monotonic()
thread = threading.Thread(target=lambda: answers.append(sfs.run("slow", "reps=1") + (time.monotonic() - begin,)))
thread.start()
longest = rounds = 0
while not answers and rounds < 1000:
    before = time.monotonic()
    error, answer = sfs.run("call0", "reps=1")
    longest = max(longest, time.monotonic() - before)
    rounds += not answers
    if error:
        break
    time.sleep(0.02)
thread.join()
lasted = answers[0][2]
sfs.ok("others' runs go on beside it", not error and longest < lasted / 2 and rounds > 5, f"{answer} {longest} {lasted} {rounds}")
sfs.done()
