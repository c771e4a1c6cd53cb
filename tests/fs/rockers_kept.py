#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
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
sfs.ok("a bad one is refused with its line", sfs.error_of(os.mkdir, path("bad@1")) == errno.EINVAL and "line 3" in sfs.read("error"),
       sfs.read("error"))
sfs.ok("and one that others can write", sfs.error_of(os.mkdir, path("open@1")) == errno.EACCES and "written by others" in sfs.read("error"),
       sfs.read("error"))
sfs.ok("and half a name", sfs.error_of(os.mkdir, path("web@")) == errno.EINVAL)

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
sfs.ok("only what differs has a file", kept() == {".made", "chosen", "web@1", "moded"}, kept())

template("web.ini", "[rocker]\nhostname = other\n")
with open(os.path.join(state, "rockers/damaged"), "w") as f:
    f.write("sandboxfs-rocker 1\nuid 0\ngid 0\nmode 755\nby binds 0 x\n\n[rocker]\n")
daemon = start()
names = set(os.listdir(os.path.join(mnt, "rockers")))
sfs.ok("they are there again", names == {"plain", "chosen", "web@1", "moded"}, names)
sfs.ok("as they were", all(sfs.read(f"rockers/{n}/spec") == text for n, text in shown.items()))
sfs.ok("with their modes", [os.stat(path(n)).st_mode & 0o777 for n in ("chosen", "web@1", "moded")] == [0o700, 0o711, 0o750])
sfs.ok("and groups", sfs.ROLE != "root" or os.stat(path("moded")).st_gid == 77)
sfs.ok("a damaged one is reported", "damaged" in sfs.read("status") and sfs.read("status").count("\n") == 1, sfs.read("status"))
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
sfs.ok("nothing is left on disk", kept() == {".made", "damaged"}, kept())
subprocess.run(["rm", "-rf", top], check=False)
sfs.done()
