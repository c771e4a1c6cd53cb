#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
# no-mount
# root-only
"""One user cannot take the daemon's descriptors from the others: by names that he stages, or by files that he has open."""
import os, resource, subprocess, sys, tempfile, time

BUILD = os.environ["BUILD"]
top = tempfile.mkdtemp(prefix="sfs-descriptors-")
mnt = os.path.join(top, "mnt")
os.mkdir(mnt)
os.chmod(top, 0o755)
os.environ["MNT"] = mnt
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

SOFT, STAGED_MAX = 512, 256


def few_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (SOFT, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def as_user(uid, work):
    """What work gives, done in a child with that uid, as text."""
    seen, told = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        try:
            os.write(told, str(work()).encode())
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    os.close(told)
    with os.fdopen(seen) as f:
        return f.read()


def stage():
    for i in range(4 * STAGED_MAX):
        try:
            os.close(os.open(f"{mnt}/store/.staged{i}", os.O_CREAT | os.O_WRONLY, 0o600))
        except OSError as e:
            return i, sfs.name_of(e.errno), sfs.read("error").strip()
    return i, "no end", ""


def loads(name):
    return lambda: sfs.name_of(sfs.load(one, name))


def open_all():
    held, error = [], os.open(f"{mnt}/error", os.O_RDONLY)
    os.pread(error, 4096, 0)
    try:
        while len(held) < 5000:
            held.append(os.open(f"{mnt}/store/one.o", os.O_RDONLY))
    except OSError as e:
        return sfs.name_of(e.errno), os.pread(error, 4096, 0).decode()


one = sfs.compile_c("int one(void) { return 1; }", "one")
os.chmod(sfs.TMP, 0o755)
daemon = subprocess.Popen([os.path.join(BUILD, "bin/sandboxfs"), "-f", "--state", os.path.join(top, "state"), mnt],
                          preexec_fn=few_descriptors)
for _ in range(200):
    if os.path.exists(os.path.join(mnt, "store")):
        break
    time.sleep(0.05)
got = as_user(20001, stage)
sfs.ok("names that are staged have a limit for each user",
       got.startswith(f"({STAGED_MAX}, 'EDQUOT', 'store/.staged{STAGED_MAX} EDQUOT ") and "stages" in got, got)
sfs.ok("which is not another's", as_user(20002, loads("one.o")) == "0")
held = [os.open(f"{mnt}/store/one.o", os.O_RDONLY) for _ in range(SOFT)]
sfs.ok("many open files of one user leave room for another", as_user(20002, loads("two.o")) == "0", sfs.read("status"))
for fd in held:
    os.close(fd)
got = as_user(20001, open_all)
sfs.ok("one file too many says why", got.startswith("('EDQUOT', 'store/one.o EDQUOT uid 20001 has"), got)
as_user(20001, lambda: [os.unlink(f"{mnt}/store/.staged{i}") for i in range(STAGED_MAX)])
sfs.ok("a name that is removed makes room", as_user(20001, stage).startswith(f"({STAGED_MAX}, "))
daemon.terminate()
sfs.ok("the daemon ends well", daemon.wait(20) == 0)
subprocess.run(["rm", "-rf", top], check=False)
sfs.done()
