#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
"""rm -r of a kernel with runs and jobs, by its owner under whoever's daemon; half of it by hand; and by others, who get nowhere."""
import errno, os, shutil, subprocess, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

os.chmod(sfs.TMP, 0o755)
OWNER, OTHER = (20001, 20002) if os.getuid() == 0 else (os.getuid(), None)
SPEC = ("[kernel]\nname = {0}\nfunction = own\nreturns = u64\n[param.n]\ntype = u64\ndefault = 1\n[call]\nargs = u64 n\n")
CODE = sfs.compile_c('unsigned long own(unsigned long n) { return n; }\nunsigned long spin(unsigned long n) { for (;;) __asm__ volatile(""); }\n',
                     "own")


def path(*names):
    return os.path.join(sfs.MNT, "kernels", *names)


def as_owner(call, *args, uid=OWNER):
    """What the call returned, a small number, as that user; 200 and more: its errno; 199: something else was raised."""
    pid = os.fork()
    if not pid:
        code = 199
        try:
            if os.getuid() == 0 and uid:
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            code = int(call(*args) or 0)
        except OSError as e:
            code = 200 + min(e.errno, 50)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def make(name):
    os.mkdir(path(name))
    sfs.write(f"kernels/{name}/spec", SPEC.format(name))
    # Twice; one that the machine disturbed too much is no run that counts here.
    return not all(sfs.wait_for(lambda: sfs.run(name, "reps=1")[0] == 0) for _ in range(2))


def rm(*words):
    return subprocess.run(["rm", *words], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode


def with_jobs(name):
    """rm -r while a run spins, another waits for its turn and a clone is open."""
    clone = os.open(path(name, "clone"), os.O_RDWR)
    number = os.read(clone, 100)
    for _ in range(2):
        sfs.write(f"kernels/{name}/start", "reps=1 symbol=spin timeout_ms=60000\n")
    code = rm("-r", path(name))
    gone = sfs.error_of(os.pread, clone, 10, 0) == errno.ENODEV and bool(number)
    os.close(clone)
    return code or (not gone) * 7


def by_hand(name):
    """Each file by itself: with the last of them its runs go, and nothing of it can be used."""
    fd = os.open(path(name, "run"), os.O_RDWR)
    files = [n for n in os.listdir(path(name)) if n not in ("runs", "jobs")]
    for n in files[:-1]:
        os.unlink(path(name, n))
    if len(os.listdir(path(name, "runs"))) < 2:
        return 1
    os.unlink(path(name, files[-1]))
    if os.listdir(path(name, "runs")):
        return 2
    if sfs.error_of(os.write, fd, b"reps=1\n") != errno.ENODEV:
        return 3
    os.close(fd)
    os.rmdir(path(name))
    return 0


sfs.ok("a codelet", as_owner(sfs.load, CODE, "own.o") == 0)
for what, remove in (("rm -r", lambda n: rm("-r", path(n))), ("rm -rf", lambda n: rm("-rf", path(n))),
                     ("shutil.rmtree", lambda n: shutil.rmtree(path(n))),
                     ("find -delete", lambda n: subprocess.run(["find", path(n), "-delete"], check=False).returncode),
                     ("rm -r with jobs", with_jobs), ("file by file", by_hand), ("rmdir", lambda n: os.rmdir(path(n)))):
    sfs.ok(f"{what}: a kernel with runs", as_owner(make, "mine") == 0 and len(os.listdir(path("mine", "runs"))) >= 2)
    modes = [os.stat(path("mine", n)).st_mode & 0o7777 for n in ("runs", "jobs")]
    sfs.ok(f"{what}: the modes are the contract's", modes == [0o555, 0o555], modes)
    answer = as_owner(remove, "mine")
    sfs.ok(f"{what}: works", answer == 0, answer)
    sfs.ok(f"{what}: and it is gone", not os.path.exists(path("mine")) and "mine" not in os.listdir(path()))
if OTHER:
    as_owner(make, "mine")
    os.chmod(path("mine"), 0o777)
    files = [n for n in os.listdir(path("mine")) if n not in ("runs", "jobs")]
    sfs.ok("who may write in it can hide its files", as_owner(lambda: [os.unlink(path("mine", n)) for n in files] and 0, uid=OTHER) == 0)
    sfs.ok("but ends nothing", len(os.listdir(path("mine", "runs"))) == 2)
    sfs.ok("nor removes it", as_owner(os.rmdir, path("mine"), uid=OTHER) in (200 + errno.EACCES, 200 + errno.EPERM))
    sfs.ok("which its owner does", as_owner(lambda: rm("-r", path("mine"))) == 0 or as_owner(os.rmdir, path("mine")) == 0)
sfs.ok("nothing is left running", sfs.wait_for(lambda: "running" not in sfs.read("codelets/own.o/state")), sfs.read("codelets/own.o/state"))
sfs.done()
