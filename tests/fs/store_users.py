#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
# root-only
"""Two users and one store: a name is its owner's, or root's, to replace, rename and remove; modes say who reads."""
import errno, os, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

A, B = 20001, 20002
STORE = os.path.join(sfs.MNT, "store")
one = open(sfs.compile_c("int one(void) { return 1; }", "one"), "rb").read()
two = open(sfs.compile_c("int two(void) { return 2; }", "two"), "rb").read()


def path(name):
    return os.path.join(STORE, name)


def put(name, data, mode=0o644):
    fd = os.open(path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


def expect(what, uid, work, *errors):
    got = sfs.error_as(uid, work)
    sfs.ok(what, got in (errors or (0,)), sfs.name_of(got))


def content(name):
    return open(path(name), "rb").read()


expect("a user loads", A, lambda: put("a.o", one))
sfs.ok("it is his", os.stat(path("a.o")).st_uid == A and sfs.flat("codelets/a.o/info")["owner"] == str(A))
expect("another reads it", B, lambda: content("a.o"))
expect("another cannot overwrite it", B, lambda: put("a.o", two), errno.EACCES)
expect("nor remove it", B, lambda: os.unlink(path("a.o")), errno.EPERM, errno.EACCES)
expect("nor rename it", B, lambda: os.rename(path("a.o"), path("b.o")), errno.EPERM, errno.EACCES)
expect("nor change its mode", B, lambda: os.chmod(path("a.o"), 0o666), errno.EPERM)
expect("another has a name of his own", B, lambda: put("b.o", two, 0o600))
expect("and cannot rename it over the first", B, lambda: os.rename(path("b.o"), path("a.o")), errno.EPERM, errno.EACCES)


def stage_over():
    put(".b.stage", two)
    os.rename(path(".b.stage"), path("a.o"))


expect("nor by way of a staged name", B, stage_over, errno.EPERM, errno.EACCES)
sfs.ok("the bytes are the first user's still", content("a.o") == one)
expect("a private codelet is not read by others", A, lambda: content("b.o"), errno.EACCES)
expect("nor its directory", A, lambda: os.listdir(os.path.join(sfs.MNT, "codelets", "b.o")), errno.EACCES)
expect("its owner sees it", B, lambda: os.listdir(os.path.join(sfs.MNT, "codelets", "b.o")))
os.chown(path("b.o"), A, A)
expect("after chown it is the other's", A, lambda: content("b.o"))
expect("and no longer the first one's", B, lambda: content("b.o"), errno.EACCES)
sfs.ok("its directory follows", os.stat(os.path.join(sfs.MNT, "codelets", "b.o")).st_uid == A)
expect("a mode of 0666 lets others overwrite", A, lambda: os.chmod(path("a.o"), 0o666))
expect("and they do", B, lambda: put("a.o", two))
sfs.ok("it stays its owner's", os.stat(path("a.o")).st_uid == A and content("a.o") == two)


def make_and_hold(name, seen):
    """The descriptor of a file that was made and committed; seen: what others had of the name before that."""
    fd = os.open(path(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    os.fchmod(fd, 0o640)
    os.write(fd, one)
    seen.append((name in os.listdir(STORE), os.path.exists(path(name)), os.fstat(fd).st_size))
    os.close(os.dup(fd))
    return fd


seen = []
hold = make_and_hold("mine.o", seen)
sfs.ok("a name is not there before its commit, not even for root", seen == [(False, False, len(one))], seen)
sfs.ok("and then it is, as its maker wanted it", os.stat(path("mine.o")).st_mode & 0o777 == 0o640)
os.close(hold)
os.chown(path("mine.o"), A, A)


def take_over():
    """The owner's descriptor is of a file that root removes; what root puts in its place is none of his."""
    fd = os.open(path("mine.o"), os.O_WRONLY)
    os.write(gate[1], b"open")
    os.read(done[0], 1)
    os.fchmod(fd, 0o666)


gate, done = os.pipe(), os.pipe()
pid = os.fork()
if pid == 0:
    os._exit(sfs.error_as(A, take_over))
os.read(gate[0], 4)
os.unlink(path("mine.o"))
put("mine.o", two)
os.write(done[1], b"x")
os.waitpid(pid, 0)
owner = sfs.flat("codelets/mine.o/info")["owner"]
sfs.ok("who held the file of that name before cannot own the new one", owner == "0", f"owner {owner}")


def stage_away():
    put(".b.stage", two)
    os.rename(path(".b.stage"), path(".a.stage"))


expect("a staged file", A, lambda: put(".a.stage", one))
expect("is not to be replaced by another's", B, stage_away, errno.EPERM, errno.EACCES, errno.EEXIST)
expect("it is there still", A, lambda: content(".a.stage"))
fd = os.open(path("given.o"), os.O_WRONLY | os.O_CREAT, 0o644)
os.write(fd, one)
os.fchown(fd, A, B)
os.close(fd)
status = os.stat(path("given.o"))
sfs.ok("what root gives away before the commit is the other's", (status.st_uid, status.st_gid) == (A, B), status)
put(".c.stage", one)
os.chown(path(".c.stage"), A, A)
os.rename(path(".c.stage"), path("staged.o"))
sfs.ok("the same for a staged name", os.stat(path("staged.o")).st_uid == A and sfs.flat("codelets/staged.o/info")["owner"] == str(A))
for name in os.listdir(STORE):
    if name != "error":
        os.unlink(path(name))
sfs.ok("root removes all", os.listdir(os.path.join(sfs.MNT, "codelets")) == [])
sfs.done()
