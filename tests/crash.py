# SPDX-License-Identifier: MIT
"""What tests of crashes share: a mount in a folder of its own, and its processes, that are killed at a pace that it survives."""
import os
import signal
import subprocess
import tempfile
import time

FOLDER = tempfile.mkdtemp(prefix="sfs-crash-")
os.chmod(FOLDER, 0o755)
os.environ["MNT"] = MNT = os.path.join(FOLDER, "mnt")
STATE, LOG = os.path.join(FOLDER, "state"), os.path.join(FOLDER, "log")
os.mkdir(MNT)
import onetest
import sfs

WAIT_S = 30
PACE_S = 2.5  # between two kills: more than five in ten seconds end the mount
EVERY_PID = []


def until(what, seconds=WAIT_S):
    """What is waited for, once it is something; else the last that it was."""
    end = time.monotonic() + seconds
    while not (seen := what()) and time.monotonic() < end:
        time.sleep(0.01)
    return seen


def comm(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            name, rest = f.read().split("(", 1)[1].rsplit(")", 1)
        return "" if rest.split()[0] == "Z" else name
    except OSError:
        return ""


def gone(pid):
    """With all of its threads: on a busy machine one that was killed may do a little more."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            rest = f.read().rsplit(")", 1)[1].split()
        return rest[0] in "ZX" and int(rest[17]) <= 1
    except OSError:
        return True


class Mounted:
    def __init__(self, config="", **env):
        words = [os.path.join(os.environ["BUILD"], "bin", "sandboxfs"), "-f", "--state", STATE]
        if "request_ms" not in config:  # no upload is to end by its deadline
            config += "\n[limits]\nrequest_ms = 60000\n"
        with open(os.path.join(FOLDER, "ini"), "w") as f:
            f.write(config)
        words += ["--config", f.name]
        self.log = open(LOG, "ab")
        self.process = subprocess.Popen(words + [MNT], stderr=self.log, stdin=subprocess.DEVNULL, env=dict(os.environ, **env))
        EVERY_PID.append(self.process.pid)
        self.killed_s = 0
        if not until(lambda: os.path.ismount(MNT) and os.path.exists(os.path.join(MNT, "README"))):
            raise RuntimeError(log())

    def child(self, name):
        """The pid of the daemon, or of the launcher, that lives."""
        def look():
            return next((p for p in onetest.descendants(self.process.pid) if comm(p) == name), 0)
        pid = until(look)
        if not pid:
            raise RuntimeError(f"no {name}: {log()}")
        EVERY_PID.append(pid)
        return pid

    def rest(self, pace=PACE_S):
        """Until the next may be killed."""
        time.sleep(max(0, self.killed_s + pace - time.monotonic()))

    def kill(self, name, pace=PACE_S):
        self.rest(pace)
        pid = self.child(name)
        os.kill(pid, signal.SIGKILL)
        self.killed_s = time.monotonic()
        until(lambda: gone(pid))
        return pid

    def end(self):
        self.process.terminate()
        status = self.process.wait(WAIT_S)
        self.log.close()
        return status


def log():
    with open(LOG, errors="replace") as f:
        return f.read()


def path(*parts):
    return os.path.join(MNT, *parts)


def content(name):
    with open(path("store", name), "rb") as f:
        return f.read()


def replacements():
    return int(sfs.flat("stats")["replacements"])


def goes_on():
    """Can a successor go on with the same mount? Before Linux 6.9 it mounts anew, which crash_adopt.py sees in any case."""
    able = "fuse_resend" in sfs.read("features").split()
    if not able:
        print("skip a successor goes on: this kernel cannot send requests again", flush=True)
    return able


def object_bytes(number):
    with open(sfs.compile_c(f"int f{number}(int x) {{ return x + {number}; }}", f"f{number}"), "rb") as f:
        return f.read()


def load(name, data):
    """cp; the errno of the first call that failed."""
    try:
        fd = os.open(path("store", name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    except OSError as e:
        return e.errno
    error = sfs.error_of(os.write, fd, data)
    closing = sfs.error_of(os.close, fd)
    return error or closing


def below(mounted):
    """Its processes, without the helper that unmounts at the end."""
    return [p for p in onetest.descendants(mounted.process.pid) if comm(p) not in ("", "fusermount3")]


def ends():
    """The last lines of such a test."""
    sfs.ok("no control group is left", not onetest.cgroups(EVERY_PID), onetest.cgroups(EVERY_PID))
    report = onetest.REPORT.search(log())
    sfs.ok("no sanitizer has a report", not report, report and log()[report.start():report.start() + 4000])
    subprocess.run(["rm", "-rf", FOLDER], check=False)
    sfs.done()
