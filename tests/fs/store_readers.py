#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
# deadline: 180
"""Overwriting while others read: each open sees one version whole; 200 loads leave no descriptor behind."""
import os, subprocess, sys, threading, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

PATH = os.path.join(sfs.MNT, "store", "v.o")
versions = [open(sfs.compile_c(f"int v{i}(int x) {{ return x + {i}; }}\nchar pad{i}[{i}00] = {{ 1 }};", f"v{i}"), "rb").read()
            for i in range(1, 4)]


def put(data):
    fd = os.open(PATH, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.write(fd, data)
    try:
        os.close(fd)
    except OSError as e:
        e.strerror = f"{e.strerror}: {sfs.read('store/error').strip()}"
        raise


def daemons():
    """The processes of this mount: those that were started with its state directory."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
            if os.environ["STATE"].encode() in words and b"sandboxfs" in words[0]:
                found.append(pid)
        except OSError:
            pass
    return found


def descriptors():
    total = 0
    for pid in daemons():
        try:
            total += len(os.listdir(f"/proc/{pid}/fd"))
        except OSError:
            return None  # not ours to look at
    return total


put(versions[0])
held = os.open(PATH, os.O_RDONLY)
first = os.pread(held, 10, 0)
put(versions[1])
rest = os.pread(held, 1 << 20, 0)
sfs.ok("an open reader keeps the version that it opened", first == versions[0][:10] and rest == versions[0], len(rest))
os.close(held)
sfs.ok("the next open has the new one", open(PATH, "rb").read() == versions[1])

writer = os.open(PATH, os.O_WRONLY)
os.pwrite(writer, b"\0\0\0\0", 0)
sfs.ok("what is not committed is seen by nobody", open(PATH, "rb").read() == versions[1] and
       os.stat(PATH).st_size == len(versions[1]))
try:
    os.close(writer)
    sfs.ok("spoilt bytes are refused", False)
except OSError:
    sfs.ok("spoilt bytes are refused", open(PATH, "rb").read() == versions[1])

stop, bad, reads = False, [], 0


def reader():
    global reads
    while not stop:
        data = open(PATH, "rb").read()
        reads += 1
        if data not in versions:
            bad.append(len(data))


threads = [threading.Thread(target=reader, daemon=True) for _ in range(3)]
for t in threads:
    t.start()
for i in range(60):
    put(versions[i % 3])
stop = True
for t in threads:
    t.join()
sfs.ok("readers see whole versions only", not bad and reads > 0, f"{len(bad)} of {reads}: {bad[:5]}")

for i in range(5):
    put(versions[i % 3])
before = descriptors()
for i in range(200):
    put(versions[i % 3])
    if i % 10 == 0:
        try:
            put(b"no ELF")
        except OSError:
            pass
after = descriptors()
end = time.monotonic() + 3
while before is not None and after > before and time.monotonic() < end:
    time.sleep(0.05)  # the launcher closes what belonged to the last inspection after the answer
    after = descriptors()
if before is None:
    print("skip 200 loads leave no descriptor: the daemon's are not to be seen")
else:
    sfs.ok("200 loads leave no descriptor", before > 0 and after <= before, f"{before} before, {after} after")
sfs.ok("the activity counts them", int(sfs.flat("codelets/v.o/activity")["loads"]) > 200, sfs.read("codelets/v.o/activity"))
os.unlink(PATH)
sfs.ok("objects of replaced versions are gone", subprocess.run(
    ["sh", "-c", f"ls -A {os.environ['STATE']}/store/objects | wc -l"], capture_output=True).stdout.strip() in (b"0", b"1"))
sfs.done()
