#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# nobody-only
"""Where no control group was delegated, rlimits take the place of memory.max and pids.max: from the next job on."""
import errno
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import cells
import sfs
from sfs import MNT, TMP, ok, read

os.chmod(TMP, 0o755)
sfs.subprocess.run(["cp", "/bin/busybox", TMP], check=True)
os.mkdir(f"{MNT}/rockers/a")
sfs.write("rockers/a/binds", f"{TMP} /t ro\n")
ok("ready", cells.command("a", "/t/busybox true")[0] == 0)
grouped = "memory.max" in sfs.flat("machine")["rocker_limits"] if "rocker_limits" in sfs.flat("machine") else False
for file, text, shown, row in (("memory.max", "64M", "67108864", "Max data size"), ("pids.max", "17", "17", "Max processes")):
    ok(f"{file} is taken by one that is ready", cells.put("a", file, text) == 0, read("rockers/a/error"))
    ok(f"{file} is shown", read(f"rockers/a/{file}").strip() == shown)
    error, limits = cells.command("a", "/t/busybox cat /proc/self/limits")
    line = next((line for line in limits.splitlines() if line.startswith(row)), "")
    ok(f"{file} holds in the next job", error == 0 and (grouped or shown in line or str(int(shown) + 1) in line), (error, line))
fd = os.open(cells.path("a", "start"), os.O_RDWR)
os.write(fd, b"/t/busybox sleep 60\n")
job = os.read(fd, 20).decode().strip()
ok("one that runs is not built anew", grouped or cells.put("a", "memory.max", "32M") == errno.EBUSY, read("rockers/a/error"))
ok("which is said", grouped or "memory.max" in read("rockers/a/error"), read("rockers/a/error"))
os.close(fd)
os.rmdir(f"{MNT}/rockers/a")
sfs.done()
