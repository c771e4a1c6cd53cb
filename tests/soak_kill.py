#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Processes are killed at random under many clients: nothing that was acknowledged is lost, no call takes long, nothing is left.

soak_kill.py [--build DIR] [--seconds N] [--clients N] [--seed N]: kills daemon, launcher, jails, of rockers guards, jobs, blanks and
openers, and now and then the supervisor, which is then started again. Each client loads, overwrites, reads, runs and removes what is
its own, and knows what may be there: what was acknowledged last, or, where a call failed, what was before as well.
"""
import argparse
import collections
import errno
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import onetest
import soak
import soak_rockers

NAMES = 6         # of each client
CALL_S = 5        # no call takes longer
REPLACED_S = 2.5  # between two kills that replace: more than five in ten seconds end the mount
JAIL_S = 0.2
OWN_FAULTS = ("EIO", "ENOEXEC", "ENOMEM")  # what a process that was killed is told as; said by which act
PARTS = ("jail", "guard", "guard", "job", "blank")
RESTART_S = 20    # between two ends of the supervisor, and at least one
WAIT_S = 60


def began(pid):
    """When, in ticks: a number is given again in a long soak. None: it is gone, or as good as that."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        # The first thread may have ended while another one still hangs.
        return None if fields[0] == "Z" and int(fields[17]) <= 1 else fields[19]
    except OSError:
        return None


def end_of(pid):
    """Its state and name; both empty when it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            name, rest = f.read().split("(", 1)[1].rsplit(")", 1)
        return rest.split()[0], name
    except OSError:
        return "", ""


def zombies_of(parents):
    """(pid, parent) of their children that have ended and were not reaped."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as f:
                state, parent = f.read().rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue
        if state == "Z" and int(parent) in parents:
            yield int(name), int(parent)


def name_and_parent(pid):
    """Empty and 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            name, rest = f.read().split("(", 1)[1].rsplit(")", 1)
        return name, int(rest.split()[1])
    except OSError:
        return "", 0


def role_of(pid, kin):
    """What it is below a supervisor; kin: name_and_parent() of all of them. A launcher's children have its name until they execute."""
    name, parent = kin[pid]
    above = kin.get(parent, ("", 0))[0]
    if name == "launcher" and above == "launcher":
        return "blank"
    if re.fullmatch("rk[0-9a-z]{13}", name):
        return "guard"
    while parent in kin:
        if re.fullmatch("rk[0-9a-z]{13}", kin[parent][0]):
            return "job"
        parent = kin[parent][1]
    return name if name in ("daemon", "launcher", "fusermount3") else "jail"


class Client(soak_rockers.Acts, threading.Thread):
    def __init__(self, number, world):
        super().__init__(daemon=True)
        self.number, self.world, self.programs = number, world, world.programs
        self.random = random.Random(world.args.seed * 1000 + number)
        self.may = {f"k{number}_{i}.o": {None} for i in range(NAMES)}  # name: contents that may be there; None: no file
        self.kernel, self.kept = f"k{number}", None
        self.wrong, self.longest_s, self.longest, self.done = [], 0, "", collections.Counter()
        self.refused, self.faults = collections.Counter(), collections.Counter()

    def path(self, *parts):
        return os.path.join(self.world.mount.point, *parts)

    def generation(self):
        return self.world.generation, self.world.down

    def timed(self, call, *args):
        """Its result; an OSError goes on. How long it took is noted."""
        begin = time.monotonic()
        try:
            return call(*args)
        finally:
            took = time.monotonic() - begin
            if took > self.longest_s:
                self.longest_s, self.longest = took, f"{call.__name__}{str(args)[:120]}"

    def open_and(self, path, flags, act):
        fd = self.timed(os.open, path, flags, 0o644)
        try:
            result = act(fd)
        except OSError:
            self.close_anyhow(fd)
            raise
        self.timed(os.close, fd)
        return result

    @staticmethod
    def close_anyhow(fd):
        try:
            os.close(fd)
        except OSError:
            pass

    def load(self):
        name, data = self.random.choice(list(self.may)), self.random.choice(self.world.objects)
        self.may[name] = self.may[name] | {data}
        cut = self.random.randrange(len(data))

        def write(fd):
            for piece in (data[:cut], data[cut:]):
                if self.timed(os.write, fd, piece) != len(piece):
                    raise OSError(errno.EIO, "a short write")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        self.open_and(self.path("store", name), flags, write)
        self.may[name] = {data}

    def remove(self):
        name = self.random.choice(list(self.may))
        before, generation = self.may[name], self.world.generation
        self.may[name] = before | {None}
        try:
            self.timed(os.unlink, self.path("store", name))
        except FileNotFoundError:
            if None not in before and self.world.generation == generation and not self.world.down:
                self.wrong.append(f"{name}: it cannot be removed, for there is none")
            return
        self.may[name] = {None}

    def content(self, name):
        try:
            return self.open_and(self.path("store", name), os.O_RDONLY, lambda fd: self.timed(os.pread, fd, 1 << 20, 0))
        except FileNotFoundError:
            return None

    def verify(self):
        name = self.random.choice(list(self.may))
        generation = self.world.generation
        seen = self.content(name)
        if seen not in self.may[name] and self.world.generation == generation and not self.world.down:
            self.wrong.append(f"{name}: {'no file' if seen is None else str(len(seen)) + ' bytes'}, not what was acknowledged")
        elif seen in self.may[name]:
            self.may[name] = {seen}

    def run_kernel(self):
        name = next((n for n, may in self.may.items() if len(may) == 1 and None not in may), None)
        if not name:
            return
        k, n = self.world.objects.index(next(iter(self.may[name]))), self.random.randrange(1 << 16)
        where = f" rocker={self.rocker()}" if self.random.random() < 0.3 else ""
        if not os.path.isdir(self.path("kernels", self.kernel)):
            self.timed(os.mkdir, self.path("kernels", self.kernel))
        spec = soak.SPEC.format(name=self.kernel, function="answer").encode()
        self.open_and(self.path("kernels", self.kernel, "spec"), os.O_WRONLY | os.O_TRUNC, lambda fd: self.timed(os.write, fd, spec))
        self.open_and(self.path("kernels", self.kernel, "run"), os.O_RDWR,
                      lambda fd: self.timed(os.write, fd, f"reps=1 codelet={name} n={n}{where}\n".encode()))
        text = self.open_and(self.path("kernels", self.kernel, "result"), os.O_RDONLY, lambda fd: self.timed(os.pread, fd, 65536, 0))
        got = dict(line.split(" ", 1) for line in text.decode().splitlines() if " " in line)
        # A daemon that came between has no last run.
        if got.get("status", "").strip() == "ok" and got["return"].split(" ")[0] != str(soak.expected(k, n)):
            self.wrong.append(f"{self.kernel}: {got['return']} instead of {soak.expected(k, n)}")

    def keep_reading(self):
        """One descriptor that is never closed while the mount lives."""
        generation = self.world.generation
        if not self.kept or self.kept[0] != generation:
            if self.kept:
                self.close_anyhow(self.kept[1])
            self.kept = generation, self.timed(os.open, self.path("version"), os.O_RDONLY)
        if not self.timed(os.pread, self.kept[1], 7, 0).startswith(b"release"):
            self.wrong.append("a descriptor that is kept reads something else")

    def run(self):
        acts = [self.load] * 4 + [self.verify] * 3 + [self.run_kernel] * 3 + [self.keep_reading, self.remove]
        for act, often in self.ROCKER_ACTS:
            acts += [getattr(self, act.__name__)] * often
        while not self.world.stop:
            act = self.random.choice(acts)
            try:
                act()
                self.done[act.__name__] += 1
            except OSError as e:
                name = "EOPNOTSUPP" if e.errno == errno.EOPNOTSUPP else errno.errorcode.get(e.errno, str(e.errno))
                self.refused[name] += 1
                if name in OWN_FAULTS or name not in soak_rockers.TABLE | soak_rockers.UNMOUNTED:
                    self.faults[f"{name} {act.__name__}"] += 1
                if self.world.down:
                    time.sleep(0.02)
        if self.kept:
            self.close_anyhow(self.kept[1])


class World:
    """The mount, and who kills what of it."""

    def __init__(self, args, role, objects, programs):
        self.args, self.objects, self.programs = args, objects, programs
        self.random = random.Random(args.seed)
        self.mount = onetest.Mount(os.path.join(HERE, "soak_kill.py"), args.build, role)
        self.stop, self.down, self.generation = False, False, 0
        self.killed, self.pids, self.bad = collections.Counter(), {}, []  # pids: when each began
        self.launchers = set()  # groups are named for these
        self.descriptors = 0  # of the supervisor when it had just begun

    def start(self):
        good = self.mount.start()
        self.pids.update((pid, began(pid)) for pid in self.mount.pids)
        self.children()
        self.descriptors = self.count_descriptors()
        return good

    def count_descriptors(self):
        """Of the supervisor, which lives on; zero where only root may look."""
        try:
            return len(os.listdir(f"/proc/{self.mount.process.pid}/fd"))
        except (FileNotFoundError, PermissionError):
            return 0

    def rests(self):
        """The problems of one that nobody kills any more, once there is none, or after a while."""
        self.thaw()
        end = time.monotonic() + WAIT_S
        while (problems := self.look()) and time.monotonic() < end:
            time.sleep(0.05)
        return problems

    def thaw(self):
        """A guard that was left frozen reaps nobody."""
        rockers = os.path.join(self.mount.point, "rockers")
        for name in os.listdir(rockers):
            try:
                with open(os.path.join(rockers, name, "freeze"), "w") as f:
                    f.write("0\n")
            except OSError:
                pass  # it is dead, or gone

    def look(self):
        zombies = [f"zombie {pid} of {parent}" for pid, parent in zombies_of([self.mount.process.pid] + [
            p for pids in self.children().values() for p in pids])]
        now = self.count_descriptors()
        return zombies + ([f"{now} descriptors, {self.descriptors} before"] if now > self.descriptors else [])

    def children(self):
        """{what: pids} of what lives below the supervisor, the youngest last."""
        found = collections.defaultdict(list)
        kin = {pid: name_and_parent(pid) for pid in onetest.descendants(self.mount.process.pid)}
        for pid in kin:
            self.pids[pid] = began(pid)
            role = role_of(pid, kin)
            if role == "launcher":
                self.launchers.add(pid)
            found[role].append(pid)
        return found

    def kill(self, name):
        pids = self.children()[name]
        if not pids:
            return
        try:
            # An opener is the youngest child of a launcher, and not for long.
            os.kill(pids[-1] if name == "blank" and self.random.random() < 0.5 else self.random.choice(pids), signal.SIGKILL)
            self.killed[name] += 1
        except ProcessLookupError:
            pass

    def restart(self):
        self.down = True
        self.mount.process.kill()
        self.mount.process.wait()
        self.killed["supervisor"] += 1
        if not self.start():
            self.bad.append("it does not start again")
        self.generation += 1
        self.down = False

    def work(self):
        now = time.monotonic()
        end, replace, jail, restart = now + self.args.seconds, now + 1, now, now + min(RESTART_S, self.args.seconds / 2)
        while now < end and not self.bad:
            if now >= restart:
                self.restart()
                restart, replace = time.monotonic() + RESTART_S, time.monotonic() + 1
            elif now >= replace:
                self.kill(self.random.choice(("daemon", "daemon", "launcher")))
                replace = time.monotonic() + REPLACED_S * self.random.uniform(1, 1.3)
            elif now >= jail:
                self.kill(self.random.choice(PARTS))
                jail = time.monotonic() + JAIL_S
            if self.mount.process.poll() is not None:
                self.bad.append(f"the mount ended with status {self.mount.process.returncode}: {self.mount.tail()}")
            time.sleep(0.02)
            now = time.monotonic()
        self.stop = True


def final(clients, world):
    """What may be there and what is, now that nobody is killed any more."""
    wrong = []
    for c in clients:
        c.join(WAIT_S)
        if c.is_alive():
            wrong.append(f"client {c.number} hangs")
            continue
        for name, may in c.may.items():
            seen = c.content(name)
            if seen not in may:
                wrong.append(f"{name}: {'no file' if seen is None else str(len(seen)) + ' bytes'} at the end")
        wrong += c.wrong
    done, refused = sum((c.done for c in clients), collections.Counter()), sum((c.refused for c in clients), collections.Counter())
    print("killed " + ", ".join(f"{n} {count}" for n, count in sorted(world.killed.items())))
    print("done " + ", ".join(f"{n} {count}" for n, count in sorted(done.items())))
    faults = sum((c.faults for c in clients), collections.Counter())
    print("our own faults " + ", ".join(f"{n} {count}" for n, count in faults.most_common()))
    print("refused " + ", ".join(f"{n} {count}" for n, count in refused.most_common()))
    return wrong, done, [fault for fault in faults if fault.split()[0] not in soak_rockers.TABLE]


def unfinished(folder):
    """Files that somebody was writing when he died, and that no successor has removed."""
    return [os.path.join(where, name) for where, _, names in os.walk(folder) for name in names
            if name.startswith(".tmp.") or name.endswith(".new")]


def every_group():
    return [folder for folder, _, _ in os.walk("/sys/fs/cgroup") if "/sandboxfs-" in folder]


def groups_of(world):
    """Those of its launchers, unless somebody else has the number by now."""
    return onetest.cgroups(pid for pid in world.launchers if began(pid) in (None, world.pids[pid]))


def left(world, before):
    """Processes, mounts, groups and files that nobody has ended or removed; before: mounts and groups of others."""
    end = time.monotonic() + WAIT_S
    while (alive := [p for p, ticks in world.pids.items() if ticks and began(p) == ticks]) and time.monotonic() < end:
        time.sleep(0.05)
    there = [place for place in onetest.mounts() + groups_of(world) if place not in before]
    folder = os.path.dirname(world.programs[0])
    while (devices := soak_rockers.loops(folder)) and time.monotonic() < end:
        time.sleep(0.05)
    return [f"process {p} {onetest.command_of(p)}" for p in alive] + there + unfinished(world.mount.state) + devices


def say(name, problems):
    print(f"not ok {name}: {len(problems)}, first: {problems[0]}" if problems else f"ok {name}", flush=True)
    return not problems


def whole(args, role, objects, programs):
    before, world = onetest.mounts() + every_group(), World(args, role, objects, programs)
    clients = [Client(i, world) for i in range(args.clients)]
    if not world.start():
        return 1
    for c in clients:
        c.start()
    world.work()
    wrong, done, strange = final(clients, world)
    slowest = max(clients, key=lambda c: c.longest_s)
    print(f"longest call {slowest.longest_s:.2f} s, {slowest.longest}")
    resting = world.rests()
    world.mount.stop(role)
    good = [say("the mount lives on", world.bad), say("nothing that was acknowledged is lost", wrong),
            say("clients get on", [n for n in ["load", "verify", "run_kernel", "keep_reading", "remove"] +
                                   [act.__name__ for act, _ in soak_rockers.Acts.ROCKER_ACTS] if not done[n] and
                                   (role == "root" or n != "freeze_rocker")]),
            say("what is refused is refused by the table", strange),
            say(f"no call takes {CALL_S} s", [slowest.longest] if slowest.longest_s > CALL_S else []),
            say("nobody rests as a zombie, nor with more descriptors", resting),
            say("nothing is left", left(world, before))]
    subprocess.run(["rm", "-rf", world.mount.folder], check=False)
    return 0 if all(good) else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", type=os.path.abspath)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 16))
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="sfs-soak-kill-") as folder:
        return whole(args, "root" if os.getuid() == 0 else "nobody", soak.make_objects(folder), soak_rockers.make_folder(folder))


if __name__ == "__main__":
    sys.exit(main())
