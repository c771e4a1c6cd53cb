#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# root-only
# no-mount
# plain-only
# deadline: 300
"""Every error of librocker_client from a sandboxfs that is there; rockers removed and daemons killed in the middle; threads."""
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import crash
import sfs

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENT = os.path.join(os.path.dirname(os.path.dirname(HERE)), "backends", "client")
UID, MAX = 1000, 16
POINTS = ("mkdir", "/spec", "/state", "/guard", "/ns/cgroup", "/ns/user", "/seccomp.bpf", "fork")
os.environ["SANDBOXFS_MOUNT"] = crash.MNT
produced = {}


def path(name):
    return os.path.join(sfs.TMP, name)


def compiled():
    subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-pthread", "-Wall", "-Wextra", "-Werror", "-I", CLIENT, "-o", path("codes"),
                    os.path.join(HERE, "client_codes.c"), os.path.join(os.environ["BUILD"], "librocker_client.a")], check=True)


def image():
    os.mkdir(path("app.d"))
    subprocess.run(["mksquashfs", path("app.d"), path("app.squashfs"), "-noappend", "-quiet", "-no-progress"], check=True, capture_output=True)
    with open(path("no.squashfs"), "w", encoding="utf-8") as f:
        f.write("no image\n")


def rockers():
    return sorted(name for name in os.listdir(os.path.join(crash.MNT, "rockers")) if name.startswith("lib-"))


def scenario(name, point="", word="", package="app.squashfs", data=None):
    """What it says; and that nothing is left of it in its process."""
    command = [path("codes"), name, point, path(package), path("opt"), data or path("data"), str(UID), word]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=60)
    except subprocess.TimeoutExpired:
        return {"err": "hangs"}
    said = dict((line.split(" ", 1) + [""])[:2] for line in done.stdout.splitlines())
    said["all"] = done.stdout + done.stderr
    what = f"{name} {point}".strip()
    sfs.ok(f"{what}: no descriptor is left", said.get("descriptors") == "0", said)
    sfs.ok(f"{what}: no child is left", said.get("children") == "0", said)
    return said


def code(err, name, *words, has="", **more):
    said = scenario(name, *words, **more)
    if sfs.ok(f"error {err} is told of {name}, with a sentence", said.get("err") == str(err) and has in said.get("sentence", ""), said):
        produced[err] = name
    if err:
        sfs.ok(f"{name}: no rocker is left", sfs.wait_for(lambda: not rockers()), rockers())


def too_many():
    """As many of root's as there may be."""
    names = [os.path.join(crash.MNT, "rockers", f"other{i}") for i in range(MAX)]
    for name in names:
        os.mkdir(name)
    code(4, "enter", has="mkdir")
    for name in names:
        os.rmdir(name)


def confined():
    """To whom the rocker's processes are not shown."""
    if "signals" in sfs.flat("machine").get("rocker_landlock", ""):
        code(8, "confined", has="ns/cgroup")


def codes():
    code(0, "enter")
    code(1, "few_descriptors", has="no pipe")
    code(2, "no_function", has="no function")
    code(3, "elsewhere", "", "mnt", has="'mnt'")
    code(5, "elsewhere", "", sfs.TMP, has="no sandboxfs answers")
    code(6, "removed", "/state", has="No such")
    code(7, "enter", package="no.squashfs")
    code(8, "guard_killed", "/ns/cgroup", has="ns/cgroup")
    code(9, "filtered", has="the app's seccomp")
    confined()
    code(10, "name_of_nobody", has="No such process")
    code(-1, "frozen", "/state", has="frozen")
    too_many()
    with open(os.path.join(CLIENT, "rocker.h"), encoding="utf-8") as f:
        known = {int(n) for n in re.findall(r"^\tROCKER_ERR_\w+ = (-?\d+),", f.read(), re.M)}
    sfs.ok("that were all errors that there are", set(produced) == known, known - set(produced))


def removed_in_the_middle():
    for point in POINTS:
        said = scenario("removed", point)
        # Where all is open already, the app may be as fast as the end of its rocker.
        allowed = {"5", "6", "7", "8", "9"} | ({"0"} if point == "fork" else set())
        sfs.ok(f"a rocker removed at {point} is an error", said.get("err") in allowed, said)
    said = scenario("frozen", "fork")
    sfs.ok("one that is frozen when it is entered is an error in the end", said.get("err") == "9", said)
    sfs.ok("no removed rocker is left", sfs.wait_for(lambda: not rockers()), rockers())


def killed_in_the_middle(mount):
    for who, points in (("daemon", POINTS), ("launcher", ("/state", "/guard", "/seccomp.bpf"))):
        for point in points:
            pid = paced(mount, who)
            said = scenario("killed", point, str(pid))
            sfs.ok(f"a {who} that is killed at {point} does not hang the caller", said.get("err") in [str(n) for n in (-1, 0, *range(4, 10))], said)
            sfs.ok(f"{who}, {point}: another serves", crash.until(lambda: mount.child(who) != pid))
            sfs.ok(f"{who}, {point}: and a rocker is entered again", sfs.wait_for(lambda: scenario("enter").get("err") == "0"))
    sfs.ok("what was being made is swept", sfs.wait_for(lambda: scenario("enter").get("removed") == "0" and not rockers()), rockers())


def paced(mount, who):
    """The pid of who is going to be killed, not before the mount can bear that."""
    pid = mount.child(who)
    crash.time.sleep(crash.PACE_S)
    return pid


def threads():
    said = scenario("threads")
    sfs.ok("eight threads enter ten rockers each", said.get("err") == "0" and "thread" not in said, said)
    sfs.ok("no two of which have guards of one name", said.get("distinct") == "80", said)


def long_names():
    """As long as a path can be, and one more."""
    begin = path("deep") + "/"
    for size, wanted in ((4095, ("0", "7")), (4096, ("7",))):
        data = begin
        while len(data) < size:
            data += "d" * min(200, size - len(data)) + "/"
        data = data[:size].rstrip("/")
        data += "d" * (size - len(data))
        said = scenario("enter", data=data)
        sfs.ok(f"a data directory of {size} bytes is taken or refused", said.get("err") in wanted and (said["err"] == "0") == (not said.get("sentence")),
               (said.get("err"), said.get("sentence")))
    mount = crash.MNT + "/." * ((4095 - 128 - len(crash.MNT)) // 2)
    said = scenario("elsewhere", "", mount)
    sfs.ok("a mount with the longest name that can be had is entered", said.get("err") == "0", said)
    said = scenario("elsewhere", "", mount + "/././")
    sfs.ok("a longer one is refused", said.get("err") == "3", said)


def main():
    if not shutil.which("mksquashfs"):
        print("skip client_codes: no mksquashfs to make an image with")
        return 0
    os.chmod(sfs.TMP, 0o755)
    compiled()
    image()
    mount = crash.Mounted(f"[rockers]\nmax = {MAX}\n")
    codes()
    removed_in_the_middle()
    threads()
    long_names()
    killed_in_the_middle(mount)
    sfs.ok("the mount ends", mount.end() == 0, crash.log())
    return sfs.done()


if __name__ == "__main__":
    sys.exit(main())
