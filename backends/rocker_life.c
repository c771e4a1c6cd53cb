/* SPDX-License-Identifier: MIT */
/* The life of a rocker: built, in use, built anew when it has changed or ended, removed. */
#include "rocker_life.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- under the lock --------------------------------------------------------------------------- */

static void set_state(struct rocker *rocker, enum rocker_state state)
{
	if (rocker->state == state)
		return;
	rocker->state = state;
	rocker_changed(rocker, "state");
	rocker_changed(rocker, "activity");
}

/* Why it is DEAD, to whoever made or changed it: before anybody can see that it is. */
static void tell_owner(struct rocker *rocker, int rc, const char *sentence)
{
	if (rocker->dir)
		sfs_failed(rocker->dir, rocker->owner, sfs_fail(rc, "%s", sentence));
}

static const struct launch_rocker_calls calls;

static int launch(struct rocker *rocker, const struct rocker_plan *plan, bool adopts)
{
	struct rocker_order *order = calloc(1, sizeof(*order));

	if (!order)
		return sfs_fail(-ENOMEM, "no memory to build rocker '%s'", rocker->name);
	order->rocker = rocker_get(rocker);
	rocker_slow_begin(&order->slow, rocker->name, "it is being built");
	rocker_answers_wake();
	order->adopts = adopts;
	rocker->launch = adopts ? launch_rocker_adopt(rocker->owner, plan->persist, &calls, order)
				: launch_rocker_new(rocker->owner, plan, &calls, order);
	if (rocker->launch) {
		rocker->order = order;
		rocker->built = rocker_spec_get(rocker->spec);
		return 0;
	}
	rocker_slow_end(&order->slow);
	rocker_put(rocker); /* not the last: the caller holds one */
	free(order);
	return -EAGAIN;
}

/* Orders one as its specification is: BUILDING, or DEAD with -errno and sfs_fail. */
static int order(struct rocker *rocker, bool adopts)
{
	struct rocker_plan *plan = malloc(sizeof(*plan));
	struct rocker_whose whose = rocker_whose(rocker);
	int rc = plan ? rocker_spec_plan(rocker->spec, &whose, plan)
		      : sfs_fail(-ENOMEM, "no memory for the plan of rocker '%s'", rocker->name);

	rc = rc ?: launch(rocker, plan, adopts);
	free(plan);
	set_state(rocker, rc ? ROCKER_DEAD : ROCKER_BUILDING);
	return rc;
}

static int order_new(struct rocker *rocker)
{
	return order(rocker, false);
}

/* ---- without it ------------------------------------------------------------------------------- */

static void log_event(struct rocker *rocker, const char *event, const char *why)
{
	struct sfs_obj *dir;

	pthread_mutex_lock(&rocker->lock);
	dir = rocker->dir ? sfs_get(rocker->dir) : NULL;
	pthread_mutex_unlock(&rocker->lock);
	if (dir)
		sfs_event(dir, rocker->owner, event, "%s", why);
	sfs_put_obj(dir);
}

/* ---- what the launcher tells -------------------------------------------------------------------- */

static void limited(void *arg, int rc, const char *sentence)
{
	struct rocker *rocker = arg;

	if (rc)
		log_event(rocker, "limit", sentence);
	rocker_put(rocker);
}

/* Limits that changed while it was being built. Under the lock. */
static void follow_limits(struct rocker *rocker)
{
	struct plan_limits now, then;
	struct rocker_spec *old = rocker->built;

	rocker_spec_limits(rocker->spec, &now);
	rocker_spec_limits(old, &then);
	rocker->built = rocker_spec_get(rocker->spec);
	rocker_spec_put(old);
	if (memcmp(&now, &then, sizeof(now)) &&
	    launch_rocker_limit(rocker->launch, &now, limited, rocker_get(rocker)))
		rocker_put(rocker);
}

/* Those that wait have it, or a refusal. Under the lock. */
static void serve_waiting(struct rocker *rocker, struct rocker_leaving *out, int rc,
			  const char *sentence)
{
	rocker_fail_waiting(rocker, out, rc, sentence);
	for (struct rocker_wait *w = rc ? NULL : out->waiting; w; w = w->next)
		rocker->uses++;
	if (!rc && out->waiting)
		rocker_disk_used(rocker);
}

void rocker_go_on(struct rocker *rocker, const struct launch_rocker *launched, int rc,
		  const char *sentence)
{
	struct rocker_leaving leaving = rocker_leaves_nothing;

	pthread_mutex_lock(&rocker->lock);
	if (rocker->launch == launched && rocker->state == ROCKER_READY)
		serve_waiting(rocker, &leaving, rc, sentence);
	pthread_mutex_unlock(&rocker->lock);
	rocker_let_go(&leaving);
}

/*
 * It is there: for who waits, unless its files have changed meanwhile. Under the lock.
 */
static void begin(struct rocker *rocker, struct rocker_link *link,
		  const struct launch_rocker_ready *how, struct rocker_leaving *out)
{
	int rc = 0;

	if (rocker->waiting && !rocker_spec_same(rocker->spec, rocker->built)) {
		rocker_detach(rocker, out);
		out->link = link;
		out->pidfd = how->pidfd;
		rc = order_new(rocker);
		if (rc)
			rocker_fail_waiting(rocker, out, rc, sfs_sentence());
		return;
	}
	rocker->link = link;
	rocker->guard = how->guard;
	rocker->guard_pidfd = how->pidfd;
	snprintf(rocker->guard_name, sizeof(rocker->guard_name), "%s", how->name);
	rocker->job_uid = how->uid;
	rocker->job_gid = how->gid;
	if (rocker_spec_same(rocker->spec, rocker->built))
		follow_limits(rocker);
	set_state(rocker, ROCKER_READY);
	rocker_changed(rocker, "guard");
	rocker_changed(rocker, "procs");
	rocker_disk_begin(rocker);
	if (rocker->waiting)
		rc = rocker_disk_ask(rocker);
	if (rc != SFS_LATER)
		serve_waiting(rocker, out, rc, rc ? sfs_sentence() : "");
}

/* The profile of what is being built by launch; -1: it is not wanted any more. */
static int wanted_profile(struct rocker *rocker, const struct launch_rocker *launched)
{
	int profile = -1;

	pthread_mutex_lock(&rocker->lock);
	if (rocker->launch == launched)
		profile = rocker_spec_profile(rocker->built);
	pthread_mutex_unlock(&rocker->lock);
	return profile;
}

/* It did not come. What was only looked for is made now if somebody waits, and else by who comes first. */
static void settle(struct rocker *rocker, const struct rocker_order *ordered, int *rc,
		   const char *sentence, struct rocker_leaving *out)
{
	if (ordered->adopts && *rc == -ENOENT)
		*rc = 0;
	if (ordered->adopts && rocker->waiting) {
		*rc = order_new(rocker);
		sentence = sfs_sentence();
	} else {
		if (*rc && ordered->unasked)
			tell_owner(rocker, *rc, sentence);
		set_state(rocker, ROCKER_DEAD);
	}
	if (*rc)
		rocker_fail_waiting(rocker, out, *rc, sentence);
}

static void ready(void *arg, struct launch_rocker *launched, const struct launch_rocker_ready *how)
{
	struct rocker_order *order = arg;
	struct rocker *rocker = order->rocker;
	struct rocker_link *link = NULL;
	struct rocker_leaving leaving = rocker_leaves_nothing;
	int control = how->control, rc = how->rc;
	const char *sentence = how->sentence ?: "";
	int profile = rc ? -1 : wanted_profile(rocker, launched);

	if (profile >= 0) {
		link = rocker_link_open(rocker, control, (unsigned)profile);
		control = -1;
		rc = link ? 0 : -ENOMEM;
		sentence = "no memory for the link to the guard";
	}
	pthread_mutex_lock(&rocker->lock);
	if (rocker->launch != launched) {
		leaving.link = link;
		leaving.pidfd = how->pidfd;
	} else if (rc || !link) {
		rocker_slow_end(&order->slow);
		rocker_detach(rocker, &leaving);
		leaving.pidfd = how->pidfd;
		rc = launch_answer(rc ?: -ENOMEM);
		settle(rocker, order, &rc, sentence, &leaving);
	} else {
		rocker_slow_end(&order->slow);
		begin(rocker, link, how, &leaving);
	}
	pthread_mutex_unlock(&rocker->lock);
	if (control >= 0)
		close(control);
	if (rc)
		log_event(rocker, "dead", sentence);
	rocker_let_go(&leaving);
}

static void ended(void *arg, struct launch_rocker *launched, const struct launch_rocker_ended *how)
{
	struct rocker_order *order = arg;
	struct rocker *rocker = order->rocker;
	struct rocker_leaving leaving = rocker_leaves_nothing;
	bool ours;

	pthread_mutex_lock(&rocker->lock);
	ours = rocker->launch == launched;
	if (ours) {
		rocker_detach(rocker, &leaving);
		rocker_fail_waiting(rocker, &leaving, -ESRCH, "the rocker has just ended");
		set_state(rocker, ROCKER_DEAD);
	}
	pthread_mutex_unlock(&rocker->lock);
	if (ours && how->oom)
		rocker_count(rocker, ROCKER_OOM_KILLS, 1);
	if (ours)
		log_event(rocker, "dead", how->oom ? "guard: out of memory" : "guard has ended");
	rocker_let_go(&leaving);
}

static void gone(void *arg)
{
	struct rocker_order *order = arg;

	rocker_slow_end(&order->slow);
	rocker_put(order->rocker);
	free(order);
}

static const struct launch_rocker_calls calls = { .ready = ready, .ended = ended, .gone = gone };

/* ---- asked for -------------------------------------------------------------------------------- */

static int use(struct rocker *rocker)
{
	int rc = rocker_disk_ask(rocker);

	if (rc)
		return rc;
	rocker->uses++;
	rocker_disk_used(rocker);
	return 0;
}

/* Under the lock: 0 it can be used, SFS_LATER it comes, -errno with sfs_fail. */
static int ask(struct rocker *rocker, struct rocker_leaving *out)
{
	if (rocker->gone)
		return sfs_fail(-ENODEV, "rocker '%s' is removed", rocker->name);
	if (rocker->frozen)
		return sfs_fail(-EBUSY, "rocker '%s' is frozen", rocker->name);
	if (rocker->state == ROCKER_BUILDING)
		return SFS_LATER;
	if (rocker_is_live(rocker) &&
	    (rocker->uses || rocker_spec_same(rocker->spec, rocker->built)))
		return use(rocker);
	rocker_detach(rocker, out);
	return order_new(rocker) ?: SFS_LATER;
}

void rocker_acquire(struct rocker *rocker, rocker_ready *ready_fn, void *arg)
{
	struct rocker_wait *wait = malloc(sizeof(*wait));
	struct rocker_leaving leaving = rocker_leaves_nothing;
	char sentence[SFS_SENTENCE_MAX] = "";
	int rc;

	if (!wait) {
		ready_fn(arg, -ENOMEM, "out of memory");
		return;
	}
	*wait = (struct rocker_wait){ ready_fn, arg, NULL };
	pthread_mutex_lock(&rocker->lock);
	rc = ask(rocker, &leaving);
	if (rc == SFS_LATER) {
		wait->next = rocker->waiting;
		rocker->waiting = wait;
	}
	pthread_mutex_unlock(&rocker->lock);
	if (rc < 0)
		snprintf(sentence, sizeof(sentence), "%s", sfs_sentence());
	rocker_let_go(&leaving);
	if (rc == SFS_LATER)
		return;
	free(wait);
	ready_fn(arg, rc, sentence);
}

void rocker_release(struct rocker *rocker)
{
	pthread_mutex_lock(&rocker->lock);
	rocker->uses--;
	pthread_mutex_unlock(&rocker->lock);
}

struct launch_place rocker_place(struct rocker *rocker)
{
	struct launch_place place = { 0 };

	pthread_mutex_lock(&rocker->lock);
	if (rocker->launch)
		place = launch_rocker_place(rocker->launch);
	pthread_mutex_unlock(&rocker->lock);
	return place;
}

static bool is_outdated(const struct rocker *rocker)
{
	return !rocker->gone && !rocker->uses && !rocker->frozen &&
	       !(rocker_is_live(rocker) && rocker_spec_same(rocker->spec, rocker->built));
}

static bool is_promised(const struct rocker *rocker)
{
	return !rocker->gone && rocker->state == ROCKER_BUILDING && !rocker->launch;
}

static void build_if(struct rocker *rocker, bool (*is_wanted)(const struct rocker *))
{
	struct rocker_leaving leaving = rocker_leaves_nothing;
	int rc = 0;

	pthread_mutex_lock(&rocker->lock);
	if (is_wanted(rocker)) {
		rocker_detach(rocker, &leaving);
		rc = order_new(rocker);
		if (rc) {
			rocker_fail_waiting(rocker, &leaving, rc, sfs_sentence());
			tell_owner(rocker, rc, leaving.sentence);
		} else {
			rocker->order->unasked = true;
		}
	}
	pthread_mutex_unlock(&rocker->lock);
	if (rc)
		log_event(rocker, "dead", sfs_sentence());
	rocker_let_go(&leaving);
}

void rocker_build(struct rocker *rocker)
{
	build_if(rocker, is_outdated);
}

void rocker_promise(struct rocker *rocker)
{
	pthread_mutex_lock(&rocker->lock);
	if (!rocker->launch && !rocker->gone)
		set_state(rocker, ROCKER_BUILDING);
	pthread_mutex_unlock(&rocker->lock);
}

void rocker_begin(struct rocker *rocker)
{
	build_if(rocker, is_promised);
}

void rocker_adopt(struct rocker *rocker)
{
	pthread_mutex_lock(&rocker->lock);
	if (rocker_spec_persists(rocker->spec))
		(void)order(rocker, true);
	pthread_mutex_unlock(&rocker->lock);
}
