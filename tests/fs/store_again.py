#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
# concurrent
# deadline: 240
"""A codelet that is removed and loaded again under its name can be looked at as soon as close(2) has returned, however late
those who watch are told of the old one's end."""
import os, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

ROUNDS, STEP_S, STEPS, WORKERS = 300, 5e-5, 40, 3
CODE = open(sfs.compile_c("int one(void) { return 1; }", "one"), "rb").read()


def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def again(name):
    """How often the new one was not there, at moments that move across the publisher's."""
    missing = 0
    for i in range(ROUNDS):
        with open(os.path.join(sfs.MNT, "store", name), "wb") as f:
            f.write(CODE)
        spin(i % STEPS * STEP_S)
        missing += sfs.error_of(sfs.read, f"codelets/{name}/info") != 0
        os.unlink(os.path.join(sfs.MNT, "store", name))
    return missing


pids = []
for i in range(WORKERS):
    os.listdir(os.path.join(sfs.MNT, "codelets"))
    pids.append(os.fork())
    if not pids[-1]:
        os._exit(min(again(f"w{i}.o"), 255))
for i, pid in enumerate(pids):
    missing = sfs.ended(pid)
    sfs.ok(f"worker {i} found each of its {ROUNDS}", missing == 0, f"{missing} were missing")
sfs.done()
