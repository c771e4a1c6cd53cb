#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""/stats: percentiles of latencies for each kind of operation, once there was one, in lines whose length stays."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

KINDS = "lookup getattr open read write flush create mkdir rmdir unlink rename readdir".split()
RANKS = ("p50", "p90", "p99", "max")


def numbers(kind):
    stats = sfs.flat("stats")
    return [int(stats[f"latency_{kind}_{rank}_ns"]) for rank in RANKS]


before = sfs.read("stats")
unused = [k for k in ("create", "mkdir", "rmdir", "unlink", "rename") if numbers(k) != [0] * len(RANKS)]
sfs.ok("what was never asked for has no latency", not unused, unused)
sfs.codelet("int one(void) { return 1; }", "one")
sfs.kernel("k", "[kernel]\nname = k\nfunction = one\nreturns = i32\n[call]\nargs =\n")
with open(os.path.join(sfs.MNT, "store/one.o"), "rb") as f:
    os.fstat(f.fileno())
os.rename(os.path.join(sfs.MNT, "store/one.o"), os.path.join(sfs.MNT, "store/two.o"))
os.unlink(os.path.join(sfs.MNT, "store/two.o"))
os.rmdir(os.path.join(sfs.MNT, "kernels/k"))
os.listdir(os.path.join(sfs.MNT, "kernels"))
sfs.write("kernels/cblas_sdot/codelet", "auto\n") if sfs.ROLE == "root" else sfs.error_of(sfs.write, "kernels/cblas_sdot/run", "n=x\n")
for kind in KINDS:
    got = numbers(kind)
    sfs.ok(f"{kind}: each rank is there, and they ascend", 0 < got[0] <= got[1] <= got[2] <= got[3], got)
after = sfs.read("stats")
sfs.ok("the file's length stays", len(before) == len(after), (len(before), len(after)))
total = sfs.flat("stats")
sfs.ok("the slowest of all is one of them", int(total["latency_max_ns"]) >= max(numbers(k)[3] for k in KINDS), total["latency_max_ns"])
sfs.done()
