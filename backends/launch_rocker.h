/* SPDX-License-Identifier: MIT */
/*
 * The daemon's side of rockers in the launcher. As with launch.h: nothing blocks, callbacks come on the
 * launch thread with no lock held and must be brief, and when the launcher is gone every pending one
 * is called with -EIO (a user hears launch_answer()).
 */
#ifndef LAUNCH_ROCKER_H
#define LAUNCH_ROCKER_H

#include "cgroup_rocker.h"
#include "jail_rocker.h"
#include "launch.h"
#include "rockerplan.h"

struct launch_rocker; /* one built rocker; opaque */

struct launch_rocker_ready {
	int rc; /* 0 or -errno with sentence */
	const char *sentence;
	pid_t guard;
	const char *name; /* of the guard, unique */
	uid_t uid;
	gid_t gid;          /* of jobs */
	int pidfd, control; /* owned by the callee; -1 with rc */
};

struct launch_rocker_ended {
	int code, status; /* as waitid(2) tells of the guard; 0: the launcher is gone */
	bool oom;
};

struct launch_rocker_calls {
	/* once */
	void (*ready)(void *arg, struct launch_rocker *rocker,
		      const struct launch_rocker_ready *how);
	/*
	 * At most once, after a ready with 0. A drop in another thread may just miss it: it never comes after
	 * gone, and arg has to last until that.
	 */
	void (*ended)(void *arg, struct launch_rocker *rocker,
		      const struct launch_rocker_ended *how);
	/* once, after launch_rocker_drop(): nothing of it is left, and the pointer is not valid any more */
	void (*gone)(void *arg);
};

/*
 * Builds one. The plan is copied. NULL: out of memory, all numbers in use, or the launcher is gone (sfs_fail
 * is set). Exists until launch_rocker_drop(), also after a failure.
 */
struct launch_rocker *launch_rocker_new(uid_t owner, const struct rocker_plan *plan,
					const struct launch_rocker_calls *calls, void *arg);
/*
 * Likewise, but the one that an earlier daemon left: number is its plan's persist. ready says -ENOENT where there is
 * none. Only at the start; launch_rocker_settle() then ends all that were not asked for.
 */
struct launch_rocker *launch_rocker_adopt(uid_t owner, uint64_t number,
					  const struct launch_rocker_calls *calls, void *arg);
void launch_rocker_settle(void);
/*
 * Ends all of it. ready comes first where it is pending. When the launcher is gone already, or was not asked yet
 * since others of this owner come first, what is pending and gone are called before this returns.
 */
void launch_rocker_drop(struct launch_rocker *rocker);

/* Each 0 or -errno with a sentence; done is called once if it returned 0. rc -EOPNOTSUPP has a sentence too. */
typedef void launch_rocker_done(void *arg, int rc, const char *sentence);
int launch_rocker_limit(struct launch_rocker *rocker, const struct plan_limits *limits,
			launch_rocker_done *done, void *arg);
int launch_rocker_freeze(struct launch_rocker *rocker, bool freeze, launch_rocker_done *done,
			 void *arg);
int launch_rocker_kill(struct launch_rocker *rocker, launch_rocker_done *done, void *arg);
/*
 * Sends a signal, 1 to 64, to that process, if it is one of the rocker's pid namespace. pidfd: borrowed, of anything. It is
 * not answered, and lost where the launcher has too much to do.
 */
void launch_rocker_signal(struct launch_rocker *rocker, int signal, int pidfd);

/*
 * Opens every host path of the plan with the rights of its openers, within their deadline of a second, and
 * forgets them again: 0, or why not.
 */
int launch_rocker_check(const struct rocker_plan *plan, launch_rocker_done *done, void *arg);

/* Where a runner's jail is, when it is to be in that one: of one that is ready. */
struct launch_place launch_rocker_place(const struct launch_rocker *rocker);

/* Are rockers limited or counted by such groups here? After launch_start(). */
bool launch_rocker_grouped(enum group_part part);

/*
 * How much one that is ready has written to its data directory and in memory, counted no further than limit_bytes:
 * done is called once if this returned 0, with 0 and the bytes; -ESRCH: it does not run; -errno: it cannot be
 * measured. One at a time: -EBUSY.
 */
typedef void launch_rocker_measured(void *arg, struct launch_rocker *rocker, int rc, uint64_t bytes);
int launch_rocker_measure(struct launch_rocker *rocker, uint64_t limit_bytes,
			  launch_rocker_measured *done, void *arg);

/* What cgroup_rocker.h reads: 0, or -errno; -ENODEV when it is gone. Costs little, and knows what is counted. */
int launch_rocker_usage(const struct launch_rocker *rocker, struct rocker_usage *out);
/* The same, and what nothing counts from a look at all processes. */
int launch_rocker_usage_all(const struct launch_rocker *rocker, struct rocker_usage *out);
int launch_rocker_procs(const struct launch_rocker *rocker, pid_t *pids, int max);
ssize_t launch_rocker_pressure(const struct launch_rocker *rocker, const char *which, char *text,
			       size_t size);

#endif
