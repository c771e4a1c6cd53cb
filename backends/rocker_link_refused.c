/* SPDX-License-Identifier: MIT */
/*
 * System calls that the profile of a rocker refuses: each comes as a notification, is counted, is remembered for the
 * job whose process it is, and is answered with the errno that the profile has for it. Under a profile that
 * kills it is not answered, and the job ends while it waits. See seccomp_unotify(2).
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "rocker_link.h"
#include "seccomp_profile.h"

#define CALLS     8    /* of one round */
#define STEPS_MAX 32   /* from a process to its parents */
#define ROOM      1024 /* of a notification in kernels to come */

bool rocker_link_is_listener(int fd)
{
	char path[48], name[64];
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	got = readlink(path, name, sizeof(name) - 1);
	name[got < 0 ? 0 : got] = 0;
	return !strcmp(name, "anon_inode:seccomp notify");
}

/* ---- whose process --------------------------------------------------------------------------------------- */

/* Counted. */
static struct rocker_job *job_of_leader(struct rocker_link *link, pid_t pid)
{
	struct rocker_job *job;
	bool found = false;

	pthread_mutex_lock(&link->lock);
	TAILQ_FOREACH(job, &link->jobs, of_link)
	{
		pthread_mutex_lock(&job->lock);
		if (!job->pid && job->pidfd >= 0)
			job->pid = rocker_link_pid(job->pidfd);
		found = job->pid == pid;
		pthread_mutex_unlock(&job->lock);
		if (found) {
			rocker_job_get(job);
			break;
		}
	}
	pthread_mutex_unlock(&link->lock);
	return job;
}

static bool parent_and_session(pid_t pid, pid_t *parent_out, pid_t *session_out)
{
	char path[48], text[1024];
	const char *at;
	FILE *file;
	int group;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	text[file ? fread(text, 1, sizeof(text) - 1, file) : 0] = 0;
	if (file)
		fclose(file);
	at = strrchr(text, ')'); /* the name before it holds anything */
	return at && sscanf(at, ") %*c %d %d %d", parent_out, &group, session_out) == 3;
}

static struct rocker_job *only_job(struct rocker_link *link)
{
	struct rocker_job *job;

	pthread_mutex_lock(&link->lock);
	job = TAILQ_FIRST(&link->jobs);
	if (job && TAILQ_NEXT(job, of_link))
		job = NULL;
	if (job)
		rocker_job_get(job);
	pthread_mutex_unlock(&link->lock);
	return job;
}

/*
 * Its session's leader is a job's first process, or that of one of its parents; what has left both belongs to
 * the only job there is. Counted; NULL: not known.
 */
static struct rocker_job *job_of(struct rocker_link *link, pid_t pid)
{
	struct rocker_job *job = pid > 1 ? job_of_leader(link, pid) : NULL;
	pid_t parent, session;

	for (unsigned i = 0; !job && i < STEPS_MAX && pid > 1; i++) {
		if (!parent_and_session(pid, &parent, &session))
			break;
		job = job_of_leader(link, session);
		pid = parent;
		if (!job && pid > 1)
			job = job_of_leader(link, pid);
	}
	return job ?: only_job(link);
}

/* ---- the call -------------------------------------------------------------------------------------------- */

static void remember(struct rocker_job *job, const struct seccomp_data *data, bool fatal)
{
	char text[32];
	const char *name = launch_syscall_name(data->arch, data->nr, text, sizeof(text));

	pthread_mutex_lock(&job->lock);
	if (!job->syscall[0] || (fatal && !job->refused_fatally))
		snprintf(job->syscall, sizeof(job->syscall), "%s", name);
	job->refused_fatally |= fatal;
	pthread_mutex_unlock(&job->lock);
}

static void answer(struct rocker_link *link, const struct seccomp_notif *call)
{
	union {
		struct seccomp_notif_resp resp;
		char room[ROOM];
	} reply = { { .id = call->id,
		      .error = -seccomp_profile_errno(link->profile, call->data.nr) } };

	/* What fails is a process that has ended meanwhile. */
	(void)ioctl(link->listener.fd, SECCOMP_IOCTL_NOTIF_SEND, &reply);
}

static void judge(struct rocker_link *link, const struct seccomp_notif *call)
{
	bool fatal = seccomp_profile_kills(link->profile);
	struct rocker_job *job = job_of(link, (pid_t)call->pid);

	if (job)
		remember(job, &call->data, fatal);
	if (!job || !fatal || rocker_link_signal_job(link, job, SIGKILL, true))
		answer(link, call);
	rocker_job_put(job);
}

bool rocker_link_refused(struct rocker_link *link)
{
	union {
		struct seccomp_notif call;
		char room[ROOM];
	} in;
	struct pollfd ready = { .fd = link->listener.fd, .events = POLLIN };
	unsigned count = 0;

	/* Where none is ready, to receive one would wait. */
	while (count < CALLS && poll(&ready, 1, 0) == 1 && (ready.revents & POLLIN)) {
		memset(&in, 0, sizeof(in));
		if (ioctl(link->listener.fd, SECCOMP_IOCTL_NOTIF_RECV, &in)) {
			if (errno == ENOENT || errno == EINTR)
				continue;
			break;
		}
		judge(link, &in.call);
		count++;
	}
	if (count)
		rocker_count(link->rocker, ROCKER_REFUSED_SYSCALLS, count);
	return !(ready.revents & (POLLHUP | POLLERR | POLLNVAL));
}
