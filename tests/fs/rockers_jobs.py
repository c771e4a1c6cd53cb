#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
"""Jobs in a rocker: run and its answers, start and its files, input, output that is followed, limits, and all ways to end."""
import errno, os, select, signal, subprocess, sys, threading, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import rocker_jobs as rockers, sfs
from rocker_jobs import command, exited, job, path, result, run, start

ROOT = sfs.ROLE == "root"
BIN = rockers.folder()
OUTPUT_BYTES = 100000
rockers.make("a", BIN)


def jobs(name="a"):
    return sorted(os.listdir(path(f"{name}/jobs")), key=int)


def activity(key, name="a"):
    return int(sfs.flat(f"rockers/{name}/activity")[key])


# ---- run

sfs.ok("run answers with what was written", run("a", "say 'a b' c") == (0, "a b\nc\n"), run("a", "say x"))
got = run("a", "both 200")
sfs.ok("both outputs as they came", got == (0, "oe" * 100), got)
sfs.ok("output is the same", sfs.read("rockers/a/output") == "oe" * 100)
sfs.ok("and so is run, opened anew", sfs.read("rockers/a/run") == "oe" * 100 and os.stat(path("a/run")).st_size == 200, sfs.read("rockers/a/run"))
with open(path("a/run"), "r+b", buffering=0) as f:
    before, done, after = f.read(), f.write(b"/bin/tool say one\n"), f.read()
    sfs.ok("open before and after a job, it reads both", (before, done, after) == (b"oe" * 100, 18, b"one\n"), (before, done, after))
    run("a", "say other")
    sfs.ok("and its own job's, whoever else runs one", f.seek(0) == 0 and f.read() == b"one\n" and sfs.read("rockers/a/run") == "other\n")
    refused = sfs.error_of(f.write, b"nope\n")
    sfs.ok("and why it was refused", refused == errno.ENOENT and b"'nope'" in f.read() and sfs.read("rockers/a/run") == "other\n", refused)
sfs.ok("the environment is empty", run("a", "env") in ((0, ""), (0, "PATH=/usr/local/bin:/usr/bin:/bin\n")), run("a", "env"))
sfs.ok("the directory is /", run("a", "cwd") == (0, "/\n"), run("a", "cwd"))
sfs.ok("three descriptors", run("a", "fds") == (0, "0\n1\n2\n"), run("a", "fds"))
sfs.ok("a session of its own", run("a", "sid") == (0, "1\n"))
sfs.ok("its input is at its end", run("a", "count") == (0, "0\n"))
ids = run("a", "ids")[1].split()
sfs.ok("its user is not root", len(ids) == 3 and ids[0] != "0", ids)
sfs.ok("an exit status is no error", run("a", "exit 3") == (0, ""))
r = result("a")
sfs.ok("and told in result", (r["status"], r["exit_code"], r["signal"]) == ("exit", "3", "-"), r)
sfs.ok("with all keys", list(r) == ["job", "status", "exit_code", "signal", "syscall", "wall_ns", "user_ns", "system_ns", "memory_peak_bytes",
                                    "voluntary_switches", "forced_switches", "oom_kills", "output_bytes", "dropped_bytes", "message"], r)
sfs.ok("a signal neither", run("a", f"die {int(signal.SIGSEGV)}") == (0, "") and (result("a")["status"], result("a")["signal"]) ==
       ("signal", "SIGSEGV"), result("a"))
numbers = [int(run("a", "exit 0") == (0, "") and result("a")["job"]) for _ in range(3)]
sfs.ok("numbers grow", numbers == sorted(set(numbers)), numbers)
sfs.ok("a run has no directory", jobs() == [], jobs())
sfs.ok("all have been counted", activity("starts") == activity("exits") >= 12 and activity("populated") == 0, sfs.read("rockers/a/activity"))

for line, error, word in (("/bin/nope", "ENOENT", "'/bin/nope' cannot be started"), ("/bin/data", "EACCES", "/bin/data"),
                          ("/bin", "EACCES", "'/bin'"), ("/bin/rubbish", "ENOEXEC", "/bin/rubbish"), ("nope", "ENOENT", "'nope'"),
                          ("/bin/tool/x", "ENOENT", "/bin/tool/x"), ("", "EINVAL", "program's name"), ("'' x", "EINVAL", "program's name"),
                          ("/bin/tool | x", "EINVAL", "no shell"), ("/bin/tool 'x", "EINVAL", "quote has no end")):
    for file in ("a/run", "a/start"):
        got = command(file, line)
        sfs.ok(f"{file[2:]} {line}: {error}", got[0] == error and word in got[1] and word in sfs.read("rockers/a/error"), got)
fd = os.open(path("a/run"), os.O_WRONLY)
sfs.ok("several lines run in order, until one is bad", os.write(fd, b"/bin/tool exit 1\n/bin/tool say 2\n/bin/nope\n/bin/tool say 4\n") ==
       len("/bin/tool exit 1\n/bin/tool say 2\n") and sfs.read("rockers/a/output") == "2\n", sfs.read("rockers/a/output"))
os.close(fd)
sfs.ok("as many words as there is room for", run("a", "say " + "w " * 3000) == (0, "w\n" * 3000))
sfs.ok("no more", run("a", "say " + "w " * 5000)[0] == "EINVAL")

# ---- what the profile refuses

refused = activity("refused_syscalls")
got = run("a", "mount")
sfs.ok("a refused call answers EPERM", got in ((0, f"{errno.EPERM}\n"), (0, f"{errno.ENOSYS}\n")), got)
if activity("refused_syscalls") > refused:
    sfs.ok("and is told by name", (result("a")["syscall"], result("a")["status"]) == ("mount", "ok"), result("a"))
else:
    print("skip refused calls by name: no listener here")

rockers.make("s", BIN, seccomp="strict")
got = run("s", "mount")
r = result("s")
if r["syscall"] == "mount":
    sfs.ok("a profile that kills ends the job, and says why", got == (0, "") and r["status"] == "syscall" and "mount" in r["message"], (got, r))
    sfs.ok("and nothing else", run("s", "say x") == (0, "x\n"), result("s"))
run("a", "grandchild")
sfs.ok("what a child of a job calls is the job's", refused == activity("refused_syscalls") or
       sfs.wait_for(lambda: activity("refused_syscalls") >= refused + 2), sfs.read("rockers/a/activity"))

# ---- start

n = start("a", "ticks 20")
sfs.ok("start answers with a number, and the job is there", jobs() == [n], jobs())
at = path(f"a/jobs/{n}")
sfs.ok("its files", sorted(os.listdir(at)) == sorted("argv pid state exit stdin stdout stderr usage kill error".split()), os.listdir(at))
st = os.stat(at)
sfs.ok("its owner's alone", (st.st_uid, st.st_mode & 0o7777) == (os.getuid(), 0o500), oct(st.st_mode))
sfs.ok("argv", job("a", n, "argv") == "/bin/tool ticks 20\n", job("a", n, "argv"))
pid = int(job("a", n, "pid"))
# exec(2) wakes whoever waits for it before the process has its new name.
sfs.ok("its pid as seen from here", sfs.wait_for(lambda: job("a", n, "state").strip() == "exited" or
                                                 sfs.told(lambda: open(f"/proc/{pid}/comm").read()) == "tool\n"), pid)
tail = subprocess.run(["timeout", str(sfs.patient(20)), "sh", "-c", f"tail -f -n +1 {at}/stdout | sed '/tick 19/q'"], capture_output=True, text=True, check=False)
sfs.ok("tail -f follows it", tail.stdout == "".join(f"tick {i}\n" for i in range(20)), tail)
sfs.ok("it ends", exited("a", n) and job("a", n, "exit").strip() == "0", job("a", n, "exit"))
sfs.ok("what it wrote stays", job("a", n, "stdout") == tail.stdout and job("a", n, "stderr") == "")
usage = sfs.flat(f"rockers/a/jobs/{n}/usage")
sfs.ok("what it used", int(usage["wall_ns"]) > 200000000 and int(usage["memory_peak_bytes"]) > 0 and usage["stdout_bytes"] == "150", usage)

n = start("a", "ticks 40")
fd = os.open(path(f"a/jobs/{n}/stdout"), os.O_RDONLY)
got, polled = b"", 0
while b"tick 3\n" not in got and polled < 200:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    polled += 1
    if poll.poll(10000):
        got += os.read(fd, 4096)
sfs.ok("poll tells of each output", got.startswith(b"tick 0\ntick 1\ntick 2\ntick 3\n"), (got, polled))
os.close(fd)
sfs.write(f"rockers/a/jobs/{n}/kill", "TERM\n")
sfs.ok("kill ends it", exited("a", n) and job("a", n, "exit").strip() == "SIGTERM", job("a", n, "exit"))
sfs.ok("which is told", (result("a")["status"], result("a")["signal"]) == ("killed", "SIGTERM"), result("a"))
sfs.ok("once", sfs.error_of(sfs.write, f"rockers/a/jobs/{n}/kill", "9\n") == errno.ESRCH)
sfs.ok("by a signal that there is", sfs.error_of(sfs.write, f"rockers/a/jobs/{n}/kill", "99\n") == errno.ERANGE and
       sfs.error_of(sfs.write, f"rockers/a/jobs/{n}/kill", "NO\n") == errno.EINVAL)
n = start("a", "ignore 60000")
sfs.ok("which it may ignore", sfs.wait_for(lambda: job("a", n, "stdout") == "ignores\n"))
sfs.write(f"rockers/a/jobs/{n}/kill", "15\n")
sfs.ok("and goes on", job("a", n, "state").strip() == "running")
sfs.write(f"rockers/a/jobs/{n}/kill", "SIGKILL\n")
sfs.ok("but not SIGKILL", exited("a", n) and job("a", n, "exit").strip() == "SIGKILL")

# ---- input


def feed(number, *pieces):
    fd = os.open(path(f"a/jobs/{number}/stdin"), os.O_WRONLY)
    for piece in pieces:
        at_ = 0
        while at_ < len(piece):
            at_ += os.write(fd, piece[at_:])
    os.close(fd)


n = start("a", "cat")
feed(n, b"any\0bytes", b"", b"without a line's end")
sfs.ok("stdin takes any bytes, and ends when it is closed", exited("a", n) and job("a", n, "stdout") == "any\0byteswithout a line's end",
       job("a", n, "stdout"))
sfs.ok("then nobody reads it", sfs.error_of(feed, n, b"x") == errno.ESRCH)
n = start("a", "count")
first = os.open(path(f"a/jobs/{n}/stdin"), os.O_WRONLY)
feed(n, b"12345" * 100000)
sfs.ok("another writer holds it open", job("a", n, "state").strip() == "running")
os.write(first, b"67")
os.close(first)
sfs.ok("until the last is gone", exited("a", n) and job("a", n, "stdout") == "500002\n", job("a", n, "stdout"))
subprocess.run(["sh", "-c", f"seq 100000 > {path('a/jobs')}/{start('a', 'count')}/stdin"], check=True)
sfs.ok("a shell's redirection", sfs.wait_for(lambda: job("a", jobs()[-1], "stdout") == f"{sum(len(str(i)) + 1 for i in range(1, 100001))}\n"))
n = start("a", "wait 60000")
writer = subprocess.Popen([sys.executable, "-c", f"import os; os.write(os.open({path(f'a/jobs/{n}/stdin')!r}, os.O_WRONLY), b'x' * 500000)"],
                          stderr=subprocess.DEVNULL)
time.sleep(0.5)
sfs.ok("a writer waits for a job that does not read", writer.poll() is None)
writer.send_signal(signal.SIGKILL)
sfs.ok("and may give up", writer.wait(sfs.patient(20)) == -signal.SIGKILL)
sfs.write(f"rockers/a/jobs/{n}/kill", "KILL\n")
sfs.ok("the job goes on until then", exited("a", n))
n = start("a", "deaf 60000")
sfs.ok("who does not read any more", sfs.wait_for(lambda: sfs.error_of(feed, n, b"x" * 100000) == errno.ESRCH))
sfs.write(f"rockers/a/jobs/{n}/kill", "KILL\n")
exited("a", n)

# ---- limits

sfs.ok("the last ones stay", sfs.wait_for(lambda: len(jobs()) == 3) and jobs()[-1] == n, jobs())
got = run("a", f"flood {OUTPUT_BYTES * 30}")
r = result("a")
sfs.ok("output is kept up to its limit, and read on", got[0] == 0 and len(got[1]) == OUTPUT_BYTES and r["status"] == "ok" and
       (r["output_bytes"], r["dropped_bytes"]) == (str(OUTPUT_BYTES), str(OUTPUT_BYTES * 29)), r)
running = [start("a", "wait 60000") for _ in range(6)]
got = run("a", "exit 0")
sfs.ok("no more jobs than may run", got[0] == "EAGAIN" and "6 jobs" in got[1], got)
sfs.ok("state tells of them", sfs.read("rockers/a/state").strip() == "running" and activity("populated") in (1, 6), sfs.read("rockers/a/state"))
sfs.ok("spec cannot change meanwhile", sfs.error_of(sfs.write, "rockers/a/hostname", "other\n") in (0, errno.EBUSY))
sfs.write("rockers/a/kill", "KILL\n")
sfs.ok("kill of the rocker ends all", sfs.wait_for(lambda: sfs.read("rockers/a/state").strip() == "ready") and
       set(jobs()) <= set(running), sfs.read("rockers/a/state"))
sfs.ok("which is told", result("a")["status"] == "killed", result("a"))
rockers.make("t", BIN, time__max_ms=300)
begin = time.monotonic()
got = run("t", "wait 60000")
sfs.ok("time.max_ms ends a run", got[0] == "ETIMEDOUT" and "300 ms" in got[1] and 0.25 < time.monotonic() - begin < 30, got)
sfs.ok("which is told and counted", result("t")["status"] == "timeout" and sfs.read("rockers/t/output") == "waits\n" and
       activity("timeouts", "t") == 1, result("t"))
n = start("t", "wait 60000")
sfs.ok("and of a job", exited("t", n) and result("t")["status"] == "timeout", result("t"))
if "memory.max" in sfs.flat("machine")["rocker_limits"].split() and sfs.error_of(sfs.write, "rockers/t/memory.max", "16M\n") == 0:
    sfs.write("rockers/t/time.max_ms", "60000\n")
    got = run("t", "eat 200000000")
    r = result("t")
    sfs.ok("memory.max is told as such", got[0] == 0 and r["status"] == "oom" and int(r["oom_kills"]) > 0 and r["signal"] == "SIGKILL", (got, r))

# ---- given up, cancelled

WRITER = "import os, sys\nfd = os.open(sys.argv[1], os.O_WRONLY)\ntry:\n    os.write(fd, b'/bin/tool wait 60000\\n')\n" \
         "except OSError as e:\n    sys.exit(e.errno)\n"


def writer_of(name):
    p = subprocess.Popen([sys.executable, "-c", WRITER, path(f"{name}/run")], stderr=subprocess.DEVNULL)
    sfs.wait_for(lambda: sfs.read(f"rockers/{name}/state").strip() == "running")
    return p


for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
    p = writer_of("a")
    p.send_signal(number)
    status = p.wait(sfs.patient(30))
    sfs.ok(f"{number.name} ends the writer", status != 0, status)
    sfs.ok(f"{number.name} ends the job", sfs.wait_for(lambda: sfs.read("rockers/a/state").strip() == "ready") and
           result("a")["status"] == "killed", result("a"))
for what, work in (("kill", lambda: sfs.write("rockers/a/kill", "KILL\n")), ("kill guard", lambda: sfs.write("rockers/a/kill", "guard\n"))):
    p = writer_of("a")
    work()
    sfs.ok(f"{what} ends a run as ECANCELED", p.wait(sfs.patient(30)) == errno.ECANCELED, p.returncode)
got = run("a", "say again")
sfs.ok("the next one builds it anew", got == (0, "again\n"), got)
p = writer_of("a")
os.rmdir(path("a"))
sfs.ok("rmdir ends a run", p.wait(sfs.patient(30)) in (errno.ECANCELED, errno.ENODEV), p.returncode)
rockers.make("a", BIN)
left = start("a", "leave 60000")
sfs.ok("what a job has left behind goes on", exited("a", left) and left in jobs())
p = writer_of("a")
os.kill(p.pid, signal.SIGKILL)
p.wait(sfs.patient(30))
sfs.ok("and a run that gives up ends it with it where it is alone", sfs.wait_for(lambda: sfs.read("rockers/a/state").strip() == "ready"))

# ---- many at once

rockers.make("m", BIN)
wrong = []


def runs(i):
    for k in range(20):
        got_ = run("m", f"say {i}.{k}")
        if got_ != (0, f"{i}.{k}\n"):
            wrong.append(got_)


threads = [threading.Thread(target=runs, args=(i,)) for i in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sfs.ok("each run has its own answer", not wrong, wrong[:5])
sfs.ok("and all were counted", activity("starts", "m") == activity("exits", "m") == 120, sfs.read("rockers/m/activity"))

# ---- users

if ROOT:
    n = start("m", "wait 60000")
    for uid in (20001, 20002):
        sfs.ok("a stranger runs nothing", sfs.error_as(uid, sfs.write, "rockers/m/run", "/bin/tool exit 0\n") == errno.EACCES)
        sfs.ok("nor sees the job", sfs.error_as(uid, os.listdir, path(f"m/jobs/{n}")) == errno.EACCES)
        sfs.ok("nor kills it", sfs.error_as(uid, sfs.write, f"rockers/m/jobs/{n}/kill", "9\n") == errno.EACCES)
    sfs.write(f"rockers/m/jobs/{n}/kill", "KILL\n")
    exited("m", n)  # else it would be root's last
    os.chmod(path("m/run"), 0o666)

    def last():
        run("m", "say mine")
        return sfs.read("rockers/m/output") + result("m")["status"]

    def as_user(uid, work):
        def child():
            sfs.become(uid)
            return work()
        return sfs.told(child)
    run("m", 'say "root\'s"')
    got = as_user(20001, last)
    sfs.ok("who may run has his own result", got == "mine\nok" and sfs.read("rockers/m/output") == "root's\n", got)
    sfs.ok("and others none", as_user(20002, lambda: sfs.read("rockers/m/output")) == "")

    def own():
        rockers.make("u", BIN)
        return run("u", "ids")[1].split()[0]
    sfs.ok("a user's job runs as he", as_user(20001, own) == "20001")

for name in os.listdir(path("")):
    if not ROOT or name != "u":
        os.rmdir(path(name))
if ROOT:
    os.rmdir(path("u"))
sfs.ok("rmdir", os.listdir(path("")) == [])
sfs.done()
