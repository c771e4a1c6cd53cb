#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
# waits
# concurrent
"""Several writers of one kernel's specification at once: what is shown is what is on disk, and the daemon lives."""
import os, sys, threading, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

SECONDS = 4
SPEC = "[kernel]\nname = raced\nfunction = f\nreturns = u64\n[param.n]\ntype = u64\ndefault = %d\n[call]\nargs = u64 n\n"
SHORT, LONG = SPEC % 1, SPEC % 2 + "; the longer one takes several moments to write\n" * 1200
PATH = os.path.join(sfs.MNT, "kernels/raced/spec")
refused = []


def put(text, barrier):
    fd = os.open(PATH, os.O_WRONLY)
    os.write(fd, text.encode())
    barrier.wait()
    try:
        os.close(fd)
    except OSError as e:
        refused.append(str(e))


def on_disk():
    with open(os.path.join(os.environ["STATE"], "kernels/raced")) as f:
        return f.read().split("\n\n", 1)[1]


os.mkdir(os.path.dirname(PATH))
end, rounds, other, torn = time.monotonic() + SECONDS, 0, 0, 0
while time.monotonic() < end and not refused:
    barrier = threading.Barrier(2)
    writers = [threading.Thread(target=put, args=(text, barrier)) for text in (SHORT, LONG)]
    for w in writers:
        w.start()
    for w in writers:
        w.join()
    kept = on_disk()
    rounds, other, torn = rounds + 1, other + (kept != sfs.read("kernels/raced/spec")), torn + (kept not in (SHORT, LONG))
sfs.ok(f"no writer is refused in {rounds} rounds", not refused, refused)
sfs.ok("what is on disk is what is shown", not other, other)
sfs.ok("and is one of the two, whole", not torn, torn)

# A specification that comes while its kernel goes leaves no file behind it.
left = 0
for _ in range(150):
    if not os.path.exists(os.path.dirname(PATH)):
        os.mkdir(os.path.dirname(PATH))
    barrier = threading.Barrier(2)
    writer = threading.Thread(target=put, args=(LONG, barrier))
    writer.start()
    barrier.wait()
    os.rmdir(os.path.dirname(PATH))
    writer.join()
    left += os.path.exists(os.path.join(os.environ["STATE"], "kernels/raced"))
sfs.ok("nothing is left on disk of a kernel that was removed while it was written", not left, left)
sfs.done()
