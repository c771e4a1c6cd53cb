# SPDX-License-Identifier: MIT
"""What the clients of both soaks do with rockers: made of all kinds of things, used, stopped, changed, told nonsense, removed."""
import errno
import os
import shutil
import subprocess
import time

ROCKERS = 3     # of each client
ENDS_S = 30     # a job that has nothing more to do has ended by then; not a limit of one call
TICKS = 8
SOURCE = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	long n = argc > 2 ? atol(argv[2]) : 0;

	setlinebuf(stdout);
	if (!strcmp(what, "say"))
		puts(argv[2]);
	else if (!strcmp(what, "tick"))
		for (long i = 0; i < n; i++)
			printf("tick %ld\n", i), usleep(10000);
	else if (!strcmp(what, "flood"))
		for (long i = 0; i < n; i++)
			putchar(i % 64 ? 'x' : '\n');
	else if (!strcmp(what, "wait"))
		usleep(n * 1000);
	else if (!strcmp(what, "leave"))
		while (n-- > 0)
			if (!fork())
				setsid(), sleep(60), _exit(0);
	if (!strcmp(what, "die"))
		abort();
	return 0;
}
"""
# Each is refused, whatever the rocker is doing.
WRONG = (("memory.max", "many"), ("network", "all"), ("pids.max", "-1"), ("kill", "NOPE"), ("freeze", "2"), ("run", "/t/tool | x"),
         ("start", "/t/tool 'x"), ("seccomp", "nope"), ("binds", "/t t ro"), ("spec", "[rocker]\nsize = 7"), ("uid", "-1"),
         ("package", "nowhere"), ("time.max_ms", "0"), ("run", "x" * 70000), ("start", "w " * 6000))
VALUES = (("memory.max", ("64M", "max")), ("pids.max", ("20", "40")), ("time.max_ms", ("5000", "6000")), ("network", ("none", "loopback")),
          ("hostname", ("one", "two")), ("overlays", ("none", "/etc")), ("seccomp", ("default", "strict")), ("disk.max", ("4M", "8M")))
# The closed table, and what a mount answers that is being taken away or is not there yet.
TABLE = frozenset(
    "EINVAL ERANGE E2BIG ENODEV EFBIG ENOEXEC EKEYREJECTED ENOENT EEXIST EBUSY ESRCH ETIMEDOUT EINTR ECANCELED EDQUOT ENOSPC EACCES EPERM "
    "EOPNOTSUPP EBADMSG EAGAIN EIO ENAMETOOLONG EISDIR ENOTDIR ENOTEMPTY EXDEV ENOTTY ENOSYS ESTALE EMFILE ENOMEM".split())
UNMOUNTED = frozenset(("ENOTCONN", "ECONNABORTED"))


def make_folder(folder):
    """The program of the rockers, and an image of it where there is a tool for that: (folder, image or None)."""
    programs = os.path.join(folder, "programs")
    os.mkdir(programs)
    os.chmod(folder, 0o755)
    os.chmod(programs, 0o755)
    subprocess.run(["gcc", "-O1", "-w", "-static", "-x", "c", "-o", f"{programs}/tool", "-"], input=SOURCE.encode(), check=True)
    image = os.path.join(folder, "image.squashfs")
    if os.getuid() != 0 or not shutil.which("mksquashfs"):
        return programs, None
    subprocess.run(["mksquashfs", programs, image, "-noappend", "-quiet", "-all-root"], check=True, stdout=subprocess.DEVNULL)
    return programs, image


def loops(folder):
    """Loop devices whose file lies there."""
    found = []
    for name in os.listdir("/sys/block"):
        try:
            with open(f"/sys/block/{name}/loop/backing_file") as f:
                found += [f"/dev/{name}"] if f.read().startswith(folder) else []
        except OSError:
            continue
    return found


class Acts:
    """
    Of one client, whose rockers nobody else uses. Whoever has it says path(*parts), timed(call, *args), open_and(path, flags, act),
    and has number, random, wrong, programs (what make_folder() gave).
    """

    def rocker(self):
        return f"r{self.number}_{self.random.randrange(ROCKERS)}"

    def tell(self, rocker, file, text):
        self.open_and(self.path("rockers", rocker, file), os.O_WRONLY, lambda fd: self.timed(os.write, fd, (text + "\n").encode()))

    def read_of(self, rocker, *parts):
        return self.open_and(self.path("rockers", rocker, *parts), os.O_RDONLY, lambda fd: self.timed(os.pread, fd, 1 << 20, 0)).decode(errors="replace")

    def ask(self, rocker, file, line):
        """What the same open file answers."""
        def both(fd):
            self.timed(os.write, fd, (line + "\n").encode())
            return self.timed(os.pread, fd, 1 << 20, 0).decode(errors="replace")
        return self.open_and(self.path("rockers", rocker, file), os.O_RDWR, both)

    def flat_of(self, rocker, file):
        return {w[0]: " ".join(w[1:]) for line in self.read_of(rocker, file).splitlines() if (w := line.split())}

    # ---- made and removed

    def make_rocker(self, rocker=None):
        rocker = rocker or self.rocker()
        self.timed(os.mkdir, self.path("rockers", rocker))
        folder, image = self.programs
        self.tell(rocker, "binds", f"{folder} /t ro")
        if image and self.random.random() < 0.2:
            self.tell(rocker, "spec", f"[rocker]\npackage = {image}\nexec_dir = /opt/x\nbinds = {folder} /t ro\n")

    def remove_rocker(self, rocker=None):
        self.timed(os.rmdir, self.path("rockers", rocker or self.rocker()))

    def remove_by_files(self):
        try:
            self.timed(shutil.rmtree, self.path("rockers", self.rocker()))
        except OSError as e:
            # rmtree's own, without a number: it is another directory than a moment ago, for the mount is.
            raise e if e.errno else OSError(errno.ESTALE, str(e)) from e

    # ---- used

    def judge_run(self, rocker, line, got, wanted):
        """A run that was killed has perhaps said nothing; one that tells of success has said all."""
        if self.flat_of(rocker, "result").get("status") == "ok" and got != wanted:
            self.wrong.append(f"{rocker}: '{line}' says {got[:60]!r}, not {wanted[:60]!r}")

    def run_in_rocker(self):
        rocker, word = self.rocker(), f"w{self.random.randrange(1 << 30)}"
        line = f"/t/tool say {word}"
        self.judge_run(rocker, line, self.ask(rocker, "run", line), word + "\n")

    def flood_in_rocker(self):
        rocker = self.rocker()
        self.judge_run(rocker, "flood", self.ask(rocker, "run", "/t/tool flood 200000"), "".join("x" if i % 64 else "\n" for i in range(200000)))

    def die_in_rocker(self):
        rocker = self.rocker()
        self.ask(rocker, "run", "/t/tool die 1")
        if self.flat_of(rocker, "result").get("status") == "ok":
            self.wrong.append(f"{rocker}: who aborts has succeeded")

    def has_ended(self, rocker, job):
        return self.read_of(rocker, "jobs", job, "state").strip() == "exited"

    def ends(self, rocker, job, why):
        """An OSError tells that the rocker, or its daemon, has gone."""
        end = time.monotonic() + ENDS_S
        while not (ended := self.has_ended(rocker, job)) and time.monotonic() < end:
            time.sleep(0.02)
        if not ended:
            self.wrong.append(f"{rocker}: job {job} runs on: {why}")

    def follow_in_rocker(self):
        rocker = self.rocker()
        job = self.ask(rocker, "start", f"/t/tool tick {TICKS}").strip()
        wanted = "".join(f"tick {i}\n" for i in range(TICKS))

        def follow(fd):
            got, end = "", time.monotonic() + ENDS_S
            while time.monotonic() < end:
                over = self.has_ended(rocker, job)
                got += self.timed(os.pread, fd, 1 << 16, len(got)).decode()
                if over:
                    return got
                time.sleep(0.01)
            return got + " and runs on"
        got = self.open_and(self.path("rockers", rocker, "jobs", job, "stdout"), os.O_RDONLY, follow)
        if not wanted.startswith(got):
            self.wrong.append(f"{rocker}: job {job} has written {got!r}")

    # ---- stopped

    def kill_in_rocker(self):
        rocker = self.rocker()
        job = self.ask(rocker, "start", self.random.choice(("/t/tool wait 60000", "/t/tool leave 3", "/t/tool flood 900000000"))).strip()
        how = self.random.choice(("job", "KILL", "guard"))
        self.tell(rocker, *(("jobs/" + job + "/kill", "KILL") if how == "job" else ("kill", how)))
        self.ends(rocker, job, f"it was killed by {how}")

    def leave_in_rocker(self):
        """Whatever comes next ends it: a change is refused, rmdir and the end of the mount are not."""
        self.ask(self.rocker(), "start", "/t/tool wait 3000")

    def freeze_rocker(self):
        rocker = self.rocker()
        self.tell(rocker, "freeze", "1")
        try:
            self.ask(rocker, "run", "/t/tool say no")
            said = "0"
        except OSError as e:
            said = errno.errorcode.get(e.errno)
        # It may have been killed meanwhile, and is built anew.
        if said == "0" and self.read_of(rocker, "state").strip() == "frozen":
            self.wrong.append(f"{rocker}: a frozen one runs something")
        if self.random.random() < 0.9:
            self.tell(rocker, "freeze", "0")

    def thaw_rocker(self):
        self.tell(self.rocker(), "freeze", "0")

    # ---- changed, asked, told nonsense

    def change_rocker(self):
        file, texts = self.random.choice(VALUES)
        self.tell(self.rocker(), file, self.random.choice(texts))

    def respecify_rocker(self):
        rocker = self.rocker()
        spec = self.read_of(rocker, "spec")
        if "hostname" in spec:
            self.tell(rocker, "spec", spec.rstrip("\n"))

    def read_rocker(self):
        rocker = self.rocker()
        for name in self.timed(os.listdir, self.path("rockers", rocker)):
            if name not in ("jobs", "ns", "root", "kill", "run", "start"):
                self.read_of(rocker, name)

    def nonsense(self):
        rocker, (file, text) = self.rocker(), self.random.choice(WRONG)
        generation = self.generation()
        try:
            self.tell(rocker, file, text)
        except OSError:
            return
        # Of what is judged at its close nobody is told when a daemon came between.
        if self.generation() == generation:
            self.wrong.append(f"{rocker}/{file} takes {text[:20]!r}")

    ROCKER_ACTS = ((make_rocker, 3), (run_in_rocker, 5), (follow_in_rocker, 2), (kill_in_rocker, 2), (leave_in_rocker, 1), (freeze_rocker, 1),
                   (thaw_rocker, 1), (change_rocker, 2), (respecify_rocker, 1), (read_rocker, 1), (nonsense, 2), (flood_in_rocker, 1),
                   (die_in_rocker, 1), (remove_rocker, 1), (remove_by_files, 1))


class Lives:
    """Whole lives of rockers, of which every step is right. Whoever has it says path(*parts), verify(what, seen, wanted), name, programs."""

    def in_rocker(self, file, line):
        """(errno or 0, the answer) of a command; kill has none, freeze shows what is set."""
        fd = os.open(self.path("rockers", self.name, file), os.O_WRONLY if file == "kill" else os.O_RDWR)
        try:
            os.write(fd, line.encode() + b"\n")
            return 0, os.pread(fd, 1 << 16, 0).decode() if file != "kill" else ""
        except OSError as e:
            return e.errno, ""
        finally:
            os.close(fd)

    def rocker_job(self):
        """One that writes, is followed and killed."""
        error, job = self.in_rocker("start", "/t/tool tick 100000")
        self.verify("start", error, 0)
        with open(self.path("rockers", self.name, "jobs", job.strip(), "stdout"), "rb") as f:
            end = time.monotonic() + ENDS_S
            while not f.read(1) and time.monotonic() < end:
                time.sleep(0.005)
        with open(self.path("rockers", self.name, "jobs", job.strip(), "kill"), "w") as f:
            f.write("KILL\n")
        end = time.monotonic() + ENDS_S
        while (state := self.rocker_says("jobs", job.strip(), "state").strip()) != "exited" and time.monotonic() < end:
            time.sleep(0.005)
        self.verify("a job that was killed", state, "exited")

    def rocker_says(self, *names):
        with open(self.path("rockers", self.name, *names)) as f:
            return f.read()

    def rocker(self):
        """One whole life: made, used, changed, frozen, ended."""
        os.mkdir(self.path("rockers", self.name))
        with open(self.path("rockers", self.name, "binds"), "w") as f:
            f.write(f"{self.programs[0]} /t ro\n")
        for i in range(3):
            self.verify("a run", self.in_rocker("run", f"/t/tool say {i}"), (0, f"{i}\n"))
        self.rocker_job()
        self.verify("a word that is wrong", self.in_rocker("run", "/t/tool |")[0], errno.EINVAL)
        self.verify("a program that is not there", self.in_rocker("run", "/t/none")[0], errno.ENOENT)
        with open(self.path("rockers", self.name, "overlays"), "w") as f:
            f.write("/etc\n")
        self.verify("a run that dies", self.in_rocker("run", "/t/tool die 1")[0], 0)
        self.verify("its signal", "signal SIGABRT\n" in self.rocker_says("result"), True)
        if os.getuid() == 0 and self.in_rocker("freeze", "1")[0] == 0:
            self.verify("frozen", self.in_rocker("run", "/t/tool say x")[0], errno.EBUSY)
        self.verify("guard", self.in_rocker("kill", "guard"), (0, ""))
        os.rmdir(self.path("rockers", self.name))
