#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# waits
# concurrent
# no-mount
# deadline: 240
"""A daemon or a launcher that is killed is replaced within the same mount, and nothing that was acknowledged is lost."""
import errno, os, select, signal, subprocess, sys, threading, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from crash import EVERY_PID, MNT, WAIT_S, Mounted, below, comm, content, ends, goes_on, load, log, object_bytes, path, replacements, until
import onetest
import sfs

# What nobody answers waits for ever; a loaded machine with a sanitizer takes its time for five successors.
LONG_S = 60
SLOW = "unsigned long slow(unsigned long n) { volatile unsigned long i; for (i = 0; i < n; i++) ; return i; }"


def descriptors_live_on(mounted):
    fd, folder = os.open(path("version"), os.O_RDONLY), os.open(path("store"), os.O_RDONLY | os.O_DIRECTORY)
    text, before = os.pread(fd, 4096, 0), os.fstat(fd)
    old = mounted.kill("daemon")
    sfs.ok("a descriptor that was open reads on", os.pread(fd, 4096, 0) == text)
    sfs.ok("and is the same file", os.fstat(fd).st_ino == before.st_ino)
    sfs.ok("a new open works", sfs.read("version").encode() == text)
    sfs.ok("a directory that was open is listed", os.listdir(folder) == ["error"], os.listdir(folder))
    sfs.ok("another daemon serves", mounted.child("daemon") != old)
    sfs.ok("stats counts it", replacements() == 1, sfs.read("stats"))
    os.close(fd)
    os.close(folder)


def waits_for_a_daemon(mounted):
    """The supervisor stands still, so that there is none for a while."""
    os.kill(mounted.process.pid, signal.SIGSTOP)
    os.waitpid(mounted.process.pid, os.WUNTRACED)
    gone = os.pidfd_open(mounted.child("daemon"))
    mounted.kill("daemon")
    sfs.ok("a daemon is gone with all of its threads", bool(select.select([gone], [], [], sfs.patient(30))[0]))
    os.close(gone)
    with subprocess.Popen(["cat", path("version")], stdout=subprocess.PIPE) as cat:
        time.sleep(0.3)
        sfs.ok("what is asked while there is no daemon waits", cat.poll() is None)
        os.kill(mounted.process.pid, signal.SIGCONT)
        sfs.ok("and is answered", cat.communicate(timeout=WAIT_S)[0].startswith(b"release"))


def runs_in_flight(mounted):
    sfs.codelet(SLOW, "slow")
    sfs.number_kernel("slow")
    kept = os.open(path("kernels", "slow", "run"), os.O_RDWR)
    spec, state = (os.open(path("kernels", "slow", name), os.O_RDONLY) for name in ("spec", "state"))
    text = os.pread(spec, 4096, 0)
    fd = os.open(path("kernels", "slow", "run"), os.O_RDWR)
    errors = []
    writer = threading.Thread(target=lambda: errors.append(sfs.error_of(os.write, fd, b"n=1000000000000 reps=1 warmup=0\n")))
    writer.start()
    sfs.ok("a run is under way", until(lambda: sfs.read("kernels/slow/state").startswith("running")))
    before = below(mounted)
    mounted.kill("daemon")
    writer.join(WAIT_S)
    sfs.ok("a run in flight is answered EAGAIN", errors == [errno.EAGAIN], errors)
    answer = os.pread(fd, 4096, 0).decode()
    sfs.ok("with a sentence on the same descriptor", "the daemon was replaced" in answer, answer)
    sfs.ok("and in error", "EAGAIN" in sfs.read("kernels/slow/error"), sfs.read("kernels/slow/error"))
    time.sleep(0.5)
    sfs.ok("it is not run again", sfs.read("kernels/slow/state").startswith("idle") and
           sfs.flat("kernels/slow/activity")["runs"] == "0", sfs.read("kernels/slow/activity"))
    sfs.ok("and nothing of it is left", until(lambda: not set(before) & set(below(mounted))), before)
    sfs.ok("a kernel's specification is still open", os.pread(spec, 4096, 0) == text and os.pread(state, 99, 0).startswith(b"idle"))
    error = sfs.error_of(os.write, kept, b"n=5 reps=1\n")
    sfs.ok("a command goes to a descriptor that was open", not error and b"time" in os.pread(kept, 65536, 0), error)
    sfs.ok("which was one run", sfs.flat("kernels/slow/activity")["runs"] == "1")
    for f in (kept, spec, state, fd):
        os.close(f)


def uploads(mounted):
    old, new = object_bytes(1), object_bytes(2)
    sfs.ok("a codelet is loaded", load("a.o", old) == 0 and load("b.o", old) == 0 and load("c.o", old) == 0)
    half = os.open(path("store", "a.o"), os.O_WRONLY | os.O_TRUNC)
    os.write(half, new[:100])
    fresh = os.open(path("store", "n.o"), os.O_WRONLY | os.O_CREAT, 0o644)
    os.write(fresh, new[:100])
    whole = os.open(path("store", "w.o"), os.O_WRONLY | os.O_CREAT, 0o644)
    os.write(whole, new)
    os.fsync(whole)
    begun = os.open(path("store", "b.o"), os.O_WRONLY | os.O_TRUNC)
    reader, other = (os.open(path("store", name), os.O_RDONLY) for name in ("a.o", "c.o"))
    head = os.pread(reader, 50, 0)
    load("c.o", new)
    mounted.kill("daemon")
    for fd, name in ((half, "a.o"), (fresh, "n.o")):
        sfs.ok(f"{name}: what was half written cannot be written on", sfs.error_of(os.write, fd, new[100:]) == errno.EAGAIN)
        sfs.ok(f"{name}: the sentence says why", "is lost" in sfs.read("error"), sfs.read("error"))
        sfs.ok(f"{name}: nor synced", sfs.error_of(os.fsync, fd) == errno.EAGAIN)
        sfs.ok(f"{name}: nor cut", sfs.error_of(os.ftruncate, fd, 7) in (errno.EAGAIN, errno.ESTALE))
        sfs.ok(f"{name}: and close says so", sfs.error_of(os.close, fd) == errno.EAGAIN)
    sfs.ok("the old content stays", content("a.o") == old)
    sfs.ok("a new name never was", not os.path.exists(path("store", "n.o")) and "n.o" not in os.listdir(path("codelets")))
    sfs.ok("what was synced is there", content("w.o") == new and sfs.error_of(os.close, whole) == 0)
    sfs.ok("nothing was written yet: it goes on", os.write(begun, new) == len(new) and sfs.error_of(os.close, begun) == 0)
    sfs.ok("and is committed", content("b.o") == new)
    sfs.ok("a reader reads on", head + os.pread(reader, 1 << 20, 50) == old)
    sfs.ok("but not from another file's middle", sfs.error_of(os.pread, other, 50, 0) == errno.ESTALE)
    os.close(reader)
    os.close(other)


def launcher_killed(mounted):
    fd = os.open(path("version"), os.O_RDONLY)
    before = replacements()
    old = mounted.kill("launcher")
    sfs.ok("the launcher is replaced too", until(lambda: replacements() == before + 1), sfs.read("stats"))
    sfs.ok("by another process", mounted.child("launcher") != old)
    sfs.ok("a descriptor reads on", os.pread(fd, 7, 0) == b"release")
    os.close(fd)
    sfs.ok("loading works", load("l.o", object_bytes(3)) == 0, sfs.read("error"))
    error, answer = sfs.run("slow", "n=5 reps=1")
    sfs.ok("running works", error == 0, answer)


class Client(threading.Thread):
    """Loads one object after the other, while all may; remembers what was acknowledged, and how long a call took."""

    may = threading.Event()

    def __init__(self, number, objects):
        super().__init__(daemon=True)
        self.number, self.objects, self.stop = number, objects, False
        self.kept, self.loads, self.refused, self.strange, self.longest_s = {}, 0, 0, [], 0

    def run(self):
        cycle = 0
        while not self.stop:
            self.may.wait()
            cycle += 1
            name, data = f"c{self.number}_{cycle % 8}.o", self.objects[cycle % len(self.objects)]
            begin = time.monotonic()
            error = load(name, data)
            self.longest_s = max(self.longest_s, time.monotonic() - begin)
            if error == 0:
                self.kept[name] = data
                self.loads += 1
            elif error in (errno.EAGAIN, errno.EIO):
                self.kept.pop(name, None)  # done or not: both are allowed
                self.refused += 1
            else:
                self.strange.append(sfs.name_of(error))


def all_load(clients, more):
    """Until each of them was that often told yes, or no."""
    before = [c.loads + c.refused for c in clients]
    sfs.wait_for(lambda: all(c.loads + c.refused >= b + more for c, b in zip(clients, before)), LONG_S)


def killed_in_a_loop(mounted):
    objects = [object_bytes(n) for n in range(4, 8)]
    clients = [Client(n, objects) for n in range(4)]
    for c in clients:
        c.start()
    for _ in range(5):
        Client.may.clear()
        mounted.rest()
        Client.may.set()
        all_load(clients, 2)
        mounted.kill("daemon")
        all_load(clients, 2)
    loads = [c.loads for c in clients]
    time.sleep(1)
    go_on = sfs.wait_for(lambda: all(c.loads > before + 1 for c, before in zip(clients, loads)), LONG_S)
    for c in clients:
        c.stop = True
    for c in clients:
        c.join(LONG_S)
    print(f"# {sum(len(c.kept) for c in clients)} names, {sum(c.refused for c in clients)} refused, longest {max(c.longest_s for c in clients):.2f} s")
    sfs.ok("nothing else is refused", not any(c.strange for c in clients), [c.strange[:2] for c in clients])
    wrong = [n for c in clients for n, data in c.kept.items() if content(n) != data]
    sfs.ok("every client gets on in the end", go_on)
    sfs.ok("every acknowledged copy is there", not wrong, wrong)
    sfs.ok("no call is left without an answer", not any(c.is_alive() for c in clients))


def loop_ends():
    mounted = Mounted()
    pids = set()
    while mounted.process.poll() is None and len(pids) < 20:
        pid = next((p for p in onetest.descendants(mounted.process.pid) if comm(p) == "daemon" and p not in pids), 0)
        if pid:
            pids.add(pid)
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
    sfs.ok("a crash loop ends", mounted.process.wait(WAIT_S) == 1 and len(pids) == 6, len(pids))
    sfs.ok("with a sentence", "more than 5 replacements in 10 s" in log(), log())
    sfs.ok("and the mount is gone", not os.path.ismount(MNT))


def mounts_anew():
    mounted = Mounted("[daemon]\nadopt = no\n")
    data = object_bytes(8)
    sfs.ok("adopt = no: loaded before", load("b.o", data) == 0)
    fd = os.open(path("version"), os.O_RDONLY)
    mounted.kill("daemon")
    sfs.ok("adopt = no: new opens work", until(lambda: sfs.error_of(sfs.read, "version") == 0), log())
    sfs.ok("an old descriptor is dead", sfs.error_of(os.pread, fd, 10, 0) in (errno.ENOTCONN, errno.ECONNABORTED))
    os.close(fd)
    sfs.ok("there is one mount", onetest.mounts().count(MNT) == 1)
    sfs.ok("the store is whole", content("b.o") == data)
    sfs.ok("and stats says so", replacements() == 1)
    sfs.ok("it ends well", mounted.end() == 0, log())


def supervisor_killed():
    mounted = Mounted()
    pids = onetest.descendants(mounted.process.pid)
    EVERY_PID.extend(pids)
    data = object_bytes(9)
    sfs.ok("loaded before", load("s.o", data) == 0)
    mounted.process.kill()
    mounted.process.wait(WAIT_S)
    sfs.ok("the supervisor takes all with it", until(lambda: not any(map(comm, pids))), [p for p in pids if comm(p)])
    mounted = Mounted()
    sfs.ok("the next one has the store", content("s.o") == data and content("b.o") == object_bytes(8))
    sfs.ok("and ends well", mounted.end() == 0)


mount = Mounted()
adopts = goes_on()
for step in (descriptors_live_on, waits_for_a_daemon, runs_in_flight, uploads, launcher_killed, killed_in_a_loop) if adopts else ():
    step(mount)
sfs.ok("SIGTERM ends it as ever", mount.end() == 0, log())
sfs.ok("and takes the mount away", not os.path.ismount(MNT))
if adopts:  # an emulated machine that mounts anew is too slow for that
    loop_ends()
mounts_anew()
supervisor_killed()
ends()
