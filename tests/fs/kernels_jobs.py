#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
"""Runs that nobody waits for: start queues one, clone makes one that lives as long as its descriptor; kill, limits, owners."""
import concurrent.futures, errno, os, signal, stat, subprocess, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

MOST = 6


def path(*names):
    return os.path.join(sfs.MNT, "kernels", *names)


def jobs(name):
    return sorted(int(n) for n in os.listdir(path(name, "jobs")))


def start(name, words=""):
    """(0 or errno, what the same open file says afterwards)."""
    fd = os.open(path(name, "start"), os.O_RDWR)
    try:
        error = sfs.error_of(os.write, fd, (words + "\n").encode())
        return error, os.pread(fd, 4096, 0).decode()
    finally:
        os.close(fd)


def write(text, *names):
    return sfs.error_of(sfs.write, os.path.join("kernels", *names), text)


def read(*names):
    return sfs.read(os.path.join("kernels", *names))


def past(name, number):
    return sfs.flat(f"kernels/{name}/runs/{number}/result")


class Clone:
    def __init__(self, name, flags=os.O_RDONLY):
        self.fd = os.open(path(name, "clone"), flags)
        self.number = int(os.read(self.fd, 100))
        self.dir = ("%s/jobs/%d" % (name, self.number))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)

    def state(self):
        return read(self.dir, "state").strip()


sfs.codelet('unsigned long f(unsigned long n) { return n + 1; }\nunsigned long spin(unsigned long n) { for (;;) __asm__ volatile(""); }\n',
            "job")
for kernel in ("f", "spin"):
    sfs.number_kernel(kernel)

# start
error, answer = start("f", "n=7 reps=3 tag=mine")
sfs.ok("start answers with a number", error == 0 and int(answer) > 0, answer)
number = int(answer)
sfs.ok("its job becomes a run", sfs.wait_for(lambda: os.path.exists(path("f", "runs", str(number)))) and sfs.wait_for(lambda: not jobs("f")))
result = past("f", number)
sfs.ok("that number is the run's, and it is what was asked for", (result["run"], result["status"], result["return"], result["tag"]) ==
       (str(number), "ok", "8", "mine"), result)
words = read("f", "runs", str(number), "params").split()
sfs.ok("its parameters can be said again", {"n=7", "reps=3", "tag=mine"} <= set(words) and start("f", " ".join(words))[0] == 0, words)
error, answer = start("f", "n=seven")
sfs.ok("bad words are refused in words", error == errno.EINVAL and "seven" in answer, answer)
sfs.ok("and leave no job", sfs.wait_for(lambda: not jobs("f")), jobs("f"))
error, answer = start("spin", "reps=1 timeout_ms=60000")
number = int(answer)
sfs.ok("a job runs", sfs.wait_for(lambda: read("spin", "jobs", str(number), "state").strip() == "running"))
seen = os.stat(path("spin", "jobs", str(number)))
sfs.ok("it is its user's", (seen.st_uid, stat.S_IMODE(seen.st_mode)) == (os.getuid(), 0o500), seen)
sfs.ok("its files", sorted(os.listdir(path("spin", "jobs", str(number)))) == ["error", "kill", "output", "params", "result", "state"],
       os.listdir(path("spin", "jobs", str(number))))
sfs.ok("no result yet", read("spin", "jobs", str(number), "result") == "")
sfs.ok("a word is refused", write("softly\n", "spin", "jobs", str(number), "kill") == errno.EINVAL and
       "softly" in read("spin", "jobs", str(number), "error"))
fd = os.open(path("spin", "jobs", str(number), "state"), os.O_RDONLY)
sfs.ok("kill ends it", write("1\n", "spin", "jobs", str(number), "kill") == 0 and sfs.wait_for(lambda: not jobs("spin")))
sfs.ok("its result says so", (past("spin", number)["status"], past("spin", number)["errno"]) == ("killed", "ECANCELED"), past("spin", number))
sfs.ok("who has the job open is told", sfs.error_of(os.pread, fd, 10, 0) == errno.ENODEV)
os.close(fd)

started = [start("spin", "reps=1 timeout_ms=60000") for _ in range(MOST)]
sfs.ok("so many may be queued", [e for e, _ in started] == [0] * MOST and len(jobs("spin")) == MOST, started)
error, answer = start("f")
sfs.ok("one more is refused in words", error == errno.EAGAIN and "jobs already" in answer, answer)
sfs.ok("so is an open of clone", sfs.error_of(os.open, path("f", "clone"), os.O_RDONLY) == errno.EDQUOT and
       "jobs already" in read("f", "error"), read("f", "error"))
for _, answer in reversed(started):
    write("1\n", "spin", "jobs", answer.strip(), "kill")
sfs.ok("each can be killed, run or queued", sfs.wait_for(lambda: not jobs("spin")), jobs("spin"))
sfs.ok("and says so", {past("spin", a.strip())["status"] for _, a in started} == {"killed"} and
       {past("spin", a.strip())["errno"] for _, a in started} == {"ECANCELED"})
sfs.ok("then there is room", start("f")[0] == 0 and sfs.wait_for(lambda: not jobs("f")))

# clone
seen = os.stat(path("f", "clone"))
sfs.ok("to look at clone makes nothing", seen.st_size == 21 and jobs("f") == [], seen)
fd = os.open(path("f", "clone"), os.O_PATH)
sfs.ok("nor does a path", jobs("f") == [])
os.close(fd)
with Clone("f") as one, Clone("f", os.O_RDWR) as two:
    sfs.ok("each open is a job", jobs("f") == sorted([one.number, two.number]))
    sfs.ok("the number stays", int(os.pread(one.fd, 100, 0)) == one.number and os.fstat(one.fd).st_size == 21)
    sfs.ok("its files", sorted(os.listdir(path(one.dir))) == ["error", "kill", "output", "params", "result", "start", "state"])
    sfs.ok("it is ready", one.state() == "ready")
    sfs.ok("bad words are refused", write("m=1\n", one.dir, "params") == errno.EINVAL and "m" in read(one.dir, "error"))
    sfs.ok("good ones are kept", write("n=41 reps=2\n", one.dir, "params") == 0 and {"n=41", "reps=2"} <= set(read(one.dir, "params").split()))
    sfs.ok("what it shows it takes", write(read(one.dir, "params"), one.dir, "params") == 0)
    sfs.ok("nothing to kill", write("1\n", one.dir, "kill") == errno.ESRCH)
    sfs.ok("it starts and ends", write("1\n", one.dir, "start") == 0 and sfs.wait_for(lambda: one.state() == "done"))
    result = sfs.flat(f"kernels/{one.dir}/result")
    sfs.ok("with its result", (result["run"], result["return"]) == (str(one.number), "42"), result)
    sfs.ok("which is kept as a run", past("f", one.number) == result)
    sfs.ok("it starts again", write("n=1\n", one.dir, "params") == 0 and write("\n", one.dir, "start") == 0 and
           sfs.wait_for(lambda: one.state() == "done" and sfs.flat(f"kernels/{one.dir}/result").get("return") == "2"))
    sfs.ok("as a run of another number", int(sfs.flat(f"kernels/{one.dir}/result")["run"]) > two.number)
    sfs.ok("the other is still ready", two.state() == "ready" and read(two.dir, "result") == "")
    sfs.ok("clone itself takes no words", sfs.error_of(os.write, two.fd, b"n=1\n") == errno.EPERM)
sfs.ok("closed, they are gone", sfs.wait_for(lambda: jobs("f") == []), jobs("f"))
with Clone("spin") as one:
    write("reps=1 timeout_ms=60000\n", one.dir, "params")
    sfs.ok("a long one runs", write("1\n", one.dir, "start") == 0 and sfs.wait_for(lambda: one.state() == "running"))
    sfs.ok("one run at a time", write("1\n", one.dir, "start") == errno.EBUSY)
    sfs.ok("kill ends it", write("1\n", one.dir, "kill") == 0 and sfs.wait_for(lambda: one.state() == "done"))
    sfs.ok("its result says so", sfs.flat(f"kernels/{one.dir}/result")["errno"] == "ECANCELED")
    write("1\n", one.dir, "start")
    held = os.open(path(one.dir, "state"), os.O_RDONLY)
sfs.ok("close ends a run", sfs.wait_for(lambda: read("spin", "state").strip() == "idle"), read("spin", "state"))
sfs.ok("what was its is gone", sfs.error_of(os.pread, held, 10, 0) == errno.ENODEV and jobs("spin") == [])
os.close(held)
holder = subprocess.Popen([sys.executable, "-c", "import os, sys, time; fds = [os.open(sys.argv[1], os.O_RDWR) for _ in range(4)]; time.sleep(600)",
                           path("f", "clone")])
sfs.ok("another process holds some", sfs.wait_for(lambda: len(jobs("f")) == 4))
holder.send_signal(signal.SIGKILL)
holder.wait()
sfs.ok("killed, it holds none", sfs.wait_for(lambda: jobs("f") == []), jobs("f"))


def work(k):
    """Whatever went wrong."""
    for n in range(8):
        if k % 2:
            with Clone("f") as job:
                write(f"n={k * 100 + n} reps=1 events=tsc\n", job.dir, "params")
                write("1\n", job.dir, "start")
                if n % 4 == 3:
                    continue  # and closed at once
                if not sfs.wait_for(lambda: job.state() == "done"):
                    return f"clone {n} does not end"
                got = sfs.flat(f"kernels/{job.dir}/result").get("return")
        else:
            error, answer = start("f", f"n={k * 100 + n} reps=1 events=tsc")
            if error or not sfs.wait_for(lambda: os.path.exists(path("f", "runs", answer.strip()))):
                return f"start {n}: {error} {answer}"
            got = past("f", answer.strip())["return"]
        if got != str(k * 100 + n + 1):
            return f"{k} {n}: {got}"
    return ""


with concurrent.futures.ThreadPoolExecutor(4) as pool:
    answers = list(pool.map(work, range(4)))
sfs.ok("many at once each get their own", not any(answers), answers)
sfs.ok("nothing is left of them", sfs.wait_for(lambda: jobs("f") == [] and read("f", "state").strip() == "idle"), jobs("f"))


def both(uid, name):
    """As that user: what he starts is his, run and listed."""
    def go():
        with Clone(name) as job:
            if os.stat(path(job.dir)).st_uid != uid or job.state() != "ready":
                raise OSError(errno.EIO, "not his")
    return sfs.error_as(uid, go)


if os.getuid() == 0:
    with Clone("f") as one:
        sfs.ok("others may not look into a job", sfs.error_as(20001, os.listdir, path(one.dir)) == errno.EACCES)
        sfs.ok("nor kill it", sfs.error_as(20001, sfs.write, f"kernels/{one.dir}/kill", "1\n") == errno.EACCES)
    sfs.ok("nor have one of a kernel that is not theirs", sfs.error_as(20001, Clone, "f") == errno.EACCES)
    sfs.ok("but of a shipped kernel", both(20001, "sdot") == 0)
number = start("spin", "reps=1 timeout_ms=60000")[1].strip()
with Clone("spin") as one:
    fd = os.open(path("spin", "jobs", number, "state"), os.O_RDONLY)
    os.rmdir(path("spin"))
    sfs.ok("jobs go with their kernel", sfs.error_of(os.pread, fd, 10, 0) == errno.ENODEV and not os.path.exists(path("spin")))
    sfs.ok("so does the clone's", sfs.error_of(os.pread, one.fd, 100, 0) == errno.ENODEV)
    os.close(fd)
sfs.ok("and nothing of them is counted", sfs.wait_for(lambda: [start("f")[0] for _ in range(MOST)] == [0] * MOST), read("f", "error"))
fd = os.open(path("f", "clone"), os.O_RDONLY) if sfs.wait_for(lambda: jobs("f") == []) else -1
sfs.ok("one more is left open for the end", fd >= 0)
sfs.done()
