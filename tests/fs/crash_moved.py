#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
# waits
# concurrent
# no-mount
# deadline: 240
"""A daemon that is killed while codelets are renamed: its successor shows each under one name, whole."""
import errno, os, sys, threading
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from crash import Mounted, content, ends, goes_on, load, log, object_bytes, path, replacements, until
import sfs

KILLS = 4
NAMES = [f"mv{k}.o" for k in range(3)]


class Mover(threading.Thread):
    """Renames one codelet in turn, while it may; what may be done or not is looked up."""

    def __init__(self):
        super().__init__()
        self.may = threading.Event()
        self.stop, self.moves, self.wrong, self.name = False, 0, [], NAMES[0]

    def run(self):
        while not self.stop:
            self.may.wait()
            new = NAMES[(NAMES.index(self.name) + 1) % len(NAMES)]
            error = sfs.error_of(os.rename, path("store", self.name), path("store", new))
            if error == errno.EAGAIN:
                new = next((n for n in NAMES if not sfs.error_of(os.stat, path("store", n))), self.name)
            elif error:
                self.wrong.append(sfs.name_of(error))
            self.name = new
            self.moves += 1
            error = sfs.error_of(sfs.read, f"codelets/{new}/info")
            if error not in (0, errno.EAGAIN, errno.ENODEV, errno.ESTALE):
                self.wrong.append(f"{new}: {sfs.name_of(error)}")


def one_name(name):
    """It is found under that name alone, by listing and by looking."""
    found = [n for n in NAMES if not sfs.error_of(sfs.read, f"codelets/{n}/info")]
    listed = sorted(n for n in os.listdir(path("codelets")) if n in NAMES)
    return found == listed == [name] and sfs.flat(f"codelets/{name}/info")["name"] == name


mounted = Mounted("[limits]\nrequest_ms = 20000\n")
data = object_bytes(1)
if goes_on():
    sfs.ok("it is loaded", not load(NAMES[0], data))
    mover = Mover()
    mover.start()
    for k in range(KILLS):
        mover.may.clear()
        mounted.rest()
        before = mover.moves
        mover.may.set()
        until(lambda: mover.moves > before + 20)
        before = mover.moves
        mounted.kill("daemon")
        sfs.ok(f"renaming goes on after kill {k}", until(lambda: mover.moves > before + 20), (mover.moves, before, mover.wrong))
    mover.stop = True
    mover.join()
    sfs.ok("each rename was done, or may have been", not mover.wrong, mover.wrong[:5])
    sfs.ok("each daemon was replaced", replacements() == KILLS, replacements())
    sfs.ok("one name is left", until(lambda: one_name(mover.name)), (mover.name, os.listdir(path("codelets"))))
    sfs.ok("with its bytes", content(mover.name) == data)
    os.rename(path("store", mover.name), path("store", "last.o"))
    sfs.ok("it can still be renamed", sfs.flat("codelets/last.o/info")["name"] == "last.o" and sfs.error_of(os.stat, path("codelets", mover.name)) == errno.ENOENT)
    sfs.ok("status is ok", until(lambda: sfs.read("status") == "ok\n"), sfs.read("status"))
sfs.ok("it ends", mounted.end() == 0, log())
ends()
