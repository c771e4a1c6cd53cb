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


def as_user(uid, work):
    """The errno of work done in a child with that uid; 0: it succeeded."""
    pid = os.fork()
    if pid == 0:
        status = 255
        try:
            os.setgroups([])
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            os.umask(0o022)
            work()
            status = 0
        except OSError as e:
            status = e.errno
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def expect(what, uid, work, *errors):
    got = as_user(uid, work)
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
for name in ("a.o", "b.o"):
    os.unlink(path(name))
sfs.ok("root removes all", os.listdir(os.path.join(sfs.MNT, "codelets")) == [])
sfs.done()
