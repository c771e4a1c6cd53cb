/* SPDX-License-Identifier: MIT */
/* How the guard finds processes that are not its children: it walks /proc. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <time.h>

#include "guard_own.h"
#include "guard_sys.h"

#define PASSES_MAX 64 /* against what forks faster than it is killed, or cannot die now */
#define PAUSE_NS   500000

/* As getdents64(2) has it. */
struct entry {
	uint64_t ino, offset;
	uint16_t size;
	uint8_t type;
	char name[];
};

/* The pid that a name of /proc is, or 0. */
static pid_t pid_of(const char *name)
{
	int64_t pid = 0;

	for (; *name; name++) {
		if (*name < '0' || *name > '9' || pid > INT32_MAX / 10)
			return 0;
		pid = pid * 10 + (*name - '0');
	}
	return (pid_t)pid;
}

static bool is_dead(pid_t pid)
{
	struct pollfd process = { .events = POLLIN };
	struct timespec now = { 0 };

	process.fd = (int)SYS_2(SYS_pidfd_open, pid, 0);
	if (process.fd < 0)
		return true;
	long n = SYS_5(SYS_ppoll, &process, 1, &now, NULL, 0);
	SYS_1(SYS_close, process.fd);
	return n > 0;
}

/* One more process. Returns whether it counts. */
typedef bool visitor(struct guard *g, pid_t pid, pid_t session, int signal);

static bool any(struct guard *g, pid_t pid, pid_t session, int signal)
{
	(void)g, (void)pid, (void)session, (void)signal;
	return true;
}

/* Those of the session's own group got their signal at one blow. */
static bool send_to_other_groups(struct guard *g, pid_t pid, pid_t session, int signal)
{
	(void)g;
	if (SYS_1(SYS_getsid, pid) == session && SYS_1(SYS_getpgid, pid) != session)
		SYS_2(SYS_kill, pid, signal);
	return false;
}

static bool kill_again(struct guard *g, pid_t pid, pid_t session, int signal)
{
	(void)g;
	if (SYS_1(SYS_getsid, pid) != session || is_dead(pid))
		return false;
	SYS_2(SYS_kill, pid, signal);
	return true;
}

/*
 * Who entered from outside has Landlock rules of his own, of which this guard's keep every signal: somebody else
 * has to send it.
 */
static bool hand_over(struct guard *g, pid_t pid, pid_t session, int signal)
{
	const struct guard_reply reply = { .type = GUARD_APART, .status = signal };

	(void)session;
	if (SYS_2(SYS_kill, pid, 0) != -EPERM)
		return false;
	int pidfd = (int)SYS_2(SYS_pidfd_open, pid, 0);
	if (pidfd < 0)
		return false;
	guard_reply(g, &reply, &pidfd, 1);
	SYS_1(SYS_close, pidfd);
	return true;
}

/* The number of processes of this pid namespace that count; the guard is none. -1: no /proc. */
static int walk(struct guard *g, visitor *visit, pid_t session, int signal)
{
	int fd = (int)SYS_4(SYS_openat, AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	int found = 0;
	long size;

	if (fd < 0)
		return -1;
	while ((size = SYS_3(SYS_getdents64, fd, g->entries, sizeof g->entries)) > 0)
		for (long at = 0; at < size;) {
			const struct entry *entry = (const void *)(g->entries + at);
			pid_t pid = pid_of(entry->name);
			at += entry->size;
			if (pid > 1 && visit(g, pid, session, signal))
				found++;
		}
	SYS_1(SYS_close, fd);
	return found;
}

int guard_others(struct guard *g)
{
	return walk(g, any, 0, 0);
}

/*
 * Its own group at one blow, of which no fork escapes; then who has a group of his own. What is killed is
 * looked for until it is gone, since a process may fork between being seen and being killed.
 */
static void signal_session(struct guard *g, pid_t session, int signal)
{
	struct timespec pause = { 0, PAUSE_NS };

	SYS_2(SYS_kill, -session, signal);
	walk(g, send_to_other_groups, session, signal);
	if (signal != SIGKILL)
		return;
	for (int pass = 0; pass < PASSES_MAX && walk(g, kill_again, session, signal) > 0; pass++)
		SYS_5(SYS_ppoll, NULL, 0, &pause, NULL, 0);
}

bool guard_signal(struct guard *g)
{
	const struct guard_order *order = &g->order;

	if (order->signal < 0 || order->signal > GUARD_SIGNALS)
		return false;
	if (!order->job) {
		SYS_2(SYS_kill, -1, order->signal);
		if (order->signal)
			walk(g, hand_over, 0, order->signal);
		return true;
	}
	for (const struct guard_job *job = g->jobs; job < g->jobs + GUARD_JOBS_MAX; job++) {
		if (job->job != order->job)
			continue;
		if (order->whole && g->running == 1)
			SYS_2(SYS_kill, -1, order->signal);
		else
			signal_session(g, job->pid, order->signal);
	}
	return true;
}
