#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
# root-only
"""A crowd of one user's threads at the `run` of a kernel: all of them get there, and another user runs it meanwhile."""
import os, sys, threading
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

A, B = 20001, 20002
RUNS = 5
RUN = os.path.join(sfs.MNT, "kernels", "one", "run")
WORDS = b"codelet=one.o reps=1 warmup=0\n"


def crowd(count, flags, words, opened):
    """The number of threads that failed, each of which opens the file until it is told to end."""
    failures, end = [], threading.Event()

    def go():
        first = True
        while first or not end.is_set():
            try:
                fd = os.open(RUN, flags, 0o644)
                if words:
                    os.write(fd, words)
                os.close(fd)
            except OSError as e:
                failures.append(e.errno)
                end.set()
            if first:
                os.write(opened, b"o")
            first = False

    threads = [threading.Thread(target=go) for _ in range(count)]
    for t in threads:
        t.start()
    os.read(stop[0], 1)
    end.set()
    for t in threads:
        t.join()
    print(f"# failures: {[sfs.name_of(e) for e in failures[:3]]}")
    return min(len(failures), 99)


def run_it():
    return sum(sfs.run("one", WORDS.decode().strip())[0] != 0 for _ in range(RUNS))


sfs.codelet("unsigned long one(unsigned long n) { return n; }", "one")
sfs.number_kernel("one")
os.chmod(RUN, 0o666)
for count, what, flags, words in ((200, "open it", os.O_RDWR, b""), (200, "open it to read", os.O_RDONLY, b""),
                                  (200, "open it as a shell does", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, b""),
                                  (40, "run it", os.O_WRONLY, WORDS)):
    stop, opened = os.pipe(), os.pipe()
    pid = sfs.fork_as(A, lambda n=count, f=flags, w=words: crowd(n, f, w, opened[1]))
    os.read(opened[0], 1)
    failures = sfs.ended(sfs.fork_as(B, run_it))
    sfs.ok(f"{count} threads {what}: another user's runs end well", failures == 0, failures)
    through = 1
    while through < count:
        through += len(os.read(opened[0], count))
    os.write(stop[1], b"s")
    failures = sfs.ended(pid)
    sfs.ok(f"{count} threads {what}: each of them did", failures == 0, failures)
    for fd in stop + opened:
        os.close(fd)
sfs.done()
