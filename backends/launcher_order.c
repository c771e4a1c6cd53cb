/* SPDX-License-Identifier: MIT */
/*
 * What comes from the daemon and what goes back: takes one order of exactly its size, hands it to
 * whom it is for, and sends replies.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "jailed/guard.h"
#include "launcher_left.h"

#define SEND_MS 1000 /* a daemon that takes nothing for so long is not there any more */

union order {
	struct lm_head head;
	struct lm_new new;
	struct lm_drop drop;
	struct lm_run run;
	struct lm_kill kill;
	struct lm_probe probe;
	struct lm_rocker_new rocker_new;
	struct lm_rocker_adopt rocker_adopt;
	struct lm_rocker_settle rocker_settle;
	struct lm_rocker_drop rocker_drop;
	struct lm_rocker_limit rocker_limit;
	struct lm_rocker_freeze rocker_freeze;
	struct lm_rocker_kill rocker_kill;
	struct lm_rocker_check rocker_check;
	struct lm_rocker_measure rocker_measure;
	struct lm_rocker_signal rocker_signal;
};

static ssize_t send_now(const struct msghdr *message)
{
	ssize_t n = sendmsg(launcher.channel, message, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno == EAGAIN) {
		struct pollfd room = { .fd = launcher.channel, .events = POLLOUT };
		(void)poll(&room, 1, SEND_MS);
		n = sendmsg(launcher.channel, message, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	return n;
}

void launcher_say_with(const void *message, size_t size, const int *fds, unsigned nfds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int[WIRE_FDS_MAX]))];
	} control = { 0 };
	struct iovec part = { (void *)message, size };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };

	if (launcher.broken)
		return;
	if (nfds) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	if (send_now(&m) != (ssize_t)size)
		launcher.broken = true;
}

void launcher_say(const void *message, size_t size)
{
	launcher_say_with(message, size, NULL, 0);
}

/* ---- orders ---------------------------------------------------------------------------------- */

/*
 * Each returns 0, or -EPROTO: the daemon has lost count of what it asked for, and cannot be served
 * any longer.
 */
static int on_new(const union order *o, const int *fds, unsigned nfds)
{
	struct cell *cell = &launcher.cells[o->head.jail];

	if (cell->state != CELL_FREE || o->new.kind > LAUNCH_RUNNER || o->new.has_setup > 1 ||
	    !place_ok(&o->new))
		return -EPROTO;
	if (o->head.jail >= launcher.cells_used)
		launcher.cells_used = o->head.jail + 1;
	cell_new(cell, &o->new, fds, nfds);
	return 0;
}

static int on_drop(const union order *o, const int *fds, unsigned nfds)
{
	struct cell *cell = &launcher.cells[o->head.jail];

	(void)fds;
	if (cell->state == CELL_FREE || cell->dropped || nfds)
		return -EPROTO;
	cell_drop(cell);
	return 0;
}

static int on_run(const union order *o, const int *fds, unsigned nfds)
{
	struct cell *cell = &launcher.cells[o->head.jail];

	if (cell->state == CELL_FREE || cell->dropped || !cell->answered ||
	    cell->run.state != RUN_NONE || !o->run.run || !o->run.wall_ms ||
	    o->run.nevents > LAUNCH_EVENTS_MAX)
		return -EPROTO;
	run_start(cell, &o->run, fds, nfds);
	return 0;
}

static int on_kill(const union order *o, const int *fds, unsigned nfds)
{
	(void)fds;
	if (nfds)
		return -EPROTO;
	run_kill(&launcher.cells[o->head.jail], o->kill.run);
	return 0;
}

static int on_probe(const union order *o, const int *fds, unsigned nfds)
{
	struct lm_probed reply = { .head = { LM_PROBED, 0 }, .event = o->probe.event };

	(void)fds;
	if (nfds)
		return -EPROTO;
	int fd = count_open(&o->probe.event, 0);
	reply.error = fd < 0 ? fd : 0;
	launcher_close(&fd);
	launcher_say(&reply, sizeof reply);
	return 0;
}

/* ---- of rockers ------------------------------------------------------------------------------- */

static int on_rocker_new(const union order *o, const int *fds, unsigned nfds)
{
	(void)fds;
	return nfds ? -EPROTO : ward_new(&o->rocker_new);
}

static int on_rocker_adopt(const union order *o, const int *fds, unsigned nfds)
{
	(void)fds;
	return nfds ? -EPROTO : ward_adopt(&o->rocker_adopt);
}

static int on_rocker_settle(const union order *o, const int *fds, unsigned nfds)
{
	(void)o;
	(void)fds;
	if (nfds)
		return -EPROTO;
	left_settle();
	return 0;
}

static int on_rocker_drop(const union order *o, const int *fds, unsigned nfds)
{
	(void)fds;
	return nfds ? -EPROTO : ward_drop(o->head.jail);
}

static int on_rocker_limit(const union order *o, const int *fds, unsigned nfds)
{
	(void)fds;
	if (nfds || o->rocker_limit.limits.ndevices > PLAN_DEVICES_MAX)
		return -EPROTO;
	return ward_limit(o->head.jail, &o->rocker_limit.limits);
}

static int on_rocker_freeze(const union order *o, const int *fds, unsigned nfds)
{
	(void)fds;
	if (nfds || o->rocker_freeze.freeze > 1)
		return -EPROTO;
	return ward_freeze(o->head.jail, o->rocker_freeze.freeze != 0);
}

static int on_rocker_kill(const union order *o, const int *fds, unsigned nfds)
{
	(void)fds;
	return nfds ? -EPROTO : ward_kill(o->head.jail);
}

static int on_rocker_signal(const union order *o, const int *fds, unsigned nfds)
{
	if (nfds != 1 || o->rocker_signal.signal < 1 || o->rocker_signal.signal > GUARD_SIGNALS)
		return -EPROTO;
	return ward_signal(o->head.jail, o->rocker_signal.signal, fds[0]);
}

static int on_rocker_check(const union order *o, const int *fds, unsigned nfds)
{
	(void)fds;
	return nfds ? -EPROTO : ward_check(&o->rocker_check);
}

static int on_rocker_measure(const union order *o, const int *fds, unsigned nfds)
{
	(void)fds;
	return nfds ? -EPROTO : ward_measure(o->head.jail, o->rocker_measure.limit_bytes);
}

/* plan_at: where the plan is that the message ends in; 0: none, and size is exact. numbers: all are below. */
static const struct order_type {
	uint32_t type;
	size_t size, plan_at;
	uint32_t numbers;
	int (*handle)(const union order *order, const int *fds, unsigned nfds);
} order_types[] = {
	{ LM_NEW, sizeof(struct lm_new), 0, LM_JAILS_MAX, on_new },
	{ LM_DROP, sizeof(struct lm_drop), 0, LM_JAILS_MAX, on_drop },
	{ LM_RUN, sizeof(struct lm_run), 0, LM_JAILS_MAX, on_run },
	{ LM_KILL, sizeof(struct lm_kill), 0, LM_JAILS_MAX, on_kill },
	{ LM_PROBE, sizeof(struct lm_probe), 0, LM_JAILS_MAX, on_probe },
	{ LM_ROCKER_NEW, 0, offsetof(struct lm_rocker_new, plan), LM_ROCKERS_MAX, on_rocker_new },
	{ LM_ROCKER_DROP, sizeof(struct lm_rocker_drop), 0, LM_ROCKERS_MAX, on_rocker_drop },
	{ LM_ROCKER_LIMIT, sizeof(struct lm_rocker_limit), 0, LM_ROCKERS_MAX, on_rocker_limit },
	{ LM_ROCKER_FREEZE, sizeof(struct lm_rocker_freeze), 0, LM_ROCKERS_MAX, on_rocker_freeze },
	{ LM_ROCKER_KILL, sizeof(struct lm_rocker_kill), 0, LM_ROCKERS_MAX, on_rocker_kill },
	{ LM_ROCKER_SIGNAL, sizeof(struct lm_rocker_signal), 0, LM_ROCKERS_MAX, on_rocker_signal },
	{ LM_ROCKER_MEASURE, sizeof(struct lm_rocker_measure), 0, LM_ROCKERS_MAX, on_rocker_measure },
	{ LM_ROCKER_ADOPT, sizeof(struct lm_rocker_adopt), 0, LM_ROCKERS_MAX, on_rocker_adopt },
	{ LM_ROCKER_SETTLE, sizeof(struct lm_rocker_settle), 0, 1, on_rocker_settle },
	{ LM_ROCKER_CHECK, 0, offsetof(struct lm_rocker_check, plan), UINT32_MAX, on_rocker_check },
	{ 0 },
};

/* How many descriptors came along, in fds; -EPROTO when something else did. */
static int take_fds(struct msghdr *message, int fds[WIRE_FDS_MAX])
{
	unsigned nfds = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || nfds)
			return -EPROTO;
		nfds = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		if (nfds > WIRE_FDS_MAX)
			return -EPROTO;
		memcpy(fds, CMSG_DATA(c), nfds * sizeof(int));
	}
	return message->msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -EPROTO : (int)nfds;
}

static bool size_ok(const struct order_type *t, const union order *order, size_t size)
{
	if (!t->plan_at)
		return size == t->size;
	return size > t->plan_at &&
	       plan_ok((const void *)((const char *)order + t->plan_at), size - t->plan_at);
}

static int dispatch(const union order *order, size_t size, const int *fds, unsigned nfds)
{
	for (const struct order_type *t = order_types; t->handle; t++)
		if (t->type == order->head.type) {
			if (!size_ok(t, order, size) || order->head.jail >= t->numbers)
				return -EPROTO;
			return t->handle(order, fds, nfds);
		}
	return -EPROTO;
}

void order_take(void)
{
	static union order order;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int[WIRE_FDS_MAX]))];
	} control;
	int fds[WIRE_FDS_MAX];
	struct iovec part = { &order, sizeof order };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof control };

	ssize_t n = recvmsg(launcher.channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	wards_busy();
	int nfds = n > 0 ? take_fds(&message, fds) : -EPROTO;
	if (nfds < 0 || (size_t)n < sizeof order.head ||
	    dispatch(&order, (size_t)n, fds, (unsigned)nfds))
		launcher.broken = true;
	/*
	 * What a handler keeps it has duplicated: so they are closed in one place, whatever
	 * happened.
	 */
	for (int i = 0; i < nfds; i++)
		(void)close(fds[i]);
}
