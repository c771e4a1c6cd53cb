#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# root-only
"""[users] group: only its members, and root, enter the directories where users make objects; the rest is for everybody."""
import errno, os, stat, subprocess, sys, tempfile
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

GROUP = 20009
BUILD = os.environ["BUILD"]
good = open(sfs.compile_c("int one(void) { return 1; }", "one"), "rb").read()


def full(path):
    return os.path.join(sfs.MNT, path)


def load():
    with open(full(f"store/{os.getuid()}.o"), "wb") as f:
        f.write(good)


open_to_all = []
for name in sorted(os.listdir(sfs.MNT)):
    status = os.stat(full(name))
    if stat.S_ISDIR(status.st_mode):
        mode, gid = stat.S_IMODE(status.st_mode), status.st_gid
        if mode & 0o020:
            sfs.ok(f"{name} is the group's", (mode, gid) == (0o1770, GROUP), (oct(mode), gid))
        else:
            sfs.ok(f"{name} is everybody's to read", (mode, gid) == (0o555, 0), (oct(mode), gid))
        open_to_all += [name] if mode & 0o005 else []
sfs.ok("those that are not open to all are those where users write", {"store", "kernels"}.isdisjoint(open_to_all), open_to_all)
for what, work in (("load a codelet", load), ("make a kernel", lambda: os.mkdir(full(f"kernels/of{os.getuid()}"))),
                   ("run a kernel", lambda: sfs.read("kernels/cblas_sdot/params"))):
    got = sfs.error_as(20001, work, groups=[GROUP])
    sfs.ok(f"a member may {what}", got == 0, sfs.name_of(got))
    got = sfs.error_as(20002, work, groups=[])
    sfs.ok(f"another may not {what}", got == errno.EACCES, sfs.name_of(got))
    sfs.ok(f"root may {what}", sfs.error_of(work) == 0)
got = sfs.error_as(20002, lambda: sfs.read("README") and sfs.read("codelets/20001.o/info"), groups=[])
sfs.ok("the top, and what is loaded, are everybody's", got == 0, sfs.name_of(got))

# A group that there is not ends the start, with a sentence.
top = tempfile.mkdtemp(prefix="sfs-group-")
os.chmod(top, 0o755)
os.mkdir(os.path.join(top, "mnt"))
with open(os.path.join(top, "ini"), "w") as f:
    f.write("[users]\ngroup = no-such-group\n")
begun = subprocess.run([os.path.join(BUILD, "bin/sandboxfs"), "-f", "--state", os.path.join(top, "state"), "--config",
                        os.path.join(top, "ini"), os.path.join(top, "mnt")], capture_output=True, text=True, timeout=60, check=False)
sfs.ok("an unknown group is refused at the start", begun.returncode == 1 and "no group 'no-such-group'" in begun.stderr, begun)
subprocess.run(["rm", "-rf", top], check=False)
sfs.done()
