#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# waits
# no-mount
# plain-only
# deadline: 240
"""What changes names is done once, though the daemon is killed in the middle of it and the kernel asks the next one again."""
import errno, os, signal, sys, threading
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from crash import FOLDER, MNT, WAIT_S, Mounted, comm, content, ends, goes_on, load, log, object_bytes, path, replacements, until
import onetest
import sfs

HOLD = os.path.join(FOLDER, "hold")
PRELOAD = os.path.join(os.environ["BUILD"], "hold.so")
# Of linux/fuse.h.
MKDIR, UNLINK, RMDIR, RENAME, CREATE = 9, 10, 11, 12, 35


def in_thread(call, *args):
    """A thread that calls, and a list that will hold the errno."""
    errors = []
    thread = threading.Thread(target=lambda: errors.append(sfs.error_of(call, *args)), daemon=True)
    thread.start()
    return thread, errors


def held_in(when, opcode, name, call, *args):
    """The same; when it returns a thread of the daemon stands still with that request in its hands."""
    with open(HOLD + ".new", "w") as f:
        f.write(f"{when} {opcode} {name}\n")
    os.chmod(f.name, 0o644)
    os.rename(f.name, HOLD)
    thread, errors = in_thread(call, *args)
    sfs.ok(f"{when} {name}: the daemon has the request in its hands", until(lambda: os.path.exists(HOLD + ".held")), log())
    os.unlink(HOLD + ".held")
    return thread, errors


def killed_in(mounted, when, opcode, name, call, *args):
    """The errno of a call in the midst of which the daemon is killed: before it begins to work, or after all is done."""
    thread, errors = held_in(when, opcode, name, call, *args)
    mounted.kill("daemon")
    thread.join(WAIT_S)
    return errors[0] if errors else None


def right(when, what, error, done):
    """What the dead daemon did was done; of anything else the answer says that it is open, and is not what a second time would give."""
    told = sfs.name_of(error) if error else error
    if when == "after":
        sfs.ok(f"{when} {what}: the answer is 0", error == 0, told)
        sfs.ok(f"{when} {what}: and error says ok", sfs.read("error") == "ok\n", sfs.read("error"))
    else:
        sfs.ok(f"{when} {what}: the answer is EAGAIN", error == errno.EAGAIN, told)
        sfs.ok(f"{when} {what}: with a sentence", "the daemon was replaced" in sfs.read("error"), sfs.read("error"))
    sfs.ok(f"{when} {what}: it is {'done' if when == 'after' else 'not done'}", done == (when == "after"))


def names(folder):
    return sorted(os.listdir(path(folder)))


def again(when, what, call, *args, refusal):
    """What the sentence advises succeeds; what was done is not done twice."""
    error = sfs.error_of(call, *args)
    sfs.ok(f"{when} {what}: done again it is done", error == (refusal if when == "after" else 0), sfs.name_of(error))


def made(mounted, when):
    name = f"m{when}"
    error = killed_in(mounted, when, MKDIR, name, os.mkdir, path("kernels", name))
    right(when, "mkdir", error, name in names("kernels"))
    again(when, "mkdir", os.mkdir, path("kernels", name), refusal=errno.EEXIST)
    sfs.ok(f"{when} mkdir: it is whole", "spec" in names(f"kernels/{name}"), names(f"kernels/{name}"))


def unmade(mounted, when):
    name = f"m{when}"
    error = killed_in(mounted, when, RMDIR, name, os.rmdir, path("kernels", name))
    right(when, "rmdir", error, name not in names("kernels"))
    again(when, "rmdir", os.rmdir, path("kernels", name), refusal=errno.ENOENT)
    sfs.ok(f"{when} rmdir: it can be made again", sfs.error_of(os.mkdir, path("kernels", name)) == 0, sfs.read("error"))
    os.rmdir(path("kernels", name))


def removed(mounted, when):
    name = f"u{when}.o"
    sfs.ok(f"{when} unlink: loaded", load(name, object_bytes(1)) == 0)
    error = killed_in(mounted, when, UNLINK, name, os.unlink, path("store", name))
    right(when, "unlink", error, name not in names("store"))
    again(when, "unlink", os.unlink, path("store", name), refusal=errno.ENOENT)
    sfs.ok(f"{when} unlink: no codelet is left", until(lambda: name not in names("codelets")), names("codelets"))
    sfs.ok(f"{when} unlink: the name is free", load(name, object_bytes(2)) == 0 and content(name) == object_bytes(2))


def renamed(mounted, when):
    old, new, data = f"r{when}.o", f"s{when}.o", object_bytes(3)
    sfs.ok(f"{when} rename: loaded", load(old, data) == 0 and load(new, object_bytes(4)) == 0)
    error = killed_in(mounted, when, RENAME, new, os.rename, path("store", old), path("store", new))
    right(when, "rename", error, old not in names("store") and content(new) == data)
    again(when, "rename", os.rename, path("store", old), path("store", new), refusal=errno.ENOENT)
    sfs.ok(f"{when} rename: its bytes have one name", old not in names("store") and content(new) == data, names("store"))
    sfs.ok(f"{when} rename: and one codelet", until(lambda: old not in names("codelets") and new in names("codelets")),
           names("codelets"))


def staged(mounted, when):
    """The bytes went with the daemon, whether they had been committed or not, and a codelet of that name may have been there before."""
    old, new, data = f".t{when}.o.Ab12", f"t{when}.o", object_bytes(7)
    sfs.ok(f"{when} commit: loaded", load(new, object_bytes(8)) == 0 and load(old, data) == 0)
    error = killed_in(mounted, when, RENAME, new, os.rename, path("store", old), path("store", new))
    sfs.ok(f"{when} commit: the answer is EAGAIN", error == errno.EAGAIN, sfs.name_of(error) if error else error)
    sfs.ok(f"{when} commit: with a sentence", "the daemon was replaced" in sfs.read("error"), sfs.read("error"))
    sfs.ok(f"{when} commit: it is {'done' if when == 'after' else 'not done'}",
           content(new) == (data if when == "after" else object_bytes(8)))
    sfs.ok(f"{when} commit: done again it is done", load(old, data) == 0 and
           sfs.error_of(os.rename, path("store", old), path("store", new)) == 0 and content(new) == data, sfs.read("error"))


def staged_and_closed(mounted):
    """What rsync does: it copies to a staged name, and renames that later."""
    names_, data = [f".{n}.o.Ab12Cd" for n in "abcd"], object_bytes(9)
    for name in names_:
        sfs.ok(f"staged: {name}", load(name, data) == 0)
    os.unlink(path("store", names_[1]))
    os.rename(path("store", names_[2]), path("store", ".other.o"))
    mounted.kill("daemon")
    error = sfs.error_of(os.rename, path("store", names_[0]), path("store", "a.o"))
    told = sfs.read("error")
    sfs.ok("staged: its rename is refused with EAGAIN", error == errno.EAGAIN, sfs.name_of(error))
    sfs.ok("staged: with a sentence", told.startswith(f"store/{names_[0]} EAGAIN the daemon was replaced") and "is lost" in told and
           sfs.read("store/error") == told, told)
    errors = [sfs.error_of(os.rename, path("store", name), path("store", "a.o")) for name in names_[1:3]]
    sfs.ok("staged: not of what was removed or has another name", errors == [errno.ENOENT] * 2, errors)
    # A second time only if the kernel had forgotten the name.
    errors = [sfs.error_of(os.rename, path("store", names_[0]), path("store", "a.o")) for _ in range(2)]
    sfs.ok("staged: nor again and again", errors in ([errno.ENOENT] * 2, [errno.EAGAIN, errno.ENOENT]), errors)
    sfs.ok("staged: that name is told of, too", sfs.error_of(os.stat, path("store", ".other.o")) == errno.EAGAIN)
    sfs.ok("staged: none of them is there", not [n for n in names("store") if n[0] == "."], names("store"))
    sfs.ok("staged: copied again it can be renamed", load(names_[0], data) == 0 and
           sfs.error_of(os.rename, path("store", names_[0]), path("store", "a.o")) == 0 and content("a.o") == data, sfs.read("error"))
    os.unlink(path("store", "a.o"))


def launcher_dies_alone(mounted):
    """The supervisor stands still, so that the daemon is there without its launcher for a while."""
    sfs.codelet("unsigned long f(unsigned long n) { return n; }", "f")
    sfs.number_kernel("f")
    sfs.ok("a run works", sfs.run("f", "n=1 reps=1")[0] == 0)
    before = replacements()
    os.kill(mounted.process.pid, signal.SIGSTOP)
    try:
        mounted.kill("launcher")
        error, answer = sfs.run("f", "n=2 reps=1")
        sfs.ok("without a launcher a run is refused with EAGAIN", error == errno.EAGAIN, (sfs.name_of(error), answer))
        sfs.ok("and a sentence", "launcher" in answer, answer)
        error = load("n.o", object_bytes(5))
        sfs.ok("loading is, too", error == errno.EAGAIN, (sfs.name_of(error), sfs.read("store/error")))
        sfs.ok("with a sentence", "launcher" in sfs.read("store/error"), sfs.read("store/error"))
    finally:
        os.kill(mounted.process.pid, signal.SIGCONT)
    sfs.ok("it is replaced", until(lambda: replacements() == before + 1), sfs.read("stats"))
    sfs.ok("then both work", sfs.run("f", "n=2 reps=1")[0] == 0 and load("n.o", object_bytes(5)) == 0, sfs.read("error"))


def kernel_sends_nothing_again():
    mounted = Mounted(LD_PRELOAD=PRELOAD, SFS_HOLD=HOLD, SFS_NO_RESEND="1")
    fd = os.open(path("version"), os.O_RDONLY)
    sfs.ok("no resend: loaded", load("k.o", object_bytes(6)) == 0)
    error = killed_in(mounted, "before", MKDIR, "late", os.mkdir, path("kernels", "late"))
    sfs.ok("no resend: what waits hears that nobody answers", error in (errno.ECONNABORTED, errno.ENOTCONN), sfs.name_of(error))
    sfs.ok("no resend: new opens work", until(lambda: sfs.error_of(sfs.read, "version") == 0), log())
    sfs.ok("no resend: an old descriptor is dead", sfs.error_of(os.pread, fd, 10, 0) in (errno.ENOTCONN, errno.ECONNABORTED))
    os.close(fd)
    sfs.ok("no resend: there is one mount", onetest.mounts().count(MNT) == 1, onetest.mounts())
    sfs.ok("no resend: the store is whole", content("k.o") == object_bytes(6))
    sfs.ok("no resend: mkdir works", sfs.error_of(os.mkdir, path("kernels", "late")) == 0, sfs.read("error"))
    mounted.kill("daemon")
    sfs.ok("no resend: again", until(lambda: sfs.error_of(content, "k.o") == 0) and content("k.o") == object_bytes(6), log())
    sfs.ok("no resend: it ends well", mounted.end() == 0, log())


def waits_in_the_kernel(pid):
    """One of its threads does, and no signal reaches it."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{thread}/stat") as f:
                if f.read().rsplit(")", 1)[1].split()[0] == "D":
                    return True
        except OSError:
            continue
    return False


def all_die():
    """Somebody holds the lock of a directory for which the daemon has news: no thread of it may keep the mount alive for that."""
    mounted = Mounted(LD_PRELOAD=PRELOAD, SFS_HOLD=HOLD)
    pids = [mounted.process.pid] + onetest.descendants(mounted.process.pid)
    bad = os.open(path("store", "bad.o"), os.O_WRONLY | os.O_CREAT, 0o644)
    os.write(bad, b"no ELF")
    thread, errors = held_in("before", CREATE, "held.o", os.open, path("store", "held.o"), os.O_WRONLY | os.O_CREAT)
    sfs.ok("all die: another upload is refused meanwhile", sfs.error_of(os.close, bad) == errno.ENOEXEC)
    daemon = mounted.child("daemon")
    sfs.ok("all die: the kernel is to forget its name", until(lambda: waits_in_the_kernel(daemon)))
    mounted.process.kill()
    mounted.process.wait(WAIT_S)
    thread.join(WAIT_S)
    sfs.ok("all die: who waited hears of it", errors in ([errno.ECONNABORTED], [errno.ENOTCONN]), errors)
    sfs.ok("all die: nobody is left", until(lambda: not any(map(comm, pids))), [p for p in pids if comm(p)])
    sfs.ok("all die: the next one mounts here, and ends well", Mounted().end() == 0, log())
    sfs.ok("all die: then there is no mount", MNT not in onetest.mounts(), onetest.mounts())


mount = Mounted(LD_PRELOAD=PRELOAD, SFS_HOLD=HOLD)
os.chmod(FOLDER, 0o777)  # the daemon's own uid renames a file in it
adopts = goes_on()
for step in (made, unmade, removed, renamed, staged) if adopts else ():
    for moment in ("before", "after"):
        step(mount, moment)
if adopts:
    staged_and_closed(mount)
    launcher_dies_alone(mount)
sfs.ok("it ends well", mount.end() == 0, log())
kernel_sends_nothing_again()
all_die()
ends()
