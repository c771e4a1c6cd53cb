/* SPDX-License-Identifier: MIT */
/*
 * What the daemon asks of the launcher: zygotes, runs, and the ends of both.
 */
#include "launch_state.h"

#include "sandboxfs.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define INDEX_BITS 16

_Static_assert(LM_JAILS_MAX <= 1 << INDEX_BITS, "a run's id holds its jail's number");

struct launch_client launch_client = { .lock = PTHREAD_MUTEX_INITIALIZER,
				       .channel = -1,
				       .wake = -1 };

static int make_condition(void)
{
	pthread_condattr_t how;
	int err = pthread_condattr_init(&how);

	if (err)
		return -err;
	err = pthread_condattr_setclock(&how, CLOCK_MONOTONIC);
	err = err ?: pthread_cond_init(&launch_client.probed, &how);
	(void)pthread_condattr_destroy(&how);
	return -err;
}

int launch_start(void)
{
	struct launch_client *c = &launch_client;

	c->channel = sfs_privileged_fd();
	if (c->channel < 0)
		return sfs_fail(-EIO, "there is no launcher to talk to");
	c->gone = c->deaf = false;
	int err = launch_hello();
	if (err)
		return sfs_fail(err, "the launcher does not answer: %s", strerror(-err));
	err = make_condition();
	if (err)
		return sfs_fail(err, "launch thread: %s", strerror(-err));
	c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = c->wake < 0 ? -errno : -pthread_create(&c->thread, NULL, launch_listen, NULL);
	if (err)
		return sfs_fail(err, "launch thread: %s", strerror(-err));
	c->started = true;
	(void)pthread_mutex_lock(&c->lock);
	launch_event_ask_usual();
	(void)pthread_mutex_unlock(&c->lock);
	return 0;
}

/*
 * The launcher ends with the channel; the thread hears that end, answers what is pending, and ends
 * too.
 */
void launch_stop(void)
{
	struct launch_client *c = &launch_client;

	if (!c->started)
		return;
	(void)shutdown(c->channel, SHUT_RDWR);
	(void)pthread_join(c->thread, NULL);
	(void)pthread_mutex_lock(&c->lock); /* somebody may just be asking for an event */
	c->started = false;
	(void)pthread_mutex_unlock(&c->lock);
	for (unsigned i = 0; i < LM_JAILS_MAX; i++) {
		free(c->zygotes[i]); /* those whose owners never dropped them */
		c->zygotes[i] = NULL;
	}
	for (unsigned i = 0; i < LM_ROCKERS_MAX; i++) {
		launch_rocker_free(c->rockers[i]);
		c->rockers[i] = NULL;
	}
	memset(c->shares, 0, sizeof c->shares);
	c->waiting = 0;
	(void)close(c->wake);
	c->wake = -1;
	(void)pthread_cond_destroy(&c->probed);
}

const char *launch_machine(void)
{
	return launch_client.machine;
}

/* ---- zygotes --------------------------------------------------------------------------------- */

void launch_wake(void)
{
	const uint64_t one = 1;

	(void)!write(launch_client.wake, &one, sizeof one);
}

static int take_index(struct launch_zygote *zygote)
{
	for (uint32_t i = 0; i < LM_JAILS_MAX; i++)
		if (!launch_client.zygotes[i]) {
			launch_client.zygotes[i] = zygote;
			zygote->index = i;
			return 0;
		}
	return -EDQUOT;
}

static int send_new(struct launch_zygote *zygote, struct lm_new *order, const int *fds,
		    unsigned nfds)
{
	zygote->place = (struct launch_place){ order->rocker, order->group };
	(void)pthread_mutex_lock(&launch_client.lock);
	int err = launch_client.gone ? -EIO : take_index(zygote);
	if (!err) {
		order->head.jail = zygote->index;
		err = launch_send(order, sizeof *order, fds, nfds);
		if (err)
			launch_client.zygotes[zygote->index] = NULL;
	}
	(void)pthread_mutex_unlock(&launch_client.lock);
	return err;
}

struct launch_zygote *launch_zygote_new(
	enum launch_kind kind, uid_t owner, const struct launch_limits *limits,
	const struct wire_order *setup, const int *fds, unsigned nfds,
	void (*ready)(void *arg, struct launch_zygote *zygote, int rc, const char *sentence),
	void *arg)
{
	struct lm_new order = { .head = { LM_NEW, 0 },
				.kind = kind,
				.owner = owner,
				.memory_bytes = limits->memory_bytes,
				.pids = limits->pids,
				.rocker = limits->place.rocker,
				.group = limits->place.group,
				.has_setup = setup != NULL };

	if (nfds > WIRE_FDS_MAX) {
		(void)sfs_fail(-E2BIG, "a helper takes at most %d descriptors", WIRE_FDS_MAX);
		return NULL;
	}
	struct launch_zygote *zygote = calloc(1, sizeof *zygote);
	if (!zygote) {
		(void)sfs_fail(-ENOMEM, "out of memory");
		return NULL;
	}
	if (setup)
		order.setup = *setup;
	zygote->kind = kind;
	zygote->ready_pending = true;
	zygote->ready = ready;
	zygote->ready_arg = arg;
	int err = send_new(zygote, &order, fds, nfds);
	if (!err)
		return zygote;
	free(zygote);
	(void)sfs_fail(err,
		       err == -EDQUOT   ? "all %d jails are in use"
		       : err == -EAGAIN ? "the launcher's queue is full"
					: LAUNCHER_GONE,
		       LM_JAILS_MAX);
	return NULL;
}

void launch_zygote_drop(struct launch_zygote *zygote)
{
	struct lm_drop order = { { LM_DROP, 0 } };
	struct launch_client *c = &launch_client;
	bool unused = false;

	if (!zygote)
		return;
	(void)pthread_mutex_lock(&c->lock);
	zygote->dropped = true;
	order.head.jail = zygote->index;
	if (c->gone) {
		unused = !zygote->ready_pending && !zygote->run;
		if (unused)
			c->zygotes[zygote->index] = NULL;
	} else if (launch_send(&order, sizeof order, NULL, 0) == -EAGAIN) {
		zygote->drop_owed = true;
		launch_wake();
	}
	(void)pthread_mutex_unlock(&c->lock);
	if (unused)
		free(zygote);
}

/* ---- runs ------------------------------------------------------------------------------------ */

static int send_run(struct launch_zygote *zygote, const struct launch_order *order)
{
	struct lm_run message = { .head = { LM_RUN, zygote->index },
				  .run = zygote->run,
				  .wall_ms = order->wall_ms,
				  .nevents = order->nevents };

	memcpy(message.events, order->events, order->nevents * sizeof *order->events);
	return launch_send(&message, sizeof message, order->fds, order->nfds);
}

/* With the lock held. */
static int begin_run(struct launch_zygote *zygote, const struct launch_order *order,
		     void (*done)(void *arg, const struct launch_exit *how), void *arg)
{
	if (launch_client.gone)
		return -EIO;
	if (zygote->run)
		return -EBUSY;
	if (zygote->dropped || !zygote->ready_ok)
		return -ESRCH;
	zygote->run = (++launch_client.last_run) << INDEX_BITS | zygote->index;
	zygote->done = done;
	zygote->done_arg = arg;
	int err = send_run(zygote, order);
	if (err)
		zygote->run = 0;
	return err;
}

static const struct {
	int err;
	const char *sentence;
} refusals[] = {
	{ -EIO, LAUNCHER_GONE },
	{ -EBUSY, "this template has a run in flight" },
	{ -ESRCH, "this template is not ready, or gone" },
	{ -EAGAIN, "the launcher's queue is full" },
	{ 0, "the launcher cannot be asked" },
};

int64_t launch_run(struct launch_zygote *zygote, const struct launch_order *order,
		   void (*done)(void *arg, const struct launch_exit *how), void *arg)
{
	unsigned i = 0;

	if (!order->wall_ms || order->nevents > LAUNCH_EVENTS_MAX || order->nfds > WIRE_FDS_MAX)
		return sfs_fail(
			-EINVAL,
			"a run needs a time limit, and has at most %d events and %d descriptors",
			LAUNCH_EVENTS_MAX, WIRE_FDS_MAX);
	(void)pthread_mutex_lock(&launch_client.lock);
	int err = begin_run(zygote, order, done, arg);
	int64_t id = (int64_t)zygote->run;
	(void)pthread_mutex_unlock(&launch_client.lock);
	if (!err)
		return id;
	while (refusals[i].err && refusals[i].err != err)
		i++;
	return sfs_fail(err, "%s", refusals[i].sentence);
}

int launch_answer(int rc)
{
	bool gone;

	(void)pthread_mutex_lock(&launch_client.lock);
	gone = launch_client.gone || launch_client.deaf;
	(void)pthread_mutex_unlock(&launch_client.lock);
	return gone && rc == -EIO ? -EAGAIN : rc;
}

void launch_kill(int64_t run)
{
	struct launch_client *c = &launch_client;
	struct lm_kill order = { { LM_KILL, (uint32_t)(run & ((1 << INDEX_BITS) - 1)) },
				 (uint64_t)run };

	if (run <= 0 || order.head.jail >= LM_JAILS_MAX)
		return;
	(void)pthread_mutex_lock(&c->lock);
	struct launch_zygote *zygote = c->zygotes[order.head.jail];
	if (zygote && zygote->run == order.run && !c->gone &&
	    launch_send(&order, sizeof order, NULL, 0) == -EAGAIN) {
		zygote->kill_owed = true;
		launch_wake();
	}
	(void)pthread_mutex_unlock(&c->lock);
}

const char *launch_syscall_name(uint32_t arch, int64_t nr, char *buf, size_t size)
{
	return seccomp_name(arch, nr, buf, size);
}
