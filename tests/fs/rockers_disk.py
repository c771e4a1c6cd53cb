#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# waits
# deadline: 180
"""disk.max of a data directory: who writes more is killed, nothing begins there until there is room, and what cannot be
measured is too much."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import rocker_jobs as rj
import sfs
from sfs import ok

SOURCE = r"""
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
static int fill(const char *path, long bytes)
{
	static char block[65536];
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	memset(block, 'x', sizeof block);
	for (; fd >= 0 && bytes > 0; bytes -= sizeof block)
		if (write(fd, block, sizeof block) < 0)
			return 1;
	return fd < 0 || close(fd);
}
int main(int argc, char **argv)
{
	const char *what = argv[1];
	long n = argc > 3 ? atol(argv[3]) : 0;
	char path[64];
	if (!strcmp(what, "fill"))
		return fill(argv[2], n);
	if (!strcmp(what, "many") || (!strcmp(what, "behind") && !fork()))
		for (int i = !setsid();; i++) {
			snprintf(path, sizeof path, "%s/f%d", argv[2], i);
			if (fill(path, n))
				pause();
			usleep(50000);
		}
	if (!strcmp(what, "links"))
		for (int i = 0; i < 50; i++) {
			snprintf(path, sizeof path, "%s.%d", argv[2], i);
			if (link(argv[2], path))
				return 1;
		}
	if (!strcmp(what, "deep") && chdir("/data"))
		return 1;
	if (!strcmp(what, "deep"))
		for (int i = 0; i < 600; i++)
			if (mkdir("d", 0700) || chdir("d"))
				return 1;
	if (!strcmp(what, "closed"))
		return mkdir("/data/closed", 0700) || fill("/data/closed/f", n) || chmod("/data/closed", 0);
	if (!strcmp(what, "deep") || !strcmp(what, "pause"))
		sleep(60);
	if (!strcmp(what, "ls"))
		return access(argv[2], F_OK) != 0;
	return 0;
}
"""
M = 1 << 20
bin_ = rj.folder()
subprocess.run(["gcc", "-O1", "-static", "-w", "-x", "c", "-o", f"{bin_}/disk", "-"], input=SOURCE.encode(), check=True)
data = os.path.join(sfs.TMP, "data")
os.mkdir(data)
os.chmod(data, 0o777)


def disk(words, file="run"):
    return rj.command(f"a/{file}", f"/bin/disk {words}")


def clear():
    for name in os.listdir(data):
        path = os.path.join(data, name)
        subprocess.run(["chmod", "-R", "u+rwx", path], check=True)
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


def usage():
    return int(sfs.flat("rockers/a/usage").get("disk_bytes", -1))


rj.make("a", bin_, data_dir=data, disk__max="8M")
error, said = disk(f"fill /data/small {M}")
ok("what is below the limit is written", not error and os.path.getsize(f"{data}/small") == M, (error, said))
ok("usage tells of it", sfs.wait_for(lambda: usage() >= M), usage())
ok("one file has disk.max at most", disk(f"fill /data/big {64 * M}") and os.path.getsize(f"{data}/big") <= 8 * M, os.path.getsize(f"{data}/big"))
clear()
ok("there is room again", disk(f"fill /data/small {M}")[0] == 0, sfs.read("rockers/a/error"))
ok("files of several names count once", disk("links /data/small")[0] == 0 and disk("ls /data/small")[0] == 0 and
   sfs.wait_for(lambda: M <= usage() < 3 * M), usage())
clear()
error, said = disk(f"many /data {M}")
ok("many files are too much together", error == "ECANCELED" and "disk.max" in said, (error, said))
result = rj.result("a")
ok("the result says so", result["status"] == "killed" and "disk.max" in result["message"], result)
written = sum(os.path.getsize(os.path.join(data, n)) for n in os.listdir(data))
ok("not much more was written", 6 * M < written < 200 * M, written)
error, said = disk("ls /data")
ok("nothing begins while it is full", error == "ENOSPC" and "disk.max" in said, (error, said))
ok("nor in the background", disk("pause", "start")[0] == "ENOSPC")
clear()
ok("and it does when there is room", disk("ls /data")[0] == 0, sfs.read("rockers/a/error"))

guard = [int(sfs.flat("rockers/a/guard")["pid"])]
error, said = disk(f"behind /data {M // 4}")
ok("a job leaves one behind that writes", not error, (error, said))
ok("it is killed, too", sfs.wait_for(lambda: [int(p) for p in sfs.read("rockers/a/procs").split()] == guard, 30), usage())
ok("since there is too much", disk("ls /data")[0] == "ENOSPC", usage())
clear()

ok("a directory that is closed to all is measured", disk(f"closed - {2 * M}")[0] == 0 and disk("ls /data")[0] == 0 and
   sfs.wait_for(lambda: usage() >= 2 * M), (usage(), sfs.read("rockers/a/error")))
clear()
error, said = disk("deep")
ok("what is too deep to be measured is too much", error == "ECANCELED" and "deep" in said, (error, said, rj.result("a")))
subprocess.run(["rm", "-rf", f"{data}/d"], check=True)
ok("it goes on without", disk("ls /data")[0] == 0, sfs.read("rockers/a/error"))

number = disk("pause", "start")[1].strip()
os.rmdir(rj.path("a"))
ok("one that is looked at can be removed", not os.path.exists(rj.path("a")), number)

# The limit of another one is no matter of this one's, and one without a limit is not looked at.
rj.make("a", bin_, data_dir=data)
ok("without disk.max all is written", disk(f"fill /data/big {12 * M}")[0] == 0 and usage() == -1, usage())
os.rmdir(rj.path("a"))
clear()
sfs.done()
