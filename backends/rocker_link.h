/* SPDX-License-Identifier: MIT */
/*
 * Inside of rocker_link*.c and rocker_job*.c: the socket of one guard, and the one thread that waits for all of
 * them, for what jobs write, and for refused system calls.
 *
 * A link is counted: by its rocker, by each job in it, and by the thread until that has let go of it. The thread alone
 * takes descriptors out of its list and closes them, and drops its references only between two rounds, so that what an event
 * points to is there. Nothing in it waits but epoll_wait(2).
 */
#ifndef ROCKER_LINK_H
#define ROCKER_LINK_H

#include <signal.h>
#include <sys/uio.h>

#include "jailed/guard.h"
#include "rocker_job.h"

TAILQ_HEAD(job_list, rocker_job);

struct rocker_link {
	atomic_uint refs;
	struct rocker *rocker; /* counted; constant */
	unsigned profile;      /* constant */
	int empty_in;          /* the end of an empty pipe without writers; constant */
	pthread_mutex_t lock;  /* of all below */
	bool broken;           /* no order goes out any more */
	bool closed;           /* on our side */
	struct job_list jobs;  /* counted; that run */
	unsigned njobs;        /* those, and what has ended and is not told yet */
	uint32_t last_id;
	uint64_t oom_kills; /* that were told already */
	struct source control; /* constant until the last reference goes */
	/* of the thread */
	bool has_listener, is_ready, is_torn;
	struct source listener;
	SLIST_ENTRY(rocker_link) in_torn;
	LIST_ENTRY(rocker_link) in_links; /* counted; of the lock of that list */
};

struct rocker_link *rocker_link_get(struct rocker_link *link);
void rocker_link_put(struct rocker_link *link); /* NULL allowed */
/* Puts it in the list of those that run; -EAGAIN with sfs_fail: too many; -ECANCELED: the link is broken. */
int rocker_link_add(struct rocker_link *link, struct rocker_job *job);
/* One that the guard has had before this link was: under the number that it knows. False: that cannot be. */
bool rocker_link_add_kept(struct rocker_link *link, struct rocker_job *job, uint32_t id);
/* False: it is not there any more, and whoever took it ends it. */
bool rocker_link_take(struct rocker_link *link, struct rocker_job *job);
/* All is known of a job that was added: it counts no more. */
void rocker_link_done(struct rocker_link *link);
/* An order of header, words and what else iov has; fds go along. 0 or -errno. */
int rocker_link_send(struct rocker_link *link, const struct iovec *iov, unsigned niov,
		     const int *fds, unsigned nfds);
/* A signal to the job's processes, whole: and to what is nobody else's. 0, -EAGAIN, -ECANCELED: the link is broken. */
int rocker_link_signal_job(struct rocker_link *link, struct rocker_job *job, int signal,
			   bool whole);

/* The thread begins to wait for its guard. 0 or -errno. */
int rocker_link_enlist(struct rocker_link *link);
/* The thread is to look at this job: from any thread. */
void rocker_link_kick(struct rocker_job *job);
/* Of a job's descriptor, from any thread; the thread of links may see an event at once. 0 or -errno. */
int rocker_link_watch(struct source *source, uint32_t events);
void rocker_link_unwatch(struct source *source);

/* ---- of the thread ------------------------------------------------------------------------------------ */

/* A time at which it is to look at all jobs. */
void rocker_link_wake_at(uint64_t ns);
/* The job's pipe has something: reads once. False: nothing, or its end, and then it is closed. */
bool rocker_link_read(struct rocker_job *job, enum output_which which);
/* It has ended: all that there is of both, and they stay open. */
void rocker_link_drain(struct rocker_job *job);
/* Watchers hear of what was read, if it is time: at rocker_link_tell_ns(), UINT64_MAX: there is nothing to tell. */
void rocker_link_tell(uint64_t now);
uint64_t rocker_link_tell_ns(void);
/* A reference that the round which is on may still need. */
void rocker_link_drop(struct rocker_job *job);
/* The guard has said something; false: it lied, or is gone. rocker_link_guard.c. */
bool rocker_link_receive(struct rocker_link *link);
/* It ended without a word of the guard; it is in no list. */
void rocker_link_lost(struct rocker_link *link, struct rocker_job *job);
/* A system call was refused; false: no more will be. rocker_link_refused.c. */
bool rocker_link_refused(struct rocker_link *link);
/* Of a descriptor of a seccomp listener? */
bool rocker_link_is_listener(int fd);
bool rocker_link_is_pidfd(int fd);
/* GUARD_KEPT, rocker_job_kept.c: false, it lied. What it takes of fds it sets to -1. */
bool rocker_link_kept(struct rocker_link *link, const struct guard_reply *reply, int *fds,
		      unsigned nfds);
/*
 * What the guard is to hold of a job that it shall start, of which the first is to be closed after that: how many, or
 * -errno with sfs_fail.
 */
int rocker_job_keep(struct rocker_job *job, int fds[GUARD_KEPT_MAX]);
/* The pid of a pidfd as we see it; -1: it is none, or that has ended. */
pid_t rocker_link_pid(int pidfd);

#endif
