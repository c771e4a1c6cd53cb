#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
"""What opening and stating a control file costs in requests, and that fstat(2) follows what happens meanwhile."""
import os, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

ROUNDS, DEADLINE_S = 20, 10
PARAMS = f"{sfs.MNT}/kernels/memcpy/params"


def requests():
    with open(f"{sfs.MNT}/stats", encoding="ascii") as f:
        return {key: int(value) for key, value in map(str.split, f) if key.startswith("op_")}


def read_whole():
    fd = os.open(PARAMS, os.O_RDONLY)
    os.read(fd, 65536)
    os.close(fd)


def counted(action, op):
    """How often op was asked for, for each action. The least: a tick of the clock may come between."""
    least, end = ROUNDS * 10, time.monotonic() + DEADLINE_S
    while least >= ROUNDS and time.monotonic() < end:
        before = requests()[op]
        for _ in range(ROUNDS):
            action()
        least = min(least, requests()[op] - before)
    return least / ROUNDS


for what, action in (("open, read, close", read_whole), ("stat", lambda: os.stat(PARAMS))):
    n = counted(action, "op_getattr")
    sfs.ok(f"{what} asks for attributes no more than the lookup tells", n < 1, n)

os.mkdir(f"{sfs.MNT}/kernels/sized")
path = f"{sfs.MNT}/kernels/sized/params"
fd = os.open(path, os.O_RDONLY)
sfs.ok("nothing yet", os.pread(fd, 1, 0) == b"" and os.stat(path).st_size == 0 and os.fstat(fd).st_size == 0)
sfs.write("kernels/sized/spec", sfs.read("kernels/memcpy/spec").replace("name = memcpy\n", "name = sized\n"))
size = len(os.pread(fd, 65536, 0))
sfs.ok("stat tells the new size at once", size > 0 and os.stat(path).st_size == size, (size, os.stat(path).st_size))
end = time.monotonic() + DEADLINE_S
while os.fstat(fd).st_size != size and time.monotonic() < end:
    time.sleep(0.001)
sfs.ok("fstat of what is open follows", os.fstat(fd).st_size == size, (size, os.fstat(fd).st_size))
os.close(fd)
os.rmdir(f"{sfs.MNT}/kernels/sized")
sfs.done()
