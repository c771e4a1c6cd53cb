/* SPDX-License-Identifier: MIT */
/*
 * What the daemon and the launcher say to each other, and the launcher's entrance.
 *
 * One SOCK_SEQPACKET pair; each message is one fixed-size struct that begins with struct lm_head, but for
 * a plan at its end, which is as long as plan_size() says; descriptors come beside it by SCM_RIGHTS.
 * The daemon numbers jails and rockers itself, below LM_JAILS_MAX and LM_ROCKERS_MAX, and
 * uses a number again only after LM_GONE or LM_ROCKER_GONE. A message of the wrong size, with an unknown type or
 * against this order ends the launcher, and every jail with it. The launcher waits for the daemon
 * no longer than a second. Both sides are of one build: native byte order and alignment.
 */
#ifndef LAUNCHER_H
#define LAUNCHER_H

#include <stdint.h>

#include "cgroup_rocker.h"
#include "jail.h"
#include "jail_rocker.h"
#include "launch.h"
#include "rockerplan.h"
#include "sandboxfs.h"

#define LM_JAILS_MAX    512
#define LM_ROCKERS_MAX  4096
#define LM_MACHINE_TEXT 4096

/* To the launcher. */
enum lm_order_type {
	LM_NEW = 1,
	LM_DROP,
	LM_RUN,
	LM_KILL,
	LM_PROBE,
	/* head.jail is the number of a rocker then, below LM_ROCKERS_MAX, chosen by the daemon likewise */
	LM_ROCKER_NEW,
	LM_ROCKER_DROP,
	LM_ROCKER_LIMIT,
	LM_ROCKER_FREEZE,
	LM_ROCKER_KILL,
	LM_ROCKER_CHECK, /* head.jail: a number of the daemon's own, returned */
	LM_ROCKER_MEASURE,
	LM_ROCKER_ADOPT,
	LM_ROCKER_SETTLE,
	LM_ROCKER_SIGNAL,
};
/* To the daemon. */
enum lm_reply_type {
	LM_MACHINE = 101,
	LM_READY,
	LM_EXIT,
	LM_GONE,
	LM_PROBED,
	LM_ROCKER_READY,
	LM_ROCKER_ENDED,
	LM_ROCKER_GONE,
	LM_ROCKER_DONE,
	LM_ROCKER_CHECKED,
	LM_ROCKER_MEASURED,
};

struct lm_head {
	uint32_t type;
	uint32_t jail; /* LM_PROBE, LM_MACHINE: 0 */
};

/* Descriptors: those of setup. Answered by LM_READY. */
struct lm_new {
	struct lm_head head;
	uint32_t kind; /* enum launch_kind */
	uint32_t owner;
	uint64_t memory_bytes;
	uint32_t pids;
	uint32_t rocker; /* a runner's: 0, or one more than the number of the rocker in which it runs */
	uint32_t group;  /* that one's, so that it is not another rocker under the same number */
	uint32_t has_setup;
	struct wire_order setup;
};

/* Answered by LM_GONE, after the LM_EXIT of a run in flight. */
struct lm_drop {
	struct lm_head head;
};

/*
 * Descriptors: those of WIRE_FORK. Answered by LM_EXIT. Only to a jail that is ready and has no
 * run.
 */
struct lm_run {
	struct lm_head head;
	uint64_t run; /* never 0 */
	uint32_t wall_ms;
	uint32_t nevents;
	struct launch_event events[LAUNCH_EVENTS_MAX];
};

/* Not answered; the run's own LM_EXIT tells. A run that has ended is no error. */
struct lm_kill {
	struct lm_head head;
	uint64_t run;
};

struct lm_probe {
	struct lm_head head;
	struct launch_event event;
};

struct lm_machine {
	struct lm_head head;
	struct group_places places; /* of rockers' control groups */
	char text[LM_MACHINE_TEXT]; /* NUL-terminated */
};

struct lm_ready {
	struct lm_head head;
	int32_t rc;
	int32_t group; /* the process group of the helper and its runs, as the launcher sees it */
	char sentence[WIRE_TEXT_MAX];
};

struct lm_exit {
	struct lm_head head;
	uint64_t run;
	struct launch_exit how;
};

struct lm_gone {
	struct lm_head head;
};

struct lm_probed {
	struct lm_head head;
	struct launch_event event;
	int32_t error; /* 0 or -errno */
	uint32_t reserved;
};

/* ---- rockers --------------------------------------------------------------------------------- */

/*
 * Of the size that the plan has: offsetof(plan) + plan_size(). Answered by LM_ROCKER_READY; when that says 0,
 * LM_ROCKER_ENDED tells that its guard has ended, for whatever reason but LM_ROCKER_DROP.
 */
struct lm_rocker_new {
	struct lm_head head;
	uint32_t owner;
	uint32_t reserved;
	struct rocker_plan plan;
};

/*
 * The one that an earlier launcher left under that number of a plan, for that owner. Answered by LM_ROCKER_READY,
 * -ENOENT: there is none; and from then on as any other. How its guard ended cannot be told: code and status are 0.
 */
struct lm_rocker_adopt {
	struct lm_head head;
	uint32_t owner;
	uint32_t reserved;
	uint64_t persist;
};

/* All that there are have been adopted: what else was left is ended. head.jail: 0; not answered. */
struct lm_rocker_settle {
	struct lm_head head;
};

/* Answered by LM_ROCKER_GONE when no process, mount, loop device or group of it is left. */
struct lm_rocker_drop {
	struct lm_head head;
};

/* Each answered by LM_ROCKER_DONE. */
struct lm_rocker_limit {
	struct lm_head head;
	struct plan_limits limits;
};

struct lm_rocker_freeze {
	struct lm_head head;
	uint32_t freeze; /* 0 or 1 */
	uint32_t reserved;
};

/* SIGKILL to everything in it, the guard too. */
struct lm_rocker_kill {
	struct lm_head head;
};

/* One descriptor: a pidfd, whose process gets the signal if it is in the guard's pid namespace. Not answered. */
struct lm_rocker_signal {
	struct lm_head head;
	int32_t signal; /* 1 to 64 */
	uint32_t reserved;
};

/*
 * Opens what the plan names with the rights of its openers, and lets it go again. Answered by LM_ROCKER_CHECKED.
 * Of the size that the plan has.
 */
struct lm_rocker_check {
	struct lm_head head;
	struct rocker_plan plan;
};

/* What it has written; one at a time. Answered by LM_ROCKER_MEASURED. */
struct lm_rocker_measure {
	struct lm_head head;
	uint64_t limit_bytes; /* more than that need not be counted */
};

/* Descriptors, when rc is 0: the guard's pidfd, and the daemon's end of its socket. */
struct lm_rocker_ready {
	struct lm_head head;
	int32_t rc;
	int32_t guard;               /* its pid, as the launcher sees it */
	char name[ROCKER_NAME_SIZE]; /* its unique name */
	uint32_t uid, gid;           /* of jobs, on the host */
	uint32_t group;              /* the number of its control groups */
	uint32_t reserved;
	/* with rc 0: a limit that it was asked for and that this machine does not have, or nothing */
	char sentence[SFS_SENTENCE_MAX];
};

struct lm_rocker_ended {
	struct lm_head head;
	int32_t code, status; /* as waitid(2) tells */
	uint32_t oom;         /* 1: by the memory limit */
	uint32_t reserved;
};

struct lm_rocker_gone {
	struct lm_head head;
};

struct lm_rocker_done {
	struct lm_head head;
	uint32_t order; /* its type */
	int32_t rc;
	char sentence[WIRE_TEXT_MAX];
};

struct lm_rocker_checked {
	struct lm_head head;
	int32_t rc;
	uint32_t reserved;
	char sentence[SFS_SENTENCE_MAX];
};

/* rc -ESRCH: it does not run. Any other: it cannot be measured. */
struct lm_rocker_measured {
	struct lm_head head;
	int32_t rc;
	uint32_t reserved;
	uint64_t bytes;
};

/*
 * The process that keeps its privileges; returns its exit status when the channel has closed. See
 * struct sfs_privileged.
 */
struct sfs_config;
int launcher_main(const struct sfs_config *config, int channel);
/* The same with other helpers, indexed by enum jail_kind. */
int launcher_serve(const struct sfs_config *config, int channel,
		   const struct jail_helper helpers[2]);

#endif
