# SPDX-License-Identifier: MIT
"""What the tests of POSIX share: tables of a call and what it answers, and files of the store."""
import ctypes
import errno
import os

import sfs

STORE, CODELETS, KERNELS = (os.path.join(sfs.MNT, name) for name in ("store", "codelets", "kernels"))
ROOT = os.getuid() == 0
A, B = 20001, 20002
LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, NOREPLACE, EXCHANGE, WHITEOUT = -100, 1, 2, 4
PLAIN = set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-")
NAME_MAX = 64
# Who may write to a directory that is 0555 hears that its kind has no such call, others that it is not theirs.
CLOSED = "EPERM" if ROOT else "EACCES|EPERM"
os.umask(0o022)
os.chmod(sfs.TMP, 0o755)
one = open(sfs.compile_c("int one(void) { return 1; }", "one"), "rb").read()
two = open(sfs.compile_c("int two(void) { return 2; }\nint table[100] = { 2 };", "two"), "rb").read()


def at(name):
    return os.path.join(STORE, name)


def outcome(call, *args):
    """'ok', the value if it is a string or a number, or the name of the errno."""
    try:
        got = call(*args)
    except OSError as e:
        return "EOPNOTSUPP" if e.errno == errno.EOPNOTSUPP else errno.errorcode.get(e.errno, str(e.errno))
    return got if isinstance(got, (str, int)) and not isinstance(got, bool) else "ok" if got is not False else "false"


def group(name, rows):
    """Rows are (what, expected, call, arguments...); expected are outcomes with '|' between, or one value."""
    count, wrong = 0, []
    for what, expected, call, *args in rows:
        got = outcome(call, *args)
        count += 1
        if got not in (expected.split("|") if isinstance(expected, str) else (expected,)):
            wrong.append(f"{what}: {str(got)[:80]}, not {str(expected)[:80]}")
    sfs.ok(f"{name} ({count} cases)" if not wrong else name, count and not wrong,
        f"{len(wrong)} of {count}: {'; '.join(wrong[:6])}")


def libc(name, *args):
    ctypes.set_errno(0)
    got = getattr(LIBC, name)(*args)
    if got == -1:
        raise OSError(ctypes.get_errno(), name)
    return None


def as_user(uid, call, *args, gid=None, groups=()):
    """The outcome of a call in a child with that uid."""
    def as_that():
        sfs.become(uid, groups, gid)
        os.umask(0o022)
        return outcome(call, *args)
    return sfs.told(as_that)


def opened(path, flags=os.O_RDONLY, mode=0o644):
    """A class of its own, so that what the with statement opened is closed, and a refused close is heard."""
    class Opened:
        def __enter__(self):
            self.fd = os.open(path, flags, mode)
            return self.fd

        def __exit__(self, *why):
            os.close(self.fd)
    return Opened()


def touch(path, flags=os.O_RDONLY, mode=0o644):
    with opened(path, flags, mode):
        pass


def put(name, data=one, mode=0o644, flags=os.O_TRUNC):
    with opened(at(name), os.O_WRONLY | os.O_CREAT | flags, mode) as fd:
        os.write(fd, data)


def content(name):
    with open(at(name), "rb") as f:
        return f.read()


def is_now(name, data):
    """'one', 'two', or what it is."""
    return {one: "one", two: "two"}.get(content(name), "other bytes") if os.path.exists(at(name)) else "gone"


def clear():
    for name in os.listdir(STORE):
        if name != "error":
            os.unlink(at(name))


def rename2(old, new, flags):
    libc("renameat2", AT_FDCWD, at(old).encode(), AT_FDCWD, at(new).encode(), flags)
