/* SPDX-License-Identifier: MIT */
/* Commands that make jobs: from a line that was written to the order that the guard gets. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "rocker_link.h"
#include "rocker_pipe.h"
#include "rocker_spec.h"
#include "seccomp_profile.h"

#define GIVE_UP_NS                                                                                 \
	(30 * UINT64_C(1000000)) /* what a job may take to die when its command gave up */
#define BUILDING_MS 30000        /* for the rocker, before the job's own time begins */

/* ---- descriptors ------------------------------------------------------------------------------------- */

/* What becomes 0, 1 and 2 of the job: its ends of pipes, whose others are ours. */
struct job_fds {
	int fds[3];
	int made[3]; /* of those, what is to be closed here */
	unsigned nmade;
};

static int make_pipe(struct job_fds *fds, struct source *ours, unsigned which)
{
	int ends[2], mine = which == 0 ? 1 : 0;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	fds->fds[which] = fds->made[fds->nmade++] = ends[!mine];
	ours->fd = ends[mine];
	return fcntl(ours->fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int take_pipe(struct job_fds *fds, struct source *ours)
{
	int ends[2], rc = rocker_pipe_take(ends);

	if (rc)
		return rc;
	fds->fds[1] = fds->made[fds->nmade++] = ends[1];
	ours->fd = ends[0];
	return 0;
}

/* Of a run both outputs are one pipe, so that they come in the order in which they were written. */
static int make_pipes(struct rocker_job *job, const struct rocker_link *link, struct job_fds *fds)
{
	int rc = 0;

	fds->fds[0] = link->empty_in;
	if (job->starts)
		rc = make_pipe(fds, &job->in, 0);
	rc = rc ?: take_pipe(fds, &job->out[OUTPUT_OUT]);
	fds->fds[2] = fds->fds[1];
	if (!rc && job->starts)
		rc = make_pipe(fds, &job->out[OUTPUT_ERR], 2);
	return rc ? sfs_fail(rc, "no pipe for the job: %s", strerror(-rc)) : 0;
}

/* ---- the order --------------------------------------------------------------------------------------- */

struct parcel {
	struct guard_order_head head;
	struct iovec iov[4];
};

static void fill_head(struct guard_order_head *head, const struct rocker_job *job,
		      const struct rocker_spec *spec)
{
	/* Where that is limited it is looked at until no process is left. */
	uint64_t disk_bytes = rocker_spec_disk_bytes(spec);

	*head = (struct guard_order_head){ .type = GUARD_START,
					   .job = job->id,
					   .whole = job->is_quiet,
					   .argc = job->argc,
					   .spare = job->is_quiet && disk_bytes == PLAN_NO_LIMIT };
	if (disk_bytes != PLAN_NO_LIMIT)
		head->limits[0] = (struct guard_limit){ .resource = RLIMIT_FSIZE,
							.used = 1,
							.value = disk_bytes };
}

static int pack(const struct rocker_job *job, const struct rocker_spec *spec, struct parcel *parcel)
{
	const char *env = "", *cwd = rocker_spec_cwd(spec), *end;
	unsigned count = rocker_spec_env(spec, &env);
	size_t size;

	fill_head(&parcel->head, job, spec);
	parcel->head.envc = count;
	for (end = env; count; count--)
		end += strlen(end) + 1;
	parcel->iov[0] = (struct iovec){ &parcel->head, GUARD_HEAD_SIZE };
	parcel->iov[1] = (struct iovec){ (void *)job->words, job->words_size };
	parcel->iov[2] = (struct iovec){ (void *)env, (size_t)(end - env) };
	parcel->iov[3] = (struct iovec){ (void *)cwd, strlen(cwd) + 1 };
	size = job->words_size + parcel->iov[2].iov_len + parcel->iov[3].iov_len;
	if (size > GUARD_TEXT_MAX || parcel->head.envc > GUARD_WORDS_MAX - job->argc)
		return sfs_fail(-E2BIG,
				"a job and its environment have at most %d words and %d bytes",
				GUARD_WORDS_MAX, GUARD_TEXT_MAX);
	parcel->head.text_used = (uint32_t)size;
	return 0;
}

/* ---- sent off ---------------------------------------------------------------------------------------- */

static int hand_over(struct rocker_job *job, struct rocker_link *link,
		     const struct rocker_spec *spec, struct parcel *parcel,
		     const struct job_fds *fds)
{
	int all[3 + GUARD_KEPT_MAX], kept = 0, rc;

	memcpy(all, fds->fds, sizeof(fds->fds));
	if (rocker_spec_persists(spec))
		kept = rocker_job_keep(job, all + 3);
	if (kept < 0)
		return kept;
	parcel->head.kept = (uint32_t)kept;
	rc = rocker_link_send(link, parcel->iov, 4, all, 3 + (unsigned)kept);
	if (kept)
		close(all[3]);
	return rc;
}

/* 0: it runs, or somebody else has ended it; else it is ours to end. */
static int send_off(struct rocker_job *job, struct rocker_link *link,
		    const struct rocker_spec *spec, const struct job_fds *fds)
{
	struct parcel parcel;
	int rc;

	pthread_mutex_lock(&job->lock);
	job->begun_ns = sfs_now_ns();
	job->limit_ns = job->begun_ns + job->limit_ms * UINT64_C(1000000);
	/* Whose a call is that kills has to be known from the beginning. */
	job->is_quiet = !job->starts && !seccomp_profile_kills(link->profile);
	pthread_mutex_unlock(&job->lock);
	rc = rocker_link_add(link, job);
	if (rc)
		return rc;
	rc = pack(job, spec, &parcel);
	if (!rc) {
		rc = hand_over(job, link, spec, &parcel, fds);
		if (rc == -EAGAIN)
			sfs_fail(rc, "the rocker does not take orders as fast as they come");
		else if (rc)
			sfs_fail(rc = -ECANCELED, "the rocker has just ended");
	}
	if (!rc || !rocker_link_take(link, job))
		return 0;
	rocker_job_put(job);
	return rc;
}

/* Under no lock; the link and the specification are the rocker's of now. */
static int begin_in(struct rocker_job *job, struct rocker_link *link,
		    const struct rocker_spec *spec)
{
	struct job_fds fds = { .nmade = 0 };
	int rc = make_pipes(job, link, &fds) ?: send_off(job, link, spec, &fds);

	while (fds.nmade)
		close(fds.made[--fds.nmade]);
	return rc;
}

static int begin(struct rocker_job *job)
{
	struct rocker *rocker = job->rocker; /* nobody ends the job before it is sent off */
	struct rocker_link *link = NULL;
	struct rocker_spec *spec = NULL;
	int rc;

	pthread_mutex_lock(&rocker->lock);
	if (rocker->link && rocker->built) {
		link = rocker_link_get(rocker->link);
		spec = rocker_spec_get(rocker->spec);
	}
	pthread_mutex_unlock(&rocker->lock);
	rc = link ? begin_in(job, link, spec) : sfs_fail(-ECANCELED, "the rocker has just ended");
	rocker_spec_put(spec);
	rocker_link_put(link);
	return rc;
}

/* The command gave up: from a thread of the core, or right when it is asked. */
static void cancel(void *arg)
{
	struct rocker_job *job = arg;
	struct rocker_link *link;

	pthread_mutex_lock(&job->lock);
	job->cancelled = true;
	link = job->link ? rocker_link_get(job->link) : NULL;
	job->answer_ns = sfs_now_ns() + (link ? GIVE_UP_NS : 0);
	pthread_mutex_unlock(&job->lock);
	if (link)
		(void)rocker_link_signal_job(link, job, SIGKILL, true);
	rocker_link_kick(job);
	rocker_link_put(link);
}

/* acquired: the rocker is ours from here on. */
static bool gave_up(struct rocker_job *job, bool acquired)
{
	bool cancelled;

	pthread_mutex_lock(&job->lock);
	if (acquired)
		job->acquired = true;
	cancelled = job->cancelled;
	pthread_mutex_unlock(&job->lock);
	return cancelled;
}

void rocker_job_begin(void *arg, int rc, const char *sentence)
{
	struct rocker_job *job = arg;

	if (rc)
		sfs_fail(rc, "%s", sentence ?: "");
	else if (gave_up(job, true))
		rc = sfs_fail(-EINTR, "the caller gave up before the rocker was ready");
	else
		rc = begin(job);
	if (rc)
		rocker_job_end(job, NULL, rc);
	else if (gave_up(job, false))
		cancel(job); /* again: its order came to nothing, for the guard knew of no job */
	rocker_job_put(job);
}

/* ---- the rows ---------------------------------------------------------------------------------------- */

static int store(struct sfs_obj *dir, struct sfs_cmd *cmd, bool starts)
{
	struct rocker *rocker = sfs_priv(dir);
	struct rocker_job *job;
	int rc = rocker_job_new(rocker, cmd, starts, &job);

	if (rc)
		return rc;
	pthread_mutex_lock(&rocker->lock);
	job->limit_ms = rocker_spec_time_ms(rocker->spec) ?: sfs_config()->rocker_time_ms;
	pthread_mutex_unlock(&rocker->lock);
	sfs_req_on_cancel(cmd->req, cancel, job, (starts ? 0 : job->limit_ms) + BUILDING_MS);
	rocker_acquire(rocker, rocker_job_begin, job);
	return SFS_LATER;
}

int rocker_run_store(struct sfs_obj *dir, struct sfs_cmd *cmd)
{
	return store(dir, cmd, false);
}

int rocker_start_store(struct sfs_obj *dir, struct sfs_cmd *cmd)
{
	return store(dir, cmd, true);
}
