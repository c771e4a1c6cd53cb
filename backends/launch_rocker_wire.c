/* SPDX-License-Identifier: MIT */
/* What the launcher says of rockers, and what is said in its place when it is gone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launch_state.h"

static struct launch_rocker *rocker_of(const union reply *r)
{
	return r->head.jail < LM_ROCKERS_MAX ? launch_client.rockers[r->head.jail] : NULL;
}

/* ---- a user's share ------------------------------------------------------------------------------ */

void launch_rocker_share(struct launch_rocker *rocker, enum share_part part)
{
	uint32_t *share = launch_client.shares[rocker->owner % SHARES];

	launch_client.waiting -= rocker->part == SHARE_WAITING;
	launch_client.waiting += part == SHARE_WAITING;
	share[rocker->part] -= rocker->part != SHARE_NONE;
	share[part] += part != SHARE_NONE;
	rocker->part = part;
}

static bool has_room(const uint32_t share[SHARE_PARTS])
{
	return share[SHARE_BUILDING] < BUILDING_MAX && share[SHARE_LEAVING] < LEAVING_MAX;
}

bool launch_rocker_may(uint32_t owner)
{
	const uint32_t *share = launch_client.shares[owner % SHARES];

	return !share[SHARE_WAITING] && has_room(share);
}

void launch_rocker_forget(struct launch_rocker *rocker)
{
	launch_rocker_share(rocker, SHARE_NONE);
	launch_client.rockers[rocker->index] = NULL;
}

/* Somebody else's turn has come, perhaps. With the lock held. */
static void give_room(struct launch_rocker *rocker, enum share_part part)
{
	launch_rocker_share(rocker, part);
	if (launch_client.waiting)
		launch_wake();
}

/* ---- errors ------------------------------------------------------------------------------------------ */

/*
 * Host paths lead to whatever the host has, and a process that is asked may be gone: what a user hears is of the
 * closed table of sandboxfs(5), and the sentence tells more.
 */
static int told_errno(int rc)
{
	switch (rc) {
	case -ELOOP:
		return -EACCES;
	case -ENOTCONN:
	case -ENXIO:
	case -EHOSTDOWN:
	case -ECONNABORTED:
		return -ENODEV;
	case -EROFS:
		return -EPERM;
	case -ENFILE:
		return -EMFILE;
	case -EPIPE:
	case -ECONNRESET:
	case -EBADF:
	case -EFAULT:
		return -EIO;
	default:
		return rc;
	}
}

/* With the lock held. */
static void note_ready(struct launch_rocker *rocker, const struct lm_rocker_ready *m, bool lost)
{
	rocker->ready_pending = false;
	rocker->ready_ok = m->rc == 0;
	rocker->lost = lost;
	rocker->group = m->group;
	rocker->guard = m->guard;
	give_room(rocker, rocker->dropped ? SHARE_LEAVING : SHARE_NONE);
}

/* ---- what is heard -------------------------------------------------------------------------------- */

bool on_rocker_ready(union reply *r, int *fds)
{
	struct lm_rocker_ready *m = &r->rocker_ready;

	(void)pthread_mutex_lock(&launch_client.lock);
	struct launch_rocker *rocker = rocker_of(r);
	bool expected = rocker && rocker->ready_pending && !rocker->owed && m->rc <= 0;
	bool lost = expected && !m->rc && (fds[0] < 0 || fds[1] < 0);
	if (expected)
		note_ready(rocker, m, lost);
	(void)pthread_mutex_unlock(&launch_client.lock);
	if (!expected)
		return false;
	if (lost) {
		m->rc = -EMFILE;
		(void)snprintf(m->sentence, sizeof m->sentence,
			       "the daemon has no descriptor left for a rocker's guard");
	}
	m->sentence[sizeof m->sentence - 1] = m->name[sizeof m->name - 1] = '\0';
	struct launch_rocker_ready how = { .rc = told_errno(m->rc),
					   .sentence = m->sentence,
					   .guard = m->guard,
					   .name = m->name,
					   .uid = m->uid,
					   .gid = m->gid,
					   .pidfd = -1,
					   .control = -1 };
	if (!m->rc) {
		how.pidfd = fds[0];
		how.control = fds[1];
		fds[0] = fds[1] = -1;
	}
	rocker->calls.ready(rocker->arg, rocker, &how);
	return true;
}

/* Whether it is still to be told, which it is once. */
static bool take_end(struct launch_rocker *rocker)
{
	bool tell = rocker->ready_ok && !rocker->ended && !rocker->dropped && !rocker->lost;

	rocker->ended = true;
	return tell;
}

bool on_rocker_ended(union reply *r, int *fds)
{
	struct launch_client *c = &launch_client;
	bool tell = false;

	(void)fds;
	(void)pthread_mutex_lock(&c->lock);
	struct launch_rocker *rocker = rocker_of(r);
	bool expected = rocker && rocker->ready_ok && !rocker->ended;
	if (expected)
		tell = take_end(rocker);
	(void)pthread_mutex_unlock(&c->lock);
	struct launch_rocker_ended how = { r->rocker_ended.code, r->rocker_ended.status,
					   r->rocker_ended.oom != 0 };
	if (tell)
		rocker->calls.ended(rocker->arg, rocker, &how);
	return expected;
}

bool on_rocker_gone(union reply *r, int *fds)
{
	struct launch_client *c = &launch_client;

	(void)fds;
	(void)pthread_mutex_lock(&c->lock);
	struct launch_rocker *rocker = rocker_of(r);
	bool expected = rocker && rocker->dropped && !rocker->ready_pending && !rocker->waits &&
			!rocker->measured;
	if (expected) {
		give_room(rocker, SHARE_NONE);
		c->rockers[rocker->index] = NULL;
	}
	(void)pthread_mutex_unlock(&c->lock);
	if (expected) {
		rocker->calls.gone(rocker->arg);
		launch_rocker_free(rocker);
	}
	return expected;
}

/* The oldest of what was asked; NULL: nothing. With the lock held. */
static struct rocker_wait *take_wait(struct launch_rocker *rocker)
{
	struct rocker_wait *wait = rocker->waits;

	if (!wait)
		return NULL;
	rocker->waits = wait->next;
	if (!rocker->waits)
		rocker->waits_end = &rocker->waits;
	return wait;
}

bool on_rocker_done(union reply *r, int *fds)
{
	struct lm_rocker_done *m = &r->rocker_done;
	struct launch_client *c = &launch_client;
	struct rocker_wait *wait = NULL;

	(void)fds;
	(void)pthread_mutex_lock(&c->lock);
	struct launch_rocker *rocker = rocker_of(r);
	if (rocker && rocker->waits && rocker->waits->order == m->order)
		wait = take_wait(rocker);
	(void)pthread_mutex_unlock(&c->lock);
	if (!wait)
		return false;
	m->sentence[sizeof m->sentence - 1] = '\0';
	wait->done(wait->arg, told_errno(m->rc), m->sentence);
	free(wait);
	return true;
}

/* With the lock held: who is to be told; NULL: nobody asked. */
static launch_rocker_measured *take_measured(struct launch_rocker *rocker, void **arg_out)
{
	launch_rocker_measured *measured = rocker->measured;

	*arg_out = rocker->measured_arg;
	rocker->measured = NULL;
	return measured;
}

bool on_rocker_measured(union reply *r, int *fds)
{
	launch_rocker_measured *measured = NULL;
	void *arg = NULL;

	(void)fds;
	(void)pthread_mutex_lock(&launch_client.lock);
	struct launch_rocker *rocker = rocker_of(r);
	if (rocker)
		measured = take_measured(rocker, &arg);
	(void)pthread_mutex_unlock(&launch_client.lock);
	if (!measured)
		return false;
	measured(arg, rocker, r->rocker_measured.rc, r->rocker_measured.bytes);
	return true;
}

static struct rocker_trial *take_trial(uint32_t id)
{
	for (struct rocker_trial **at = &launch_client.trials; *at; at = &(*at)->next)
		if ((*at)->id == id) {
			struct rocker_trial *trial = *at;
			*at = trial->next;
			return trial;
		}
	return NULL;
}

bool on_rocker_checked(union reply *r, int *fds)
{
	struct lm_rocker_checked *m = &r->rocker_checked;

	(void)fds;
	(void)pthread_mutex_lock(&launch_client.lock);
	struct rocker_trial *trial = take_trial(r->head.jail);
	(void)pthread_mutex_unlock(&launch_client.lock);
	if (!trial)
		return false;
	m->sentence[sizeof m->sentence - 1] = '\0';
	trial->done(trial->arg, told_errno(m->rc), m->sentence);
	free(trial);
	return true;
}

/* ---- what could not be sent at once -------------------------------------------------------------- */

static bool pay(struct launch_rocker *rocker)
{
	struct lm_rocker_drop drop = { { LM_ROCKER_DROP, rocker->index } };

	if (rocker->owed) {
		size_t size = offsetof(struct lm_rocker_new, plan) + plan_size(&rocker->owed->plan);
		if (launch_send(rocker->owed, size, NULL, 0) == -EAGAIN)
			return true;
		free(rocker->owed);
		rocker->owed = NULL;
		launch_rocker_share(rocker, SHARE_BUILDING);
	}
	if (rocker->drop_owed)
		rocker->drop_owed = launch_send(&drop, sizeof drop, NULL, 0) == -EAGAIN;
	return rocker->drop_owed;
}

static bool may_pay(const struct launch_rocker *rocker)
{
	return rocker && (rocker->drop_owed || (rocker->owed &&
						has_room(launch_client.shares[rocker->owner %
									      SHARES])));
}

/*
 * Stops at the first that the socket has no room for. Numbers go round, so that those which come next are the
 * oldest ones: a user's own go in the order in which they came.
 */
bool launch_rockers_pay(void)
{
	struct launch_client *c = &launch_client;

	for (uint32_t i = 0; i < LM_ROCKERS_MAX; i++) {
		struct launch_rocker *rocker = c->rockers[(c->next_rocker + i) % LM_ROCKERS_MAX];
		if (may_pay(rocker) && pay(rocker))
			return true;
	}
	return false;
}

/* ---- the launcher is gone ------------------------------------------------------------------------ */

static void bury_measure(struct launch_rocker *rocker)
{
	void *arg;

	(void)pthread_mutex_lock(&launch_client.lock);
	launch_rocker_measured *measured = take_measured(rocker, &arg);
	(void)pthread_mutex_unlock(&launch_client.lock);
	if (measured)
		measured(arg, rocker, -EIO, 0);
}

static void bury_waits(struct launch_rocker *rocker)
{
	for (;;) {
		(void)pthread_mutex_lock(&launch_client.lock);
		struct rocker_wait *wait = take_wait(rocker);
		(void)pthread_mutex_unlock(&launch_client.lock);
		if (!wait)
			return;
		wait->done(wait->arg, -EIO, LAUNCHER_GONE);
		free(wait);
	}
}

/* Answers everything that is pending for one, and frees it if its owner is done with it. */
static void bury(struct launch_rocker *rocker, bool ready_pending, bool tell_end)
{
	static const struct launch_rocker_ready lost = {
		.rc = -EIO, .sentence = LAUNCHER_GONE, .name = "", .pidfd = -1, .control = -1
	};
	static const struct launch_rocker_ended ended = { 0 };
	struct launch_client *c = &launch_client;

	bury_waits(rocker);
	bury_measure(rocker);
	if (ready_pending)
		rocker->calls.ready(rocker->arg, rocker, &lost);
	if (tell_end)
		rocker->calls.ended(rocker->arg, rocker, &ended);
	(void)pthread_mutex_lock(&c->lock);
	/* Only now: a drop from another thread, or from those calls, left the freeing to us. */
	rocker->ready_pending = rocker->burying = false;
	bool unused = rocker->dropped;
	if (unused)
		launch_rocker_forget(rocker);
	(void)pthread_mutex_unlock(&c->lock);
	if (!unused)
		return;
	rocker->calls.gone(rocker->arg);
	launch_rocker_free(rocker);
}

static void bury_trials(void)
{
	for (;;) {
		(void)pthread_mutex_lock(&launch_client.lock);
		struct rocker_trial *trial = launch_client.trials;
		if (trial)
			launch_client.trials = trial->next;
		(void)pthread_mutex_unlock(&launch_client.lock);
		if (!trial)
			return;
		trial->done(trial->arg, -EIO, LAUNCHER_GONE);
		free(trial);
	}
}

/* Nobody adds to the table once gone is set, and one that is being buried stays in it. */
void launch_rockers_bury(void)
{
	struct launch_client *c = &launch_client;

	for (uint32_t i = 0; i < LM_ROCKERS_MAX; i++) {
		bool ready_pending = false, tell_end = false;

		(void)pthread_mutex_lock(&c->lock);
		struct launch_rocker *rocker = c->rockers[i];
		if (rocker) {
			rocker->burying = true;
			ready_pending = rocker->ready_pending;
			tell_end = take_end(rocker);
		}
		(void)pthread_mutex_unlock(&c->lock);
		if (rocker)
			bury(rocker, ready_pending, tell_end);
	}
	bury_trials();
}
