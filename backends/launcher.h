/* SPDX-License-Identifier: MIT */
/*
 * What the daemon and the launcher say to each other, and the launcher's entrance.
 *
 * One SOCK_SEQPACKET pair; each message is one fixed-size struct that begins with struct lm_head,
 * descriptors beside it by SCM_RIGHTS. The daemon numbers jails itself, below LM_JAILS_MAX, and
 * uses a number again only after LM_GONE. A message of the wrong size, with an unknown type or
 * against this order ends the launcher, and every jail with it. The launcher waits for the daemon
 * no longer than a second. Both sides are of one build: native byte order and alignment.
 */
#ifndef LAUNCHER_H
#define LAUNCHER_H

#include <stdint.h>

#include "jail.h"
#include "launch.h"

#define LM_JAILS_MAX    512
#define LM_MACHINE_TEXT 4096

/* To the launcher. */
enum lm_order_type { LM_NEW = 1, LM_DROP, LM_RUN, LM_KILL, LM_PROBE };
/* To the daemon. */
enum lm_reply_type { LM_MACHINE = 101, LM_READY, LM_EXIT, LM_GONE, LM_PROBED };

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
	char text[LM_MACHINE_TEXT]; /* NUL-terminated */
};

struct lm_ready {
	struct lm_head head;
	int32_t rc;
	uint32_t reserved;
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
