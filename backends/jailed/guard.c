/* SPDX-License-Identifier: MIT */
/* PID 1 of a rocker: serves its orders, reaps whatever ends, and ends with its socket. */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "guard_own.h"
#include "guard_sys.h"

#define REAPED_AT_ONCE 64 /* then orders are looked at, however many zombies there are */
#define SIGNALS        64
#define BIT(n)         (1ull << ((n)-1))

/* What it waits for. */
enum {
	CONTROL, /* unless a spare does */
	KEEPER,
	TIMER,
	SPARE,
	FDS
};

static struct guard guard;

/* A number in decimal that fills the word, else the guard ends. */
static uint32_t number(const char *word)
{
	uint64_t value = 0;
	const char *p = word;

	for (; p && *p >= '0' && *p <= '9' && value <= UINT32_MAX; p++)
		value = value * 10 + (uint64_t)(*p - '0');
	if (!p || p == word || *p || value >= UINT32_MAX)
		sys_exit(2);
	return (uint32_t)value;
}

static void woken(int signal)
{
	(void)signal;
}

/*
 * All blocked for good, but SIGCHLD while it waits. Jobs inherit nothing of it: what is ignored would
 * stay ignored in them, and a handler does not survive an exec.
 */
static void take_signals(void)
{
	struct sys_action action = { .handler = SIG_DFL };
	uint64_t all = ~0ull;

	SYS_4(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof all);
	for (int i = 1; i <= SIGNALS; i++)
		SYS_4(SYS_rt_sigaction, i, &action, NULL, sizeof action.mask);
	action = (struct sys_action){ woken, SYS_RESTORER, sys_restorer, 0 };
	SYS_4(SYS_rt_sigaction, SIGCHLD, &action, NULL, sizeof action.mask);
}

/*
 * Keeps what it works with, drops the bounding set where it may, and has no groups that a job could
 * inherit.
 */
static void take_capabilities(struct guard *g)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { 0 } };
	uint32_t kept = 1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_KILL;

	if (SYS_2(SYS_capget, &head, data))
		sys_exit(3);
	if (data[0].effective & 1u << CAP_SETPCAP)
		for (int cap = 0; !SYS_5(SYS_prctl, PR_CAPBSET_DROP, cap, 0, 0, 0); cap++)
			;
	g->switches_ids = data[0].effective & 1u << CAP_SETUID;
	if (g->switches_ids && SYS_2(SYS_getgroups, 0, NULL) != 0 && SYS_2(SYS_setgroups, 0, NULL))
		sys_exit(4);
	kept &= data[0].permitted;
	g->has_caps = kept;
	data[0] = (struct __user_cap_data_struct){ .effective = kept, .permitted = kept };
	data[1] = (struct __user_cap_data_struct){ 0 };
	if (SYS_2(SYS_capset, &head, data))
		sys_exit(5);
}

/* argv: name, uid, gid, flags, unique name. */
static void take_arguments(struct guard *g, char **argv)
{
	for (int i = 0; i < 5; i++)
		if (!argv[i])
			sys_exit(2);
	g->uid = number(argv[1]);
	g->gid = number(argv[2]);
	for (const char *flag = argv[3]; *flag; flag++)
		if (*flag == 'e')
			g->leaves_empty = true;
	SYS_5(SYS_prctl, PR_SET_NAME, argv[4], 0, 0, 0);
}

static void start(struct guard *g, char **argv)
{
	/* Before anything else: nobody may look into a process that is still being made ready. */
	SYS_5(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	SYS_5(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	take_signals();
	SYS_1(SYS_umask, 022);
	if (SYS_3(SYS_dup3, GUARD_CTL_FD, GUARD_CTL_MOVED, O_CLOEXEC) != GUARD_CTL_MOVED)
		sys_exit(6);
	/* Whatever else there is was not meant for us, and would be a job's descriptor. */
	SYS_3(SYS_close_range, 0, GUARD_CTL_MOVED - 1, 0);
	SYS_3(SYS_close_range, GUARD_CTL_MOVED + 1, ~0u, 0);
	take_arguments(g, argv);
	g->childless = true;
	take_capabilities(g);
	guard_reply(g, &(struct guard_reply){ .type = GUARD_READY }, NULL, 0);
}

static uint64_t time_ns(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_usec * 1000u;
}

static void ended(struct guard *g, struct guard_job *job, const siginfo_t *end,
		  const struct rusage *usage)
{
	struct guard_reply reply = {
		.type = GUARD_EXITED,
		.job = job->job,
		.pid = job->pid,
		.code = end->si_code,
		.status = end->si_status,
		.user_ns = time_ns(&usage->ru_utime),
		.system_ns = time_ns(&usage->ru_stime),
		.max_rss_bytes = (uint64_t)usage->ru_maxrss * 1024,
		.minor_faults = (uint64_t)usage->ru_minflt,
		.major_faults = (uint64_t)usage->ru_majflt,
		.voluntary_switches = (uint64_t)usage->ru_nvcsw,
		.forced_switches = (uint64_t)usage->ru_nivcsw,
		.running = --g->running,
	};

	g->wants_spare = !g->running && g->spares && !g->leaves_empty;
	guard_reply(g, &reply, NULL, 0);
	if (g->is_deaf && job->kept) {
		g->ends[job - g->jobs] = reply;
		job->over = true;
		return;
	}
	guard_let_go(g, job);
	*job = (struct guard_job){ 0 };
}

/*
 * Flag e, and no child is left. A process that entered is nobody's child here, and its coming and going
 * make no signal; without /proc there is no telling of it.
 */
static void look_around(struct guard *g)
{
	int others = guard_others(g);

	if (g->saw_others && others <= 0)
		sys_exit(0);
	g->saw_others |= others > 0;
}

/* Maybe as the job that it has become meanwhile. */
static void spare_ended(struct guard *g, pid_t pid)
{
	if (!guard_bury_spare(g))
		return;
	if (!guard_note_start(g, pid))
		sys_exit(0);
	guard_settle(g);
}

static void tell_end(struct guard *g, const siginfo_t *end, const struct rusage *usage)
{
	if (end->si_pid == g->spare)
		spare_ended(g, end->si_pid);
	for (struct guard_job *job = g->jobs; job < g->jobs + GUARD_JOBS_MAX; job++)
		if (job->job && !job->over && job->pid == end->si_pid) {
			ended(g, job, end, usage);
			return;
		}
}

/* Somebody waits for what is told, and nobody for the burial, which takes longer. False: there may be more. */
static bool reap(struct guard *g)
{
	struct rusage usage;
	siginfo_t end;

	for (int i = 0; i < REAPED_AT_ONCE; i++) {
		end.si_pid = 0;
		g->childless =
			SYS_5(SYS_waitid, P_ALL, 0, &end, WEXITED | WNOHANG | WNOWAIT, &usage);
		if (!end.si_pid) {
			if (g->childless && g->leaves_empty)
				look_around(g);
			return true;
		}
		g->saw_others = true;
		tell_end(g, &end, &usage);
		SYS_4(SYS_wait4, end.si_pid, NULL, 0, NULL);
	}
	return false;
}

static void obey(struct guard *g)
{
	if (!guard_receive(g, GUARD_CTL_MOVED)) {
		/* What may have come with it, for it would be a job's descriptor. */
		SYS_3(SYS_close_range, 0, GUARD_CTL_MOVED - 1, 0);
		guard_lose(g);
		return;
	}
	bool fine = g->order.type == GUARD_START    ? guard_start(g)
		    : g->order.type == GUARD_SIGNAL ? guard_signal(g)
		    : g->order.type == GUARD_KEEP   ? guard_keep(g)
						    : false;
	if (!fine) /* GUARD_END, or nothing that we know */
		sys_exit(0);
}

/* Whoever has the other end is the launcher, and there is no second way back. */
static void obey_keeper(struct guard *g)
{
	if (!guard_receive(g, GUARD_KEEP_MOVED) || g->order.type != GUARD_ADOPT || !guard_adopt(g))
		sys_exit(0);
}

static bool is_empty(const struct guard *g)
{
	return !g->running && g->childless;
}

/* How long it may wait; false: for ever. */
static bool limit(const struct guard *g, bool all_reaped, struct timespec *out)
{
	*out = (struct timespec){ 0 };
	if (!all_reaped)
		return true;
	if (g->starting || g->has_untold)
		out->tv_nsec = GUARD_LATE_MS * 1000000;
	else if (g->spare)
		out->tv_sec = GUARD_SPARE_MS / 1000;
	else if (g->wants_spare && is_empty(g))
		out->tv_nsec = GUARD_PAUSE_US * 1000;
	else if (g->leaves_empty && g->childless)
		out->tv_nsec = GUARD_SCAN_MS * 1000000;
	return out->tv_sec || out->tv_nsec;
}

/* Nothing came in that time. */
static void pass_time(struct guard *g)
{
	if (g->spare)
		guard_drop_spare(g);
	else if (g->wants_spare && is_empty(g))
		guard_make_spare(g);
}

/* What is to be looked at when something has happened, or nothing for some time: as ppoll(2) answers. */
static long wait_for_any(struct guard *g, struct pollfd fds[FDS], bool all_reaped)
{
	/* Beside a spare there is no other child, or its end can wait. */
	bool sees = g->spare && g->sees_spare;
	const uint64_t waiting = sees ? ~0ull : ~BIT(SIGCHLD);
	struct timespec time;
	bool timed = limit(g, all_reaped, &time);

	fds[CONTROL] = (struct pollfd){ .fd = g->is_deaf || g->spare ? -1 : GUARD_CTL_MOVED,
					.events = POLLIN };
	fds[KEEPER] = (struct pollfd){ .fd = g->is_kept ? GUARD_KEEP_MOVED : -1, .events = POLLIN };
	fds[TIMER] = (struct pollfd){ .fd = g->has_timer ? GUARD_TIMER_FD : -1, .events = POLLIN };
	fds[SPARE] = (struct pollfd){ .fd = sees ? GUARD_SPARE_FD : -1, .events = POLLIN };
	return SYS_5(SYS_ppoll, fds, FDS, timed ? &time : NULL, &waiting, sizeof waiting);
}

static void serve_fds(struct guard *g, const struct pollfd fds[FDS])
{
	if (fds[TIMER].revents)
		guard_stop_timer();
	if (fds[KEEPER].revents) {
		guard_drop_spare(g);
		guard_settle(g);
		obey_keeper(g);
	} else if (fds[CONTROL].revents) {
		obey(g);
	}
}

static _Noreturn void serve(struct guard *g)
{
	struct pollfd fds[FDS];
	bool all_reaped = true;

	for (;;) {
		long n = wait_for_any(g, fds, all_reaped);
		bool ended = n > 0 && fds[SPARE].revents;
		guard_attend_spare(g);
		guard_settle(g);
		if (n >= 0 && !ended) /* in time, and before whatever else there is to tell */
			guard_tell_started(g);
		if (n > 0 && !ended)
			serve_fds(g, fds);
		else
			all_reaped = reap(g);
		if (!n)
			pass_time(g);
	}
}

_Noreturn void guard_main(long *stack)
{
	start(&guard, (char **)stack + 1);
	serve(&guard);
}
