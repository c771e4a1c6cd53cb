#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# deadline: 300
# concurrent
"""Programs in a rocker that take all they can get: each comes as far as the limits, and the rocker and the host work on."""
import os, shlex, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import escapes
import cells
import sfs

PIDS, DISK = 48, 8 << 20
GROUPS = sfs.ROLE == "root"  # else rlimits stand in for control groups
folder = os.path.join(sfs.TMP, "suite")
os.chmod(sfs.TMP, 0o755)
os.mkdir(folder)
suite = escapes.Suite(folder)


def rss(pid):
    with open(f"/proc/{pid}/status") as f:
        return next((int(line.split()[1]) << 10 for line in f if line.startswith("VmRSS")), 0)


def works(name, what):
    """Ends all that is left of a bomb; then commands must run."""
    cells.put(name, "kill", "KILL")
    alone = cells.alone(name)
    last = []

    def runs():  # what is killed is counted until it is gone
        last[:] = cells.command(name, "/t/attempt sysrq")
        return not last[0] and "sysrq ENOENT" in last[1]
    sfs.ok(f"{what}: commands run afterwards", sfs.wait_for(runs) and alone,
           f"{last} procs {cells.procs(name) if not alone else ''}")


def bomb(name, what):
    error, answer = cells.command(name, f"/t/attempt bomb-{what}")
    return error, answer, cells.result(name)


def unlimited(what, file):
    if file in cells.unlimited:
        print(f"skip {what}: {file} is not possible here")
    return file in cells.unlimited


def counted(what, noun, most, *errors):
    """It says how many it got, and why no more."""
    if noun in ("processes", "threads") and unlimited(what, "pids.max"):
        return False
    error, answer, result = bomb("bombs", what)
    said = answer.split()
    good = not error and said[:1] == [noun] and int(said[1]) <= most and said[2] in errors
    sfs.ok(f"{what}: ends with {' or '.join(errors)} below its limit", good, f"{sfs.name_of(error)} {answer[:300]} {result}")
    works("bombs", what)
    return good


def timed(what):
    last = cells.result("bombs")["job"]
    error, answer, _ = bomb("bombs", what)
    # The answer comes by its time, even if what was killed takes longer to die.
    sfs.wait_for(lambda: cells.result("bombs")["job"] != last)
    result = cells.result("bombs")
    timeout = sfs.name_of(error) == "ETIMEDOUT" and result.get("status") == "timeout"
    # Many processes are memory, too; and they may keep everybody from the processors until they end by themselves.
    sfs.ok(f"{what}: ends with its time", timeout or (what == "wild" and result.get("status") in ("oom", "ok")),
           f"{sfs.name_of(error)} {answer[:300]} {result}")
    works("bombs", what)


def memory():
    if unlimited("memory", "memory.max"):
        return
    error, answer, result = bomb("bombs", "memory")
    refused = answer.split()[:1] == ["mebibytes"] and answer.split()[2] == "ENOMEM" and int(answer.split()[1]) < 64
    oom = result.get("status") == "oom"
    sfs.ok("memory: ends at the limit", oom if GROUPS else oom or refused, f"{sfs.name_of(error)} {answer} {result}")
    if oom:
        sfs.ok("memory: activity and usage tell", int(cells.flat("bombs", "activity")["oom_kills"]) >= 1
               and int(cells.flat("bombs", "usage")["oom_kills"]) >= 1, sfs.read("rockers/bombs/activity"))
    works("bombs", "memory")


def output():
    """256 MiB to each of both streams; what is kept is bounded, in the daemon too."""
    pids = sfs.processes()
    before = sum(rss(p) for p in pids) if GROUPS else 0
    error, answer, result = bomb("bombs", "output")
    after = sum(rss(p) for p in pids if os.path.exists(f"/proc/{p}")) if GROUPS else 0
    sfs.ok("output: a flood ends, or its time does", sfs.name_of(error) in ("0", "ETIMEDOUT"), f"{error} {result}")
    sfs.ok("output: what is kept is bounded", len(answer) <= 4 << 20, len(answer))
    sfs.ok("output: and so is the daemon", after - before < 64 << 20, f"{before} {after}")
    works("bombs", "output")


def starve():
    error, answer, result = bomb("bombs", "starve")
    sfs.ok("starve: standard input of run is at its end", not error and answer.split()[:2] == ["read", "0"],
           f"{sfs.name_of(error)} {answer} {result}")
    works("bombs", "starve")


def survivor():
    """What a job leaves running ends with the rocker at the latest."""
    error, answer, result = bomb("bombs", "orphan")
    sfs.ok("orphan: the job itself ends", not error and answer.startswith("orphan"), f"{sfs.name_of(error)} {answer} {result}")
    works("bombs", "orphan")


def everyone():
    _, answer, result = bomb("bombs", "everyone")
    sfs.ok("everyone: kill of all does not end the guard", "everyone" in answer, f"{answer} {result}")
    works("bombs", "everyone")


def refusals():
    """Calls that are refused as fast as can be keep nobody else waiting."""
    with cells.rocker("beside", binds=binds) as beside:
        cells.command(beside, "/t/attempt sysrq")
        job = cells.start("bombs", "/t/attempt bomb-refused")
        begin = time.monotonic()
        answers = [cells.command(beside, "/t/attempt mount_tmpfs") for _ in range(5)]
        took = time.monotonic() - begin
        sfs.ok("refused: a flood of refusals beside lets others work", took < 20 and
               all(not error and "EPERM" in answer for error, answer in answers), f"{took:.1f} s {answers}")
        sfs.ok("refused: and ends", cells.job_ended("bombs", job, 60))
        print(f"# five runs beside the flood took {took * 1e3:.0f} ms")
    works("bombs", "refused")


def killed_while_wild():
    """rmdir ends a fork bomb that is going on."""
    cells.make("wild", binds=binds, pids__max=str(PIDS), time__max_ms="20000")
    cells.start("wild", "/t/attempt bomb-wild")
    time.sleep(0.3)
    begin = time.monotonic()
    os.rmdir(cells.path("wild"))
    sfs.ok("wild: rmdir ends it", not os.path.exists(cells.path("wild")) and time.monotonic() - begin < 10)
    sfs.ok("wild: nothing of it runs on", sfs.wait_for(lambda: not running()), running())


def running():
    found = []
    for pid in sfs.processes():
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if f.read().startswith(b"/t/attempt\0bomb-wild"):
                    found.append(pid)
        except OSError:
            pass
    return found


binds = f"{shlex.quote(suite.ro)} /t ro\n"
limits = {"pids__max": str(PIDS), "memory__max": "48M", "disk__max": str(DISK), "time__max_ms": "20000"}
with cells.rocker("bombs", binds=binds, **limits):
    works("bombs", "before")
    limited = counted("fork", "processes", PIDS, "EAGAIN")
    counted("zombies", "processes", PIDS, "EAGAIN")
    counted("threads", "threads", PIDS, "EAGAIN")
    counted("fds", "descriptors", 1 << 16, "EMFILE")
    counted("fill", "blocks", DISK >> 16, "ENOSPC", "EFBIG")
    refusals()
with cells.rocker("bombs", binds=binds, **limits):
    counted("inodes", "inodes", 1 << 20, "ENOSPC", "ENOMEM")
with cells.rocker("bombs", binds=binds, **limits):
    memory()
    counted("signals", "signals", 1 << 20, "0")
    output()
    starve()
    survivor()
    everyone()
    cells.put("bombs", "time.max_ms", "1500")
    for kind in ("wild", "endless", "stop", "spin") if limited else ("endless", "stop", "spin"):
        timed(kind)
    seen = cells.flat("bombs", "activity")
    sfs.ok("activity counts timeouts", int(seen["timeouts"]) >= 3, seen)
if limited:
    killed_while_wild()
sfs.done()
