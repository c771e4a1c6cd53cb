#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# waits
# root-only
"""Limits that control groups keep: each one that this machine has holds, from the beginning and when it is changed; each other says so."""
import errno, os, shlex, shutil, subprocess, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import cells
import sfs

SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int forks(int wanted)
{
	int made = 0;

	for (; made < wanted; made++) {
		pid_t pid = fork();
		if (pid < 0)
			break;
		if (!pid)
			for (;;)
				pause();
	}
	return printf("%d\n", made) < 0;
}

static int direct(const char *path, int blocks)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_DIRECT, 0600);
	void *block = NULL;

	if (fd < 0 || posix_memalign(&block, 4096, 1 << 18))
		return 1;
	memset(block, 1, 1 << 18);
	for (int i = 0; i < blocks; i++)
		if (write(fd, block, 1 << 18) != 1 << 18)
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argv[1];
	long n = atol(argv[2]);
	double end = now() + n / 1000.0;

	if (!strcmp(what, "spin"))
		while (now() < end)
			;
	if (!strcmp(what, "eat"))
		memset(malloc(n), 1, n);
	if (!strcmp(what, "forks"))
		return forks(n);
	if (!strcmp(what, "direct"))
		return direct(argv[3], n);
	if (!strcmp(what, "ticks"))
		for (;;)
			puts("tick"), fflush(stdout), usleep(20000);
	return argc < 3;
}
"""
BLOCK = 1 << 18
machine = sfs.flat("machine")
limits = machine["rocker_limits"].split()
folder = os.path.join(sfs.TMP, "bin")
os.chmod(sfs.TMP, 0o755)
os.mkdir(folder)
subprocess.run(["gcc", "-O1", "-static", "-w", "-x", "c", "-o", f"{folder}/tool", "-"], input=SOURCE.encode(), check=True)
BINDS = f"{shlex.quote(folder)} /t ro\n"


def here(limit):
    """Can this machine keep it? Else its file has to say so, of a rocker that runs."""
    if limit in limits:
        return True
    with cells.rocker("without", binds=BINDS) as name:
        cells.command(name, "/t/tool spin 1")
        error = cells.put(name, limit, {"io.max": "7:0 wbps=1000", "cpu.max": "1000"}.get(limit, "40"))
        said = sfs.read(f"rockers/{name}/error")
        sfs.ok(f"{limit} cannot be kept here and says so", error == errno.EOPNOTSUPP and limit in said, (error, said))
    return False


def memory():
    with cells.rocker("m", binds=BINDS, memory__max="16M") as name:
        error, _ = cells.command(name, f"/t/tool eat {64 << 20}")
        result = cells.result(name)
        sfs.ok("memory.max ends who takes more", result["status"] == "oom", (sfs.name_of(error), result))
        sfs.ok("this is counted", int(cells.flat(name, "usage")["oom_kills"]) > 0 and int(cells.flat(name, "activity")["oom_kills"]) > 0)
        sfs.ok("memory.max goes up", cells.put(name, "memory.max", "256M") == 0, sfs.read(f"rockers/{name}/error"))
        error, _ = cells.command(name, f"/t/tool eat {64 << 20}")
        sfs.ok("and then it is no more", not error and cells.result(name)["status"] == "ok", cells.result(name))


def pids():
    with cells.rocker("p", binds=BINDS, pids__max="8") as name:
        for most in (8, 5):
            sfs.ok(f"pids.max {most}", cells.put(name, "pids.max", f"{most}") == 0, sfs.read(f"rockers/{name}/error"))
            error, said = cells.command(name, "/t/tool forks 40")
            sfs.ok(f"so many processes and no more: {most}", not error and said == f"{most - 1}\n", (error, said))
            cells.put(name, "kill", "KILL")
            sfs.ok("all of them are ended", cells.alone(name))


def share(name):
    """Which part of its time a job that never waits has had a processor."""
    cells.command(name, "/t/tool spin 2000")
    result = cells.result(name)
    return (int(result["user_ns"]) + int(result["system_ns"])) / int(result["wall_ns"])


def cpu():
    with cells.rocker("c", binds=BINDS, cpu__max="2000") as name:
        slow = share(name)
        sfs.ok("cpu.max takes nearly all of the time away", slow < 0.2, slow)
        sfs.ok("cpu.max max", cells.put(name, "cpu.max", "max") == 0, sfs.read(f"rockers/{name}/error"))
        sfs.ok("and gives it back", sfs.wait_for(lambda: share(name) > 2 * slow), slow)


def disk():
    """(number, folder) of a small file system on a device of its own, or why there is none."""
    image, mounted = os.path.join(sfs.TMP, "disk"), os.path.join(sfs.TMP, "mounted")
    if not shutil.which("mke2fs"):
        return None, "no mke2fs"
    with open(image, "wb") as f:
        f.truncate(32 << 20)
    os.mkdir(mounted)
    subprocess.run(["mke2fs", "-q", "-F", image], check=True)
    done = subprocess.run(["mount", "-o", "loop", image, mounted], stderr=subprocess.PIPE)
    if done.returncode:
        return None, done.stderr.decode().strip()
    os.chmod(mounted, 0o777)
    device = os.stat(mounted).st_dev
    return f"{os.major(device)}:{os.minor(device)}", mounted


def written(name, blocks):
    begin = time.monotonic()
    error, said = cells.command(name, f"/t/tool direct {blocks} /disk/file")
    sfs.ok("the disk can be written to", not error and cells.result(name)["status"] == "ok", (error, said, cells.result(name)))
    return time.monotonic() - begin


def io():
    device, mounted = disk()
    if not device:
        print(f"skip io.max: {mounted}", flush=True)
        return
    try:
        with cells.rocker("i", binds=BINDS + f"{shlex.quote(mounted)} /disk rw\n", io__max=f"{device} wbps={4 * BLOCK}") as name:
            slow = written(name, 12)
            sfs.ok("io.max makes three seconds of three times what a second may have", slow > 2, slow)
            sfs.ok("this is counted", int(cells.flat(name, "usage")["io_write_bytes"]) >= 12 * BLOCK, cells.flat(name, "usage"))
            sfs.ok("io.max is taken away", cells.put(name, "io.max", f"{device} wbps=max") == 0, sfs.read(f"rockers/{name}/error"))
            sfs.ok("and then it is no more", sfs.wait_for(lambda: written(name, 12) < slow), slow)
    finally:
        subprocess.run(["umount", mounted], check=False)


def frozen():
    with cells.rocker("f", binds=BINDS) as name:
        number = cells.start(name, "/t/tool ticks 0")
        length = lambda: os.stat(cells.path(name, "jobs", str(number), "stdout")).st_size
        sfs.ok("it ticks", sfs.wait_for(lambda: length() > 10))
        sfs.ok("freeze", cells.put(name, "freeze", "1") == 0 and cells.state(name) == "frozen")
        time.sleep(0.3)  # what is in the pipe arrives
        before = length()
        time.sleep(0.5)
        sfs.ok("what is frozen does nothing", length() == before, (before, length()))
        sfs.ok("thaw", cells.put(name, "freeze", "0") == 0 and sfs.wait_for(lambda: length() > before))
        cells.put(name, "freeze", "1")
        sfs.ok("what is frozen can be killed", cells.put(name, "kill", "KILL") == 0)
        cells.put(name, "freeze", "0")
        sfs.ok("and has ended", cells.job_ended(name, number) and cells.alone(name))


def pressure():
    with cells.rocker("s", binds=BINDS) as name:
        cells.command(name, "/t/tool spin 1")
        said, there = sfs.read(f"rockers/{name}/pressure"), machine["rocker_pressure"] == "yes"
        sfs.ok(f"pressure: {machine['rocker_pressure']}", ("some" in said and "avg10=" in said) if there else not said, said)


for limit, check in (("memory.max", memory), ("pids.max", pids), ("cpu.max", cpu), ("io.max", io)):
    if here(limit):
        check()
if machine["rocker_freeze"] == "yes":
    frozen()
pressure()
