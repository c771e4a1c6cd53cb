#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs one script against a mount of its own, and sees that nothing is left of it: onetest.py SCRIPT BUILD ROLE SECONDS [no-mount].

What the script prints goes through. Added to it is a line "not ok": when the daemon does not start or end, and for each process,
mount, control group or sanitizer report that stays behind.
"""
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

# How many times slower a machine is than what tests are written for, in the eyes of whoever runs them there: only what gives up
# waits longer.
PATIENCE = int(os.environ.get("SFS_PATIENCE", "1"))
START_S, STOP_S, LEFT_S = 20 * PATIENCE, 20 * PATIENCE, 3 * PATIENCE
SANITIZER_OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99:check_initialization_order=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:exitcode=99",
    "TSAN_OPTIONS": "halt_on_error=0:exitcode=99:second_deadlock_stack=1:atexit_sleep_ms=100",
}
REPORT = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|LeakSanitizer has encountered|assertion .* failed", re.I)
PR_SET_CHILD_SUBREAPER = 36


def not_ok(what):
    print("not ok " + what.strip().replace("\n", " | "), flush=True)


def descendants(pid):
    """Every live process below pid, whoever adopted it on the way."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as f:
                state, parent = f.read().rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue
        if state != "Z":
            parents.setdefault(int(parent), []).append(int(name))
    found, todo = [], [pid]
    while todo:
        below = parents.get(todo.pop(), [])
        found += below
        todo += below
    return found


def command_of(pid):
    try:
        with open(f"/proc/{pid}/cmdline") as f:
            return f.read().replace("\0", " ").strip()
    except OSError:
        return "?"


def mounts():
    with open("/proc/self/mountinfo") as f:
        return [line.split()[4] for line in f]


def cgroups(pids, since=0):
    """Control groups that name one of these processes: other sandboxfs may run beside this one, and one that was killed may have
    left a group with a number that has come again since."""
    names = {f"sandboxfs-{pid}" for pid in pids}
    found = []
    for folder, below, _ in os.walk("/sys/fs/cgroup"):
        if names & set(folder.split("/")):
            found += [folder] if changed(folder) >= since else []
        elif not names & set(below):
            below[:] = [name for name in below if not name.startswith("sandboxfs-")]
    return found


def changed(folder):
    try:
        return os.stat(folder).st_mtime
    except OSError:
        return 0  # gone meanwhile


class Mount:
    """A daemon in the foreground, with its mount point, state and standard error in one temporary folder."""

    def __init__(self, script, build, role):
        self.began = time.time()
        self.folder = tempfile.mkdtemp(prefix="sfs-mount-")
        os.chmod(self.folder, 0o755)
        self.point = os.path.join(self.folder, "mnt")
        self.state = os.path.join(self.folder, "state")
        self.log = os.path.join(self.folder, "daemon.log")
        os.mkdir(self.point)
        self.words = [os.path.join(build, "bin", "sandboxfs"), "-f", "--state", self.state]
        self.words += ["--config", self.configure(os.path.splitext(script)[0] + ".ini")]
        self.env = dict(os.environ, MNT=self.point, STATE=self.state, BUILD=build, ROLE=role, LOG=self.log,
                        XDG_STATE_HOME=os.path.join(self.folder, "xdg"), **SANITIZER_OPTIONS)
        self.process, self.pids = None, []

    def configure(self, wanted):
        """Tests run beside each other, with sanitizers: an upload is to end by its deadline only where that is what is tested."""
        text = ""
        if os.path.exists(wanted):
            with open(wanted, encoding="utf-8") as f:
                text = f.read()
        path = os.path.join(self.folder, "config.ini")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text if "request_ms" in text else text + "\n[limits]\nrequest_ms = 60000\n")
        return path

    def start(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.words + [self.point], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=self.env)
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                not_ok(f"the daemon ended at once with status {self.process.returncode}: {self.tail()}")
                return False
            if os.path.ismount(self.point) and os.path.exists(os.path.join(self.point, "README")):
                self.pids = [self.process.pid] + descendants(self.process.pid)
                return True
            time.sleep(0.02)
        not_ok(f"no mount after {START_S} s: {self.tail()}")
        return False

    def stop(self, role):
        """Both ways to end: unmounting for root, a signal for the user. A script that did it before is fine."""
        self.pids += descendants(self.process.pid)  # some may have been replaced
        if self.process.poll() is None:
            if role == "root":
                subprocess.run(["umount", self.point], check=False, stderr=subprocess.DEVNULL)
            else:
                self.process.terminate()
        try:
            status = self.process.wait(STOP_S)
            if status != 0:
                not_ok(f"the daemon ended with status {status}: {self.tail()}")
        except subprocess.TimeoutExpired:
            not_ok(f"the daemon did not end in {STOP_S} s: {self.tail()}")

    def tail(self):
        with open(self.log, errors="replace") as f:
            return " | ".join(f.read().splitlines()[-12:])

    def reports(self):
        with open(self.log, errors="replace") as f:
            text = f.read()
        found = REPORT.search(text)
        if found:
            not_ok("sanitizer report: " + found.group(0))
            print(text[found.start():found.start() + 6000])
        elif text.strip():
            print("# daemon: " + self.tail())


def left_behind(mount, mounts_before):
    end = time.monotonic() + LEFT_S
    while descendants(os.getpid()) and time.monotonic() < end:
        reap()
        time.sleep(0.05)
    for pid in descendants(os.getpid()):
        not_ok(f"a process was left: {pid} {command_of(pid)}")
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # it went with the one before
    for point in mounts():
        if point not in mounts_before:
            not_ok("a mount was left: " + point)
            subprocess.run(["umount", "-l", point], check=False)
    while cgroups(mount.pids, mount.began) and time.monotonic() < end:
        time.sleep(0.05)
    for group in cgroups(mount.pids, mount.began):
        not_ok("a control group was left: " + group)


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def run_script(script, env, seconds):
    words = [sys.executable if script.endswith(".py") else "bash", script]
    with subprocess.Popen(words, env=env, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT) as p:
        try:
            p.wait(seconds)
        except subprocess.TimeoutExpired:
            not_ok(f"{os.path.basename(script)} was not done after {seconds} s")
            for pid in [p.pid] + descendants(p.pid):
                os.kill(pid, signal.SIGKILL)
    return p.returncode


def main(script, build, role, seconds, *options):
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before = mounts()
    mount = Mount(script, build, role)
    os.chdir(mount.folder)
    status, wants = 0, "no-mount" not in options
    started = wants and mount.start()
    if started or not wants:
        status = run_script(script, mount.env, int(seconds))
    if started:
        mount.stop(role)
    left_behind(mount, before)
    if wants:
        mount.reports()
    os.chdir("/")
    shutil.rmtree(mount.folder, ignore_errors=True)
    return 0 if status == 0 and (started or not wants) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
