#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
# no-mount
# deadline: 180
"""The store comes back after a restart and after kill -9; damage on disk is reported; a full disk loses nothing."""
import errno, os, shutil, signal, subprocess, sys, tempfile, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
FOLDER = tempfile.mkdtemp(prefix="sfs-restart-")
os.chmod(FOLDER, 0o755)
os.environ["MNT"] = MNT = os.path.join(FOLDER, "mnt")
STATE = os.path.join(FOLDER, "state")
os.mkdir(MNT)
import sfs

DAEMON = [os.path.join(os.environ["BUILD"], "bin", "sandboxfs"), "-f", "--state"]


class Mounted:
    def __init__(self, state=STATE):
        self.log = open(os.path.join(FOLDER, "log"), "ab")
        self.process = subprocess.Popen(DAEMON + [state, MNT], stderr=self.log, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while not os.path.exists(os.path.join(MNT, "README")):
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(open(os.path.join(FOLDER, "log")).read())
            time.sleep(0.02)

    def end(self):
        self.process.terminate()
        status = self.process.wait(30)
        self.log.close()
        return status


def content(name):
    with open(os.path.join(MNT, "store", name), "rb") as f:
        return f.read()


def hex_of(name):
    return sfs.flat(f"codelets/{name}/info")["sha256"]


def children(pid):
    out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return [int(p) for p in out.split()]


def tree(pid):
    return [pid] + [q for p in children(pid) for q in tree(p)]


paths = [sfs.compile_c(f"int f{i}(int x) {{ return x + {i}; }}", f"f{i}") for i in range(3)]
data = [open(p, "rb").read() for p in paths]
mounted = Mounted()
for i, p in enumerate(paths):
    sfs.ok(f"load {i}", sfs.load(p) == 0, sfs.read("error"))
os.chmod(os.path.join(MNT, "store", "f1.o"), 0o600)
TIMES = {"f0.o": 1000000000123456789, "g2.o": 1100000000000000000}
os.utime(os.path.join(MNT, "store", "f1.o"), ns=(1, 1))
sfs.ok("new bytes have a new time", sfs.load(paths[1]) == 0 and
       os.stat(os.path.join(MNT, "store", "f1.o")).st_mtime_ns > TIMES["g2.o"])
os.utime(os.path.join(MNT, "store", "f0.o"), ns=(TIMES["f0.o"], TIMES["f0.o"]))
os.utime(paths[2], ns=(TIMES["g2.o"], TIMES["g2.o"]))
subprocess.run(["cp", "-p", paths[2], os.path.join(MNT, "store")], check=True)
os.rename(os.path.join(MNT, "store", "f2.o"), os.path.join(MNT, "store", "g2.o"))
info = sfs.flat("codelets/f0.o/info")
sfs.ok("a daemon that is told to ends with 0", mounted.end() == 0)

mounted = Mounted()
sfs.ok("all come back", sorted(os.listdir(os.path.join(MNT, "codelets"))) == ["f0.o", "f1.o", "g2.o"],
       os.listdir(os.path.join(MNT, "codelets")))
sfs.ok("with their bytes", [content(n) for n in ("f0.o", "f1.o", "g2.o")] == data)
sfs.ok("with their modes", os.stat(os.path.join(MNT, "store", "f1.o")).st_mode & 0o777 == 0o600)
again = sfs.flat("codelets/f0.o/info")
sfs.ok("with the times that were set", {n: os.stat(os.path.join(MNT, "store", n)).st_mtime_ns for n in TIMES} == TIMES)
sfs.ok("with what was known of them", all(again[k] == info[k] for k in ("sha256", "size", "owner", "loaded_at", "type")), again)
sfs.ok("their symbols are there", " ".join(["f0"]) in sfs.read("codelets/f0.o/symbols"))
sfs.load(paths[1], "late.o")
pids = tree(mounted.process.pid)
for pid in pids:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
mounted.process.wait()
mounted.log.close()
subprocess.run(["fusermount3", "-uz", MNT] if os.getuid() else ["umount", "-l", MNT], stderr=subprocess.DEVNULL)
time.sleep(0.3)

mounted = Mounted()
sfs.ok("what close(2) accepted survives kill -9 of everything", content("late.o") == data[1] and content("f0.o") == data[0])
hexes = [hex_of("f0.o"), hex_of("g2.o")]
mounted.end()
first, second = (os.path.join(STATE, "store", "objects", h) for h in hexes)
with open(first, "r+b") as f:
    f.seek(100)
    byte = f.read(1)
    f.seek(100)
    f.write(bytes([byte[0] ^ 1]))
os.truncate(second, 64)

mounted = Mounted()
sfs.ok("one that was cut is reported", "g2.o" in sfs.read("status"), sfs.read("status"))
sfs.ok("and not there", not os.path.exists(os.path.join(MNT, "store", "g2.o")) and
       not os.path.exists(os.path.join(MNT, "codelets", "g2.o")))
error = sfs.error_of(content, "f0.o")
sfs.ok("one with a changed byte is not given out", error == errno.EIO, sfs.name_of(error))
sfs.ok("and reported", "f0.o" in sfs.read("status"), sfs.read("status"))
sfs.ok("the others are well", content("f1.o") == data[1])
sfs.ok("loading them again repairs", sfs.load(paths[0]) == 0 and sfs.load(paths[2], "g2.o") == 0 and
       content("f0.o") == data[0] and content("g2.o") == data[2], sfs.read("error"))
sfs.ok("status says ok then", sfs.read("status") == "ok\n", sfs.read("status"))
mounted.end()

if os.getuid() == 0:
    small = os.path.join(FOLDER, "small")
    os.mkdir(small)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", small], check=True)
    mounted = Mounted(os.path.join(small, "state"))
    sfs.ok("a load on a small disk", sfs.load(paths[0]) == 0, sfs.read("error"))
    filler = os.open(os.path.join(small, "filler"), os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(filler, bytes(4096))
    except OSError:
        os.close(filler)
    error = sfs.load(paths[1], "f0.o")
    sfs.ok("a full disk refuses with ENOSPC", error == errno.ENOSPC, sfs.name_of(error))
    sfs.ok("with a sentence", "full" in sfs.read("store/error"), sfs.read("store/error"))
    sfs.ok("the old bytes are there", content("f0.o") == data[0])
    row = os.path.join(MNT, "kernels/cblas_sdot/result")
    before = os.stat(row).st_mode
    errors = [sfs.error_of(os.chmod, row, 0o400) for _ in range(200)]
    sfs.ok("a mode that cannot be kept is not changed", errno.ENOSPC in errors and
           os.stat(row).st_mode & 0o777 == (before & 0o777 if errors[0] else 0o400), set(errors))
    os.unlink(os.path.join(small, "filler"))
    sfs.ok("with room again it is loaded", sfs.load(paths[1], "f0.o") == 0 and content("f0.o") == data[1], sfs.read("error"))
    mounted.end()
    mounted = Mounted(os.path.join(small, "state"))
    sfs.ok("and is there after a restart", content("f0.o") == data[1])
    subprocess.run(["mount", "-o", "remount,ro", small], check=True)
    error = sfs.load(paths[0], "f0.o")
    sfs.ok("a disk that is read-only now refuses", error == errno.EIO and "Read-only" in sfs.read("store/error"), (sfs.name_of(error), sfs.read("store/error")))
    sfs.ok("and what it has is there", content("f0.o") == data[1])
    told = [sfs.error_of(call, *args) for call, *args in (
        (os.unlink, os.path.join(MNT, "store/f0.o")), (os.rename, os.path.join(MNT, "store/f0.o"), os.path.join(MNT, "store/x.o")),
        (os.chmod, row, 0o440), (os.chmod, os.path.join(MNT, "store/f0.o"), 0o600), (os.mkdir, os.path.join(MNT, "kernels/new")))]
    sfs.ok("so do rm, mv, chmod, mkdir", set(told) == {errno.EIO} and content("f0.o") == data[1], told)
    subprocess.run(["mount", "-o", "remount,rw", small], check=True)
    sfs.ok("once it can be written all goes on", sfs.load(paths[0], "f0.o") == 0 and content("f0.o") == data[0])
    mounted.end()
    subprocess.run(["umount", small], check=True)
shutil.rmtree(FOLDER, ignore_errors=True)
sfs.done()
