#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
# waits
"""A job waits for its turn as long as it takes: timeout_ms is of the run alone, and begins when that begins."""
import os, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

OWN_MS = 3000


def start(kernel, words):
    fd = os.open(os.path.join(sfs.MNT, "kernels", kernel, "start"), os.O_RDWR)
    try:
        os.write(fd, words.encode())
        return os.pread(fd, 100, 0).decode().strip()
    finally:
        os.close(fd)


def is_there(path):
    return os.path.exists(os.path.join(sfs.MNT, path))


def state(job):
    try:
        return sfs.read(f"{job}/state").strip()
    except OSError as e:
        return sfs.name_of(e.errno)


sfs.codelet('unsigned long spin(unsigned long n) { while (n) __asm__ volatile(""); return n; }\n', "queue")
sfs.number_kernel("spin")
first = start("spin", f"n=1 reps=1 timeout_ms=600000\n")
sfs.ok("one runs", sfs.wait_for(lambda: state(f"kernels/spin/jobs/{first}") == "running"), state(f"kernels/spin/jobs/{first}"))
second = start("spin", f"n=0 reps=1 timeout_ms={OWN_MS}\n")
third = start("spin", f"n=0 reps=1 timeout_ms={OWN_MS}\n")
sfs.ok("two wait", state(f"kernels/spin/jobs/{second}") == state(f"kernels/spin/jobs/{third}") == "queued")
sfs.write(f"kernels/spin/jobs/{third}/kill", "1\n")
sfs.ok("one of them is killed while it waits", sfs.wait_for(lambda: is_there(f"kernels/spin/runs/{third}")) and
       sfs.flat(f"kernels/spin/runs/{third}/result")["errno"] == "ECANCELED")
time.sleep(OWN_MS / 1000 + 0.5)
sfs.ok("the other waits for longer than it may run", state(f"kernels/spin/jobs/{second}") == "queued", state(f"kernels/spin/jobs/{second}"))
sfs.write(f"kernels/spin/jobs/{first}/kill", "1\n")
sfs.ok("and ends well", sfs.wait_for(lambda: is_there(f"kernels/spin/runs/{second}")) and
       sfs.flat(f"kernels/spin/runs/{second}/result")["status"] == "ok", state(f"kernels/spin/jobs/{second}"))
sfs.done()
