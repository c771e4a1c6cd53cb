#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# deadline: 300
"""The sessions with rockers that README shows, and its like without data_dir, are typed as they stand there: each line does and says what it should."""
import os, re, shlex, subprocess, sys
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import sfs

HERE = os.path.dirname(os.path.abspath(__file__))
SERVE = r"""
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	char name[65] = "";
	gethostname(name, 64);
	return argc != 2 || strcmp(argv[1], "--once") || printf("hello from %s, uid %d\n", name, getuid()) < 0;
}
"""
# Without data_dir what it writes is gone with it. The outputs are what must be seen, "N" any number.
SHORT = r"""$ mksquashfs app/ app.squashfs
$ mkdir mnt/rockers/a
$ echo $PWD/app.squashfs > mnt/rockers/a/package; echo /opt/app > mnt/rockers/a/exec_dir
$ echo '/usr /var /etc' > mnt/rockers/a/overlays; echo 64M > mnt/rockers/a/memory.max
$ echo '/opt/app/bin/serve --once' > mnt/rockers/a/run; cat mnt/rockers/a/run
hello from a, uid N
$ cat mnt/rockers/a/usage | grep -E '^(cpu_ns|memory_bytes|pids) '
cpu_ns N
memory_bytes N
pids N
$ stat -c %s mnt/rockers/a/run; wc -c < mnt/rockers/a/run; cat mnt/rockers/a/run | wc -l
N
N
1
$ rmdir mnt/rockers/a
"""


def shown():
    """The session of README's section on rockers."""
    with open(os.path.join(HERE, "..", "..", "README.md"), encoding="utf-8") as f:
        return f.read().split("## Isolated environments")[1].split("```console\n")[1].split("```")[0]


def lines(session):
    """Each command with what it prints."""
    found = []
    for line in session.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def typed(command):
    """By a shell; once more where the second that host paths have was not enough, on a machine that has other things to do."""
    for _ in range(5):
        out = subprocess.run(["bash", "-c", command], cwd=sfs.TMP, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120, check=False)
        if "timed out" not in out.stderr:
            break
    return out


def allowed(text):
    """An ordinary user may not see what other file systems cover, so not a directory below which one is mounted."""
    with open("/proc/self/mounts", encoding="utf-8") as f:
        below = [line for line in f if line.split()[1].startswith("/var/")]
    return text.replace("/usr /var /etc", "/usr /etc") if below and sfs.ROLE != "root" else text


def lacks(out):
    """Is it a limit for which this user was given no control group?"""
    return sfs.ROLE != "root" and "Operation not supported" in out.stderr


def session(name, text):
    for command, wanted in lines(text):
        if command.startswith("mksquashfs"):
            subprocess.run(shlex.split(command), cwd=sfs.TMP, stdout=subprocess.DEVNULL, check=True)
            continue
        out = typed(command)
        pattern = "".join(re.sub("N|[0-9]+(?!/)", "[0-9]+", re.escape(line)) + "\n" for line in wanted)
        sfs.ok(f"{name}: {command[:70]!r}", re.fullmatch(pattern, re.sub(" +\n", "\n", out.stdout)) and (not out.stderr or lacks(out)),
               f"{out.stdout} {out.stderr} {sfs.read('error')}")
    os.unlink(os.path.join(sfs.TMP, "app.squashfs"))


os.chmod(sfs.TMP, 0o755)
os.symlink(sfs.MNT, os.path.join(sfs.TMP, "mnt"))
os.makedirs(os.path.join(sfs.TMP, "app", "bin"))
os.mkdir(os.path.join(sfs.TMP, "data"))
source = os.path.join(sfs.TMP, "serve.c")
with open(source, "w") as f:
    f.write(SERVE)
subprocess.run(["gcc", "-static", "-o", os.path.join(sfs.TMP, "app", "bin", "serve"), source], check=True)
session("short", allowed(SHORT))
session("README", shown())
sfs.ok("nothing is left of them", os.listdir(os.path.join(sfs.MNT, "rockers")).count("a") == 0, os.listdir(os.path.join(sfs.MNT, "rockers")))
sfs.done()
