/* SPDX-License-Identifier: MIT */
/* A rocker as a thing in memory: made, counted, asked what it is. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "rocker_life.h"

struct rocker *rocker_get(struct rocker *rocker)
{
	atomic_fetch_add(&rocker->refs, 1);
	return rocker;
}

void rocker_put(struct rocker *rocker)
{
	if (!rocker || atomic_fetch_sub(&rocker->refs, 1) != 1)
		return;
	rocker_jobs_free(rocker->jobs);
	rocker_spec_put(rocker->spec);
	pthread_mutex_destroy(&rocker->keeping);
	pthread_mutex_destroy(&rocker->lock);
	free(rocker);
}

struct rocker *rocker_new(const char *name, const struct sfs_owner *owner, struct rocker_spec *spec)
{
	struct rocker *rocker = spec ? calloc(1, sizeof(*rocker)) : NULL;

	if (!rocker) {
		rocker_spec_put(spec);
		return NULL;
	}
	atomic_init(&rocker->refs, 1);
	snprintf(rocker->name, sizeof(rocker->name), "%s", name);
	rocker->owner = owner->uid;
	rocker->owner_gid = owner->gid;
	pthread_mutex_init(&rocker->keeping, NULL);
	pthread_mutex_init(&rocker->lock, NULL);
	rocker->spec = spec;
	rocker->state = ROCKER_DEAD;
	rocker->guard_pidfd = -1;
	rocker->jobs = rocker_jobs_new(rocker);
	if (rocker->jobs)
		return rocker;
	rocker_put(rocker);
	return NULL;
}

struct rocker_whose rocker_whose(const struct rocker *rocker)
{
	return (struct rocker_whose){ rocker->name, rocker->owner, rocker->owner_gid };
}

struct rocker_spec *rocker_get_spec(struct rocker *rocker)
{
	struct rocker_spec *spec;

	pthread_mutex_lock(&rocker->lock);
	spec = rocker_spec_get(rocker->spec);
	pthread_mutex_unlock(&rocker->lock);
	return spec;
}

int rocker_check_idle(struct rocker *rocker, const char *what)
{
	unsigned uses;

	pthread_mutex_lock(&rocker->lock);
	uses = rocker->uses;
	pthread_mutex_unlock(&rocker->lock);
	return uses ? sfs_fail(-EBUSY, "%s of rocker '%s' cannot change while %u %s in it", what,
			       rocker->name, uses, uses == 1 ? "job runs" : "jobs run")
		    : 0;
}

/* ---- while it lives --------------------------------------------------------------------------- */

/* A guard whose socket has ended is dead, also where the launcher has not told that yet. */
bool rocker_is_live(const struct rocker *rocker)
{
	return rocker->state != ROCKER_BUILDING && rocker->state != ROCKER_DEAD &&
	       rocker_link_alive(rocker->link);
}

struct launch_rocker *rocker_lock_launch(struct rocker *rocker, int *rc_out)
{
	pthread_mutex_lock(&rocker->lock);
	*rc_out = 0;
	if (rocker_is_live(rocker))
		return rocker->launch;
	pthread_mutex_unlock(&rocker->lock);
	*rc_out =
		sfs_fail(-ESRCH, "rocker '%s' is not there: its next use builds it", rocker->name);
	return NULL;
}

void rocker_unlock(struct rocker *rocker)
{
	pthread_mutex_unlock(&rocker->lock);
}

void rocker_count(struct rocker *rocker, enum rocker_count which, uint64_t n)
{
	atomic_fetch_add(&rocker->counts[which], n);
	pthread_mutex_lock(&rocker->lock);
	if (rocker->dir)
		sfs_changed(rocker->dir, "activity");
	pthread_mutex_unlock(&rocker->lock);
}

void rocker_count_quietly(struct rocker *rocker, enum rocker_count which)
{
	atomic_fetch_add(&rocker->counts[which], 1);
}

void rocker_jobs_changed(struct rocker *rocker)
{
	pthread_mutex_lock(&rocker->lock);
	if (rocker->dir)
		sfs_changed(rocker->dir, "state");
	if (rocker->dir)
		sfs_changed(rocker->dir, "activity");
	if (rocker->dir)
		sfs_changed(rocker->dir, "procs");
	pthread_mutex_unlock(&rocker->lock);
}
