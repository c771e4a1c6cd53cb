#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# no-mount
"""chmod, chown and rm of single control files outlive the daemon, and end with their object."""
import os, signal, stat, subprocess, sys, tempfile, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
FOLDER = tempfile.mkdtemp(prefix="sfs-rows-")
os.chmod(FOLDER, 0o755)
os.environ["MNT"] = MNT = os.path.join(FOLDER, "mnt")
STATE = os.path.join(FOLDER, "state")
os.mkdir(MNT)
import sfs

SPEC = "[kernel]\nname = {}\nfunction = f\nreturns = i32\n[call]\nargs = i32 1\n"


def start():
    process = subprocess.Popen([os.path.join(os.environ["BUILD"], "bin", "sandboxfs"), "-f", "--state", STATE, MNT],
                               stdin=subprocess.DEVNULL)
    end = time.monotonic() + 30
    while not os.path.exists(os.path.join(MNT, "README")) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    return process


def stop(process):
    process.terminate()
    return process.wait(30)


def place(path):
    return os.path.join(MNT, path)


def shown(path):
    st = os.stat(place(path))
    return stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid


me, group = os.getuid(), os.getgid()
process = start()
sfs.kernel("k", SPEC.format("k"))
sfs.kernel("other", SPEC.format("other"))
untouched = shown("kernels/other/result")
os.chmod(place("kernels/k/result"), 0o400)
os.chmod(place("kernels/cblas_sdot/run"), 0o600)
os.chmod(place("stats"), 0o400)
os.unlink(place("kernels/k/counters"))
if me == 0:
    os.chown(place("kernels/k/activity"), 1234, 2345)
sfs.ok("a clean end", stop(process) == 0)

process = start()
sfs.ok("chmod is remembered", shown("kernels/k/result") == (0o400, me, group), shown("kernels/k/result"))
sfs.ok("for files of what ships", shown("kernels/cblas_sdot/run")[0] == 0o600, shown("kernels/cblas_sdot/run"))
sfs.ok("for files at the top", shown("stats")[0] == 0o400, shown("stats"))
sfs.ok("rm is remembered", "counters" not in os.listdir(place("kernels/k")))
sfs.ok("others are as they were", shown("kernels/other/result") == untouched, shown("kernels/other/result"))
if me == 0:
    sfs.ok("chown is remembered", shown("kernels/k/activity")[1:] == (1234, 2345), shown("kernels/k/activity"))
os.chmod(place("kernels/k/result"), 0o440)
process.send_signal(signal.SIGKILL)
process.wait()
subprocess.run(["umount" if me == 0 else "fusermount3", *([] if me == 0 else ["-u"]), "-l" if me == 0 else "-z", MNT], check=False,
               stderr=subprocess.DEVNULL)
end = time.monotonic() + 10
while os.path.ismount(MNT) and time.monotonic() < end:
    time.sleep(0.02)

process = start()
sfs.ok("also after kill -9", shown("kernels/k/result")[0] == 0o440, shown("kernels/k/result"))
os.rmdir(place("kernels/k"))
sfs.kernel("k", SPEC.format("k"))
sfs.ok("a new object begins anew", shown("kernels/k/result") == untouched and "counters" in os.listdir(place("kernels/k")))
sfs.ok("a clean end again", stop(process) == 0)
process = start()
sfs.ok("and stays so", shown("kernels/k/result") == untouched, shown("kernels/k/result"))
stop(process)
with open(os.path.join(STATE, "rows"), "a") as f:
    f.write("rubbish\n" + "x" * 5000 + "\nkernels/k result 7777777 1 1 1 1 0 0\n")
process = start()
sfs.ok("rubbish on disk is said", "rows:" in sfs.read("status"), sfs.read("status"))
sfs.ok("and harms nothing", shown("kernels/cblas_sdot/run")[0] == 0o600)
sfs.kernel("third", SPEC.format("third"))
for i in range(1200):
    os.chmod(place("kernels/third/result"), 0o400 | i % 2 << 2)
os.chmod(place("kernels/other/result"), 0o440)
os.chmod(place("kernels/other/activity"), 0o400)
stop(process)
KEPT = os.path.join(STATE, "rows")
with open(KEPT) as f:
    lines = f.readlines()
sfs.ok("many changes of one file are few lines", len(lines) < 600, len(lines))
with open(KEPT, "w") as f:
    f.write("".join(lines)[:-3])
process = start()
sfs.ok("half of a line is no line", "rows" not in sfs.read("status"), sfs.read("status"))
sfs.ok("those before it hold", shown("kernels/third/result")[0] == 0o404 and shown("kernels/other/result")[0] == 0o440)
os.chmod(place("kernels/other/activity"), 0o440)
stop(process)
process = start()
sfs.ok("and those after it", shown("kernels/other/activity")[0] == 0o440 and shown("kernels/third/result")[0] == 0o404)
stop(process)
subprocess.run(["rm", "-rf", FOLDER], check=False)
sfs.done()
