#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
# deadline: 240
"""What POSIX and Linux say of names, asked of store/ call by call; one line for each table."""
import os, socket, stat, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs
from calls import (CLOSED, CODELETS, EXCHANGE, KERNELS, NAME_MAX, NOREPLACE, PLAIN, STORE, WHITEOUT, at, clear, content,
                   group, is_now, libc, one, opened, outcome, put, rename2, touch, two)


# ---- names -----------------------------------------------------------------------------------------------------------------


def making(name):
    """A name made and taken away: as a file that is staged, or as one that is open and never committed."""
    path = STORE.encode() + b"/" + name
    touch(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    if name.startswith(b"."):
        os.unlink(path)


def kernel_named(name):
    path = KERNELS.encode() + b"/" + name
    os.mkdir(path)
    os.rmdir(path)


def each_byte(pattern, allowed, call, bad="EINVAL"):
    for byte in range(1, 256):
        name = pattern.replace(b"?", bytes([byte]))
        if byte != ord("/") and name not in (b".", b".."):
            yield f"{name!r}", "ok" if byte in allowed else bad, call, name


def each_length(first, limit, call):
    for n in (1, 2, 3, 31, 63, 64, 65, 100, 254, 255, 256, 1000):
        if n >= len(first) + 1:
            yield f"{n} bytes", "ok" if n <= limit else "ENAMETOOLONG", call, first + b"n" * (n - len(first))


def names():
    for where, first in ((b"a?", set()), (b"a?b", set()), (b"?a", {ord(".")})):
        group(f"every byte in a name: {where.decode()}", each_byte(where, PLAIN | (first and {ord(".")}), making))
        group(f"every byte in a kernel's name: {where.decode()}", each_byte(where, PLAIN - first - set(b"@"), kernel_named))
    group("every byte in a staged name", each_byte(b".a?", PLAIN | set(b"@~"), making))
    group("every length of a name", each_length(b"", NAME_MAX, making))
    group("every length of a kernel's name", each_length(b"", NAME_MAX, kernel_named))
    group("looking up what cannot be", [(f"{n!r}", "ENOENT|ENAMETOOLONG", os.stat, at(n)) for n in
                                         ("none", " ", "a b", "\u00fc", "a" * 64, "a" * 65, "a" * 255, "a" * 1000, ".none",
                                         "*", "@")])
    clear()


# ---- open ------------------------------------------------------------------------------------------------------------------


def opening():
    put("f.o")
    f, d = at("f.o"), STORE
    flags = {n: getattr(os, n) for n in dir(os) if n.startswith("O_")}
    ways = ("O_RDONLY", "O_WRONLY", "O_RDWR")
    more = ("O_TRUNC", "O_APPEND", "O_CREAT", "O_NOFOLLOW", "O_NONBLOCK", "O_SYNC", "O_DSYNC", "O_DIRECT", "O_NOATIME",
            "O_CLOEXEC", "O_NOCTTY", "O_PATH", "O_LARGEFILE")
    group("each flag of open, alone and with another",
          [(f"{w} {a} {b}", "ok", touch, f, flags[w] | flags[a] | flags[b]) for w in ways for a in more for b in more
           if not (w == "O_RDONLY" and "O_TRUNC" in (a, b))])
    sfs.ok("which have changed nothing", content("f.o") == one)
    group("flags that are refused", [
        ("O_EXCL", "EEXIST", touch, f, os.O_CREAT | os.O_EXCL | os.O_WRONLY),
        ("O_EXCL on a row", "EEXIST", touch, at("error"), os.O_CREAT | os.O_EXCL),
        ("O_EXCL on a directory", "EEXIST", touch, d, os.O_CREAT | os.O_EXCL),
        ("O_DIRECTORY", "ENOTDIR", touch, f, os.O_DIRECTORY),
        ("O_CREAT on a directory", "EISDIR", touch, d, os.O_CREAT), ("writing to a directory", "EISDIR", touch, d, os.O_WRONLY),
        ("both to a directory", "EISDIR", touch, d, os.O_RDWR),
        ("O_TRUNC of a directory", "EISDIR", touch, d, os.O_RDONLY | os.O_TRUNC),
        ("none", "ENOENT", touch, at("none"), os.O_RDWR), ("none, O_TRUNC", "ENOENT", touch, at("none"), os.O_RDWR | os.O_TRUNC),
        ("O_TMPFILE", "EOPNOTSUPP|EISDIR|EPERM", touch, d, os.O_TMPFILE | os.O_RDWR), ("a slash", "ENOTDIR", touch, f + "/"),
        ("a row for writing", "EPERM|EACCES", touch, at("error"), os.O_WRONLY),
        ("a row, O_TRUNC", "EPERM|EACCES", touch, at("error"), os.O_WRONLY | os.O_TRUNC),
        ("O_CREAT in codelets", CLOSED, touch, f"{CODELETS}/new", os.O_CREAT | os.O_WRONLY),
        ("O_CREAT below a codelet", CLOSED, touch, f"{CODELETS}/f.o/new", os.O_CREAT | os.O_WRONLY),
        ("O_CREAT in kernels", "EPERM", touch, f"{KERNELS}/new", os.O_CREAT | os.O_WRONLY),
        ("O_CREAT at the top", CLOSED, touch, f"{sfs.MNT}/new", os.O_CREAT | os.O_WRONLY),
    ])
    with opened(f, os.O_WRONLY) as w, opened(f) as r, opened(d) as dir_fd, opened(f, os.O_PATH) as p:
        group("descriptors of the wrong kind", [
            ("read of a writer's", "EBADF", os.read, w, 1), ("write to a reader's", "EBADF", os.write, r, b"x"),
            ("read of a directory", "EISDIR", os.read, dir_fd, 1),
            ("write to a directory", "EBADF", os.write, dir_fd, b"x"), ("read of O_PATH", "EBADF", os.read, p, 1),
            ("fchmod of O_PATH", "EBADF", os.fchmod, p, 0o600),
            ("fstat of O_PATH", "ok", os.fstat, p), ("ftruncate of a reader's", "EINVAL|EBADF", os.ftruncate, r, 0),
            ("listing by a file's", "ENOTDIR", os.listdir, r),
            ("a negative offset", "EINVAL", os.lseek, r, -1, os.SEEK_SET), ("reading there", "EINVAL", os.pread, r, 1, -1),
            ("writing there", "EINVAL", os.pwrite, w, b"x", -1),
            ("below a file", "ENOTDIR", lambda: os.open("x", os.O_RDONLY, dir_fd=r)),
            ("below the directory", "ok", lambda: os.close(os.open("f.o", os.O_RDONLY, dir_fd=dir_fd))),
        ])
    clear()


# ---- paths -----------------------------------------------------------------------------------------------------------------


def paths():
    put("f.o")
    calls = {"open": touch, "stat": os.stat, "lstat": os.lstat, "unlink": os.unlink, "rmdir": os.rmdir, "mkdir": os.mkdir,
             "chmod": lambda p: os.chmod(p, 0o644), "chown": lambda p: os.chown(p, -1, -1), "truncate": lambda p: os.truncate(p, 0),
             "access": lambda p: libc("access", p.encode(), 0), "utimens": os.utime,
             "rename": lambda p: os.rename(p, at("g.o")), "link": lambda p: os.link(p, at("g.o")), "readlink": os.readlink,
             "statvfs": os.statvfs, "listdir": os.listdir,
             "create": lambda p: touch(p, os.O_CREAT | os.O_WRONLY), "exec": lambda p: os.execv(p, ["x"])}
    ways = (("a file amid", at("f.o/x"), "ENOTDIR"), ("nothing amid", at("none/x"), "ENOENT"),
        ("a row amid", at("error/x"), "ENOTDIR"), ("no path", "", "ENOENT"),
            ("too long a path", "/".join([STORE] + ["."] * 2100), "ENAMETOOLONG"),
            ("a codelet's file amid", f"{CODELETS}/f.o/info/x", "ENOTDIR"))
    group("every call through what is no directory", [(f"{n} {w}", e, c, p) for n, c in calls.items() for w, p, e in ways])
    sfs.ok("which have changed nothing", content("f.o") == one and sorted(os.listdir(STORE)) == ["error", "f.o"],
        os.listdir(STORE))
    group("removing and making directories", [
        ("unlink of a directory", "EISDIR|EPERM|EACCES", os.unlink, STORE),
        ("unlink of a codelet's", "EISDIR|" + CLOSED, os.unlink, f"{CODELETS}/f.o"),
        ("unlink of nothing", "ENOENT", os.unlink, at("none")), ("unlink of a row", "EPERM", os.unlink, at("error")),
        ("of a kernel", "EISDIR", os.unlink, f"{KERNELS}/sdot"),
        ("rmdir of a file", "ENOTDIR", os.rmdir, at("f.o")), ("rmdir of a row", "ENOTDIR", os.rmdir, at("error")),
        ("rmdir of nothing", "ENOENT", os.rmdir, at("none")),
        ("rmdir of the store", CLOSED + "|EBUSY|ENOTEMPTY", os.rmdir, STORE), ("rmdir of .", "EINVAL", os.rmdir, STORE + "/."),
        ("rmdir of ..", "ENOTEMPTY", os.rmdir, STORE + "/.."), ("rmdir of the mount", "EBUSY|EACCES", os.rmdir, sfs.MNT),
        ("rmdir of a codelet", CLOSED, os.rmdir, f"{CODELETS}/f.o"),
        ("rmdir of a shipped kernel", "EPERM|EACCES", os.rmdir, f"{KERNELS}/sdot"),
        ("mkdir over a file", "EEXIST", os.mkdir, at("f.o")), ("mkdir over a row", "EEXIST", os.mkdir, at("error")),
        ("mkdir over the store", "EEXIST", os.mkdir, STORE),
        ("mkdir over a kernel", "EEXIST", os.mkdir, f"{KERNELS}/sdot"), ("mkdir at the top", CLOSED, os.mkdir, f"{sfs.MNT}/new"),
        ("mkdir in codelets", CLOSED, os.mkdir, f"{CODELETS}/new"),
        ("mkdir in a kernel", "EPERM|EACCES", os.mkdir, f"{KERNELS}/sdot/new"), ("link", "EPERM", os.link, at("f.o"), at("g.o")),
        ("link over", "EEXIST", os.link, at("f.o"), at("error")),
        ("link of nothing", "ENOENT", os.link, at("none"), at("g.o")),
        ("link from elsewhere", "EXDEV", os.link, os.path.join(sfs.TMP, "one.o"), at("g.o")),
        ("link to elsewhere", "EXDEV", os.link, at("f.o"), os.path.join(sfs.TMP, "g.o")),
        ("symlink", "EPERM", os.symlink, "f.o", at("g.o")), ("symlink over", "EEXIST", os.symlink, "x", at("f.o")),
        ("mkfifo", "EPERM", os.mkfifo, at("g.o")), ("mknod of a file", "EPERM|ok", mknod_file),
        ("a socket", "EPERM|EADDRINUSE|EACCES", bind), ("mkfifo over", "EEXIST", os.mkfifo, at("f.o")),
        ("a device", "EPERM", os.mknod, at("g.o"), stat.S_IFCHR | 0o600, os.makedev(1, 3)),
        ("readlink of a file", "EINVAL", os.readlink, at("f.o")),
    ])
    sfs.ok("which have changed nothing either", content("f.o") == one and sorted(os.listdir(STORE)) == ["error", "f.o"],
        os.listdir(STORE))
    clear()


def mknod_file():
    os.mknod(at("g.o"), stat.S_IFREG | 0o600)


def bind():
    os.chdir(STORE)  # the path of a socket is short
    try:
        socket.socket(socket.AF_UNIX).bind("g.o")
    finally:
        os.chdir("/")


# ---- rename ----------------------------------------------------------------------------------------------------------------


def renamed(old, new, flags=0, before=None, after=None):
    """The outcome; and with names of what is there before and after, that too."""
    clear()
    for name, data in (before or {"a.o": one, "b.o": two}).items():
        put(name, data)
    got = outcome(rename2, old, new, flags) if flags else outcome(os.rename, at(old), at(new))
    want = after if after is not None else (before or {"a.o": one, "b.o": two})
    seen = {n: content(n) for n in os.listdir(STORE) if n != "error"}
    if seen != want:
        return f"{got}, and there are {sorted(seen)}"
    plain = sorted(n for n in want if n[0] != ".")
    return got if plain == sorted(os.listdir(CODELETS)) else f"{got}, and codelets are {os.listdir(CODELETS)}"


def renaming():
    junk = b"this is no ELF"
    ab, staged = {"a.o": one, "b.o": two}, {".a": one, "b.o": two}
    rows = [
        ("to a free name", "ok", renamed, "a.o", "c.o", 0, ab, {"c.o": one, "b.o": two}),
        ("over another", "ok", renamed, "a.o", "b.o", 0, ab, {"b.o": one}),
        ("onto itself", "ok", renamed, "a.o", "a.o"), ("nothing", "ENOENT", renamed, "none", "c.o"),
        ("nothing over another", "ENOENT", renamed, "none", "a.o"),
        ("NOREPLACE to a free name", "ok", renamed, "a.o", "c.o", NOREPLACE, ab, {"c.o": one, "b.o": two}),
        ("NOREPLACE over another", "EEXIST", renamed, "a.o", "b.o", NOREPLACE),
        ("NOREPLACE onto itself", "EEXIST", renamed, "a.o", "a.o", NOREPLACE),
        ("NOREPLACE over a row", "EEXIST", renamed, "a.o", "error", NOREPLACE),
        ("EXCHANGE", "EINVAL", renamed, "a.o", "b.o", EXCHANGE),
        ("EXCHANGE with nothing", "ENOENT|EINVAL", renamed, "a.o", "c.o", EXCHANGE),
        ("WHITEOUT", "EINVAL|EPERM", renamed, "a.o", "b.o", WHITEOUT),
        ("two flags that exclude each other", "EINVAL", renamed, "a.o", "c.o", NOREPLACE | EXCHANGE),
        ("an unknown flag", "EINVAL", renamed, "a.o", "c.o", 64), ("over a row", "EPERM|EEXIST", renamed, "a.o", "error"),
        ("a row", "EPERM", renamed, "error", "c.o"),
        ("a row over a file", "EPERM", renamed, "error", "a.o"), ("to a staged name", "EINVAL", renamed, "a.o", ".c"),
        ("to a bad name", "EINVAL", renamed, "a.o", "a b"),
        ("to a bad byte", "EINVAL", renamed, "a.o", "\u00fc"),
        ("to 64 bytes", "ok", renamed, "a.o", "n" * 64, 0, ab, {"n" * 64: one, "b.o": two}),
        ("to 65 bytes", "ENAMETOOLONG", renamed, "a.o", "n" * 65), ("to 255 bytes", "ENAMETOOLONG", renamed, "a.o", "n" * 255),
        ("staged to staged", "ok", renamed, ".a", ".b", 0, staged, {".b": one, "b.o": two}),
        ("staged onto itself", "ok", renamed, ".a", ".a", 0, staged),
        ("staged over staged", "ok", renamed, ".a", ".b", 0, {".a": one, ".b": two}, {".b": one}),
        ("staged NOREPLACE over staged", "EEXIST", renamed, ".a", ".b", NOREPLACE, {".a": one, ".b": two}),
        ("staged to a new name", "ok", renamed, ".a", "a.o", 0, staged, {"a.o": one, "b.o": two}),
        ("staged over another", "ok", renamed, ".a", "b.o", 0, staged, {"b.o": one}),
        ("staged NOREPLACE over another", "EEXIST", renamed, ".a", "b.o", NOREPLACE, staged),
        ("staged NOREPLACE to a new name", "ok", renamed, ".a", "a.o", NOREPLACE, staged, ab),
        ("staged EXCHANGE", "EINVAL", renamed, ".a", "b.o", EXCHANGE, staged),
        ("staged to a bad name", "EINVAL", renamed, ".a", "a b", 0, staged),
        ("staged to 65 bytes", "ENAMETOOLONG", renamed, ".a", "n" * 65, 0, staged),
        ("staged over a row", "EPERM|EEXIST", renamed, ".a", "error", 0, staged),
        ("what is no ELF", "ENOEXEC", renamed, ".junk", "c.o", 0, {".junk": junk}),
        ("what is no ELF over another", "ENOEXEC", renamed, ".junk", "b.o", 0, {".junk": junk, "b.o": two}),
        ("an empty one", "ENOEXEC", renamed, ".none", "c.o", 0, {".none": b""}),
        ("through .", "ok", renamed, "./a.o", "../store/c.o", 0, ab, {"c.o": one, "b.o": two}),
    ]
    group("rename within the store", rows)
    clear()
    put("a.o")
    above = os.path.join(sfs.MNT, "elsewhere")
    group("rename elsewhere", [
        ("to codelets", "EXDEV|" + CLOSED, os.rename, at("a.o"), f"{CODELETS}/b.o"),
        ("to kernels", "EXDEV|EPERM", os.rename, at("a.o"), f"{KERNELS}/b"),
        ("to the top", "EXDEV|" + CLOSED, os.rename, at("a.o"), above),
        ("out of it", "EXDEV", os.rename, at("a.o"), f"{sfs.TMP}/a.o"),
        ("into it", "EXDEV", os.rename, f"{sfs.TMP}/one.o", at("b.o")), ("the store", CLOSED + "|EBUSY", os.rename, STORE, above),
        ("a file over a directory", "EISDIR|EXDEV|" + CLOSED, os.rename, at("a.o"), f"{CODELETS}/a.o"),
        ("a directory over a file", "ENOTDIR|EXDEV|" + CLOSED, os.rename, f"{CODELETS}/a.o", at("a.o")),
        ("a kernel", "EPERM|EACCES", os.rename, f"{KERNELS}/sdot", f"{KERNELS}/tods"),
        ("a kernel over another", "ENOTEMPTY|EPERM|EACCES|EEXIST", os.rename, f"{KERNELS}/sdot", f"{KERNELS}/ddot"),
        ("a kernel's file", "EPERM|EACCES", os.rename, f"{KERNELS}/sdot/spec", f"{KERNELS}/sdot/x"),
        ("below itself", "EINVAL", os.rename, STORE, at("x")), (".", "EBUSY|EINVAL", os.rename, STORE + "/.", at("x")),
        ("through a file", "ENOTDIR", os.rename, at("a.o/x"), at("x")),
    ])
    sfs.ok("which has moved nothing", is_now("a.o", one) == "one" and sorted(os.listdir(STORE)) == ["a.o", "error"],
        os.listdir(STORE))
    clear()


# ---- directories -----------------------------------------------------------------------------------------------------------


def listing():
    names = [f".s{i}" for i in range(150)]
    for n in names:
        touch(at(n), os.O_CREAT | os.O_WRONLY)

    def seen(step=lambda entry, i: None):
        got = []
        with os.scandir(STORE) as entries:
            for i, entry in enumerate(entries):
                got.append(entry.name)
                step(entry, i)
        return got

    def all_once(got):
        return len(got) == len(set(got)) and set(names) | {"error"} <= set(got)

    group("listing", [
        ("each name once", "ok", lambda: all_once(seen())), ("again", "ok", lambda: all_once(os.listdir(STORE))),
        ("kinds", "ok", lambda: all(e.is_file() for e in os.scandir(STORE))),
        ("kinds at the top", "ok", lambda: all(e.is_dir() == os.path.isdir(e.path) for e in os.scandir(sfs.MNT))),
        ("while names come", "ok", lambda: set(names) <= set(seen(lambda e,
        i: touch(at(f".t{i}"), os.O_CREAT | os.O_WRONLY) if i < 40 else None))),
        ("while names go", "ok", lambda: set(names) <= set(seen(lambda e,
        i: os.unlink(e.path) if e.name.startswith(".t") else None))),
        ("none of them is left", "ok", lambda: all_once(seen()) and not any(n.startswith(".t") for n in os.listdir(STORE))),
        ("while each goes that was seen", "ok", lambda: set(names) <= set(seen(lambda e,
        i: os.unlink(e.path) if e.name != "error" else None))),
        ("nothing is left", "ok", lambda: os.listdir(STORE) == ["error"]),
    ])


names()
opening()
paths()
renaming()
listing()
sfs.ok("nothing of all this is left", os.listdir(STORE) == ["error"] and os.listdir(CODELETS) == [])
sfs.done()
