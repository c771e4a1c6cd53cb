# SPDX-License-Identifier: MIT
"""What the tests of rockers share: a program that does what it is told, bound into a rocker, and commands with their answers."""
import errno
import os
import subprocess

import sfs

SOURCE = r"""
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <unistd.h>

extern char **environ;

static int flood(long bytes)
{
	static char block[4096];

	memset(block, 'x', sizeof block);
	for (; bytes > 0; bytes -= sizeof block)
		if (write(1, block, bytes < (long)sizeof block ? bytes : (long)sizeof block) < 0)
			return 1;
	return 0;
}

static int copy(void)
{
	char block[65536];
	ssize_t n;

	while ((n = read(0, block, sizeof block)) > 0)
		if (write(1, block, n) < 0)
			return 1;
	return 0;
}

static int eat(long bytes)
{
	char *p = malloc(bytes);

	for (long i = 0; i < bytes; i += 4096)
		((volatile char *)p)[i] = 1;
	return p ? 0 : 1;
}

static int count(void)
{
	char c;
	long n = 0;

	while (read(0, &c, 1) > 0)
		n++;
	return printf("%ld\n", n) < 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	long n = argc > 2 ? atol(argv[2]) : 0;

	if (!strcmp(what, "say"))
		for (int i = 2; i < argc; i++)
			printf("%s\n", argv[i]);
	else if (!strcmp(what, "both"))
		for (int i = 0; i < n; i++)
			if (write(1 + i % 2, i % 2 ? "e" : "o", 1) < 0)
				return 1;
	if (!strcmp(what, "env"))
		for (char **e = environ; *e; e++)
			puts(*e);
	if (!strcmp(what, "cwd"))
		puts(getcwd((char[4096]){ 0 }, 4096));
	if (!strcmp(what, "ids"))
		printf("%d %d %d\n", getuid(), getgid(), getgroups(0, NULL));
	if (!strcmp(what, "sid"))
		printf("%d\n", getsid(0) == getpid());
	if (!strcmp(what, "fds"))
		for (int i = 0; i < 100; i++)
			if (fcntl(i, F_GETFD) >= 0)
				printf("%d\n", i);
	fflush(stdout);
	if (!strcmp(what, "exit"))
		return n;
	if (!strcmp(what, "die"))
		return signal(n, SIG_DFL), raise(n), 1;
	if (!strcmp(what, "wait"))
		return puts("waits"), fflush(stdout), usleep(n * 1000), 0;
	if (!strcmp(what, "ignore"))
		return signal(SIGTERM, SIG_IGN), puts("ignores"), fflush(stdout), usleep(n * 1000), 0;
	if (!strcmp(what, "flood"))
		return flood(n);
	if (!strcmp(what, "cat"))
		return copy();
	if (!strcmp(what, "count"))
		return count();
	if (!strcmp(what, "eat"))
		return eat(n);
	if (!strcmp(what, "ticks"))
		for (int i = 0; i < n; i++)
			printf("tick %d\n", i), fflush(stdout), usleep(50000);
	if (!strcmp(what, "leave") && !fork())
		return setsid(), usleep(n * 1000), 0;
	if (!strcmp(what, "mount"))
		return printf("%d\n", mount("x", "/tmp", "tmpfs", 0, NULL) < 0 ? errno : 0) < 0;
	if (!strcmp(what, "grandchild") && !fork())
		return mount("x", "/tmp", "tmpfs", 0, NULL), 0;
	if (!strcmp(what, "deaf"))
		return close(0), usleep(n * 1000), 0;
	return 0;
}
"""


def folder():
    """A directory of programs for /bin: tool; data, which may not be executed; and rubbish, which cannot."""
    bin_ = os.path.join(sfs.TMP, "bin")
    os.mkdir(bin_)
    source = os.path.join(sfs.TMP, "tool.c")
    with open(source, "w") as f:
        f.write(SOURCE)
    subprocess.run(["gcc", "-O1", "-static", "-w", "-o", f"{bin_}/tool", source], check=True)
    for name, mode in (("data", 0o644), ("rubbish", 0o755)):
        with open(f"{bin_}/{name}", "wb") as f:
            f.write(b"\x7fELF but not really\n" * 10)
        os.chmod(f"{bin_}/{name}", mode)
    os.chmod(sfs.TMP, 0o755)
    os.chmod(bin_, 0o755)
    return bin_


def path(name):
    return os.path.join(sfs.MNT, "rockers", name)


def make(name, bin_, **values):
    """A rocker with those programs in /bin."""
    os.mkdir(path(name))
    sfs.write(f"rockers/{name}/binds", f"{bin_} /bin ro\n")
    for key, value in values.items():
        sfs.write(f"rockers/{name}/{key.replace('__', '.')}", f"{value}\n")


def answer(fd):
    got = b""
    while piece := os.pread(fd, 65536, len(got)):
        got += piece
    return got


def command(file, line):
    """(0 or the name of the errno, what the same open file says afterwards) of one line."""
    fd = os.open(path(file), os.O_RDWR)
    error = 0
    try:
        try:
            os.write(fd, line.encode() + b"\n")
        except OSError as e:
            error = "EOPNOTSUPP" if e.errno == errno.EOPNOTSUPP else errno.errorcode[e.errno]
        return error, answer(fd).decode(errors="replace")
    finally:
        os.close(fd)


def run(name, words):
    return command(f"{name}/run", f"/bin/tool {words}")


def start(name, words):
    """The job's number."""
    error, number = command(f"{name}/start", f"/bin/tool {words}")
    if error:
        raise RuntimeError(f"start of '{words}': {error}: {number}")
    return number.strip()


def result(name):
    return sfs.flat(f"rockers/{name}/result")


def job(name, number, file):
    return sfs.read(f"rockers/{name}/jobs/{number}/{file}")


def exited(name, number):
    return sfs.wait_for(lambda: job(name, number, "state").strip() == "exited")
