#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
# concurrent
# deadline: 180
"""Overwriting while others read: each open sees one version whole; 200 loads leave no descriptor behind."""
import errno, os, subprocess, sys, threading, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

PATH = os.path.join(sfs.MNT, "store", "v.o")
versions = [open(sfs.compile_c(f"int v{i}(int x) {{ return x + {i}; }}\nchar pad{i}[{i}00] = {{ 1 }};", f"v{i}"), "rb").read()
            for i in range(1, 4)]


def put(data, tries=5):
    """A machine that has no time for the inspector is asked again."""
    fd = os.open(PATH, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.write(fd, data)
    try:
        os.close(fd)
    except OSError as e:
        e.strerror = f"{e.strerror}: {sfs.read('store/error').strip()}"
        if not tries or "did not end within" not in str(e):
            raise
        put(data, tries - 1)


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


def there():
    """What everybody has of the name: looking it up, and listing."""
    return os.path.exists(PATH), "v.o" in os.listdir(os.path.dirname(PATH))


first, second = (os.open(PATH, os.O_RDWR | os.O_CREAT, 0o644) for _ in range(2))
before = [there()]
for fd, data in ((first, versions[1]), (second, versions[2])):
    os.fchmod(fd, 0o600)
    os.write(fd, data)
before.append(there())
own = os.fstat(first).st_size == len(versions[1]) and os.pread(first, 1 << 20, 0) == versions[1]
sfs.ok("a new name is not there before its commit", before == [(False, False)] * 2, before)
sfs.ok("its maker works on it all the same", own)
os.close(first)
sfs.ok("it appears whole", there() == (True, True) and open(PATH, "rb").read() == versions[1])
sfs.ok("with its mode", os.stat(PATH).st_mode & 0o777 == 0o600)
os.close(second)
sfs.ok("of two who make one name the last wins", open(PATH, "rb").read() == versions[2])
os.unlink(PATH)
mine, other = (os.open(PATH, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644) for _ in range(2))
os.write(mine, versions[0])
os.write(other, versions[1])
os.close(mine)
error = sfs.error_of(os.close, other)
sfs.ok("O_EXCL is refused at the commit where another came first", error == errno.EEXIST and
       open(PATH, "rb").read() == versions[0], sfs.name_of(error))
os.unlink(PATH)

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



def maker(k):
    """Makes the name and takes it away, as another does at the same time."""
    for i in range(40):
        try:
            put(versions[(i + k) % 3])
            os.unlink(PATH)
        except FileNotFoundError:
            pass  # the other was first


def looker():
    while not stop:
        try:
            if os.stat(PATH).st_size not in sizes:
                bad.append("a part of it")
            if open(PATH, "rb").read() not in versions:
                bad.append("other bytes")
        except FileNotFoundError:
            pass


os.unlink(PATH)
stop, bad, sizes = False, [], [len(v) for v in versions]
makers = [threading.Thread(target=maker, args=(k,), daemon=True) for k in range(2)]
lookers = [threading.Thread(target=looker, daemon=True) for _ in range(2)]
for t in lookers + makers:
    t.start()
for t in makers:
    t.join()
stop = True
for t in lookers:
    t.join()
sfs.ok("two who make and remove one name show it whole or not at all", not bad, bad[:5])
sfs.ok("and leave nothing", os.listdir(os.path.dirname(PATH)) == ["error"] and
       os.listdir(os.path.join(sfs.MNT, "codelets")) == [])

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


def objects():
    return subprocess.run(["ls", "-A", f"{os.environ['STATE']}/store/objects"], capture_output=True, text=True).stdout.split()


end = time.monotonic() + 10
while objects() and time.monotonic() < end:
    time.sleep(0.05)  # they go behind the answer, one after the other
sfs.ok("objects of replaced versions are gone", not objects(), objects())
sfs.done()
