# SPDX-License-Identifier: MIT
"""What the tests of rockers share: making one, running something in it, looking at what came of it."""
import contextlib
import errno
import os
import time

import sfs

ROCKERS = os.path.join(sfs.MNT, "rockers")
# Of these an ordinary user may have none, where nobody gave him control groups; which of them that were.
LIMITS = ("memory.max", "pids.max", "cpu.max", "io.max")
unlimited = set()


def path(*parts):
    return os.path.join(ROCKERS, *parts)


def put(name, file, text):
    """One write(2) on a file of a rocker, and its close(2), which judges host paths; the errno, or 0."""
    fd, error = os.open(path(name, file), os.O_WRONLY), 0
    try:
        os.write(fd, (text if text.endswith("\n") else text + "\n").encode())
    except OSError as e:
        error = e.errno
    try:
        os.close(fd)
    except OSError as e:
        error = error or e.errno
    return error


def put_in_time(name, file, text):
    """Once more where the second that host paths have was not enough, on a machine that has other things to do."""
    for _ in range(5):
        error = put(name, file, text)
        if error != errno.ETIMEDOUT:
            break
    return error


def by_spec(name, file, text):
    """A limit for which there is no control group that could be changed now: it holds from the next building on."""
    spec = sfs.read(f"rockers/{name}/spec").splitlines()
    spec = [f"{file} = {text}" if line.startswith(f"{file} = ") else line for line in spec]
    return put(name, "spec", "\n".join(spec))


def make(name, **files):
    """A rocker with these files written; a dot in a file's name is two underscores here."""
    os.mkdir(path(name))
    for file, text in files.items():
        file = file.replace("__", ".")
        error = put_in_time(name, file, text)
        if error == errno.EOPNOTSUPP and file in LIMITS and by_spec(name, file, text) == errno.EOPNOTSUPP:
            unlimited.add(file)
        elif error and error != errno.EOPNOTSUPP:
            raise OSError(error, f"{name}/{file} <- {text!r}: {sfs.read(f'rockers/{name}/error')}")


@contextlib.contextmanager
def rocker(name, **files):
    make(name, **files)
    try:
        yield name
    finally:
        os.rmdir(path(name))


def command(name, line, file="run"):
    """(0 or errno, what the same open file says afterwards)."""
    fd = os.open(path(name, file), os.O_RDWR)
    try:
        error = 0
        try:
            os.write(fd, (line + "\n").encode())
        except OSError as e:
            error = e.errno
        answer = b""
        while True:
            piece = os.pread(fd, 1 << 16, len(answer))
            if not piece:
                return error, answer.decode(errors="replace")
            answer += piece
    finally:
        os.close(fd)


def start(name, line):
    """The number of a job that has started."""
    error, answer = command(name, line, "start")
    if error:
        raise OSError(error, answer)
    return int(answer.split()[-1])


def flat(name, file):
    return sfs.flat(f"rockers/{name}/{file}")


def result(name):
    return flat(name, "result")


def state(name):
    return sfs.read(f"rockers/{name}/state").strip()


def procs(name):
    return [int(x) for x in sfs.read(f"rockers/{name}/procs").split()]


def alone(name):
    """Does the guard stand alone in it, within the time of a loaded machine? Where pids can be listed."""
    def quiet():
        try:
            return len(procs(name)) <= 1
        except OSError:
            return True
    return sfs.wait_for(quiet)


def job_ended(name, number, seconds=30):
    """Has the job ended in that time?"""
    end = time.monotonic() + sfs.patient(seconds)
    while time.monotonic() < end:
        try:
            words = sfs.read(f"rockers/{name}/jobs/{number}/state").split()
        except OSError:
            return True
        if not words or words[0] not in ("running", "starting", "queued", "frozen"):
            return True
        time.sleep(0.01)
    return False
