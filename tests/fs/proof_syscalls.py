#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each of twenty-one system calls, and two other ways into the kernel, ends the run with its name, number and place."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

CALLS = {
    "read": 0, "write": 1, "open": 2, "mmap": 9, "mprotect": 10, "ioctl": 16, "getpid": 39, "socket": 41,
    "clone": 56, "fork": 57, "getppid": 110, "execve": 59, "kill": 62, "ptrace": 101, "futex": 202, "openat": 257,
    "perf_event_open": 298, "process_vm_writev": 311, "seccomp": 317, "bpf": 321, "io_uring_setup": 425,
}
SOURCE = """
long attempt(unsigned long nr)
{
	long rc;
	__asm__ volatile("syscall" : "=a"(rc) : "a"(nr), "D"(11L), "S"(22L), "d"(33L) : "rcx", "r11", "memory");
	return rc;
}
long attempt_i386(unsigned long nr)
{
	long rc;
	__asm__ volatile("int $0x80" : "=a"(rc) : "a"(nr), "b"(0L) : "memory");
	return rc;
}
"""
SPEC = """[kernel]
name = {name}
function = {function}
returns = i64
[param.nr]
type = u64
[call]
args = u64 nr
"""
sfs.codelet(SOURCE, "attempt")
for name in ("attempt", "attempt_i386"):
    sfs.kernel(name, SPEC.format(name=name, function=name))


def check(kernel, label, nr, want, shown):
    error, answer = sfs.run(kernel, f"nr={nr} reps=1 codelet=attempt.o")
    text = sfs.read(f"kernels/{kernel}/result")
    good = error != 0 and "status syscall" in text.replace("  ", " ") and want in text and str(shown) in text
    sfs.ok(f"{label} is refused and named", good, f"{sfs.name_of(error)} {text}")
    sfs.ok(f"{label} has its place", f"{kernel}+0x" in text and want in answer, answer + text)


for call, nr in CALLS.items():
    check("attempt", call, nr, call, nr)
check("attempt_i386", "getpid by int 0x80", 20, "getpid", 20)
check("attempt", "getpid by x32", 0x40000000 + 39, "getpid", 39)
sfs.done()
