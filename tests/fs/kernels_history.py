#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
"""runs/N are the last runs of each user: whole, his alone, the oldest dropped, and gone for those that hold them open."""
import concurrent.futures, errno, os, stat, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

KEPT, BYTES = 4, 1000000
FILES = ["counters", "distribution", "error", "output", "params", "result", "result.json", "samples.csv", "state"]
SAME = ["counters", "distribution", "output", "result", "result.json", "samples.csv"]


def path(*names):
    return os.path.join(sfs.MNT, "kernels", *names)


def numbers(name):
    return sorted(int(n) for n in os.listdir(path(name, "runs")))


def last(name):
    return int(sfs.flat(f"kernels/{name}/result")["run"])


def data(*names):
    with open(path(*names), "rb") as f:
        return f.read()


sfs.codelet("unsigned long f(unsigned long n) { return n + 1; }\nunsigned long crash(unsigned long n) { return *(volatile int *)n; }\n"
            "void fill(char *p, unsigned long n) { p[0] = 1; p[n - 1] = 2; }", "past")
for name in ("f", "crash"):
    sfs.number_kernel(name)
sfs.ok("runs and jobs are there from the start", os.listdir(path("f", "runs")) == os.listdir(path("f", "jobs")) == [])
sfs.ok("shipped kernels have them too", os.listdir(path("sdot", "runs")) == [])
sfs.run("f", "n=1 reps=20")
first = last("f")
sfs.ok("a run is there when its writer hears of it", numbers("f") == [first], numbers("f"))
seen = os.stat(path("f", "runs", str(first)))
sfs.ok("it is its user's", (seen.st_uid, stat.S_IMODE(seen.st_mode)) == (os.getuid(), 0o500), seen)
sfs.ok("its files", sorted(os.listdir(path("f", "runs", str(first)))) == FILES, os.listdir(path("f", "runs", str(first))))
sfs.ok("are those of the last run", all(data("f", "runs", str(first), n) == data("f", n) for n in SAME))
sfs.ok("each is as long as it says", all(os.stat(path("f", "runs", str(first), n)).st_size == len(data("f", "runs", str(first), n))
                                           for n in FILES))
before = {n: data("f", "runs", str(first), n) for n in SAME}
sfs.run("f", "n=2 reps=20")
sfs.ok("and stay as they were when others come", all(data("f", "runs", str(first), n) == before[n] for n in SAME))
sfs.ok("numbers grow", last("f") > first and numbers("f") == [first, last("f")], numbers("f"))
sfs.ok("its parameters are shown", "n=2" in sfs.read(f"kernels/f/runs/{last('f')}/params").split(),
       sfs.read(f"kernels/f/runs/{last('f')}/params"))
sfs.run("crash", "n=0 reps=1")
sfs.ok("a run that failed is kept too", sfs.flat(f"kernels/crash/runs/{last('crash')}/result")["status"] == "signal")
sfs.ok("nobody writes there", sfs.error_of(os.open, path("f", "runs", str(first), "result"), os.O_WRONLY) in (errno.EACCES, errno.EPERM))
sfs.ok("nor makes anything", sfs.error_of(os.mkdir, path("f", "runs", "x")) in (errno.EACCES, errno.EPERM))

fd = os.open(path("f", "runs", str(first), "result"), os.O_RDONLY)
for n in range(KEPT + 2):
    sfs.run("f", f"n={n} reps=1")
sfs.ok("so many are kept", len(numbers("f")) == KEPT and numbers("f")[-1] == last("f"), numbers("f"))
sfs.ok("the oldest is dropped", not os.path.exists(path("f", "runs", str(first))))
sfs.ok("who has it open is told", sfs.error_of(os.pread, fd, 10, 0) == errno.ENODEV, sfs.error_of(os.pread, fd, 10, 0))
os.close(fd)

MANY = 24
for i in range(1, MANY + 1):
    sfs.number_kernel(f"f{i}")
    sfs.run(f"f{i}", "symbol=f reps=20 check=off")
left = [i for i in range(1, MANY + 1) if numbers(f"f{i}")]
sfs.ok("so many bytes of them are kept in all kernels, the newest", left == list(range(MANY + 1 - len(left), MANY + 1)) and
       1 <= len(left) < MANY, left)
sfs.ok("those of other kernels went first", not numbers("f") and not numbers("crash"))

spec = ("[kernel]\nname = {0}\nfunction = fill\nreturns = void\n[param.n]\ntype = u64\ndefault = 1000000\n"
        "[buffer.p]\ntype = u8\ncount = n\naccess = w\ninit = zero\n[call]\nargs = ptr p, u64 n\n")
for name in ("o1", "o2"):
    sfs.kernel(name, spec.format(name))
sizes = []
for n in range(8):
    sfs.run("o1" if n % 4 else "o2", "reps=1 warmup=0")
    sizes.append(os.stat(path("o1" if n % 4 else "o2", "output")).st_size)
outputs = sum(os.stat(path(k, "runs", str(n), "output")).st_size for k in ("o1", "o2") for n in numbers(k))
sfs.ok("old outputs make room for new ones", sizes == [BYTES] * 8 and outputs <= 3 * BYTES, f"{sizes} {outputs}")


def work(k):
    for _ in range(15):
        if sfs.run(f"f{k}", "symbol=f reps=1")[0]:
            return "run"
        for n in os.listdir(path(f"f{k}", "runs")):
            try:
                if b"run " + n.encode() not in data(f"f{k}", "runs", n, "result"):
                    return n
            except OSError as e:
                if e.errno not in (errno.ENOENT, errno.ENODEV, errno.ESTALE):
                    return str(e)
    return ""


with concurrent.futures.ThreadPoolExecutor(4) as pool:
    answers = list(pool.map(work, [1, 1, 2, 2]))
sfs.ok("whoever looks while runs come and go sees each whole or not at all", not any(answers), answers)

if os.getuid() == 0:
    one = numbers("f2")[-1]
    sfs.ok("others may list runs", sfs.error_as(20001, os.listdir, path("f2", "runs")) == 0)
    sfs.ok("but not what is not theirs", sfs.error_as(20001, os.listdir, path("f2", "runs", str(one))) == errno.EACCES)
    sfs.ok("nor read it", sfs.error_as(20001, data, "f2", "runs", str(one), "result") == errno.EACCES)
    os.rmdir(path("f2", "runs", str(one)))
    sfs.ok("root may drop one", one not in numbers("f2"))
sfs.ok("rmdir of the runs is refused while there are any", sfs.error_of(os.rmdir, path("f1", "runs")) == errno.ENOTEMPTY)
fd = os.open(path("f1", "runs", str(numbers("f1")[-1]), "result"), os.O_RDONLY)
os.rmdir(path("f1"))
sfs.ok("a kernel goes with its runs", sfs.error_of(os.pread, fd, 10, 0) == errno.ENODEV)
os.close(fd)
sfs.number_kernel("empty")
sfs.ok("rm -rf removes a kernel", os.system(f"rm -rf {path('empty')}") == 0 and not os.path.exists(path("empty")))
sfs.done()
