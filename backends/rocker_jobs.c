/* SPDX-License-Identifier: MIT */
/*
 * The jobs that a rocker shows: a directory jobs/N for each that was started, of those that have ended the last
 * ones; and of each user his last one, for result and output.
 *
 * Directories are made and removed without the lock.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "rocker_job.h"

TAILQ_HEAD(shown_list, rocker_job);

struct last {
	struct last *next;
	uid_t uid;
	struct rocker_job *job; /* counted */
};

struct rocker_jobs {
	pthread_mutex_t lock;
	struct sfs_obj *dir; /* counted: jobs/; NULL: nothing is shown */
	bool ended;
	struct shown_list shown; /* counted */
	unsigned nlasts;
	struct last *lasts; /* owned; the latest first */
};

struct rocker_jobs *rocker_jobs_new(struct rocker *rocker)
{
	struct rocker_jobs *jobs = calloc(1, sizeof(*jobs));

	(void)rocker;
	if (!jobs)
		return NULL;
	pthread_mutex_init(&jobs->lock, NULL);
	TAILQ_INIT(&jobs->shown);
	return jobs;
}

static void free_lasts(struct last *lasts)
{
	struct last *next;

	for (; lasts; lasts = next) {
		next = lasts->next;
		rocker_job_put(lasts->job);
		free(lasts);
	}
}

/* Its directory goes, and with it the reference of the list. */
static void hide(struct rocker_job *job)
{
	struct sfs_obj *dir;

	pthread_mutex_lock(&job->lock);
	dir = job->dir;
	job->dir = NULL;
	pthread_mutex_unlock(&job->lock);
	if (dir)
		sfs_remove_dir(dir);
	sfs_put_obj(dir);
	rocker_job_put(job);
}

static void hide_all(struct shown_list *list)
{
	struct rocker_job *job;

	while ((job = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, job, in_shown);
		hide(job);
	}
}

void rocker_jobs_end(struct rocker_jobs *jobs)
{
	struct shown_list dropped = TAILQ_HEAD_INITIALIZER(dropped);
	struct rocker_job *job;
	struct last *lasts;
	struct sfs_obj *dir;

	pthread_mutex_lock(&jobs->lock);
	jobs->ended = true;
	lasts = jobs->lasts;
	jobs->lasts = NULL;
	jobs->nlasts = 0;
	dir = jobs->dir;
	jobs->dir = NULL;
	while ((job = TAILQ_FIRST(&jobs->shown))) {
		TAILQ_REMOVE(&jobs->shown, job, in_shown);
		TAILQ_INSERT_TAIL(&dropped, job, in_shown);
	}
	pthread_mutex_unlock(&jobs->lock);
	hide_all(&dropped);
	free_lasts(lasts);
	sfs_put_obj(dir);
}

void rocker_jobs_free(struct rocker_jobs *jobs)
{
	if (!jobs)
		return;
	rocker_jobs_end(jobs);
	pthread_mutex_destroy(&jobs->lock);
	free(jobs);
}

/* ---- jobs/N ---------------------------------------------------------------------------------------- */

static bool has_ended(struct rocker_job *job)
{
	bool ended;

	pthread_mutex_lock(&job->lock);
	ended = job->state == JOB_EXITED;
	pthread_mutex_unlock(&job->lock);
	return ended;
}

/* rmdir jobs/N: by root, since nobody else may write in jobs. The core unlinks it. */
static int job_unmake(struct sfs_obj *dir, const struct sfs_cred *who)
{
	struct rocker_job *job = sfs_priv(dir);
	struct sfs_obj *own;

	(void)who;
	if (!has_ended(job))
		return sfs_fail(-EBUSY, "job %llu runs: kill it first",
				(unsigned long long)job->number);
	pthread_mutex_lock(&job->lock);
	own = job->dir;
	job->dir = NULL; /* what is in the list goes in its turn */
	pthread_mutex_unlock(&job->lock);
	sfs_put_obj(own);
	return 0;
}

const struct sfs_dirtype rocker_job_type = { .attrs = rocker_job_rows,
					     .unmake = job_unmake,
					     .release = rocker_job_release };

static bool list_shown(struct rocker_jobs *jobs, struct rocker_job *job)
{
	bool listed;

	pthread_mutex_lock(&jobs->lock);
	listed = !jobs->ended;
	if (listed) {
		rocker_job_get(job);
		TAILQ_INSERT_TAIL(&jobs->shown, job, in_shown);
	}
	pthread_mutex_unlock(&jobs->lock);
	return listed;
}

static struct sfs_obj *get_dir(struct rocker_jobs *jobs)
{
	struct sfs_obj *dir;

	pthread_mutex_lock(&jobs->lock);
	dir = jobs->dir ? sfs_get(jobs->dir) : NULL;
	pthread_mutex_unlock(&jobs->lock);
	return dir;
}

int rocker_jobs_show(struct rocker_jobs *jobs, struct rocker_job *job)
{
	struct sfs_obj *parent = get_dir(jobs), *dir = NULL;
	char name[24];
	int rc;

	if (!parent)
		return sfs_fail(-ENODEV, "the rocker has been removed");
	snprintf(name, sizeof(name), "%llu", (unsigned long long)job->number);
	rc = sfs_add_dir(parent, name, &rocker_job_type, rocker_job_get(job), job->who.uid,
			 job->who.gid, 0500);
	if (!rc)
		dir = sfs_find(parent, name);
	sfs_put_obj(parent);
	if (!dir)
		return rc ?: sfs_fail(-ENODEV, "the rocker has been removed");
	pthread_mutex_lock(&job->lock);
	job->dir = dir;
	pthread_mutex_unlock(&job->lock);
	if (!list_shown(jobs, job))
		hide(rocker_job_get(job));
	return 0;
}

/* Under the lock: those that have ended, but the last ones, leave the list. */
static void prune(struct rocker_jobs *jobs, struct shown_list *dropped)
{
	unsigned kept = 0, max = sfs_config()->rocker_jobs_kept;
	struct rocker_job *job, *before;

	for (job = TAILQ_LAST(&jobs->shown, shown_list); job; job = before) {
		before = TAILQ_PREV(job, shown_list, in_shown);
		if (!has_ended(job) || ++kept <= max)
			continue;
		TAILQ_REMOVE(&jobs->shown, job, in_shown);
		TAILQ_INSERT_TAIL(dropped, job, in_shown);
	}
}

/* Under the lock: this user's entry, or that of who has run nothing for the longest time. NULL: there is room for one. */
static struct last *take_entry(struct rocker_jobs *jobs, uid_t uid)
{
	struct last **at = &jobs->lasts, *entry;

	while (*at && (*at)->uid != uid && (*at)->next)
		at = &(*at)->next;
	entry = *at;
	if (!entry || (entry->uid != uid && jobs->nlasts < JOB_LASTS_MAX))
		return NULL;
	*at = entry->next;
	jobs->nlasts--;
	return entry;
}

struct rocker_job *rocker_jobs_keep(struct rocker_jobs *jobs, struct rocker_job *job)
{
	struct rocker_job *before = NULL;
	struct last *entry = NULL;

	pthread_mutex_lock(&jobs->lock);
	if (!jobs->ended)
		entry = take_entry(jobs, job->who.uid) ?: calloc(1, sizeof(*entry));
	if (entry) {
		before = entry->job;
		*entry = (struct last){ .next = jobs->lasts,
					.uid = job->who.uid,
					.job = rocker_job_get(job) };
		jobs->lasts = entry;
		jobs->nlasts++;
	}
	pthread_mutex_unlock(&jobs->lock);
	return before;
}

void rocker_jobs_prune(struct rocker_jobs *jobs)
{
	struct shown_list dropped = TAILQ_HEAD_INITIALIZER(dropped);

	pthread_mutex_lock(&jobs->lock);
	prune(jobs, &dropped);
	pthread_mutex_unlock(&jobs->lock);
	hide_all(&dropped);
}

struct rocker_job *rocker_jobs_last(struct rocker_jobs *jobs, uid_t uid)
{
	struct rocker_job *job = NULL;

	pthread_mutex_lock(&jobs->lock);
	for (struct last *last = jobs->lasts; last && !job; last = last->next)
		if (last->uid == uid)
			job = rocker_job_get(last->job);
	pthread_mutex_unlock(&jobs->lock);
	return job;
}

/* ---- the directory --------------------------------------------------------------------------------- */

static int is_there(struct sfs_obj *dir, void *arg)
{
	(void)dir;
	(void)arg;
	return 1;
}

/* For rm -r of a rocker: only what is empty. */
static int folder_unmake(struct sfs_obj *dir, const struct sfs_cred *who)
{
	(void)who;
	if (sfs_each(dir, is_there, NULL))
		return sfs_fail(-ENOTEMPTY, "'%.64s' is not empty", sfs_name(dir));
	return 0;
}

static const struct sfs_dirtype folder_type = { .unmake = folder_unmake };

int rocker_jobs_plant(struct rocker_jobs *jobs, struct sfs_obj *dir)
{
	uid_t uid;
	gid_t gid;
	mode_t mode;
	int rc;

	sfs_owner(dir, &uid, &gid, &mode);
	rc = sfs_add_dir(dir, "jobs", &folder_type, NULL, uid, gid, 0555);
	if (rc)
		return rc;
	pthread_mutex_lock(&jobs->lock);
	jobs->dir = sfs_find(dir, "jobs");
	pthread_mutex_unlock(&jobs->lock);
	return 0;
}
