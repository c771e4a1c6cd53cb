#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
"""Kernels in rockers: rocker=NAME runs a codelet in the namespaces and under the limits of that rocker, and ends with it."""
import errno
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import sfs
from sfs import MNT, flat, ok, read

CODE = """
unsigned long three(unsigned long n) { return 3 * n; }
unsigned long spin(unsigned long n) { for (;;) __asm__ volatile(""); }
unsigned long leave(unsigned long n) { long r; __asm__ volatile("syscall" : "=a"(r) : "a"(39) : "rcx", "r11", "memory"); return r; }
"""
SPEC = """[kernel]
name = inside
function = three
returns = u64
[param.n]
type = u64
default = 14
[call]
args = u64 n
"""


def run(words):
    """0 or the errno, and the sentence."""
    fd = os.open(f"{MNT}/kernels/inside/run", os.O_RDWR)
    try:
        os.write(fd, (words + "\n").encode())
        return 0, ""
    except OSError as e:
        return e.errno, os.read(fd, 500).decode()
    finally:
        os.close(fd)


def until(what, seconds=15):
    end = time.time() + sfs.patient(seconds)
    while not what():
        if time.time() > end:
            return False
        time.sleep(0.02)
    return True


def procs(name):
    return read(f"rockers/{name}/procs").split()


def put(name, file, text):
    sfs.write(f"rockers/{name}/{file}", text + "\n")


assert sfs.load(sfs.compile_c(CODE, "inside")) == 0
os.mkdir(f"{MNT}/kernels/inside")
sfs.write("kernels/inside/spec", SPEC)
os.mkdir(f"{MNT}/rockers/a")
os.mkdir(f"{MNT}/rockers/b")

ok("a run in a rocker", run("n=5 rocker=a") == (0, ""), read("kernels/inside/error"))
ok("its result", flat("kernels/inside/result")["return"] == "15")
inside = procs("a")
if not inside and flat("machine")["rocker_freeze"] == "no":
    print("skip the process of a run: without control groups nobody lists who is in a rocker", flush=True)
    sys.exit(0)
ok("its process is the rocker's", len(inside) == 2 and until(lambda: len(procs("b")) == 1), inside)
helper = [p for p in inside if p != flat("rockers/a/guard")["pid"]][0]
with open(f"/proc/{helper}/status", encoding="ascii") as f:
    status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
ok("it is in the rocker's pid namespace", len(status["NSpid"].split()) > 1, status["NSpid"])
if os.getuid() == 0:
    guard = flat("rockers/a/guard")["pid"]
    same = [n for n in ("mnt", "pid", "net", "ipc", "uts", "cgroup", "user")
            if os.readlink(f"/proc/{helper}/ns/{n}") == os.readlink(f"/proc/{guard}/ns/{n}")]
    ok("it is in each of its namespaces", len(same) == 7, same)
    ids = {line.split(":")[1].split()[0] for line in open(f"/proc/{guard}/status", encoding="ascii") if line.startswith("Uid")}
    ok("under an id that neither guard nor jobs have", status["Uid"].split()[0] not in ids | {"0"}, status["Uid"])
ok("again, and the template is warm", run("n=6 rocker=a") == (0, "") and helper in procs("a"))
ok("a run outside of it uses another one", run("n=7") == (0, "") and len(procs("a")) == 2)
rc, said = run("symbol=leave rocker=a")
ok("a system call in it is named", rc == errno.EPERM or "getpid" in read("kernels/inside/result"), (rc, said))
rc, said = run("symbol=spin timeout_ms=200 rocker=a")
ok("a loop in it ends", rc == errno.ETIMEDOUT, (rc, said))

rc, said = run("rocker=nobodys")
ok("a rocker that is not there", rc == errno.ENOENT and "nobodys" in said, (rc, said))
ok("the word is marked", "nobodys" in read("errors") and "^" in read("errors"))
rc, said = run("rocker=")
ok("no name", rc == errno.EINVAL, (rc, said))
if flat("machine").get("rocker_freeze") == "yes":
    put("b", "freeze", "1")
    rc, said = run("rocker=b")
    ok("a frozen one", rc == errno.EBUSY and "frozen" in said, (rc, said))
    put("b", "freeze", "0")
ok("and thawed, or never frozen", run("rocker=b") == (0, ""))

# It ends with its rocker.
answers = []
thread = threading.Thread(target=lambda: answers.append(run("symbol=spin timeout_ms=60000 rocker=b")))
thread.start()
ok("it spins", until(lambda: flat("kernels/inside/activity") and read("kernels/inside/state").startswith("running")))
until(lambda: len(procs("b")) > 2, 3)
os.rmdir(f"{MNT}/rockers/b")
thread.join(30)
ok("a run ends with its rocker", answers and answers[0][0] in (errno.ECANCELED, errno.ESRCH, errno.EAGAIN), answers)
ok("what comes then says so", run("rocker=b")[0] == errno.ENOENT)

put("a", "kill", "guard")
ok("after its guard has ended, a new one is made", until(lambda: run("n=8 rocker=a") == (0, "")), read("kernels/inside/error"))
os.rmdir(f"{MNT}/rockers/a")
ok("nothing of it is left", until(lambda: not os.path.exists(f"/proc/{helper}")))
ok("kernels go on without", run("n=9") == (0, ""))
os.rmdir(f"{MNT}/kernels/inside")
sfs.done()
