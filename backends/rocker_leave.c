/* SPDX-License-Identifier: MIT */
/* What a rocker lets go of: when its guard has ended, when it is built anew, when it is removed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rocker_life.h"

const struct rocker_leaving rocker_leaves_nothing = { .pidfd = -1 };

/* ---- under the lock --------------------------------------------------------------------------- */

void rocker_changed(struct rocker *rocker, const char *attr)
{
	if (rocker->dir)
		sfs_changed(rocker->dir, attr);
}

static struct rocker_wait *take_waiting(struct rocker *rocker)
{
	struct rocker_wait *waiting = rocker->waiting;

	rocker->waiting = NULL;
	return waiting;
}

/* What is built is not this rocker's any more. */
void rocker_detach(struct rocker *rocker, struct rocker_leaving *out)
{
	out->link = rocker->link;
	out->launch = rocker->launch;
	out->order = rocker->order;
	out->built = rocker->built;
	out->pidfd = rocker->guard_pidfd;
	if (rocker->guard) {
		rocker_changed(rocker, "guard");
		rocker_changed(rocker, "procs");
	}
	rocker->link = NULL;
	rocker->launch = NULL;
	rocker->built = NULL;
	rocker->guard_pidfd = -1;
	rocker->guard = 0;
	rocker_disk_begin(rocker);
	if (rocker->frozen) {
		rocker->frozen = false;
		rocker_changed(rocker, "freeze");
	}
}

void rocker_fail_waiting(struct rocker *rocker, struct rocker_leaving *out, int rc,
			 const char *sentence)
{
	out->waiting = take_waiting(rocker);
	out->rc = rc;
	snprintf(out->sentence, sizeof(out->sentence), "%s", sentence);
}

/* ---- without it ------------------------------------------------------------------------------- */

static void tell(struct rocker_wait *waiting, int rc, const char *sentence)
{
	struct rocker_wait *next;

	for (; waiting; waiting = next) {
		next = waiting->next;
		waiting->ready(waiting->arg, rc, sentence);
		free(waiting);
	}
}

void rocker_let_go(struct rocker_leaving *leaving)
{
	rocker_link_close(leaving->link);
	if (leaving->launch) {
		rocker_slow_end(&leaving->order->slow);
		rocker_slow_begin(&leaving->order->slow, leaving->order->rocker->name,
				  "it is being removed");
		rocker_answers_wake();
		launch_rocker_drop(leaving->launch);
	}
	if (leaving->pidfd >= 0)
		close(leaving->pidfd);
	rocker_spec_put(leaving->built);
	tell(leaving->waiting, leaving->rc, leaving->sentence);
}

static void let_go_later(void *arg)
{
	rocker_let_go(arg);
	free(arg);
}

void rocker_remove(struct rocker *rocker)
{
	struct rocker_leaving *later = malloc(sizeof(*later)), leaving = rocker_leaves_nothing;
	struct sfs_obj *dir;

	pthread_mutex_lock(&rocker->lock);
	rocker->gone = true;
	dir = rocker->dir;
	rocker->dir = NULL;
	rocker_detach(rocker, &leaving);
	rocker_fail_waiting(rocker, &leaving, -ENODEV, "the rocker is removed");
	rocker->state = ROCKER_DEAD;
	pthread_mutex_unlock(&rocker->lock);
	rocker_jobs_end(rocker->jobs);
	if (later) {
		*later = leaving;
		sfs_after(let_go_later, later);
	} else {
		rocker_let_go(&leaving);
	}
	sfs_put_obj(dir);
}
