#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
"""After a success error says ok, whatever kind of call it was; and a list is refused by the write that brought the bad line."""
import errno, os, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs


def full(*names):
    return os.path.join(sfs.MNT, *names)


def refused_in_store():
    sfs.error_of(os.open, full("store", "no name"), os.O_CREAT | os.O_WRONLY)
    return sfs.read("store/error").startswith("store/no name EINVAL ") and sfs.read("error").startswith("store/no name EINVAL ")


def refused_in_kernel():
    sfs.error_of(sfs.write, "kernels/own/run", "frob\n")
    return sfs.read("kernels/own/error").startswith("kernels/own/run EINVAL ")


def each(beside, refused, calls):
    for what, call in calls:
        told = refused()
        call()
        sfs.ok(f"ok after {what}", told and sfs.read(beside) == "ok\n" and sfs.read("error") == "ok\n",
               (told, sfs.read(beside), sfs.read("error")))


def stage():
    with open(full("store", ".staged"), "wb") as f:
        f.write(b"nothing yet")


sfs.codelet("unsigned long own(unsigned long n) { return n; }", "own")
sfs.number_kernel("own")
each("store/error", refused_in_store, [
    ("a rename", lambda: os.rename(full("store", "own.o"), full("store", "two.o"))),
    ("a chmod", lambda: os.chmod(full("store", "two.o"), 0o600)),
    ("a touch", lambda: os.utime(full("store", "two.o"))),
    ("a name that is staged", stage),
    ("its rename", lambda: os.rename(full("store", ".staged"), full("store", ".other"))),
    ("its removal", lambda: os.unlink(full("store", ".other"))),
    ("a load", lambda: sfs.codelet("int one(void) { return 1; }", "one")),
])
each("kernels/own/error", refused_in_kernel, [
    ("an open of clone for writing", lambda: os.close(os.open(full("kernels", "own", "clone"), os.O_RDWR))),
    ("a chmod of a file", lambda: os.chmod(full("kernels", "own", "run"), 0o600)),
    ("a command", lambda: sfs.write("kernels/own/codelet", "auto\n")),
    ("a list", lambda: sfs.write("kernels/own/events", "tsc\n")),
    ("a run", lambda: sfs.run("own", "reps=1")),
])

# ---- a job that a mere reader makes ----
sfs.ok("reading clone", refused_in_kernel() and sfs.read("kernels/own/clone").strip().isdigit())
sfs.ok("leaves the refusal of something else, as grep -r has to", sfs.read("kernels/own/error").startswith("kernels/own/run EINVAL ") and
       sfs.read("error").startswith("kernels/own/run EINVAL "), sfs.read("kernels/own/error"))
held = []
while len(held) < 10000:
    try:
        held.append(os.open(full("kernels", "own", "clone"), os.O_RDONLY))
    except OSError as e:
        refusal = e.errno
        break
told = sfs.read("kernels/own/error")
sfs.ok("its own refusal is told", refusal == errno.EDQUOT and told.startswith("kernels/own/clone EDQUOT ") and sfs.read("error") == told, told)
for fd in held:
    os.close(fd)
sfs.ok("until it succeeds", sfs.read("kernels/own/clone").strip().isdigit() and sfs.read("kernels/own/error") == "ok\n" and
       sfs.read("error") == "ok\n", sfs.read("kernels/own/error"))

# ---- a list, line by line ----
fd = os.open(full("kernels", "own", "events"), os.O_RDWR)
sfs.ok("a good line", os.write(fd, b"tsc\ntask-") == 9)
sfs.ok("the rest of a line, and a bad one", sfs.error_of(os.write, fd, b"clock\nfrob\n") == errno.EINVAL)
told = os.pread(fd, 4096, 0).decode()
sfs.ok("its sentence on the same open file", told.startswith("no event 'frob'"), told)
sfs.ok("and in error", sfs.read("kernels/own/error") == "kernels/own/events EINVAL " + told, sfs.read("kernels/own/error"))
sfs.ok("with a caret", sfs.read("errors").splitlines()[-3:-1] == ["    frob", "    ^~~~"], sfs.read("errors")[-300:])
sfs.ok("what was refused is forgotten", os.write(fd, b"clock\n") == 6 and not sfs.error_of(os.close, fd))
sfs.ok("and the rest is taken", sfs.read("kernels/own/events") == "tsc ok\ntask-clock ok\n", sfs.read("kernels/own/events"))
sfs.ok("a line without its end is judged at close", sfs.error_of(sfs.write, "kernels/own/events", "frob") == errno.EINVAL)
sfs.ok("and changes nothing", sfs.read("kernels/own/events") == "tsc ok\ntask-clock ok\n")
os.rmdir(full("kernels", "own"))
sfs.done()
