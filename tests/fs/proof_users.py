#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
# root-only
"""Two users: neither reads, runs or replaces what is the other's, by any system call that reads."""
import ctypes, errno, mmap, os, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

A, B = 20001, 20002
FILES = ("counters", "result", "distribution", "samples.csv", "result.json", "output", "error")
LIBC = ctypes.CDLL(None)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
os.chmod(sfs.TMP, 0o755)


def as_user(uid, work, meanwhile=None):
    """Runs work in a child with that uid and no groups, and meanwhile beside it; what work returns, as text."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(r)
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            os.umask(0o022)
            answer = repr(work())
        except BaseException as e:
            answer = f"raised {e!r}"
        os.write(w, answer.encode()[:60000])
        os._exit(0)
    os.close(w)
    if meanwhile:
        meanwhile()
    with os.fdopen(r, "rb") as f:
        text = f.read().decode()
    os.waitpid(pid, 0)
    return text


# Three ways to read a file that is open. when_ready comes before the reading, and nothing after it asks for the file's
# attributes: by that the kernel would notice that another one's pages cannot be right.


def by_read(fd, size, when_ready):
    when_ready()
    return os.pread(fd, max(size, 1), 0)


def by_sendfile(fd, size, when_ready):
    when_ready()
    r, w = os.pipe()
    try:
        n = os.sendfile(w, fd, 0, max(size, 1))
        return os.read(r, n) if n else b""
    finally:
        for x in (r, w):
            os.close(x)


def by_mmap(fd, size, when_ready):
    at = LIBC.mmap(None, size, mmap.PROT_READ, mmap.MAP_PRIVATE, fd, 0) if size else None
    when_ready()
    return ctypes.string_at(at, size) if at else b""


def look(path, how=by_read, when_ready=lambda: None):
    fd = os.open(path, os.O_RDONLY)
    try:
        return how(fd, os.fstat(fd).st_size, when_ready)
    finally:
        os.close(fd)


def look_after(path, how):
    """What B sees that has opened the file before A has looked at it in the same way: A's pages are there then."""
    opened, looked = os.pipe(), os.pipe()

    def wait():
        os.write(opened[1], b"x")
        os.read(looked[0], 1)

    def other():
        os.read(opened[0], 1)
        as_user(A, lambda: look(path, how))
        os.write(looked[1], b"x")

    seen = as_user(B, lambda: look(path, how, wait), other)
    for fd in opened + looked:
        os.close(fd)
    return seen


def sdot(value, secret):
    return sfs.compile_c(f"float sdot(unsigned long n, const float *x, unsigned long ix, const float *y, unsigned long iy)"
                         f"{{ return {value}.0f; }}", f"sdot{value}")


one, two = sdot(1, 0), sdot(2, 0)
sfs.ok("A loads", as_user(A, lambda: sfs.load(one, "a.o")) == "0", sfs.read("error"))
sfs.ok("A hides it", as_user(A, lambda: os.chmod(f"{sfs.MNT}/store/a.o", 0o600)) == "None")
sfs.ok("B loads a newer one", as_user(B, lambda: sfs.load(two, "b.o")) == "0")
answer = as_user(A, lambda: sfs.run("sdot", "n=77 reps=1 check=off tag=secret77"))
sfs.ok("A runs", answer.startswith("(0,"), answer)
mine = as_user(A, lambda: sfs.read("kernels/sdot/result"))
sfs.ok("A's own codelet ran for A", "a.o" in mine and "b.o" not in mine, mine)
as_user(A, lambda: sfs.run("sdot", "secret77=1"))
mine = as_user(A, lambda: sfs.read("kernels/sdot/error"))
sfs.ok("A is refused, and sees why", "secret77" in mine, mine)
for name in FILES:
    path = f"{sfs.MNT}/kernels/sdot/{name}"
    for how in (by_read, by_sendfile, by_mmap):
        as_user(A, lambda: look(path, how))
        seen = as_user(B, lambda: look(path, how))
        sfs.ok(f"B sees nothing of A's {name} by {how.__name__[3:]}",
               "a.o" not in seen and "77" not in seen and (name == "error" or "raised" in seen or len(seen) < 60 or
                                                          "no run" in seen or "seed" not in seen), seen[:200])
# B has a run too, so that there is as much for him to see.
answer = as_user(B, lambda: sfs.run("sdot", "n=66 reps=1 check=off tag=public66"))
sfs.ok("B runs", answer.startswith("(0,"), answer)
for name in FILES:
    path = f"{sfs.MNT}/kernels/sdot/{name}"
    mine, theirs = (as_user(uid, lambda: look(path)) for uid in (A, B))
    # Two short runs may last equally long; what names them differs.
    sfs.ok(f"both see {name}", "raised" not in mine + theirs and ("77" not in mine or mine != theirs), mine + theirs)
    for how in (by_read, by_sendfile, by_mmap):
        seen = look_after(path, how)
        sfs.ok(f"B sees his own {name} after A by {how.__name__[3:]}", seen == theirs, f"{seen[:200]} {theirs[:200]}")
seen = as_user(B, lambda: look(f"{sfs.MNT}/error"))
sfs.ok("nor of the refusal at the top", "77" not in seen, seen)
seen = as_user(B, lambda: look(f"{sfs.MNT}/store/a.o"))
sfs.ok("B cannot read A's codelet", "PermissionError" in seen, seen[:100])
seen = as_user(B, lambda: look(f"{sfs.MNT}/codelets/a.o/symbols"))
sfs.ok("nor what its directory says", "PermissionError" in seen, seen[:100])
seen = as_user(B, lambda: sfs.run("sdot", "codelet=a.o reps=1"))
sfs.ok("nor run it", f"({errno.EACCES}," in seen, seen)
for what, work in (("replace", lambda: sfs.load(two, "a.o")), ("remove", lambda: os.unlink(f"{sfs.MNT}/store/a.o")),
                   ("rename", lambda: os.rename(f"{sfs.MNT}/store/a.o", f"{sfs.MNT}/store/c.o")),
                   ("rename onto", lambda: os.rename(f"{sfs.MNT}/store/b.o", f"{sfs.MNT}/store/a.o")),
                   ("chmod", lambda: os.chmod(f"{sfs.MNT}/store/a.o", 0o666))):
    seen = as_user(B, work)
    sfs.ok(f"nor {what} it", "PermissionError" in seen or seen in (str(errno.EACCES), str(errno.EPERM)), seen)
answer = as_user(B, lambda: sfs.run("sdot", "n=5 reps=1 check=off"))
theirs = as_user(B, lambda: sfs.read("kernels/sdot/result"))
sfs.ok("B's own codelet runs for B", answer.startswith("(0,") and "b.o" in theirs and "a.o" not in theirs, theirs)
mine = as_user(A, lambda: sfs.read("kernels/sdot/result"))
sfs.ok("and A still sees A's run", "a.o" in mine, mine)
sfs.done()
