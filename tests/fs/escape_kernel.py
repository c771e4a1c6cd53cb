#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The escape suite's system calls in kernel runs: each ends its run, and the result names it."""
import os, re, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import escapes
import sfs

NAMES = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
SOURCE = """
long attempt(unsigned long nr)
{
	long rc;
	register long r10 __asm__("r10") = 0;
	__asm__ volatile("syscall" : "=a"(rc) : "a"(nr), "D"(0L), "S"(0L), "d"(0L), "r"(r10) : "rcx", "r11", "memory");
	return rc;
}
"""
with open(NAMES) as f:
    names = {int(nr): name for name, nr in re.findall(r"#define __NR_(\w+) (\d+)", f.read())}
folder = os.path.join(sfs.TMP, "suite")
os.mkdir(folder)
suite = escapes.Suite(folder)
numbers = sorted({a.number for a in suite.attempts if escapes.SYSCALL in a})
sfs.codelet(SOURCE, "attempt")
sfs.number_kernel("attempt")
for nr in numbers:
    error, _ = sfs.run("attempt", f"n={nr} reps=1 codelet=attempt.o")
    result = sfs.flat("kernels/attempt/result")
    said = f"{result.get('status')} {result.get('what', '')} " + sfs.read("kernels/attempt/result")
    sfs.ok(f"{names[nr]} ends the run and is named", error and result.get("status") == "syscall" and names[nr] in said
           and str(nr) in said, said)
sfs.done()
