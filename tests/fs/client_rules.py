#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# root-only
# no-mount
# plain-only
# deadline: 180
"""A function that librocker_client made a process of lives under the rocker's filter and Landlock rules: attempts of the escape suite."""
import errno
import glob
import os
import shutil
import signal
import stat
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import crash
import escapes
import sfs

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
UID = 1000
os.environ["SANDBOXFS_MOUNT"] = crash.MNT
# What the profiles refuse, and what outside is to be had: the attempts of the suite by name.
REFUSED = {"keyctl": "EPERM", "bpf": "EPERM", "mount_tmpfs": "EPERM", "userfaultfd": "EPERM", "io_uring": "ENOSYS"}
# With descriptors that lead out: the one to who is in no namespace of its processes, the other through the rules alone.
KEPT = {"signal_kept": "EINVAL", "abstract_kept": "EPERM"}


def compiled():
    """With the suite's own sources, whose main is called otherwise."""
    path = os.path.join(sfs.TMP, "attempts")
    suite = os.path.join(sfs.TMP, "suite.o")
    flags = ["-std=gnu17", "-D_GNU_SOURCE", "-pthread", "-O1"]
    parts = []
    for source in sorted(glob.glob(os.path.join(TOP, "tests", "escape", "*.c"))):
        parts.append(suite + os.path.basename(source) + ".o")
        subprocess.run(["gcc", *flags, "-Dmain=attempt_main", "-c", "-o", parts[-1], source], check=True)
    subprocess.run(["gcc", *flags, "-Wall", "-Werror", "-I", os.path.join(TOP, "backends", "client"), "-o", path,
                    os.path.join(HERE, "client_attempts.c"), *parts, os.path.join(os.environ["BUILD"], "librocker_client.a")], check=True)
    return path


def image():
    folder, path = os.path.join(sfs.TMP, "app.d"), os.path.join(sfs.TMP, "app.squashfs")
    os.mkdir(folder)
    subprocess.run(["mksquashfs", folder, path, "-noappend", "-quiet", "-no-progress"], check=True, capture_output=True)
    return path


def attempts(program, package, names, words=()):
    command = [program, package, os.path.join(sfs.TMP, "opt"), os.path.join(sfs.TMP, "data"), str(UID), *names, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return dict((line.split(" ", 1) + [""])[:2] for line in done.stdout.splitlines()) | {"stderr": done.stderr}


def outside(program):
    """The same function, called outside: nothing stands in its way."""
    over = os.path.join(sfs.TMP, "over")
    os.mkdir(over)
    said = attempts(program, "outside", ["whiteout", *REFUSED, *KEPT], [f"over={over}", f"rw={over}"])
    for name in (*REFUSED, "whiteout", *KEPT):
        if name in REFUSED and said.get(name) in ("ENOSYS", "EOPNOTSUPP", "EPERM"):
            print(f"skip client_rules: this machine has no {name} for anybody")
        else:
            sfs.ok(f"{name} is to be had outside", said.get(name) == "ESCAPED", said)


def refused(program, package, profile):
    mount = crash.Mounted(f"[rockers]\nseccomp = {profile}\n")
    scopes = "signals" in sfs.flat("machine").get("rocker_landlock", "")
    devices = "devices" in sfs.flat("machine").get("rocker_landlock", "")
    said = attempts(program, package, ["whiteout", "node_tmp", *REFUSED, *KEPT], ["over=/tmp", "rw=/tmp"])
    sfs.ok(f"{profile}: a function is begun", said.get("result", "").split()[:1] == ["0"], said)
    if profile == "strict":
        sfs.ok("strict: the first call that is refused ends the process by SIGSYS", said.get("ended") == f"-1 {int(signal.SIGSYS)}", said)
    else:
        for name, wanted in REFUSED.items():
            sfs.ok(f"{profile}: {name} is {wanted}", said.get(name) == wanted, said)
        device = "EACCES" if devices and profile != "default" else "EPERM"
        sfs.ok(f"{profile}: mknod of a device is {device}", said.get("node_tmp") == device, said)
        if profile == "default":  # Landlock takes one for a device or not, as the kernel has it
            sfs.ok("default: mknod of a whiteout is EPERM", said.get("whiteout") == "EPERM", said)
        for name, wanted in KEPT.items() if scopes else ():
            sfs.ok(f"{profile}: {name} is {wanted}, although it was given the descriptor", said.get(name) == wanted, said)
        sfs.ok(f"{profile}: and the function ends as ever", said.get("ended") == "0 0", said)
    sfs.ok(f"{profile}: the mount ends", mount.end() == 0, crash.log())


def all_calls(program, package):
    """Every attempt of the suite that a system call alone decides: the same answer as in a job."""
    mount = crash.Mounted()
    listed = subprocess.run([program, "outside", "-", "-", str(UID), "list"], capture_output=True, text=True, check=False).stdout
    suite = [escapes.Attempt(line) for line in listed.splitlines() if len(line.split()) > 5]
    wanted = {a.name: a.want for a in suite if escapes.SYSCALL in a and not any(f in a for f in (escapes.APART, escapes.ALLOWED, escapes.CANNOT))}
    said = attempts(program, package, list(wanted), ["over=/tmp", "rw=/tmp"])
    wrong = {name: (want, said.get(name)) for name, want in wanted.items() if said.get(name) != want}
    sfs.ok(f"each of {len(wanted)} calls answers as in a job", len(wanted) > 40 and not wrong, wrong)
    mount.end()


def the_file():
    """seccomp.bpf: for root and the rocker's owner, as long as it says, and that of the profile at the next building."""
    mount = crash.Mounted()
    folder = os.path.join(crash.MNT, "rockers", "one")
    os.mkdir(folder)
    path = os.path.join(folder, "seccomp.bpf")
    status = os.stat(path)
    with open(path, "rb") as f:
        default = f.read()
    sfs.ok("seccomp.bpf is read by its owner alone", stat.S_IMODE(status.st_mode) == 0o400, oct(status.st_mode))
    sfs.ok("its size is that of its instructions", len(default) == status.st_size > 0 and len(default) % 8 == 0, (len(default), status))
    sfs.ok("others may not read it", sfs.error_as(65534, open, path, "rb") == errno.EACCES)
    sfs.ok("nobody can write it", sfs.error_of(os.open, path, os.O_WRONLY) != 0)
    sfs.write("rockers/one/seccomp", "open\n")
    sfs.wait_for(lambda: sfs.read("rockers/one/state").strip() == "ready")
    with open(path, "rb") as f:
        sfs.ok("another profile does not change the filter of the guard that is there", f.read() == default)
    sfs.write("rockers/one/kill", "guard\n")
    sfs.wait_for(lambda: sfs.read("rockers/one/state").strip() == "dead")
    with open(path, "rb") as f:
        sfs.ok("the next guard's filter is the other profile's", f.read() not in (b"", default))
    os.rmdir(folder)
    mount.end()


def main():
    if not shutil.which("mksquashfs"):
        print("skip client_rules: no mksquashfs to make an image with")
        return 0
    os.chmod(sfs.TMP, 0o755)
    program, package = compiled(), image()
    the_file()
    outside(program)
    for profile in ("default", "open", "strict"):
        refused(program, package, profile)
    all_calls(program, package)
    return sfs.done()


if __name__ == "__main__":
    sys.exit(main())
