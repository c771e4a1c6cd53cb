# SPDX-License-Identifier: MIT
"""Rockers for tests/bench/run: one beside a bare spawn and beside other sandboxes, and a thousand at once."""
import json
import os
import shutil
import statistics
import subprocess
import time

ROUNDS, CROWD, LOOKS = 200, 1000, 1000
EMPTY = ".globl _start\n_start: xor %edi, %edi\nmov $60, %eax\nsyscall\n"
GOALS = {"run in a ready rocker": 1.25, "mkdir": 1.1, "rmdir": 1.0, "mkdir with its own network namespace": 2.0,
         "mkdir, run, rmdir of a template's": 3.1}
# crun takes control groups of both versions side by side for none: here it sees those of the second alone.
ALONE = ["unshare", "--mount", "sh", "-c", 'mount -t cgroup2 none /sys/fs/cgroup && exec "$@"', "sh"]
KIB = {"with a shared network namespace": 300, "with its own": 400}


def configure(mount):
    """A template, and room for all."""
    templates = os.path.join(mount.folder, "templates")
    bin_folder = os.path.join(mount.folder, "bin")
    for path in (templates, bin_folder):
        os.mkdir(path)
        os.chmod(path, 0o755)
    subprocess.run(["gcc", "-nostdlib", "-static", "-Wl,--build-id=none", "-x", "assembler", "-o", f"{bin_folder}/empty", "-"],
                   input=EMPTY.encode(), check=True)
    subprocess.run(["gcc", "-O2", "-static", "-x", "c", "-o", f"{bin_folder}/empty-libc", "-"],
                   input=b"int main(void) { return 0; }", check=True)
    for name, network in (("empty", "none"), ("loopback", "loopback")):
        with open(f"{templates}/{name}.ini", "w", encoding="utf-8") as f:
            f.write(f"[rocker]\nbinds = {bin_folder} /t ro\nnetwork = {network}\n")
    with open(os.path.join(mount.folder, "config.ini"), "a", encoding="utf-8") as f:
        f.write(f"\n[rockers]\nmax = 4000\ntemplates = {templates}\n")
    return bin_folder


def put(path, text):
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def among_groups(words):
    """The same command, where the groups of version 2 are all that there is."""
    both = os.getuid() == 0 and os.path.isdir("/sys/fs/cgroup") and not os.path.exists("/sys/fs/cgroup/cgroup.controllers")
    return ALONE + words if both else words


def crun(folder, program):
    """The words that run the program in a fresh container."""
    bundle = os.path.join(folder, "bundle")
    os.makedirs(f"{bundle}/rootfs")
    shutil.copy(program, f"{bundle}/rootfs/empty")
    subprocess.run(["crun", "spec"], cwd=bundle, check=True)
    with open(f"{bundle}/config.json", encoding="utf-8") as f:
        spec = json.load(f)
    spec["process"].update(terminal=False, args=["/empty"])
    spec["root"]["readonly"] = True
    with open(f"{bundle}/config.json", "w", encoding="utf-8") as f:
        json.dump(spec, f)
    return ["crun|" + shutil.which("crun"), "--root", f"{folder}/crun", "--cgroup-manager=disabled", "run", "-b", bundle, "bench"]


def trouble(words):
    """Why it does not work here; '' if it does."""
    p = subprocess.run(among_groups([words[0].split("|")[1], *words[1:]]), check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                       text=True)
    return p.returncode and f"does not run here: {' '.join(p.stderr.split()) or p.returncode}"


def peers(b, program):
    """Those of the other sandboxes that are here and work here."""
    found = []
    for name, words in (("bwrap", lambda: ["bwrap --unshare-all|" + shutil.which("bwrap"), "--unshare-all", "--ro-bind",
                                           b.bin, "/t", f"/t/{program}"]),
                        ("crun", lambda: crun(f"{b.tmp}/crun-{program}", f"{b.bin}/{program}"))):
        if not shutil.which(name):
            print(f"    {name} is not installed")
            continue
        made = words()
        why = trouble(made)
        if why:
            print(f"    {name} {why}")
        else:
            found.append("|".join(made))
    return found


def compare(b, core, program, others):
    """One interleaved run, all of it on that core; -1: anywhere."""
    b.pin(core)
    words = [f"{b.build}/bench/rockers", str(ROUNDS), f"{b.mnt}/rockers", f"{b.bin}/{program}", "empty", "loopback", *others]
    if core >= 0:
        words = ["taskset", "-c", str(core), *words]
    out = subprocess.run(among_groups(words), check=True, stdout=subprocess.PIPE, text=True).stdout
    print(f"rockers beside a bare spawn and wait of the same {program}, {'one core' if core >= 0 else 'any core'}, "
          f"medians of {ROUNDS} rounds:")
    for line in out.splitlines():
        name, ratio, *us = line.split("|")
        if not us:
            print(f"              {name}: {ratio} a second", flush=True)
            continue
        goal = GOALS.get(name)
        met = f", goal {goal}: {'met' if float(ratio) <= goal else 'missed'}" if goal else ""
        print(f"    {float(ratio):9.3f} {name} ({us[0]} us{met})", flush=True)


def bench_rockers(b):
    ready = f"{b.mnt}/rockers/ready"
    os.mkdir(ready)
    put(f"{ready}/binds", f"{b.bin} /t ro\n")
    for program in ("empty", "empty-libc"):
        others = peers(b, program)
        for core in (0, -1):
            compare(b, core, program, others)
    os.rmdir(ready)


def kernel_memory():
    """Bytes that are not available any more, and those in slabs, when the machine is quiet."""
    with open("/proc/meminfo", encoding="ascii") as f:
        values = {line.split(":")[0]: int(line.split()[1]) << 10 for line in f}
    return values["MemAvailable"], values["Slab"]


def medians_us(*calls):
    """Of each of them, one after the other: all see the same moment of the machine."""
    times = [[] for _ in calls]
    for _ in range(LOOKS):
        for call, took in zip(calls, times):
            begin = time.perf_counter()
            call()
            took.append(time.perf_counter() - begin)
    return [statistics.median(took) * 1e6 for took in times]


def first_line(path):
    with open(path, encoding="ascii") as f:
        return f.read().split()[0]


def looks(b):
    """Microseconds of listing and of one state, and of a file of the minimal file system beside that state, on one core."""
    rockers = f"{b.mnt}/rockers"
    time.sleep(2)  # what is made ahead is there
    b.pin(0)
    os.sched_setaffinity(0, {0})
    took = medians_us(lambda: os.listdir(rockers)) + medians_us(lambda: first_line(f"{rockers}/c0/state"),
                                                                lambda: first_line(f"{b.point}/live"))
    os.sched_setaffinity(0, range(os.cpu_count()))
    b.pin(-1)
    return took


def all_ready(b, count):
    end = time.monotonic() + 120
    for i in range(count):
        while first_line(f"{b.mnt}/rockers/c{i}/state") == "building" and time.monotonic() < end:
            time.sleep(0.02)
    states = [first_line(f"{b.mnt}/rockers/c{i}/state") for i in range(count)]
    return {state: states.count(state) for state in states}


def bench_crowd(b):
    rockers = f"{b.mnt}/rockers"
    b.start_minimal(64)
    os.mkdir(f"{rockers}/c0")
    all_ready(b, 1)
    few = looks(b)
    available, slab = kernel_memory()
    begin = time.monotonic()
    for i in range(1, CROWD):
        os.mkdir(f"{rockers}/c{i}")
    states = all_ready(b, CROWD)
    took = time.monotonic() - begin
    now_available, now_slab = kernel_memory()
    many = looks(b)
    each = (available - now_available) / (CROWD - 1) / 1024
    print(f"{CROWD} rockers ({states}) in {took:.1f} s: {each:.0f} KiB each of MemAvailable, of that "
          f"{(now_slab - slab) / (CROWD - 1) / 1024:.0f} KiB in slabs (goals: {KIB})")
    beside = [look[1] / look[2] for look in (few, many)]
    print(f"    ls: {few[0]:.1f} us with one, {many[0] / CROWD:.2f} us for each of {CROWD}\n"
          f"    state: {few[1]:.1f} us with one, {many[1]:.1f} us with {CROWD}; beside a file of the minimal file system "
          f"{beside[0]:.3f} and {beside[1]:.3f}, ratio {beside[1] / beside[0]:.2f}", flush=True)
    begin = time.monotonic()
    for i in range(CROWD):
        os.rmdir(f"{rockers}/c{i}")
    print(f"    removed in {time.monotonic() - begin:.1f} s", flush=True)
