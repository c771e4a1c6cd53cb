/* SPDX-License-Identifier: MIT */
/* What the daemon asks of the launcher about rockers. */
#include "launch_rocker.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "launch_state.h"
#include "sandboxfs.h"

#define SEND_TRIES 100
#define SEND_MS    1000

static const char *refusal(int err)
{
	switch (err) {
	case -EDQUOT:
		return "all numbers of rockers are in use";
	case -EAGAIN:
		return "the launcher's queue is full";
	case -ENOMEM:
		return "out of memory";
	case -ENODEV:
		return "the rocker is gone";
	case -EINVAL:
		return "this plan is not whole";
	default:
		return LAUNCHER_GONE;
	}
}

/* ---- beginning and end ------------------------------------------------------------------------- */

/* With the lock held. Numbers go round, so that a free one is near. */
static int take_number(struct launch_rocker *rocker)
{
	struct launch_client *c = &launch_client;

	for (uint32_t i = 0; i < LM_ROCKERS_MAX; i++) {
		uint32_t at = (c->next_rocker + i) % LM_ROCKERS_MAX;
		if (c->rockers[at])
			continue;
		c->rockers[at] = rocker;
		c->next_rocker = at + 1;
		rocker->index = at;
		return 0;
	}
	return -EDQUOT;
}

/* The message in memory of its own, as long as it is; NULL: none left. */
static struct lm_rocker_new *make_order(uid_t owner, const struct rocker_plan *plan)
{
	struct lm_rocker_new *order =
		calloc(1, offsetof(struct lm_rocker_new, plan) + plan_size(plan));

	if (!order)
		return NULL;
	order->head.type = LM_ROCKER_NEW;
	order->owner = owner;
	memcpy(&order->plan, plan, plan_size(plan));
	return order;
}

static int send_new(struct launch_rocker *rocker, struct lm_rocker_new *order)
{
	int err = launch_client.gone ? -EIO : take_number(rocker);

	if (err)
		return err;
	order->head.jail = rocker->index;
	bool turn = launch_rocker_may(rocker->owner);
	err = turn ? launch_send(order,
				 offsetof(struct lm_rocker_new, plan) + plan_size(&order->plan),
				 NULL, 0)
		   : -EAGAIN;
	if (err && err != -EAGAIN) {
		launch_client.rockers[rocker->index] = NULL;
		return err;
	}
	launch_rocker_share(rocker, err ? SHARE_WAITING : SHARE_BUILDING);
	if (err)
		rocker->owed = order;
	if (err && turn)
		launch_wake();
	return 0;
}

struct launch_rocker *launch_rocker_new(uid_t owner, const struct rocker_plan *plan,
					const struct launch_rocker_calls *calls, void *arg)
{
	if (!plan_ok(plan, plan_size(plan))) {
		(void)sfs_fail(-EINVAL, "%s", refusal(-EINVAL));
		return NULL;
	}
	struct launch_rocker *rocker = calloc(1, sizeof *rocker);
	struct lm_rocker_new *order = make_order(owner, plan);
	int err = -ENOMEM;

	if (rocker && order) {
		*rocker = (struct launch_rocker){ .owner = owner,
						  .calls = *calls,
						  .arg = arg,
						  .ready_pending = true };
		rocker->waits_end = &rocker->waits;
		(void)pthread_mutex_lock(&launch_client.lock);
		err = send_new(rocker, order);
		if (!err && rocker->owed)
			order = NULL;
		(void)pthread_mutex_unlock(&launch_client.lock);
	}
	free(order);
	if (!err)
		return rocker;
	free(rocker);
	(void)sfs_fail(err, "%s", refusal(err));
	return NULL;
}

/* Without the lock, so that the launcher's answers are heard meanwhile: it does not wait long for us. */
static int send_soon(const void *order, size_t size)
{
	struct pollfd room = { .fd = launch_client.channel, .events = POLLOUT };
	int err = -EAGAIN;

	for (int tries = 0; tries < SEND_TRIES && err == -EAGAIN; tries++) {
		if (tries)
			(void)poll(&room, 1, SEND_MS);
		(void)pthread_mutex_lock(&launch_client.lock);
		err = launch_client.gone ? -EIO : launch_send(order, size, NULL, 0);
		(void)pthread_mutex_unlock(&launch_client.lock);
	}
	return err;
}

static int reserve(struct launch_rocker *rocker)
{
	(void)pthread_mutex_lock(&launch_client.lock);
	int err = launch_client.gone ? -EIO : take_number(rocker);
	(void)pthread_mutex_unlock(&launch_client.lock);
	return err;
}

struct launch_rocker *launch_rocker_adopt(uid_t owner, uint64_t number,
					  const struct launch_rocker_calls *calls, void *arg)
{
	struct lm_rocker_adopt order = { .head = { LM_ROCKER_ADOPT, 0 },
					 .owner = owner,
					 .persist = number };
	struct launch_rocker *rocker = calloc(1, sizeof *rocker);
	int err = -ENOMEM;

	if (rocker) {
		*rocker = (struct launch_rocker){ .calls = *calls,
						  .arg = arg,
						  .ready_pending = true };
		rocker->waits_end = &rocker->waits;
		err = reserve(rocker);
	}
	if (!err) {
		order.head.jail = rocker->index;
		/* Should it fail the launcher is gone, and whoever buries all that is pending says so. */
		(void)send_soon(&order, sizeof order);
		return rocker;
	}
	free(rocker);
	(void)sfs_fail(err, "%s", refusal(err));
	return NULL;
}

void launch_rocker_settle(void)
{
	const struct lm_rocker_settle order = { { LM_ROCKER_SETTLE, 0 } };

	(void)send_soon(&order, sizeof order);
}

void launch_rocker_free(struct launch_rocker *rocker)
{
	if (!rocker)
		return;
	for (struct rocker_wait *w = rocker->waits, *next; w; w = next) {
		next = w->next;
		free(w);
	}
	free(rocker->owed);
	free(rocker);
}

/* With the lock held. True: the launcher has nothing of it, and has nothing to say of it. */
static bool drop(struct launch_rocker *rocker)
{
	struct launch_client *c = &launch_client;
	struct lm_rocker_drop order = { { LM_ROCKER_DROP, rocker->index } };

	rocker->dropped = true;
	if (c->gone) {
		bool unused = !rocker->ready_pending && !rocker->waits && !rocker->measured &&
			      !rocker->burying;
		if (unused)
			launch_rocker_forget(rocker);
		return unused;
	}
	if (rocker->owed) {
		launch_rocker_forget(rocker);
		return true;
	}
	if (!rocker->ready_pending)
		launch_rocker_share(rocker, SHARE_LEAVING);
	rocker->drop_owed = launch_send(&order, sizeof order, NULL, 0) == -EAGAIN;
	if (rocker->drop_owed)
		launch_wake();
	return false;
}

void launch_rocker_drop(struct launch_rocker *rocker)
{
	static const struct launch_rocker_ready dropped = { .rc = -ECANCELED,
							    .sentence = "the rocker was dropped",
							    .name = "",
							    .pidfd = -1,
							    .control = -1 };

	if (!rocker)
		return;
	(void)pthread_mutex_lock(&launch_client.lock);
	bool unused = drop(rocker);
	(void)pthread_mutex_unlock(&launch_client.lock);
	if (!unused)
		return;
	if (rocker->owed)
		rocker->calls.ready(rocker->arg, rocker, &dropped);
	rocker->calls.gone(rocker->arg);
	launch_rocker_free(rocker);
}

/* ---- orders to one that is ready --------------------------------------------------------------- */

/* With the lock held. Queued first: the answer may come before the lock is given back. */
static int send_order(struct launch_rocker *rocker, struct lm_head *order, size_t size,
		      struct rocker_wait *wait)
{
	order->jail = rocker->index;
	if (launch_client.gone)
		return -EIO;
	if (rocker->dropped || rocker->owed)
		return -ENODEV;
	int err = launch_send(order, size, NULL, 0);
	if (err)
		return err;
	*rocker->waits_end = wait;
	rocker->waits_end = &wait->next;
	return 0;
}

static int ask(struct launch_rocker *rocker, struct lm_head *order, size_t size,
	       launch_rocker_done *done, void *arg)
{
	struct rocker_wait *wait = calloc(1, sizeof *wait);
	int err = -ENOMEM;

	if (wait) {
		*wait = (struct rocker_wait){ NULL, order->type, done, arg };
		(void)pthread_mutex_lock(&launch_client.lock);
		err = send_order(rocker, order, size, wait);
		(void)pthread_mutex_unlock(&launch_client.lock);
	}
	if (!err)
		return 0;
	free(wait);
	return sfs_fail(err, "%s", refusal(err));
}

int launch_rocker_limit(struct launch_rocker *rocker, const struct plan_limits *limits,
			launch_rocker_done *done, void *arg)
{
	struct lm_rocker_limit order = { .head = { LM_ROCKER_LIMIT, 0 }, .limits = *limits };

	if (limits->ndevices > PLAN_DEVICES_MAX)
		return sfs_fail(-E2BIG, "limits are for at most %d devices", PLAN_DEVICES_MAX);
	return ask(rocker, &order.head, sizeof order, done, arg);
}

int launch_rocker_freeze(struct launch_rocker *rocker, bool freeze, launch_rocker_done *done,
			 void *arg)
{
	struct lm_rocker_freeze order = { .head = { LM_ROCKER_FREEZE, 0 }, .freeze = freeze };

	return ask(rocker, &order.head, sizeof order, done, arg);
}

int launch_rocker_kill(struct launch_rocker *rocker, launch_rocker_done *done, void *arg)
{
	struct lm_rocker_kill order = { .head = { LM_ROCKER_KILL, 0 } };

	return ask(rocker, &order.head, sizeof order, done, arg);
}

void launch_rocker_signal(struct launch_rocker *rocker, int signal, int pidfd)
{
	const struct lm_rocker_signal order = { .head = { LM_ROCKER_SIGNAL, rocker->index },
						.signal = signal };

	(void)pthread_mutex_lock(&launch_client.lock);
	if (!launch_client.gone && !rocker->dropped && !rocker->owed)
		(void)launch_send(&order, sizeof order, &pidfd, 1);
	(void)pthread_mutex_unlock(&launch_client.lock);
}

int launch_rocker_measure(struct launch_rocker *rocker, uint64_t limit_bytes,
			  launch_rocker_measured *done, void *arg)
{
	struct lm_rocker_measure order = { { LM_ROCKER_MEASURE, rocker->index }, limit_bytes };
	int err = 0;

	(void)pthread_mutex_lock(&launch_client.lock);
	if (launch_client.gone)
		err = -EIO;
	else if (rocker->dropped || rocker->owed)
		err = -ENODEV;
	else if (rocker->measured)
		err = -EBUSY;
	err = err ?: launch_send(&order, sizeof order, NULL, 0);
	if (!err) {
		rocker->measured = done;
		rocker->measured_arg = arg;
	}
	(void)pthread_mutex_unlock(&launch_client.lock);
	return err ? sfs_fail(err, "%s", refusal(err)) : 0;
}

/* ---- trying host paths ------------------------------------------------------------------------- */

static int send_check(struct lm_rocker_check *order, struct rocker_trial *trial)
{
	struct launch_client *c = &launch_client;

	if (c->gone)
		return -EIO;
	trial->id = order->head.jail = ++c->last_trial % UINT32_MAX;
	int err = launch_send(
		order, offsetof(struct lm_rocker_check, plan) + plan_size(&order->plan), NULL, 0);
	if (err)
		return err;
	trial->next = c->trials;
	c->trials = trial;
	return 0;
}

int launch_rocker_check(const struct rocker_plan *plan, launch_rocker_done *done, void *arg)
{
	if (!plan_ok(plan, plan_size(plan)))
		return sfs_fail(-EINVAL, "%s", refusal(-EINVAL));
	struct rocker_trial *trial = calloc(1, sizeof *trial);
	struct lm_rocker_check *order =
		calloc(1, offsetof(struct lm_rocker_check, plan) + plan_size(plan));
	int err = -ENOMEM;

	if (trial && order) {
		trial->done = done;
		trial->arg = arg;
		order->head.type = LM_ROCKER_CHECK;
		memcpy(&order->plan, plan, plan_size(plan));
		(void)pthread_mutex_lock(&launch_client.lock);
		err = send_check(order, trial);
		(void)pthread_mutex_unlock(&launch_client.lock);
	}
	free(order);
	if (!err)
		return 0;
	free(trial);
	return sfs_fail(err, "%s", refusal(err));
}

struct launch_place launch_rocker_place(const struct launch_rocker *rocker)
{
	return (struct launch_place){ rocker->index + 1, rocker->group };
}

bool launch_rocker_grouped(enum group_part part)
{
	return launch_client.places.version[part] != 0;
}

/* ---- looking ----------------------------------------------------------------------------------- */

int launch_rocker_usage(const struct launch_rocker *rocker, struct rocker_usage *out)
{
	return rocker_watch_usage(&launch_client.places, rocker->group, out);
}

/* Guards, and kernels' templates that are in there. */
static void find_roots(const struct launch_rocker *rocker, struct rocker_roots *out)
{
	out->guard = rocker->guard;
	out->ngroups = 0;
	(void)pthread_mutex_lock(&launch_client.lock);
	for (unsigned i = 0; i < LM_JAILS_MAX && out->ngroups < ROOT_GROUPS_MAX; i++) {
		const struct launch_zygote *z = launch_client.zygotes[i];
		if (z && z->group && z->place.rocker == rocker->index + 1 &&
		    z->place.group == rocker->group)
			out->groups[out->ngroups++] = z->group;
	}
	(void)pthread_mutex_unlock(&launch_client.lock);
}

int launch_rocker_usage_all(const struct launch_rocker *rocker, struct rocker_usage *out)
{
	struct rocker_usage walked;
	struct rocker_roots roots;
	int rc = launch_rocker_usage(rocker, out);

	if (rc || (out->has_cpu && out->has_memory && out->has_pids))
		return rc;
	find_roots(rocker, &roots);
	rc = rocker_walk(&roots, &walked, NULL, 0);
	if (rc < 0)
		return rc;
	if (!out->has_cpu) {
		out->cpu_ns = walked.cpu_ns;
		out->user_ns = walked.user_ns;
		out->system_ns = walked.system_ns;
	}
	out->memory_bytes = out->has_memory ? out->memory_bytes : walked.memory_bytes;
	out->pids = out->has_pids ? out->pids : walked.pids;
	out->has_cpu = out->has_memory = out->has_pids = true;
	return 0;
}

int launch_rocker_procs(const struct launch_rocker *rocker, pid_t *pids, int max)
{
	struct rocker_usage unused;
	struct rocker_roots roots;
	int count = rocker_watch_procs(&launch_client.places, rocker->group, pids, max);

	if (count != -EOPNOTSUPP)
		return count;
	find_roots(rocker, &roots);
	return rocker_walk(&roots, &unused, pids, max);
}

ssize_t launch_rocker_pressure(const struct launch_rocker *rocker, const char *which, char *text,
			       size_t size)
{
	return rocker_watch_pressure(&launch_client.places, rocker->group, which, text, size);
}
