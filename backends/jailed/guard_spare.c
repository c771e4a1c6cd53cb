/* SPDX-License-Identifier: MIT */
/*
 * The process that waits for the next job's order. It and the guard share their memory, in which the spare's state tells
 * what belongs to whom. Its descriptors are its own: what comes with an order is closed when the job ends, whether the
 * guard has looked by then or not.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <time.h>

#include "guard_own.h"
#include "guard_sys.h"

#define AT_ONCE_NS   1
#define TAKES_MAX_MS 1000

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
static bool limits_processes(const struct guard_order_head *order)
{
	for (int i = 0; i < GUARD_LIMITS; i++)
		if (order->limits[i].used && order->limits[i].resource == RLIMIT_NPROC)
			return true;
	return false;
}

/* What waits there is left there. */
static bool is_for_me(void)
{
	struct guard_order_head head;
	struct iovec piece = { &head, GUARD_HEAD_SIZE };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };
	long size = SYS_3(SYS_recvmsg, GUARD_CTL_MOVED, &message, MSG_PEEK);

	return size == GUARD_HEAD_SIZE && head.type == GUARD_START && !head.kept &&
	       !limits_processes(&head);
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
	bool mine = is_for_me();

	if (!change(g, mine ? GUARD_SPARE_TAKES : GUARD_SPARE_RETURNS) || !mine)
		sys_exit(127);
	mine = guard_receive(g, GUARD_CTL_MOVED) && guard_split(g);
	__atomic_store_n(&g->spare_state, mine ? GUARD_SPARE_GOES : GUARD_SPARE_SPOILT,
			 __ATOMIC_RELEASE);
	if (!mine)
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
}

bool guard_bury_spare(struct guard *g)
{
	enum guard_spare_state last = state(g);

	g->spare = 0;
	if (last == GUARD_SPARE_TAKES && g->order.type)
		last = guard_salvage(g) ? GUARD_SPARE_GOES : GUARD_SPARE_SPOILT;
	if (last == GUARD_SPARE_SPOILT)
		guard_lose(g);
	return last == GUARD_SPARE_GOES;
}

static void end(struct guard *g)
{
	SYS_2(SYS_kill, g->spare, SIGKILL);
	SYS_4(SYS_wait4, g->spare, NULL, 0, NULL);
	if (g->sees_spare)
		SYS_1(SYS_close, GUARD_SPARE_FD);
	g->spare = 0;
}

/* At once, but where it was stopped between the two: then it is dead. */
static void await_order_taken(struct guard *g)
{
	const struct timespec pause = { .tv_nsec = GUARD_LATE_MS * 1000000 };

	for (int i = 0; state(g) == GUARD_SPARE_TAKES && i < TAKES_MAX_MS / GUARD_LATE_MS; i++)
		SYS_5(SYS_ppoll, NULL, 0, &pause, NULL, 0);
	if (state(g) == GUARD_SPARE_TAKES)
		SYS_2(SYS_kill, g->spare, SIGKILL);
}

void guard_attend_spare(struct guard *g)
{
	pid_t pid = g->spare;

	if (!pid)
		return;
	if (state(g) == GUARD_SPARE_RETURNS) {
		end(g);
	} else if (state(g) == GUARD_SPARE_GOES) {
		g->spare = 0;
		if (!guard_note_start(g, pid))
			sys_exit(0);
	}
}

void guard_drop_spare(struct guard *g)
{
	if (!g->spare)
		return;
	if (change(g, GUARD_SPARE_RECALLED)) {
		end(g);
		return;
	}
	await_order_taken(g);
	guard_attend_spare(g);
}
