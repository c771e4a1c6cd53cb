#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each row of the closed table of errors that can be had on a mount: the errno, and its sentence in the places where it is told."""
import ctypes, errno, fcntl, os, signal, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import refusals, sfs

NOT_HERE = {
    "EKEYREJECTED": "needs a policy: tests/fs/errors_policy.py",
    "ECANCELED": "a run that somebody else kills: tests/fs/kernels_killed.py",
    "ENOSPC": "needs a full disk: tests/fs/store_restart.py",
    "EIO": "our own fault",
    "ENOMEM": "memory is short",
    "EMFILE": "the daemon has no descriptors left: tests/fs/core_descriptors.py sees that one user cannot take them all",
    "EBUSY": "a name that is still being written leads nobody to its file: seen only within the daemon",
    "ENOSYS": "the kernel asks once, and answers EOPNOTSUPP or ENOTTY from then on",
    "ENOTEMPTY": "rmdir removes a directory with its files",
}
RUN = "kernels/cblas_sdot/run"
LIBC = ctypes.CDLL(None, use_errno=True)
seen = set()


def full(path):
    return os.path.join(sfs.MNT, path)


def row(name, got, path, *places):
    """One row: what the call answered, where, and what refusals.three_places takes besides."""
    seen.add(name)
    sfs.ok(f"{name}: {path}", got == getattr(errno, name), sfs.name_of(got))
    refusals.three_places(f"{name}: {path}", name, path, *places)


def kernel_row(name, got, path):
    """One row that the kernel answers by itself, or whose caller has no way to it: the errno alone."""
    seen.add(name)
    sfs.ok(f"{name}: {path}", got == getattr(errno, name), sfs.name_of(got))


def told_by(fd):
    return os.pread(fd, 65536, 0).decode()


def command_row(name, path, text):
    fd = os.open(full(path), os.O_RDWR)
    got = sfs.error_of(os.write, fd, text.encode())
    row(name, got, path, told_by(fd), os.path.dirname(path) + "/error")
    os.close(fd)


def run_row(name, kernel, words):
    command_row(name, f"kernels/{kernel}/run", words + "\n")


# ---- words ----
command_row("EINVAL", RUN, "n=frob\n")
fd = os.open(full(RUN), os.O_RDWR)
sfs.ok("a write that was cut is taken up to the cut", os.write(fd, b"\nn=2") == 1)
row("EINVAL", sfs.error_of(os.write, fd, b"n=2"), RUN, told_by(fd), "kernels/cblas_sdot/error")
os.close(fd)
command_row("EINVAL", RUN, "n=1\0\n")
command_row("ERANGE", RUN, "reps=99999999\n")
for words in ("incx=1 reps=-1", "reps=1 n=-1", "n=4294967296 reps=1"):
    command_row("ERANGE", RUN, words + "\n")
    bad = next(w for w in words.split() if "-1" in w or "4294967296" in w)
    at = words.index(bad) + bad.index("=") + 1
    caret = " " * at + "^" + "~" * (len(words[at:].split(" ")[0]) - 1)
    sfs.ok(f"{words}: a caret under the number", sfs.read("errors").splitlines()[-3:-1] == ["    " + words, "    " + caret],
           sfs.read("errors")[-300:])
command_row("E2BIG", RUN, "n=1 " * 20000 + "\n")
command_row("ENOENT", RUN, "codelet=nobodys.o\n")
command_row("EOPNOTSUPP", RUN, "cache=l3\n")

# ---- runs ----
sfs.codelet("""
typedef unsigned long u64;
u64 trap(u64 n) { __builtin_trap(); }
u64 loop(u64 n) { for (;;) __asm__ volatile(""); return n; }
u64 call(u64 n) { __asm__ volatile("syscall" : "+a"(n) : : "rcx", "r11", "memory"); return n; }
float cblas_sdot(int n, const float *x, int incx, const float *y, int incy) { return 42; }
""", "rows")
for kernel in ("trap", "loop", "call"):
    sfs.number_kernel(kernel, 39)
run_row("ESRCH", "trap", "reps=1")
run_row("ETIMEDOUT", "loop", "reps=1 timeout_ms=100")
run_row("EPERM", "call", "reps=1 n=39")
run_row("EBADMSG", "cblas_sdot", "codelet=rows.o check=strict n=64 reps=1")
signal.signal(signal.SIGALRM, lambda number, frame: None)
fd = os.open(full("kernels/loop/run"), os.O_RDWR)
signal.setitimer(signal.ITIMER_REAL, 0.3, 0.3)  # again and again: one may come before the write
words = b"reps=1 timeout_ms=60000\n"
got = LIBC.write(fd, words, len(words))  # Python's own would write again
got = ctypes.get_errno() if got < 0 else 0
signal.setitimer(signal.ITIMER_REAL, 0)
row("EINTR", got, "kernels/loop/run", told_by(fd), "kernels/loop/error")
os.close(fd)
fd = os.open(full("kernels/loop/run"), os.O_RDWR | os.O_NONBLOCK)
sfs.ok("a run in the background", os.write(fd, words) == len(words))
got = sfs.error_of(os.write, fd, words)
row("EAGAIN", got, "kernels/loop/run", told_by(fd), "kernels/loop/error")
os.close(fd)
end = time.monotonic() + 30
while sfs.read("kernels/loop/state").strip() != "idle" and time.monotonic() < end:
    time.sleep(0.02)
sfs.ok("close ends it", sfs.read("kernels/loop/state").strip() == "idle")

# ---- objects ----
os.mkdir(full("kernels/last"))
row("EDQUOT", sfs.error_of(os.mkdir, full("kernels/more")), "kernels/more")
row("EINVAL", sfs.error_of(os.mkdir, full("kernels/a b")), "kernels/a b")
row("ENAMETOOLONG", sfs.error_of(os.mkdir, full("kernels/" + "n" * 65)), "kernels/" + "n" * 65)
row("EPERM", sfs.error_of(os.rmdir, full("kernels/cblas_sdot")), "kernels/cblas_sdot")
row("EPERM", sfs.error_of(os.symlink, "x", full("kernels/link")), "kernels/link")
if sfs.ROLE == "root":  # others may not write there at all
    row("EPERM", sfs.error_of(os.mkdir, full("top")), "top")
    sfs.ok("the top has a name in a sentence", sfs.read("error") == "top EPERM no directory can be made in '/'\n", sfs.read("error"))
    row("EPERM", sfs.error_of(os.open, full("top"), os.O_CREAT | os.O_WRONLY), "top")
    sfs.ok("for files, too", sfs.read("error") == "top EPERM no file can be made in '/'\n", sfs.read("error"))
kernel_row("EEXIST", sfs.error_of(os.mkdir, full("kernels/last")), "kernels/last")
kernel_row("ENOENT", sfs.error_of(os.rmdir, full("kernels/nobodys")), "kernels/nobodys")
kernel_row("ENOTDIR", sfs.error_of(os.rmdir, full("kernels/last/codelet")), "kernels/last/codelet")
kernel_row("EISDIR", sfs.error_of(os.open, full("kernels/last"), os.O_WRONLY), "kernels/last")
kernel_row("ENOTTY", sfs.error_of(fcntl.ioctl, os.open(full("README"), os.O_RDONLY), 0x5401, b"\0" * 64), "README")
fd = os.open(full("kernels/last/codelet"), os.O_RDWR)
path_only = os.open(full("kernels/last/events"), os.O_PATH)
os.rmdir(full("kernels/last"))
got = sfs.error_of(os.write, fd, b"auto\n")
row("ENODEV", got, "kernels/last/codelet")
kernel_row("ENODEV", sfs.error_of(os.pread, fd, 100, 0), "kernels/last/codelet")
kernel_row("ESTALE", sfs.error_of(os.open, f"/proc/self/fd/{path_only}", os.O_RDONLY), "kernels/last/events")
os.close(fd)
os.close(path_only)

# ---- uploads ----


def put(name, data, flags=0):
    """The errno of an upload, from whichever call."""
    fd = os.open(full(f"store/{name}"), os.O_WRONLY | os.O_CREAT | flags, 0o644)
    wrote = sfs.error_of(os.write, fd, data)
    return sfs.error_of(os.close, fd) or wrote


good = open(sfs.compile_c("int one(void) { return 1; }", "one"), "rb").read()
row("ENOEXEC", put("text.o", b"#!/bin/sh\n"), "store/text.o", None, "store/error")
row("EFBIG", put("big.o", bytes(65537)), "store/big.o", None, "store/error")
fd = os.open(full("store/twice.o"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
os.write(fd, good)
sfs.ok("a name that another takes meanwhile", put("twice.o", good, os.O_EXCL) == 0)
row("EEXIST", sfs.error_of(os.close, fd), "store/twice.o", None, "store/error")
row("EXDEV", sfs.error_of(os.rename, full("store/twice.o"), full("kernels/twice.o")), "store/twice.o", None, "store/error")
row("EACCES" if sfs.ROLE != "root" else "EPERM", sfs.error_of(os.open, full("store/error"), os.O_WRONLY), "store/error", None,
    "store/error")

# A run that names a codelet which the caller may not read; for root, who may all, in a child that is not root.
pid = os.fork()
if pid == 0:
    before = sfs.failed
    try:
        if sfs.ROLE == "root":
            os.chmod(full("store/twice.o"), 0o600)
            os.setresuid(20001, 20001, 20001)
        else:
            os.chmod(full("store/twice.o"), 0)
        command_row("EACCES", RUN, "codelet=twice.o\n")
    except OSError as e:
        sfs.ok("EACCES: a codelet that may not be read", False, e)
    os._exit(sfs.failed > before)
sfs.ok("EACCES", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0)
seen.add("EACCES")

# ---- the rest ----
rows, others = refusals.closed_table()
sfs.ok("every row was had, or a reason is given", rows | others == seen | set(NOT_HERE), sorted((rows | others) ^ (seen | set(NOT_HERE))))
sfs.ok("and no row has both", not seen & set(NOT_HERE), sorted(seen & set(NOT_HERE)))
sfs.done()
