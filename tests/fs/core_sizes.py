#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
# concurrent
"""Every file that can be read has exactly the size that stat(2) tells, by read(2) and by sendfile(2); and reading changes nothing."""
import os, subprocess, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

# What the reading itself counts up, in numbers of fixed width: each open of clone shows the number that is its own.
COUNTS = {"stats", "clone"}


def readable():
    for folder, _, files in os.walk(sfs.MNT):
        for name in files:
            path = os.path.join(folder, name)
            if os.access(path, os.R_OK):
                yield path


def by_sendfile(path):
    source, target = os.open(path, os.O_RDONLY), os.memfd_create("target")
    try:
        while os.sendfile(target, source, None, 1 << 20):
            pass
        return os.fstat(target).st_size
    finally:
        os.close(source)
        os.close(target)


def listing():
    return sorted((os.path.relpath(p, sfs.MNT), os.stat(p).st_size, os.stat(p).st_mode) for p in readable())


def contents():
    return {os.path.relpath(p, sfs.MNT): open(p, "rb").read() for p in readable()}


source = "float half(float x) { return x / 2; }\n"
sfs.codelet(source, "sized")
paths = list(readable())
sfs.ok("there is something to read", len(paths) > 50, len(paths))
sizes = [(p, os.stat(p).st_size, len(open(p, "rb").read())) for p in paths]
sfs.ok("st_size is what read(2) gives", all(a == b for _, a, b in sizes), [s for s in sizes if s[1] != s[2]][:5])
sent = [(p, os.stat(p).st_size, by_sendfile(p)) for p in paths]
sfs.ok("st_size is what sendfile(2) gives", all(a == b for _, a, b in sent), [s for s in sent if s[1] != s[2]][:5])
pieces = []
for p in paths[:200]:
    fd = os.open(p, os.O_RDONLY)
    got, piece = 0, os.read(fd, 7)
    while piece:
        got += len(piece)
        piece = os.read(fd, 7)
    if got != os.fstat(fd).st_size:
        pieces.append((p, got))
    os.close(fd)
sfs.ok("small pieces make the same whole", not pieces, pieces[:5])
before, seen = listing(), contents()
r = subprocess.run(["grep", "-r", "no such word is anywhere here", sfs.MNT], capture_output=True, timeout=60, check=False)
sfs.ok("grep -r ends", r.returncode in (1, 2), r.stderr[:200])
sfs.ok("grep -r makes nothing and removes nothing", listing() == before)
after = contents()
different = [p for p in seen if seen[p] != after.get(p) and os.path.basename(p) not in COUNTS]
sfs.ok("grep -r changes nothing", not different, different[:5])
sfs.done()
