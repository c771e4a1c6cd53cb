#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What many objects cost: each operation among few and among many, memory for each, a restart: scale.py BUILD [N [KERNELS]].

Each ratio is the median of an operation in a daemon that has all by that in one that has few; 1.20 is the goal.
"""
import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from scaled import Daemon, Template

FEW, ROUNDS = 100, 100


def timed(call, *args):
    begin = time.perf_counter()
    call(*args)
    return time.perf_counter() - begin


def read(path):
    with open(path, "rb") as f:
        return f.read()


def run(path):
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, b"reps=1 check=off\n")
    finally:
        os.close(fd)


def listed(folder):
    subprocess.run(["ls", "-l", folder], stdout=subprocess.DEVNULL, check=True)


def remake(daemon):
    os.mkdir(daemon.path("kernels", "made"))
    os.rmdir(daemon.path("kernels", "made"))


OPERATIONS = {
    "cp": lambda d, t, i, there: d.load(f"z{i}.o", t.number(900000 + i)),
    "stat": lambda d, t, i, there: os.stat(d.path("store", name_of(i, there))),
    "cat info": lambda d, t, i, there: read(d.path("codelets", name_of(i, there), "info")),
    "cat symbols": lambda d, t, i, there: read(d.path("codelets", name_of(i, there), "symbols")),
    "cat bytes": lambda d, t, i, there: read(d.path("store", name_of(i, there))),
    "ls of a codelet": lambda d, t, i, there: os.listdir(d.path("codelets", name_of(i, there))),
    "mv": lambda d, t, i, there: os.rename(d.path("store", f"z{i}.o"), d.path("store", f"y{i}.o")),
    "rm": lambda d, t, i, there: os.unlink(d.path("store", f"y{i}.o")),
    "mkdir rmdir": lambda d, t, i, there: remake(d),
    "run": lambda d, t, i, there: run(d.path("kernels", "k0", "run")),
}


def name_of(i, there):
    return f"c{i * 7919 % there}.o"


def measure(daemons, template):
    """Lines of figures. Few and many take turns, so that what else the machine does meets both."""
    for name, operation in OPERATIONS.items():
        times = {there: [] for there in daemons}
        for i in range(ROUNDS):
            for there, daemon in daemons.items():
                times[there].append(timed(operation, daemon, template, i, there))
        few, many = (statistics.median(t) for t in times.values())
        print(f"{name}: {few * 1e6:.0f} us, {many * 1e6:.0f} us, ratio {many / few:.2f}")
    for folder in ("store", "codelets"):
        few, many = (min(timed(listed, d.path(folder)) for _ in range(3)) / len(os.listdir(d.path(folder)))
                     for d in daemons.values())
        print(f"ls -l {folder}, each: {few * 1e6:.0f} us, {many * 1e6:.0f} us, ratio {many / few:.2f}")


def fill(daemon, template, count, kernels):
    """With figures if count is more than few."""
    for i in range(FEW):
        daemon.load(f"c{i}.o", template.number(i))
    memory, fds, begin = daemon.memory(), daemon.fds(), time.monotonic()
    for i in range(FEW, count):
        daemon.load(f"c{i}.o", template.number(i))
    if count > FEW:
        print(f"loads a second {(count - FEW) / (time.monotonic() - begin):.0f}")
        print(f"bytes a codelet {(daemon.memory() - memory) / (count - FEW):.0f}")
        print(f"descriptors more {daemon.fds() - fds}")
    memory = daemon.memory()
    for i in range(kernels):
        daemon.kernel(i)
    if count > FEW:
        print(f"bytes a kernel {(daemon.memory() - memory) / kernels:.0f}")


def restart(daemon, count, empty):
    memory = daemon.memory()
    subprocess.run(["find", daemon.path("codelets"), "-ls"], stdout=subprocess.DEVNULL, check=True)
    print(f"bytes a codelet whose files were all looked at {(daemon.memory() - memory) / count:.0f}")
    daemon.end()
    print(f"restart {daemon.start():.2f} s with {len(os.listdir(daemon.path('codelets')))} codelets, "
          f"bytes each with kernels {(daemon.memory() - empty) / count:.0f}, descriptors {daemon.fds()}")


def main():
    build, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3000
    kernels = int(sys.argv[3]) if len(sys.argv) > 3 else count // 10
    daemons = {}
    with tempfile.TemporaryDirectory(prefix="sfs-scale-") as folder:
        os.chmod(folder, 0o755)
        template = Template(folder)
        try:
            for there in (FEW, count):
                os.mkdir(os.path.join(folder, str(there)), 0o755)
                daemons[there] = Daemon(build, os.path.join(folder, str(there)))
                daemons[there].start()
            empty = daemons[count].memory()
            for (there, daemon), some in zip(daemons.items(), (10, kernels)):
                fill(daemon, template, there, some)
            measure(daemons, template)
            restart(daemons[count], count, empty)
        finally:
            for daemon in daemons.values():
                daemon.end()


if __name__ == "__main__":
    main()
