#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
"""What the daemon changes by itself is seen by whoever watches: inotify, fanotify, poll, select, epoll, inotifywait, node."""
import ctypes, errno, os, select, struct, subprocess, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

LIBC = ctypes.CDLL(None, use_errno=True)
MODIFY, CREATE, DELETE, ISDIR, OVERFLOW = 0x2, 0x100, 0x200, 0x40000000, 0x4000
DEADLINE_S = 20


def place(path):
    return os.path.join(sfs.MNT, path)


class Watcher:
    """inotify by hand: the events of some directories as (directory, mask, name)."""

    def __init__(self, *places, mask=MODIFY | CREATE | DELETE):
        self.fd, self.names, self.seen = LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), {}, []
        for where in places:
            number = LIBC.inotify_add_watch(self.fd, place(where).encode(), mask)
            assert number >= 0, os.strerror(ctypes.get_errno())
            self.names[number] = where

    def take(self):
        try:
            data = os.read(self.fd, 1 << 20)
        except BlockingIOError:
            return []
        got, at = [], 0
        while at < len(data):
            number, mask, _, size = struct.unpack_from("iIII", data, at)
            name = data[at + 16:at + 16 + size].rstrip(b"\0").decode()
            got.append((self.names.get(number), mask, name))
            at += 16 + size
        self.seen += got
        return got

    def saw(self, *event):
        self.take()
        return event in self.seen

    def count(self, *event):
        self.take()
        return self.seen.count(event)

    def close(self):
        os.close(self.fd)


SOURCE = """
typedef unsigned long u64;
u64 ev_add(u64 n) { return n + 1; }
u64 ev_loop(u64 n) { for (;;) __asm__ volatile(""); return n; }
"""
SPEC = "[kernel]\\nname = ev_own\\nfunction = ev_f\\nreturns = i32\\n[call]\\nargs = i32 1\\n"
OWN = f'__attribute__((section(".sandboxfs"), used)) static const char spec[] = "{SPEC}";\nint ev_f(int x) {{ return x; }}\n'

# ---- names -------------------------------------------------------------------------------------------------------------
w = Watcher("codelets", "kernels")
sfs.codelet(SOURCE, "ev")
sfs.codelet(OWN, "evown")
sfs.ok("close(2) has waited for the names", os.path.isdir(place("codelets/ev.o")) and os.path.isdir(place("kernels/ev_own")))
for where, name in (("codelets", "ev.o"), ("codelets", "evown.o"), ("kernels", "ev_own")):
    sfs.ok(f"{where}/{name} comes", sfs.wait_for(lambda: w.saw(where, CREATE | ISDIR, name)), w.seen)
sfs.ok("what is announced can be used", sfs.read("codelets/ev.o/state") == "loaded\n" and sfs.read("kernels/ev_own/state"))
for name in ("ev_add", "ev_loop"):
    sfs.number_kernel(name)
sfs.ok("a user's own mkdir is seen", sfs.wait_for(lambda: w.saw("kernels", CREATE | ISDIR, "ev_loop")), w.seen)
os.unlink(place("store/evown.o"))
sfs.ok("what went is not found", sfs.error_of(os.stat, place("codelets/evown.o")) == errno.ENOENT
       and sfs.error_of(os.stat, place("kernels/ev_own")) == errno.ENOENT)
for where, name in (("codelets", "evown.o"), ("kernels", "ev_own")):
    sfs.ok(f"{where}/{name} goes", sfs.wait_for(lambda: w.saw(where, DELETE | ISDIR, name)), w.seen)
for round_ in range(10):
    sfs.codelet(OWN, "evown")
    os.unlink(place("store/evown.o"))
sfs.ok("a name that comes and goes does so once each time it is seen",
       sfs.wait_for(lambda: w.count("codelets", DELETE | ISDIR, "evown.o") + 10 >= 11 and not w.take())
       and w.count("codelets", CREATE | ISDIR, "evown.o") <= 11 and w.count("codelets", DELETE | ISDIR, "evown.o") <= 11, w.seen)
sfs.ok("and it is gone in the end", "evown.o" not in os.listdir(place("codelets")) and "ev_own" not in os.listdir(place("kernels")))
w.close()

# ---- rows --------------------------------------------------------------------------------------------------------------
w = Watcher("kernels/ev_add")
files = Watcher("kernels/ev_add/activity", "kernels/ev_add/result")
error, answer = sfs.run("ev_add", "reps=1")
sfs.ok("it runs", error == 0, answer)
for name in ("state", "activity", "counters", "result", "distribution", "samples.csv", "result.json", "output"):
    sfs.ok(f"a watcher of the directory sees {name}", sfs.wait_for(lambda: w.saw("kernels/ev_add", MODIFY, name)), w.seen)
for name in ("activity", "result"):
    sfs.ok(f"a watcher of the file sees {name}", sfs.wait_for(lambda: files.saw(f"kernels/ev_add/{name}", MODIFY, "")), files.seen)
w.close()
files.close()

# Many changes: not more than one each 10 ms, and the last state is announced after the last change.
w = Watcher("kernels/ev_add", mask=MODIFY)
begin, last = time.monotonic(), ""
fd = os.open(place("kernels/ev_add/run"), os.O_WRONLY)
for i in range(300):
    error = sfs.error_of(os.write, fd, b"reps=1\n")
    if error:
        print("# ", error, sfs.flat("kernels/ev_add/result"), sfs.read("kernels/ev_add/error"), flush=True)
    for _, _, name in w.take():
        last = sfs.read("kernels/ev_add/activity") if name == "activity" else last
os.close(fd)


def settled():
    global last
    for _, _, name in w.take():
        if name == "activity":
            last = sfs.read("kernels/ev_add/activity")
    return last == sfs.read("kernels/ev_add/activity")


sfs.ok("after the last change comes a last event", sfs.wait_for(settled), last)
elapsed = time.monotonic() - begin
count = w.count("kernels/ev_add", MODIFY, "activity")
sfs.ok("not more than one event in 10 ms", 1 <= count <= elapsed / 0.010 + 2, f"{count} in {elapsed:.3f} s")
sfs.ok("nothing was lost to a full queue", not any(mask & OVERFLOW for _, mask, _ in w.seen))

# Ten thousand refusals: what is seen after the last event is the last of them.
REFUSALS, last = 10000, ""
fd = os.open(place("kernels/ev_add/run"), os.O_WRONLY)
for i in range(REFUSALS):
    sfs.error_of(os.write, fd, f"word{i}=1\n".encode())
os.close(fd)


def told():
    global last
    for _, _, name in w.take():
        if name == "error":
            last = sfs.read("kernels/ev_add/error")
    return f"word{REFUSALS - 1}" in last


sfs.ok("after ten thousand changes the last state is announced", sfs.wait_for(told), last)
w.close()

# A refusal changes error beside it, and error and errors at the top.
w = Watcher("kernels/ev_add", "")
error, answer = sfs.run("ev_add", "bogus=1")
sfs.ok("a refusal is one", error == errno.EINVAL, answer)
for where, name in (("kernels/ev_add", "error"), ("", "error"), ("", "errors")):
    sfs.ok(f"a refusal is seen in {where}/{name}", sfs.wait_for(lambda: w.saw(where, MODIFY, name)), w.seen)
w.close()

# Truncation by the publisher changes nothing: what is read is whole at any moment.
sfs.ok("files are whole", os.stat(place("kernels/ev_add/result")).st_size == len(sfs.read("kernels/ev_add/result")))

# ---- poll --------------------------------------------------------------------------------------------------------------
STATE = place("kernels/ev_add/activity")


def change():
    sfs.write("kernels/ev_add/run", "reps=1\n")


fd = os.open(STATE, os.O_RDONLY)
os.pread(fd, 4096, 0)
p = select.poll()
p.register(fd, select.POLLPRI)
sfs.ok("poll: nothing new after a read", p.poll(0) == [], p.poll(0))
change()
got = p.poll(DEADLINE_S * 1000)
sfs.ok("poll: POLLPRI and POLLERR after a change", got == [(fd, select.POLLPRI | select.POLLERR)], got)
sfs.ok("poll: until it is read again", p.poll(0) != [])
sfs.wait_for(lambda: os.pread(fd, 4096, 0) and p.poll(0) == [])
sfs.ok("poll: and not any more", p.poll(0) == [], p.poll(0))
child = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep(0.3); open({place('kernels/ev_add/run')!r}, 'w').write('reps=1\\n')"])
got = p.poll(DEADLINE_S * 1000)
sfs.ok("poll: a waiting one is woken", got == [(fd, select.POLLPRI | select.POLLERR)], got)
child.wait()
sfs.wait_for(lambda: sfs.read("kernels/ev_add/state").strip() == "idle")
sfs.wait_for(lambda: os.pread(fd, 4096, 0) and p.poll(0) == [])
sfs.ok("select: always readable", select.select([fd], [], [], 0)[0] == [fd])
sfs.ok("select: nothing exceptional", select.select([], [], [fd], 0)[2] == [])
change()
sfs.ok("select: a change is exceptional", select.select([], [], [fd], DEADLINE_S)[2] == [fd])
sfs.wait_for(lambda: os.pread(fd, 4096, 0) and p.poll(0) == [])
for name, flags in (("level", select.EPOLLPRI), ("edge", select.EPOLLPRI | select.EPOLLET)):
    e = select.epoll()
    e.register(fd, flags)
    sfs.ok(f"epoll, {name}: nothing new", e.poll(0) == [])
    change()
    got = e.poll(DEADLINE_S)
    sfs.ok(f"epoll, {name}: a change", len(got) == 1 and got[0][1] & select.EPOLLPRI, got)
    sfs.ok(f"epoll, {name}: again", bool(e.poll(0)) == (name == "level"))
    e.close()
    sfs.wait_for(lambda: os.pread(fd, 4096, 0) and p.poll(0) == [])
os.close(fd)

# O_NONBLOCK: the write returns, poll says when it is done, a read gives the answer.
fd = os.open(place("kernels/ev_loop/run"), os.O_RDWR | os.O_NONBLOCK)
begin = time.monotonic()
os.write(fd, b"reps=1 timeout_ms=700\n")
p = select.poll()
p.register(fd, select.POLLIN | select.POLLOUT)
sfs.ok("O_NONBLOCK: not ready while it runs", p.poll(0) == [], p.poll(0))
sfs.ok("O_NONBLOCK: a second command is refused meanwhile", sfs.error_of(os.write, fd, b"reps=1\n") == errno.EAGAIN)
got = p.poll(DEADLINE_S * 1000)
sfs.ok("O_NONBLOCK: poll tells when it is done", got and time.monotonic() - begin >= 0.69, got)
sfs.ok("O_NONBLOCK: and the answer is there", os.pread(fd, 4096, 0) != b"")
os.close(fd)

# An object that goes wakes whoever waits.
sfs.number_kernel("ev_gone")
fd = os.open(place("kernels/ev_gone/state"), os.O_RDONLY)
p = select.poll()
p.register(fd, select.POLLPRI)
child = subprocess.Popen([sys.executable, "-c", f"import os, time; time.sleep(0.2); os.rmdir({place('kernels/ev_gone')!r})"])
sfs.ok("poll: an object that goes wakes", p.poll(DEADLINE_S * 1000) != [])
sfs.ok("and answers ENODEV", sfs.error_of(os.pread, fd, 100, 0) == errno.ENODEV)
child.wait()
os.close(fd)

# ---- programs of others ------------------------------------------------------------------------------------------------


class Tool:
    """A watching program: what it prints is gathered in a file."""

    def __init__(self, name, words, ready):
        self.name, self.path = name, os.path.join(sfs.TMP, name)
        with open(self.path, "wb") as out:
            self.process = subprocess.Popen(words, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        self.ready = sfs.wait_for(lambda: ready in self.text())

    def text(self):
        with open(self.path, errors="replace") as f:
            return f.read()

    def judge(self, word):
        sfs.ok(f"{self.name} is ready", self.ready, self.text())
        sfs.ok(f"{self.name} sees the change", sfs.wait_for(lambda: word in self.text()), self.text())
        self.process.kill()
        self.process.wait()


SCRIPT = "const fs = require('fs'); fs.watch(process.argv[1], (t, n) => console.log('saw', t, n)); console.log('ready');"
tools = [Tool("inotifywait", ["inotifywait", "-m", "-e", "modify", place("kernels/ev_add")], "Watches established")]
tools.append(Tool("node", ["node", "-e", SCRIPT, place("kernels/ev_add")], "ready"))
change()
tools[0].judge("MODIFY activity")
tools[1].judge("saw change activity")


def fanotify():
    """Marks by inode that report file ids: the kind that sees changes made by path."""
    fd = LIBC.fanotify_init(0x200 | 0x2, os.O_RDONLY)
    if fd < 0:
        return f"fanotify_init: {os.strerror(ctypes.get_errno())}"
    path = place("kernels/ev_add").encode()
    if LIBC.fanotify_mark(fd, 0x1, ctypes.c_uint64(MODIFY | 0x08000000), -100, path) < 0:
        why = f"fanotify_mark: {os.strerror(ctypes.get_errno())}"
        os.close(fd)
        return why
    change()
    got = select.select([fd], [], [], DEADLINE_S)[0]
    os.close(fd)
    return "" if got else "no event"


if sfs.ROLE == "root":
    why = fanotify()
    if why.endswith(os.strerror(errno.ENODEV)):
        print("skip fanotify sees the change: this kernel has no marks on FUSE files", flush=True)
    else:
        sfs.ok("fanotify sees the change", not why, why)

sfs.ok("status is well", sfs.read("status") == "ok\n", sfs.read("status"))
sfs.done()
