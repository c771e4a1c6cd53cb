/* SPDX-License-Identifier: MIT */
/* A job in a rocker: its birth from a command line, its end, and who hears of that. */
#include "rocker_job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rocker_link.h"
#include "rocker_number.h"
#include "rocker_words.h"

/* ---- birth and death --------------------------------------------------------------------------------- */

static int judge_words(struct rocker_job *job, const struct sfs_cmd *cmd)
{
	struct words_error err;
	int count = rocker_words(cmd->text, cmd->len, GUARD_WORDS_MAX, job->words, &err);
	const char *end = job->words;

	if (count < 0)
		return sfs_fail_at(-EINVAL, err.at, err.len, "%s", err.what);
	if (!count || !job->words[0])
		return sfs_fail_at(-EINVAL, cmd->text, 0, "a command begins with a program's name");
	job->argc = (unsigned)count;
	while (count--)
		end += strlen(end) + 1;
	job->words_size = (size_t)(end - job->words);
	return 0;
}

static void init_sources(struct rocker_job *job)
{
	job->in = (struct source){ .kind = SOURCE_IN, .fd = -1, .owner = job };
	job->out[OUTPUT_OUT] = (struct source){ .kind = SOURCE_OUT, .fd = -1, .owner = job };
	job->out[OUTPUT_ERR] = (struct source){ .kind = SOURCE_ERR, .fd = -1, .owner = job };
	job->pidfd = -1;
}

struct rocker_job *rocker_job_make(struct rocker *rocker, const struct sfs_cred *who, size_t room)
{
	struct rocker_job *job = malloc(sizeof(*job) + room);

	if (!job)
		return NULL;
	memset(job, 0, sizeof(*job));
	atomic_init(&job->refs, 1);
	pthread_mutex_init(&job->lock, NULL);
	STAILQ_INIT(&job->writes);
	init_sources(job);
	job->rocker = rocker_get(rocker);
	job->who = *who;
	job->output.uid = who->uid;
	return job;
}

int rocker_job_new(struct rocker *rocker, const struct sfs_cmd *cmd, bool starts,
		   struct rocker_job **out)
{
	struct rocker_job *job = rocker_job_make(rocker, &cmd->who, cmd->len + 1);
	int rc;

	if (!job)
		return sfs_fail(-ENOMEM, "no memory for a job");
	rc = judge_words(job, cmd);
	if (rc) {
		rocker_job_put(job);
		return rc;
	}
	job->number = rocker_number();
	job->req = cmd->req;
	job->starts = starts;
	*out = job;
	return 0;
}

struct rocker_job *rocker_job_get(struct rocker_job *job)
{
	atomic_fetch_add(&job->refs, 1);
	return job;
}

void rocker_job_put(struct rocker_job *job)
{
	if (!job || atomic_fetch_sub(&job->refs, 1) != 1)
		return;
	output_clear(&job->output);
	sfs_put_obj(job->dir);
	rocker_link_put(job->link);
	rocker_put(job->rocker);
	pthread_mutex_destroy(&job->lock);
	free(job);
}

void rocker_job_release(void *job)
{
	rocker_job_put(job);
}

void rocker_job_close(struct source *source)
{
	if (source->fd < 0)
		return;
	if (source->shared)
		rocker_link_unwatch(source);
	close(source->fd); /* of a pipe nobody else has our end: so it is not watched any more either */
	source->fd = -1;
}

/* ---- who hears of it --------------------------------------------------------------------------------- */

void rocker_job_changed(struct rocker_job *job, const char *row)
{
	struct sfs_obj *dir;

	pthread_mutex_lock(&job->lock);
	dir = job->dir ? sfs_get(job->dir) : NULL;
	pthread_mutex_unlock(&job->lock);
	if (dir)
		sfs_changed(dir, row);
	sfs_put_obj(dir);
}

bool rocker_job_answer(struct rocker_job *job, int rc, struct sfs_blob *answer)
{
	struct sfs_req *req;

	pthread_mutex_lock(&job->lock);
	req = job->req;
	job->req = NULL;
	pthread_mutex_unlock(&job->lock);
	if (!req) {
		sfs_blob_put(answer);
		return false;
	}
	sfs_req_done(req, rc, answer);
	return true;
}

/* ---- its end ----------------------------------------------------------------------------------------- */

/* What result shows is there before anything else tells that the job has ended. */
static struct rocker_job *keep(struct rocker_job *job, const struct job_end *how)
{
	pthread_mutex_lock(&job->lock);
	job->end = *how;
	pthread_mutex_unlock(&job->lock);
	return rocker_jobs_keep(job->rocker->jobs, job);
}

/* What it held while it ran; the references are the caller's. */
static void let_go(struct rocker_job *job, struct rocker **rocker_out,
		   struct rocker_link **link_out)
{
	pthread_mutex_lock(&job->lock);
	job->state = JOB_EXITED;
	*rocker_out = job->rocker;
	*link_out = job->link;
	job->rocker = NULL;
	job->link = NULL;
	pthread_mutex_unlock(&job->lock);
}

static void close_all(struct rocker_job *job)
{
	pthread_mutex_lock(&job->lock);
	rocker_job_close(&job->in);
	for (unsigned i = 0; i < OUTPUTS; i++)
		rocker_job_close(&job->out[i]);
	if (job->pidfd >= 0)
		close(job->pidfd);
	job->pidfd = -1;
	pthread_mutex_unlock(&job->lock);
}

static struct sfs_obj *get_dir(struct rocker *rocker)
{
	struct sfs_obj *dir;

	pthread_mutex_lock(&rocker->lock);
	dir = rocker->dir ? sfs_get(rocker->dir) : NULL;
	pthread_mutex_unlock(&rocker->lock);
	return dir;
}

/* Watchers of its own files, and of those that show its user's last job. */
static void tell(struct rocker_job *job, struct rocker *rocker)
{
	static const char *const rows[] = { "state", "exit", "usage", "stdout", "stderr" };
	struct sfs_obj *dir = get_dir(rocker);

	if (dir) {
		sfs_changed_for(dir, "result", job->who.uid);
		sfs_changed_for(dir, "output", job->who.uid);
	}
	sfs_put_obj(dir);
	for (unsigned i = 0; job->starts && i < sizeof(rows) / sizeof(*rows); i++)
		rocker_job_changed(job, rows[i]);
}

/* What run reads, on this open file and on those that its user opens: all that it wrote. */
static struct sfs_blob *answer_of(struct rocker_job *job, int *rc)
{
	struct sfs_blob *blob = NULL;

	pthread_mutex_lock(&job->lock);
	if (!job->starts)
		blob = output_close(&job->output);
	if (!*rc && job->req && !blob)
		*rc = sfs_fail(-ENOMEM, "no memory for what the job wrote");
	pthread_mutex_unlock(&job->lock);
	if (*rc) {
		sfs_blob_put(blob);
		return NULL;
	}
	return blob;
}

void rocker_job_finish(struct rocker_job *job)
{
	struct job_left left = job->left;

	if (!left.rocker)
		return;
	job->left.rocker = NULL;
	if (left.had_begun)
		tell(job, left.rocker);
	if (job->acquired)
		rocker_jobs_changed(left.rocker);
	close_all(job);
	rocker_job_put(left.before);
	rocker_link_put(left.link);
	rocker_put(left.rocker);
}

void rocker_job_end(struct rocker_job *job, const struct job_end *how, int rc)
{
	char sentence[SFS_SENTENCE_MAX] = "";
	struct job_left left = { .had_begun = how };
	struct sfs_blob *answer;

	if (rc)
		snprintf(sentence, sizeof(sentence), "%s", sfs_sentence());
	if (how)
		left.before = keep(job, how);
	let_go(job, &left.rocker, &left.link);
	rocker_stdin_end(job);
	if (job->starts)
		rocker_jobs_prune(left.rocker->jobs);
	if (left.link)
		rocker_link_done(left.link);
	if (job->acquired)
		rocker_release(left.rocker);
	if (how)
		rocker_count_quietly(left.rocker, ROCKER_EXITS);
	if (rc)
		sfs_fail(rc, "%s", sentence);
	answer = answer_of(job, &rc);
	job->left = left;
	(void)rocker_job_answer(job, rc, answer);
	if (!job->ends_quietly)
		rocker_job_finish(job);
}
