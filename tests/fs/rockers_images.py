#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# deadline: 300
"""Packages that the kernel must not read are served by squashfuse in a jail: what is in them, and what they cannot do."""
import os, random, shlex, shutil, signal, subprocess, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import cells
import onetest
import sfs

ROOT, USER = sfs.ROLE == "root", 1000
PROGRAM = "squashfuse_ll"
LIES = 12  # images of which bytes are wrong
os.chmod(sfs.TMP, 0o755)


def path(name):
    return os.path.join(sfs.TMP, name)


def made(name, tree):
    """An image that is no root's: of the user 1000, or of who runs this."""
    subprocess.run(["mksquashfs", tree, path(name), "-noappend", "-quiet", "-no-progress", "-all-root"], check=True,
                   stdout=subprocess.DEVNULL)
    if ROOT:
        os.chown(path(name), USER, USER)
    os.chmod(path(name), 0o644)
    return path(name)


def tree():
    top = path("tree")
    os.mkdir(top)
    shutil.copy(shutil.which("busybox"), f"{top}/busybox")
    for i in range(40):
        with open(f"{top}/f{i}", "wb") as f:
            f.write(random.Random(i).randbytes(100000))
    with open(f"{top}/words", "w") as f:
        f.write("served\n")
    with open(f"{top}/closed", "w") as f:
        f.write("nobody's\n")
    os.chmod(f"{top}/closed", 0o600)
    return top


def package(image, **files):
    return cells.rocker("image", package=image, exec_dir="/opt/app", **files)


def servers():
    """Every process of this daemon's that serves an image."""
    found = []
    for pid in sfs.processes():
        try:
            with open(f"/proc/{pid}/comm") as f:
                if f.read().strip() == PROGRAM:
                    found.append(pid)
        except OSError:
            pass
    return found


def sh(name, line):
    return cells.command(name, "/opt/app/busybox sh -c " + shlex.quote(line))


def why(error, answer):
    return f"{sfs.name_of(error)} {answer[-300:]} {sfs.read('error')[-300:]}"


def status(pid):
    with open(f"/proc/{pid}/status") as f:
        return {k: v.strip() for k, _, v in (line.partition(":") for line in f)}


def serves(image):
    with package(image) as name:
        error, answer = sh(name, "cat /opt/app/words; /opt/app/busybox md5sum /opt/app/f7 | /opt/app/busybox cut -c1-32")
        wanted = subprocess.run(["md5sum", path("tree/f7")], capture_output=True, text=True, check=True).stdout[:32]
        sfs.ok("a package of no root's is read", not error and answer.split()[:2] == ["served", wanted], why(error, answer))
        error, answer = sh(name, "echo x > /opt/app/new")
        sfs.ok("and not written", "Read-only" in sfs.read(f"rockers/{name}/output") + answer, why(error, answer))
        error, answer = sh(name, "/opt/app/busybox cat /opt/app/closed")
        sfs.ok("its modes are kept", "denied" in sfs.read(f"rockers/{name}/output") + answer, why(error, answer))
        jailed()
    sfs.ok("its server goes with the rocker", sfs.wait_for(lambda: not servers()), servers())


def jailed():
    """How the server of the one rocker stands."""
    pids = servers()
    if not sfs.ok("there is one server", len(pids) == 1, pids):
        return
    told = status(pids[0])
    uids = set(told["Uid"].split())
    good = len(uids) == 1 and not uids & {"0", str(USER)} if ROOT else uids == {str(os.getuid())}
    sfs.ok("server: an id that is nobody's", good, uids)
    sfs.ok("server: no capabilities", all(int(told[c], 16) == 0 for c in ("CapEff", "CapPrm", "CapBnd", "CapAmb")), told)
    sfs.ok("server: no new privileges, a filter", told["NoNewPrivs"] == "1" and told["Seccomp"] == "2", told)
    own = [os.readlink(f"/proc/{pids[0]}/ns/{n}") != os.readlink(f"/proc/self/ns/{n}")
           for n in ("mnt", "pid", "net", "ipc", "uts", "user", "cgroup")]
    sfs.ok("server: namespaces of its own", all(own), own)
    seen = sorted(os.listdir(f"/proc/{pids[0]}/root"))
    sfs.ok("server: sees its program and libraries", set(seen) <= {"usr", "lib", "lib64", "etc", "proc"} and
           os.listdir(f"/proc/{pids[0]}/root/etc") in (["ld.so.cache"], []), seen)
    with open(f"/proc/{pids[0]}/mounts") as f:
        writable = [line for line in f if "ro" not in line.split()[3].split(",") and line.split()[2] != "proc"]
    sfs.ok("server: can write nowhere", not writable, writable)
    with open(f"/proc/{pids[0]}/oom_score_adj") as f:
        sfs.ok("server: goes first", f.read().strip() == "1000")
    if ROOT:
        with open(f"/proc/{pids[0]}/cgroup") as f:
            sfs.ok("server: is limited with its rocker", "sandboxfs-" in f.read())


part = sys.argv[1:] or None
if not (shutil.which("mksquashfs") and os.path.exists("/usr/bin/" + PROGRAM) and shutil.which("busybox")):
    print("skip images: mksquashfs, squashfuse or busybox is not here")
    sfs.done()
folder = tree()
served = made("app.squashfs", folder)
try:
    serves(served)
except (OSError, ValueError) as e:
    sfs.ok("serves", False, repr(e))
sfs.done()
