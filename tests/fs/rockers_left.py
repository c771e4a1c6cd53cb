#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# deadline: 240
"""Thirty rockers (SFS_ROCKERS; fewer on a slow machine) are made, used and removed, then others are killed with their daemon:
nothing is left of any."""
import collections, os, re, shlex, shutil, signal, subprocess, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import onetest
import cells
import sfs

MANY, ROOT, GROUPS = int(os.environ.get("SFS_ROCKERS", max(6, 30 // onetest.PATIENCE))), sfs.ROLE == "root", "/sys/fs/cgroup"
STATE = os.environ["STATE"]
os.chmod(sfs.TMP, 0o755)


def compiled():
    folder = os.path.join(sfs.TMP, "bin")
    os.mkdir(folder)
    source = "#include <unistd.h>\nint main(int c, char **v) { (void)v; if (c > 1) for (;;) pause(); return 0; }\n"
    subprocess.run(["gcc", "-O1", "-static", "-x", "c", "-o", f"{folder}/wait", "-"], input=source.encode(), check=True)
    return folder


def image(folder):
    """A package, which takes a loop device, where that can be."""
    path = os.path.join(sfs.TMP, "image.squashfs")
    if not (ROOT and shutil.which("mksquashfs")):
        return None
    subprocess.run(["mksquashfs", folder, path, "-noappend", "-quiet", "-all-root"], check=True, stdout=subprocess.DEVNULL)
    return path


def lines(path):
    with open(path) as f:
        return sorted(f.read().splitlines())


def groups(pids=None):
    """Control groups of this daemon's, or of processes that there were; their numbers name them."""
    family = {f"sandboxfs-{p}" for p in pids or sfs.processes() + [daemon]}
    found = []  # without their numbers: a pool has others of its kind by now
    for folder, below, _ in os.walk(GROUPS):
        parts = set(folder.split("/"))
        if family & parts:
            found.append(re.sub(r"/r\d+", "/r", folder))
        elif not family & set(below):
            below[:] = [n for n in below if not n.startswith("sandboxfs-")]
    return sorted(found)


def loops():
    out = subprocess.run(["losetup", "-a"], capture_output=True, text=True, check=False).stdout.splitlines()
    return sorted(line for line in out if sfs.TMP in line)


def files():
    return sorted(os.path.join(d, n) for d, _, names in os.walk(STATE) for n in names)


def commands():
    """What runs, but for this script itself, by what it is; a pool may hold some at any moment."""
    return sorted(onetest.command_of(p) for p in sfs.processes() if p != os.getpid())


def jobs():
    """Of this daemon's rockers: the same test may run as somebody else beside this one."""
    return [p for p in sfs.processes() if onetest.command_of(p).startswith(("/t/wait", "/opt/app/wait"))]


def seen():
    return {"mounts": lines("/proc/mounts"), "groups": groups(), "loops": loops(), "files": files(), "jobs": jobs()}


def resting():
    """What is seen once it has been the same for a while: on a busy machine pools take their time to be full."""
    now, since, end = seen(), time.monotonic(), time.monotonic() + sfs.patient(60)
    while time.monotonic() < min(since + 2, end):
        time.sleep(0.1)
        before, now = now, seen()
        since = since if now == before else time.monotonic()
    return now


def same(what, before, seconds=60):
    """Within that time everything is as it was, and no more processes run than then."""
    now = {}

    def as_before(key):
        """Of groups there may have been more: those of rockers made ahead for who had just made some."""
        if key == "groups":
            return collections.Counter(now[key]) <= collections.Counter(before[key])
        return now[key] == before[key]

    def settled():
        now.update(seen())
        return all(as_before(key) for key in before)
    good = sfs.wait_for(settled, seconds)
    for key, old in before.items():
        sfs.ok(f"{what}: {key} are as before", good or as_before(key),
               f"new {[x for x in now[key] if x not in old][:5]} missing {[x for x in old if x not in now[key]][:5]}")


def files_of(i):
    """What rocker number i is made of: all kinds of things by turns."""
    kinds = {"binds": f"{shlex.quote(folder)} /t ro\n", "time__max_ms": "600000"}
    if i % 3 == 0:
        kinds["overlays"] = "/etc"
    if i % 5 == 0:
        kinds["network"] = "loopback"
    if i % 4 == 0 and package:
        kinds.update(package=package, exec_dir="/opt/app")
    return kinds


def make_and_use(name, i):
    cells.make(name, **files_of(i))
    error, answer = cells.command(name, "/t/wait")
    if error:
        raise OSError(error, f"{name}: {answer}")
    if i % 2:
        cells.start(name, "/opt/app/wait on" if "package" in files_of(i) else "/t/wait on")


def gentle():
    for i in range(MANY):
        make_and_use(f"left{i}", i)
    sfs.ok(f"{MANY} rockers are there", len([n for n in os.listdir(cells.ROCKERS) if n.startswith("left")]) == MANY)
    sfs.ok("and jobs run in them", sfs.wait_for(lambda: len(jobs()) == MANY // 2), len(jobs()))
    for i in range(MANY):
        os.rmdir(cells.path(f"left{i}"))


def child(name):
    """The daemon or the launcher that lives."""
    found = []

    def look():
        found[:] = [p for p in onetest.descendants(daemon) if comm(p) == name]
        return found
    sfs.wait_for(look)
    return found[0]


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm") as f:
            return f.read().strip()
    except OSError:
        return ""


def answers():
    try:
        return bool(sfs.read("version")) and os.listdir(cells.ROCKERS) is not None
    except OSError:
        return False


def killed(name):
    """The daemon or the launcher is killed while rockers are used."""
    what = f"the {name}"
    replaced = int(sfs.flat("stats")["replacements"])
    for i in range(6):
        make_and_use(f"killed{i}", i)
    pids = set(sfs.processes())
    os.kill(child(name), signal.SIGKILL)
    sfs.ok(f"{what} is killed: it is replaced", sfs.wait_for(lambda: replacements() > replaced, 60))
    sfs.ok(f"{what} is killed: the mount answers again", sfs.wait_for(answers, 60))
    sfs.ok(f"{what} is killed: its jobs end", sfs.wait_for(lambda: not jobs(), 60), len(jobs()))
    sfs.ok(f"{what} is killed: rockers can be removed", sfs.wait_for(remove_all, 60), os.listdir(cells.ROCKERS))
    pids -= set(sfs.processes())
    sfs.ok(f"{what} is killed: no group is left", sfs.wait_for(lambda: not groups(pids), 60), groups(pids))
    make_and_use("again", 1)
    os.rmdir(cells.path("again"))


def replacements():
    try:
        return int(sfs.flat("stats")["replacements"])
    except OSError:
        return 0


def remove_all():
    for name in os.listdir(cells.ROCKERS):
        if not name.startswith("killed"):
            continue
        try:
            os.rmdir(cells.path(name))
        except OSError:
            return False
    return not [n for n in os.listdir(cells.ROCKERS) if n.startswith("killed")]


folder = compiled()
package = image(folder)
daemon = next(p for p in sfs.processes() if "bin/sandboxfs" in onetest.command_of(p))
make_and_use("first", 0)  # what is made once for all is there from now on
os.rmdir(cells.path("first"))
start = resting()
gentle()
same("removed", start)
killed("daemon")
start.pop("groups")  # they have other names now
same("killed with the daemon", start)
killed("launcher")
same("killed with the launcher", start)
sfs.done()
