# SPDX-License-Identifier: MIT
"""What the Python tests share: a codelet is compiled, loaded and run in a line each."""
import errno
import os
import subprocess
import sys
import tempfile
import time

import onetest

MNT = os.environ["MNT"]
ROLE = os.environ.get("ROLE", "root" if os.getuid() == 0 else "nobody")
TMP = tempfile.mkdtemp(prefix="sfs-test-")
failed = 0


def ok(name, condition, why=""):
    """One line of the test's report; a false condition fails the whole script."""
    global failed
    if condition:
        print(f"ok {name}", flush=True)
    else:
        failed += 1
        print(f"not ok {name}: {str(why).strip() or 'false'}".replace("\n", " | "), flush=True)
    return bool(condition)


def done():
    subprocess.run(["rm", "-rf", TMP], check=False)
    sys.exit(1 if failed else 0)


def read(path):
    with open(os.path.join(MNT, path), "rb") as f:
        return f.read().decode()


def some(rows):
    """All of them in the plain build as root; every third of them in the others, which ask the same of the same jail."""
    rows = list(rows)
    return rows if ROLE == "root" and not os.environ["BUILD"].endswith("san") else rows[::3]


def processes():
    """Everything that was started for this script: other tests, with runs of their own, may go on beside it."""
    return onetest.descendants(os.getppid())


def flat(path):
    """A flat keyed file as a dictionary."""
    pairs = (line.split(" ", 1) for line in read(path).splitlines() if line)
    return {p[0]: (p[1].strip() if len(p) > 1 else "") for p in pairs}


def write(path, text):
    fd = os.open(os.path.join(MNT, path), os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def compile_c(source, name, *flags):
    path = os.path.join(TMP, name + ".o")
    command = ["gcc", "-O1", "-fno-builtin", "-ffreestanding", *flags, "-x", "c", "-c", "-o", path, "-"]
    subprocess.run(command, input=source.encode(), check=True)
    return path


def load(path, name=None):
    """cp into the store; the errno of what failed, or 0."""
    target = os.path.join(MNT, "store", name or os.path.basename(path))
    with open(path, "rb") as f:
        data = f.read()
    try:
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    except OSError as e:
        return e.errno
    error = 0
    try:
        while data:
            data = data[os.write(fd, data):]
    except OSError as e:
        error = e.errno
    try:
        os.close(fd)
    except OSError as e:
        error = error or e.errno
    return error


def codelet(source, name, *flags):
    error = load(compile_c(source, name, *flags), name + ".o")
    if error:
        raise OSError(error, f"load of {name}.o: {read('error')}")
    return name + ".o"


def kernel(name, spec):
    os.mkdir(os.path.join(MNT, "kernels", name))
    with open(os.path.join(MNT, "kernels", name, "spec"), "w") as f:
        f.write(spec)


def number_kernel(name, default=1):
    """A kernel whose function of that name takes and returns one number, n."""
    kernel(name, f"[kernel]\nname = {name}\nfunction = {name}\nreturns = u64\n"
                 f"[param.n]\ntype = u64\ndefault = {default}\n[call]\nargs = u64 n\n")


def error_of(call, *args):
    """The errno of a call that is refused; 0: it succeeded."""
    try:
        call(*args)
    except OSError as e:
        return e.errno
    return 0


def patient(seconds):
    """So long on this machine."""
    return seconds * onetest.PATIENCE


def wait_for(condition, seconds=30):
    """Has it become true in that time?"""
    end = time.monotonic() + patient(seconds)
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def become(uid, groups=(), gid=None):
    os.setgroups(groups)
    os.setresgid(*[uid if gid is None else gid] * 3)
    os.setresuid(uid, uid, uid)


def told(work):
    """What work returns in a process of its own, as text."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(w, str(work()).encode())
        finally:
            os._exit(0)
    os.close(w)
    with os.fdopen(r) as f:
        got = f.read()
    os.waitpid(pid, 0)
    return got


def fork_as(uid, work, groups=()):
    """The pid of a child that ends, as that user, with the status that work returns."""
    pid = os.fork()
    if pid == 0:
        status = 255
        try:
            become(uid, groups)
            os.umask(0o022)
            status = int(work())
        finally:
            os._exit(status)
    return pid


def ended(pid):
    """How a child ended."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def error_as(uid, call, *args, groups=()):
    """error_of as another user."""
    return ended(fork_as(uid, lambda: error_of(call, *args), groups))


def run(name, words=""):
    """(0 or errno, what the same open file says afterwards)."""
    fd = os.open(os.path.join(MNT, "kernels", name, "run"), os.O_RDWR)
    error = 0
    try:
        try:
            os.write(fd, (words + "\n").encode())
        except OSError as e:
            error = e.errno
        answer = b""
        while True:
            piece = os.pread(fd, 65536, len(answer))
            if not piece:
                return error, answer.decode()
            answer += piece
    finally:
        os.close(fd)


def name_of(error):
    return errno.errorcode.get(error, str(error))
