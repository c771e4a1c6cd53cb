#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# root-only
# no-mount
"""The jobs of root's rockers have the same id in every life of the daemon, so that what they wrote to a data directory is theirs; called root or not."""
import atexit, os, signal, subprocess, sys, tempfile

BUILD = os.environ["BUILD"]
top = tempfile.mkdtemp(prefix="sfs-ids-")
mnt, state, data = (os.path.join(top, name) for name in ("mnt", "state", "data"))
os.chmod(top, 0o755)
os.mkdir(mnt)
os.mkdir(data)
os.chmod(data, 0o777)
os.environ["MNT"] = mnt
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import sfs
from sfs import ok

SOURCE = r"""
#include <fcntl.h>
#include <unistd.h>
int main(void) { int fd = open("/data/f", O_WRONLY | O_CREAT | O_APPEND, 0600); return fd < 0 || write(fd, "x", 1) != 1; }
"""
config = os.path.join(top, "config.ini")
with open(config, "w", encoding="ascii") as f:
    f.write(f"[jail]\nuid_count = 64\n[rockers]\ntemplates = {top}\n")
with open(os.path.join(top, "root.ini"), "w", encoding="ascii") as f:
    f.write(f"[rocker]\nuid = 0\ngid = 0\nbinds = {top}/append /append ro\ndata_dir = {data}\n")
subprocess.run(["gcc", "-O1", "-static", "-x", "c", "-o", f"{top}/append", "-"], input=SOURCE.encode(), check=True)


def start():
    daemon = subprocess.Popen([os.path.join(BUILD, "bin/sandboxfs"), "-f", "--config", config, "--state", state, mnt])
    atexit.register(daemon.terminate)
    sfs.wait_for(lambda: os.path.exists(os.path.join(mnt, "rockers")))
    return daemon


def stop(daemon):
    daemon.send_signal(signal.SIGTERM)
    return daemon.wait(sfs.patient(20))


def run(name):
    """The exit code that the job has."""
    sfs.write(f"rockers/{name}/run", "/append\n")
    return int(sfs.flat(f"rockers/{name}/result")["exit_code"])


daemon = start()
os.mkdir(f"{mnt}/rockers/a")
sfs.write("rockers/a/binds", f"{top}/append /append ro\n")
sfs.write("rockers/a/data_dir", data + "\n")
ok("a job writes", run("a") == 0, sfs.read("rockers/a/error"))
owner = os.stat(f"{data}/f").st_uid
ok("under an id of the jail's", 1879048192 <= owner < 1879048192 + 64, owner)
os.mkdir(f"{mnt}/rockers/root@1")
shown = sfs.read("rockers/root@1/spec")
ok("one from a template calls them root", "uid = 0\ngid = 0\n" in shown, shown)
ok("which is the same id", run("root@1") == 0 and os.path.getsize(f"{data}/f") == 2 and os.stat(f"{data}/f").st_uid == owner, sfs.read("errors"))
ok("the daemon ends", stop(daemon) == 0)

# Others come first in its next life, and take the ids that are free.
daemon = start()
made = sfs.ended(sfs.fork_as(1234, lambda: os.mkdir(f"{mnt}/rockers/first") or 0))
ok("another user is first", made == 0 and sfs.wait_for(lambda: sfs.read("rockers/first/state").strip() == "ready"), made)
os.mkdir(f"{mnt}/rockers/b")
sfs.write("rockers/b/binds", f"{top}/append /append ro\n")
sfs.write("rockers/b/data_dir", data + "\n")
ok("the old rocker's job owns what it wrote", run("a") == 0 and os.path.getsize(f"{data}/f") == 3, sfs.read("rockers/a/result"))
ok("so does one that is called root", run("root@1") == 0 and os.path.getsize(f"{data}/f") == 4, sfs.read("rockers/root@1/result"))
ok("and is still called so", sfs.read("rockers/root@1/spec") == shown and sfs.read("rockers/root@1/uid") == "0\n")
ok("another one of root's does, too", run("b") == 0 and os.stat(f"{data}/f").st_uid == owner, owner)
with open(f"/proc/{sfs.flat('rockers/first/guard')['pid']}/status", encoding="ascii") as f:
    ids = [line.split()[1:] for line in f if line.startswith("Uid:")][0]
ok("it is nobody else's", str(owner) not in ids, ids)
for name in ("a", "b", "first", "root@1"):
    os.rmdir(f"{mnt}/rockers/{name}")
ok("it ends again", stop(daemon) == 0)
subprocess.run(["rm", "-rf", "--one-file-system", top], check=False)
sfs.done()
