#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# waits
# concurrent
# root-only
# deadline: 60
"""Who watches, locks and leases what is his, as root or as a user, is in nobody else's way, and never in the daemon's."""
import ctypes, fcntl, os, select, signal, struct, subprocess, sys, threading, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs
from calls import A, AT_FDCWD, B, CODELETS, KERNELS, LIBC, as_user, at, libc, outcome, put, touch

IN_MODIFY, IN_CREATE = 2, 0x100
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT = 1, 2, 4, 32
FAN_CLASS_CONTENT, FAN_UNLIMITED_MARKS = 4, 0x20
FAN_MARK_ADD, FAN_MARK_FILESYSTEM = 1, 0x100
FAN_OPEN_PERM, FAN_ACCESS_PERM = 0x10000, 0x20000
SYS_FANOTIFY_INIT, SYS_FANOTIFY_MARK = 300, 301
LOOP = sfs.compile_c("unsigned long loop(unsigned long n) { for (;;) __asm__ volatile(\"\"); return n; }", "loop")


class Watch:
    """inotify on one path."""

    def __init__(self, path, mask):
        self.fd = LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if LIBC.inotify_add_watch(self.fd, path.encode(), mask) < 0:
            raise OSError(ctypes.get_errno(), path)

    def told(self, mask, seconds=15):
        """Has such an event come in that time? What has come before it is dropped."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self.fd], [], [], 0.1)[0]:
                data = os.read(self.fd, 65536)
                while data:
                    _, what, _, size = struct.unpack_from("iIII", data)
                    if what & mask:
                        return True
                    data = data[16 + size:]
        return False


class Holder:
    """A process of that user that does something, says what came of it, and stays until it is ended."""

    def __init__(self, uid, work, *args):
        r, w = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(r)
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
                signal.signal(signal.SIGIO, signal.SIG_IGN)
                os.write(w, str(outcome(work, *args)).encode())
                while True:
                    signal.pause()
            finally:
                os._exit(1)
        os.close(w)
        self.said = os.read(r, 4096).decode()
        os.close(r)

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def lease(paths):
    """The descriptors are the process's to the end, as those of lock()."""
    for path in paths:
        fcntl.fcntl(os.open(path, os.O_RDONLY), fcntl.F_SETLEASE, fcntl.F_RDLCK)


def leases():
    """A holds leases on files that the daemon announces, and does not give them back when he is told to."""
    as_user(A, put, "a.o")
    as_user(B, put, "b.o")
    files = [os.path.join(CODELETS, "a.o", name) for name in ("state", "activity", "info", "symbols")]
    holder = Holder(A, lease, files)
    sfs.ok("a user leases his files", holder.said == "ok", holder.said)
    with open("/proc/sys/fs/lease-break-time") as f:
        if int(f.read()) < 30:
            print("skip leases: they are broken before this test could see that somebody waits for them")
            return
    watch, new = Watch(os.path.join(CODELETS, "b.o", "info"), IN_MODIFY), Watch(CODELETS, IN_CREATE)
    sfs.ok("he loads it again, and again", [as_user(A, put, "a.o") for _ in range(3)] == ["ok"] * 3)
    sfs.ok("another does too", as_user(B, put, "b.o") == "ok")
    sfs.ok("and is told of it, though nobody has given back a lease", watch.told(IN_MODIFY))
    sfs.ok("new names come", as_user(B, put, "new.o") == "ok" and new.told(IN_CREATE))
    sfs.ok("nothing hangs", sfs.read("status") == "ok\n", sfs.read("status"))
    holder.end()
    watch = Watch(os.path.join(CODELETS, "a.o", "info"), IN_MODIFY)
    sfs.ok("without leases his are announced as ever", as_user(A, put, "a.o") == "ok" and watch.told(IN_MODIFY))


def lock(paths):
    for path in paths:
        fcntl.flock(os.open(path, os.O_RDONLY), fcntl.LOCK_EX)


def locks():
    files = [f"{KERNELS}/cblas_sdot/{name}" for name in ("result", "state", "spec")] + [at("b.o"), f"{sfs.MNT}/error"]
    holder = Holder(A, lock, files)
    sfs.ok("a user locks what is not his", holder.said == "ok", holder.said)
    sfs.ok("nobody who does not ask for the lock waits", as_user(B, put, "b.o") == "ok" and as_user(B, sfs.read, "kernels/cblas_sdot/state") != "")
    holder.end()


def monitor():
    """A fanotify group of root's that has to allow each open and read on the mount, and never says a word."""
    group = LIBC.syscall(SYS_FANOTIFY_INIT, FAN_CLASS_CONTENT | FAN_UNLIMITED_MARKS, os.O_RDONLY)
    if group < 0 or LIBC.syscall(SYS_FANOTIFY_MARK, group, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, ctypes.c_ulong(FAN_OPEN_PERM | FAN_ACCESS_PERM),
                                 AT_FDCWD, sfs.MNT.encode()) < 0:
        print(f"skip permission events: {os.strerror(ctypes.get_errno())}")
        return None
    return group


def unanswered():
    state = Watch(KERNELS, IN_CREATE)
    group = monitor()
    if group is None:
        return
    pid = os.fork()
    if pid == 0:
        os.close(group)  # else the monitor would not end
        os._exit(0 if outcome(touch, f"{KERNELS}/cblas_sdot/params") == "ok" else 1)
    sfs.ok("somebody waits for the monitor", select.select([group], [], [], 10)[0] and os.waitpid(pid, os.WNOHANG)[0] == 0)
    sfs.ok("mkdir does not", as_user(A, os.mkdir, f"{KERNELS}/m") == "ok" and state.told(IN_CREATE))
    sfs.ok("nor rmdir", as_user(A, os.rmdir, f"{KERNELS}/m") == "ok")
    os.close(group)
    sfs.ok("it goes on when the monitor has ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0)
    sfs.ok("and nothing hangs", sfs.read("status") == "ok\n", sfs.read("status"))

def mount_again(flags):
    """An event may be on its way, and its file open for that: EBUSY."""
    sfs.wait_for(lambda: outcome(remount, flags) != "EBUSY")


def remount(flags):
    libc("mount", None, sfs.MNT.encode(), None, ctypes.c_ulong(MS_REMOUNT | MS_NOSUID | MS_NODEV | flags), b"")


def announced(row):
    """Is a run of a kernel that has no codelet told to who watches that row?"""
    watch = Watch(f"{KERNELS}/cblas_sdot/{row}", IN_MODIFY)
    return outcome(sfs.run, "cblas_sdot", "n=10") and watch.told(IN_MODIFY)


def mounts():
    for what in (["fusermount3", "-u"], ["fusermount3", "-u", "-z"], ["umount"], ["umount", "-l"], ["mount", "-o", "remount,ro"]):
        got = as_user(B, lambda what=what: subprocess.run([*what, sfs.MNT], stderr=subprocess.DEVNULL, check=False).returncode)
        sfs.ok(f"{' '.join(what)} is not for everybody", got not in ("0", "ok") and os.path.ismount(sfs.MNT), got)
    sfs.ok("a change is announced", announced("activity"))
    mount_again(MS_RDONLY)
    got = [as_user(A, put, "r.o"), as_user(A, os.mkdir, f"{KERNELS}/m"), as_user(A, os.unlink, at("a.o")), outcome(os.unlink, at("a.o"))]
    sfs.ok("read only, nothing changes", set(got) == {"EROFS"} and sfs.read("status") == "ok\n", got)
    mount_again(0)
    got = [as_user(A, put, "r.o"), as_user(A, os.mkdir, f"{KERNELS}/m"), as_user(A, os.rmdir, f"{KERNELS}/m")]
    sfs.ok("writable again, all does", set(got) == {"ok"} and announced("activity"), got)


def detached():
    """umount -l takes the name away while a run goes on: it ends as it would have, and then the daemon does."""
    sfs.load(LOOP, "loop.o")
    sfs.number_kernel("loop")
    fd = os.open(f"{KERNELS}/loop/run", os.O_RDWR)
    said = []
    runner = threading.Thread(target=lambda: said.append(outcome(os.write, fd, b"reps=1 timeout_ms=2000\n")))
    runner.start()
    sfs.ok("a run goes on", sfs.wait_for(lambda: sfs.read("kernels/loop/state").startswith("running")))
    subprocess.run(["umount", "-l", sfs.MNT], check=True)
    runner.join(60)
    sfs.ok("and has its answer", said == ["ETIMEDOUT"] and b"2000" in os.pread(fd, 1000, 0), said)
    os.close(fd)


leases()
locks()
unanswered()
mounts()
detached()
sfs.done()
