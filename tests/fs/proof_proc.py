#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# concurrent
"""What /proc says about a live run, seen from outside: its jail, its rights, its descriptors, its mappings."""
import os, subprocess, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

NAMESPACES = ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")
OTHER = 20001
WORDS = "reps=1 timeout_ms=60000 codelet=spin.o"
# It has a buffer, so that there is a descriptor to be given up.
sfs.codelet("void spin(char *b) { for (;;) __asm__ volatile(\"\"); }", "spin")
sfs.kernel("spin", "[kernel]\nname = spin\nfunction = spin\nreturns = void\n[buffer.b]\ntype = u8\ncount = 64\n"
           "access = rw\ninit = zero\n[call]\nargs = ptr b\n")


def status(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def spinning():
    """The process that burns a core two pid namespaces' levels down from ours and has the strictest filter."""
    before = {}
    for attempt in range(100):
        for pid in sfs.processes():
            try:
                with open(f"/proc/{pid}/stat") as f:
                    fields = f.read().rsplit(")", 1)[1].split()
                st = status(pid)
            except OSError:
                continue
            ticks = int(fields[11])
            if len(st.get("NSpid", "").split()) > 1 and st["Seccomp"] == "2" and ticks - before.get(pid, ticks) > 5:
                return pid
            before[pid] = ticks if pid not in before else before[pid]
        time.sleep(0.05)
    return None


def maps(pid):
    """Where something is mapped, and what: a file is the same wherever it is."""
    with open(f"/proc/{pid}/maps") as f:
        lines = [line.split() for line in f]
    places = {tuple(x[0].split("-")) + (x[5] if len(x) > 5 else "",) for x in lines if not x[0].startswith("ffffffff")}
    return places | {(x[3], x[4]) for x in lines if x[4] != "0"}


def ids(pid):
    return set(status(pid)["Uid"].split()) | set(status(pid)["Gid"].split())


def started(**who):
    """Whoever has a run that does not end: it ends with him."""
    return subprocess.Popen(["sh", "-c", f"echo {WORDS} >{sfs.MNT}/kernels/spin/run"], stderr=subprocess.DEVNULL, **who)


def check_other(first):
    """Another user runs the same codelet, for which the first one's template stands ready."""
    os.chmod(os.path.join(sfs.MNT, "kernels/spin/run"), 0o666)
    writer = started(user=OTHER, group=OTHER, extra_groups=[])
    other = spinning()
    if sfs.ok("another user's run is there", other):
        sfs.ok("each user's runs have an id of their own", not first & ids(other), f"{first} {ids(other)}")
    writer.kill()
    writer.wait()


writer = started()
pid = spinning()
if sfs.ok("the run is there", pid):
    st = status(pid)
    parent = int(st["PPid"])
    sfs.ok("capabilities are none", int(st["CapEff"], 16) == 0 and int(st["CapBnd"], 16) == 0 and
           int(st["CapPrm"], 16) == 0 and int(st["CapInh"], 16) == 0 and int(st["CapAmb"], 16) == 0, st)
    sfs.ok("no new privileges", st["NoNewPrivs"] == "1", st["NoNewPrivs"])
    sfs.ok("seccomp filters", st["Seccomp"] == "2" and int(st["Seccomp_filters"]) >= 2, st)
    uids = ids(pid)
    if os.getuid() == 0:
        sfs.ok("an id of its own", len(set(st["Uid"].split())) == 1 and not uids & {"0", "65534", str(os.stat(sfs.MNT).st_uid)}, uids)
        sfs.ok("no supplementary groups", not st.get("Groups", "").split(), st.get("Groups"))
        own = {n: os.readlink(f"/proc/self/ns/{n}") for n in NAMESPACES}
        its = {n: os.readlink(f"/proc/{pid}/ns/{n}") for n in NAMESPACES}
        up = {n: os.readlink(f"/proc/{parent}/ns/{n}") for n in NAMESPACES}
        for n in NAMESPACES:
            sfs.ok(f"own {n} namespace", its[n] != own[n] and its[n] != up[n], its[n])
        fds = {fd: os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
        sfs.ok("no descriptor but the listener", all("seccomp notify" in x for x in fds.values()) and len(fds) <= 1, fds)
        sfs.ok("no environment", open(f"/proc/{pid}/environ").read() == "")
        common = maps(pid) & maps(parent)
        sfs.ok("no mapping in common with the launcher", not common, sorted(common)[:5])
        sfs.ok("an empty root", os.listdir(f"/proc/{pid}/root/") == [], os.listdir(f"/proc/{pid}/root/"))
        exe = os.readlink(f"/proc/{pid}/exe")
        sfs.ok("its program comes from a memfd", "memfd:" in exe, exe)
    else:
        sfs.ok("the user's own id", uids == {str(os.getuid())} or str(os.getuid()) in uids, uids)
    for target in ("run",):
        os.stat(os.path.join(sfs.MNT, "kernels/spin", target))
sfs.ok("it runs until its writer gives up", writer.poll() is None)
writer.kill()
writer.wait()
sfs.ok("nothing is left of it", sfs.wait_for(lambda: not os.path.exists(f"/proc/{pid}")))
if pid and os.getuid() == 0:
    check_other(uids)
sfs.done()
