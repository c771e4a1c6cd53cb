#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
"""/log: what happened, a line each, in order; it can be followed; and of others a reader sees root's events alone."""
import os, re, subprocess, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

LINE = re.compile(r"(\d+) (\d+) (\d+) (\S+) (\w+) (.*)$")
A, B = 20001, 20002
LOG = os.path.join(sfs.MNT, "log")
KEPT = 4096


def events(text=None):
    return [LINE.match(line).groups() for line in (sfs.read("log") if text is None else text).splitlines()]


def full(path):
    return os.path.join(sfs.MNT, path)


def as_user(uid, work):
    """Is what work returns true for that user?"""
    return sfs.ended(sfs.fork_as(uid, lambda: not work())) == 0


def mine():
    """Object, event and detail of what concerns this uid, since the start."""
    return [e[3:] for e in events() if int(e[2]) == os.getuid()][1:]


begun = time.time_ns()
first = events()
sfs.ok("the daemon's start is the first", len(first) == 1 and first[0][0] == "1" and first[0][3:5] == ("/", "start"), first)
sfs.ok("when it was is told", abs(begun - int(first[0][1])) < 60e9, (begun, first))
name = sfs.codelet("unsigned long twice(unsigned long n) { return 2 * n; }\nunsigned long trap(unsigned long n) { __builtin_trap(); }", "twice")
size = os.stat(full("store/twice.o")).st_size
sfs.load("/dev/null", "none.o")
with open(os.path.join(sfs.TMP, "bad.o"), "w") as f:
    f.write("text")
sfs.load(os.path.join(sfs.TMP, "bad.o"), "bad.o")
sfs.number_kernel("twice", 4)
sfs.number_kernel("trap", 4)
ran, trapped = sfs.run("twice", "reps=1")[0], sfs.run("trap", "reps=1 codelet=twice.o")[0]
os.rename(full("store/twice.o"), full("store/two.o"))
os.unlink(full("store/two.o"))
os.rmdir(full("kernels/trap"))
sfs.error_of(os.mkdir, full("kernels/a b"))
numbers = [sfs.flat("kernels/twice/result")["run"]]
got = mine()
want = [("store", "load", f"twice.o {size}"), ("store", "refuse", "bad.o ENOEXEC"), ("kernels/twice", "make", "-"),
        ("kernels/trap", "make", "-"), ("kernels/twice", "run", f"{numbers[0]} ok"), ("kernels/trap", "run", r"\d+ signal"),
        ("store", "rename", "twice.o two.o"), ("store", "unload", "two.o"), ("kernels/trap", "remove", "-")]
sfs.ok("the runs ran", ran == 0 and trapped != 0, (ran, trapped))
sfs.ok("each event is there, in order, and no refused command", len(got) == len(want) and
       all(g[:2] == w[:2] and re.fullmatch(w[2], g[2]) for g, w in zip(got, want)), got)
times = [int(e[1]) for e in events()]
sfs.ok("times and numbers ascend", times == sorted(times) and [int(e[0]) for e in events()] == list(range(1, len(times) + 1)))
sfs.ok("st_size is exact", os.stat(LOG).st_size == len(sfs.read("log")))

# Followed: by the same descriptor beyond its end, and by tail.
fd = os.open(LOG, os.O_RDONLY)
text = b""
while True:
    piece = os.read(fd, 100)
    if not piece:
        break
    text += piece
sfs.ok("a read at the end gives nothing when nothing came", os.read(fd, 4096) == b"" and text.decode() == sfs.read("log"))
size = os.fstat(fd).st_size
tail = subprocess.Popen(["tail", "-n", "1", "-s", "0.1", "-f", LOG], stdout=subprocess.PIPE, text=True)
sfs.ok("tail shows the last line", tail.stdout.readline() == text.decode().splitlines(True)[-1])
sfs.number_kernel("followed")
sfs.ok("the size grows", os.fstat(fd).st_size > size, (os.fstat(fd).st_size, size))
more = os.read(fd, 4096).decode()
sfs.ok("the descriptor reads on", [e[3:] for e in events(more)] == [("kernels/followed", "make", "-")], more)
line = tail.stdout.readline()
sfs.ok("tail -f follows", line == more, line)
tail.kill()
tail.wait()
os.close(fd)


def load_and_look():
    """As one of two users: he loads, is seen by nobody but root, and sees nothing of the other."""
    uid = os.getuid()
    sfs.number_kernel(f"of{uid}")
    seen = {e[2] for e in events()}
    return seen == {"0", str(uid)}


if sfs.ROLE == "root":
    sfs.ok("a user sees his own events and root's", as_user(A, load_and_look) and as_user(B, load_and_look))
    sfs.ok("root sees all", {"0", str(A), str(B)} <= {e[2] for e in events()})
    sfs.ok("still each sees only his own", as_user(A, lambda: {e[2] for e in events()} == {"0", str(A)}))

# More than are kept: a rename back and forth is two events.
os.mkdir(full("kernels/spare"))
sfs.codelet("int one(void) { return 1; }", "flip")
last = int(events()[-1][0])
for i in range((2 * KEPT - last) // 2 + 600):
    os.rename(full("store/flip.o"), full("store/flop.o"))
    os.rename(full("store/flop.o"), full("store/flip.o"))
seen = [int(e[0]) for e in events()]
sfs.ok("the last ones are kept, without a gap", seen == list(range(seen[0], seen[-1] + 1)) and KEPT <= len(seen) <= KEPT + 1024,
       (seen[0], seen[-1], len(seen)))
sfs.ok("the old ones are gone", seen[0] > last, (seen[0], last))
sfs.ok("st_size is exact then too", os.stat(LOG).st_size == len(sfs.read("log")))
sfs.done()
