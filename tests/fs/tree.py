#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
# concurrent
"""The tree of a fresh mount and of one rocker, name by name and mode by mode: the tree is the interface, so a change to it shows here.

"UPDATE=1" in the environment writes tests/tree.golden anew.
"""
import difflib, os, stat, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tree.golden")


def lines():
    for folder, below, files in os.walk(sfs.MNT):
        if os.path.relpath(folder, sfs.MNT) == "events":  # what is below differs from machine to machine
            below.clear()
        # A link to a directory is a file here, whether it leads anywhere at the moment or not.
        for name in ["", *files, *(n for n in below if os.path.islink(os.path.join(folder, n)))]:
            path = os.path.join(folder, name) if name else folder
            yield f"{stat.filemode(os.lstat(path).st_mode)} {os.path.relpath(path, sfs.MNT)}\n"


os.mkdir(os.path.join(sfs.MNT, "rockers/one"), 0o755)
seen = sorted(lines(), key=lambda line: line.split(" ", 1)[1])
os.rmdir(os.path.join(sfs.MNT, "rockers/one"))
if os.environ.get("UPDATE"):
    with open(GOLDEN, "w") as f:
        f.writelines(seen)
with open(GOLDEN) as f:
    diff = list(difflib.unified_diff(f.readlines(), seen, "tests/tree.golden", "the mount", n=0))
sfs.ok("the tree is tests/tree.golden", not diff, "".join(diff[:40]))
sfs.done()
