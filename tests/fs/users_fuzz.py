#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
# no-mount
# deadline: 240
"""Random system calls with random arguments on random paths, by two users at once, while the daemon is killed now and then.

FUZZ_SEED and FUZZ_SECONDS in the environment make it another one, or a longer one. Looked at is that no call waits for long,
that nobody is shown what is another's alone, that what is left agrees with itself, also to the daemon after the next, and that
nothing of what is limited counts when all of it is gone."""
import errno, fcntl, hashlib, mmap, os, random, select, signal, stat, struct, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from crash import MNT, Mounted, ends, goes_on, log, path, until
import sfs

ROOT = os.getuid() == 0
A, B = (20001, 20002) if ROOT else (os.getuid(), os.getuid())
SEED, SECONDS = int(os.environ.get("FUZZ_SEED", "1")), float(os.environ.get("FUZZ_SECONDS", "4"))
WORKERS, HANGS_S, SLOT = 4, 30, 256
SECRET = b"of-a-alone"
LIMITS = "[kernels]\nmax = 20\njobs_max = 12\nrun_wall_ms_max = 300\n[limits]\nstaging_max_files = 20\nopens_max = 200\nrequest_ms = 20000\n"
SPEC = "[kernel]\nname = {0}\nfunction = {1}\nreturns = u64\n[param.n]\ntype = u64\ndefault = 1\n[call]\nargs = u64 n\n"
CODE = ('unsigned long quick(unsigned long n) {{ return n; }} unsigned long loop(unsigned long n) {{ for (;;) __asm__ volatile(""); }}\n'
        'const char mark[] = "{0}";\n')
KERNEL_NAMES, FILE_NAMES = ["f1", "f2", "g1", "g2"], ["a.o", "b.o", "c.o", ".s1", ".s2", "bad name", "x" * 70, "d"]
ROWS = ["spec", "params", "codelet", "events", "run", "start", "clone", "state", "activity", "counters", "result", "distribution", "samples.csv",
        "result.json", "output", "error", "runs", "jobs", "nothing", ""]
OPEN_FLAGS = [os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDWR | os.O_NONBLOCK, os.O_WRONLY | os.O_TRUNC, os.O_WRONLY | os.O_CREAT, os.O_RDWR | os.O_APPEND,
              os.O_WRONLY | os.O_CREAT | os.O_EXCL, os.O_RDONLY | os.O_DIRECTORY, os.O_PATH, os.O_RDWR | os.O_DIRECT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC]


class Fuzzer:
    """One process of one user; what it is doing stands in a page that is looked at from outside."""

    def __init__(self, number, uid, page, codes):
        self.random, self.uid, self.page, self.codes, self.number = random.Random(SEED * 1000 + number), uid, page, codes, number
        self.fds, self.seen = [], 0

    def path(self):
        pick = self.random.choice
        return path(*pick([[pick(["README", "status", "error", "errors", "log", "config", "stats", "version", "store", "kernels", "codelets", "nothing"])],
                           ["kernels", pick(KERNEL_NAMES)], ["kernels", pick(KERNEL_NAMES), pick(ROWS)], ["kernels", pick(KERNEL_NAMES + ["cblas_sdot"]), pick(ROWS)],
                           ["kernels", pick(KERNEL_NAMES), pick(["runs", "jobs"]), str(pick(range(60))), pick(ROWS + ["kill"])],
                           ["store", pick(FILE_NAMES)], ["store", pick(FILE_NAMES)], ["codelets", pick(FILE_NAMES), pick(["info", "state", "symbols", "spec", ""])],
                           ["kernels", "secret", pick(ROWS)], ["kernels", "secret", "runs", "1", pick(ROWS)], ["store", "secret.o"]]))

    def data(self):
        pick = self.random.choice
        return pick([b"", b"\n", b"n=1 reps=1\n", b"n=2 reps=1 timeout_ms=100\nn=3 reps=1\n", b"reps=1 timeout_ms=%d tag=x\n" % pick(range(1, 200)), b"1\n", b"auto\n", b"time_ns\n",
                     b"x" * pick([1, 100, 5000, 70000]), self.random.randbytes(pick([1, 10, 4000])), pick(self.codes), pick(self.codes)[:pick(range(1, 900))],
                     SPEC.format(pick(KERNEL_NAMES), pick(["quick", "loop"])).encode(), b"codelet=a.o symbol=loop reps=1 timeout_ms=50\n", b"n=1", b"n=1\nn=", b"codelet=secret.o reps=1\n"])

    def fd(self):
        return self.random.choice(self.fds)

    def look(self, data):
        """Nobody but A is to see it."""
        if self.uid != A and SECRET in data:
            self.seen += 1

    # Each is one call; what it is refused with does not matter.

    def open(self):
        if len(self.fds) < 20:
            self.fds.append(os.open(self.path(), self.random.choice(OPEN_FLAGS), self.random.choice([0o644, 0o600, 0, 0o7777])))

    def close(self):
        os.close(self.fds.pop(self.random.randrange(len(self.fds))))

    def write(self):
        os.write(self.fd(), self.data())

    def writev(self):
        os.pwritev(self.fd(), [self.data() for _ in range(3)], self.random.choice([0, 1, 5000, 1 << 40]))

    def read(self):
        self.look(os.pread(self.fd(), self.random.choice([0, 1, 100, 70000]), self.random.choice([0, 0, 0, 1, 4000, 1 << 62])))

    def cat(self):
        with open(self.path(), "rb") as f:
            self.look(f.read())

    def echo(self):
        fd = os.open(self.path(), os.O_RDWR)
        try:
            os.write(fd, self.data())
        finally:
            self.look(os.pread(fd, 1000, 0))
            os.close(fd)

    def load(self):
        fd = os.open(path("store", self.random.choice(FILE_NAMES)), os.O_WRONLY | os.O_CREAT | self.random.choice([0, os.O_TRUNC]), 0o644)
        try:
            os.write(fd, self.random.choice(self.codes))
        finally:
            os.close(fd)

    def make(self):
        os.mkdir(path("kernels", name := self.random.choice(KERNEL_NAMES)), self.random.choice([0o755, 0o700, 0]))
        with open(path("kernels", name, "spec"), "w") as f:
            f.write(SPEC.format(name, self.random.choice(["quick", "loop"])))

    def names(self):
        self.random.choice([os.mkdir, os.rmdir, os.unlink, os.listdir, os.stat, os.readlink])(self.path())

    def rename(self):
        os.rename(path("store", self.random.choice(FILE_NAMES)), path("store", self.random.choice(FILE_NAMES)))

    def two_names(self):
        self.random.choice([os.rename, os.link, os.symlink])(self.path(), self.path())

    def node(self):
        os.mknod(self.path(), self.random.choice([stat.S_IFREG, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK]) | 0o644)

    def attributes(self):
        pick, where = self.random.choice, self.path()
        if os.path.dirname(where) == MNT:
            return  # an ordinary user could close all of it to himself
        pick([lambda p: os.chmod(p, pick([0, 0o755, 0o777, 0o4755]) & (0o700 if "secret" in p else 0o7777)), lambda p: os.chown(p, self.uid, self.uid), lambda p: os.truncate(p, pick([0, 1, 5000, 1 << 50])),
              lambda p: os.utime(p, (pick([0, 1, 1 << 33]), 1)), lambda p: os.setxattr(p, "user.x", b"1"), os.statvfs])(where)

    def of_fd(self):
        pick = self.random.choice
        pick([os.fsync, os.fdatasync, os.fstat, lambda f: os.ftruncate(f, pick([0, 1, 900, 1 << 40])), lambda f: os.fchmod(f, pick([0o600, 0o700])),
              lambda f: os.posix_fallocate(f, 0, 100), lambda f: fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB), lambda f: os.lseek(f, pick([0, 7, 1 << 62]), pick([0, 1, 2, 3, 4])),
              lambda f: fcntl.ioctl(f, pick([0, 0x541b, 0x6601]), bytes(16)), lambda f: mmap.mmap(f, 10, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE),
              lambda f: select.select([f], [f], [f], 0), lambda f: os.set_blocking(f, pick([True, False])), lambda f: os.copy_file_range(f, self.fd(), 1000), self.pour])(self.fd())

    def pour(self, fd):
        r, w = os.pipe()
        try:
            os.set_blocking(w, False)
            os.set_blocking(r, False)
            os.write(w, self.data()[:4096])
            os.splice(r, fd, 4096) if self.random.random() < 0.5 else os.sendfile(w, fd, 0, 4096)
        finally:
            os.close(r)
            os.close(w)

    def killed(self):
        """A child does some of it, and is killed within a moment."""
        pid = os.fork()
        if pid == 0:
            try:
                child = Fuzzer(self.random.randrange(1 << 30), self.uid, self.page, self.codes)
                while True:
                    attempt(self.random.choice([child.echo, child.load, child.open, child.write, child.make]))
            finally:
                os._exit(0)
        time.sleep(self.random.random() * 0.03)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    def run(self, end):
        calls = [self.open] * 4 + [self.write, self.read, self.echo, self.load] * 3 + [
            self.close, self.writev, self.cat, self.make, self.names, self.rename, self.two_names, self.node, self.attributes, self.of_fd, self.killed]
        count = 0
        while time.time() < end:
            call = self.random.choice(calls)
            self.note(call.__name__)
            attempt(call)
            count += 1
        self.note("")
        return count

    def note(self, what):
        """When it began, and what; of the parent's own clock."""
        struct.pack_into("d32s", self.page, self.number * SLOT, time.time(), what.encode())


def attempt(call):
    try:
        call()
    except (OSError, ValueError, IndexError, OverflowError):
        pass


def become(uid):
    if ROOT:
        sfs.become(uid)


def as_uid(uid, work):
    """What it returns, as text."""
    def as_that():
        become(uid)
        return work()
    return sfs.told(as_that)


def begin(number, uid, page, codes, end):
    """(pid, where it tells what it did)"""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(r)
            become(uid)
            fuzzer = Fuzzer(number, uid, page, codes)
            count = fuzzer.run(end)
            os.write(w, f"{count} {fuzzer.seen}".encode())
        finally:
            os._exit(0)
    os.close(w)
    return pid, r


def secret(data):
    """A's own, that B must not read; he himself sees it."""
    with open(path("store", "secret.o"), "wb") as f:
        f.write(data)
    os.chmod(path("store", "secret.o"), 0o600)
    os.mkdir(path("kernels", "secret"), 0o755)
    with open(path("kernels", "secret", "spec"), "w") as f:
        f.write(SPEC.format("secret", "quick"))
    error, _ = sfs.run("secret", f"codelet=secret.o reps=1 tag={SECRET.decode()}")
    fuzzer = Fuzzer(0, B + 1, None, [])
    for name in (("store", "secret.o"), ("kernels", "secret", "result"), ("kernels", "secret", "runs", "1", "params"), ("log",)):
        with open(path(*name), "rb") as f:
            fuzzer.look(f.read())
    return error, fuzzer.seen


def code(name, mark):
    with open(sfs.compile_c(CODE.format(mark), name), "rb") as f:
        return f.read()


def hangs(page, pids):
    """What has been going on for too long."""
    found = []
    for number in range(WORKERS):
        since, what = struct.unpack_from("d32s", page, number * SLOT)
        if what.strip(b"\0") and since and time.time() - since > HANGS_S:
            found.append(f"{what.strip(bytes(1)).decode()} of {pids[number]}")
    return found


def fuzz(mounted, codes, adopts):
    page = mmap.mmap(-1, WORKERS * SLOT)
    end = time.time() + SECONDS
    workers = [begin(n, (A, B)[n % 2], page, codes, end) for n in range(WORKERS)]
    pids, killed = [pid for pid, _ in workers], 0
    left = list(pids)
    while left and not hangs(page, pids):
        left = [pid for pid in left if os.waitpid(pid, os.WNOHANG)[0] == 0]
        if adopts and time.time() < end - 1 and time.time() > end - SECONDS + (killed + 1) * max(3, SECONDS / 10) - 1:
            mounted.kill("daemon")
            killed += 1
        time.sleep(0.02)
    stuck = hangs(page, pids)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    sfs.ok("no call waits for long", not stuck, stuck)
    told = [os.read(r, 100).decode().split() for _, r in workers]
    for _, r in workers:
        os.close(r)
    print("# calls, and what was seen:", told, "daemons killed:", killed, flush=True)
    sfs.ok("everybody did something", all(len(t) == 2 and int(t[0]) > 20 for t in told), told)
    sfs.ok("nobody saw what is another's", sum(int(t[1]) for t in told if len(t) == 2) == 0, told)
    return killed


def agrees():
    """The sums of what is loaded, which the store and the codelets have to agree on."""
    sums = {}
    for name in os.listdir(path("store")):
        if name != "error" and not name.startswith("."):
            if not ROOT:
                os.chmod(path("store", name), 0o600)  # it may be any
            with open(path("store", name), "rb") as f:
                sums[name] = hashlib.sha256(f.read()).hexdigest()
    told = {}
    for name in os.listdir(path("codelets")):
        try:
            told[name] = sfs.flat(f"codelets/{name}/info")["sha256"]
        except (FileNotFoundError, PermissionError):
            told[name] = sums.get(name)  # its owner has removed that file, which hides it, or closed it to himself
    return sums, told


def clear():
    for folder in ("kernels", "store"):
        for name in os.listdir(path(folder)):
            if folder == "kernels":
                attempt(lambda name=name: os.rmdir(path("kernels", name)))
            elif name != "error":
                attempt(lambda name=name: os.unlink(path("store", name)))
    return not [n for n in os.listdir(path("kernels")) if n in KERNEL_NAMES + ["secret"]] and os.listdir(path("store")) == ["error"] and not os.listdir(path("codelets"))


def most(call):
    """How often it goes before the limit."""
    for n in range(1000):
        try:
            call(n)
        except OSError as e:
            return n if e.errno == errno.EDQUOT else errno.errorcode[e.errno]
    return "no end"


def counts():
    fds = []
    take = lambda where, flags: fds.append(os.open(path(*where), flags, 0o644))
    got = [most(lambda n: take(("kernels", "cblas_ddot", "clone"), os.O_RDONLY))]
    while fds:
        os.close(fds.pop())
    until(lambda: not os.listdir(path("kernels", "cblas_ddot", "jobs")))
    got.append(most(lambda n: os.mkdir(path("kernels", f"n{n}"))))
    for n in range(20):
        attempt(lambda n=n: os.rmdir(path("kernels", f"n{n}")))
    got.append(most(lambda n: take(("store", f"n{n}.o"), os.O_CREAT | os.O_WRONLY)))
    while fds:
        os.close(fds.pop())
    until(lambda: os.listdir(path("store")) == ["error"])
    got.append(most(lambda n: take(("kernels", "cblas_ddot", "params"), os.O_RDONLY)))
    return got


def judge(mounted):
    adopts = goes_on()
    codes = [code("one", "one"), code("two", "two"), b"\x7fELF" + bytes(100)]
    hidden = code("secret", SECRET.decode())
    sfs.ok("A has something of his own", (got := as_uid(A, lambda: secret(hidden))) == "(0, 3)", got)
    killed = fuzz(mounted, codes, adopts)
    sfs.ok("the daemon has nothing to say", until(lambda: sfs.read("status") == "ok\n"), sfs.read("status"))
    sfs.ok("nor died of itself", int(sfs.flat("stats")["replacements"]) == killed, log()[-600:])
    store, codelets = agrees()
    sfs.ok("what is stored is loaded", store == codelets, (store, codelets))
    if adopts:
        mounted.kill("daemon")
        until(lambda: sfs.read("status") == "ok\n")
        sfs.ok("and by the next daemon as well", agrees() == (store, store), (agrees(), store))
    sfs.ok("all of it can be removed", until(clear), (os.listdir(path("store")), os.listdir(path("kernels")), os.listdir(path("codelets"))))
    want = str([12, 20, 20, 200])
    for uid in sorted({A, B}):
        got = []
        sfs.ok("nothing counts that is gone", until(lambda: got.append(as_uid(uid, counts)) or got[-1] == want), got[-1:])


the_mount = Mounted(LIMITS)
try:
    judge(the_mount)
finally:
    sfs.ok("it ends well", the_mount.end() == 0, log()[-600:])
ends()
