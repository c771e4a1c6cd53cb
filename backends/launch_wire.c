/* SPDX-License-Identifier: MIT */
/*
 * The daemon's end of the channel: sends orders, hears replies on the launch thread, calls back.
 */
#include "launch_state.h"

#include "sandboxfs.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELLO_MS 5000

int launch_send(const void *message, size_t size, const int *fds, unsigned nfds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int[WIRE_FDS_MAX]))];
	} control = { 0 };
	struct iovec part = { (void *)message, size };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };

	if (nfds) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	ssize_t n = sendmsg(launch_client.channel, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n == (ssize_t)size)
		return 0;
	if (n < 0 && errno == EAGAIN)
		return -EAGAIN;
	launch_client.deaf |= n < 0 && (errno == EPIPE || errno == ECONNRESET);
	return -EIO;
}

int launch_hello(void)
{
	struct pollfd ready = { .fd = launch_client.channel, .events = POLLIN };
	static struct lm_machine hello;

	if (poll(&ready, 1, HELLO_MS) != 1)
		return -ETIMEDOUT;
	ssize_t n = recv(launch_client.channel, &hello, sizeof hello, MSG_DONTWAIT);
	if (n != (ssize_t)sizeof hello || hello.head.type != LM_MACHINE)
		return -EIO;
	hello.text[sizeof hello.text - 1] = '\0';
	memcpy(launch_client.machine, hello.text, sizeof hello.text);
	launch_client.places = hello.places;
	for (int i = 0; i < GROUP_PARTS; i++)
		launch_client.places.path[i][GROUP_PATH_MAX - 1] = '\0';
	launch_features(launch_client.machine);
	return 0;
}

/*
 * ---- replies: each is called without the lock, and returns false for what no honest launcher says
 */

static struct launch_zygote *zygote_of(const union reply *r)
{
	return r->head.jail < LM_JAILS_MAX ? launch_client.zygotes[r->head.jail] : NULL;
}

static bool on_ready(union reply *r, int *fds)
{
	(void)fds;
	struct launch_client *c = &launch_client;

	(void)pthread_mutex_lock(&c->lock);
	struct launch_zygote *z = zygote_of(r);
	bool expected = z && z->ready_pending;
	if (expected) {
		z->ready_pending = false;
		z->ready_ok = r->ready.rc == 0;
		z->group = z->ready_ok ? (pid_t)r->ready.group : 0;
	}
	(void)pthread_mutex_unlock(&c->lock);
	if (!expected)
		return false;
	r->ready.sentence[sizeof r->ready.sentence - 1] = '\0';
	z->ready(z->ready_arg, z, r->ready.rc, r->ready.sentence);
	return true;
}

static bool on_exit_of_run(union reply *r, int *fds)
{
	(void)fds;
	struct launch_client *c = &launch_client;
	void (*done)(void *arg, const struct launch_exit *how) = NULL;
	void *arg = NULL;

	(void)pthread_mutex_lock(&c->lock);
	struct launch_zygote *z = zygote_of(r);
	if (z && z->run && z->run == r->exit.run) {
		done = z->done;
		arg = z->done_arg;
		z->run = 0;
		z->kill_owed = false;
	}
	(void)pthread_mutex_unlock(&c->lock);
	if (!done)
		return false;
	r->exit.how.sentence[sizeof r->exit.how.sentence - 1] = '\0';
	done(arg, &r->exit.how);
	return true;
}

static bool on_gone(union reply *r, int *fds)
{
	(void)fds;
	struct launch_client *c = &launch_client;

	(void)pthread_mutex_lock(&c->lock);
	struct launch_zygote *z = zygote_of(r);
	bool expected = z && z->dropped && !z->run && !z->ready_pending;
	if (expected)
		c->zygotes[z->index] = NULL;
	(void)pthread_mutex_unlock(&c->lock);
	if (expected)
		free(z);
	return expected;
}

static bool on_probed(union reply *r, int *fds)
{
	(void)fds;
	(void)pthread_mutex_lock(&launch_client.lock);
	launch_event_learn(&r->probed);
	(void)pthread_mutex_unlock(&launch_client.lock);
	return true;
}

static const struct reply_type {
	uint32_t type;
	size_t size;
	unsigned fds_max; /* that may come along */
	bool (*handle)(union reply *reply, int *fds);
} reply_types[] = {
	{ LM_READY, sizeof(struct lm_ready), 0, on_ready },
	{ LM_EXIT, sizeof(struct lm_exit), 0, on_exit_of_run },
	{ LM_GONE, sizeof(struct lm_gone), 0, on_gone },
	{ LM_PROBED, sizeof(struct lm_probed), 0, on_probed },
	{ LM_ROCKER_READY, sizeof(struct lm_rocker_ready), ROCKER_FDS, on_rocker_ready },
	{ LM_ROCKER_ENDED, sizeof(struct lm_rocker_ended), 0, on_rocker_ended },
	{ LM_ROCKER_GONE, sizeof(struct lm_rocker_gone), 0, on_rocker_gone },
	{ LM_ROCKER_DONE, sizeof(struct lm_rocker_done), 0, on_rocker_done },
	{ LM_ROCKER_MEASURED, sizeof(struct lm_rocker_measured), 0, on_rocker_measured },
	{ LM_ROCKER_CHECKED, sizeof(struct lm_rocker_checked), 0, on_rocker_checked },
	{ 0 },
};

static bool dispatch(union reply *reply, size_t size, int *fds, unsigned nfds)
{
	for (const struct reply_type *t = reply_types; t->handle; t++)
		if (t->type == reply->head.type)
			return t->size == size && nfds <= t->fds_max && t->handle(reply, fds);
	return false;
}

/* ---- what could not be sent at once ---------------------------------------------------------- */

/* With the lock held; true when something is still owed. */
static bool pay(struct launch_zygote *z)
{
	struct lm_kill kill_order = { { LM_KILL, z->index }, z->run };
	struct lm_drop drop_order = { { LM_DROP, z->index } };

	if (z->kill_owed)
		z->kill_owed = launch_send(&kill_order, sizeof kill_order, NULL, 0) == -EAGAIN;
	if (z->drop_owed && !z->kill_owed)
		z->drop_owed = launch_send(&drop_order, sizeof drop_order, NULL, 0) == -EAGAIN;
	return z->kill_owed || z->drop_owed;
}

static bool pay_all(void)
{
	bool owed = false;

	(void)pthread_mutex_lock(&launch_client.lock);
	for (unsigned i = 0; i < LM_JAILS_MAX; i++)
		if (launch_client.zygotes[i] && pay(launch_client.zygotes[i]))
			owed = true;
	owed |= launch_rockers_pay();
	(void)pthread_mutex_unlock(&launch_client.lock);
	return owed;
}

/* ---- the thread ------------------------------------------------------------------------------ */

/* Answers everything that is pending for one zygote, and frees it if its owner is done with it. */
static void bury(struct launch_zygote *z)
{
	static const struct launch_exit lost = { .cause = LAUNCH_FAILED,
						 .rc = -EIO,
						 .sentence = LAUNCHER_GONE };
	struct launch_client *c = &launch_client;

	(void)pthread_mutex_lock(&c->lock);
	bool ready_pending = z->ready_pending, running = z->run != 0;
	void (*done)(void *arg, const struct launch_exit *how) = z->done;
	void *done_arg = z->done_arg;
	(void)pthread_mutex_unlock(&c->lock);
	if (ready_pending)
		z->ready(z->ready_arg, z, -EIO, lost.sentence);
	if (running)
		done(done_arg, &lost);
	(void)pthread_mutex_lock(&c->lock);
	/*
	 * Only now: a drop from another thread, or from those callbacks, left the freeing to us
	 * until here.
	 */
	z->ready_pending = false;
	z->run = 0;
	bool unused = z->dropped;
	if (unused)
		c->zygotes[z->index] = NULL;
	(void)pthread_mutex_unlock(&c->lock);
	if (unused)
		free(z);
}

/* Nobody adds to the table once gone is set, and a zygote with something pending stays in it. */
static void bury_all(void)
{
	struct launch_client *c = &launch_client;

	for (unsigned i = 0; i < LM_JAILS_MAX; i++) {
		(void)pthread_mutex_lock(&c->lock);
		struct launch_zygote *z = c->zygotes[i];
		bool ours = z && (z->dropped || z->ready_pending || z->run);
		(void)pthread_mutex_unlock(&c->lock);
		if (ours)
			bury(z);
	}
}

/* What came along, into fds, and -1 behind it; how many, or -EPROTO when something else did. */
static int take_fds(struct msghdr *message, int fds[WIRE_FDS_MAX])
{
	unsigned nfds = 0;

	for (int i = 0; i < WIRE_FDS_MAX; i++)
		fds[i] = -1;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || nfds)
			return -EPROTO;
		nfds = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), nfds * sizeof(int));
	}
	/* Cut descriptors are those for which this process had no room: not the launcher's fault. */
	return message->msg_flags & MSG_TRUNC ? -EPROTO : (int)nfds;
}

/* One message; false: the launcher is gone, or not to be believed any more. */
static bool hear(void)
{
	static union reply reply;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int[WIRE_FDS_MAX]))];
	} control;
	int fds[WIRE_FDS_MAX];
	struct iovec part = { &reply, sizeof reply };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof control };

	ssize_t n = recvmsg(launch_client.channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n < (ssize_t)sizeof reply.head)
		return false;
	int nfds = take_fds(&message, fds);
	bool well = nfds >= 0 && dispatch(&reply, (size_t)n, fds, (unsigned)nfds);
	/* Who keeps one has taken it out. */
	for (int i = 0; i < WIRE_FDS_MAX; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
	return well;
}

void *launch_listen(void *unused)
{
	struct launch_client *c = &launch_client;
	struct pollfd fds[2] = { { .fd = c->channel, .events = POLLIN },
				 { .fd = c->wake, .events = POLLIN } };
	bool owed = false;
	uint64_t count;

	for (;;) {
		fds[0].events = owed ? POLLIN | POLLOUT : POLLIN;
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents)
			(void)!read(c->wake, &count, sizeof count);
		if (fds[1].revents || (fds[0].revents & POLLOUT))
			owed = pay_all();
		if ((fds[0].revents & ~POLLOUT) && !hear())
			break;
	}
	(void)pthread_mutex_lock(&c->lock);
	c->gone = true;
	(void)pthread_cond_broadcast(&c->probed);
	(void)pthread_mutex_unlock(&c->lock);
	/* a launcher that lost its senses ends by this */
	(void)shutdown(c->channel, SHUT_RDWR);
	sfs_status("launcher", "the launcher is gone: nothing can be loaded or run");
	bury_all();
	launch_rockers_bury();
	return unused;
}
