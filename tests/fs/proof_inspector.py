#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# waits
# concurrent
# root-only
"""The inspector is killed, or stopped for good: the load fails in time with a sentence, and the next one is right."""
import os, signal, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs


def ours(pid):
    """Is it below the supervisor whose command line names our mount point?"""
    while pid > 1:
        try:
            with open(f"/proc/{pid}/cmdline") as f:
                if sfs.MNT in f.read().split("\0"):
                    return True
            with open(f"/proc/{pid}/stat") as f:
                pid = int(f.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            return False
    return False


def named(name):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline") as f:
                first = f.read().split("\0")[0]
            with open(f"/proc/{pid}/comm") as f:
                comm = f.read().strip()
        except OSError:
            continue
        if (first == name or comm == name) and ours(int(pid)):
            found.append(int(pid))
    return found


def load_is_right(name):
    """The load works, perhaps only the second time when the first met the corpse; what it shows is true."""
    errors = [sfs.load(good, name)]
    if errors[-1]:
        errors.append(sfs.load(good, name))
    symbols = "" if errors[-1] else sfs.read(f"codelets/{name}/symbols")
    return errors[-1] == 0 and "answer" in symbols, f"{errors} {symbols} {sfs.read('error')}"


good = sfs.compile_c("int answer(void) { return 42; }", "good")
daemons = named("daemon")
right, why = load_is_right("first.o")
sfs.ok("a load before", right, why)
for signal_name in ("SIGKILL", "SIGSEGV"):
    for round in range(3):
        for pid in named("inspector"):
            os.kill(pid, getattr(signal, signal_name))
        right, why = load_is_right(f"after-{signal_name}-{round}.o")
        sfs.ok(f"a load after {signal_name} {round}", right, why)
stopped = named("inspector")
sfs.ok("an inspector is there", stopped)
for pid in stopped:
    os.kill(pid, signal.SIGSTOP)
begun = time.monotonic()
error = sfs.load(good, "stopped.o")
took = time.monotonic() - begun
sfs.ok("a load by a stopped inspector ends in time", took < 5, f"{took} s")
sfs.ok("with an error and a sentence, or by another one", error == 0 or len(sfs.read("store/error")) > 10, sfs.read("store/error"))
sfs.ok("and leaves no name behind", error == 0 or not os.path.exists(f"{sfs.MNT}/store/stopped.o"))
for pid in stopped:
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        pass
right, why = load_is_right("last.o")
sfs.ok("the next load is right", right, why)
sfs.ok("the daemon is the same", named("daemon") == daemons, f"{daemons} {named('daemon')}")
sfs.done()
