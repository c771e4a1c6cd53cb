#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is mounted below a bound directory stays outside: the host's /proc and this file system itself would be ways out."""
import errno
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import cells
import sfs
from sfs import MNT, ROLE, TMP, ok, read


def bind(lines):
    """The errno of the write or of its close, and the sentence."""
    fd = os.open(f"{MNT}/rockers/a/binds", os.O_WRONLY)
    try:
        os.write(fd, lines.encode())
        os.close(fd)
        return 0, ""
    except OSError as e:
        return e.errno, read("rockers/a/error")


program = os.path.join(TMP, "bin")
os.mkdir(program)
os.chmod(TMP, 0o755)
sfs.subprocess.run(["cp", "/bin/busybox", program], check=True)
os.mkdir(f"{MNT}/rockers/a")

for path in ("/proc", "/proc/1", "/proc/self/fd", "/proc/sys/kernel"):
    error, said = bind(f"{program} /t ro\n{path} /x ro\n")
    ok(f"{path} is refused", error in (errno.EPERM, errno.ELOOP, errno.EACCES), (error, said))
    if path == "/proc":
        ok("with a sentence", "host" in said and "/proc" in said, said)
groups = [line.split()[1] for line in open("/proc/mounts", encoding="utf-8") if line.split()[2] in ("cgroup", "cgroup2")]
for path in groups[:2]:
    error, said = bind(f"{program} /t ro\n{path} /x ro\n")
    ok(f"the control group {os.path.basename(path)} is refused", error == errno.EPERM, (error, said))

error, said = bind(f"{program} /t ro\n/ /host ro\n")
if ROLE == "root":
    ok("all of the root file system", error == 0, (error, said))
    for below in ("proc", MNT.lstrip("/")):
        rc, answer = cells.command("a", f"/t/busybox ls -A /host/{below}")
        ok(f"/{below} is empty in it", rc == 0 and not answer.strip(), (rc, answer[:200]))
    rc, answer = cells.command("a", "/t/busybox cat /host/etc/debian_version")
    ok("what is on it is there", rc == 0 and answer.strip(), answer)
    rc, answer = cells.command("a", "/t/busybox grep -c /host /proc/self/mounts")
    ok("as one mount", answer.strip() == "1", answer)
else:
    error, said = (error, said) if error else cells.command("a", "/t/busybox true")
    ok("a directory with others below is refused to an ordinary user", error == errno.EPERM, (error, said))
    ok("and said why", "below" in said, said)
# A path that somebody in another root directory names would be one that he cannot see. (As root: chroot(2) needs it.)
if ROLE == "root":
    jail = os.path.join(TMP, "jail")
    for folder in ("mnt", "bin", "proc"):
        os.makedirs(f"{jail}/{folder}")
    sfs.subprocess.run(["cp", "/bin/busybox", f"{jail}/bin"], check=True)
    sfs.subprocess.run(["mount", "--bind", MNT, f"{jail}/mnt"], check=True)
    try:
        for file, value in (("binds", "/usr /usr ro"), ("data_dir", TMP), ("overlays", "/etc"), ("package", "/bin/busybox")):
            p = sfs.subprocess.run(["chroot", jail, "/bin/busybox", "sh", "-c", f"printf '%s\\n' '{value}' >/mnt/rockers/a/{file}; "
                                    f"/bin/busybox cat /mnt/rockers/a/error"], stdout=sfs.subprocess.PIPE, check=False, text=True)
            ok(f"{file} is not taken from another root", "EPERM" in p.stdout and "root directory" in p.stdout, p.stdout)
            ok(f"{file} is what it was", value not in read(f"rockers/a/{file}"))
        p = sfs.subprocess.run(["chroot", jail, "/bin/busybox", "sh", "-c", "echo 32M >/mnt/rockers/a/memory.max; /bin/busybox cat /mnt/rockers/a/memory.max"],
                               stdout=sfs.subprocess.PIPE, check=False, text=True)
        ok("what names no path is", p.stdout.strip() == str(32 << 20), p.stdout)
    finally:
        sfs.subprocess.run(["umount", f"{jail}/mnt"], check=True)
    p = sfs.subprocess.run(["unshare", "-m", "sh", "-c", f"echo {TMP} >{MNT}/rockers/a/data_dir"], check=False)
    ok("a mount namespace with the same root may", p.returncode == 0 and TMP in read("rockers/a/data_dir"), read("rockers/a/error"))
os.rmdir(f"{MNT}/rockers/a")
sfs.done()
