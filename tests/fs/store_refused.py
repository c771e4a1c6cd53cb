#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
"""What is no codelet is refused by close(2) with an errno and a sentence, and nothing has changed."""
import errno, os, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

STORE = os.path.join(sfs.MNT, "store")
good = open(sfs.compile_c("int one(int x) { return x + 1; }", "good"), "rb").read()


def upload(name, data, flags=os.O_TRUNC):
    """(call that failed, errno) or None."""
    fd = os.open(os.path.join(STORE, name), os.O_WRONLY | os.O_CREAT | flags, 0o644)
    call, error = None, None
    try:
        for at in range(0, len(data), 1 << 20):
            os.write(fd, data[at:at + (1 << 20)])
    except OSError as e:
        call, error = "write", e.errno
    try:
        os.close(fd)
    except OSError as e:
        if not call:
            call, error = "close", e.errno
    return (call, error) if call else None


def snapshot():
    return {name: open(os.path.join(STORE, name), "rb").read() for name in sorted(os.listdir(STORE)) if name != "error"}, \
        {name: sfs.read(f"codelets/{name}/info") for name in sorted(os.listdir(os.path.join(sfs.MNT, "codelets")))}


sfs.ok("a good one is loaded", upload("good.o", good) is None)
sfs.ok("error says ok after it", sfs.read("store/error") == "ok\n", sfs.read("store/error"))
before = snapshot()
big = int(next(l.split("=")[1] for l in sfs.read("config").splitlines() if l.split("=")[0].strip() == "max_bytes"))
fuzz = bytearray(good)
fuzz[40:48] = b"\xff" * 8
cases = [
    ("a text file", b"#!/bin/sh\necho hello\n", errno.ENOEXEC),
    ("one byte", b"\x7f", errno.ENOEXEC),
    ("an ELF cut in half", good[:len(good) // 2], errno.ENOEXEC),
    ("an ELF without its last byte", good[:-1], errno.ENOEXEC),
    ("an ELF with its section headers elsewhere", bytes(fuzz), errno.ENOEXEC),
    ("a 32-bit ELF", good[:4] + b"\x01" + good[5:], errno.ENOEXEC),
    ("two megabytes of zeros", bytes(2 << 20), errno.ENOEXEC),
    ("more than max_bytes", bytes(big + 1), errno.EFBIG),
]
for what, data, expected in cases:
    for name in ("good.o", "fresh.o"):
        got = upload(name, data)
        sfs.ok(f"{what} to {name} is refused with {sfs.name_of(expected)}", got is not None and got[1] == expected,
               f"{got} {sfs.read('store/error')}")
        sentence = sfs.read("store/error")
        sfs.ok(f"{what} to {name}: a sentence", sfs.name_of(expected) in sentence or len(sentence.strip()) > 10, sentence)
        sfs.ok(f"{what} to {name}: the same in /error", sentence.strip() != "ok" and name in sfs.read("error"), sfs.read("error"))
        sfs.ok(f"{what} to {name}: nothing has changed", snapshot() == before)
# What others stage is judged again at each rename; only once there is a policy, or another codelet is gone, it may get better.
staged, target = os.path.join(STORE, ".good.o.Ab12Cd"), os.path.join(STORE, "good.o")
lies = bytearray(good)
lies[16:18] = b"\x63\x00"  # no known type, which only the inspector sees
upload(".good.o.Ab12Cd", bytes(lies))
errors = [sfs.error_of(os.rename, staged, target) for _ in range(3)]
sfs.ok("a staged file is refused each time it is renamed", errors == [errno.ENOEXEC] * 3, (errors, sfs.read("store/error")))
sfs.ok("and can be written anew", upload(".good.o.Ab12Cd", good) is None and sfs.error_of(os.rename, staged, target) == 0,
       sfs.read("store/error"))
before = snapshot()
got = upload("good.o", b"")
sfs.ok("truncation alone brings no data and is no upload", got is None, got)
sfs.ok("the bytes are the old ones then", snapshot() == before)
for name in ("with space", "a@b", "x" * 65, "ü.o"):
    error = sfs.error_of(lambda: os.close(os.open(os.path.join(STORE, name), os.O_WRONLY | os.O_CREAT, 0o644)))
    sfs.ok(f"the name {name[:12]!r} is refused", error in (errno.EINVAL, errno.ENAMETOOLONG), error)
sfs.ok("the next good one is loaded", upload("next.o", good) is None)
sfs.ok("stats count the failures", int(sfs.flat("stats").get("loads_failed", 0)) >= len(cases), sfs.read("stats"))
sfs.done()
