#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# root-only
# plain-only
# deadline: 180
"""librocker_client against sandboxfs: the example of ROCKER's documentation, and what a function that entered has and has not."""
import ctypes
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENT = os.path.join(os.path.dirname(os.path.dirname(HERE)), "backends", "client")
BUILD = os.environ["BUILD"]
UID = 1000
PR_SET_CHILD_SUBREAPER = 36
EXAMPLE_PACKAGE, EXAMPLE_FOLDER = "/tmp/your_APP.squashfs", "/var/your_APP"
os.environ["SANDBOXFS_MOUNT"] = sfs.MNT


def compiled(source, name, *words, compiler="gcc"):
    path = os.path.join(sfs.TMP, name)
    command = [compiler, "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-I", CLIENT, "-o", path, os.path.join(HERE, source), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    sfs.ok(f"{name} compiles", done.returncode == 0, done.stderr)
    return path


def programs():
    static = os.path.join(BUILD, "librocker_client.a")
    # Before the program can be loaded its library is found by the name that is in it.
    shutil.copy(os.path.join(BUILD, "librocker_client.so"), os.path.join(sfs.TMP, "librocker_client.so.1"))
    os.symlink("librocker_client.so.1", os.path.join(sfs.TMP, "librocker_client.so"))
    compiled("client_app.c", "app_shared", "-L", sfs.TMP, "-lrocker_client", "-Wl,-rpath," + sfs.TMP)
    compiled("client_app.c", "app_cxx", static, compiler="g++")
    if shutil.which("musl-gcc"):
        parts = sorted(os.path.join(CLIENT, name) for name in os.listdir(CLIENT) if name.endswith(".c"))
        compiled("client_app.c", "app_musl", "-static", *parts, compiler="musl-gcc")
    return compiled("client_app.c", "app", static), compiled("client_example.c", "example", static)


def image(path):
    folder = os.path.join(sfs.TMP, "app.d")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "hello"), "w", encoding="utf-8") as f:
        f.write("hello from the package\n")
    subprocess.run(["mksquashfs", folder, path, "-noappend", "-quiet", "-no-progress"], check=True, capture_output=True)


def rockers():
    return sorted(name for name in os.listdir(os.path.join(sfs.MNT, "rockers")) if name.startswith("lib-"))


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def proc(pid, name):
    with open(f"/proc/{pid}/{name}", encoding="utf-8", errors="replace") as f:
        return f.read()


class App:
    """A program that has entered a rocker, as far as the app's last fact."""

    def __init__(self, program, data, uid=UID, more=(), **options):
        words = [program, os.path.join(sfs.TMP, "app.squashfs"), os.path.join(sfs.TMP, "opt", "app"), data, str(uid), *more]
        self.p = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
        self.facts, self.err, self.app, self.guard, self.name = {}, None, 0, 0, ""
        for line in self.p.stdout:
            key, value = (line.split(None, 1) + ["", ""])[:2]
            self.facts[key.rstrip(":")] = value.strip()
            if key == "result":
                err, app, guard, self.name = (value.split() + [""])[:4]
                self.err, self.app, self.guard = int(err), int(app), int(guard)
            if {"told", "result", "pidfds"} <= set(self.facts):
                break

    def end(self, by_itself=False):
        """What it says at its end, which is that of its input."""
        if by_itself:
            out = self.p.stdout.read()
        else:
            out, _ = self.p.communicate(timeout=sfs.patient(60))
        self.p.wait(sfs.patient(60))
        return dict(line.split(" ", 1) for line in out.splitlines() if " " in line)


def check_facts(app, uid=UID):
    facts = app.facts
    for key, wanted in (("Uid", uid), ("Gid", uid)):
        sfs.ok(f"the app's {key} is that of the request", facts.get(key, "").split() == [str(wanted)] * 4, facts.get(key))
    sfs.ok("it has no supplementary group", facts.get("Groups") == "", facts.get("Groups"))
    for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        sfs.ok(f"its {key} is empty", int(facts.get(key, "1"), 16) == 0, facts.get(key))
    sfs.ok("it has no_new_privs", facts.get("no_new_privs") == "1", facts)
    sfs.ok("it is no root to an exec", int(facts.get("securebits", "0")) & 3 == 3, facts)
    sfs.ok("it cannot become root", not uid or facts.get("setuid") != "possible", facts)
    sfs.ok("no descriptor of the caller's is open", facts.get("fds") == "0", facts)
    sfs.ok("its environment is empty", facts.get("environment") == "0", facts)
    sfs.ok("its argument has arrived", facts.get("arg") == "argument", facts)
    sfs.ok("it is in the rocker's pid namespace", facts.get("ppid") == "0" and int(facts.get("pid", "1")) > 1, facts)
    sfs.ok("it reads the package", facts.get("package") == "hello from the package", facts)
    sfs.ok("it cannot write to the package", facts.get("package_write") == "Read-only file system", facts)
    sfs.ok("it cannot see the host", facts.get("hidden") == "No such file or directory", facts)
    sfs.ok("it may write to /usr", facts.get("write") == "possible", facts)


def check_outside(app):
    folder = os.path.join(sfs.MNT, "rockers", rockers()[-1])
    guard = sfs.flat(folder + "/guard")
    sfs.ok("there are pidfds of both", app.facts.get("pidfds") == "1", app.facts)
    sfs.ok("the guard is the one that the rocker shows", guard == {"pid": str(app.guard), "name": app.name}, guard)
    sfs.ok("the guard has the name that was returned", proc(app.guard, "comm").rstrip("\n") == app.name, app.name)
    sfs.ok("the app is a child of the caller", proc(app.app, "stat").rsplit(")", 1)[1].split()[1] == str(app.p.pid))
    for name in ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts"):
        mine, theirs, its = (os.readlink(f"/proc/{pid}/ns/{name}") for pid in (app.p.pid, app.guard, app.app))
        sfs.ok(f"it is in the rocker's {name} namespace, the caller is not", its == theirs != mine, (mine, theirs, its))
    sfs.ok("it is in the rocker's control groups", proc(app.app, "cgroup") == proc(app.guard, "cgroup"),
           proc(app.app, "cgroup") + proc(app.guard, "cgroup"))
    return folder


def an_app_ends_its_rocker(program):
    data = os.path.join(sfs.TMP, "data")
    leaked = os.open("/", os.O_RDONLY)
    os.set_inheritable(leaked, True)
    app = App(program, data, close_fds=False)
    os.close(leaked)
    if not sfs.ok("a rocker is entered", app.err == 0, app.facts):
        return
    check_facts(app)
    folder = check_outside(app)
    ended = app.end()
    sfs.ok("the caller waits for the app, whose value is its status", ended.get("ended") == "42 -1", ended)
    sfs.ok("the guard ends with the last process", sfs.wait_for(lambda: not alive(app.guard)))
    sfs.ok("the rocker is dead then", sfs.wait_for(lambda: sfs.read(folder + "/state").strip() == "dead"), sfs.read(folder + "/state"))
    written = os.path.join(data, ".upperdir____usr", "a_fake_file")
    with open(written, encoding="utf-8") as f:
        sfs.ok("what it wrote to /usr is in its data directory", f.read() == "written inside\n")
    sfs.ok("and belongs to the request's user", os.stat(written).st_uid == UID, os.stat(written))
    sfs.ok("the host's /usr is as it was", not os.path.exists("/usr/a_fake_file"))


def a_guard_takes_its_app_along(program):
    before = rockers()
    app = App(program, os.path.join(sfs.TMP, "data"))
    if not sfs.ok("another is entered", app.err == 0, app.facts):
        return
    sfs.ok("the dead one of a process that has ended was removed by that", before and not set(before) & set(rockers()), rockers())
    os.kill(app.guard, signal.SIGKILL)
    ended = app.end(by_itself=True)
    sfs.ok("kill of the guard ends the app", ended.get("ended") == f"-1 {int(signal.SIGKILL)}", ended)


def kill_reaches_an_app(program):
    """Which is in Landlock rules of its own, where the guard's end at signals; and the rest of the world is not reached."""
    app = App(program, os.path.join(sfs.TMP, "data"))
    if not sfs.ok("an app that is to be killed is entered", app.err == 0, app.facts):
        return
    folder = os.path.join(sfs.MNT, "rockers", rockers()[-1])
    sfs.write(folder + "/kill", "WINCH\n")
    sfs.write(folder + "/kill", "TERM\n")
    ended = app.end(by_itself=True)
    sfs.ok("kill of the rocker reaches it", ended.get("ended") == f"-1 {int(signal.SIGTERM)}", ended)
    sfs.ok("and the guard ends, too", sfs.wait_for(lambda: sfs.read(folder + "/state").strip() == "dead"), sfs.read(folder + "/state"))


def a_rocker_is_removed(program):
    app = App(program, os.path.join(sfs.TMP, "data"), more=["remove"])
    sfs.ok("a third is entered", app.err == 0, app.facts)
    ended = app.end()
    sfs.ok("ROCKER_remove succeeds", ended.get("removed") == "0", ended)
    sfs.ok("and leaves none", sfs.wait_for(lambda: not rockers()), rockers())


def variants():
    for name in sorted(name for name in os.listdir(sfs.TMP) if name.startswith("app_")):
        app = App(os.path.join(sfs.TMP, name), os.path.join(sfs.TMP, "data"), more=["remove"])
        sfs.ok(f"{name} enters", app.err == 0, app.facts)
        app.end()


def a_program_is_executed(program):
    app = App(program, os.path.join(sfs.TMP, "data"), more=["exec"])
    app.end()
    sfs.ok("what the app executes is no more than it was", app.facts.get(f"uid={UID}") == f"gid={UID} groups={UID}", app.facts)


def root_inside(program):
    """It is called so, and has no right of root's, neither there nor on the host."""
    data = os.path.join(sfs.TMP, "data0")
    app = App(program, data, uid=0, more=["remove"])
    if not sfs.ok("an app that is called root enters", app.err == 0, app.facts):
        return
    check_facts(app, 0)
    ids = {x for line in proc(app.app, "status").splitlines() if line.startswith(("Uid:", "Gid:")) for x in line.split()[1:]}
    sfs.ok("on the host it is another", len(ids) == 1 and "0" not in ids, ids)
    app.end()
    st = os.stat(os.path.join(data, ".upperdir____usr", "a_fake_file"))
    sfs.ok("and so is who has written its files", {str(st.st_uid), str(st.st_gid)} == ids, (st.st_uid, st.st_gid, ids))
    app = App(program, data, uid=0, more=["caps"])
    app.end(by_itself=True)
    caps = {key: value for key, value in app.facts.items() if key.startswith("Cap")}
    sfs.ok("what it executes has no capability", len(caps) == 5 and not any(int(x, 16) for x in caps.values()), app.facts)


def who_is_not_root_is_told(program):
    own = os.path.join(sfs.TMP, "nobodys")
    os.mkdir(own)
    os.chown(own, 65534, 65534)
    for uid, wanted, why in ((UID, 7, "somebody else's id is not to be had"), (65534, 8, "namespaces are for root")):
        app = App(program, os.path.join(own, "data"), uid, user=65534, group=65534, extra_groups=[])
        app.end()
        sfs.ok(f"who is not root is told: {why}", app.err == wanted, app.facts)
    sfs.ok("and leaves no rocker", sfs.wait_for(lambda: not rockers()), rockers())


def refusals(program):
    missing = App(program, os.path.join(sfs.TMP, "data", "..", "data"))
    missing.end()
    sfs.ok("what sandboxfs refuses is a failure to build, with its sentence", missing.err == 7 and ".." in missing.facts.get("sentence", ""),
           missing.facts)
    os.environ["SANDBOXFS_MOUNT"] = sfs.TMP
    absent = App(program, os.path.join(sfs.TMP, "data"))
    absent.end()
    os.environ["SANDBOXFS_MOUNT"] = sfs.MNT
    sfs.ok("no sandboxfs there is a failure to send", absent.err == 5, absent.facts)
    sfs.ok("neither leaves a rocker", not rockers(), rockers())


def states():
    """Of all rockers. The example does not wait for its app, and a guard ends only when all beside it have been waited for."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    return {sfs.read(f"rockers/{name}/state").strip() for name in rockers()}


def documented(program):
    """Its paths are fixed: one at a time on this machine."""
    lock = os.open(os.path.dirname(EXAMPLE_FOLDER), os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    image(EXAMPLE_PACKAGE)
    try:
        done = subprocess.run([program], capture_output=True, text=True, check=False, timeout=sfs.patient(60))
        sfs.ok("the documented example runs", done.returncode == 0, done.stderr)
        uppers = {name for name in os.listdir(EXAMPLE_FOLDER + "/datadir") if name.startswith(".upperdir____")}
        wanted = {".upperdir____" + name for name in ("usr", "var", "etc", "home", "root")}
        sfs.ok("its data directory holds a layer for each of its overlays", uppers == wanted, uppers)
        sfs.ok("its rocker has ended", sfs.wait_for(lambda: states() == {"dead"}), states())
    finally:
        shutil.rmtree(EXAMPLE_FOLDER, ignore_errors=True)
        os.unlink(EXAMPLE_PACKAGE)
        os.close(lock)


def finds_the_mount(program):
    """Without the variable the first mount counts that root has made; other tests' mounts are in other namespaces."""
    del os.environ["SANDBOXFS_MOUNT"]
    with open("/proc/self/mounts", encoding="utf-8") as f:
        first = [line.split()[1] for line in f if re.search(r" fuse\.sandboxfs .*user_id=0\b", line)]
    app = App(program, os.path.join(sfs.TMP, "data"), more=["remove"])
    app.end()
    sfs.ok("the mount is found by itself", app.err == 0 if first[:1] == [sfs.MNT] else app.err is not None, (first, app.facts))


def main():
    if not shutil.which("mksquashfs"):
        print("skip client_rocker: no mksquashfs to make an image with")
        return 0
    os.chmod(sfs.TMP, 0o755)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    app, example = programs()
    if not os.path.isdir(os.path.join(sfs.MNT, "rockers")):
        print("skip client_rocker: no rockers in this build")
        sfs.done()
    image(os.path.join(sfs.TMP, "app.squashfs"))
    an_app_ends_its_rocker(app)
    kill_reaches_an_app(app)
    a_guard_takes_its_app_along(app)
    a_rocker_is_removed(app)
    variants()
    a_program_is_executed(app)
    root_inside(app)
    who_is_not_root_is_told(app)
    refusals(app)
    finds_the_mount(app)
    os.environ["SANDBOXFS_MOUNT"] = sfs.MNT
    documented(example)
    return sfs.done()


if __name__ == "__main__":
    sys.exit(main())
