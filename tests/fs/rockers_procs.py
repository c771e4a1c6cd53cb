#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Which processes a rocker has and what they use, with control groups and without them: its jobs, what they leave behind, and
nobody else's."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import rocker_jobs as rj
import sfs
from sfs import ok

bin_ = rj.folder()
rj.make("a", bin_)
rj.make("b", bin_)


def procs(name):
    return [int(p) for p in sfs.read(f"rockers/{name}/procs").split()]


def usage(name):
    return {key: int(value) for key, value in sfs.flat(f"rockers/{name}/usage").items()}


ok("they work", not rj.run("a", "say hello")[0] and not rj.run("b", "say hello")[0])
guard = int(sfs.flat("rockers/a/guard")["pid"])
before = {}


def is_idle():
    before.update(usage("a"))
    return procs("a") == [guard] and before["pids"] == 1


ok("an idle one has its guard", sfs.wait_for(is_idle), (procs("a"), before))
ok("which is counted", "memory_bytes" in before, before)
number = rj.start("a", "wait 60000")
pid = int(rj.job("a", number, "pid"))
ok("a job is there by its pid outside", sfs.wait_for(lambda: sorted(procs("a")) == sorted([guard, pid])), (procs("a"), pid))
ok("not in the other one", pid not in procs("b") and sfs.wait_for(lambda: len(procs("b")) == 1), procs("b"))
ok("it is counted", usage("a")["pids"] == 2, usage("a"))
leaves = rj.start("a", "leave 60000")
ok("what a job leaves behind is found", rj.exited("a", leaves) and sfs.wait_for(lambda: len(procs("a")) == 3), procs("a"))
for p in procs("a"):
    with open(f"/proc/{p}/status", encoding="ascii") as f:
        inside = [line for line in f if line.startswith("NSpid")][0].split()
    ok("each is in a pid namespace", len(inside) > 2, inside)
ok("time is counted", sfs.wait_for(lambda: not rj.run("a", "flood 20000000")[0] and usage("a")["cpu_ns"] > before["cpu_ns"]))
sfs.write("rockers/a/kill", "KILL\n")
ok("killed, they are gone", sfs.wait_for(lambda: procs("a") == [guard]), procs("a"))
os.rmdir(rj.path("a"))
os.rmdir(rj.path("b"))
sfs.done()
