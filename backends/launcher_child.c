/* SPDX-License-Identifier: MIT */
/*
 * Whose child is it? Reaping, and the search for children whose pid nobody has told.
 *
 * Zygotes fork with CLONE_PARENT, so their children are the launcher's. Of a runner's child the
 * first notification tells the pid; an inspector's child tells nothing. Which jail such a child
 * belongs to tells its process group: each zygote leads one of its own before its filter is
 * installed, that filter knows no setpgid or setsid, and a zombie keeps it until it is reaped. (An
 * ordinary user may not read the namespaces of a zombie.)
 */
#include "launcher_rocker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHILDREN_TEXT                                                                              \
	16384 /* of /proc/self/task/TID/children; the rest is looked at the next time */

static struct cell *find_known(pid_t pid)
{
	for (uint32_t i = 0; i < launcher.cells_used; i++) {
		struct cell *c = &launcher.cells[i];
		if (c->state != CELL_FREE &&
		    (c->run.pid == pid || c->zygote == pid || c->init == pid))
			return c;
	}
	return NULL;
}

static struct cell *find_by_group(pid_t pid)
{
	pid_t group = getpgid(pid);

	for (uint32_t i = 0; group > 0 && i < launcher.cells_used; i++)
		if (launcher.cells[i].state != CELL_FREE &&
		    launcher.cells[i].process_group == group)
			return &launcher.cells[i];
	return NULL;
}

static struct cell *find_cell(pid_t pid)
{
	struct cell *cell = find_known(pid);

	if (cell)
		return cell;
	cell = find_by_group(pid);
	/* Its last words may still be in the socket, with the pid in them. */
	while (cell && cell->control >= 0 && cell_heard(cell))
		;
	return cell;
}

/* The system call itself, since libc's waitid() gives no rusage. */
static int wait_for(idtype_t type, pid_t pid, siginfo_t *how, int flags, struct rusage *usage)
{
	how->si_pid = 0;
	return (int)syscall(SYS_waitid, type, pid, how, WEXITED | WNOHANG | flags, usage);
}

void child_reap(void)
{
	siginfo_t how, gone;
	struct rusage usage;

	while (wait_for(P_ALL, 0, &how, WNOWAIT, &usage) == 0 && how.si_pid) {
		pid_t pid = how.si_pid;
		bool known = kin_known(pid);
		struct cell *cell = known ? NULL : find_cell(pid);

		(void)wait_for(P_PID, pid, &gone, 0, NULL);
		if (known)
			wards_reaped(pid, &how);
		else if (cell)
			cell_reaped(cell, pid, &how, &usage);
	}
}

unsigned child_kill_unknown(const struct cell *cell)
{
	static char text[CHILDREN_TEXT];
	char path[48];
	unsigned killed = 0;

	(void)snprintf(path, sizeof path, "self/task/%ld/children", (long)getpid());
	int fd = openat(launcher.env.proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof text - 1);
	(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	for (char *p = text, *end; *p; p = end) {
		pid_t pid = (pid_t)strtol(p, &end, 10);
		if (end == p)
			break;
		if (pid == cell->zygote || getpgid(pid) != cell->process_group)
			continue;
		if (!kill(pid, SIGKILL)) /* not reaped by us yet, so the number is still its own */
			killed++;
	}
	return killed;
}
