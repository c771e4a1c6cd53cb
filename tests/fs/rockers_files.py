#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
"""The files of a rocker: values and their refusals, paths of the host with the rights of who wrote them, states, freeze, kill, links."""
import errno, os, signal, subprocess, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

ROOT = sfs.ROLE == "root"


def path(name):
    return os.path.join(sfs.MNT, "rockers", name)


def make(name):
    os.mkdir(path(name))


def state(name):
    return sfs.read(f"rockers/{name}/state").strip()


def settled(name):
    sfs.wait_for(lambda: state(name) != "building")
    return state(name)


def refused(name, text):
    """(name of the errno, sentence) of a write."""
    return sfs.name_of(sfs.error_of(sfs.write, f"rockers/{name}", text)), sfs.read(f"rockers/{name.split('/')[0]}/error")


# ---- it is there at once, and ready soon

make("a")
sfs.ok("mkdir shows it with all files", {"spec", "state", "guard", "run", "ns", "root"} <= set(os.listdir(path("a"))))
sfs.ok("it becomes ready", settled("a") == "ready", (state("a"), sfs.read("log")))
guard = sfs.flat("rockers/a/guard")
sfs.ok("guard has a pid and a name", guard.get("pid", "").isdigit() and 0 < len(guard.get("name", "")) < 16, guard)
sfs.ok("its guard is a process", os.path.exists(f"/proc/{guard['pid']}"))
sfs.ok("procs is its guard alone", sfs.read("rockers/a/procs").split() in ([guard["pid"]], []), sfs.read("rockers/a/procs"))
sfs.ok("activity", sfs.flat("rockers/a/activity").keys() ==
       {"populated", "starts", "exits", "oom_kills", "timeouts", "refused_syscalls"})
sfs.ok("every row can be read", all(subprocess.run(["cat", path(f"a/{n}")], capture_output=True, check=False).returncode == 0 for n in os.listdir(path("a"))
                                    if n not in ("jobs", "ns", "root", "kill", "run", "start")))

# ---- values

VALUES = (("app_id", "org.example"), ("hostname", "box"), ("domainname", "example.org"), ("exec_dir", "/opt/x"), ("network", "loopback"),
          ("memory.max", "128M"), ("pids.max", "33"), ("cpu.max", "50000"), ("disk.max", "8M"), ("time.max_ms", "1234"))
SHOWN = {"memory.max": "134217728", "cpu.max": "50000 100000", "disk.max": "8388608"}
make("v")
settled("v")
for name, text in VALUES:
    error = sfs.error_of(sfs.write, f"rockers/v/{name}", text + "\n")
    # Without control groups a limit is not to be had, which is said.
    sfs.ok(f"{name} takes {text}", sfs.read(f"rockers/v/{name}") == SHOWN.get(name, text) + "\n" or error == errno.EOPNOTSUPP,
           (sfs.name_of(error), sfs.read(f"rockers/v/{name}"), sfs.read("rockers/v/error")))
for name, text in VALUES:
    shown = sfs.read(f"rockers/v/{name}")
    sfs.ok(f"{name} takes what it shows", sfs.error_of(sfs.write, f"rockers/v/{name}", shown) in (0, errno.EOPNOTSUPP) and
           sfs.read(f"rockers/v/{name}") == shown)
for name, text, want, word in (("memory.max", "1", "ERANGE", "1 is not between"), ("memory.max", "many", "EINVAL", "'many'"),
                               ("network", "all", "EINVAL", "'all'"), ("package", "here", "EINVAL", "'here'"),
                               ("package", "/nope/nowhere", "ENOENT", "/nope/nowhere"), ("data_dir", "/nope", "ENOENT", "/nope"),
                               ("overlays", "/nope", "ENOENT", "/nope"), ("seccomp", "nope", "ENOENT", "'nope'"),
                               ("uid", "-1", "ERANGE", "-1"), ("kill", "NOPE", "EINVAL", "'NOPE'"), ("freeze", "2", "EINVAL", "'2'"),
                               ("time.max_ms", "0", "ERANGE", "0 is not"), ("hostname", "a b", "EINVAL", "one word")):
    got = refused(f"v/{name}", text + "\n")
    sfs.ok(f"{name} refuses {text}", got[0] == want and word in got[1], got)
sfs.ok("what was refused has changed nothing", sfs.read("rockers/v/package") == "none\n" and sfs.read("rockers/v/overlays") == "none\n")

# ---- lists and the whole

os.mkdir(os.path.join(sfs.TMP, "in"))
os.chmod(sfs.TMP, 0o755)
binds = f"'{sfs.TMP}/in' /in ro\n/usr /usr ro\n"
sfs.ok("binds are taken", sfs.error_of(sfs.write, "rockers/v/binds", binds) == 0, sfs.read("rockers/v/error"))
sfs.ok("and shown", sfs.read("rockers/v/binds") == binds.replace("'", ""), sfs.read("rockers/v/binds"))
fd = os.open(path("v/binds"), os.O_WRONLY)
sfs.ok("a bad line is refused by its write", sfs.error_of(os.write, fd, b"/usr usr ro\n") == errno.EINVAL)
os.close(fd)


def put_spec(name, text):
    fd = os.open(path(f"{name}/spec"), os.O_WRONLY)
    os.write(fd, text.encode())
    os.close(fd)


spec = sfs.read("rockers/v/spec")
make("w")
settled("w")
sfs.ok("spec takes what another shows", sfs.error_of(put_spec, "w", spec) == 0, sfs.read("rockers/w/error"))
sfs.ok("and shows it", sfs.read("rockers/w/spec") == spec.replace("app_id = v", "app_id = w"), sfs.read("rockers/w/spec"))
sfs.ok("it is built of that", settled("w") == "ready", (state("w"), sfs.read("log")))
got = sfs.name_of(sfs.error_of(put_spec, "w", "[rocker]\nuid = 1\nsize = 7\n"))
sfs.ok("a bad spec is refused with its line", got in ("EINVAL", "EPERM") and "line " in sfs.read("rockers/w/error"),
       (got, sfs.read("rockers/w/error")))
got = sfs.name_of(sfs.error_of(put_spec, "w", "[rocker]\nbinds = /nope/x /x ro\n"))
sfs.ok("and one with a path that is not there", got == "ENOENT" and "/nope/x" in sfs.read("rockers/w/error"), (got, sfs.read("rockers/w/error")))

# ---- frozen, ended

error = sfs.error_of(sfs.write, "rockers/a/freeze", "1\n")
if error == errno.EOPNOTSUPP:
    sfs.ok("what cannot be frozen here says so", "freez" in sfs.read("rockers/a/error"), sfs.read("rockers/a/error"))
else:
    sfs.ok("it is frozen", error == 0 and state("a") == "frozen" and sfs.read("rockers/a/freeze") == "1\n", (sfs.name_of(error), state("a")))
    sfs.ok("a frozen one runs nothing", sfs.error_of(sfs.write, "rockers/a/run", "/bin/true\n") == errno.EBUSY)
    sfs.write("rockers/a/freeze", "0\n")
    sfs.ok("and thawed", state("a") == "ready", state("a"))
sfs.ok("a signal by name", sfs.error_of(sfs.write, "rockers/a/kill", "SIGTERM\n") == 0, sfs.read("rockers/a/error"))
sfs.ok("a signal by number", sfs.error_of(sfs.write, "rockers/a/kill", "15\n") == 0, sfs.read("rockers/a/error"))
sfs.ok("guard ends it", sfs.error_of(sfs.write, "rockers/a/kill", "guard\n") == 0, sfs.read("rockers/a/error"))
sfs.ok("then it is dead", sfs.wait_for(lambda: state("a") == "dead"), state("a"))
sfs.ok("without a guard", sfs.read("rockers/a/guard") == "" and sfs.read("rockers/a/procs") == "")
sfs.ok("and cannot be killed again", sfs.error_of(sfs.write, "rockers/a/kill", "guard\n") == errno.ESRCH)
sfs.ok("nothing is left of it", sfs.wait_for(lambda: not os.path.exists(f"/proc/{guard['pid']}")))
sfs.error_of(sfs.write, "rockers/a/run", "/nope\n")
sfs.ok("its next use builds it", settled("a") == "ready" and sfs.flat("rockers/a/guard")["name"] != guard["name"])
again = int(sfs.flat("rockers/a/guard")["pid"])
if ROOT:
    os.kill(again, signal.SIGKILL)
    sfs.ok("a guard that was killed is noticed", sfs.wait_for(lambda: state("a") == "dead"), state("a"))

# ---- while a job runs

make("j")
sfs.write("rockers/j/binds", "/usr /usr ro\n")
sfs.write("rockers/j/start", "/usr/bin/sleep 1000\n")
sfs.ok("it runs", state("j") == "running" and "populated 1" in sfs.read("rockers/j/activity"), (state("j"), sfs.read("rockers/j/error")))
for name, text in (("hostname", "x"), ("network", "loopback"), ("overlays", "/etc"), ("disk.max", "9M")):
    got = refused(f"j/{name}", text + "\n")
    sfs.ok(f"{name} waits for its end", got[0] == "EBUSY" and "1 job" in got[1], got)
sfs.ok("and so does spec", sfs.error_of(put_spec, "j", "[rocker]\n") == errno.EBUSY and sfs.read("rockers/j/binds") == "/usr /usr ro\n")
sfs.ok("a limit does not, but where it is each process's own", sfs.error_of(sfs.write, "rockers/j/memory.max", "100M\n") in ((0,) if sfs.ROLE == "root" else (0, errno.EBUSY)), sfs.read("rockers/j/error"))
sfs.ok("nor the time of the next", sfs.error_of(sfs.write, "rockers/j/time.max_ms", "999\n") == 0)
before = sfs.read("rockers/j/guard")
sfs.write("rockers/j/kill", "KILL\n")
sfs.ok("a signal ends all but the guard", sfs.wait_for(lambda: state("j") == "ready") and sfs.read("rockers/j/guard") == before, state("j"))
sfs.ok("then it can be changed", sfs.wait_for(lambda: not sfs.error_of(sfs.write, "rockers/j/hostname", "box\n")), sfs.read("rockers/j/error"))
fd = os.open(path("j/run"), os.O_RDWR)
sfs.ok("and the next job sees that", sfs.error_of(os.write, fd, b"/usr/bin/uname -n\n") == 0 and os.pread(fd, 100, 0) == b"box\n",
       (os.pread(fd, 200, 0), sfs.read("rockers/j/guard") == before))
os.close(fd)
os.rmdir(path("j"))

# ---- links, others

if ROOT:
    sfs.error_of(sfs.write, "rockers/a/run", "/nope\n")
    settled("a")
    pid = sfs.flat("rockers/a/guard")["pid"]
    sfs.ok("ns/mnt leads to its guard's", os.readlink(path("a/ns/mnt")) == f"/proc/{pid}/ns/mnt")
    sfs.ok("which is another than ours", os.stat(path("a/ns/mnt")).st_ino != os.stat("/proc/self/ns/mnt").st_ino)
    if sfs.flat("machine").get("rocker_time") == "yes":
        sfs.ok("ns/time too", os.stat(path("a/ns/time")).st_ino != os.stat("/proc/self/ns/time").st_ino)
        with open(f"/proc/{pid}/timens_offsets", encoding="ascii") as f:
            offsets = [line.split()[1:] for line in f]
        sfs.ok("its clocks begin as ours", offsets and all(o == ["0", "0"] for o in offsets), offsets)
    sfs.ok("root is its root", "proc" in os.listdir(path("a/root")) and "home" not in os.listdir(path("a/root")))
    sfs.ok("nobody else is led there", sfs.error_as(1234, os.readlink, path("a/ns/mnt")) == errno.EACCES)
    sfs.ok("nor changes it", sfs.error_as(1234, sfs.write, "rockers/a/hostname", "x\n") == errno.EACCES)

    def mine():
        os.mkdir(path("mine"))
        sfs.wait_for(lambda: state("mine") != "building")
        wrong = [(f, t) for f, t, want in (("uid", "0", 0), ("uid", "1", errno.EPERM), ("gid", "0", 0), ("gid", "1", errno.EPERM),
                                           ("network", "host", errno.EPERM), ("gid", "77", 0), ("uid", "1234", 0),
                                           ("data_dir", secret, errno.EACCES), ("binds", f"{secret} /x ro", errno.EACCES))
                 if sfs.error_of(sfs.write, f"rockers/mine/{f}", t + "\n") != want]
        print(wrong or "as it should be", state("mine"), flush=True)
        return len(wrong) + (state("mine") != "ready")

    secret = os.path.join(sfs.TMP, "secret", "inner")
    os.makedirs(secret)
    os.chmod(os.path.dirname(secret), 0o700)
    sfs.ok("a user's rocker keeps to what is his", sfs.ended(sfs.fork_as(1234, mine, groups=[77])) == 0, sfs.read("errors")[-600:])
    sfs.ok("what it is built of too", sfs.wait_for(lambda: state("mine") == "ready"), state("mine"))
    sfs.ok("root gives it no id of the jail's", sfs.error_of(sfs.write, "rockers/mine/uid", "1879048192\n") == 0 and
           refused("mine/run", "/x\n")[0] == "EPERM", sfs.read("rockers/mine/error"))
    os.rmdir(path("mine"))
sfs.ok("a name with a template that is not there", sfs.error_of(make, "nope@1") == errno.ENOENT and "nope" in sfs.read("error"))
sfs.ok("a taken name", sfs.error_of(make, "a") == errno.EEXIST)

# ---- gone

make("r")
settled("r")
sfs.ok("ns alone cannot be removed", sfs.error_of(os.rmdir, path("r/ns")) in (errno.EPERM, errno.ENOTEMPTY) and
       sfs.error_of(os.unlink, path("r/ns/mnt")) == errno.EPERM and len(os.listdir(path("r/ns"))) == 8)
gone = sfs.flat("rockers/r/guard")["pid"]
out = subprocess.run(["rm", "-r", path("r")], capture_output=True, text=True, check=False, timeout=sfs.patient(30))
sfs.ok("rm -r removes it", out.returncode == 0 and not os.path.exists(path("r")), (out.stderr, os.listdir(os.path.join(sfs.MNT, "rockers"))))
sfs.ok("with its guard", sfs.wait_for(lambda: not os.path.exists(f"/proc/{gone}")))
fd = os.open(path("v/state"), os.O_RDONLY)
pids = [sfs.flat(f"rockers/{n}/guard").get("pid") for n in ("a", "v", "w")]
for name in ("a", "v", "w"):
    os.rmdir(path(name))
sfs.ok("rmdir hides", os.listdir(os.path.join(sfs.MNT, "rockers")) == [])
sfs.ok("what is open says so", sfs.error_of(os.pread, fd, 10, 0) == errno.ENODEV)
os.close(fd)
sfs.ok("and every process ends", sfs.wait_for(lambda: not any(p and os.path.exists(f"/proc/{p}") for p in pids)), pids)
sfs.ok("nothing is wrong", sfs.wait_for(lambda: sfs.read("status") == "ok\n"), sfs.read("status"))
sfs.done()
