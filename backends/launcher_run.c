/* SPDX-License-Identifier: MIT */
/*
 * One run: forked by the zygote, met at the gate, let go, watched, and waited for.
 *
 * Nothing on this way allocates, executes or touches a control group, and between go and the end
 * nothing else wakes up. A call is only ever let be made while its caller is before its gate, and
 * so executes nothing of the codelet: what is after it is killed at its first call.
 */
#include "launcher_state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS     UINT64_C(1000000)
#define ARM_MS        1000    /* from the fork to the gate */
#define END_MS        1000    /* from a SIGKILL to the wait */
#define KILL_RETRY_NS 2000000 /* when a child to kill cannot be found yet */

/* ---- the end --------------------------------------------------------------------------------- */

static void read_counters(struct run *run)
{
	for (unsigned i = 0; i < run->ncounters; i++) {
		if (run->counters[i] >= 0)
			run->how.counts[i].error =
				count_read(run->counters[i], &run->how.counts[i]);
		launcher_close(&run->counters[i]);
	}
	run->ncounters = 0;
}

static void finish(struct cell *cell)
{
	struct run *run = &cell->run;
	static struct lm_exit message;

	if (run->state == RUN_GOING || (cell->kind == LAUNCH_INSPECTOR && run->go_ns))
		run->how.wall_ns = launcher_now() - run->go_ns;
	read_counters(run);
	launcher_close(&run->arena);
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

/* ---- killing --------------------------------------------------------------------------------- */

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
	if (run->state == RUN_ORDERED)
		finish(cell); /* it is not there yet, and will not be */
	else
		kill_now(cell);
}

/* ---- from the fork to the gate --------------------------------------------------------------- */

static void clear(struct run *run)
{
	memset(run, 0, sizeof *run);
	run->arena = -1;
}

/* An inspector is told by its socket. */
static int send_order(struct cell *cell, const int *fds, unsigned nfds)
{
	static uint32_t seq;
	static struct wire_order fork_order = { .type = WIRE_FORK };
	struct run *run = &cell->run;

	run->seq = fork_order.seq = ++seq;
	run->state = RUN_FORKED;
	run->go_ns = launcher_now();
	run->deadline_ns = run->go_ns + run->wall_ms * NS_PER_MS;
	return cell->control < 0 ? -ESRCH : cell_send(cell, &fork_order, fds, nfds);
}

/* A runner by the answer to the call that it waits in. */
static int order_fork(struct cell *cell, const int *fds, unsigned nfds)
{
	struct run *run = &cell->run;

	if (nfds > 1)
		return -EINVAL;
	if (nfds && (run->arena = fcntl(fds[0], F_DUPFD_CLOEXEC, 0)) < 0)
		return -errno;
	run->deadline_ns = launcher_now() + ARM_MS * NS_PER_MS;
	run->state = RUN_ORDERED;
	if (cell->fork_waits)
		run_fork(cell);
	return 0;
}

void run_fork(struct cell *cell)
{
	if (cell->run.state == RUN_ORDERED && !notify_fork(cell))
		cell->run.state = RUN_FORKED;
}

void run_start(struct cell *cell, const struct lm_run *order, const int *fds, unsigned nfds)
{
	struct run *run = &cell->run;
	int err;

	clear(run);
	run->id = order->run;
	run->wall_ms = order->wall_ms;
	run->state = RUN_ORDERED;
	run->how.nevents = cell->kind == LAUNCH_RUNNER ? order->nevents : 0;
	memcpy(run->events, order->events, sizeof run->events);
	if (cell->state != CELL_IDLE) {
		fail(run, -ESRCH,
		     cell->state == CELL_DEAD ? cell->sentence : "the helper is not ready");
	} else {
		err = cell->kind == LAUNCH_RUNNER ? order_fork(cell, fds, nfds)
						  : send_order(cell, fds, nfds);
		if (!err)
			return;
		fail(run, err == -EINVAL ? err : -ESRCH, "the helper takes no order");
	}
	finish(cell);
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

/* A child cannot begin, or (0) could not be forked. */
static void fork_failed(struct cell *cell, int rc, const char *hostile, pid_t child)
{
	struct run *run = &cell->run;
	char text[WIRE_TEXT_MAX];

	text_escape(hostile, WIRE_TEXT_MAX, text, sizeof text);
	if (!run->killed)
		fail(run, rc < 0 && rc > -4096 ? rc : -EIO, text);
	if (!child) {
		finish(cell);
		return;
	}
	run->pid = child;
	run->state = RUN_FAILED;
	run->deadline_ns = launcher_now() + END_MS * NS_PER_MS;
}

void run_report(struct cell *cell, const struct wire_report *report, pid_t from)
{
	bool by_zygote = from == cell->zygote;
	bool known = by_zygote || (from != cell->init && is_own_child(from));

	if (cell->run.state != RUN_FORKED || report->seq != cell->run.seq || !known)
		cell_fail(cell, -EIO, "the helper sent report %u out of turn", report->type);
	else
		fork_failed(cell, report->rc, report->text, by_zygote ? 0 : from);
}

void run_told(struct cell *cell, const struct seccomp_notif *call)
{
	struct run *run = &cell->run;

	for (int i = 0; i < 6 && run->text_used + sizeof call->data.args[i] <= sizeof run->text;
	     i++) {
		memcpy(run->text + run->text_used, &call->data.args[i], sizeof call->data.args[i]);
		run->text_used += sizeof call->data.args[i];
	}
	(void)notify_answer(cell, call->id);
}

void run_fork_failed(struct cell *cell, const struct seccomp_notif *call)
{
	if (cell->run.state != RUN_FORKED || cell->run.pid) {
		cell_fail(cell, -EIO, "the helper failed to do what nobody asked for");
		return;
	}
	(void)notify_answer(cell, call->id);
	fork_failed(cell, (int)call->data.args[0], cell->run.text, 0);
}

/* ---- at the gate and beyond ------------------------------------------------------------------ */

/* 0: not known. The clock of a child that waits for an answer stands still. */
static uint64_t processor_time(pid_t pid)
{
	struct timespec used;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &used))
		return 0;
	return (uint64_t)used.tv_sec * 1000 * NS_PER_MS + (uint64_t)used.tv_nsec;
}

/* The clock starts before the answer: what the kernel needs to wake the run belongs to the run. */
static void go(struct cell *cell, uint64_t id)
{
	struct run *run = &cell->run;

	for (unsigned i = 0; i < run->ncounters; i++)
		if (run->counters[i] >= 0)
			count_enable(run->counters[i]);
	run->state = RUN_GOING;
	run->how.gate_cpu_ns = processor_time(run->pid);
	run->go_ns = launcher_now();
	run->deadline_ns = run->go_ns + run->wall_ms * NS_PER_MS;
	/* It has been killed while it waited there: its end says by what. */
	if (notify_answer(cell, id))
		run->state = RUN_ARMED;
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

/*
 * Its pid is the kernel's word; that it is a child of ours makes sure that the number stays its own
 * until it is reaped.
 */
static bool meet(struct cell *cell, pid_t pid)
{
	struct run *run = &cell->run;

	if (run->state != RUN_FORKED || pid <= 0 || pid == cell->init || !is_own_child(pid))
		return false;
	run->pid = pid;
	run->state = RUN_ARMED;
	open_counters(run);
	return true;
}

/* The arena goes with the first call, if that is not the gate's. */
static void hand_over_arena(struct cell *cell, uint64_t id)
{
	struct run *run = &cell->run;
	struct seccomp_notif_addfd add = { .id = id,
					   .flags = SECCOMP_ADDFD_FLAG_SETFD,
					   .newfd = WIRE_ARENA_FD };

	if (run->arena < 0)
		return;
	add.srcfd = (uint32_t)run->arena;
	/* without it the child says what it misses */
	(void)ioctl(cell->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	launcher_close(&run->arena);
}

/*
 * Of a child that executes nothing of the codelet yet. All of these the filter installed before
 * would allow with any arguments, and none acts on another process than the caller.
 */
static void before_gate(struct cell *cell, const struct seccomp_notif *call)
{
	struct run *run = &cell->run;

	switch (call->data.arch == NATIVE_ARCH ? call->data.nr : -1) {
	case SYS_getppid:
		run->gate_ip = call->data.instruction_pointer;
		go(cell, call->id);
		return;
	case SYS_fstat:
	case SYS_mmap:
	case SYS_munmap:
	case SYS_close:
	case SYS_sched_setaffinity:
		hand_over_arena(cell, call->id);
		(void)notify_pass(cell, call->id);
		return;
	case WIRE_CALL_TEXT:
		run_told(cell, call);
		return;
	case WIRE_CALL_FAILED:
		fork_failed(cell, (int)call->data.args[0], run->text, run->pid);
		(void)notify_answer(cell, call->id);
		return;
	}
	fail(run, -EIO, "the run made another call in place of the gate's");
	kill_now(cell);
}

/* The codelet could jump there, but then the run's own second gate is one too many. */
static bool is_mark(const struct run *run, const struct seccomp_notif *call)
{
	return !run->how.marks && !run->killed && call->data.arch == NATIVE_ARCH &&
	       call->data.nr == SYS_getppid && call->data.instruction_pointer == run->gate_ip;
}

static void mark(struct cell *cell, uint64_t id)
{
	struct run *run = &cell->run;

	run->how.marks = 1;
	run->how.mark_cpu_ns = processor_time(run->pid);
	(void)notify_answer(cell, id);
}

void run_notified(struct cell *cell, const struct seccomp_notif *call)
{
	struct run *run = &cell->run;
	pid_t pid = (pid_t)call->pid;

	if (run->pid ? pid != run->pid : !meet(cell, pid))
		cell_fail(cell, -EIO, "a process that nobody asked for made a call");
	else if (run->state == RUN_GOING && is_mark(run, call))
		mark(cell, call->id);
	else if (run->state == RUN_GOING)
		violation(cell, call);
	else if (run->killed || run->state != RUN_ARMED)
		kill_now(cell);
	else
		before_gate(cell, call);
}

/* ---- deadlines and the wait ------------------------------------------------------------------ */

static void too_late(struct cell *cell)
{
	struct run *run = &cell->run;

	if (run->state == RUN_ORDERED) {
		cell_fail(cell, -ETIMEDOUT, "the helper did not come back from its last fork");
		return;
	}
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
		kill_now(cell);
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

/*
 * Only a SIGKILL that we did not send can have been the memory limit's: the group is asked then,
 * and not otherwise.
 */
static bool killed_by_limit(struct cell *cell, const siginfo_t *how)
{
	if (how->si_code == CLD_EXITED || how->si_status != SIGKILL)
		return false;
	uint64_t kills = place_oom_kills(cell);
	bool more = kills > cell->oom_kills;
	cell->oom_kills = kills;
	return more;
}

/*
 * No run can send itself a SIGKILL, and before its gate, where nothing of the codelet executes, none
 * of the others either that are meant to end a process.
 */
static bool killed_by_another(const struct run *run, const siginfo_t *how)
{
	if (how->si_code == CLD_EXITED)
		return false;
	if (how->si_status == SIGKILL)
		return true;
	return run->state != RUN_GOING && (how->si_status == SIGTERM || how->si_status == SIGINT ||
					   how->si_status == SIGHUP || how->si_status == SIGQUIT);
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
	} else if (cell->kind == LAUNCH_RUNNER && killed_by_another(run, how)) {
		run->how.cause = LAUNCH_KILLED;
		(void)snprintf(run->how.sentence, sizeof run->how.sentence,
			       "SIG%s from outside ended it", sigabbrev_np(how->si_status));
	} else if (run->state != RUN_GOING && cell->kind == LAUNCH_RUNNER) {
		(void)snprintf(text, sizeof text, "the run ended before its gate: %s %d",
			       exited ? "exit status" : "signal", how->si_status);
		fail(run, -EIO, text);
	} else {
		run->how.cause = exited ? LAUNCH_EXITED : LAUNCH_SIGNALED;
	}
}

/*
 * A child that nobody has named is the run, as long as one is awaited; any other is a helper's
 * prank and of no account.
 */
void run_reaped(struct cell *cell, pid_t pid, const siginfo_t *how, const struct rusage *usage)
{
	struct run *run = &cell->run;

	if (run->state == RUN_NONE || (run->pid ? run->pid != pid : run->state != RUN_FORKED))
		return;
	note_usage(&run->how, usage);
	judge(cell, how);
	finish(cell);
}
