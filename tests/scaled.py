# SPDX-License-Identifier: MIT
"""What the tests with many objects share: a daemon of their own, and any number of codelets that all differ."""
import os
import re
import subprocess
import time

import onetest

CONFIG = ("[store]\nmax_codelets = 1000000\nmax_total_bytes = 8589934592\n"
          "[kernels]\nmax = 100000\n[limits]\nopens_max = 4096\n")
SOURCE = 'const unsigned long mark = 0x5ca1ab1e0ddba115; unsigned long probe_000000(unsigned long n) { return n + mark; }'
MARK, NAME = (0x5ca1ab1e0ddba115).to_bytes(8, "little"), b"probe_000000"
START_S = 120


class Template:
    """One object from the compiler; others are it with another constant and another symbol."""

    def __init__(self, folder):
        path = os.path.join(folder, "template.o")
        subprocess.run(["gcc", "-O1", "-ffreestanding", "-x", "c", "-c", "-o", path, "-"], input=SOURCE.encode(), check=True)
        with open(path, "rb") as f:
            self.bytes = f.read()
        assert MARK in self.bytes and NAME in self.bytes

    def number(self, i):
        return self.bytes.replace(MARK, (i + 1).to_bytes(8, "little")).replace(NAME, b"probe_%06d" % i)


class Daemon:
    """A mounted sandboxfs over a state directory that outlives it."""

    def __init__(self, build, folder, config=CONFIG):
        self.mnt, self.state = os.path.join(folder, "mnt"), os.path.join(folder, "state")
        self.log, self.config = os.path.join(folder, "log"), os.path.join(folder, "config.ini")
        self.command = [os.path.join(build, "bin", "sandboxfs"), "-f", "--config", self.config, "--state", self.state, self.mnt]
        os.makedirs(self.mnt, exist_ok=True)
        with open(self.config, "w") as f:
            f.write(config)
        self.process = None

    def start(self):
        """Seconds until the mount answers."""
        begin = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stderr=log, stdin=subprocess.DEVNULL)
        while not os.path.exists(os.path.join(self.mnt, "README")):
            if self.process.poll() is not None or time.monotonic() > begin + START_S:
                with open(self.log) as f:
                    raise RuntimeError(f.read())
            time.sleep(0.005)
        return time.monotonic() - begin

    def end(self):
        self.process.terminate()
        return self.process.wait(60)

    def pid(self):
        """The daemon proper: of the processes that were forked here, the one with threads."""
        pids = [self.process.pid, *onetest.descendants(self.process.pid)]
        return max(pids, key=lambda p: len(os.listdir(f"/proc/{p}/task")))

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid()}/fd"))

    def memory(self):
        """Bytes of anonymous memory that the daemon has at the moment."""
        with open(f"/proc/{self.pid()}/status") as f:
            return int(re.search(r"RssAnon:\s+(\d+)", f.read()).group(1)) * 1024

    def path(self, *names):
        return os.path.join(self.mnt, *names)

    def load(self, name, data):
        with open(self.path("store", name), "wb", buffering=0) as f:
            f.write(data)

    def kernel(self, i):
        os.mkdir(self.path("kernels", f"k{i}"))
        with open(self.path("kernels", f"k{i}", "spec"), "w") as f:
            f.write(f"[kernel]\nname = k{i}\nfunction = probe_{i:06}\nreturns = u64\n"
                    "[param.n]\ntype = u64\ndefault = 1\n[call]\nargs = u64 n\n")
