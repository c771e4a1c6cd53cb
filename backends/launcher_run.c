/* SPDX-License-Identifier: MIT */
/*
 * One run: forked by the zygote, met at the gate, let go, watched, and waited for.
 *
 * Nothing on this way allocates, executes or touches a control group. The listener and the counters stay in the launcher, so
 * that between go and the end nothing else wakes up.
 */
#include "launcher_state.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NS_PER_MS   UINT64_C(1000000)
#define ARM_MS	    1000    /* from the fork to the gate */
#define END_MS	    1000    /* from a SIGKILL to the wait */
#define YIELDS	    20	    /* to a child that installs its filter on this very CPU */
#define RETRY_NS    50000   /* when it does so on another one */
#define KILL_RETRY_NS 2000000 /* when a child to kill cannot be found yet */

#if defined __x86_64__
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#endif

/* ---- the end ------------------------------------------------------------------------------------- */

static void read_counters(struct run *run)
{
	for (unsigned i = 0; i < run->ncounters; i++) {
		if (run->counters[i] >= 0)
			run->how.counts[i].error = count_read(run->counters[i], &run->how.counts[i]);
		launcher_close(&run->counters[i]);
	}
	run->ncounters = 0;
}

static void close_listener(struct run *run)
{
	if (run->listener < 0)
		return;
	/* A child between fork and exec may hold a copy, which would keep it in the epoll set. */
	(void)epoll_ctl(launcher.epoll, EPOLL_CTL_DEL, run->listener, NULL);
	launcher_close(&run->listener);
}

static void finish(struct cell *cell)
{
	struct run *run = &cell->run;
	static struct lm_exit message;

	if (run->state == RUN_GOING || (cell->kind == LAUNCH_INSPECTOR && run->go_ns))
		run->how.wall_ns = launcher_now() - run->go_ns;
	read_counters(run);
	close_listener(run);
	launcher_close(&run->pidfd);
	message = (struct lm_exit){ { LM_EXIT, cell->index }, run->id, run->how };
	run->state = RUN_NONE;
	run->id = 0;
	run->pid = 0;
	run->deadline_ns = run->retry_ns = 0;
	launcher_say(&message, sizeof message);
}

static void fail(struct run *run, int err, const char *sentence)
{
	run->killed = true;
	run->how.cause = LAUNCH_FAILED;
	run->how.rc = err;
	(void)snprintf(run->how.sentence, sizeof run->how.sentence, "%s", sentence);
}

void run_abandon(struct cell *cell)
{
	if (cell->run.state == RUN_NONE)
		return;
	if (!cell->run.killed)
		fail(&cell->run, -ESRCH, "its helper is gone");
	finish(cell);
}

/* ---- killing ------------------------------------------------------------------------------------- */

static void kill_now(struct cell *cell)
{
	struct run *run = &cell->run;

	run->retry_ns = 0;
	if (!run->ending)
		run->deadline_ns = launcher_now() + END_MS * NS_PER_MS;
	run->ending = true;
	if (run->pid)
		(void)kill(run->pid, SIGKILL); /* not reaped yet, so the number is its own */
	else if (!child_kill_unknown(cell))
		run->retry_ns = launcher_now() + KILL_RETRY_NS;
}

void run_kill(struct cell *cell, uint64_t id)
{
	struct run *run = &cell->run;

	if (cell->state == CELL_FREE || run->state == RUN_NONE || run->id != id || run->killed)
		return;
	run->killed = true;
	run->how.cause = LAUNCH_KILLED;
	kill_now(cell);
}

/* ---- from the fork to the gate ------------------------------------------------------------------- */

void run_start(struct cell *cell, const struct lm_run *order, const int *fds, unsigned nfds)
{
	struct run *run = &cell->run;
	static uint32_t seq;
	static struct wire_order fork_order = { .type = WIRE_FORK };

	memset(run, 0, sizeof *run);
	run->listener = run->pidfd = -1;
	run->id = order->run;
	run->seq = fork_order.seq = ++seq;
	run->wall_ms = order->wall_ms;
	run->state = RUN_FORKED;
	run->how.nevents = cell->kind == LAUNCH_RUNNER ? order->nevents : 0;
	memcpy(run->events, order->events, sizeof run->events);
	if (cell->state == CELL_IDLE && cell->control >= 0) {
		uint64_t now = launcher_now();
		bool arms = cell->kind == LAUNCH_RUNNER;
		run->go_ns = arms ? 0 : now;
		run->deadline_ns = now + (arms ? ARM_MS : order->wall_ms) * NS_PER_MS;
		int err = cell_send(cell, &fork_order, fds, nfds);
		if (!err)
			return;
		fail(run, -ESRCH, "the helper takes no order");
	} else {
		fail(run, -ESRCH, cell->state == CELL_DEAD ? cell->sentence : "the helper has closed its socket");
	}
	finish(cell);
}

static bool is_listener(int fd)
{
	uint64_t no_such_id = 0;

	return ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &no_such_id) < 0 && errno == ENOENT;
}

/* The child installs its filter just after it has said so: it is there in a moment, or never. */
static void take_listener(struct cell *cell)
{
	struct run *run = &cell->run;
	int fd = -1;

	run->retry_ns = 0;
	for (int i = 0; i < YIELDS && fd < 0; i++) {
		fd = (int)syscall(SYS_pidfd_getfd, run->pidfd, WIRE_LISTENER_FD, 0);
		if (fd >= 0 && !is_listener(fd)) /* what it has not closed yet */
			launcher_close(&fd);
		if (fd < 0)
			(void)sched_yield();
	}
	if (fd < 0) {
		run->retry_ns = launcher_now() + RETRY_NS;
		return;
	}
	launcher_close(&run->pidfd);
	run->listener = fd;
	run->state = RUN_GATE;
	if (launcher_watch(fd, WATCH_LISTENER, cell->index, EPOLLIN | EPOLLET)) {
		fail(run, -EIO, "the run's filter cannot be watched");
		kill_now(cell);
	}
}

static void open_counters(struct run *run)
{
	for (unsigned i = 0; i < run->how.nevents; i++) {
		run->counters[i] = count_open(&run->events[i], run->pid);
		if (run->counters[i] < 0)
			run->how.counts[i].error = run->counters[i];
	}
	run->ncounters = run->how.nevents;
}

static bool is_own_child(pid_t pid)
{
	siginfo_t how;

	return waitid(P_PID, (id_t)pid, &how, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void arm(struct cell *cell, pid_t pid)
{
	struct run *run = &cell->run;

	run->pid = pid;
	run->state = RUN_ARMED;
	if (run->killed) { /* asked to, while nobody knew whom */
		kill_now(cell);
		return;
	}
	run->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (run->pidfd < 0) {
		fail(run, -errno, "the run's process cannot be held");
		kill_now(cell);
		return;
	}
	open_counters(run);
	take_listener(cell);
}

/* A child of the zygote's, or the zygote itself, says that it cannot begin. */
static void fork_failed(struct cell *cell, const struct wire_report *report, pid_t from)
{
	struct run *run = &cell->run;
	char text[WIRE_TEXT_MAX];

	text_escape(report->text, sizeof report->text, text, sizeof text);
	if (!run->killed)
		fail(run, report->rc < 0 && report->rc > -4096 ? report->rc : -EIO, text);
	if (from == cell->zygote) {
		finish(cell);
		return;
	}
	run->pid = from;
	run->state = RUN_FAILED;
	run->deadline_ns = launcher_now() + END_MS * NS_PER_MS;
}

void run_report(struct cell *cell, const struct wire_report *report, pid_t from)
{
	bool by_zygote = from == cell->zygote;
	bool known = by_zygote || (from != cell->init && is_own_child(from));

	if (cell->run.state != RUN_FORKED || report->seq != cell->run.seq || !known)
		cell_fail(cell, -EIO, "the helper sent report %u out of turn", report->type);
	else if (report->type == WIRE_FORK_FAILED)
		fork_failed(cell, report, from);
	else if (by_zygote || cell->kind != LAUNCH_RUNNER)
		cell_fail(cell, -EIO, "the helper armed itself");
	else
		arm(cell, from);
}

/* ---- at the gate and beyond ---------------------------------------------------------------------- */

/* The clock starts before the answer: what the kernel needs to wake the run belongs to the run. */
static void go(struct cell *cell, uint64_t id)
{
	struct run *run = &cell->run;
	struct seccomp_notif_resp answer = { .id = id };

	for (unsigned i = 0; i < run->ncounters; i++)
		if (run->counters[i] >= 0)
			count_enable(run->counters[i]);
	run->state = RUN_GOING;
	run->go_ns = launcher_now();
	run->deadline_ns = run->go_ns + run->wall_ms * NS_PER_MS;
	if (ioctl(run->listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) && !run->killed)
		fail(run, -EIO, "the run ended at the gate");
}

static void violation(struct cell *cell, const struct seccomp_notif *call)
{
	struct run *run = &cell->run;

	if (!run->killed) {
		run->killed = true;
		run->how.cause = LAUNCH_SYSCALL;
		run->how.syscall_arch = call->data.arch;
		run->how.syscall_nr = (int64_t)(uint32_t)call->data.nr;
		run->how.syscall_ip = call->data.instruction_pointer;
		for (int i = 0; i < 6; i++)
			run->how.syscall_args[i] = call->data.args[i];
	}
	kill_now(cell);
}

void run_notified(struct cell *cell)
{
	struct run *run = &cell->run;
	struct seccomp_notif call = { 0 };

	/* Does not wait: the event says that one is there, and nobody else takes it. ENOENT: its caller was killed. */
	if (ioctl(run->listener, SECCOMP_IOCTL_NOTIF_RECV, &call))
		return;
	if (run->state == RUN_GOING) {
		violation(cell, &call);
	} else if (run->killed) {
		kill_now(cell);
	} else if (call.pid == (uint32_t)run->pid && call.data.arch == NATIVE_ARCH && call.data.nr == SYS_getppid) {
		go(cell, call.id);
	} else {
		fail(run, -EIO, "the run made another call in place of the gate's");
		kill_now(cell);
	}
}

/* ---- deadlines and the wait ---------------------------------------------------------------------- */

static void too_late(struct cell *cell)
{
	struct run *run = &cell->run;

	if (run->ending) {
		cell_fail(cell, -EIO, "the helper's child could not be found or ended");
		run->deadline_ns = 0;
		return;
	}
	if (!run->killed && (run->state == RUN_GOING || cell->kind == LAUNCH_INSPECTOR)) {
		run->killed = true;
		run->how.cause = LAUNCH_TIMEOUT;
	} else if (!run->killed) {
		fail(run, -ETIMEDOUT, "the run did not reach its gate within a second");
	}
	kill_now(cell);
}

void run_late(struct cell *cell, uint64_t now)
{
	struct run *run = &cell->run;

	if (run->retry_ns && run->retry_ns <= now) {
		if (run->killed)
			kill_now(cell);
		else
			take_listener(cell);
	}
	if (run->deadline_ns && run->deadline_ns <= now)
		too_late(cell);
}

static uint64_t timeval_ns(const struct timeval *t)
{
	return (uint64_t)t->tv_sec * 1000 * NS_PER_MS + (uint64_t)t->tv_usec * 1000;
}

static void note_usage(struct launch_exit *how, const struct rusage *usage)
{
	how->user_ns = timeval_ns(&usage->ru_utime);
	how->system_ns = timeval_ns(&usage->ru_stime);
	how->max_rss_bytes = (uint64_t)usage->ru_maxrss * 1024;
	how->minor_faults = (uint64_t)usage->ru_minflt;
	how->major_faults = (uint64_t)usage->ru_majflt;
	how->voluntary_switches = (uint64_t)usage->ru_nvcsw;
	how->forced_switches = (uint64_t)usage->ru_nivcsw;
}

/* Only a SIGKILL that we did not send can have been the memory limit's: the group is asked then, and not otherwise. */
static bool killed_by_limit(struct cell *cell, const siginfo_t *how)
{
	if (how->si_code == CLD_EXITED || how->si_status != SIGKILL || !cell->has_group)
		return false;
	uint64_t kills = cgroup_oom_kills(&launcher.cgroups, &cell->group);
	bool more = kills > cell->oom_kills;
	cell->oom_kills = kills;
	return more;
}

static void judge(struct cell *cell, const siginfo_t *how)
{
	struct run *run = &cell->run;
	char text[WIRE_TEXT_MAX];
	bool exited = how->si_code == CLD_EXITED;

	run->how.status = how->si_status;
	if (run->killed)
		return;
	if (killed_by_limit(cell, how)) {
		run->how.cause = LAUNCH_OOM;
	} else if (run->state != RUN_GOING && cell->kind == LAUNCH_RUNNER) {
		(void)snprintf(text, sizeof text, "the run ended before its gate: %s %d",
			       exited ? "exit status" : "signal", how->si_status);
		fail(run, -EIO, text);
	} else {
		run->how.cause = exited ? LAUNCH_EXITED : LAUNCH_SIGNALED;
	}
}

/* A child that nobody has named is the run, as long as one is awaited; any other is a helper's prank and of no account. */
void run_reaped(struct cell *cell, pid_t pid, const siginfo_t *how, const struct rusage *usage)
{
	struct run *run = &cell->run;

	if (run->state == RUN_NONE || (run->pid ? run->pid != pid : run->state != RUN_FORKED))
		return;
	note_usage(&run->how, usage);
	judge(cell, how);
	finish(cell);
}
