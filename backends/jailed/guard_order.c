/* SPDX-License-Identifier: MIT */
/* The guard's socket: what comes is an order of the right form or the end of it all. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "guard_own.h"
#include "guard_sys.h"

#define RETRY_NS 2000000

/* Descriptors: exactly one bunch, and numbered 0, 1, 2, ... since nothing else is open down there. */
static bool take_descriptors(struct guard *g, struct msghdr *message)
{
	struct cmsghdr *head = CMSG_FIRSTHDR(message);

	g->nfds = 0;
	if (!head)
		return true;
	if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
		return false;
	g->nfds = (uint32_t)((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	const int *fds = (const int *)(const void *)CMSG_DATA(head);
	for (uint32_t i = 0; i < g->nfds; i++)
		if (fds[i] != (int)i)
			return false;
	return g->nfds <= GUARD_FDS_MAX;
}

static bool form_is_right(const struct guard *g, size_t size)
{
	const struct guard_order *order = &g->order;

	if (size < offsetof(struct guard_order, text) || order->text_used > GUARD_TEXT_MAX ||
	    size != guard_order_size(order))
		return false;
	if (order->type == GUARD_START)
		return order->job && order->argc && order->argc <= GUARD_WORDS_MAX &&
		       order->envc <= GUARD_WORDS_MAX - order->argc &&
		       order->kept <= GUARD_KEPT_MAX && order->kept <= g->nfds &&
		       (g->is_kept || !order->kept);
	if (order->type == GUARD_KEEP || order->type == GUARD_ADOPT)
		return g->nfds == 1 && !order->text_used;
	return !g->nfds && !order->text_used;
}

bool guard_receive(struct guard *g, int socket)
{
	struct guard_letter *letter = &g->letter;

	letter->piece = (struct iovec){ &g->order, sizeof g->order };
	letter->message = (struct msghdr){ .msg_iov = &letter->piece,
					   .msg_iovlen = 1,
					   .msg_control = letter->control,
					   .msg_controllen = sizeof letter->control };
	g->order.type = 0;
	/* Without close-on-exec: these are the job's. */
	long size = SYS_3(SYS_recvmsg, socket, &letter->message, 0);

	return size > 0 && !(letter->message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) &&
	       take_descriptors(g, &letter->message) && form_is_right(g, (size_t)size);
}

bool guard_salvage(struct guard *g)
{
	return take_descriptors(g, &g->letter.message) &&
	       form_is_right(g, guard_order_size(&g->order)) && guard_split(g);
}

/* Waits a little for room, unless nobody is left to make any. */
static void wait_for_room(struct guard *g)
{
	struct pollfd control = { .fd = GUARD_CTL_MOVED };
	struct timespec time = { 0, RETRY_NS };

	if (SYS_5(SYS_ppoll, &control, 1, &time, NULL, 0) > 0)
		guard_lose(g);
}

void guard_lose(struct guard *g)
{
	if (!g->is_kept)
		sys_exit(0);
	if (!g->is_deaf)
		SYS_1(SYS_close, GUARD_CTL_MOVED);
	g->is_deaf = true;
}

void guard_reply(struct guard *g, const struct guard_reply *reply, const int *fds, unsigned nfds)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE((GUARD_KEPT_MAX + 1) * sizeof(int))];
	} control;
	struct iovec piece = { (void *)(uintptr_t)reply, sizeof *reply };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };

	if (nfds) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_LEN(nfds * sizeof(int));
		control.head =
			(struct cmsghdr){ CMSG_LEN(nfds * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		for (unsigned i = 0; i < nfds; i++)
			((int *)(void *)CMSG_DATA(&control.head))[i] = fds[i];
	}
	while (!g->is_deaf) {
		long err = SYS_3(SYS_sendmsg, GUARD_CTL_MOVED, &message, MSG_NOSIGNAL);
		if (err >= 0)
			return;
		/* Too many descriptors under way, or no memory now: the other end has to read first. */
		if (err != -ETOOMANYREFS && err != -ENOBUFS && err != -ENOMEM && err != -EAGAIN &&
		    err != -EINTR)
			guard_lose(g);
		else
			wait_for_room(g);
	}
}
