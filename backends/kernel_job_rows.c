/* SPDX-License-Identifier: MIT */
/* What the files of a job show and take, and how jobs come to be: by start, by each open of clone. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_job.h"
#include "kernel_outcome.h"
#include "kernel_number.h"

/* ---- the rows of jobs/N ---------------------------------------------------------------------- */

static int params_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	struct kernel_job *job = sfs_priv(dir);

	(void)who;
	pthread_mutex_lock(&job->lock);
	sfs_put(out, "%s\n", job->line ?: "");
	pthread_mutex_unlock(&job->lock);
	return 0;
}

static int state_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	static const char *const names[] = { [JOB_READY] = "ready",
					     [JOB_QUEUED] = "queued",
					     [JOB_RUNNING] = "running",
					     [JOB_DONE] = "done" };
	struct kernel_job *job = sfs_priv(dir);

	(void)who;
	pthread_mutex_lock(&job->lock);
	sfs_put(out, "%-20s\n", names[job->state]);
	pthread_mutex_unlock(&job->lock);
	return 0;
}

static struct sfs_blob *file_of(struct sfs_obj *dir, enum outcome_file which)
{
	struct kernel_job *job = sfs_priv(dir);
	struct outcome *out;
	struct sfs_blob *blob;

	pthread_mutex_lock(&job->lock);
	out = outcome_get(job->outcome);
	pthread_mutex_unlock(&job->lock);
	blob = out ? outcome_file(out, which) : NULL;
	outcome_put(out);
	return blob;
}

static struct sfs_blob *result_blob(struct sfs_obj *dir, const struct sfs_cred *who)
{
	(void)who;
	return file_of(dir, OUT_RESULT);
}

static struct sfs_blob *output_blob(struct sfs_obj *dir, const struct sfs_cred *who)
{
	(void)who;
	return file_of(dir, OUT_OUTPUT);
}

static int judge_word(const struct sfs_cmd *cmd)
{
	if (cmd->len && strcmp(cmd->text, "1"))
		return sfs_fail(-EINVAL, "'%.40s' is not 1 or an empty line", cmd->text);
	return 0;
}

static int kill_store(struct sfs_obj *dir, struct sfs_cmd *cmd)
{
	struct kernel_job *job = sfs_priv(dir);
	int rc = judge_word(cmd);

	if (!rc && !kernel_job_end_run(job, false))
		rc = sfs_fail(-ESRCH, "job %llu has no run", (unsigned long long)job->number);
	return rc;
}

/* The old one is the caller's to free. */
static char *swap_line(struct kernel_job *job, char *line)
{
	char *old;

	pthread_mutex_lock(&job->lock);
	old = job->line;
	job->line = line;
	pthread_mutex_unlock(&job->lock);
	return old;
}

static int params_store(struct sfs_obj *dir, struct sfs_cmd *cmd)
{
	struct kernel_job *job = sfs_priv(dir);
	int rc = 0;
	struct run *run = kernel_run_new(job->parent, &job->who, cmd->text, cmd->len, &rc);

	if (!run)
		return rc;
	run->line = swap_line(job, run->line);
	kernel_run_put(run);
	sfs_changed(dir, "params");
	return 0;
}

/* One run at a time: whoever makes it queued may begin it. */
static int claim_run(struct kernel_job *job, char **line_out)
{
	bool busy;

	pthread_mutex_lock(&job->lock);
	busy = job->closed || job->state == JOB_QUEUED || job->state == JOB_RUNNING;
	if (!busy) {
		*line_out = strdup(job->line ?: "");
		job->state = JOB_QUEUED;
	}
	pthread_mutex_unlock(&job->lock);
	if (busy)
		return sfs_fail(-EBUSY, "job %llu runs already", (unsigned long long)job->number);
	return 0;
}

static int job_start_store(struct sfs_obj *dir, struct sfs_cmd *cmd)
{
	struct kernel_job *job = sfs_priv(dir);
	struct run *run = NULL;
	char *line = NULL;
	int rc = judge_word(cmd);

	rc = rc ?: claim_run(job, &line);
	if (rc)
		return rc;
	rc = -ENOMEM;
	if (line)
		run = kernel_run_new(job->parent, &job->who, line, strlen(line), &rc);
	free(line);
	if (run) {
		if (!job->has_run)
			run->number = job->number;
		sfs_put(cmd->answer, "%llu\n", (unsigned long long)run->number);
		kernel_job_join(job, run);
		rc = kernel_run_begin(run);
	}
	if (rc) {
		kernel_job_part(job);
		kernel_run_put(run);
	} else if (kernel_job_closed(job)) {
		(void)kernel_job_end_run(job, true); /* close found no run to end */
	}
	sfs_changed(dir, "state");
	return rc;
}

/* Those of a run that was started, and those of one that can be started again. */
#define JOB_ROWS                                                                                   \
	{ .name = "state",                                                                         \
	  .mode = 0444,                                                                            \
	  .show = state_show,                                                                      \
	  .help = "ready, queued, running, done" },                                                \
		{ .name = "result", .mode = 0444, .blob = result_blob, .help = "of its run" },     \
		{ .name = "output", .mode = 0444, .blob = output_blob, .help = "of its run" },     \
		{ .name = "kill",                                                                  \
		  .mode = 0200,                                                                    \
		  .store = kill_store,                                                             \
		  .help = "1 ends its run: ECANCELED; ESRCH: there is none" },                     \
		{ .name = "error",                                                                 \
		  .mode = 0444,                                                                    \
		  .show = sfs_error_show,                                                          \
		  .flags = SFS_PER_UID,                                                            \
		  .help = "the reader's last refusal here, or ok" },                               \
	{                                                                                          \
		0                                                                                  \
	}

static const struct sfs_attr started_rows[] = {
	{ .name = "params", .mode = 0444, .show = params_show, .help = "the words of its run" },
	JOB_ROWS
};
static const struct sfs_attr clone_rows[] = { { .name = "params",
						.mode = 0600,
						.show = params_show,
						.store = params_store,
						.help = "the words of its next run" },
					      { .name = "start",
						.mode = 0200,
						.store = job_start_store,
						.help = "1 starts its run; EBUSY: it runs" },
					      JOB_ROWS };

static const struct sfs_dirtype started_type = { .attrs = started_rows,
						 .release = kernel_job_release };
static const struct sfs_dirtype clone_type = { .attrs = clone_rows, .release = kernel_job_release };

/* ---- start ----------------------------------------------------------------------------------- */

static int begin_job(struct kernel_job *job, struct run *run)
{
	int rc = 0;

	job->line = strdup(run->line);
	job->state = JOB_QUEUED;
	if (!job->line)
		rc = sfs_fail(-ENOMEM, "no memory for a job");
	rc = rc ?: kernel_job_show(job, &started_type);
	if (rc)
		return rc;
	kernel_job_join(job, run);
	rc = kernel_run_begin(run);
	if (rc) {
		kernel_job_part(job);
		kernel_job_hide(job);
	}
	return rc;
}

int kernel_start_store(struct sfs_obj *dir, struct sfs_cmd *cmd)
{
	struct kernel_job *job = NULL;
	struct run *run = NULL;
	int rc = kernel_quota_take(cmd->who.uid, -EAGAIN);

	if (rc)
		return rc;
	run = kernel_run_new(dir, &cmd->who, cmd->text, cmd->len, &rc);
	if (run) {
		sfs_put(cmd->answer, "%llu\n", (unsigned long long)run->number);
		job = kernel_job_new(dir, &cmd->who, run->number);
		rc = job ? begin_job(job, run) : sfs_fail(-ENOMEM, "no memory for a job");
	}
	if (rc) { /* else both are the run's own, and perhaps gone */
		kernel_run_put(run);
		kernel_quota_give(cmd->who.uid);
	}
	kernel_job_put(job);
	return rc;
}

/* ---- clone ----------------------------------------------------------------------------------- */

static void put_number(struct sfs_buf *out, uint64_t number)
{
	sfs_put(out, "%-20llu\n", (unsigned long long)number);
}

/* What an open file would show, in length: only an open makes a job. */
int kernel_clone_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	(void)dir;
	(void)who;
	put_number(out, 0);
	return 0;
}

int kernel_clone_store(struct sfs_obj *dir, struct sfs_cmd *cmd)
{
	(void)dir;
	return sfs_fail(-EPERM, "'%.40s': a job is told in its own directory, jobs/N", cmd->text);
}

int kernel_clone_open(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_blob **text_out,
		      void **held_out)
{
	int rc = kernel_quota_take(who->uid, -EDQUOT);
	struct kernel_job *job = rc ? NULL : kernel_job_new(dir, who, kernel_number());
	struct sfs_buf *buf;

	if (rc)
		return rc;
	rc = sfs_fail(-ENOMEM, "no memory for a job");
	if (job) {
		job->is_clone = true;
		buf = sfs_buf_new();
		put_number(buf, job->number);
		*text_out = sfs_buf_finish(buf);
		rc = *text_out ? kernel_job_show(job, &clone_type) : rc;
	}
	if (!rc) {
		*held_out = job;
		return 0;
	}
	if (job)
		sfs_blob_put(*text_out);
	*text_out = NULL;
	kernel_quota_give(who->uid);
	kernel_job_put(job);
	return rc;
}

void kernel_clone_close(struct sfs_obj *dir, void *held)
{
	struct kernel_job *job = held;

	(void)dir;
	(void)kernel_job_end_run(job, true);
	kernel_job_hide(job);
	kernel_quota_give(job->who.uid);
	kernel_job_put(job);
}
