/* SPDX-License-Identifier: MIT */
/*
 * Standard input of a job: a pipe, whose writing end is ours until the last of those who opened
 * jobs/N/stdin for writing has closed it. Then the job reads its end, for good.
 *
 * Writes that find the pipe full wait in a queue, and the thread of links goes on with them.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "rocker_link.h"

static int refuse(int err)
{
	return err == EPIPE ? sfs_fail(-ESRCH, "the job reads its standard input no more")
			    : sfs_fail(-EIO, "standard input cannot be written");
}

/* Under the lock: as much as there is room for. 1: all; 0: it is full; or -errno. */
static int push(struct rocker_job *job, const char *text, size_t len, size_t *done)
{
	ssize_t put;

	while (*done < len) {
		put = write(job->in.fd, text + *done, len - *done);
		if (put > 0)
			*done += (size_t)put;
		else if (put < 0 && errno == EAGAIN)
			return 0;
		else if (put < 0 && errno != EINTR)
			return -errno;
	}
	return 1;
}

/* The writer gave up. */
static void cancel(void *arg)
{
	struct stdin_write *write = arg;

	pthread_mutex_lock(&write->job->lock);
	write->cancelled = true;
	pthread_mutex_unlock(&write->job->lock);
	rocker_link_kick(write->job);
}

/* Under the lock: behind those that wait. */
static int enqueue(struct rocker_job *job, struct stdin_write *write)
{
	if (!job->in_watched && rocker_link_watch(&job->in, EPOLLOUT))
		return sfs_fail(-EIO, "standard input cannot be waited for");
	job->in_watched = true;
	STAILQ_INSERT_TAIL(&job->writes, write, next);
	return SFS_LATER;
}

/* Under the lock. 0, SFS_LATER: write has been queued; or -errno. */
static int take(struct rocker_job *job, const struct sfs_cmd *cmd, struct stdin_write *write)
{
	int rc = 0;

	if (job->in.fd < 0 || job->state == JOB_EXITED)
		return sfs_fail(
			-ESRCH,
			job->state == JOB_EXITED
				? "the job has ended"
				: "its standard input has ended: its last writer closed it");
	if (STAILQ_EMPTY(&job->writes))
		rc = push(job, cmd->text, cmd->len, &write->done);
	if (rc < 0)
		return refuse(-rc);
	if (rc == 1)
		return 0;
	if (cmd->nonblocking && !write->done)
		return sfs_fail(-EAGAIN, "standard input of the job is full");
	return enqueue(job, write);
}

int rocker_stdin_store(struct sfs_obj *dir, struct sfs_cmd *cmd)
{
	struct rocker_job *job = sfs_priv(dir);
	struct stdin_write *write = calloc(1, sizeof(*write));
	int rc;

	if (!write)
		return sfs_fail(-ENOMEM, "no memory for a write");
	write->job = rocker_job_get(job);
	write->req = cmd->req;
	write->text = cmd->text;
	write->len = cmd->len;
	sfs_req_on_cancel(cmd->req, cancel, write, 24 * 3600 * 1000);
	pthread_mutex_lock(&job->lock);
	rc = take(job, cmd, write);
	pthread_mutex_unlock(&job->lock);
	if (rc == SFS_LATER)
		return SFS_LATER;
	/* Only this ends what may still call cancel. */
	sfs_req_done(cmd->req, rc, NULL);
	rocker_job_put(job);
	free(write);
	return SFS_LATER;
}

static void finish(struct stdin_write *write, int rc)
{
	sfs_req_done(write->req, rc, NULL);
	rocker_job_put(write->job);
	free(write);
}

/* Under the lock: the first that needs no more waiting, taken out; NULL: none. */
static struct stdin_write *next_done(struct rocker_job *job, int *rc)
{
	struct stdin_write *write;

	STAILQ_FOREACH(write, &job->writes, next)
	{
		*rc = write->cancelled ? -EINTR : 1;
		if (*rc == 1 && write == STAILQ_FIRST(&job->writes))
			*rc = push(job, write->text, write->len, &write->done);
		else if (*rc == 1)
			*rc = 0;
		if (*rc)
			break;
	}
	if (write)
		STAILQ_REMOVE(&job->writes, write, stdin_write, next);
	return write;
}

void rocker_stdin_go_on(struct rocker_job *job)
{
	struct stdin_write *write;
	int rc = 0;

	do {
		pthread_mutex_lock(&job->lock);
		write = job->in.fd < 0 ? NULL : next_done(job, &rc);
		if (STAILQ_EMPTY(&job->writes) && job->in_watched) {
			rocker_link_unwatch(&job->in);
			job->in_watched = false;
		}
		pthread_mutex_unlock(&job->lock);
		if (write && rc < 0 && rc != -EINTR)
			rc = refuse(-rc);
		if (write)
			finish(write, rc < 0 ? rc : 0);
	} while (write);
}

void rocker_stdin_end(struct rocker_job *job)
{
	struct stdin_write *write;

	do {
		pthread_mutex_lock(&job->lock);
		write = STAILQ_FIRST(&job->writes);
		if (write)
			STAILQ_REMOVE_HEAD(&job->writes, next);
		pthread_mutex_unlock(&job->lock);
		if (write)
			finish(write, sfs_fail(-ESRCH, "the job has ended"));
	} while (write);
}

void rocker_stdin_writers(struct sfs_obj *dir, int change)
{
	struct rocker_job *job = sfs_priv(dir);

	pthread_mutex_lock(&job->lock);
	job->writers += (unsigned)change;
	if (!job->writers && STAILQ_EMPTY(&job->writes))
		rocker_job_close(&job->in);
	pthread_mutex_unlock(&job->lock);
}
