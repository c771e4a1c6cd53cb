#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
# concurrent
"""A name that is removed or renamed while it is loaded: store/ and codelets/ show the same, whoever was first."""
import os, random, sys, threading, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

SECONDS = 4
STORE, CODELETS = os.path.join(sfs.MNT, "store"), os.path.join(sfs.MNT, "codelets")
one = open(sfs.compile_c("int one(void) { return 1; }", "one"), "rb").read()
two = open(sfs.compile_c("int two(void) { return 2; } int table[999] = { 2 };", "two"), "rb").read()


def path(name):
    return os.path.join(STORE, name)


def begin(name, data):
    fd = os.open(path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.write(fd, data)
    return fd


def at_once(*works):
    """Each work is a function and how long it waits; what it may be refused is not the question here."""
    barrier = threading.Barrier(len(works))

    def go(work, seconds):
        barrier.wait()
        time.sleep(seconds)
        try:
            work()
        except OSError:
            pass
    threads = [threading.Thread(target=go, args=w) for w in works]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def differ(name):
    there = os.path.exists(path(name))
    if there != os.path.exists(os.path.join(CODELETS, name)):
        return "only in " + ("store" if there else "codelets")
    if not there:
        return ""
    with open(path(name), "rb") as f:
        size = len(f.read())
    sizes = {size, os.stat(path(name)).st_size, int(sfs.flat(f"codelets/{name}/info")["size"])}
    return "" if len(sizes) == 1 else f"sizes {sizes}"


end, rounds, wrong = time.monotonic() + SECONDS, 0, {}
while time.monotonic() < end and not wrong:
    rounds += 1
    for name in ("a.o", "b.o", "c.o"):
        os.close(begin(name, one))
    fd, late = begin("a.o", two), random.uniform(0, 0.0015)
    at_once((lambda: os.close(fd), 0), (lambda: os.unlink(path("a.o")), late))
    fd = begin("c.o", two)
    at_once((lambda: os.close(fd), 0), (lambda: os.rename(path("b.o"), path("c.o")), late))
    fd = begin("new.o", two)
    at_once((lambda: os.close(fd), 0), (lambda: os.unlink(path("new.o")), late))
    wrong = {name: why for name in ("a.o", "b.o", "c.o", "new.o") if (why := differ(name))}
sfs.ok(f"both show the same after {rounds} rounds", not wrong, wrong)
for name in os.listdir(CODELETS):
    os.unlink(path(name))
sfs.done()
