#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
"""Calls that files of a control file system seldom meet, on each kind of file: each is answered, soon, and changes nothing else."""
import ctypes, fcntl, mmap, os, select, signal, stat, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs
from calls import AT_FDCWD, KERNELS, LIBC, ROOT, at, content, group, libc, one, outcome, put

ANSWER_S = 30
K = os.path.join(KERNELS, "own")
SPEC = "[kernel]\nname = own\nfunction = one\nreturns = u64\n[param.n]\ntype = u64\ndefault = 1\n[call]\nargs = u64 n\n"
F_SETPIPE_SZ, SYS_FALLOCATE, SYS_VMSPLICE = 1031, 285, 278
OTHER = os.path.join(sfs.TMP, "other")


def soon(call, *args):
    """Its outcome in a child; or that there is none."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(w, str(outcome(call, *args)).encode())
        finally:
            os._exit(0)
    os.close(w)
    got = os.read(r, 4096).decode() if select.select([r], [], [], ANSWER_S)[0] else "no answer"
    os.close(r)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return got


def of(flags, call, *args):
    """A call on a descriptor of the path, which is closed again: what that says counts too."""
    def on(path):
        fd = os.open(path, flags)
        try:
            return call(fd, *args)
        finally:
            os.close(fd)
    return on


def piped(size):
    """A pipe with so many bytes of x, or with a command."""
    r, w = os.pipe()
    fcntl.fcntl(w, F_SETPIPE_SZ, 1 << 20)
    os.write(w, b"x" * size if size else b"n=1 reps=1\n")
    return r


def allocate(fd, mode):
    libc("syscall", SYS_FALLOCATE, fd, mode, ctypes.c_long(0), ctypes.c_long(100))


def beside(path, make, *args):
    make(os.path.join(os.path.dirname(path), "beside"), *args)


def mapped(fd, how):
    """The library's own looks at the size first."""
    LIBC.mmap.restype = ctypes.c_long
    libc("mmap", None, 4096, how, mmap.MAP_SHARED, fd, ctypes.c_long(0))


def linked(fd, path):
    libc("linkat", fd, b"", AT_FDCWD, os.path.join(path, "linked").encode(), 0x1000)


def renamed(path, flags):
    libc("renameat2", AT_FDCWD, path.encode(), AT_FDCWD, os.path.join(os.path.dirname(path), "spec").encode(), flags)


W, R, RW = os.O_WRONLY, os.O_RDONLY, os.O_RDWR
LINE = 1 << 20
# What, the call, and what it answers on: rows that can be written, rows that cannot, files of the store.
SHUT = "EPERM|EACCES"
CALLS = [
    ("a line of 1 MiB", of(W, os.write, b"x" * LINE), "E2BIG", SHUT, "ENOEXEC"),
    ("1 MiB of lines", of(W, os.write, b"n=1\n" * (LINE // 4)), "E2BIG", SHUT, "ENOEXEC"),
    ("64 KiB and a byte", of(W, os.write, b"x" * 65537), "E2BIG", SHUT, "ENOEXEC"),
    ("a NUL byte", of(W, os.write, b"n=1\0\n"), "EINVAL", SHUT, "ENOEXEC"),
    ("nothing", of(W, os.write, b""), 0, SHUT, 0),
    ("many segments", of(W, os.pwritev, [b"y"] * 1000, 0), "EINVAL|ENAMETOOLONG|E2BIG|EPERM", SHUT, "ENOEXEC"),
    ("too many bytes through a pipe", lambda p: of(W, lambda fd: os.splice(piped(200000), fd, 200000))(p), "E2BIG", SHUT, "ENOEXEC"),
    ("sendfile to it", lambda p: of(W, lambda fd: os.sendfile(fd, os.open(OTHER, R), 0, 4096))(p), "EINVAL", SHUT, "ENOEXEC"),
    ("copy_file_range to it", lambda p: of(W, lambda fd: os.copy_file_range(os.open(OTHER, R), fd, 4096))(p), "EXDEV", SHUT, "EXDEV"),
    ("mapped shared, for writing", of(RW, mapped, mmap.PROT_READ | mmap.PROT_WRITE), "ENODEV", SHUT, "ENODEV"),
    ("mapped shared", of(R, mapped, mmap.PROT_READ), "ENODEV", "ENODEV", "ENODEV"),
    ("far away", of(RW, lambda fd: (os.lseek(fd, (1 << 63) - 1, 0), os.write(fd, b"x"))), "EINVAL", SHUT, "EINVAL"),
    ("far away in the file", of(W, os.pwrite, b"n=1\0", 1 << 62), "EINVAL", SHUT, "EFBIG"),
    ("run as a program", lambda p: os.execv(p, [p]), "EACCES", "EACCES", "EACCES"),
    ("a map of its extents", of(R, fcntl.ioctl, 0xc020660b, bytes(64)), "EOPNOTSUPP", "EOPNOTSUPP", "EOPNOTSUPP"),
    ("exchanged", lambda p: renamed(p, 2), "EPERM|EINVAL|ok", "EPERM|ENOENT|EACCES|EINVAL", "ENOENT|EINVAL|EPERM"),
    ("left white", lambda p: renamed(p, 4), "EPERM|EINVAL|ok|EACCES", "EPERM|EINVAL|EACCES", "EINVAL|EPERM"),
    ("a file without a name", lambda p: os.open(os.path.dirname(p), os.O_TMPFILE | W, 0o600), "EOPNOTSUPP", "EOPNOTSUPP|EACCES", "EOPNOTSUPP"),
    ("a name for it", lambda p: of(os.O_PATH, linked, os.path.dirname(p))(p), "EPERM|ENOENT", "EPERM|EACCES|ENOENT", "EPERM|ENOENT"),
    ("a symbolic link beside it", lambda p: beside(p, lambda name: os.symlink("spec", name)), "EPERM", SHUT, "EPERM"),
] + [(f"fallocate {mode:#x}", of(W, allocate, mode), "EOPNOTSUPP", SHUT, "EOPNOTSUPP") for mode in (0, 1, 2, 3, 8, 0x10, 0x20, 0x40, 0x80)] + [
    (f"ioctl {number:#x}", of(R, fcntl.ioctl, number, bytes(64)), "ENOTTY", "ENOTTY", "ENOTTY") for number in (0, 0x5401, 0x6601, 0x80086601, 0x40086602, 0xc0044b01)] + [
    (f"truncated to {size}", lambda p, size=size: os.truncate(p, size), "ok", "ok|EACCES|EPERM", "EPERM") for size in (0, 1, 1 << 40, (1 << 63) - 1)] + [
    (f"ftruncated to {size}", of(W, os.ftruncate, size), "ok", SHUT, wanted) for size, wanted in ((1, "ENOEXEC"), (1 << 40, "EFBIG"))] + [
    (f"{stat.filemode(kind)[0]} beside it", lambda p, kind=kind: beside(p, os.mknod, kind | 0o644, 0x103), "EPERM", SHUT, "EPERM")
    for kind in (stat.S_IFIFO, stat.S_IFREG, stat.S_IFSOCK) + ((stat.S_IFCHR, stat.S_IFBLK) if ROOT else ())] + [
    (f"attribute {name}", lambda p, name=name: os.setxattr(p, name, b"\2\0\0\0"), "EOPNOTSUPP|EPERM|EINVAL", "EOPNOTSUPP|EPERM|EACCES|EINVAL", "EOPNOTSUPP|EPERM|EINVAL")
    for name in ("user.a", "trusted.a", "security.capability", "system.posix_acl_access", "a")]

put("own.o")
with open(OTHER, "wb") as f:
    f.write(b"x\0" * 2048)
os.mkdir(K)
with open(f"{K}/spec", "w") as f:
    f.write(SPEC)
names = sorted(os.listdir(K))
writable = [f"{K}/{row}" for row in ("spec", "codelet", "events", "run", "start", "clone")]
for title, files, column in (("rows", writable, 0), ("rows that cannot be written", [f"{K}/state", f"{K}/result.json", f"{sfs.MNT}/error",
                                                                                     os.path.join(sfs.MNT, "codelets", "own.o", "info")], 1), ("store", [at("own.o")], 2)):
    rows = [(f"{what} on {os.path.basename(file)}", str(expected[column]), soon, call, file) for what, call, *expected in CALLS for file in files]
    group(title, rows)
    sfs.ok("and nothing has changed", (sorted(os.listdir(K)), sfs.read("kernels/own/spec"), content("own.o"), sorted(os.listdir(os.path.dirname(at(""))))) ==
           (names, SPEC, one, ["error", "own.o"]), (os.listdir(K), sfs.read("kernels/own/spec"), os.listdir(os.path.dirname(at("")))))


def given(fd, what):
    """A command that comes another way than by write(2) is one as well."""
    if what == "splice":
        os.splice(piped(0), fd, 100)
    elif what == "vmsplice":
        r, w = os.pipe()
        buffer = ctypes.create_string_buffer(b"n=1 reps=1\n")
        libc("syscall", SYS_VMSPLICE, w, (ctypes.c_ulong * 2)(ctypes.addressof(buffer), 11), ctypes.c_long(1), 0)
        os.splice(r, fd, 100)
    elif what == "sendfile":
        with open(OTHER, "wb") as f:
            f.write(b"n=1 reps=1\n")
        with open(OTHER, "rb") as f:
            os.sendfile(fd, f.fileno(), 0, 100)
    else:
        os.pwritev(fd, [b"n", b"=", b"1", b" reps", b"=1\n"], 12345)
    return "counted" if b"time_ns" in os.pread(fd, 1000, 0) else "nothing"


sfs.codelet("unsigned long one(unsigned long n) { return n; }", "own")
sfs.ok("there is something to run", sfs.run("own", "reps=1")[0] == 0, sfs.read("error"))
group("commands by other calls", [(what, "counted", soon, of(RW, given, what), f"{K}/run") for what in ("splice", "vmsplice", "sendfile", "pwritev")])
os.rmdir(K)
sfs.done()
