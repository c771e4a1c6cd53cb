#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
# no-mount
# concurrent
# deadline: 240
"""Many codelets and kernels: what each costs, listings while others come and go, a restart. SFS_SCALE: how many codelets."""
import ctypes, errno, os, shutil, signal, struct, sys, tempfile
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
FOLDER = tempfile.mkdtemp(prefix="sfs-scale-")
os.chmod(FOLDER, 0o755)
os.environ["MNT"] = MNT = os.path.join(FOLDER, "mnt")
import sfs
from scaled import Daemon, Template

CODELETS = int(os.environ.get("SFS_SCALE", "600"))
KERNELS = max(100, CODELETS // 10)
FEW, LISTINGS, PIECE = 100, 6, 1024
# What a codelet at rest may take, and what threads may keep for themselves whatever there is.
CODELET_BYTES, KERNEL_BYTES, SLACK_BYTES = 4096, 24576, 1 << 19
SANITIZED = os.path.basename(os.environ["BUILD"]).endswith("san")  # its own memory would be counted too
libc = ctypes.CDLL(None, use_errno=True)


def pieces(fd):
    """(name, cookie) of each entry from where fd is, a few at a time, as a slow reader would."""
    buf = ctypes.create_string_buffer(PIECE)
    while True:
        n = libc.getdents64(fd, buf, PIECE)
        if n < 0:
            raise OSError(ctypes.get_errno(), "getdents64")
        if n == 0:
            return
        at = 0
        while at < n:
            _, cookie, length = struct.unpack_from("=QqH", buf, at)
            yield buf.raw[at + 19:at + length].split(b"\0")[0].decode(), cookie
            at += length


def listing(folder):
    """All of a folder, and again what follows a cookie in its middle."""
    fd = os.open(os.path.join(MNT, folder), os.O_RDONLY | os.O_DIRECTORY)
    try:
        found = list(pieces(fd))
        middle = len(found) // 2
        os.lseek(fd, found[middle][1], os.SEEK_SET)
        return [name for name, _ in found], middle, [name for name, _ in pieces(fd)]
    finally:
        os.close(fd)


def churn(daemon, template):
    """Makes and removes others until it is killed."""
    i = 0
    while True:
        daemon.load(f"other{i % 7}.o", template.number(800000 + i % 50))
        os.mkdir(daemon.path("kernels", "other"))
        os.unlink(daemon.path("store", f"other{i % 7}.o"))
        os.rmdir(daemon.path("kernels", "other"))
        i += 1


def stays(names):
    return [n for n in names if not n.startswith("other")]


def check_listings(expected):
    """The first thing that is wrong with a listing, or ''."""
    for i in range(LISTINGS):
        for folder, names in expected.items():
            found, middle, rest = listing(folder)
            if sorted(stays(found)) != names:
                return f"{folder}, time {i}: {set(names) ^ set(stays(found))} or twice"
            if stays(rest) != stays(found[middle + 1:]):
                return f"{folder}, time {i}: another rest from a cookie on"
    return ""


def descriptors(daemon):
    try:
        return daemon.fds()
    except PermissionError:  # the daemon does not let its own user look
        return None


template, daemon = Template(FOLDER), Daemon(os.environ["BUILD"], FOLDER)
daemon.start()
for i in range(FEW):
    daemon.load(f"c{i}.o", template.number(i))
fds, memory = descriptors(daemon), daemon.memory()
for i in range(FEW, CODELETS):
    daemon.load(f"c{i}.o", template.number(i))
each = (daemon.memory() - memory) / (CODELETS - FEW)
if fds is not None:
    sfs.ok("no descriptor is held for a codelet at rest", daemon.fds() <= fds + 8, f"{fds}, then {daemon.fds()}")
if not SANITIZED:
    sfs.ok("memory of a codelet at rest", each <= CODELET_BYTES + SLACK_BYTES / (CODELETS - FEW), f"{each:.0f} bytes each")
memory = daemon.memory()
for i in range(KERNELS):
    daemon.kernel(i)
each = (daemon.memory() - memory) / KERNELS
if not SANITIZED:
    sfs.ok("memory of a kernel at rest", each <= KERNEL_BYTES + SLACK_BYTES / KERNELS, f"{each:.0f} bytes each")
last = min(KERNELS, CODELETS) - 1
error, answer = sfs.run(f"k{last}", "n=5 reps=1")
sfs.ok("one of many is found by what it exports", error == 0 and
       sfs.flat(f"kernels/k{last}/result")["return"].startswith(str(5 + last + 1)),
       f"{sfs.name_of(error)} {answer} {sfs.read(f'kernels/k{last}/result')}")

expected = {folder: sorted(stays(os.listdir(daemon.path(folder)) + [".", ".."])) for folder in ("store", "codelets", "kernels")}
sfs.ok("all have their names", set(expected["codelets"]) == {".", ".."} | {f"c{i}.o" for i in range(CODELETS)})
child = os.fork()
if not child:
    try:
        churn(daemon, template)
    finally:
        os._exit(1)
wrong = check_listings(expected)
sfs.ok("listings while others come and go", not wrong, wrong)
sfs.ok("and others did", os.waitpid(child, os.WNOHANG)[0] == 0, "the child ended")
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)

hurt = sfs.flat(f"codelets/c{CODELETS - 1}.o/info")["sha256"]
sfs.ok("it ends with 0", daemon.end() == 0)
with open(os.path.join(daemon.state, "store", "objects", hurt), "r+b") as f:
    f.seek(70)
    byte = f.read(1)
    f.seek(70)
    f.write(bytes([byte[0] ^ 1]))
daemon.start()
again = {folder: sorted(stays(os.listdir(daemon.path(folder)) + [".", ".."])) for folder in expected}
sfs.ok("all names are there after a restart", again == expected)
sfs.ok("its bytes are those that were loaded", all(
    open(daemon.path("store", f"c{i}.o"), "rb").read() == template.number(i) for i in range(0, CODELETS - 1, 7)))
name = f"c{CODELETS - 1}.o"
error = sfs.error_of(lambda: open(daemon.path("store", name), "rb").read())
sfs.ok("a damaged one is not given out", error == errno.EIO, sfs.name_of(error))
sfs.ok("and reported", name in sfs.read("status"), sfs.read("status"))
sfs.ok("it ends with 0 again", daemon.end() == 0)
shutil.rmtree(FOLDER, ignore_errors=True)
sfs.done()
