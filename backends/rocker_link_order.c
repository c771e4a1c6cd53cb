/* SPDX-License-Identifier: MIT */
/* The socket of one guard: its birth and death, and orders to it, from any thread. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rocker_link.h"

/* ---- birth and death ----------------------------------------------------------------------------------- */

static int open_empty(void)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	close(ends[1]);
	/* Room for pages is counted for each user, and this one needs none. */
	(void)fcntl(ends[0], F_SETPIPE_SZ, 1);
	return ends[0];
}

static struct rocker_link *new (struct rocker *rocker, int control, unsigned profile)
{
	struct rocker_link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	atomic_init(&link->refs, 1);
	pthread_mutex_init(&link->lock, NULL);
	TAILQ_INIT(&link->jobs);
	link->profile = profile;
	link->control = (struct source){ .kind = SOURCE_CONTROL, .fd = control, .owner = link };
	link->listener = (struct source){ .kind = SOURCE_LISTENER, .fd = -1, .owner = link };
	link->rocker = rocker_get(rocker);
	link->empty_in = open_empty();
	return link;
}

struct rocker_link *rocker_link_open(struct rocker *rocker, int control, unsigned profile)
{
	struct rocker_link *link = new (rocker, control, profile);

	if (!link) {
		close(control);
		return NULL;
	}
	if (link->empty_in < 0 || rocker_link_enlist(link)) {
		rocker_link_put(link);
		return NULL;
	}
	return link;
}

struct rocker_link *rocker_link_get(struct rocker_link *link)
{
	atomic_fetch_add(&link->refs, 1);
	return link;
}

void rocker_link_put(struct rocker_link *link)
{
	if (!link || atomic_fetch_sub(&link->refs, 1) != 1)
		return;
	close(link->control.fd); /* not before: whoever sends an order does so under no lock */
	if (link->empty_in >= 0)
		close(link->empty_in);
	rocker_put(link->rocker);
	pthread_mutex_destroy(&link->lock);
	free(link);
}

/* Under the lock. The thread sees its end, as the guard does. */
static void hang_up(struct rocker_link *link)
{
	link->broken = true;
	(void)shutdown(link->control.fd, SHUT_RDWR);
}

void rocker_link_close(struct rocker_link *link)
{
	if (!link)
		return;
	pthread_mutex_lock(&link->lock);
	link->closed = true;
	hang_up(link);
	pthread_mutex_unlock(&link->lock);
	rocker_link_put(link);
}

/* ---- its jobs ------------------------------------------------------------------------------------------ */

int rocker_link_add(struct rocker_link *link, struct rocker_job *job)
{
	unsigned max = sfs_config()->rocker_jobs_max;
	int rc = 0;

	pthread_mutex_lock(&link->lock);
	if (link->broken)
		rc = sfs_fail(-ECANCELED, "the rocker has just ended");
	else if (link->njobs >= max || link->njobs >= GUARD_JOBS_MAX)
		rc = sfs_fail(-EAGAIN,
			      "%u jobs run in this rocker, no more may ([rockers] jobs_max)",
			      link->njobs);
	if (!rc) {
		pthread_mutex_lock(&job->lock);
		job->id = ++link->last_id ?: ++link->last_id;
		job->link = rocker_link_get(link);
		pthread_mutex_unlock(&job->lock);
		rocker_job_get(job);
		TAILQ_INSERT_TAIL(&link->jobs, job, of_link);
		link->njobs++;
	}
	pthread_mutex_unlock(&link->lock);
	return rc;
}

bool rocker_link_add_kept(struct rocker_link *link, struct rocker_job *job, uint32_t id)
{
	struct rocker_job *at = NULL;
	bool fits;

	pthread_mutex_lock(&link->lock);
	TAILQ_FOREACH(at, &link->jobs, of_link)
	if (at->id == id)
		break;
	fits = id && !at && !link->broken && link->njobs < GUARD_JOBS_MAX;
	if (fits) {
		job->id = id;
		job->link = rocker_link_get(link);
		if (link->last_id < id)
			link->last_id = id;
		rocker_job_get(job);
		TAILQ_INSERT_TAIL(&link->jobs, job, of_link);
		link->njobs++;
	}
	pthread_mutex_unlock(&link->lock);
	return fits;
}

bool rocker_link_take(struct rocker_link *link, struct rocker_job *job)
{
	struct rocker_job *at;

	pthread_mutex_lock(&link->lock);
	TAILQ_FOREACH(at, &link->jobs, of_link)
	if (at == job)
		break;
	if (at)
		TAILQ_REMOVE(&link->jobs, job, of_link);
	pthread_mutex_unlock(&link->lock);
	return at;
}

void rocker_link_done(struct rocker_link *link)
{
	pthread_mutex_lock(&link->lock);
	link->njobs--;
	pthread_mutex_unlock(&link->lock);
}

unsigned rocker_link_running(struct rocker_link *link)
{
	unsigned njobs;

	if (!link)
		return 0;
	pthread_mutex_lock(&link->lock);
	njobs = link->njobs;
	pthread_mutex_unlock(&link->lock);
	return njobs;
}

bool rocker_link_alive(struct rocker_link *link)
{
	bool alive;

	if (!link)
		return false;
	pthread_mutex_lock(&link->lock);
	alive = !link->broken;
	pthread_mutex_unlock(&link->lock);
	return alive;
}

/* ---- orders -------------------------------------------------------------------------------------------- */

union fds_room {
	struct cmsghdr head;
	char bytes[CMSG_SPACE((3 + GUARD_KEPT_MAX) * sizeof(int))];
};

static void put_fds(struct msghdr *message, union fds_room *room, const int *fds, unsigned nfds)
{
	struct cmsghdr *head;

	memset(room, 0, sizeof(*room));
	message->msg_control = room->bytes;
	message->msg_controllen = CMSG_SPACE(nfds * sizeof(int));
	head = CMSG_FIRSTHDR(message);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(nfds * sizeof(int));
	memcpy(CMSG_DATA(head), fds, nfds * sizeof(int));
}

/*
 * Under no lock: the guard runs at once where there is one core, and what it says then is not to wait for this thread
 * to go on. Where the link breaks at this moment, the order comes to nothing.
 */
static int send_now(struct rocker_link *link, const struct msghdr *message)
{
	ssize_t sent;

	if (!rocker_link_alive(link))
		return -ECANCELED;
	do
		sent = sendmsg(link->control.fd, message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	/* Its guard has ended, which the thread is about to see. */
	if (sent < 0 && (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN))
		return -ECANCELED;
	return sent < 0 ? -errno : 0;
}

int rocker_link_send(struct rocker_link *link, const struct iovec *iov, unsigned niov,
		     const int *fds, unsigned nfds)
{
	struct msghdr message = { .msg_iov = (struct iovec *)iov, .msg_iovlen = niov };
	union fds_room room;

	if (nfds)
		put_fds(&message, &room, fds, nfds);
	return send_now(link, &message);
}

/* A signal that has to arrive: a guard that takes no order any more ends with all that is in its rocker. */
static int send_signal(struct rocker_link *link, uint32_t job, int signal, bool whole)
{
	struct guard_order_head head = {
		.type = GUARD_SIGNAL, .job = job, .signal = signal, .whole = whole
	};
	struct iovec iov = { &head, GUARD_HEAD_SIZE };
	const struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	int rc = send_now(link, &message);

	if (!rc || rc == -ECANCELED || signal != SIGKILL)
		return rc;
	pthread_mutex_lock(&link->lock);
	hang_up(link);
	pthread_mutex_unlock(&link->lock);
	return 0;
}

/* Its number; before the order, since its end may be told at once. */
static uint32_t note_sent(struct rocker_job *job, int signal)
{
	uint32_t id;

	pthread_mutex_lock(&job->lock);
	job->sent |= UINT64_C(1) << (signal & 63);
	id = job->id;
	pthread_mutex_unlock(&job->lock);
	return id;
}

int rocker_link_signal_job(struct rocker_link *link, struct rocker_job *job, int signal, bool whole)
{
	return send_signal(link, note_sent(job, signal), signal, whole);
}

void rocker_link_overrun(struct rocker_link *link, const char *why)
{
	struct rocker_job *job;

	pthread_mutex_lock(&link->lock);
	TAILQ_FOREACH(job, &link->jobs, of_link)
	{
		pthread_mutex_lock(&job->lock);
		if (!job->overrun[0])
			snprintf(job->overrun, sizeof(job->overrun), "%s", why);
		pthread_mutex_unlock(&job->lock);
	}
	pthread_mutex_unlock(&link->lock);
	(void)rocker_link_signal(link, SIGKILL);
}

int rocker_link_signal(struct rocker_link *link, int signal)
{
	struct rocker_job *job;

	pthread_mutex_lock(&link->lock);
	TAILQ_FOREACH(job, &link->jobs, of_link)
	(void)note_sent(job, signal);
	pthread_mutex_unlock(&link->lock);
	return send_signal(link, 0, signal, false);
}
