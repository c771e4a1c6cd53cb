# SPDX-License-Identifier: MIT
"""The escape suite for the scripts that run it: its program, its index, and what lies around it on the host."""
import glob
import os
import shutil
import socket
import struct
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
SYSCALL, CANNOT, ROOT, ENDS, ALLOWED, APART, GATE, OWN = 1, 2, 4, 8, 16, 32, 64, 128
SECRET = "SECRET-OF-THE-HOST\n"


class Attempt:
    def __init__(self, line):
        self.name, self.want, self.user_want, flags, number, self.what = line.split(" ", 5)
        self.flags, self.number = int(flags), int(number)

    def wanted(self, role):
        return self.want if role == "root" else self.user_want

    def __contains__(self, flag):
        return bool(self.flags & flag)


class Suite:
    """In a folder: ro/ with the program in several guises, rw/, over/, and the secret beside them."""

    def __init__(self, folder):
        self.folder = folder
        os.chmod(folder, 0o755)
        self.ro, self.rw, self.over, self.tmp = (os.path.join(folder, x) for x in ("ro", "rw", "over", "tmp"))
        for path in (self.ro, self.rw, self.over, self.tmp):
            os.mkdir(path)
        os.chmod(self.rw, 0o1777)
        self.program = os.path.join(self.ro, "attempt")
        sources = sorted(glob.glob(os.path.join(HERE, "escape", "*.c")))
        subprocess.run(["gcc", "-std=gnu17", "-O1", "-static", "-D_GNU_SOURCE", "-pthread", "-o", self.program, *sources],
                       check=True)
        self.secret = os.path.join(folder, "secret")
        for path in (self.secret, os.path.join(self.ro, "plain"),
                     os.path.join(self.ro, "spare")):
            with open(path, "w") as f:
                f.write(SECRET)
        if os.getuid() == 0:
            self.root_only()
        listed = subprocess.run([self.program, "list"], check=True, capture_output=True, text=True).stdout
        self.attempts = [Attempt(line) for line in listed.splitlines()]

    def root_only(self):
        """What only root can lay out: programs that give rights, and a device."""
        for name, mode in (("setuid", 0o4755), ("setgid", 0o2755), ("filecaps", 0o755)):
            path = os.path.join(self.ro, name)
            shutil.copy(self.program, path)
            os.chmod(path, mode)
        value = struct.pack("<5I", 0x02000001, 1 << 21, 0, 0, 0)
        os.setxattr(os.path.join(self.ro, "filecaps"), "security.capability", value)
        os.mknod(os.path.join(self.rw, "device"), 0o20666, os.makedev(1, 3))

    def words(self, **more):
        return [f"{key}={value}" for key, value in more.items()]


def disk():
    """A block device that root can open."""
    for path in ("/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/loop0"):
        try:
            os.close(os.open(path, os.O_RDONLY))
            return path
        except OSError:
            pass
    return "/dev/loop0"


def listeners(name):
    """A port of the loopback and an abstract socket with that name, both listening."""
    tcp = socket.create_server(("127.0.0.1", 0))
    unix = socket.socket(socket.AF_UNIX)
    unix.bind("\0" + name)
    unix.listen()
    return tcp, unix
