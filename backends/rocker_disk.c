/* SPDX-License-Identifier: MIT */
/*
 * disk.max of a data directory: how much a rocker has written is looked at again and again while it is used.
 *
 * No kernel counts that for us, so a helper of the launcher's does. What is over the limit ends everything in the
 * rocker, and nothing begins there before a further look has found room.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "rocker_life.h"
#include "rocker_link.h"

#define PERIOD_NS UINT64_C(150000000) /* from one look's end to the next one's beginning */

TAILQ_HEAD(rocker_list, rocker);

static struct {
	pthread_mutex_t lock; /* of all below; taken after a rocker's */
	pthread_cond_t work;
	pthread_t thread;
	bool running, stopping;
	struct rocker_list list; /* counted; the earliest first, since all have the same period */
} watch = { .lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER };

/* ---- under the rocker's lock ---------------------------------------------------------------------- */

void rocker_disk_begin(struct rocker *rocker)
{
	struct rocker_disk *disk = &rocker->disk;
	uint64_t limit_bytes = PLAN_NO_LIMIT;

	if (rocker->built && rocker->built->values[KEY_DATA_DIR])
		limit_bytes = rocker_spec_disk_bytes(rocker->built);
	disk->limit_bytes = limit_bytes == PLAN_NO_LIMIT ? 0 : limit_bytes ?: 1;
	disk->bytes = 0;
	disk->known = disk->full = disk->asked = false;
}

static void measured(void *arg, struct launch_rocker *launched, int rc, uint64_t bytes);

static int ask(struct rocker *rocker)
{
	int rc;

	if (rocker->disk.asked)
		return 0;
	rc = launch_rocker_measure(rocker->launch, rocker->disk.limit_bytes, measured,
				   rocker_get(rocker));
	if (rc)
		rocker_put(rocker); /* not the last */
	rocker->disk.asked = !rc;
	return rc;
}

int rocker_disk_ask(struct rocker *rocker)
{
	struct rocker_disk *disk = &rocker->disk;

	if (!disk->limit_bytes || (disk->known && !disk->full))
		return 0;
	return ask(rocker) ?: SFS_LATER;
}

void rocker_disk_used(struct rocker *rocker)
{
	if (!rocker->disk.limit_bytes)
		return;
	pthread_mutex_lock(&watch.lock);
	if (!rocker->disk.listed && !watch.stopping) {
		rocker->disk.listed = true;
		rocker->disk.due_ns = sfs_now_ns() + PERIOD_NS;
		rocker_get(rocker); /* not in the macro, which takes its argument more than once */
		TAILQ_INSERT_TAIL(&watch.list, rocker, disk.in_list);
		pthread_cond_signal(&watch.work);
	}
	pthread_mutex_unlock(&watch.lock);
}

/* ---- what the launcher's helper has found ---------------------------------------------------------- */

static void say_why(const struct rocker_disk *disk, int rc, char *out, size_t size)
{
	if (rc == -E2BIG || rc == -ELOOP)
		snprintf(out, size,
			 "disk.max: what is in the data directory is too %s to be measured",
			 rc == -E2BIG ? "much" : "deep");
	else if (rc)
		snprintf(out, size, "disk.max: the data directory cannot be measured: %s",
			 strerror(-rc));
	else
		snprintf(out, size, "disk.max: more than %llu bytes are written",
			 (unsigned long long)disk->limit_bytes);
}

/* What a job has left behind goes on to write. */
static bool has_processes(const struct rocker *rocker)
{
	return rocker->uses || launch_rocker_procs(rocker->launch, NULL, 0) > 1;
}

/* The link, counted, where everything in it is to end. Under the lock. */
static struct rocker_link *note(struct rocker *rocker, int rc, uint64_t bytes)
{
	struct rocker_disk *disk = &rocker->disk;

	disk->asked = false;
	disk->known = true;
	disk->bytes = bytes;
	disk->full = rc || bytes > disk->limit_bytes;
	if (rocker->dir)
		sfs_changed(rocker->dir, "usage");
	if (has_processes(rocker))
		rocker_disk_used(rocker);
	return disk->full && rocker->link ? rocker_link_get(rocker->link) : NULL;
}

static void end_all(struct rocker *rocker, struct rocker_link *link, const char *why)
{
	struct sfs_obj *dir = NULL;

	bool runs = rocker_link_running(link);

	rocker_link_overrun(link, why);
	pthread_mutex_lock(&rocker->lock);
	dir = runs && rocker->dir ? sfs_get(rocker->dir) : NULL;
	pthread_mutex_unlock(&rocker->lock);
	if (dir)
		sfs_event(dir, rocker->owner, "killed", "%s", why);
	sfs_put_obj(dir);
	rocker_link_put(link);
}

static void measured(void *arg, struct launch_rocker *launched, int rc, uint64_t bytes)
{
	struct rocker *rocker = arg;
	struct rocker_link *link = NULL;
	char why[160] = "";
	bool ours, full = false;

	rc = launch_answer(rc);
	pthread_mutex_lock(&rocker->lock);
	/* One that has ended, or whose launcher has, is told of in another way. */
	ours = rocker->launch == launched && rocker->disk.limit_bytes && rc != -ESRCH &&
	       rc != -EAGAIN;
	if (ours) {
		link = note(rocker, rc, bytes);
		full = rocker->disk.full;
		say_why(&rocker->disk, rc, why, sizeof(why));
	}
	pthread_mutex_unlock(&rocker->lock);
	if (link)
		end_all(rocker, link, why);
	if (ours)
		rocker_go_on(rocker, launched, full ? -ENOSPC : 0, why);
	rocker_put(rocker);
}

/* ---- again and again --------------------------------------------------------------------------------- */

static void wait_until(uint64_t due_ns)
{
	struct timespec until;
	uint64_t now_ns = sfs_now_ns(), left_ns = due_ns > now_ns ? due_ns - now_ns : 0;

	clock_gettime(CLOCK_REALTIME, &until);
	left_ns += (uint64_t)until.tv_nsec;
	until.tv_sec += (time_t)(left_ns / 1000000000);
	until.tv_nsec = (long)(left_ns % 1000000000);
	(void)pthread_cond_timedwait(&watch.work, &watch.lock, &until);
}

/* One that is due, counted; NULL: it is over. */
static struct rocker *next_due(void)
{
	struct rocker *rocker;

	pthread_mutex_lock(&watch.lock);
	while (!watch.stopping) {
		rocker = TAILQ_FIRST(&watch.list);
		if (!rocker)
			pthread_cond_wait(&watch.work, &watch.lock);
		else if (rocker->disk.due_ns > sfs_now_ns())
			wait_until(rocker->disk.due_ns);
		else
			break;
	}
	rocker = TAILQ_FIRST(&watch.list);
	if (rocker) {
		TAILQ_REMOVE(&watch.list, rocker, disk.in_list);
		rocker->disk.listed = false;
	}
	pthread_mutex_unlock(&watch.lock);
	return rocker;
}

static void *work(void *arg)
{
	struct rocker *rocker;

	while ((rocker = next_due())) {
		pthread_mutex_lock(&rocker->lock);
		/* A launcher that has no time now is asked again. */
		if (rocker->disk.limit_bytes && rocker->launch && ask(rocker) == -EAGAIN)
			rocker_disk_used(rocker);
		pthread_mutex_unlock(&rocker->lock);
		rocker_put(rocker);
	}
	return arg;
}

int rocker_disks_start(void)
{
	int rc;

	TAILQ_INIT(&watch.list);
	watch.stopping = false;
	rc = pthread_create(&watch.thread, NULL, work, NULL);
	watch.running = !rc;
	return rc ? sfs_fail(-ENOMEM, "no thread for the disks of rockers: %s", strerror(rc)) : 0;
}

void rocker_disks_stop(void)
{
	if (!watch.running)
		return;
	pthread_mutex_lock(&watch.lock);
	watch.stopping = true;
	pthread_cond_signal(&watch.work);
	pthread_mutex_unlock(&watch.lock);
	pthread_join(watch.thread, NULL);
	watch.running = false;
}
