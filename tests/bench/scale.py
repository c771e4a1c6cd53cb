#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What many objects cost: each operation among few and among many, memory for each, a restart: scale.py BUILD [N [KERNELS]].

Each ratio is the median of an operation when all are there by the median when few are; 1.20 is the goal.
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


def measure(daemon, template, there):
    """Medians in seconds; what is made is removed again."""
    times = {}

    def series(name, call):
        times[name] = statistics.median(timed(call, i) for i in range(ROUNDS))

    def name_of(i):
        return f"c{i * 7919 % there}.o"

    fresh = [template.number(900000 + i) for i in range(ROUNDS)]
    series("cp", lambda i: daemon.load(f"z{i}.o", fresh[i]))
    series("stat", lambda i: os.stat(daemon.path("store", name_of(i))))
    series("cat info", lambda i: read(daemon.path("codelets", name_of(i), "info")))
    series("cat symbols", lambda i: read(daemon.path("codelets", name_of(i), "symbols")))
    series("cat bytes", lambda i: read(daemon.path("store", name_of(i))))
    series("ls of a codelet", lambda i: os.listdir(daemon.path("codelets", name_of(i))))
    series("mv", lambda i: os.rename(daemon.path("store", f"z{i}.o"), daemon.path("store", f"y{i}.o")))
    series("rm", lambda i: os.unlink(daemon.path("store", f"y{i}.o")))
    series("mkdir rmdir", lambda _: remake(daemon))
    series("run", lambda _: run(daemon.path("kernels", "k0", "run")))
    for folder in ("store", "codelets"):
        entries = len(os.listdir(daemon.path(folder)))
        times[f"ls -l {folder}, each"] = min(
            timed(listed, daemon.path(folder)) for _ in range(3)) / entries
    return times


def main():
    build, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3000
    kernels = int(sys.argv[3]) if len(sys.argv) > 3 else count // 10
    with tempfile.TemporaryDirectory(prefix="sfs-scale-") as folder:
        os.chmod(folder, 0o755)
        daemon, template = Daemon(build, folder), Template(folder)
        daemon.start()
        empty = daemon.memory()
        try:
            for i in range(FEW):
                daemon.load(f"c{i}.o", template.number(i))
            for i in range(min(kernels, 10)):
                daemon.kernel(i)
            few, memory, fds = measure(daemon, template, FEW), daemon.memory(), daemon.fds()
            begin = time.monotonic()
            for i in range(FEW, count):
                daemon.load(f"c{i}.o", template.number(i))
            print(f"loads a second {(count - FEW) / (time.monotonic() - begin):.0f}")
            print(f"bytes a codelet {(daemon.memory() - memory) / (count - FEW):.0f}")
            print(f"descriptors more {daemon.fds() - fds}")
            memory = daemon.memory()
            for i in range(10, kernels):
                daemon.kernel(i)
            if kernels > 10:
                print(f"bytes a kernel {(daemon.memory() - memory) / (kernels - 10):.0f}")
            many, memory = measure(daemon, template, count), daemon.memory()
            for name, value in few.items():
                print(f"{name}: {value * 1e6:.0f} us, {many[name] * 1e6:.0f} us, ratio {many[name] / value:.2f}")
            subprocess.run(["find", daemon.path("codelets"), "-ls"], stdout=subprocess.DEVNULL, check=True)
            print(f"bytes a codelet whose files were all looked at {(daemon.memory() - memory) / count:.0f}")
            daemon.end()
            print(f"restart {daemon.start():.2f} s with {len(os.listdir(daemon.path('codelets')))} codelets, "
                  f"bytes each {(daemon.memory() - empty) / count:.0f}, descriptors {daemon.fds()}")
        finally:
            daemon.end()


if __name__ == "__main__":
    main()
