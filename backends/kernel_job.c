/* SPDX-License-Identifier: MIT */
/*
 * Jobs: a directory jobs/N each, for a run that was started and nobody waits for, until it ends and
 * becomes runs/N; or for an open file of clone, until that is closed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_job.h"
#include "kernel_outcome.h"

/* ---- birth and death ------------------------------------------------------------------------- */

struct kernel_job *kernel_job_new(struct sfs_obj *parent, const struct sfs_cred *who,
				  uint64_t number)
{
	struct kernel_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	atomic_init(&job->refs, 1);
	pthread_mutex_init(&job->lock, NULL);
	job->parent = sfs_get(parent);
	job->who = *who;
	job->number = number;
	return job;
}

struct kernel_job *kernel_job_get(struct kernel_job *job)
{
	atomic_fetch_add(&job->refs, 1);
	return job;
}

void kernel_job_put(struct kernel_job *job)
{
	if (!job || atomic_fetch_sub(&job->refs, 1) != 1)
		return;
	outcome_let_go(job->outcome);
	free(job->line);
	sfs_put_obj(job->parent);
	pthread_mutex_destroy(&job->lock);
	free(job);
}

void kernel_job_release(void *job)
{
	kernel_job_put(job);
}

/* Its own directory, counted; NULL: it is not there any more. */
static struct sfs_obj *get_self(struct kernel_job *job)
{
	struct sfs_obj *self;

	pthread_mutex_lock(&job->lock);
	self = sfs_get(job->self);
	pthread_mutex_unlock(&job->lock);
	return self;
}

static void changed(struct kernel_job *job, const char *row)
{
	struct sfs_obj *self = get_self(job);

	if (self)
		sfs_changed(self, row);
	sfs_put_obj(self);
}

int kernel_job_show(struct kernel_job *job, const struct sfs_dirtype *type)
{
	struct sfs_obj *jobs = sfs_find(job->parent, "jobs"), *self = NULL;
	char name[24];
	int rc;

	if (!jobs)
		return sfs_fail(-ENOENT, "its directory jobs has been removed");
	snprintf(name, sizeof(name), "%llu", (unsigned long long)job->number);
	rc = sfs_add_dir(jobs, name, type, kernel_job_get(job), job->who.uid, job->who.gid, 0500);
	if (!rc)
		self = sfs_find(jobs, name);
	pthread_mutex_lock(&job->lock);
	job->self = self;
	pthread_mutex_unlock(&job->lock);
	sfs_put_obj(jobs);
	return rc;
}

/* Takes its directory away. */
void kernel_job_hide(struct kernel_job *job)
{
	struct sfs_obj *self;

	pthread_mutex_lock(&job->lock);
	self = job->self;
	job->self = NULL;
	pthread_mutex_unlock(&job->lock);
	if (self)
		sfs_remove_dir(self);
	sfs_put_obj(self);
}

static int hide_each(struct sfs_obj *self, void *arg)
{
	(void)arg;
	kernel_job_hide(sfs_priv(self));
	return 0;
}

void kernel_jobs_end(struct sfs_obj *dir)
{
	struct sfs_obj *jobs = sfs_find(dir, "jobs");

	if (jobs)
		(void)sfs_each(jobs, hide_each, NULL);
	sfs_put_obj(jobs);
}

/* ---- what its run tells ---------------------------------------------------------------------- */

void kernel_job_running(struct kernel_job *job)
{
	pthread_mutex_lock(&job->lock);
	job->state = JOB_RUNNING;
	pthread_mutex_unlock(&job->lock);
	changed(job, "state");
}

void kernel_job_result(struct kernel_job *job, struct outcome *out)
{
	struct outcome *old;

	pthread_mutex_lock(&job->lock);
	old = job->outcome;
	job->outcome = outcome_keep(out);
	pthread_mutex_unlock(&job->lock);
	outcome_let_go(old);
	changed(job, "result");
	changed(job, "output");
}

void kernel_job_ended(struct kernel_job *job)
{
	struct run *run;

	pthread_mutex_lock(&job->lock);
	job->state = JOB_DONE;
	run = job->run;
	job->run = NULL;
	pthread_mutex_unlock(&job->lock);
	if (job->is_clone) {
		changed(job, "state");
	} else {
		kernel_job_hide(job);
		kernel_quota_give(job->who.uid);
	}
	kernel_run_put(run);
}

/* The run gets its job, the job its run; both hold each other until the run ends. */
void kernel_job_join(struct kernel_job *job, struct run *run)
{
	run->for_job = kernel_job_get(job);
	atomic_fetch_add(&run->refs, 1);
	pthread_mutex_lock(&job->lock);
	job->run = run;
	job->has_run = true;
	pthread_mutex_unlock(&job->lock);
}

/* It has not begun. */
void kernel_job_part(struct kernel_job *job)
{
	struct run *run;

	pthread_mutex_lock(&job->lock);
	run = job->run;
	job->run = NULL;
	job->state = JOB_READY;
	pthread_mutex_unlock(&job->lock);
	kernel_run_put(run);
}

/* The run on its way, counted; NULL: there is none. */
static struct run *get_run(struct kernel_job *job, bool close)
{
	struct run *run;

	pthread_mutex_lock(&job->lock);
	run = job->run;
	if (run)
		atomic_fetch_add(&run->refs, 1);
	job->closed |= close;
	pthread_mutex_unlock(&job->lock);
	return run;
}

bool kernel_job_end_run(struct kernel_job *job, bool close)
{
	struct run *run = get_run(job, close);

	if (run)
		kernel_run_cancel(run);
	kernel_run_put(run);
	return run;
}

bool kernel_job_closed(struct kernel_job *job)
{
	bool closed;

	pthread_mutex_lock(&job->lock);
	closed = job->closed;
	pthread_mutex_unlock(&job->lock);
	return closed;
}
