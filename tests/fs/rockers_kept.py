#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# waits
# concurrent
# no-mount
"""Rockers are there again after a restart, with what was chosen; those from templates; limits of one user; damaged files."""
import atexit, contextlib, errno, os, signal, subprocess, sys, tempfile

BUILD = os.environ["BUILD"]
top = tempfile.mkdtemp(prefix="sfs-rockers-")
mnt, state, templates = (os.path.join(top, name) for name in ("mnt", "state", "templates"))
os.chmod(top, 0o755)
os.mkdir(mnt)
os.mkdir(templates)
os.environ["MNT"] = mnt
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import onetest
import sfs

config = os.path.join(top, "config.ini")
with open(config, "w") as f:
    f.write(f"[rockers]\nmax = 6\nids = 5000-5009\ntemplates = {templates}\n")


def start():
    daemon = subprocess.Popen([os.path.join(BUILD, "bin/sandboxfs"), "-f", "--config", config, "--state", state, mnt])
    atexit.register(daemon.terminate)
    sfs.wait_for(lambda: os.path.exists(os.path.join(mnt, "rockers")))
    return daemon


def stop(daemon):
    daemon.send_signal(signal.SIGTERM)
    return daemon.wait(sfs.patient(20))


def kept():
    """Files of rockers; one that is none's any more may wait to become the next one's."""
    return set(os.listdir(os.path.join(state, "rockers"))) - {".tmp.spare"}


def path(name):
    return os.path.join(mnt, "rockers", name)


def template(name, text, mode=0o644):
    with open(os.path.join(templates, name), "w") as f:
        f.write(text)
    os.chmod(os.path.join(templates, name), mode)


def signal_all(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="ascii") as f:
            return f.read().strip()
    except OSError:
        return ""


def settled(name):
    sfs.wait_for(lambda: sfs.read(f"rockers/{name}/state").strip() != "building")
    return sfs.read(f"rockers/{name}/state").strip()


daemon = start()
template("web.ini", "[rocker]\nhostname = web\nnetwork = loopback\nbinds = /usr /usr ro\n")
template("bad.ini", "[rocker]\nhostname = web\nhost = all\n")
template("open.ini", "[rocker]\n", 0o666)
os.mkdir(path("web@1"), 0o711)
sfs.ok("a template is taken", sfs.read("rockers/web@1/hostname") == "web\n" and settled("web@1") == "ready", sfs.read("log"))
for hostname in ("wab", "wac"):
    template("web.ini", f"[rocker]\nhostname = {hostname}\nnetwork = loopback\nbinds = /usr /usr ro\n")
    os.mkdir(path("web@2"))
    sfs.ok(f"and as it is now: {hostname}", sfs.read("rockers/web@2/hostname") == hostname + "\n", sfs.read("rockers/web@2/hostname"))
    sfs.write("rockers/web@2/time.max_ms", "777\n")
    os.rmdir(path("web@2"))
sfs.ok("a bad one is refused with its line", sfs.error_of(os.mkdir, path("bad@1")) == errno.EINVAL and "line 3" in sfs.read("error"),
       sfs.read("error"))
sfs.ok("and one that others can write", sfs.error_of(os.mkdir, path("open@1")) == errno.EACCES and "written by others" in sfs.read("error"),
       sfs.read("error"))
sfs.ok("and half a name", sfs.error_of(os.mkdir, path("web@")) == errno.EINVAL)

template("gone.ini", "[rocker]\nbinds = /nope/x /x ro\n")
os.mkdir(path("gone@1"))
sfs.ok("one that cannot be built is dead", settled("gone@1") == "dead")
words = sfs.read("rockers/gone@1/error").split(" ", 2)
sfs.ok("and tells its maker why", words[:2] == ["rockers/gone@1", "ENOENT"] and "/nope/x" in words[2], words)
sfs.ok("as /error and /errors do", sfs.read("error").split(" ", 2) == words and "gone@1 ENOENT" in sfs.read("errors"), sfs.read("error"))
sfs.ok("looks do not wipe that away", sfs.read("rockers/gone@1/state").strip() == "dead" and sfs.read("rockers/gone@1/error").split(" ", 2) == words)
os.mkdir(path("gone@2"))
for name in ("gone@2", "gone@1"):
    sfs.ok(f"a command that waits for it hears that: {name}", sfs.error_of(sfs.write, f"rockers/{name}/run", "/bin/true\n") == errno.ENOENT
           and sfs.read(f"rockers/{name}/error").split(" ", 2) == [f"rockers/{name}/run", *words[1:]], sfs.read(f"rockers/{name}/error"))
    os.rmdir(path(name))

os.mkdir(path("plain"))
os.mkdir(path("chosen"), 0o700)
os.mkdir(path("removed"))
settled("chosen")
sfs.write("rockers/chosen/binds", "/usr '/in side' ro\n")
sfs.write("rockers/chosen/time.max_ms", "777\n")
sfs.write("rockers/removed/time.max_ms", "777\n")
os.rmdir(path("removed"))
os.mkdir(path("moded"))
os.chmod(path("moded"), 0o750)
if sfs.ROLE == "root":
    sfs.ok("a rocker stays its maker's", sfs.error_of(os.chown, path("moded"), 77, 0) == errno.EPERM)
    os.chown(path("moded"), 0, 77)
    sfs.ok("ids of the range are everybody's", sfs.error_as(1234, lambda: [
        os.mkdir(path("his")), settled("his"), sfs.write("rockers/his/uid", "5003\n"), os.rmdir(path("his"))]) == 0, sfs.read("errors"))
os.mkdir(path("five"))
os.mkdir(path("six"))
sfs.ok("one more than a user may have", sfs.error_of(os.mkdir, path("seven")) == errno.EDQUOT and "more than 6" in sfs.read("error"))
os.rmdir(path("five"))
os.rmdir(path("six"))
shown = {n: sfs.read(f"rockers/{n}/spec") for n in ("plain", "chosen", "web@1", "moded")}
sfs.ok("the daemon ends", stop(daemon) == 0)
sfs.ok("only what differs has a file", kept() == {".made", ".texts", "chosen", "moded"}, kept())

template("web.ini", "[rocker]\nhostname = other\n")
with open(os.path.join(state, "rockers/damaged"), "w") as f:
    f.write("sandboxfs-rocker 1\nuid 0\ngid 0\nmode 755\nby binds 0 x\n\n[rocker]\n")
with open(os.path.join(state, "rockers/.texts"), "r+b") as f:
    lines = f.read()
    sfs.ok("what templates said is kept in lines of one length", len(lines) % 1024 == 0 and lines.count(b"+ web@1 ") == 1 and b"web@2" not in lines.replace(b"- web@2", b""), lines)
    f.write(b"%-127s\n" % b"+ torn 0 0 755" + b"sandboxfs-rocker 1\nuid 0\ngid 0\nmode 755\nby binds 0 x\n\n[rocker]\n".ljust(896, b"\0") + b"+ cut")
daemon = start()
names = set(os.listdir(os.path.join(mnt, "rockers")))
sfs.ok("they are there again", names == {"plain", "chosen", "web@1", "moded"}, names)
sfs.ok("as they were", all(sfs.read(f"rockers/{n}/spec") == text for n, text in shown.items()))
sfs.ok("with their modes", [os.stat(path(n)).st_mode & 0o777 for n in ("chosen", "web@1", "moded")] == [0o700, 0o711, 0o750])
sfs.ok("and groups", sfs.ROLE != "root" or os.stat(path("moded")).st_gid == 77)
sfs.ok("damaged ones are reported", all(f"rocker {n} is not loaded" in sfs.read("status") for n in ("damaged", "torn")) and sfs.read("status").count("\n") == 2,
       sfs.read("status"))
sfs.ok("not built before somebody uses it", sfs.read("rockers/chosen/state").strip() == "dead")
sfs.error_of(sfs.write, "rockers/chosen/run", "/nope\n")
sfs.ok("and then as its files say", settled("chosen") == "ready" and sfs.read("rockers/chosen/binds") == "/usr '/in side' ro\n",
       (sfs.read("rockers/chosen/state"), sfs.read("log")))

# ---- a launcher that does not answer keeps nobody

launchers = [pid for pid in onetest.descendants(daemon.pid) if comm(pid) == "launcher"]  # and what it makes ahead
signal_all(launchers, signal.SIGSTOP)
try:
    sfs.ok("a path that nobody opens", sfs.error_of(sfs.write, "rockers/chosen/data_dir", "/usr\n") == errno.ETIMEDOUT, sfs.read("error"))
    sfs.ok("nor freezes", sfs.error_of(sfs.write, "rockers/chosen/freeze", "1\n") == errno.ETIMEDOUT, sfs.read("error"))
    os.mkdir(path("late"))
    sfs.ok("status names what takes long", sfs.wait_for(lambda: "rockers/late" in sfs.read("status")), sfs.read("status"))
    os.rmdir(path("late"))
finally:
    signal_all(launchers, signal.SIGCONT)
sfs.ok("until it has", sfs.wait_for(lambda: "rockers/" not in sfs.read("status")), sfs.read("status"))
sfs.ok("what was given up has changed nothing", sfs.read("rockers/chosen/data_dir") == "none\n")
for name in names:
    os.rmdir(path(name))
sfs.ok("the daemon ends again", stop(daemon) == 0)
sfs.ok("nothing is left on disk", kept() == {".made", ".texts", "damaged"}, kept())
subprocess.run(["rm", "-rf", top], check=False)
sfs.done()
