/* SPDX-License-Identifier: MIT */
/*
 * The privileged process: one loop that takes fixed-size orders from the daemon and hands each to
 * its cell.
 */
#include "launcher_left.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define END_MS    2000 /* for every jail to be gone at the end */
#define BATCH     32
#define NS_PER_MS UINT64_C(1000000)
#define HIGH_FD 64
#define DEATH     SIGUSR1 /* of the supervisor */

extern const unsigned char jailed_runner[] __attribute__((weak));
extern const unsigned char jailed_inspector[] __attribute__((weak));
extern const size_t jailed_runner_size __attribute__((weak));
extern const size_t jailed_inspector_size __attribute__((weak));

struct launcher launcher;

uint64_t launcher_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 * NS_PER_MS + (uint64_t)t.tv_nsec;
}

void launcher_close(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

void launcher_unwatch(int *fd)
{
	if (*fd >= 0)
		(void)epoll_ctl(launcher.epoll, EPOLL_CTL_DEL, *fd, NULL);
	launcher_close(fd);
}

int launcher_watch(int fd, enum watch what, uint32_t index, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.u64 = (uint64_t)index << 8 | what };

	return epoll_ctl(launcher.epoll, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void take_signals(void)
{
	struct signalfd_siginfo info[4];
	ssize_t n = read(launcher.signals, info, sizeof info);

	for (ssize_t i = 0; i < n / (ssize_t)sizeof *info; i++)
		if (info[i].ssi_signo == DEATH) {
			left_say_last();
			launcher.broken = true;
		}
	child_reap();
}

static void handle(uint64_t token, uint32_t events)
{
	struct cell *cell = &launcher.cells[(token >> 8) % LM_JAILS_MAX];

	switch ((enum watch)(token & 0xff)) {
	case WATCH_CHANNEL:
		order_take();
		break;
	case WATCH_SIGNALS:
		take_signals();
		break;
	case WATCH_REPORT:
		if (cell->report >= 0)
			cell_reported(cell);
		break;
	case WATCH_CONTROL:
		if (cell->control >= 0)
			(void)cell_heard(cell);
		break;
	case WATCH_LISTENER: /* without EPOLLIN it is only the end of all, which their wait tells better */
		if (cell->listener >= 0 && (events & EPOLLIN))
			notify_read(cell);
		else
			notify_mute(cell);
		break;
	case WATCH_WARD:
		ward_reported((uint32_t)(token >> 8));
		break;
	case WATCH_OPENER:
		wards_opened((uint32_t)(token >> 8));
		break;
	case WATCH_KEPT:
		ward_adopted_ended((uint32_t)(token >> 8));
		break;
	case WATCH_READY_MADE:
		made_reported((uint32_t)(token >> 8));
		break;
	}
}

static void earlier(uint64_t *next, uint64_t when)
{
	if (when && when < *next)
		*next = when;
}

static uint64_t next_deadline(void)
{
	uint64_t next = wards_next();

	for (uint32_t i = 0; i < launcher.cells_used; i++) {
		const struct cell *c = &launcher.cells[i];
		earlier(&next, c->deadline_ns);
		earlier(&next, c->run.deadline_ns);
		earlier(&next, c->run.retry_ns);
		earlier(&next, c->retry_ns);
	}
	return next;
}

static void handle_late(void)
{
	uint64_t now = launcher_now();

	wards_late(now);
	for (uint32_t i = 0; i < launcher.cells_used; i++) {
		struct cell *c = &launcher.cells[i];
		if (c->deadline_ns && c->deadline_ns <= now)
			cell_late(c, now);
		if (c->retry_ns && c->retry_ns <= now)
			notify_take(c);
		if ((c->run.deadline_ns && c->run.deadline_ns <= now) ||
		    (c->run.retry_ns && c->run.retry_ns <= now))
			run_late(c, now);
	}
}

/* Waits at most until that moment; false when it has come with nothing else. */
static void turn(uint64_t until)
{
	struct epoll_event events[BATCH];
	uint64_t next = next_deadline(), now = 0;
	struct timespec wait, *limit = NULL;

	if (next > until)
		next = until;
	if (next != UINT64_MAX) {
		now = launcher_now();
		uint64_t left = next > now ? next - now : 0;
		wait.tv_sec = (time_t)(left / (1000 * NS_PER_MS));
		wait.tv_nsec = (long)(left % (1000 * NS_PER_MS));
		limit = &wait;
	}
	/* glibc 2.36 has a wrapper for it; the raw call spares older ones. */
	int n = (int)syscall(SYS_epoll_pwait2, launcher.epoll, events, BATCH, limit, NULL, 0);
	if (n < 0 && errno == ENOSYS)
		n = epoll_wait(
			launcher.epoll, events, BATCH,
			limit ? (int)(wait.tv_sec * 1000 + wait.tv_nsec / (long)NS_PER_MS + 1)
			      : -1);
	/* Ends of children last: what a child said before it ended has been heard then. */
	for (int pass = 0; pass < 2; pass++)
		for (int i = 0; i < n; i++)
			if ((events[i].data.u64 == WATCH_SIGNALS) == (pass == 1))
				handle(events[i].data.u64, events[i].events);
	if (next != UINT64_MAX && launcher_now() >= next)
		handle_late();
}

/* ---- beginning and end ----------------------------------------------------------------------- */

/*
 * The supervisor's terminal must not end us before the daemon has drained: only the channel's end
 * and its death do.
 */
static int take_over_signals(void)
{
	static const int ignored[] = {
		SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP, SIGUSR2
	};
	struct sigaction ignore = { .sa_handler = SIG_IGN }, by_default = { .sa_handler = SIG_DFL };
	sigset_t mine;

	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		(void)sigaction(ignored[i], &ignore, NULL);
	(void)sigaction(SIGCHLD, &by_default, NULL);
	(void)sigemptyset(&mine);
	(void)sigaddset(&mine, SIGCHLD);
	(void)sigaddset(&mine, DEATH);
	if (sigprocmask(SIG_SETMASK, &mine, NULL))
		return -errno;
	launcher.signals = signalfd(-1, &mine, SFD_CLOEXEC | SFD_NONBLOCK);
	return launcher.signals < 0 ? -errno : 0;
}

/*
 * Keeps standard error, the channel and what is kept: whatever else the parent had open is not for jails'
 * parents.
 */
static int keep_only(int channel, int kept[2])
{
	struct rlimit files;

	for (int i = 0; i < 2; i++) /* out of the way first */
		kept[i] = kept[i] < 0 ? -1 : fcntl(kept[i], F_DUPFD_CLOEXEC, HIGH_FD);
	if (channel != 3 && (dup3(channel, 3, O_CLOEXEC) < 0))
		return -errno;
	for (int i = 0; i < 2; i++)
		kept[i] = kept[i] < 0 ? -1 : dup3(kept[i], 4 + i, O_CLOEXEC);
	if (syscall(SYS_close_range, kept[0] < 0 ? 4 : 6, ~0u, 0))
		return -errno;
	launcher.channel = 3;
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	(void)umask(077);
	return chdir("/") ? -errno : 0;
}

static int begin(const struct sfs_config *config, int channel, const struct jail_helper helpers[2])
{
	launcher.config = config; /* the rest is zero, and pages that are not written to are not copied by forks */
	int kept[2] = { sfs_privileged_kept(0), sfs_privileged_kept(1) };
	int err = keep_only(channel, kept);
	err = err ?: take_over_signals();
	if (err)
		return err;
	left_start(kept);
	wards_groups(); /* first: what a dead launcher left frozen has to be thawed before it can be ended */
	launcher.cgroup_error = geteuid() ? -EACCES : cgroup_start(&launcher.cgroups);
	launcher.start_error = jail_start(&launcher.env, helpers);
	wards_start();
	count_start();
	if (prctl(PR_SET_PDEATHSIG, DEATH, 0, 0,
		  0)) /* after the last change of credentials, which would clear it */
		return -errno;
	launcher.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (launcher.epoll < 0)
		return -errno;
	err = launcher_watch(launcher.channel, WATCH_CHANNEL, 0, EPOLLIN);
	return err ?: launcher_watch(launcher.signals, WATCH_SIGNALS, 0, EPOLLIN);
}

static bool cells_left(void)
{
	while (launcher.cells_used && launcher.cells[launcher.cells_used - 1].state == CELL_FREE)
		launcher.cells_used--;
	return launcher.cells_used != 0;
}

static void end(void)
{
	uint64_t until = launcher_now() + END_MS * NS_PER_MS;

	(void)epoll_ctl(launcher.epoll, EPOLL_CTL_DEL, launcher.channel, NULL);
	for (uint32_t i = 0; i < launcher.cells_used; i++)
		if (launcher.cells[i].state != CELL_FREE && !launcher.cells[i].dropped)
			cell_drop(&launcher.cells[i]);
	wards_drop_all();
	while ((cells_left() || wards_left()) && launcher_now() < until)
		turn(until);
	wards_stop();
	cgroup_stop(&launcher.cgroups);
}

int launcher_serve(const struct sfs_config *config, int channel,
		   const struct jail_helper helpers[2])
{
	static struct lm_machine machine = { .head = { LM_MACHINE, 0 } };

	int err = begin(config, channel, helpers);
	if (err)
		return 1;
	facts_write(machine.text, sizeof machine.text);
	wards_facts(machine.text, sizeof machine.text);
	machine.places = launcher.groups.places;
	launcher_say(&machine, sizeof machine);
	while (!launcher.broken)
		turn(UINT64_MAX);
	end();
	return 0;
}

int launcher_main(const struct sfs_config *config, int channel)
{
	const struct jail_helper helpers[2] = {
		[JAIL_INSPECTOR] = { jailed_inspector,
				     &jailed_inspector_size ? jailed_inspector_size : 0 },
		[JAIL_RUNNER] = { jailed_runner, &jailed_runner_size ? jailed_runner_size : 0 },
	};

	return launcher_serve(config, channel, helpers);
}
