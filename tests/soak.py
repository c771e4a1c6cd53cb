#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Many clients load, run, make rockers and remove for a while; every result is verified, and all that the daemon holds is the same at the end.

soak.py [--build DIR] [--seconds N] [--clients N] [--leak[=descriptors|memory]] [--user]: with --leak the daemon forgets on purpose
some descriptors, some memory, or both, and the soak passes only if it sees each. With --user root counts, and nobody does the rest:
a user cannot look into his own daemon.

Both counts are taken in the same state: the pools of warm jails and of blanks are full, nothing else is loaded, the kernel has been told to forget
the names that it keeps, and nothing moves any more. Then descriptors, threads, live allocations, their bytes and so on have
to be equal. Only memory_kb has a bound instead: those are pages, and how many an allocator keeps depends on all that came before.
"""
import argparse
import ctypes
import errno
import json
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import onetest
import soak_rockers

VARIANTS = 8
UNIQUE = b"%032d"  # bytes of an object that tell it from all others
UIDS = range(20000, 21000)
SYS_SETRESUID, SYS_SETRESGID = 117, 119
NAMESPACES = 70  # more than the launcher keeps
SETTLE_S = 30
TOGETHER_S = 60
STILL_S = 0.3
# Looks one after the other, then it stands still: for longer than what is made ahead for root's rockers is kept.
ALIKE = 24 if os.getuid() == 0 else 4
MEMORY_SLACK = 1.25
HEAPS = 3  # supervisor, launcher, daemon
MOUNTS = onetest.mounts()  # of others, who may take them away meanwhile
LEAKS = {"descriptors": "memfds", "memory": "heap_blocks"}  # what is forgotten, and where it has to show
LEAK_RUNS = 1100  # of all clients together, at least: more than leak.c lets pass
SPEC = """[kernel]
name = {name}
function = {function}
returns = u64
[param.n]
type = u64
default = 1
[buffer.x]
type = u64
count = 16
init = iota(1, 1)
access = rw
[call]
args = u64 n, ptr x
"""
SOURCE = """
const char unique[] = "{unique}";
unsigned long answer(unsigned long n, unsigned long *x) {{ unsigned long s = {k}; for (int i = 0; i < 16; i++) s += n * x[i]; return s; }}
unsigned long crash(unsigned long n, unsigned long *x) {{ return *(volatile unsigned long *)(n - n) + x[0]; }}
"""


def expected(k, n):
    return k + n * 136


def become(uid):
    """This thread alone, where root may: the library's own call would change them all."""
    libc = ctypes.CDLL(None, use_errno=True)
    for call, step in ((SYS_SETRESUID, 0), (SYS_SETRESGID, uid), (SYS_SETRESUID, uid)) if os.getuid() == 0 else ():
        if libc.syscall(call, -1, step, -1):
            raise OSError(ctypes.get_errno(), "setresuid")


class Client(soak_rockers.Lives):
    """Users of the mount, one after the other: names are never used twice, nor are some of the bytes; uids are many for root."""

    def __init__(self, number, point, objects, programs):
        self.number, self.point, self.objects, self.programs = number, point, objects, programs
        self.random = random.Random(number)
        self.cycles, self.runs, self.wrong = 0, 0, []
        self.name = None

    def path(self, *parts):
        return os.path.join(self.point, *parts)

    def load(self, k, unique=0):
        with open(self.path("store", self.name + ".o"), "wb") as to:
            to.write(self.objects[k].replace(UNIQUE % 0, UNIQUE % unique))

    def spec(self, function):
        with open(self.path("kernels", self.name, "spec"), "w") as f:
            f.write(SPEC.format(name=self.name, function=function))

    def run(self, words):
        fd = os.open(self.path("kernels", self.name, "run"), os.O_RDWR)
        try:
            os.write(fd, f"reps=1 codelet={self.name}.o {words}\n".encode())
            return 0
        except OSError as e:
            return e.errno
        finally:
            os.close(fd)

    def result(self):
        with open(self.path("kernels", self.name, "result")) as f:
            return dict(line.rstrip("\n").split(" ", 1) for line in f if " " in line)

    def verify(self, what, seen, wanted):
        if seen != wanted:
            self.wrong.append(f"{self.name} cycle {self.cycles}: {what} is {seen}, expected {wanted}")

    def good_runs(self, k):
        self.spec("answer")
        for _ in range(self.random.randint(1, 4)):
            n = self.random.randint(0, 1 << 20)
            self.verify("errno", errno.errorcode.get(self.run(f"n={n}"), 0), 0)
            got = self.result()
            self.verify("status", got.get("status", "").strip(), "ok")
            self.verify("return", got.get("return", "").split(" ")[0], str(expected(k, n)))
            self.runs += 1

    def bad_run(self):
        """A crash is a result like any other, and never the daemon's."""
        self.spec("crash")
        self.verify("a crash succeeded", self.run("n=1") == 0, False)
        self.verify("status", self.result().get("status", "").strip(), "signal")
        self.runs += 1

    def refusals(self):
        try:
            with open(self.path("store", self.name + "_bad.o"), "wb") as f:
                f.write(self.name.encode())
            self.verify("what is no ELF", "loaded", "refused")
        except OSError as e:
            self.verify("what is no ELF", e.errno, errno.ENOEXEC)
        self.verify("an unknown word", self.run("m=1"), errno.EINVAL)

    def read_all(self):
        for folder in (self.path("codelets", self.name + ".o"), self.path("kernels", self.name)):
            for name in os.listdir(folder):
                if os.path.isdir(os.path.join(folder, name)):
                    continue
                with open(os.path.join(folder, name), "rb") as f:
                    f.read()

    def rename(self):
        there, away = self.path("store", self.name + ".o"), self.path("store", self.name + "_away.o")
        os.rename(there, away)
        os.rename(away, there)

    def remove(self):
        os.rmdir(self.path("kernels", self.name))
        self.unload()

    def unload(self):
        os.unlink(self.path("store", self.name + ".o"))

    def begin(self):
        """Every fourth time with bytes that nobody loads besides, every second time as somebody else."""
        self.name = f"c{self.number}_{self.cycles}"
        become(self.random.choice(UIDS) if self.random.random() < 0.5 else 0)
        k = self.random.randrange(VARIANTS)
        self.load(k, (self.number << 32) + self.cycles + 1 if self.random.random() < 0.25 else 0)
        os.mkdir(self.path("kernels", self.name))
        return k

    def cycle(self, together=lambda: None, chance=0.2):
        """together returns when all the others have come as far as to call it; chance is that of each rarer act."""
        try:
            k = self.begin()
            together()
            self.good_runs(k)
            for act in (self.bad_run, self.refusals, self.read_all, self.rename, self.rocker):
                if self.random.random() < chance:
                    act()
            self.remove()
        except (OSError, threading.BrokenBarrierError) as e:
            self.wrong.append(f"{self.name} cycle {self.cycles}: {e}")
        self.cycles += 1

    def work(self, until, at_least):
        begin = self.runs
        while not self.wrong and (time.monotonic() < until or self.runs - begin < at_least):
            self.cycle()


def in_threads(clients, work):
    threads = [threading.Thread(target=work, args=(c,)) for c in clients]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def warm_up(clients):
    """
    Once all of them hold all that they ever hold at the same time, since a table grows to what it once had to hold; and all
    do everything, since libraries keep what they needed for the first time.
    """
    barrier = threading.Barrier(len(clients), timeout=TOGETHER_S)
    in_threads(clients, lambda client: client.cycle(barrier.wait, 1))
    in_threads(clients, Client.cycle)


def measured(clients, seconds, at_least):
    until = time.monotonic() + seconds
    in_threads(clients, lambda client: client.work(until, at_least))


class Heap:
    """The account that heap.c keeps of a daemon's processes."""

    PROCESSES, PLACES = 64, 1024
    PLACE = struct.Struct("QQqq32s")
    PROCESS_BYTES = 8 + PLACES * PLACE.size

    def __init__(self, path):
        self.path = path
        with open(path, "wb") as f:
            f.truncate(self.PROCESSES * self.PROCESS_BYTES)

    def read(self):
        """How many processes there are, and {(object, offset): [live blocks, bytes]} of all of them together."""
        with open(self.path, "rb") as f:
            whole = f.read()
        processes, places = 0, {}
        for at in range(0, len(whole), self.PROCESS_BYTES):
            processes += any(whole[at:at + 8])  # its pid
            for caller, offset, live, size, name in self.PLACE.iter_unpack(whole[at + 8:at + self.PROCESS_BYTES]):
                if caller:
                    both = places.setdefault((name.rstrip(b"\0").decode(), offset), [0, 0])
                    both[0] += live
                    both[1] += size
        return processes, places


class Census:
    """What the daemon's processes hold, and where in the code they asked for it."""

    def __init__(self, counts, heaps, places):
        self.counts, self.places = counts, places
        counts["heaps"] = heaps
        for i, key in enumerate(("heap_blocks", "heap_bytes")):
            counts[key] = sum(both[i] for both in places.values())

    def same(self, other):
        return self.places == other.places and all(
            self.counts[key] == other.counts[key] for key in self.counts if key != "memory_kb")


def forget_names(point):
    """The kernel keeps names for as long as it likes, and the daemon their nodes; a remount ends that for one mount."""
    subprocess.run(["mount", "-i", "-o", "remount", point], check=True)


def mapped_kb(pid):
    """What is mapped and shared: buffers, plans and claims of runs."""
    with open(f"/proc/{pid}/maps") as f:
        ends = [line.split()[0].split("-") for line in f if line.split()[1].endswith("s")]
    return sum(int(end, 16) - int(begin, 16) for begin, end in ends) // 1024


def look_into(pid, counts):
    links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    with open(f"/proc/{pid}/status") as f:
        status = dict(line.split(":", 1) for line in f)
    counts["mapped_kb"] += mapped_kb(pid)
    counts["fds"] += len(links)
    counts["memfds"] += sum("memfd:" in link for link in links)
    counts["threads"] += int(status["Threads"])
    counts["memory_kb"] += int(status.get("RssAnon", "0 kB").split()[0])


def count_processes(pid):
    pids = [pid] + onetest.descendants(pid)
    counts = {"processes": len(pids), "fds": 0, "memfds": 0, "mapped_kb": 0, "memory_kb": 0, "threads": 0,
              "mounts": len([m for m in onetest.mounts() if m not in MOUNTS]), "cgroups": len(onetest.cgroups(pids))}
    for p in pids:
        try:
            look_into(p, counts)
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
    return counts


def count_files(folder):
    """What the store and the kernels keep on disk; not their bytes, since records hold numbers in decimal."""
    return {"state_files": sum(len(names) for _, _, names in os.walk(folder))}


def settled(look, wanted):
    """
    The census once it is what is wanted, or stands still: what is torn down behind an rmdir takes its time, and so does what
    a publisher announces, which then rests.
    """
    last, alike, end = look(), 1, time.monotonic() + SETTLE_S
    while not (wanted and last.same(wanted)) and alike < ALIKE and time.monotonic() < end:
        time.sleep(STILL_S)
        now = look()
        alike, last = alike + 1 if now.same(last) else 1, now
    return last


def fill_namespaces(client):
    """The launcher keeps so many of those that belong to users: here are more users."""
    for uid in UIDS[:NAMESPACES] if os.getuid() == 0 else ():
        become(uid)
        client.name = f"u{uid}"
        os.mkdir(client.path("rockers", client.name))
        client.verify("a user's first run", client.in_rocker("run", "/nope")[0], errno.ENOENT)
        os.rmdir(client.path("rockers", client.name))
    become(0)


def fill_pool(client):
    """Leaves every warm jail that one user may keep: those of codelets that stay loaded. Gives their names."""
    names = [f"pool_{k}" for k in range(VARIANTS)]
    for k, client.name in enumerate(names):
        client.load(k)
        os.mkdir(client.path("kernels", client.name))
        client.good_runs(k)
        os.rmdir(client.path("kernels", client.name))  # a result is not of the same length each time
    return names


def take_census(mount, client, ask, heap, wanted=None):
    """None without root's help."""
    if not ask:
        return None
    fill_namespaces(client)
    names = fill_pool(client)

    def look():
        # Each time: what changes is announced, and the kernel knows its name once more, and the daemon what it last gave for it.
        ask("forget_names", mount.point)
        return Census(ask("count_processes", mount.process.pid) | count_files(mount.state), *heap.read())

    census = settled(look, wanted)
    for client.name in names:
        client.unload()
    return census


def make_objects(folder):
    objects = []
    for k in range(VARIANTS):
        path = os.path.join(folder, f"v{k}.o")
        source = SOURCE.format(k=k, unique=(UNIQUE % 0).decode())
        subprocess.run(["gcc", "-O1", "-x", "c", "-c", "-o", path, "-"], input=source.encode(), check=True)
        with open(path, "rb") as f:
            objects.append(f.read())
    return objects


def name_place(args, place):
    """The function and line, where it is the daemon's own code."""
    name, offset = place
    if name == "sandboxfs":
        # One less: the address is where the call returns to, and that may be the next line.
        words = ["addr2line", "-fspe", os.path.join(args.build, "bin", name), hex(offset - 1)]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    return f"{name}+{offset:#x}"


def compare(args, before, after):
    different = [] if before.counts["heaps"] >= HEAPS else ["some heaps are not counted"]
    for key, value in before.counts.items():
        now = after.counts[key]
        print(f"{key:12} before {value:8} after {now:8}")
        if now > value * MEMORY_SLACK + 8192 if key == "memory_kb" else now != value:
            different.append(f"{key} was {value} and is {now}")
    for place in sorted(before.places.keys() | after.places.keys()):
        then, now = before.places.get(place, [0, 0]), after.places.get(place, [0, 0])
        if then != now:
            print(f"# {name_place(args, place)}: {then[0]} blocks of {then[1]} bytes, now {now[0]} of {now[1]}")
    return different


def soak(mount, args, made, ask, heap):
    clients = [Client(i, mount.point, *made) for i in range(args.clients)]
    warm_up(clients)
    before = take_census(mount, clients[0], ask, heap)
    begin = time.monotonic()
    measured(clients, args.seconds, LEAK_RUNS // len(clients) + 1 if args.leak else 1)
    seconds = time.monotonic() - begin
    print(f"{len(clients)} clients, {sum(c.cycles for c in clients)} loads, {sum(c.runs for c in clients)} runs, "
          f"{seconds:.1f} s in the measured part")
    after = take_census(mount, clients[0], ask, heap, before)
    different = compare(args, before, after) if ask else []
    wrong = [w for c in clients for w in c.wrong]
    for line in wrong[:20]:
        print("# " + line)
    return wrong, different


def verdict(args, wrong, different):
    if args.leak:
        unseen = [what for what in args.leak if not any(line.startswith(LEAKS[what]) for line in different)]
        for what in args.leak:
            print(f"not ok the soak sees a leak of {what}: it does not" if what in unseen else f"ok the soak sees a leak of {what}")
        return not unseen
    print(f"not ok every result: {len(wrong)} wrong, first: {wrong[0]}" if wrong else "ok every result is right")
    if os.getuid() != 0 and not args.user:
        print("skip nothing grows: only root can look into the daemon; see --user")
    else:
        print("not ok nothing grows: " + "; ".join(different) if different else "ok nothing grows")
    return not wrong and not different


def preload(mount, args):
    """Heaps are counted. A library that forgets stands before the one that counts, which never hears of what was forgotten."""
    heap = Heap(os.path.join(mount.folder, "heap"))
    names = ["leak", "heap"] if args.leak else ["heap"]
    mount.env["SFS_HEAP"] = heap.path
    mount.env["SFS_LEAK"] = " ".join(args.leak)
    mount.env["LD_PRELOAD"] = ":".join(os.path.join(args.build, name + ".so") for name in names)
    return heap


def whole(args, role, ask):
    mount = onetest.Mount(os.path.join(HERE, "soak.py"), args.build, role)
    heap = preload(mount, args)
    good = False
    with tempfile.TemporaryDirectory(prefix="sfs-soak-") as folder:
        made = make_objects(folder), soak_rockers.make_folder(folder)
        if mount.start():
            try:
                good = verdict(args, *soak(mount, args, made, ask, heap))
            finally:
                mount.stop(role)
                mount.reports()
    subprocess.run(["rm", "-rf", mount.folder], check=False)
    return 0 if good else 1


# What only root can do.
ROOT = {"count_processes": count_processes, "forget_names": forget_names}


def ask_root(channel, *words):
    channel.send(json.dumps(words).encode())
    return json.loads(channel.recv(4096))


def as_nobody(args):
    """The child is the user; the parent does for it what only root can do."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        ours.close()
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: his daemon looks which root directory he has
        os.environ.update(HOME="/nonexistent", USER="nobody", LOGNAME="nobody")
        status = whole(args, "nobody", lambda *words: ask_root(theirs, *words))
        sys.stdout.flush()
        os._exit(status)
    theirs.close()
    while question := ours.recv(4096):
        name, argument = json.loads(question)
        ours.send(json.dumps(ROOT[name](argument)).encode())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", type=os.path.abspath)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--leak", nargs="?", const="both", choices=[*LEAKS, "both"])
    parser.add_argument("--user", action="store_true")
    args = parser.parse_args()
    args.leak = list(LEAKS) if args.leak == "both" else [args.leak] if args.leak else []
    if args.user:
        return as_nobody(args)
    if os.getuid() != 0:
        return whole(args, "nobody", None)
    return whole(args, "root", lambda name, argument: ROOT[name](argument))


if __name__ == "__main__":
    sys.exit(main())
