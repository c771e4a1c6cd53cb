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
