/* SPDX-License-Identifier: MIT */
/*
 * Jobs that outlive the daemon: what a guard holds of each for the next one, and how it becomes a job again there.
 *
 * It holds a record, a sealed memfd with what a daemon knew of the job, and our ends of the pipes to which the job
 * writes: so no write of its fails while there is no daemon, it waits when a pipe is full, and nothing of what
 * is in one is lost. What an earlier daemon had read already is gone with it, and standard input has ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rocker_link.h"

#define SEALS        (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define TIME_MAX     (UINT64_C(1) << 62) /* no time is later, in ns */
#define KEPT_MIN     2                   /* the record, and one pipe */
#define RECORD_FIRST 0

struct record {
	uint64_t number, begun_ns, limit_ns;
	uint32_t limit_ms, argc;
	struct sfs_cred who;
	uint64_t words_size;
};

/* ---- written ----------------------------------------------------------------------------------- */

static int write_record(int fd, const struct rocker_job *job)
{
	const struct record record = { .number = job->number,
				       .begun_ns = job->begun_ns,
				       .limit_ns = job->limit_ns,
				       .limit_ms = job->limit_ms,
				       .argc = job->argc,
				       .who = job->who,
				       .words_size = job->words_size };
	const struct iovec parts[2] = { { (void *)&record, sizeof(record) },
					{ (void *)job->words, job->words_size } };

	if (writev(fd, parts, 2) != (ssize_t)(sizeof(record) + job->words_size))
		return -EIO;
	return fcntl(fd, F_ADD_SEALS, SEALS) < 0 ? -errno : 0;
}

static int make_record(const struct rocker_job *job)
{
	int fd = memfd_create("job", MFD_CLOEXEC | MFD_ALLOW_SEALING), rc;

	if (fd < 0)
		return -errno;
	rc = write_record(fd, job);
	if (rc)
		close(fd);
	return rc ?: fd;
}

int rocker_job_keep(struct rocker_job *job, int fds[GUARD_KEPT_MAX])
{
	int record = make_record(job), n = 0;

	if (record < 0)
		return sfs_fail(record, "no room for the record of a job that persists");
	fds[n++] = record;
	for (unsigned i = 0; i < OUTPUTS; i++) {
		if (job->out[i].fd < 0)
			continue;
		fds[n++] = job->out[i].fd;
		job->out[i].shared = true;
	}
	return n;
}

/* ---- read back --------------------------------------------------------------------------------- */

static bool is_whole(const struct record *record, size_t size)
{
	return record->number && record->argc && record->argc <= GUARD_WORDS_MAX &&
	       record->begun_ns < TIME_MAX && record->limit_ns < TIME_MAX &&
	       record->words_size && record->words_size <= GUARD_TEXT_MAX &&
	       size == sizeof(*record) + record->words_size;
}

static bool words_are_whole(const struct rocker_job *job)
{
	unsigned count = 0;

	for (size_t i = 0; i < job->words_size; i++)
		count += !job->words[i];
	return count == job->argc && !job->words[job->words_size - 1] && job->words[0];
}

/* Sealed, so that it stays as it was judged. */
static struct rocker_job *read_record(int fd, struct rocker *rocker)
{
	struct rocker_job *job = NULL;
	struct record record;
	struct stat status;

	if (fcntl(fd, F_GET_SEALS) != SEALS || fstat(fd, &status) ||
	    pread(fd, &record, sizeof(record), 0) != sizeof(record) ||
	    !is_whole(&record, (size_t)status.st_size))
		return NULL;
	job = rocker_job_make(rocker, &record.who, record.words_size);
	if (!job)
		return NULL;
	job->number = record.number;
	job->begun_ns = record.begun_ns;
	job->limit_ns = record.limit_ns;
	job->limit_ms = record.limit_ms;
	job->argc = record.argc;
	job->words_size = record.words_size;
	job->starts = true; /* nobody waits for it, whatever began it */
	job->state = JOB_RUNNING;
	if (pread(fd, job->words, job->words_size, sizeof(record)) == (ssize_t)job->words_size &&
	    words_are_whole(job))
		return job;
	rocker_job_put(job);
	return NULL;
}

/* One from which a read never waits. */
static bool is_our_pipe(int fd)
{
	struct stat status;
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & O_NONBLOCK) && (flags & O_ACCMODE) == O_RDONLY &&
	       !fstat(fd, &status) && S_ISFIFO(status.st_mode);
}

static bool take_pipes(struct rocker_job *job, int *fds, unsigned kept)
{
	for (unsigned i = 0; i < kept - 1; i++) {
		if (!is_our_pipe(fds[i + 1]))
			return false;
		job->out[i].fd = fds[i + 1];
		job->out[i].shared = true;
		fds[i + 1] = -1;
	}
	return true;
}

/* The rocker is its until it ends, as if it had asked for it. */
static void hold_rocker(struct rocker_job *job, struct rocker *rocker)
{
	pthread_mutex_lock(&rocker->lock);
	rocker->uses++;
	pthread_mutex_unlock(&rocker->lock);
	job->acquired = true;
}

static bool go_on(struct rocker_link *link, struct rocker_job *job)
{
	for (unsigned i = 0; i < OUTPUTS; i++)
		if (job->out[i].fd >= 0 && rocker_link_watch(&job->out[i], EPOLLIN))
			return false;
	rocker_link_wake_at(job->limit_ns);
	rocker_jobs_changed(link->rocker);
	return !rocker_jobs_show(link->rocker->jobs, job);
}

bool rocker_link_kept(struct rocker_link *link, const struct guard_reply *reply, int *fds,
		      unsigned nfds)
{
	bool runs = nfds == reply->kept + 1;
	struct rocker_job *job;

	if (reply->kept < KEPT_MIN || reply->kept > GUARD_KEPT_MAX ||
	    (!runs && nfds != reply->kept) || (runs && !rocker_link_is_pidfd(fds[reply->kept])))
		return false;
	job = read_record(fds[RECORD_FIRST], link->rocker);
	if (!job)
		return false;
	if (runs) {
		job->pidfd = fds[reply->kept];
		fds[reply->kept] = -1;
		job->pid = rocker_link_pid(job->pidfd);
	}
	hold_rocker(job, link->rocker);
	if (!take_pipes(job, fds, reply->kept) || !rocker_link_add_kept(link, job, reply->job)) {
		rocker_job_end(job, NULL, -EIO);
		rocker_job_put(job);
		return false;
	}
	if (!go_on(link, job))
		(void)rocker_link_signal_job(link, job, SIGKILL, true);
	rocker_job_put(job);
	return true;
}
