#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
# deadline: 240
"""Each limit of the file beside this one at its edge: N are had, one more is refused in words, one given back makes room for one;
by threads at once too; and what a client held that was killed, or what failed, counts no longer."""
import errno, os, re, signal, sys, threading
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs
from calls import A, B, KERNELS, ROOT, as_user, at, one, outcome, put, touch

CODELETS, BYTES, KERNELS_MAX, JOBS, OPENS, STAGED, STAGED_BYTES = 5, 20000, 5, 5, 40, 12, 40000
EDQUOT = "EDQUOT"
USERS = (A, B) if ROOT else (os.getuid(),)


def here(uid, work, *args):
    """The outcome of work as that user in a process of its own; an ordinary user is himself."""
    return as_user(uid, work, *args) if ROOT else sfs.told(lambda: outcome(work, *args))


def soon(call, *args):
    """The daemon hears of a close(2) when that has returned: for a moment what was closed counts still."""
    got = [EDQUOT]
    sfs.wait_for(lambda: got.append(outcome(call, *args)) or got[-1] != EDQUOT, 20)
    return got[-1]


def said():
    with open(f"{sfs.MNT}/error") as f:
        return f.read()


class Held:
    """What is held by open descriptors, and so given back by close."""

    def __init__(self):
        self.fds = {}

    def give(self, i):
        if outcome(os.close, self.fds.pop(i)) not in ("ok", "ENOEXEC"):
            raise OSError(errno.EIO, "close")


class Opens(Held):
    most, number = OPENS, OPENS

    def take(self, i):
        self.fds[i] = os.open(f"{sfs.MNT}/kernels/cblas_sdot/params", os.O_RDONLY)


class Jobs(Held):
    most, number = JOBS, JOBS

    def take(self, i):
        self.fds[i] = os.open(f"{sfs.MNT}/kernels/cblas_sdot/clone", os.O_RDONLY)


class Staging(Held):
    """Uploads under plain names, which nobody sees."""
    most, number = STAGED, STAGED

    def take(self, i):
        self.fds[i] = os.open(at(f"{os.getuid()}-{i}.o"), os.O_CREAT | os.O_WRONLY, 0o644)


class Staged:
    """Uploads under names with a dot, which are there till they are removed."""
    most, number = STAGED, STAGED

    def take(self, i):
        touch(self.name(i), os.O_CREAT | os.O_WRONLY)

    def give(self, i):
        os.unlink(self.name(i))

    def name(self, i):
        return at(f".{os.getuid()}-{i}")


class StagedBytes(Held):
    most, number = STAGED_BYTES // 8000, STAGED_BYTES

    def take(self, i):
        fd = os.open(at(f"{os.getuid()}-{i}.o"), os.O_CREAT | os.O_WRONLY, 0o644)
        try:
            os.write(fd, bytes(8000))
        except OSError:
            os.close(fd)
            raise
        self.fds[i] = fd


class Kernels:
    most, number = KERNELS_MAX, KERNELS_MAX

    def take(self, i):
        os.mkdir(self.name(i))

    def give(self, i):
        os.rmdir(self.name(i))

    def name(self, i):
        return os.path.join(KERNELS, f"k{os.getuid()}x{i}")


class Codelets:
    most, number = CODELETS, CODELETS

    def take(self, i):
        put(self.name(i))

    def give(self, i):
        os.unlink(at(self.name(i)))

    def name(self, i):
        return f"c{os.getuid()}-{i}.o"


KINDS = (Opens, Jobs, Staging, Staged, StagedBytes, Kernels, Codelets)


def refused(it, n):
    """EDQUOT, with a sentence that names this limit: what was closed a moment ago may be over another one still."""
    got = []
    def named():
        words = said().split(" ", 2)
        return words[1:2] == [EDQUOT] and re.search(rf"\b{it.number}\b", words[2])
    sfs.wait_for(lambda: got.append(outcome(it.take, n)) or got[-1] != EDQUOT or named(), 20)
    return got[-1] if got[-1] != EDQUOT or named() else said()


def edge(kind):
    """'ok', or where it is not what it should be."""
    it = kind()
    most = kind.most
    for i in range(most):
        got = soon(it.take, i)
        if got != "ok":
            return f"the {i + 1}th of {most}: {got}"
    for n in (most, most + 1):
        got = refused(it, n)
        if got != EDQUOT:
            return f"one more: {got}"
        it.give(n - most)
        got = soon(it.take, n)
        if got != "ok":
            return f"one more after one less: {got}"
    for i in range(2, most + 2):
        it.give(i)
    return "ok"


def together(kind):
    """Threads that take all they can at once have what one could have, and no more."""
    it, had, wrong = kind(), [], []

    def take(k):
        for i in range(3 * kind.most):
            n = 1000 * k + i
            got = outcome(it.take, n)
            if got == "ok":
                had.append(n)
            elif got != EDQUOT:
                wrong.append(got)
    threads = [threading.Thread(target=take, args=(k,)) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    while len(had) < kind.most and soon(it.take, 9000 + len(had)) == "ok":  # what was closed before counted still
        had.append(9000 + len(had))
    if outcome(it.take, 8999) == "ok":
        had.append(8999)
    count = len(had)
    for n in had:
        it.give(n)
    return "ok" if count == kind.most and not wrong else f"{count} of {kind.most}, {wrong[:3]}"


def twice(work, kind):
    """By every user at once, and by each again: what the first time left would be in the way."""
    for _ in range(2):
        results = {}
        threads = [threading.Thread(target=lambda u=u: results.update({u: here(u, work, kind)})) for u in USERS]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if set(results.values()) != {"ok"} or len(results) != len(USERS):
            return results
    return ""


def killed_holder(kind):
    """A client that holds all and is killed, while threads of it try for more."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(r)
            if ROOT:
                os.setgroups([])
                os.setresgid(A, A, A)
                os.setresuid(A, A, A)
            it = kind()
            for i in range(kind.most):
                soon(it.take, i)
            for k in range(4):
                threading.Thread(target=lambda k=k: [outcome(it.take, 1000 * k + i) for i in range(1000, 100000)]).start()
            os.write(w, b"x")
            signal.pause()
        finally:
            os._exit(1)
    os.read(r, 1)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(r)
    os.close(w)


# One user's are this process's own, too: the descriptor of a file that it reads meanwhile.
for kind in KINDS:
    why = twice(edge, kind)
    sfs.ok(f"{kind.__name__}: {kind.most} and no more", not why, why)
    why = twice(together, kind)
    sfs.ok(f"{kind.__name__}: nor by threads at once", not why, why)
for kind in (Opens, Jobs, Staging, StagedBytes):
    killed_holder(kind)
    why = []
    sfs.ok(f"{kind.__name__}: a client that was killed holds none",
           sfs.wait_for(lambda: why.append(here(USERS[0], edge, kind)) or why[-1] == "ok"), why[-1:])


def created(name):
    fds = []
    if soon(lambda: fds.append(os.open(at(name), os.O_CREAT | os.O_WRONLY, 0o644))) != "ok":
        raise OSError(errno.EDQUOT, name)
    return fds[0]


def failures():
    """Uploads that fail in each way, more often than any limit: none counts afterwards."""
    for i in range(STAGED * 3):
        fd = created("bad.o")
        os.write(fd, b"no ELF")
        if outcome(os.close, fd) != "ENOEXEC":
            return "no ELF is taken"
        fd = created("big.o")
        if outcome(os.pwrite, fd, b"x", 8192) != "EFBIG" or outcome(os.ftruncate, fd, 1 << 40) != "EFBIG":
            return "more than can be is taken"
        os.close(fd)
        if outcome(os.mkdir, os.path.join(KERNELS, "a name")) != "EINVAL" or outcome(touch, at("a b"), os.O_CREAT | os.O_WRONLY) != "EINVAL":
            return "a bad name is taken"
        if outcome(os.open, f"{KERNELS}/cblas_sdot/result", os.O_RDWR) not in ("EACCES", "EPERM"):
            return "what cannot be written is opened for it"
    return "ok"


why = here(USERS[0], failures)
sfs.ok("failures go through", why == "ok", why)
for kind in KINDS:
    why = here(USERS[0], edge, kind)
    sfs.ok(f"{kind.__name__}: failures count nowhere", why == "ok", why)


def bytes_edge():
    """The bytes of all codelets, to the byte: the last is padded to what is left."""
    def sized(size):
        return one + bytes(size - len(one))
    put("p1.o", sized(8192))
    put("p2.o", sized(8192))
    left = BYTES - 2 * 8192
    got = [outcome(put, "p3.o", sized(left + 1)), str(BYTES) in said(), outcome(put, "p3.o", sized(left)),
           outcome(put, "p3.o", sized(left + 1)), outcome(put, "p4.o"), outcome(put, "p1.o", sized(8191)), outcome(put, "p3.o", sized(left + 1))]
    for name in ("p1.o", "p2.o", "p3.o"):
        os.unlink(at(name))
    return "ok" if got == [EDQUOT, True, "ok", EDQUOT, EDQUOT, "ok", "ok"] else str(got)


why = here(USERS[0], bytes_edge)
sfs.ok("bytes of codelets, to the byte", why == "ok", why)
sfs.ok("the size of one, to the byte", [here(USERS[0], put, "s.o", one + bytes(n - len(one))) for n in (8192, 8193)] == ["ok", "EFBIG"])
here(USERS[0], os.unlink, at("s.o"))

if ROOT:
    def moved(kind, path):
        """What root gives to another counts there, and no more where it was."""
        for n in range(kind.most):
            as_user(A, lambda n=n: kind().take(n))
        first = path(A, 0)
        os.chown(first, B, B)
        got = [as_user(A, lambda: kind().take(50)), as_user(A, lambda: kind().take(51))]
        got += [as_user(B, lambda n=n: kind().take(n)) for n in range(kind.most)]
        (os.rmdir if os.path.isdir(first) else os.unlink)(first)
        got += [as_user(B, lambda: kind().take(kind.most - 1))]
        for uid in USERS:
            for n in (*range(kind.most), 50):
                as_user(uid, lambda n=n: kind().give(n))
        return got == ["ok", EDQUOT] + ["ok"] * (kind.most - 1) + [EDQUOT, "ok"] or got
    for kind, path in ((Kernels, lambda uid, n: os.path.join(KERNELS, f"k{uid}x{n}")), (Codelets, lambda uid, n: at(f"c{uid}-{n}.o"))):
        why = moved(kind, path)
        sfs.ok(f"{kind.__name__}: one that is given away counts there", why is True, why)
        why = twice(edge, kind)
        sfs.ok(f"{kind.__name__}: and nothing is left of it", not why, why)
sfs.done()
