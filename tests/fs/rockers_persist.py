#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# waits
# deadline: 240
# concurrent
# no-mount
"""A rocker with persist outlives daemon and launcher, with its jobs; it ends with the program, and nothing is left of it."""
import atexit, contextlib, errno, os, shlex, signal, subprocess, sys, tempfile, time

BUILD = os.environ["BUILD"]
top = tempfile.mkdtemp(prefix="sfs-persist-")
mnt, state = os.path.join(top, "mnt"), os.path.join(top, "state")
os.chmod(top, 0o755)
os.mkdir(mnt)
os.environ["MNT"] = mnt
sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
import cells
import onetest
import sfs

SOURCE = r"""
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static char block[1000];
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "tick")) /* a line each, for ever */
		for (unsigned n = 0;; n++) {
			if (dprintf(1, "%u\n", n) < 0)
				return 9;
			usleep(20000);
		}
	if (!strcmp(what, "flood")) { /* more than a pipe holds */
		memset(block, 'x', sizeof block);
		for (;;)
			if (write(1, block, sizeof block) < 0)
				return 9;
	}
	if (!strcmp(what, "read")) { /* ends with its standard input, when nothing of that daemon is left */
		while (read(0, block, sizeof block) > 0)
			;
		sleep(2);
	}
	if (!strcmp(what, "wait"))
		for (;;)
			pause();
	dprintf(2, "done\n");
	return 7;
}
"""


def compiled():
    folder = os.path.join(top, "bin")
    os.mkdir(folder)
    subprocess.run(["gcc", "-O1", "-static", "-x", "c", "-o", f"{folder}/do", "-"], input=SOURCE.encode(), check=True)
    return folder


def unmounting():
    """What unmounts for the program before this one does so for ours, if it comes late."""
    mine = [p for p in filter(str.isdigit, os.listdir("/proc")) if onetest.command_of(int(p)).startswith("fusermount3")
            and onetest.command_of(int(p)).endswith(mnt)]
    return mine or os.path.ismount(mnt)


def start():
    sfs.ok("nothing of another mount is left", sfs.wait_for(lambda: not unmounting()))
    daemon = subprocess.Popen([os.path.join(BUILD, "bin/sandboxfs"), "-f", "--state", state, mnt])
    atexit.register(daemon.terminate)
    sfs.wait_for(lambda: os.path.exists(os.path.join(mnt, "rockers")))
    return daemon


def comm(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/comm", encoding="ascii") as f:
            return f.read().strip()
    return ""


def child(name):
    """The daemon or the launcher that lives; where an instrumented one stands behind another, all of it."""
    return [p for p in onetest.descendants(daemon.pid) if comm(p) == name]


def answers():
    with contextlib.suppress(OSError):
        return bool(sfs.read("version"))
    return False


times = []


def replaced(name):
    """Kills it with -9, and waits for a mount that answers by others."""
    times.append(time.monotonic())
    if len(times) > 4:  # more are too many in ten seconds
        time.sleep(max(0, times[-5] + 11 - times[-1]))
        times[-1] = time.monotonic()
    old = child("daemon") + child("launcher")
    for pid in child(name):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return sfs.wait_for(lambda: not set(old) & set(child("daemon") + child("launcher")) and child("daemon") and answers(), 30)


def is_now(name, *states):
    return sfs.wait_for(lambda: cells.state(name) in states, 30)


def read(name, *parts):
    try:
        return sfs.read(os.path.join("rockers", name, *parts))
    except OSError as e:
        return os.strerror(e.errno)


def is_alive(pid):
    """And no zombie."""
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    return False


def groups():
    """Control groups of this program's, their numbers left out."""
    family = {f"sandboxfs-{p}" for p in onetest.descendants(daemon.pid) + [daemon.pid]}
    return [d for d, _, _ in os.walk("/sys/fs/cgroup") if family & set(d.split("/")) and os.path.basename(d)[:1] == "r"]


def make(name, persist="yes", more=""):
    os.mkdir(cells.path(name))
    text, said = f"[rocker]\nbinds = {shlex.quote(folder)} /t ro\npersist = {persist}\ntime.max_ms = 3600000\n{more}", []

    def written():
        said.append(sfs.error_of(sfs.write, f"rockers/{name}/spec", text))
        return said[-1] != errno.ETIMEDOUT  # a second is all that a path has to be opened in, however busy the machine
    if not sfs.wait_for(written) or said[-1]:
        raise OSError(said[-1], sfs.read("errors"))


def guard(name):
    return sfs.flat(f"rockers/{name}/guard")


def used(name):
    """What has to work in any rocker, does it?"""
    error, answer = cells.command(name, "/t/do")
    return (error, answer) == (0, "done\n") and cells.result(name)["exit_code"] == "7"


def same_rocker(what, was, job, pid):
    sfs.ok(f"{what}: it runs", is_now("a", "running"), (cells.state("a"), sfs.read("log")[-2000:]))
    sfs.ok(f"{what}: with the same guard", guard("a") == was, (guard("a"), was))
    sfs.ok(f"{what}: and its job", read("a", "jobs", str(job), "state").strip() == "running" and
           read("a", "jobs", str(job), "pid").strip() == pid and is_alive(int(pid)), os.listdir(cells.path("a", "jobs")))
    sfs.ok(f"{what}: with its words", read("a", "jobs", str(job), "argv") == "/t/do tick\n", read("a", "jobs", str(job), "argv"))
    if sfs.ROLE == "root":  # elsewhere there may be no control groups, and nobody knows
        procs = cells.procs("a")
        sfs.ok(f"{what}: procs tells", int(pid) in procs, (procs, pid))
        sfs.ok(f"{what}: usage tells", int(cells.flat("a", "usage").get("pids", "2")) >= 2, cells.flat("a", "usage"))
    grown = read("a", "jobs", str(job), "stdout")
    sfs.ok(f"{what}: which goes on to write", sfs.wait_for(lambda: len(read("a", "jobs", str(job), "stdout")) > len(grown), 30), grown[-50:])
    sfs.ok(f"{what}: another job runs", used("a"), (cells.result("a"), sfs.read("errors")[-1000:]))


def jobs_go_on():
    make("a")
    make("plain", "no")
    make("called_root", more="uid = 0\ngid = 0\n")
    sfs.ok("a rocker that persists is used", used("a"), sfs.read("errors"))
    job, flood, reader = (cells.start("a", f"/t/do {what}") for what in ("tick", "flood", "read"))
    cells.start("plain", "/t/do wait")
    named = cells.start("called_root", "/t/do wait")
    root = guard("called_root"), read("called_root", "jobs", str(named), "pid")
    was, pid = guard("a"), read("a", "jobs", str(job), "pid").strip()
    other = int(guard("plain")["pid"])
    ended = ""
    for name in ("daemon", "launcher", "daemon"):
        sfs.ok(f"a {name} that is killed is replaced", replaced(name))
        same_rocker(f"after a {name}", was, job, pid)
        if not ended:  # the next daemon knows no more of it
            ended = cells.job_ended("a", reader) and read("a", "jobs", str(reader), "exit")
    sfs.ok("what is called root inside persists, too", is_now("called_root", "running") and
           (guard("called_root"), read("called_root", "jobs", str(named), "pid")) == root and is_alive(int(root[1])), (root, cells.state("called_root")))
    os.rmdir(cells.path("called_root"))
    sfs.ok("what does not persist has ended", cells.state("plain") == "dead" and not is_alive(other), cells.state("plain"))
    sfs.ok("what filled its pipe was not ended by that", read("a", "jobs", str(flood), "state").strip() == "running")
    sfs.ok("what reads has come to the end of it, and how is told", "7" in ended, ended)
    sfs.ok("and cannot be written to", sfs.error_of(sfs.write, f"rockers/a/jobs/{job}/stdin", "x") == errno.ESRCH)
    sfs.write(f"rockers/a/jobs/{job}/kill", "KILL\n")
    sfs.ok("a job of an earlier daemon can be killed", cells.job_ended("a", job) and "KILL" in read("a", "jobs", str(job), "exit"),
           read("a", "jobs", str(job), "exit"))
    return was


def freezing():
    if cells.put("a", "freeze", "1"):
        print("skip freezing: not possible here")
        return
    sfs.ok("a frozen one is replaced", replaced("daemon"))
    sfs.ok("and runs again", is_now("a", "running", "ready") and used("a"), cells.state("a"))
    sfs.ok("and freezes again", not cells.put("a", "freeze", "1") and not cells.put("a", "freeze", "0") and used("a"))


def ends(was):
    pid = int(was["pid"])
    sfs.write("rockers/a/kill", "guard\n")
    sfs.ok("it is killed as any other", is_now("a", "dead") and sfs.wait_for(lambda: not is_alive(pid), 30), cells.state("a"))
    sfs.ok("and built anew", used("a") and guard("a") != was)
    pid = int(guard("a")["pid"])
    job = cells.start("a", "/t/do wait")
    sfs.ok("which persists, too", replaced("daemon") and is_now("a", "running") and int(guard("a")["pid"]) == pid)
    os.rmdir(cells.path("a"))
    sfs.ok("one that was adopted is removed", sfs.wait_for(lambda: not is_alive(pid), 30), job)


def nobody_wants_it():
    """Its file is gone when the next daemon comes; or says something else."""
    make("lost")
    make("changed")
    sfs.ok("two more", used("lost") and used("changed"))
    pids = [int(guard(n)["pid"]) for n in ("lost", "changed")]
    os.unlink(os.path.join(state, "rockers/lost"))
    path = os.path.join(state, "rockers/changed")
    with open(path, encoding="ascii") as f:
        text = f.read()
    with open(path, "w", encoding="ascii") as f:
        f.write(text + "hostname = other\n")
    sfs.ok("are looked for by the next daemon", replaced("daemon"))
    sfs.ok("one without a file ends", sfs.wait_for(lambda: not is_alive(pids[0]), 30))
    sfs.ok("one that is another now as well", sfs.wait_for(lambda: not is_alive(pids[1]), 30) and is_now("changed", "dead"))
    sfs.ok("and is built as its file says", used("changed"), sfs.read("errors"))
    for name in ("changed", "lost"):  # of which a line is left that it was made
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(cells.path(name))


def nothing_left(how):
    global daemon
    make("last")
    job = cells.start("last", "/t/do wait")
    replaced("daemon")
    is_now("last", "running")
    pids = [int(guard("last")["pid"]), int(read("last", "jobs", str(job), "pid"))]
    mine = groups()
    if how == signal.SIGKILL:
        daemon.kill()
        daemon.wait(sfs.patient(30))
        subprocess.run(["umount", "-l", mnt] if sfs.ROLE == "root" else ["fusermount3", "-uz", mnt], check=False, capture_output=True)
    else:
        daemon.send_signal(how)
        sfs.ok("the program ends", daemon.wait(sfs.patient(30)) == 0)
    sfs.ok(f"{how.name}: it ends with the program", sfs.wait_for(lambda: not any(map(is_alive, pids)), 30), pids)
    sfs.ok(f"{how.name}: its groups are gone", sfs.wait_for(lambda: not any(map(os.path.exists, mine)), 30), mine)
    daemon = start()
    sfs.ok(f"{how.name}: and is built anew by the next", is_now("last", "dead") and used("last"), sfs.read("errors"))
    os.rmdir(cells.path("last"))


folder = compiled()
daemon = start()
guard_was = jobs_go_on()
freezing()
ends(guard_was)
nobody_wants_it()
nothing_left(signal.SIGTERM)
nothing_left(signal.SIGKILL)
daemon.send_signal(signal.SIGTERM)
sfs.ok("nothing is wrong at the end", daemon.wait(sfs.patient(30)) == 0)
