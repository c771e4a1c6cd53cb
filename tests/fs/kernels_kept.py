#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
# no-mount
"""Kernels that users made are there again after a restart, with specification, codelet and events; a damaged one is reported."""
import atexit, os, signal, subprocess, sys, tempfile, time

BUILD = os.environ["BUILD"]
top = tempfile.mkdtemp(prefix="sfs-kept-")
mnt, state = os.path.join(top, "mnt"), os.path.join(top, "state")
os.mkdir(mnt)
os.chmod(top, 0o755)
os.environ["MNT"] = mnt
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import onetest
import sfs

SPEC = "[kernel]\nname = kept\nfunction = f\nreturns = i32\n[call]\nargs = i32 1\n"


def start():
    daemon = subprocess.Popen([os.path.join(BUILD, "bin/sandboxfs"), "-f", "--state", state, mnt])
    atexit.register(daemon.terminate)
    for _ in range(200):
        if os.path.exists(os.path.join(mnt, "kernels")):
            break
        time.sleep(0.05)
    return daemon


def stop(daemon):
    daemon.send_signal(signal.SIGTERM)
    return daemon.wait(20)


def kill_inner(daemon):
    """Its child that serves, which is started anew."""
    for pid in onetest.descendants(daemon.pid):
        with open(f"/proc/{pid}/comm", encoding="ascii") as f:
            if f.read() == "daemon\n":
                os.kill(pid, signal.SIGKILL)
                return True
    return False


daemon = start()
sfs.codelet("int f(int x) { return x + 41; }", "kept")
sfs.kernel("kept", SPEC)
os.mkdir(os.path.join(mnt, "kernels/empty"))
os.mkdir(os.path.join(mnt, "kernels/removed"))
os.rmdir(os.path.join(mnt, "kernels/removed"))
for name in ("again", "given"):
    os.mkdir(os.path.join(mnt, "kernels", name))
sfs.write("kernels/given/codelet", "kept.o\n")  # now it has a file of its own
for name in ("again", "given"):
    os.rmdir(os.path.join(mnt, "kernels", name))
os.mkdir(os.path.join(mnt, "kernels/again"), 0o711)
sfs.write("kernels/kept/codelet", "kept.o\n")
sfs.write("kernels/kept/events", "tsc\n")
os.chmod(os.path.join(mnt, "kernels/kept"), 0o700)
if os.getuid() == 0:
    os.chown(os.path.join(mnt, "kernels/empty"), 20001, 20002)
sfs.ok("it ends well", stop(daemon) == 0)
unfinished = [os.path.join(state, name) for name in ("kernels/.kept.new", "rows.new")]
for name in unfinished:
    open(name, "w").close()
daemon = start()
sfs.ok("what a daemon that died was writing is gone", not any(map(os.path.exists, unfinished)))
names = os.listdir(os.path.join(mnt, "kernels"))
sfs.ok("kernels are there again", "kept" in names and "empty" in names and "removed" not in names, names)
sfs.ok("what was made and removed and made again is there, with its mode",
       os.stat(os.path.join(mnt, "kernels/again")).st_mode & 0o7777 == 0o711 and sfs.read("kernels/again/state").split() == ["empty"])
sfs.ok("what was removed after it was given something is not", "given" not in names, names)
sfs.ok("the specification is the same", sfs.read("kernels/kept/spec") == SPEC)
sfs.ok("so is the codelet", sfs.read("kernels/kept/codelet") == "kept.o\n")
sfs.ok("so are the events", sfs.read("kernels/kept/events") == "tsc ok\n", sfs.read("kernels/kept/events"))
sfs.ok("the owner is the same", os.stat(os.path.join(mnt, "kernels/kept")).st_uid == os.getuid())
sfs.ok("so is the mode", os.stat(os.path.join(mnt, "kernels/kept")).st_mode & 0o7777 == 0o700,
       oct(os.stat(os.path.join(mnt, "kernels/kept")).st_mode))
if os.getuid() == 0:
    seen = os.stat(os.path.join(mnt, "kernels/empty"))
    sfs.ok("and another owner", (seen.st_uid, seen.st_gid) == (20001, 20002), seen)
error, answer = sfs.run("kept")
sfs.ok("it runs", error == 0 and sfs.flat("kernels/kept/result")["return"] == "42", answer)
stop(daemon)
with open(os.path.join(state, "kernels/kept"), "r+b") as f:
    f.write(b"rubbish")
daemon = start()
sfs.ok("a damaged one is not loaded", "kept" not in os.listdir(os.path.join(mnt, "kernels")))
sfs.ok("and is reported in status", "kept" in sfs.read("status"), sfs.read("status"))
os.mkdir(os.path.join(mnt, "kernels/kept"))
sfs.ok("one of its name can be made", sfs.read("kernels/kept/state").split() == ["empty"])
os.mkdir(os.path.join(mnt, "kernels/killed"))
os.mkdir(os.path.join(mnt, "kernels/killed2"))
os.rmdir(os.path.join(mnt, "kernels/killed2"))
sfs.ok("its daemon is killed", kill_inner(daemon))
names = os.listdir(os.path.join(mnt, "kernels"))  # which waits for the next one
sfs.ok("a daemon that is killed forgets neither mkdir nor rmdir", "killed" in names and "killed2" not in names, names)
stop(daemon)
made = os.path.join(state, "kernels/.made")
with open(made, "rb") as f:
    lines = f.read()
sfs.ok("what was freed is used again", len(lines) % 128 == 0 and len(lines) // 128 <= 5, len(lines) / 128)
with open(made, "ab") as f:
    f.write(b"+ torn 0")  # by a full disk
daemon = start()
names = os.listdir(os.path.join(mnt, "kernels"))
sfs.ok("what replaced the damaged one is there", "kept" in names and "killed" in names, names)
sfs.ok("what was removed is not, nor what was cut", not {"killed2", "torn"} & set(names), names)
os.mkdir(os.path.join(mnt, "kernels/fresh"))
stop(daemon)
with open(made, "r+b") as f:
    f.seek(f.read().index(b"+ killed "))
    f.write(b"rubbish")
daemon = start()
names = os.listdir(os.path.join(mnt, "kernels"))
sfs.ok("a line that cannot be read is reported, the others count", "fresh" in names and "killed" not in names and ".made" in sfs.read("status"), (names, sfs.read("status")))
stop(daemon)
subprocess.run(["rm", "-rf", top], check=False)
sfs.done()
