/* SPDX-License-Identifier: MIT */
/* What jobs write: read by the thread of links, which tells watchers of it now and then. */
#include "rocker_link.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES 65536 /* of one read from a pipe: as much as it holds */
#define DRAIN_MAX  16    /* reads of a pipe when its job has ended: others may still write to it */
#define BATCH_NS   (10 * UINT64_C(1000000)) /* between two changes that watchers hear of */

TAILQ_HEAD(changed_list, rocker_job);

/* Of the thread. */
static struct {
	uint64_t told_ns;            /* when watchers were told */
	struct changed_list changed; /* counted: jobs whose watchers are to be told */
	char data[READ_BYTES];
} all = { .changed = TAILQ_HEAD_INITIALIZER(all.changed) };

static bool read_once(struct rocker_job *job, enum output_which which, bool closes)
{
	struct source *source = &job->out[which];
	ssize_t got = -1;

	pthread_mutex_lock(&job->lock);
	if (source->fd >= 0)
		got = read(source->fd, all.data, sizeof(all.data));
	if (got > 0) {
		output_add(&job->output, which, all.data, (size_t)got);
		job->changed[which] = true;
	} else if (closes && source->fd >= 0 && (!got || (errno != EAGAIN && errno != EINTR))) {
		rocker_job_close(source);
	}
	pthread_mutex_unlock(&job->lock);
	if (got > 0 && job->starts && !job->is_changed) {
		job->is_changed = true;
		rocker_job_get(job);
		TAILQ_INSERT_TAIL(&all.changed, job, in_changed);
	}
	return got > 0;
}

bool rocker_link_read(struct rocker_job *job, enum output_which which)
{
	return read_once(job, which, true);
}

void rocker_link_drain(struct rocker_job *job)
{
	for (unsigned i = 0; i < OUTPUTS; i++)
		for (unsigned n = 0; n < DRAIN_MAX && read_once(job, i, false); n++)
			;
}

static void tell_changed(struct rocker_job *job)
{
	static const char *const rows[OUTPUTS] = {
		[OUTPUT_OUT] = "stdout", [OUTPUT_ERR] = "stderr"
	};
	bool changed[OUTPUTS];

	pthread_mutex_lock(&job->lock);
	memcpy(changed, job->changed, sizeof(changed));
	memset(job->changed, 0, sizeof(job->changed));
	pthread_mutex_unlock(&job->lock);
	for (unsigned i = 0; i < OUTPUTS; i++)
		if (changed[i])
			rocker_job_changed(job, rows[i]);
}

void rocker_link_tell(uint64_t now)
{
	struct rocker_job *job;

	if (TAILQ_EMPTY(&all.changed) || now < all.told_ns + BATCH_NS)
		return;
	all.told_ns = now == UINT64_MAX ? 0 : now;
	while ((job = TAILQ_FIRST(&all.changed))) {
		TAILQ_REMOVE(&all.changed, job, in_changed);
		job->is_changed = false;
		tell_changed(job);
		rocker_job_put(job);
	}
}

uint64_t rocker_link_tell_ns(void)
{
	return TAILQ_EMPTY(&all.changed) ? UINT64_MAX : all.told_ns + BATCH_NS;
}
