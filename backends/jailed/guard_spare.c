/* SPDX-License-Identifier: MIT */
/*
 * The process that waits for the next job's order. It and the guard share their memory and their descriptors; what
 * belongs to whom is told by the spare's state.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>

#include "guard_own.h"
#include "guard_sys.h"

#define AT_ONCE_NS 1

static enum guard_spare_state state(struct guard *g)
{
	return __atomic_load_n(&g->spare_state, __ATOMIC_ACQUIRE);
}

/* True for the first of the two that changes it. */
static bool change(struct guard *g, enum guard_spare_state to)
{
	uint32_t waits = GUARD_SPARE_WAITS;

	return __atomic_compare_exchange_n(&g->spare_state, &waits, to, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_ACQUIRE);
}

/* ---- in the spare ------------------------------------------------------------------------------ */

/* Of its user's processes: that is looked at when the user changes, which a spare has behind it. */
static bool limits_processes(const struct guard_order *order)
{
	for (int i = 0; i < GUARD_LIMITS; i++)
		if (order->limits[i].used && order->limits[i].resource == RLIMIT_NPROC)
			return true;
	return false;
}

static bool is_for_me(struct guard *g)
{
	const struct guard_order *order = &g->order;

	return order->type == GUARD_START && !order->kept && !limits_processes(order) &&
	       guard_split(g);
}

/* When the guard is to look after what has gone: at once, or when a short job is over. */
static void set_timer(const struct guard *g)
{
	const struct itimerspec time = { .it_value.tv_nsec = g->order.whole
								     ? GUARD_LATE_MS * 1000000
								     : AT_ONCE_NS };

	SYS_4(SYS_timerfd_settime, GUARD_TIMER_FD, 0, &time, NULL);
}

void guard_await_order(struct guard *g)
{
	const uint64_t all = ~0ull;
	const struct timespec now = { 0 };
	bool mine;

	while (state(g) == GUARD_SPARE_MADE)
		SYS_4(SYS_futex, &g->spare_state, FUTEX_WAIT_PRIVATE, GUARD_SPARE_MADE, NULL);
	g->order_is_right = guard_receive(g, GUARD_CTL_MOVED);
	mine = g->order_is_right && is_for_me(g);
	if (!change(g, mine ? GUARD_SPARE_GOES : GUARD_SPARE_RETURNS) || !mine)
		sys_exit(127);
	set_timer(g);
	/* What it was sent while it waited was not meant for the job that it becomes. */
	while (SYS_4(SYS_rt_sigtimedwait, &all, NULL, &now, sizeof all) > 0)
		;
}

/* ---- in the guard ------------------------------------------------------------------------------ */

void guard_stop_timer(void)
{
	const struct itimerspec never = { 0 };

	SYS_4(SYS_timerfd_settime, GUARD_TIMER_FD, 0, &never, NULL);
}

static bool make_timer(struct guard *g)
{
	long fd = SYS_2(SYS_timerfd_create, CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd < 0)
		return false;
	g->has_timer = SYS_3(SYS_dup3, fd, GUARD_TIMER_FD, O_CLOEXEC) == GUARD_TIMER_FD;
	SYS_1(SYS_close, fd);
	return g->has_timer;
}

/* Its end, which is the job's, is then known without a signal. */
static bool open_eye(pid_t pid)
{
	long fd = SYS_2(SYS_pidfd_open, pid, 0);
	bool opened = fd >= 0 && SYS_3(SYS_dup3, fd, GUARD_SPARE_FD, O_CLOEXEC) == GUARD_SPARE_FD;

	if (fd >= 0)
		SYS_1(SYS_close, fd);
	return opened;
}

void guard_make_spare(struct guard *g)
{
	long pid;

	g->wants_spare = false;
	if (g->is_deaf || (!g->has_timer && !make_timer(g)))
		return;
	guard_stop_timer(); /* what it was set for is over */
	g->order.type = 0;  /* and so is that: nothing has come yet */
	pid = guard_make_child(g, true);
	g->spare = pid > 0 ? (pid_t)pid : 0;
	g->sees_spare = g->spare && open_eye(g->spare);
	__atomic_store_n(&g->spare_state, GUARD_SPARE_WAITS, __ATOMIC_RELEASE);
	SYS_3(SYS_futex, &g->spare_state, FUTEX_WAKE_PRIVATE, 1);
}

void guard_bury_spare(struct guard *g)
{
	g->spare = 0;
	if (g->spare_state != GUARD_SPARE_RETURNS)
		g->order_is_right = guard_salvage(g);
	g->has_order = g->spare_state == GUARD_SPARE_RETURNS || g->order.type;
}

static void end(struct guard *g)
{
	SYS_2(SYS_kill, g->spare, SIGKILL);
	SYS_4(SYS_wait4, g->spare, NULL, 0, NULL);
	if (g->sees_spare)
		SYS_1(SYS_close, GUARD_SPARE_FD);
	guard_bury_spare(g);
}

void guard_attend_spare(struct guard *g)
{
	pid_t pid = g->spare;

	if (!pid || state(g) == GUARD_SPARE_WAITS)
		return;
	if (state(g) == GUARD_SPARE_RETURNS) {
		end(g);
		return;
	}
	g->spare = 0;
	if (!guard_note_start(g, pid))
		sys_exit(0);
}

void guard_drop_spare(struct guard *g)
{
	if (g->spare && change(g, GUARD_SPARE_RECALLED))
		end(g);
	else
		guard_attend_spare(g);
}
