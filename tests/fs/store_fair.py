#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
# root-only
"""Many large uploads of one user, and small ones of another: he waits for a piece of one of them, not for all."""
import os, subprocess, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

A, B = 20001, 20002
LARGE, BYTES, SMALL = 8, 24 << 20, 4
STORE = os.path.join(sfs.MNT, "store")


def large_object():
    path = os.path.join(sfs.TMP, "large.o")
    source = f".text\n.globl f\nf: ret\n.data\n.globl d\n.type d,@object\n.size d,{BYTES}\nd: .space {BYTES},7\n"
    subprocess.run(["gcc", "-x", "assembler", "-c", "-o", path, "-"], input=source.encode(), check=True)
    with open(path, "rb") as f:
        return bytearray(f.read())


def put(name, data):
    """Written, but not closed: closing is what loads it."""
    fd = os.open(os.path.join(STORE, name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]
    return fd


def large(number, data, written, go, ended):
    data[BYTES // 2] = number  # each has bytes of its own
    fd = put(f"large{number}.o", data)
    os.write(written, b"w")
    os.read(go, 1)
    os.close(fd)
    os.write(ended, b"e")
    return 0


def small(data):
    for number in range(SMALL):
        os.close(put(f"small{number}.o", data))
    return 0


large_bytes = large_object()
with open(sfs.compile_c("int one(void) { return 1; }", "one"), "rb") as f:
    small_bytes = f.read()
written, go, ended = os.pipe(), os.pipe(), os.pipe()
os.set_blocking(ended[0], False)
pids = [sfs.fork_as(A, lambda n=n: large(n, large_bytes, written[1], go[0], ended[1])) for n in range(LARGE)]
os.close(written[1])
ready = sum(len(os.read(written[0], 1)) for _ in range(LARGE))
sfs.ok("the large ones are written", ready == LARGE, ready)
begin = time.monotonic()
os.write(go[1], b"g" * LARGE)
status = sfs.ended(sfs.fork_as(B, lambda: small(small_bytes)))
seconds = time.monotonic() - begin
try:
    before = len(os.read(ended[0], LARGE))
except BlockingIOError:
    before = 0
sfs.ok("small ones load meanwhile", status == 0, status)
results = [sfs.ended(pid) for pid in pids]
took = time.monotonic() - begin
sfs.ok("large ones load", results == [0] * LARGE, results)
sfs.ok("the small ones, one after the other, are there before the last of the large ones", before < LARGE,
       f"{before} of {LARGE} were; {seconds:.2f} s of {took:.2f} s")
print(f"# {SMALL} small ones in {seconds:.2f} s, {LARGE} large ones in {took:.2f} s, {before} of them before")
names = [f"large{n}.o" for n in range(LARGE)] + [f"small{n}.o" for n in range(SMALL)]
sfs.ok("all of them are in codelets/", all(sfs.flat(f"codelets/{name}/info")["state"] == "loaded" for name in names))
with open(os.path.join(STORE, "large3.o"), "rb") as f:
    same = f.read()
large_bytes[BYTES // 2] = 3
sfs.ok("with their bytes", same == large_bytes)
for name in names:
    os.unlink(os.path.join(STORE, name))
sfs.done()
