#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# root-only
# no-mount
# plain-only
"""The escape suite without a sandbox: every attempt gets what it is after, but for those that this machine's kernel denies to all.

It runs as root in a network, uts and ipc namespace of its own, each attempt in a mount and a pid namespace of its own,
so that the host is not harmed by what succeeds; the user namespace is the host's.
"""
import ctypes, fcntl, os, socket, struct, subprocess, sys, threading
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import escapes
import sfs

NEWUTS, NEWIPC, NEWNET = 0x04000000, 0x08000000, 0x40000000
SIOCSIFFLAGS, SIOCSIFADDR, IFF_UP = 0x8914, 0x8916, 1
FAR = "192.0.2.1"
APART_HERE = ("host_port_lo", "abstract_rocker", "dotdot_stdio", "dotdot_moved")


def own_world():
    if ctypes.CDLL(None, use_errno=True).unshare(NEWUTS | NEWIPC | NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    with socket.socket() as s:
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
        address = struct.pack("16sH2x4s8x", b"lo:1", socket.AF_INET, socket.inet_aton(FAR))
        fcntl.ioctl(s, SIOCSIFADDR, address)


def outcome(name, *words, **how):
    """What the attempt says of itself, "ended" when it ended its world."""
    command = ["unshare", "-mpfC", "--mount-proc", "--kill-child", "--propagation", "private", suite.program, name, *words]
    p = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=sfs.patient(30), check=False, **how)
    return p.stdout.split()[-1] if p.stdout.split() else f"ended {p.returncode}"


def moved():
    """Moves the folder that the attempt is in, as the owner of a bind could."""
    os.makedirs(f"{suite.rw}/moved/deep")
    started = threading.Thread(target=lambda: got.append(outcome("dotdot_moved", *words)))
    got = []
    started.start()
    sfs.wait_for(lambda: os.path.exists(f"{suite.rw}/ready"))
    os.rename(f"{suite.rw}/moved", f"{suite.folder}/moved")
    with open(f"{suite.rw}/go", "w"):
        pass
    started.join()
    return got[0]


def try_one(attempt):
    if attempt.name == "dotdot_moved":
        return moved()
    if attempt.name == "dotdot_stdio":
        with open_folder() as folder:
            return outcome(attempt.name, *words, stdin=folder)
    if attempt.name == "inherited":
        return outcome(attempt.name, *words, pass_fds=[tcp.fileno()])
    if attempt.name in ("remount_rw", "umount_bind"):
        return outcome(attempt.name, f"ro={suite.over}")
    return outcome(attempt.name, *words, env=dict(os.environ, SECRET_OF_THE_HOST="1"))


def cannot(attempt):
    """This machine lacks it for everybody: a device, or a hierarchy of version 1, which cannot be made in a group namespace."""
    return escapes.CANNOT in attempt or (attempt.what.startswith("/dev/") and not os.path.exists(attempt.what)) or \
        (attempt.name == "release_agent" and not hybrid)


class open_folder:
    def __enter__(self):
        self.fd = os.open(suite.folder, os.O_RDONLY)
        return self.fd

    def __exit__(self, *_):
        os.close(self.fd)


own_world()
suite = escapes.Suite(sfs.TMP)
subprocess.run(["mount", "--bind", suite.ro, suite.over], check=True)
tcp, unix = escapes.listeners("escape-control")
# Version 2 has no release_agent, but other files that are root's alone.
hybrid = os.path.exists("/sys/fs/cgroup/unified/cgroup.procs")
group = "/sys/fs/cgroup/unified" if hybrid else "/sys/fs/cgroup"
agent = "/sys/fs/cgroup/memory/release_agent" if hybrid else f"{group}/cgroup.subtree_control"
words = suite.words(secret=suite.secret, ro=suite.ro, rw=suite.rw, over=suite.over, tmp=suite.tmp, disk=escapes.disk(), pid=1,
                    port=tcp.getsockname()[1], abstract="escape-control", cgroup=group, agent=agent)
denied = []
for a in suite.attempts:
    if escapes.ALLOWED in a or (escapes.APART in a and a.name not in APART_HERE):
        continue
    got = try_one(a)
    if cannot(a):
        denied.append(f"{a.name} ({got})")
    elif escapes.ENDS in a:
        sfs.ok(f"{a.name} works without a sandbox", got.startswith("ended") or got == "ESCAPED", got)
    else:
        sfs.ok(f"{a.name} works without a sandbox", got == "ESCAPED", f"{got}: {a.what}")
print("# not possible here for anybody: " + ", ".join(denied))
subprocess.run(["umount", suite.over], check=True)
sfs.done()
