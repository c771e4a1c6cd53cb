#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
# concurrent
"""Nobody gets more kernels than he may have, though many of his processes make some at once."""
import errno, os, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

MOST, PROCESSES, NAMES, ROUNDS = 5, 8, 4, 15
KERNELS = os.path.join(sfs.MNT, "kernels")


def mine():
    return [name for name in os.listdir(KERNELS) if name.startswith("most")]


def make(process, go):
    """How many it made, or 200: it was refused for something else."""
    made = 0
    os.read(go, 1)
    for i in range(NAMES):
        error = sfs.error_of(os.mkdir, os.path.join(KERNELS, f"most{process}_{i}"))
        if error not in (0, errno.EDQUOT):
            return 200
        made += not error
    return made


def child(process, go):
    pid = os.fork()
    if not pid:
        os._exit(make(process, go))
    return pid


wrong = []
for number in range(ROUNDS):
    go, start = os.pipe()
    pids = [child(p, go) for p in range(PROCESSES)]
    os.write(start, b"g" * PROCESSES)
    made = [sfs.ended(pid) for pid in pids]
    os.close(go)
    os.close(start)
    there = mine()
    if sum(made) != MOST or len(there) != MOST:
        wrong.append((number, made, there))
    for name in there:
        os.rmdir(os.path.join(KERNELS, name))
sfs.ok(f"{PROCESSES} processes at once make {MOST} in each of {ROUNDS} rounds", not wrong, wrong[:3])
sfs.ok("nothing is left of them", sfs.wait_for(lambda: not mine()), mine())
sfs.done()
