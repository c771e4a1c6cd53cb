/* SPDX-License-Identifier: MIT */
/*
 * What guards say, judged as if by an enemy: a size, a type, a number or a descriptor that is not as guard.h
 * has it, or comes when it may not, ends the link and with it the rocker.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rocker_link.h"

#define MESSAGES    16 /* of one round */
#define FDS_MAX     (GUARD_KEPT_MAX + 1) /* that are taken, to be closed */
#define RUNTIME_MAX (UINT64_C(1) << 62) /* no time is longer, in ns */

struct received {
	struct guard_reply reply;
	int fds[FDS_MAX];
	unsigned nfds;
};

/* ---- descriptors ----------------------------------------------------------------------------------------- */

/* close(2) of a file of whatever kind may wait for its server: not here. */
static void *close_it(void *fd)
{
	close((int)(intptr_t)fd);
	return NULL;
}

static void close_elsewhere(int fd)
{
	pthread_t thread;

	if (!pthread_create(&thread, NULL, close_it, (void *)(intptr_t)fd))
		pthread_detach(thread);
	else
		close(fd);
}

bool rocker_link_is_pidfd(int fd)
{
	return !syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) || errno != EBADF;
}

pid_t rocker_link_pid(int pidfd)
{
	char path[48], text[512];
	const char *at;
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (got < 0)
		return -1;
	text[got] = 0;
	at = strstr(text, "\nPid:");
	return at ? (pid_t)strtol(at + 5, NULL, 10) : -1;
}

/* ---- one message ----------------------------------------------------------------------------------------- */

static void take_fds(struct msghdr *message, struct received *out)
{
	for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head;
	     head = CMSG_NXTHDR(message, head)) {
		size_t bytes = head->cmsg_len - CMSG_LEN(0);

		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < bytes / sizeof(int) && out->nfds < FDS_MAX; i++)
			memcpy(&out->fds[out->nfds++], CMSG_DATA(head) + i * sizeof(int),
			       sizeof(int));
	}
}

/* 1: a message; 0: none now; -1: the end, or nonsense. */
static int receive(int fd, struct received *out)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} room;
	struct iovec iov = { &out->reply, sizeof(out->reply) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = room.bytes,
				  .msg_controllen = sizeof(room.bytes) };
	ssize_t got = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	out->nfds = 0;
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	take_fds(&message, out);
	if (got != sizeof(out->reply) || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return -1;
	return 1;
}

/* Counted; NULL: there is no such job. */
static struct rocker_job *find(struct rocker_link *link, uint32_t id)
{
	struct rocker_job *job;

	pthread_mutex_lock(&link->lock);
	TAILQ_FOREACH(job, &link->jobs, of_link)
	if (job->id == id)
		break;
	if (job)
		rocker_job_get(job);
	pthread_mutex_unlock(&link->lock);
	return job;
}

/* ---- it began, or could not ------------------------------------------------------------------------------ */

static int start_errno(int err)
{
	switch (err) {
	case -ENOENT:
	case -ENOEXEC:
	case -EACCES:
	case -EPERM:
	case -E2BIG:
	case -ENOMEM:
	case -EAGAIN:
	case -EINVAL:
		return err;
	case -ENOTDIR:
	case -ELOOP:
	case -ENAMETOOLONG:
		return -ENOENT;
	case -EISDIR:
		return -EACCES;
	case -ETXTBSY:
		return -EBUSY;
	case -ELIBBAD:
		return -ENOEXEC;
	default:
		return -EIO;
	}
}

static bool not_started(struct rocker_link *link, struct rocker_job *job, int err)
{
	int rc = start_errno(err);

	if (err < -4095 || !rocker_link_take(link, job))
		return false;
	sfs_fail(rc, "'%.200s' cannot be started: %s", job->words, strerror(-err));
	rocker_job_end(job, NULL, rc);
	rocker_link_drop(job);
	return true;
}

static bool watch_outputs(struct rocker_job *job)
{
	for (unsigned i = 0; i < OUTPUTS; i++)
		if (job->out[i].fd >= 0 && rocker_link_watch(&job->out[i], EPOLLIN))
			return false;
	return true;
}

/* start: it is shown, and its writer is told its number. */
static void tell_started(struct rocker_link *link, struct rocker_job *job)
{
	char text[24];
	int rc = rocker_jobs_show(link->rocker->jobs, job);

	snprintf(text, sizeof(text), "%llu\n", (unsigned long long)job->number);
	if (rc)
		(void)rocker_link_signal_job(link, job, SIGKILL, true);
	(void)rocker_job_answer(job, rc, rc ? NULL : sfs_blob_new(text, strlen(text)));
}

static bool started(struct rocker_link *link, struct rocker_job *job, int *pidfd)
{
	uint64_t limit_ns;
	bool was, watched;

	pthread_mutex_lock(&job->lock);
	was = job->state == JOB_STARTING;
	if (was) {
		job->state = JOB_RUNNING;
		job->pidfd = *pidfd;
		*pidfd = -1;
		if (job->starts)
			job->pid = rocker_link_pid(job->pidfd);
	}
	watched = was && watch_outputs(job);
	limit_ns = job->limit_ns;
	pthread_mutex_unlock(&job->lock);
	if (!was)
		return false;
	if (!watched) /* nobody would read what it writes */
		(void)rocker_link_signal_job(link, job, SIGKILL, true);
	rocker_link_wake_at(limit_ns);
	rocker_count(link->rocker, ROCKER_STARTS, 1);
	rocker_jobs_changed(link->rocker);
	if (job->starts)
		tell_started(link, job);
	return true;
}

static bool handle_started(struct rocker_link *link, struct received *message)
{
	struct rocker_job *job = find(link, message->reply.job);
	int err = message->reply.err;
	bool ok = false;

	if (job && err < 0 && !message->nfds)
		ok = not_started(link, job, err);
	else if (job && !err && message->nfds == 1 && rocker_link_is_pidfd(message->fds[0]))
		ok = started(link, job, &message->fds[0]);
	rocker_job_put(job);
	return ok;
}

/* ---- it ended -------------------------------------------------------------------------------------------- */

/* What the control group has counted since this was last asked. */
static uint64_t new_oom_kills(struct rocker_link *link)
{
	struct rocker *rocker = link->rocker;
	struct rocker_usage usage = { 0 };
	uint64_t fresh = 0;

	pthread_mutex_lock(&rocker->lock);
	if (rocker->link == link && rocker->launch &&
	    !launch_rocker_usage(rocker->launch, &usage) && usage.oom_kills > link->oom_kills) {
		fresh = usage.oom_kills - link->oom_kills;
		link->oom_kills = usage.oom_kills;
	}
	pthread_mutex_unlock(&rocker->lock);
	if (fresh)
		rocker_count(rocker, ROCKER_OOM_KILLS, fresh);
	return fresh;
}

static bool is_sane(const struct guard_reply *reply)
{
	if (reply->user_ns > RUNTIME_MAX || reply->system_ns > RUNTIME_MAX)
		return false;
	if (reply->code == CLD_EXITED)
		return reply->status >= 0 && reply->status <= 255;
	return (reply->code == CLD_KILLED || reply->code == CLD_DUMPED) && reply->status >= 1 &&
	       reply->status <= 64;
}

/* Under the job's lock. */
static enum job_status status_of(const struct rocker_job *job, const struct job_end *end)
{
	bool was_sent = job->sent >> (end->signal & 63) & 1;

	if (job->overrun[0] && end->signal == SIGKILL)
		return JOB_KILLED;
	if (job->timed_out)
		return JOB_TIMEOUT;
	if (job->refused_fatally || end->signal == SIGSYS)
		return JOB_SYSCALL;
	if (!end->signal)
		return end->exit_code ? JOB_EXIT : JOB_OK;
	if (was_sent)
		return JOB_KILLED;
	if (end->signal == SIGKILL && end->oom_kills)
		return JOB_OOM;
	return JOB_SIGNAL;
}

/* Under the job's lock. */
static void say_why(const struct rocker_job *job, struct job_end *end)
{
	char name[24] = "";

	if (end->signal)
		(void)rocker_signal_name(end->signal, name, sizeof(name));
	switch (end->status) {
	case JOB_OK:
		snprintf(end->message, sizeof(end->message), "it ended by itself");
		break;
	case JOB_EXIT:
		snprintf(end->message, sizeof(end->message), "it ended with exit status %d",
			 end->exit_code);
		break;
	case JOB_SIGNAL:
		snprintf(end->message, sizeof(end->message), "%s ended it", name);
		break;
	case JOB_SYSCALL:
		snprintf(end->message, sizeof(end->message), "it called %s, which is refused here",
			 job->syscall[0] ? job->syscall : "the system");
		break;
	case JOB_TIMEOUT:
		snprintf(end->message, sizeof(end->message),
			 "it ran longer than %u ms and was killed", job->limit_ms);
		break;
	case JOB_OOM:
		snprintf(end->message, sizeof(end->message),
			 "the rocker's memory was full, and the kernel killed it");
		break;
	case JOB_KILLED:
		if (job->overrun[0])
			memcpy(end->message, job->overrun, sizeof(end->message));
		else
			snprintf(end->message, sizeof(end->message), "it was sent %s", name);
		break;
	}
}

/* What the command that waits is told. */
static int answer_of(const struct rocker_job *job, const struct job_end *end)
{
	if (end->status == JOB_TIMEOUT)
		return sfs_fail(-ETIMEDOUT, "the job ran longer than %u ms and was killed",
				job->limit_ms);
	if (end->status == JOB_KILLED)
		return sfs_fail(-ECANCELED, "the job was ended: %s", end->message);
	return 0;
}

static void ended(struct rocker_link *link, struct rocker_job *job, const struct guard_reply *reply)
{
	struct job_end end = { .exit_code = reply->code == CLD_EXITED ? reply->status : -1,
			       .signal = reply->code == CLD_EXITED ? 0 : reply->status,
			       .user_ns = reply->user_ns,
			       .system_ns = reply->system_ns,
			       .memory_peak_bytes = reply->max_rss_bytes,
			       .voluntary_switches = reply->voluntary_switches,
			       .forced_switches = reply->forced_switches };

	rocker_link_drain(job);
	if (end.exit_code)
		end.oom_kills = new_oom_kills(link);
	pthread_mutex_lock(&job->lock);
	end.wall_ns = sfs_now_ns() - job->begun_ns;
	end.status = status_of(job, &end);
	say_why(job, &end);
	pthread_mutex_unlock(&job->lock);
	rocker_job_end(job, &end, answer_of(job, &end));
}

/* Has it, as far as the guard has told? What is over at once is told of by its end alone. */
static bool has_started(struct rocker_link *link, struct rocker_job *job)
{
	bool running, quiet;

	pthread_mutex_lock(&job->lock);
	running = job->state == JOB_RUNNING;
	quiet = job->state == JOB_STARTING && job->is_quiet;
	pthread_mutex_unlock(&job->lock);
	if (quiet) /* watchers hear of its end */
		rocker_count_quietly(link->rocker, ROCKER_STARTS);
	job->ends_quietly = quiet;
	return running || quiet;
}

static bool handle_exited(struct rocker_link *link, struct received *message)
{
	struct rocker_job *job = find(link, message->reply.job);
	bool ok = job && !message->nfds && is_sane(&message->reply) && has_started(link, job) &&
		  rocker_link_take(link, job);

	if (ok) {
		ended(link, job, &message->reply);
		rocker_link_drop(job);
	}
	rocker_job_put(job);
	return ok;
}

void rocker_link_lost(struct rocker_link *link, struct rocker_job *job)
{
	struct job_end end = { .exit_code = -1, .status = JOB_KILLED };
	bool had_begun, quiet;

	rocker_link_drain(job);
	pthread_mutex_lock(&job->lock);
	end.wall_ns = sfs_now_ns() - job->begun_ns;
	quiet = job->state == JOB_STARTING && job->is_quiet;
	had_begun = job->state == JOB_RUNNING || quiet; /* as far as can be known */
	if (job->timed_out)
		end.status = JOB_TIMEOUT;
	snprintf(end.message, sizeof(end.message), "its rocker ended, and the job with it");
	pthread_mutex_unlock(&job->lock);
	if (quiet)
		rocker_count_quietly(link->rocker, ROCKER_STARTS);
	rocker_job_end(job, had_begun ? &end : NULL, answer_of(job, &end));
}

/* ---- all of them ------------------------------------------------------------------------------------------ */

static bool handle_listener(struct rocker_link *link, struct received *message)
{
	if (link->has_listener || link->is_ready || message->nfds != 1 ||
	    !rocker_link_is_listener(message->fds[0]))
		return false;
	link->has_listener = true;
	link->listener.fd = message->fds[0];
	message->fds[0] = -1;
	return !rocker_link_watch(&link->listener, EPOLLIN);
}

static bool handle_ready(struct rocker_link *link, struct received *message)
{
	bool first = !link->is_ready;

	link->is_ready = true;
	return first && !message->nfds;
}

/* The launcher sees to it that it is a process of this rocker. */
static bool handle_apart(struct rocker_link *link, const struct received *message)
{
	struct rocker *rocker = link->rocker;
	int signal = message->reply.status;

	if (message->nfds != 1 || !rocker_link_is_pidfd(message->fds[0]) || signal < 1 ||
	    signal > GUARD_SIGNALS)
		return false;
	pthread_mutex_lock(&rocker->lock);
	if (rocker->link == link && rocker->launch)
		launch_rocker_signal(rocker->launch, signal, message->fds[0]);
	pthread_mutex_unlock(&rocker->lock);
	return true;
}

static bool handle(struct rocker_link *link, struct received *message)
{
	switch (message->reply.type) {
	case GUARD_LISTENER:
		return handle_listener(link, message);
	case GUARD_READY:
		return handle_ready(link, message);
	case GUARD_STARTED:
		return link->is_ready && handle_started(link, message);
	case GUARD_KEPT:
		return link->is_ready && rocker_link_kept(link, &message->reply, message->fds,
							  message->nfds);
	case GUARD_EXITED:
		return link->is_ready && handle_exited(link, message);
	case GUARD_APART:
		return link->is_ready && handle_apart(link, message);
	default:
		return false;
	}
}

bool rocker_link_receive(struct rocker_link *link)
{
	struct received message;
	int rc = 1;

	/* No more where nothing is expected any more, for somebody waits to go on; the socket is watched. */
	for (unsigned i = 0; i < MESSAGES && rc > 0 && (!i || rocker_link_running(link)); i++) {
		rc = receive(link->control.fd, &message);
		if (rc > 0 && !handle(link, &message))
			rc = -1;
		for (unsigned n = 0; n < message.nfds; n++)
			if (message.fds[n] >= 0)
				close_elsewhere(message.fds[n]);
	}
	return rc >= 0;
}
