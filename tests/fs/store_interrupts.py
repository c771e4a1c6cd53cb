#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# waits
# concurrent
# root-only
"""A close that waits for its verdict ends with its caller: Ctrl-C and kill end it and the load, and nothing is left of either."""
import os, signal, subprocess, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

STORE = os.path.join(sfs.MNT, "store")
GONE_S = 5
SYSTEM_CALLS = {"close": 3, "fsync": 74, "rename": 82}
good = sfs.compile_c("int answer(void) { return 42; }", "good")
# Loads what it is given under a name and says how that ended; how: what waits for the verdict.
WRITER = """
import errno, os, signal, sys
path, how, source = sys.argv[1:]
staged = os.path.join(os.path.dirname(path), ".held") if "rename" in how else path
fd = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
os.write(fd, open(source, "rb").read())
if "handler" in how:
    signal.signal(signal.SIGINT, lambda number, frame: None)
try:
    os.rename(staged, path) if "rename" in how else os.fsync(fd) if how == "fsync" else os.close(fd)
    print("ok")
except OSError as e:
    print(errno.errorcode[e.errno])
os._exit(0)
"""


def named(name):
    """Those of this mount alone: other tests have inspectors too."""
    found = []
    for pid in sfs.processes():
        try:
            with open(f"/proc/{pid}/cmdline") as f:
                first = f.read().split("\0")[0]
            with open(f"/proc/{pid}/comm") as f:
                if name in (first, f.read().strip()):
                    found.append(pid)
        except OSError:
            pass
    return found


def waits_in(pid, number):
    try:
        with open(f"/proc/{pid}/syscall") as f:
            return f.read().split()[0] == str(number)
    except OSError:
        return False


def all_of(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def started(name, how="close"):
    return subprocess.Popen([sys.executable, "-c", WRITER, os.path.join(STORE, name), how, good], stdout=subprocess.PIPE,
        text=True)


def there(name):
    return name in os.listdir(STORE) or name in os.listdir(os.path.join(sfs.MNT, "codelets"))


def attempt(number, how):
    """A writer whose load cannot go on gets the signal: (it waited, what it said, seconds until it was gone)."""
    stopped = named("inspector")
    all_of(stopped, signal.SIGSTOP)
    writer = started("held.o", how)
    try:
        number_of = SYSTEM_CALLS[how.split()[0]]
        waits = sfs.wait_for(lambda: waits_in(writer.pid, number_of) or writer.poll() is not None)
        waits = waits and writer.poll() is None
        begin = time.monotonic()
        writer.send_signal(number)
        try:
            said = writer.communicate(timeout=GONE_S)[0].strip()
        except subprocess.TimeoutExpired:
            said = f"still there after {GONE_S} s"
        return waits, said, time.monotonic() - begin
    finally:
        all_of(stopped, signal.SIGCONT)
        writer.kill()
        writer.wait()


def interrupted(label, number, how, expected):
    """Gone, told EINTR where it lives on, and no name. A stopped inspector is replaced soon: that may want another try."""
    for _ in range(5):
        waits, said, took = attempt(number, how)
        told = sfs.wait_for(lambda: " EINTR " in sfs.read("store/error"), 5)
        if told or took >= GONE_S:
            break
    sfs.ok(f"{label} ends a waiting {how}", waits and said == expected and took < GONE_S, f"{waits} {said!r} {took:.2f} s")
    sfs.ok(f"{label} of a waiting {how}: error tells that it was given up", told, sfs.read("store/error"))
    sfs.ok(f"{label} of a waiting {how}: there is no such name", not there("held.o"))
    if "rename" in how:
        with open(os.path.join(STORE, ".held"), "rb") as f:
            sfs.ok(f"{label} of a waiting {how}: what was staged is there still", f.read() == open(good, "rb").read())
        os.unlink(os.path.join(STORE, ".held"))
    sfs.ok(f"{label} of a waiting {how}: the next load is right",
        sfs.wait_for(lambda: sfs.load(good, "next.o") == 0) and there("next.o"),
           sfs.read("store/error"))
    os.unlink(os.path.join(STORE, "next.o"))


sfs.ok("a load before", sfs.load(good, "first.o") == 0, sfs.read("store/error"))
before = len(sfs.processes())
for label, number, how, expected in (
        ("SIGKILL", signal.SIGKILL, "close", ""), ("SIGTERM", signal.SIGTERM, "close", ""),
        ("SIGHUP", signal.SIGHUP, "close", ""),
        ("SIGKILL", signal.SIGKILL, "fsync", ""), ("SIGINT", signal.SIGINT, "close with a handler", "EINTR"),
        ("SIGKILL", signal.SIGKILL, "rename", ""), ("SIGINT", signal.SIGINT, "rename with a handler", "EINTR")):
    interrupted(label, number, how, expected)


def others_meanwhile():
    """While one's close waits nobody else does: the tree is read, and another user loads."""
    stopped = named("inspector")
    all_of(stopped, signal.SIGSTOP)
    writer = started("held.o")
    try:
        sfs.wait_for(lambda: waits_in(writer.pid, SYSTEM_CALLS["close"]) or writer.poll() is not None)
        waits = writer.poll() is None
        seen = not there("held.o") and bool(sfs.read("store/error")) and os.path.exists(os.path.join(STORE, "first.o"))
        sfs.load(good, ".other")
        os.unlink(os.path.join(STORE, ".other"))
        still = writer.poll() is None
    finally:
        all_of(stopped, signal.SIGCONT)
        said = writer.communicate()[0].strip()
        if there("held.o"):
            os.unlink(os.path.join(STORE, "held.o"))
    return waits and seen and still, said


for _ in range(5):
    aside, said = others_meanwhile()
    if aside:
        break
sfs.ok("others list, read, stage and remove while one waits", aside, said)
sfs.ok("and he is answered in the end", said in ("ok", "ENOEXEC", "EIO", "ETIMEDOUT", "EAGAIN"), said)
sfs.ok("the first codelet is there all along", sfs.flat("codelets/first.o/info")["state"] == "loaded")
sfs.ok("no process is left of it", sfs.wait_for(lambda: len(sfs.processes()) <= before), (before, sfs.processes()))
sfs.ok("interruptions are counted", int(sfs.flat("stats")["interrupted"]) >= 5, sfs.read("stats"))
sfs.done()
