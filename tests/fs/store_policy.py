#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The limits of the configuration beside this file: size of one codelet, number and bytes of one user's."""
import errno, os, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

small = sfs.compile_c("int one(void) { return 1; }", "small")
large = sfs.compile_c("char pad[50000] = { 1 }; int one(void) { return 1; }", "large")
huge = sfs.compile_c("char pad[70000] = { 1 };", "huge")


def refused(what, path, name, expected, word):
    error = sfs.load(path, name)
    sfs.ok(f"{what} is refused with {sfs.name_of(expected)}", error == expected, sfs.name_of(error))
    sfs.ok(f"{what}: the sentence says the limit", word in sfs.read("store/error"), sfs.read("store/error"))
    sfs.ok(f"{what}: nothing of it is there", not os.path.exists(os.path.join(sfs.MNT, "store", name)))


refused("too large a codelet", huge, "huge.o", errno.EFBIG, "65536")
sfs.ok("one of 50000 bytes is loaded", sfs.load(large, "1.o") == 0, sfs.read("error"))
refused("too many bytes in all", large, "2.o", errno.EDQUOT, "100000")
sfs.ok("the same name again counts once", sfs.load(large, "1.o") == 0, sfs.read("error"))
for name in ("2.o", "3.o"):
    sfs.ok(f"{name} is loaded", sfs.load(small, name) == 0, sfs.read("error"))
refused("a fourth name", small, "4.o", errno.EDQUOT, "3")
os.unlink(os.path.join(sfs.MNT, "store", "2.o"))
sfs.ok("after a removal there is room", sfs.load(small, "4.o") == 0, sfs.read("error"))
os.rename(os.path.join(sfs.MNT, "store", "4.o"), os.path.join(sfs.MNT, "store", "3.o"))
sfs.ok("and after one is renamed over another", sfs.load(small, "5.o") == 0, sfs.read("error"))

held, error = [], 0
while not error and len(held) < 100:
    try:
        held.append(os.open(os.path.join(sfs.MNT, "store", "5.o"), os.O_RDONLY))
    except OSError as e:
        error = e.errno
sfs.ok("open files have a limit", error == errno.EDQUOT and len(held) == 32, f"{sfs.name_of(error)} after {len(held)}")
try:
    why = sfs.read("error"), sfs.read("status")
except OSError as e:
    why = sfs.name_of(e.errno), ""
sfs.ok("and the refusal can be read then", why == (f"store/5.o EDQUOT uid {os.getuid()} has 32 files open here already\n", "ok\n"), why)
for fd in held:
    os.close(fd)
sfs.done()
