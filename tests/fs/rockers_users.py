#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
# alone
# root-only
# deadline: 240
"""Two users in rockers: neither touches, sees, ends or fills what is the other's, and a flood of one lets the other one through."""
import ast, errno, os, select, signal, stat, statistics, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import rocker_jobs as rockers, sfs
from rocker_jobs import path

A, B = 20001, 20002
MAX, JOBS_MAX, WAIT_S = 5, 4, 5
FLOOD_S, LONGEST_S, RUNS = 1, 60, 12
BIN = rockers.folder()
NAMESPACES = ("mnt", "pid", "net", "ipc", "uts", "user", "cgroup")
os.umask(0o022)


def refused(uid, call, *args):
    return sfs.name_of(sfs.error_as(uid, call, *args))


def as_user(uid, work):
    """What work returns as that user, as text."""
    def become():
        sfs.become(uid)
        try:
            return work()
        except OSError as e:
            return sfs.name_of(e.errno)
    return sfs.told(become)


def make_as(uid, name, **values):
    got = as_user(uid, lambda: rockers.make(name, BIN, **values))
    sfs.ok(f"{uid} makes {name}", got == "None", (got, as_user(uid, lambda: sfs.read("error"))))


def run_as(uid, name, words):
    return as_user(uid, lambda: rockers.run(name, words))


def settled(name):
    sfs.wait_for(lambda: sfs.read(f"rockers/{name}/state").strip() not in ("building",))
    return sfs.read(f"rockers/{name}/state").strip()


make_as(A, "a")
make_as(B, "b")
sfs.ok("each runs in his own", run_as(A, "a", "ids").startswith(f"(0, '{A} ") and run_as(B, "b", "ids").startswith(f"(0, '{B} "),
       (run_as(A, "a", "ids"), run_as(B, "b", "ids")))

# ---- what one does to the other's

for what, call, *args in (("rmdir", os.rmdir, path("a")), ("rename", os.rename, path("a"), path("c")), ("chmod", os.chmod, path("a"), 0o777),
                          ("chmod of a file", os.chmod, path("a/run"), 0o666), ("chown", os.chown, path("a"), B, B),
                          ("unlink", os.unlink, path("a/run")), ("mkdir inside", os.mkdir, path("a/jobs/9")), ("rmdir of ns", os.rmdir, path("a/ns"))):
    got = refused(B, call, *args)
    sfs.ok(f"{what} is refused", got in ("EPERM", "EACCES", "ENOSYS"), got)
sfs.ok("a taken name is taken", refused(B, os.mkdir, path("a")) == "EEXIST")
for name in sorted(os.listdir(path("a"))):
    mode = os.lstat(path(f"a/{name}")).st_mode
    if stat.S_ISREG(mode):
        got = refused(B, os.open, path(f"a/{name}"), os.O_WRONLY)
        sfs.ok(f"{name} is not written by another", got == "EACCES", got)
        if not mode & 0o004:
            got = refused(B, os.open, path(f"a/{name}"), os.O_RDONLY)
            sfs.ok(f"{name} is not read by another", got == "EACCES", got)

# ---- jobs and results

n = as_user(A, lambda: rockers.start("a", "wait 60000"))
sfs.ok("a job is its owner's alone", n.isdigit() and os.stat(path(f"a/jobs/{n}")).st_uid == A and
       stat.S_IMODE(os.stat(path(f"a/jobs/{n}")).st_mode) == 0o500, n)
for file in ("argv", "pid", "state", "exit", "stdout", "stderr", "usage", "error"):
    got = refused(B, os.open, path(f"a/jobs/{n}/{file}"), os.O_RDONLY)
    sfs.ok(f"another does not read {file} of it", got == "EACCES", got)
for file in ("stdin", "kill"):
    got = refused(B, os.open, path(f"a/jobs/{n}/{file}"), os.O_WRONLY)
    sfs.ok(f"another does not write {file} of it", got == "EACCES", got)
sfs.ok("a job that runs stays where it is", refused(0, os.rmdir, path(f"a/jobs/{n}")) == "EBUSY")
pid = int(as_user(A, lambda: sfs.read(f"rockers/a/jobs/{n}/pid")))
guards = {name: int(sfs.flat(f"rockers/{name}/guard")["pid"]) for name in "ab"}
for what, target in (("job", pid), ("guard", guards["a"])):
    got = refused(B, os.kill, target, signal.SIGKILL)
    sfs.ok(f"another does not kill its {what}", got == "EPERM", got)
    got = refused(B, os.listdir, f"/proc/{target}/fd")
    sfs.ok(f"nor look into its {what}", got in ("EACCES", "EPERM"), got)
got = refused(A, os.kill, guards["a"], signal.SIGKILL)
sfs.ok("nor does its owner kill the guard", got == "EPERM", got)
sfs.ok("a stranger is shown no links", refused(A, os.readlink, path("a/ns/net")) == "EACCES")
sfs.ok("its owner ends it", as_user(A, lambda: sfs.write(f"rockers/a/jobs/{n}/kill", "KILL\n")) == "None" and
       sfs.wait_for(lambda: sfs.read(f"rockers/a/jobs/{n}/state").strip() == "exited"))
sfs.ok("one sees his own last job", run_as(A, "a", "say secret") == "(0, 'secret\\n')" and
       as_user(A, lambda: sfs.read("rockers/a/output")) == "secret\n")
for file in ("result", "output"):
    got = as_user(B, lambda name=file: sfs.read(f"rockers/a/{name}"))
    sfs.ok(f"another sees nothing in {file}", got == "", got)
os.chmod(path("a/run"), 0o666)
os.chmod(path("a/start"), 0o666)
sfs.ok("whom one lets in runs something", run_as(B, "a", "say mine") == "(0, 'mine\\n')", run_as(B, "a", "say mine"))
got = [as_user(uid, lambda: sfs.read("rockers/a/output")) for uid in (A, B)]
sfs.ok("each sees his own again", got == ["secret\n", "mine\n"], got)
got = [as_user(uid, lambda: sfs.flat("rockers/a/result")["job"]) for uid in (A, B)]
sfs.ok("and his own result", got[0] != got[1], got)
n = as_user(B, lambda: rockers.start("a", "wait 60000"))
sfs.ok("what he starts there is his", os.stat(path(f"a/jobs/{n}")).st_uid == B and refused(A, os.listdir, path(f"a/jobs/{n}")) == "EACCES", n)
sfs.ok("the rocker's owner ends it all the same", as_user(A, lambda: sfs.write("rockers/a/kill", "KILL\n")) == "None" and
       sfs.wait_for(lambda: sfs.read(f"rockers/a/jobs/{n}/state").strip() == "exited"))
os.chmod(path("a/run"), 0o600)
os.chmod(path("a/start"), 0o600)
sfs.ok("he is let in no more", refused(B, os.open, path("a/run"), os.O_RDWR) == "EACCES")

# ---- identities


def status(name, key):
    with open(f"/proc/{guards[name]}/status") as f:
        return next(line.split()[1] for line in f if line.startswith(key + ":"))


guards = {name: int(sfs.flat(f"rockers/{name}/guard")["pid"]) for name in "ab"}
ids = [int(status(name, "Uid")) for name in "ab"]
sfs.ok("guards of two users have ids of their own", len({0, A, B, *ids}) == 5, ids)
shared = [ns for ns in NAMESPACES if len({os.readlink(f"/proc/{pid}/ns/{ns}") for pid in (os.getpid(), *guards.values())}) != 3]
sfs.ok("two users share no namespace", not shared, shared)
sfs.ok("a guard gains nothing by an exec", [status(name, "NoNewPrivs") for name in "ab"] == ["1", "1"])
for file, text, wanted in (("uid", str(A), "EPERM"), ("gid", str(A), "EPERM"), ("network", "host", "EPERM"), ("uid", f"0 {A}", "EINVAL"),
                           ("uid", "2000001", "EPERM"), ("uid", str(ids[0]), "EPERM")):
    got = refused(B, sfs.write, f"rockers/b/{file}", text + "\n")
    sfs.ok(f"{file} {text} is not his", got == wanted, got)
got = as_user(B, lambda: [sfs.write(f"rockers/b/{file}", "0\n") for file in ("uid", "gid")] and rockers.run("b", "ids"))
sfs.ok("he may call himself root", got == "(0, '0 0 0\\n')", got)
guards["b"] = int(sfs.flat("rockers/b/guard")["pid"])
sfs.ok("which is the same guard's id", int(status("b", "Uid")) == ids[1], (status("b", "Uid"), ids))
as_user(B, lambda: [sfs.write(f"rockers/b/{file}", "auto\n") for file in ("uid", "gid")])

# ---- files of the other

secret = os.path.join(sfs.TMP, "secret")
os.mkdir(secret, 0o700)
with open(os.path.join(secret, "file"), "w") as f:
    f.write("of a\n")
os.chown(secret, A, A)
link = os.path.join(sfs.TMP, "link")
os.mkdir(link)
os.symlink(os.path.join(secret, "file"), os.path.join(link, "file"))
os.symlink("loop", os.path.join(link, "loop"))
for file, text in (("binds", f"{secret}/file /x ro"), ("binds", f"{link}/file /x ro"), ("binds", "/proc/self/root /x ro"), ("binds", f"{link}/loop /x ro"), ("data_dir", f"{secret}/d"),
                   ("package", f"{secret}/file"), ("binds", f"/proc/{guards['a']}/root /x ro"), ("binds", f"/proc/{guards['a']}/cwd /x ro")):
    got = refused(B, sfs.write, f"rockers/b/{file}", text + "\n")
    sfs.ok(f"{file} does not lead to what is another's: {text.split()[0][-20:]}", got in ("EACCES", "EPERM", "EINVAL", "ENOENT"), got)
shared = os.path.join(sfs.TMP, "shared")
os.makedirs(os.path.join(shared, "in"))
os.chown(shared, A, A)
make_as(B, "late")
sfs.ok("what one may read can be bound", as_user(B, lambda: sfs.write("rockers/late/binds", f"{BIN} /bin ro\n{shared}/in /x rw\n")) == "None", sfs.read("errors")[-300:])
run_as(B, "late", "say x")
os.chmod(shared, 0o700)
sfs.ok("what is built has it still", run_as(B, "late", "say x") == "(0, 'x\\n')", run_as(B, "late", "say x"))
sfs.write("rockers/late/kill", "guard\n")
sfs.wait_for(lambda: sfs.read("rockers/late/state").strip() == "dead")
got = run_as(B, "late", "say x")
sfs.ok("until it is closed", got.startswith("('EACCES'"), got)
os.rmdir(path("late"))
sfs.codelet("unsigned long f(unsigned long n) { return n; }", "f")
sfs.number_kernel("f")
os.chmod(os.path.join(sfs.MNT, "kernels/f/run"), 0o666)
os.chmod(os.path.join(sfs.MNT, "store/f.o"), 0o644)
got = as_user(B, lambda: sfs.run("f", "codelet=f.o rocker=a"))
sfs.ok("nor does a kernel run in another's rocker", got.startswith(f"({errno.EACCES},"), got)

# ---- limits of one, not of the other

made = as_user(A, lambda: sum(sfs.error_of(os.mkdir, path(f"more{i}")) == 0 for i in range(MAX + 3)))
sfs.ok("one user has so many rockers", made == str(MAX - 1), made)
sfs.ok("and no more", refused(A, os.mkdir, path("more_again")) == "EDQUOT")
make_as(B, "b2")
sfs.ok("a rocker stays its maker's, so that nobody gives one away", refused(0, os.chown, path("b2"), A, A) == "EPERM" and os.stat(path("b2")).st_uid == B)
for name in os.listdir(path("")):
    if name not in ("a", "b"):
        os.rmdir(path(name))
jobs = as_user(A, lambda: [rockers.start("a", "wait 60000") for _ in range(JOBS_MAX)])
got = as_user(A, lambda: rockers.command("a/start", "/bin/tool wait 1"))
sfs.ok("one rocker has so many jobs", got.startswith("('EAGAIN'"), (got, jobs))
sfs.ok("another's has its own", run_as(B, "b", "say x") == "(0, 'x\\n')")
sfs.write("rockers/a/kill", "KILL\n")
sfs.ok("all of them end", sfs.wait_for(lambda: settled("a") == "ready"), settled("a"))
got = as_user(B, lambda: rockers.command("b/run", "/bin/tool say " + "y" * 65000)[1])
sfs.ok("a line of 64 KiB runs", got == "y" * 65000 + "\n", (len(got), got[:80]))
got = as_user(B, lambda: rockers.command("b/run", "/bin/tool say " + "y" * 65600)[0])
sfs.ok("a longer one is told to be too long", got == "E2BIG", got)

# ---- floods of one beside single commands of the other


def flood(act, until):
    """A user's process that does it until something is in that pipe, and until it has succeeded once."""
    begin = time.monotonic()

    def on():
        i, done = 0, 0
        while not (done and select.select([until], [], [], 0)[0]) and time.monotonic() < begin + LONGEST_S:
            i += 1
            done += sfs.error_of(act, i) == 0
        return min(done, 255)
    return sfs.fork_as(A, on)


def make_and_remove(i):
    name = path(f"flood{os.getpid()}_{i}")
    os.mkdir(name)
    os.rmdir(name)


def long_line(_):
    rockers.command("a/run", "/bin/tool exit " + "w" * 65000)


def write_much(_):
    rockers.run("a", "flood 20000000")


def change(i):
    sfs.write("rockers/a/hostname", f"h{i % 2}\n")
    rockers.run("a", "exit 0")


def timed(call):
    begin = time.monotonic()
    got = call()
    return time.monotonic() - begin, got


def life():
    """mkdir until it is ready, and rmdir."""
    name = f"life{time.monotonic_ns()}"
    os.mkdir(path(name))
    try:
        sfs.wait_for(lambda: sfs.read(f"rockers/{name}/state").strip() == "ready", WAIT_S)
        return settled(name)
    finally:
        os.rmdir(path(name))


def beside(what, acts):
    """How long B waits for a run and for a rocker while A does that."""
    def work():
        sfs.become(B)
        runs = [timed(lambda: rockers.run("b", "say x")) for _ in range(RUNS)]
        lives = [timed(life) for _ in range(RUNS // 3)]
        wrong = [got for _, got in runs if got != (0, "x\n")] + [got for _, got in lives if got != "ready"]
        seconds = [[s for s, _ in some] for some in (runs, lives)]
        return [*(f(s) for s in seconds for f in (statistics.median, max)), wrong]
    begin, (until, over) = time.monotonic(), os.pipe()
    floods = [flood(act, until) for act in acts]
    time.sleep(0.2)
    run_median, run_max, life_median, life_max, wrong = ast.literal_eval(sfs.told(work))
    time.sleep(max(0, begin + FLOOD_S - time.monotonic()))
    os.write(over, b"x")
    done = [sfs.ended(pid) for pid in floods]
    os.close(until)
    os.close(over)
    print(f"# beside {what}: run {run_median * 1000:.1f} ms, at most {run_max * 1000:.1f}; rocker {life_median * 1000:.1f} ms, "
          f"at most {life_max * 1000:.1f}; {done} times", flush=True)
    sfs.ok(f"beside {what} all goes well", not wrong, wrong[:3])
    sfs.ok(f"beside {what} nobody waits for long", max(run_max, life_max) < sfs.patient(WAIT_S), (run_max, life_max))
    sfs.ok(f"{what} get on too", not acts or all(done), done)


beside("nothing", [])
beside("mkdir and rmdir", [make_and_remove] * 4)
beside("long command lines", [long_line] * 3)
beside("floods of output", [write_much] * 3)
beside("rebuilding", [change] * 1)
sfs.ok("nothing is wrong", sfs.wait_for(lambda: sfs.read("status") == "ok\n"), sfs.read("status"))
for name in os.listdir(path("")):
    os.rmdir(path(name))
sfs.ok("nothing is left of the guards", sfs.wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in guards.values())))
sfs.done()
