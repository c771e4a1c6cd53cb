#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Many clients load, run and remove for a while; every result is verified, and nothing may have grown at the end.

soak.py [--build DIR] [--seconds N] [--clients N] [--leak] [--user]: with --leak the daemon forgets descriptors on purpose, and the
soak passes only if it sees that. With --user root counts, and nobody does the rest: a user cannot look into his own daemon.
"""
import argparse
import errno
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import onetest

VARIANTS = 8
SETTLE_S = 15
MEMORY_SLACK = 1.25  # an allocator keeps what it once had; a leak of a soak's length is more than that
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
unsigned long answer(unsigned long n, unsigned long *x) {{ unsigned long s = {k}; for (int i = 0; i < 16; i++) s += n * x[i]; return s; }}
unsigned long crash(unsigned long n, unsigned long *x) {{ return *(volatile unsigned long *)(n - n) + x[0]; }}
"""


def expected(k, n):
    return k + n * 136


class Client:
    """One user of the mount: its own names, its own numbers."""

    def __init__(self, number, point, objects):
        self.name, self.point, self.objects = f"c{number}", point, objects
        self.random = random.Random(number)
        self.cycles, self.runs, self.wrong = 0, 0, []

    def path(self, *parts):
        return os.path.join(self.point, *parts)

    def load(self, k):
        with open(self.objects[k], "rb") as f, open(self.path("store", self.name + ".o"), "wb") as to:
            to.write(f.read())

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

    def remove(self):
        os.rmdir(self.path("kernels", self.name))
        os.unlink(self.path("store", self.name + ".o"))

    def cycle(self):
        k = self.random.randrange(VARIANTS)
        try:
            self.load(k)
            os.mkdir(self.path("kernels", self.name))
            self.good_runs(k)
            if self.random.random() < 0.2:
                self.bad_run()
            self.remove()
        except OSError as e:
            self.wrong.append(f"{self.name} cycle {self.cycles}: {e}")
        self.cycles += 1

    def work(self, until, at_least):
        begin = self.cycles
        while not self.wrong and (time.monotonic() < until or self.cycles - begin < at_least):
            self.cycle()


def census(pid):
    """What the daemon's processes hold now."""
    pids = [pid] + onetest.descendants(pid)
    counts = {"processes": len(pids), "fds": 0, "memfds": 0, "memory_kb": 0, "threads": 0, "hidden": 0,
              "mounts": len(onetest.mounts()), "cgroups": len(onetest.cgroups(pids))}
    for p in pids:
        try:
            links = [os.readlink(f"/proc/{p}/fd/{fd}") for fd in os.listdir(f"/proc/{p}/fd")]
            with open(f"/proc/{p}/status") as f:
                status = dict(line.split(":", 1) for line in f)
        except PermissionError:
            counts["hidden"] += 1
            continue
        except FileNotFoundError:
            continue  # it has just ended
        counts["fds"] += len(links)
        counts["memfds"] += sum("memfd:" in link for link in links)
        counts["threads"] += int(status["Threads"])
        counts["memory_kb"] += int(status.get("RssAnon", "0 kB").split()[0])
    return counts


def settled(pid, count):
    """The census once it stands still: what is torn down behind an rmdir takes its time."""
    last, end = count(pid), time.monotonic() + SETTLE_S
    while time.monotonic() < end:
        time.sleep(0.5)
        now = count(pid)
        if all(now[key] == last[key] for key in now if key != "memory_kb"):
            return now
        last = now
    return last


def phase(clients, seconds, at_least):
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=c.work, args=(until, at_least)) for c in clients]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def full_pool(client, count, pid):
    """The census with every warm jail that may be kept there is: those of codelets that just ran, as many as there are variants."""
    for k in range(VARIANTS):
        client.load(k)
        os.makedirs(client.path("kernels", client.name), exist_ok=True)
        client.good_runs(k)
    counts = settled(pid, count)
    client.remove()
    return counts


def make_objects(folder):
    objects = []
    for k in range(VARIANTS):
        objects.append(os.path.join(folder, f"v{k}.o"))
        subprocess.run(["gcc", "-O1", "-x", "c", "-c", "-o", objects[k], "-"], input=SOURCE.format(k=k).encode(), check=True)
    return objects


def compare(before, after):
    grown = []
    for key, value in before.items():
        limit = value * MEMORY_SLACK + 8192 if key == "memory_kb" else value
        print(f"{key:12} before {value:8} after {after[key]:8}")
        if after[key] > limit:
            grown.append(f"{key} grew from {value} to {after[key]}")
    return grown


def soak(mount, args, objects, count):
    clients = [Client(i, mount.point, objects) for i in range(args.clients)]
    phase(clients, 0, 2)
    before = full_pool(clients[0], count, mount.process.pid)
    begin = time.monotonic()
    phase(clients, args.seconds, 1)
    seconds = time.monotonic() - begin
    print(f"{len(clients)} clients, {sum(c.cycles for c in clients)} loads, {sum(c.runs for c in clients)} runs, "
          f"{seconds:.1f} s in the measured part")
    after = full_pool(clients[0], count, mount.process.pid)
    grown = compare(before, after)
    wrong = [w for c in clients for w in c.wrong]
    for line in wrong[:20]:
        print("# " + line)
    return wrong, grown, after


def verdict(args, wrong, grown, after):
    if args.leak:
        print("ok the soak sees a leak" if grown else "not ok the soak does not see a leak that was put in")
        return bool(grown)
    print(f"not ok every result: {len(wrong)} wrong, first: {wrong[0]}" if wrong else "ok every result is right")
    if after["hidden"] and not grown:
        print("skip nothing grows: only root can look into the daemon; see --user")
    else:
        print("not ok nothing grows: " + "; ".join(grown) if grown else "ok nothing grows")
    return not wrong and not grown


def whole(args, count):
    role = "root" if os.getuid() == 0 else "nobody"
    mount = onetest.Mount(os.path.join(HERE, "soak.py"), os.path.abspath(args.build), role)
    if args.leak:
        mount.env["LD_PRELOAD"] = os.path.join(os.path.abspath(args.build), "leak.so")
    good = False
    with tempfile.TemporaryDirectory(prefix="sfs-soak-") as folder:
        objects = make_objects(folder)
        if mount.start():
            good = verdict(args, *soak(mount, args, objects, count))
            mount.stop(role)
            mount.reports()
    subprocess.run(["rm", "-rf", mount.folder], check=False)
    return 0 if good else 1


def ask(channel, pid):
    channel.send(str(pid).encode())
    return json.loads(channel.recv(4096))


def as_nobody(args):
    """The child is the user; the parent answers its question what the daemon holds."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        ours.close()
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        os.environ.update(HOME="/nonexistent", USER="nobody", LOGNAME="nobody")
        status = whole(args, lambda pid: ask(theirs, pid))
        sys.stdout.flush()
        os._exit(status)
    theirs.close()
    while question := ours.recv(64):
        ours.send(json.dumps(census(int(question))).encode())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--leak", action="store_true")
    parser.add_argument("--user", action="store_true")
    args = parser.parse_args()
    return as_nobody(args) if args.user else whole(args, census)


if __name__ == "__main__":
    sys.exit(main())
