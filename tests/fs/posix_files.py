#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# deadline: 240
"""What POSIX and Linux say of files, their bytes, their modes and their users, asked of store/ call by call; one line for each table."""
import ctypes, fcntl, itertools, mmap, os, stat, struct, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs
from calls import (A, B, CODELETS, EXCHANGE, KERNELS, NAME_MAX, ROOT, STORE, as_user, at, clear, content, group, libc, one,
                   opened, outcome, put, rename2, touch, two)


# ---- what is in a file ----------------------------------------------------------------------------------------------------


def shown(data):
    """Bytes, without the mark that separates outcomes."""
    return data.hex() or "nothing"


def after_writes(*steps, flags=os.O_RDWR | os.O_CREAT | os.O_TRUNC, name=".w", start=None):
    """What a staged file holds after steps: (function, arguments after the descriptor)."""
    if start is not None:
        put(name, start)
    try:
        with opened(at(name), flags) as fd:
            for call, *args in steps:
                call(fd, *args)
            size = os.fstat(fd).st_size
            got = os.pread(fd, 1 << 20, 0) if flags & os.O_RDWR else b""
        whole = content(name)
        if len(whole) != size or (flags & os.O_RDWR and got != whole):
            return f"{len(whole)} bytes, {size} by fstat, {len(got)} by its own descriptor"
        return shown(whole)
    finally:
        if os.path.exists(at(name)):
            os.unlink(at(name))


def writing():
    w, p, t, seek = os.write, os.pwrite, os.ftruncate, os.lseek
    rows = [
        ("one write", b"abc", [(w, b"abc")]), ("two", b"abcdef", [(w, b"abc"), (w, b"def")]),
        ("at an offset", b"abXd", [(w, b"abcd"), (p, b"X", 2)]),
        ("a hole", b"\0\0\0x", [(p, b"x", 3)]), ("beyond the end", b"a\0\0b", [(w, b"a"), (p, b"b", 3)]),
        ("seek and write", b"aXc", [(w, b"abc"), (seek, 1, 0), (w, b"X")]),
        ("truncate", b"ab", [(w, b"abcd"), (t, 2)]), ("truncate to nothing", b"", [(w, b"abcd"), (t, 0)]),
        ("truncate longer", b"ab\0\0", [(w, b"ab"), (t, 4)]),
        ("truncate, then write", b"a\0\0d", [(w, b"abc"), (t, 1), (p, b"d", 3)]),
        ("after the end again", b"\0\0\0z", [(w, b"abc"), (t, 0), (w, b"z")]),
        ("nothing", b"", [(w, b"")]), ("many", bytes(range(256)) * 40, [(w, bytes([i])) for i in range(256)] * 40),
        ("vectors", b"abcd", [(os.writev, [b"ab", b"", b"cd"])]),
    ]
    group("what is written is what is read", [(n, shown(want), lambda s=steps: after_writes(*s)) for n, want, steps in rows])
    appends = [(w, b"c"), (p, b"d", 0), (seek, 0, 0), (w, b"e")]
    group("O_APPEND goes to the end", [
        ("from nothing", shown(b"cde"), lambda: after_writes(*appends, flags=os.O_RDWR | os.O_CREAT | os.O_APPEND)),
        ("from something", shown(b"abcde"), lambda: after_writes(*appends, flags=os.O_RDWR | os.O_APPEND, start=b"ab")),
        ("truncated first", shown(b"cde"), lambda: after_writes(*appends, flags=os.O_RDWR | os.O_APPEND | os.O_TRUNC,
        start=b"ab")),
        ("without it", shown(b"Xb"), lambda: after_writes((w, b"X"), flags=os.O_RDWR, start=b"ab")),
        ("write only", shown(b"Xb"), lambda: after_writes((w, b"X"), flags=os.O_WRONLY, start=b"ab")),
    ])
    put("r.o")
    with opened(at("r.o")) as fd:
        n = len(one)
        group("reading", [(f"{size} at {off}", "ok", lambda o=off, s=size: os.pread(fd, s, o) == one[o:o + s])
                          for off, size in itertools.product((0, 1, 7, 511, n - 1, n, n + 1, 1 << 40), (0, 1, 4096, 1 << 20))] +
              [("seek to the end", n, os.lseek, fd, 0, os.SEEK_END), ("data", 0, os.lseek, fd, 0, os.SEEK_DATA),
              ("hole", n, os.lseek, fd, 0, os.SEEK_HOLE),
               ("data beyond", "ENXIO", os.lseek, fd, n, os.SEEK_DATA),
               ("vectors", "ok", lambda: os.preadv(fd, [bytearray(3), bytearray(5)], 1) == 8)])
    big = int(next(l.split("=")[1] for l in sfs.read("config").splitlines() if l.split("=")[0].strip() == "max_bytes"))
    group("truncate", [
        ("by name, the same size", "ok", os.truncate, at("r.o"), n), ("by name, shorter", "EPERM", os.truncate, at("r.o"), 5),
        ("to nothing", "EPERM", os.truncate, at("r.o"), 0),
        ("longer", "EPERM", os.truncate, at("r.o"), n + 1), ("negative", "EINVAL", os.truncate, at("r.o"), -1),
        ("a directory", "EISDIR", os.truncate, STORE, 0),
        ("a row", "ok|EPERM|EACCES", os.truncate, at("error"), 0),
        ("shorter, by descriptor", "ENOEXEC", lambda: after_close(lambda fd: os.ftruncate(fd, 5))),
        ("the same, by descriptor", "ok", lambda: after_close(lambda fd: os.ftruncate(fd, n))),
        ("nothing, by descriptor", "ok", lambda: after_close(lambda fd: os.ftruncate(fd, 0))),
        ("more than max_bytes", "EFBIG", lambda: after_close(lambda fd: os.ftruncate(fd, big + 1))),
        ("a write there", "EFBIG", lambda: after_close(lambda fd: os.pwrite(fd, b"x", big))),
        ("a row that is written", "ok", os.truncate, f"{KERNELS}/sdot/run", 0),
    ])
    sfs.ok("what was refused has changed nothing", content("r.o") == one)
    clear()


def after_close(step):
    with opened(at("r.o"), os.O_WRONLY) as fd:
        step(fd)


# ---- attributes ------------------------------------------------------------------------------------------------------------


def mode_of(name):
    return stat.S_IMODE(os.stat(at(name)).st_mode)


def with_umask(mask, mode, name):
    before = os.umask(mask)
    try:
        touch(at(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        return mode_of(name)
    finally:
        os.umask(before)
        os.unlink(at(name))


def changed_mode(name, mode):
    os.chmod(at(name), mode)
    return mode_of(name)


def set_times(name, times):
    os.utime(at(name), ns=times)
    return os.stat(at(name)).st_mtime_ns


def attributes():
    put("f.o")
    put(".s")
    group("mode and umask of a new file", [(f"{mode:o} & ~{mask:o}", mode & ~mask, with_umask, mask, mode,
        ".u") for mode in (0o777, 0o666, 0o644, 0o600, 0o421, 0o400)
                                           for mask in (0, 0o22, 0o27, 0o77, 0o111)])
    group("every mode of a staged file", [(f"{m:o}", m, changed_mode, ".s", m) for m in range(0o1000)])
    group("modes of a codelet", [(f"{m:o}", m, changed_mode, "f.o", m) for m in (0o777, 0o666, 0o644, 0o640, 0o604, 0o600, 0o400,
        0o200, 0o100, 0)])
    group("bits that no codelet has", [(f"{m:o}", f"{m & 0o777}|EPERM|EINVAL",
        lambda m=m: str(outcome(changed_mode, "f.o", m))) for m in (0o4755, 0o2755, 0o1755, 0o7777)])
    os.chmod(at("f.o"), 0o644)
    now = time.time_ns()
    group("times", [(f"{n} {t}", t, set_times, n, (t, t)) for n in (".s", "f.o") for t in (0, 1, 10 ** 9, 123456789012345678, now,
        4 * 10 ** 18)] +
          [("now", "ok", lambda: os.utime(at("f.o")) or abs(os.stat(at("f.o")).st_mtime_ns - time.time_ns()) < 60 * 10 ** 9),
          ("nothing", "ENOENT", os.utime, at("none")),
           ("a row", "ok", os.utime, f"{KERNELS}/sdot/run"), ("a directory", "ok|EPERM|EACCES", os.utime, STORE)])
    st, d = os.stat(at("f.o")), os.stat(STORE)
    with opened(at("f.o")) as fd:
        same = os.fstat(fd)
    inodes = [os.lstat(os.path.join(folder, n)).st_ino for folder, below, files in os.walk(sfs.MNT) for n in below + files]
    group("stat", [
        ("kind", "ok", lambda: stat.S_ISREG(st.st_mode) and stat.S_ISDIR(d.st_mode)),
        ("sticky", 0o1777, lambda: stat.S_IMODE(d.st_mode)), ("size", len(one), lambda: st.st_size),
        ("blocks", (len(one) + 511) // 512, lambda: st.st_blocks), ("links", "ok", lambda: st.st_nlink == 1 and d.st_nlink >= 2),
        ("owner", os.getuid(), lambda: st.st_uid),
        ("group", os.getgid(), lambda: st.st_gid), ("fstat is stat", "ok", lambda: same == st),
        ("device", "ok", lambda: st.st_dev == d.st_dev == os.stat(sfs.MNT).st_dev),
        ("numbers are unique", len(inodes), lambda: len(set(inodes))),
        ("numbers stay", st.st_ino, lambda: os.stat(at("f.o")).st_ino), ("by its directory", st.st_ino,
         lambda: next(e.inode() for e in os.scandir(STORE) if e.name == "f.o")),
    ])
    v = os.statvfs(at("f.o"))
    group("statvfs", [("longest name", NAME_MAX, lambda: v.f_namemax),
        ("block", "ok", lambda: v.f_bsize >= 512 and v.f_frsize >= 512),
        ("room", "ok", lambda: v.f_blocks >= v.f_bfree >= v.f_bavail > 0),
                      ("the same everywhere", "ok", lambda: os.statvfs(sfs.MNT).f_blocks == v.f_blocks)])
    rights = ((0o644, "rw"), (0o600, "rw"), (0o444, "r"), (0o200, "w"), (0o755, "rwx"), (0, ""), (0o111, "x"), (0o077, ""))
    group("access", [(f"{m:o} {r}", "ok" if r in have or (ROOT and r != "x") or (ROOT and m & 0o111) else "EACCES", lambda m=m,
        r=r: os.chmod(at("f.o"), m) or
                      libc("access", at("f.o").encode(), "xwr".index(r) and {1: 2, 2: 4}["xwr".index(r)] or 1)) for m,
                      have in rights for r in "rwx"])
    own = [(f"{m:o} {flag}", "ok" if ROOT or all(c in have for c in need) else "EACCES", lambda m=m,
        f=flag: os.chmod(at("f.o"), m) or touch(at("f.o"), f))
           for m, have in rights for flag, need in ((os.O_RDONLY, "r"), (os.O_WRONLY, "w"), (os.O_RDWR, "rw"))]
    group("open by mode", own)
    os.chmod(at("f.o"), 0o644)
    group("owners", [("nothing changes", "ok", os.chown, at("f.o"), -1, -1),
        ("the same", "ok", os.chown, at("f.o"), os.getuid(), os.getgid()),
                     ("another", "ok" if ROOT else "EPERM", os.chown, at("f.o"), A, -1),
                     ("another group", "ok" if ROOT else "EPERM", os.chown, at("f.o"), -1, A),
                     ("of a row of the store", "ok" if ROOT else "EPERM", os.chown, f"{KERNELS}/sdot/events", A, -1),
                     ("nothing", "ENOENT", os.chown, at("none"), -1, -1)])
    clear()


# ---- what Linux has besides ------------------------------------------------------------------------------------------------


def lock_in_child(fd_path, command):
    """The outcome in another process of trying to lock what this one has locked."""
    return sfs.told(lambda: outcome(command, os.open(fd_path, os.O_RDWR)))


def besides():
    put("f.o")
    f = at("f.o")
    exclusive = fcntl.LOCK_EX | fcntl.LOCK_NB
    with opened(f, os.O_RDWR) as fd:
        group("locks", [
            ("flock", "ok", fcntl.flock, fd, exclusive), ("flock by another", "EAGAIN", lock_in_child, f,
            lambda x: fcntl.flock(x, exclusive)), ("unlock", "ok", fcntl.flock, fd, fcntl.LOCK_UN),
            ("flock after it", "ok", lock_in_child, f, lambda x: fcntl.flock(x, exclusive)),
            ("a range", "ok", fcntl.lockf, fd, exclusive, 10, 5),
            ("the range by another", "EAGAIN|EACCES", lock_in_child, f, lambda x: fcntl.lockf(x, exclusive, 10, 0)),
            ("beside it", "ok", lock_in_child, f, lambda x: fcntl.lockf(x, exclusive, 10, 20)),
            ("a lease", "ok|EAGAIN|EINVAL|EPERM", fcntl.fcntl, fd, fcntl.F_SETLEASE, fcntl.F_RDLCK),
        ])
        xattr = [(f"{what} {name}", "EOPNOTSUPP", call, f, name, *more) for name in ("user.a", "security.selinux", "trusted.x",
            "system.posix_acl_access")
                 for what, call, *more in (("get", os.getxattr),
                 ("set", os.setxattr, b"x" if "acl" not in name else struct.pack("<I", 2)), ("remove", os.removexattr))
                 if (ROOT or not name.startswith("trusted")) and (what, name[:6]) != ("get", "system")]
        group("extended attributes", xattr + [("an ACL", "EOPNOTSUPP|ENODATA", os.getxattr, f, "system.posix_acl_access"),
            ("list", "ok|EOPNOTSUPP", os.listxattr, f)])
        group("calls that are not for files here", [
            ("fallocate", "EOPNOTSUPP", libc, "fallocate", fd, 0, ctypes.c_long(0), ctypes.c_long(4096)),
            ("punching a hole", "EOPNOTSUPP", libc, "fallocate", fd, 3, ctypes.c_long(0), ctypes.c_long(16)),
            ("a terminal's ioctl", "ENOTTY", fcntl.ioctl, fd, 0x5401, bytes(64)),
            ("FICLONE", "EOPNOTSUPP|EINVAL|EXDEV|ENOTTY", fcntl.ioctl, fd, 0x40049409, fd),
            ("FIEMAP", "EOPNOTSUPP|ENOTTY", fcntl.ioctl, fd, 0xC020660B, bytearray(32)),
            ("getting flags", "ENOTTY|EOPNOTSUPP|ENOSYS", fcntl.ioctl, fd, 0x80086601, bytes(8)),
            ("mapping it shared", "ENODEV", lambda: mmap.mmap(fd, 0, flags=mmap.MAP_SHARED,
            prot=mmap.PROT_READ | mmap.PROT_WRITE)), ("swap", "EINVAL|EPERM|ETXTBSY|EBUSY", libc, "swapon", f.encode(), 0),
        ])
        group("calls that are", [
            ("fsync", "ok", os.fsync, fd), ("fdatasync", "ok", os.fdatasync, fd), ("syncfs", "ok", libc, "syncfs", fd),
            ("fadvise", "ok", os.posix_fadvise, fd, 0, 0, 4),
            ("readahead", "ok|EINVAL", libc, "readahead", fd, ctypes.c_long(0), 4096),
            ("mapping it privately", "ok", lambda: mmap.mmap(fd, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ).read() == one),
            ("fsync of the directory", "ok", lambda: sync_directory()), ("dup", "ok", lambda: os.close(os.dup(fd))),
            ("sendfile", "ok", lambda: by_call(fd, lambda o: os.sendfile(o, fd, 0, 1 << 20))),
            ("copy_file_range", "ok|EXDEV", lambda: by_call(fd, lambda o: os.copy_file_range(fd, o, 1 << 20, 0))),
            ("splice", "ok", lambda: spliced(fd)),
        ])
    sfs.ok("the bytes are the same after all that", content("f.o") == one)
    clear()


def sync_directory():
    with opened(STORE) as fd:
        os.fsync(fd)


def by_call(fd, call):
    out = os.memfd_create("out")
    try:
        call(out)
        return os.pread(out, 1 << 20, 0) == one
    finally:
        os.close(out)


def spliced(fd):
    r, w = os.pipe()
    try:
        n = os.splice(fd, w, 512, offset_src=0)
        return os.read(r, n) == one[:n] and n > 0
    finally:
        os.close(r)
        os.close(w)


# ---- users -----------------------------------------------------------------------------------------------------------------


def users():
    """The rules of owner, other and root, and of the sticky bit; the group by supplementary ids."""
    group("a user makes a file", [("put", "ok", as_user, A, put, "a.o"), ("another one", "ok", as_user, B, put, "b.o", two),
        ("staged", "ok", as_user, A, put, ".a")])
    a, b, s = at("a.o"), at("b.o"), at(".a")
    group("another may not", [(w, "EPERM|EACCES", as_user, B, c, *x) for w, c, *x in (
        ("chmod", os.chmod, a, 0o666), ("chown to himself", os.chown, a, B, -1), ("chgrp", os.chown, a, -1, B),
        ("utimens", lambda: os.utime(a, (1, 1))), ("now", os.utime, a),
        ("unlink", os.unlink, a), ("rename", os.rename, a, at("c.o")), ("rename over", os.rename, b, a),
        ("overwrite", put, "a.o", two), ("append", touch, a, os.O_WRONLY | os.O_APPEND),
        ("truncate", os.truncate, a, 0), ("exclude him by an exchange", rename2, "b.o", "a.o", EXCHANGE))])
    group("what is staged is not there for another", [(w, "ENOENT|EPERM|EACCES", as_user, B, c, *x) for w, c, *x in (
        ("open", touch, s), ("stat", os.stat, s), ("unlink", os.unlink, s), ("rename", os.rename, s, at(".b")),
        ("chmod", os.chmod, s, 0o777))])
    sfs.ok("nor listed", as_user(B, lambda: ".a" not in os.listdir(STORE)) == "ok" and ".a" in os.listdir(STORE))
    group("the owner may", [(w, "ok", as_user, A, c, *x) for w, c, *x in (
        ("chmod", os.chmod, a, 0o640), ("chgrp to his own", os.chown, a, A, A), ("utimens", lambda: os.utime(a, (1, 1))),
        ("overwrite", put, "a.o", two), ("rename", os.rename, a, at("c.o")),
        ("back", os.rename, at("c.o"), a), ("unlink", os.unlink, s))])
    group("the owner may not", [(w, "EPERM", as_user, A, c, *x) for w, c,
        *x in (("give it away", os.chown, a, B, -1), ("to root", os.chown, a, 0, -1),
        ("to a group of others", os.chown, a, -1, B),
                                                                                  ("take his own 0 mode for root's", os.chown, a,
                                                                                  0, 0))])
    member = {"gid": 30000, "groups": (A,)}
    sfs.ok("a member of the owner's group reads by 0640", as_user(B, content, "a.o", **member) == "ok" and as_user(B, content,
        "a.o") == "EACCES",
           (as_user(B, content, "a.o", **member), as_user(B, content, "a.o")))
    os.chown(a, A, 30001)
    sfs.ok("root gives it to a group", os.stat(a).st_gid == 30001 and as_user(B, content, "a.o", gid=30001) == "ok" and as_user(B,
        content, "a.o", **member) == "EACCES")
    modes = []
    for mode in (0o400, 0o040, 0o004, 0o200, 0o020, 0o002, 0o444, 0o222, 0o666, 0):
        os.chmod(a, mode)
        for who, gid, shift in ((A, A, 6), (B, 30001, 3), (B, B, 0)):
            bits = mode >> shift & 7
            modes += [(f"{mode:o} read {who}/{gid}", "ok" if bits & 4 else "EACCES", as_user, who, touch, a, os.O_RDONLY),
                (f"{mode:o} write {who}/{gid}", "ok" if bits & 2 else "EACCES", as_user, who, touch, a, os.O_WRONLY)]
            modes = [(w, e, lambda c=c, args=args, g=gid, m=mode: (os.chmod(a, m),
                as_user(*args, gid=g))[1]) if c is as_user else (w, e, c, *args) for w, e, c, *args in modes]
    group("each mode for owner, group and other", modes)
    group("root may", [("read", "ok", touch, a, os.O_RDWR), ("chown", "ok", os.chown, a, B, B),
        ("rename", "ok", os.rename, a, at("r.o")), ("unlink", "ok", os.unlink, at("r.o")), ("the other", "ok", os.unlink, b)])
    clear()


writing()
attributes()
besides()
if ROOT:
    users()
sfs.ok("nothing of all this is left", os.listdir(STORE) == ["error"] and os.listdir(CODELETS) == [])
sfs.done()
