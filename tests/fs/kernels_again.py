#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# one-role
# concurrent
# deadline: 300
"""The kernel of a codelet that is taken away and loaded again is met at once, however the codelet came back, and whoever looks."""
import os, signal, subprocess, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

TIMES = 30
ROUNDS, STEP_S, STEPS, WORKERS = 100, 5e-5, 40, 3
SOURCE = """
__attribute__((section(".sandboxfs"), used)) static const char spec[] =
	"[kernel]\\nname = {name}\\nfunction = f\\nreturns = i32\\n[param.{param}]\\ntype = u32\\ndefault = 1\\n[call]\\nargs = i32 1\\n";
int f(int x) { return x + 1; }
"""
STORE = os.path.join(sfs.MNT, "store")
KERNEL = os.path.join(sfs.MNT, "kernels/inborn")


def compiled(kernel, param):
    return sfs.compile_c(SOURCE.replace("{name}", kernel).replace("{param}", param), kernel + param)


one, two = compiled("inborn", "one"), compiled("inborn", "two")


def shell(words):
    """What went wrong, in words."""
    r = subprocess.run(["sh", "-c", words, "sh", STORE, KERNEL, one, two], capture_output=True, text=True, check=False)
    return r.stderr


def looker():
    """A process that asks for the kernel all the time: what it is told must hold for nobody else."""
    pid = os.fork()
    if pid:
        return pid
    while True:
        try:
            with open(KERNEL + "/params", "rb") as f:
                f.read()
        except OSError:
            pass


def again(what, words):
    wrong = [(i, w) for i in range(TIMES) for w in [shell(f"i={i}; {words}")] if w]
    sfs.ok(f"{what}: {TIMES} times it is there at once", not wrong, f"{len(wrong)} times: {wrong[:3]}")


def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def missing(kernel, path):
    """How often it was not there, when its codelet was taken away at moments that move across the publisher's."""
    count = 0
    for i in range(ROUNDS):
        count += sfs.load(path, f"{kernel}.o") != 0
        count += sfs.error_of(sfs.read, f"kernels/{kernel}/params") != 0
        spin(i % STEPS * STEP_S)
        if i % 3:
            os.unlink(os.path.join(STORE, f"{kernel}.o"))
    return count


WAYS = (
    ("rm and cp", 'rm $1/x.o; cp $3 $1/x.o; cat $2/params'),
    ("rm, a look, and cp", 'rm $1/x.o; cat $2/params 2>&-; cp $3 $1/x.o; cat $2/params'),
    ("mv over it", '[ $((i % 2)) = 1 ] && { from=$3 what=one; } || { from=$4 what=two; }\n'
     'cp $from $1/.x.o.new; mv $1/.x.o.new $1/x.o; p=$(cat $2/params); case $p in $what*);; *) echo "$what: $p" >&2;; esac'),
    ("mv to and fro", 'mv $1/x.o $1/y.o; cat $2/params; mv $1/y.o $1/x.o; cat $2/params'),
)
sfs.ok("loaded", sfs.load(one, "x.o") == 0, sfs.read("error"))
for way in WAYS:
    again(*way)
busy = looker()
try:
    for what, words in WAYS[:2]:
        again(f"{what} while another looks", words)
finally:
    os.kill(busy, signal.SIGKILL)
    os.waitpid(busy, 0)
os.unlink(STORE + "/x.o")
pids = []
for i in range(WORKERS):
    text = compiled(f"k{i}", "one")
    os.listdir(os.path.join(sfs.MNT, "kernels"))
    pids.append(os.fork())
    if not pids[-1]:
        os._exit(min(missing(f"k{i}", text), 255))
for i, pid in enumerate(pids):
    sfs.ok(f"worker {i} found each of its {ROUNDS}", sfs.ended(pid) == 0)
sfs.done()
