/* SPDX-License-Identifier: MIT */
/*
 * The daemon's side of the launcher: jailed helpers and the runs forked from them.
 *
 * Nothing here blocks. Every callback comes on the one launch thread, with no lock held, exactly
 * once for each accepted call, and must be brief. Descriptors passed in are duplicated by the
 * kernel on sending; the caller keeps and closes its own. When the launcher is gone every pending
 * callback is called with -EIO and every later call fails with it: a user hears launch_answer().
 */
#ifndef LAUNCH_H
#define LAUNCH_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "jailed/wire.h"

#define LAUNCH_EVENTS_MAX 8

enum launch_kind {
	LAUNCH_INSPECTOR,
	LAUNCH_RUNNER,
	/* not of zygotes: whose id it is */
	LAUNCH_ROCKER,	   /* guards */
	LAUNCH_ROCKER_JOB, /* jobs of root's */
	LAUNCH_ROCKER_IMAGE, /* servers of images */
};

struct launch_limits {
	uint64_t memory_bytes; /* cgroup memory where there is one, and RLIMIT_AS */
	/* cgroup pids, and RLIMIT_NPROC where the uid is the jail's own */
	uint32_t pids;
	/*
	 * Of a runner: in which rocker, under whose limits and in whose namespaces; launch_rocker_place() fills it
	 * in, zero: none.
	 */
	struct launch_place {
		uint32_t rocker, group;
	} place;
};

struct launch_zygote; /* one jail with its helper; opaque */

/* From sfs_backend.init: takes sfs_privileged_fd() and starts the launch thread. 0 or -errno. */
int launch_start(void);
void launch_stop(void);

/*
 * A new jail for work of owner. ready is called once: rc 0, or -errno with a sentence (bounded,
 * escaped). The zygote exists until launch_zygote_drop(), also after a failure; a zygote that died
 * by itself fails every later run with -ESRCH. NULL: out of memory or the launcher is gone
 * (sfs_fail is set). setup and its descriptors (at most WIRE_FDS_MAX) are for LAUNCH_RUNNER; NULL
 * for LAUNCH_INSPECTOR.
 */
struct launch_zygote *launch_zygote_new(
	enum launch_kind kind, uid_t owner, const struct launch_limits *limits,
	const struct wire_order *setup, const int *fds, unsigned nfds,
	void (*ready)(void *arg, struct launch_zygote *zygote, int rc, const char *sentence),
	void *arg);
/* Ends its processes and removes the jail. A run in flight ends first, with LAUNCH_KILLED. */
void launch_zygote_drop(struct launch_zygote *zygote);

/* What an event is, from the white list that the launcher checks: type, config, exclude bits. */
struct launch_event {
	uint32_t type;
	uint32_t exclude_kernel;
	uint64_t config, config1, config2;
};

struct launch_order {
	uint32_t wall_ms; /* killed after this, from go */
	uint32_t nevents;
	/* counted in the run from go to its end; none for an inspector */
	struct launch_event events[LAUNCH_EVENTS_MAX];
	uint32_t nfds;
	int fds[WIRE_FDS_MAX]; /* for WIRE_FORK */
};

enum launch_cause {
	LAUNCH_EXITED,   /* status is the exit status */
	LAUNCH_SIGNALED, /* status is the signal that ended it: its own doing */
	LAUNCH_SYSCALL,  /* a system call was attempted; syscall_* say which */
	LAUNCH_TIMEOUT,  /* wall_ms passed */
	LAUNCH_KILLED,   /* launch_kill(), or the zygote was dropped */
	LAUNCH_OOM,      /* the memory limit of the jail */
	LAUNCH_FAILED,   /* it never began: rc, sentence */
};

struct launch_count {
	int32_t error; /* 0, or the -errno of perf_event_open */
	uint32_t reserved;
	uint64_t value, enabled_ns, running_ns;
};

/* How a run ended, as seen from outside of it. */
struct launch_exit {
	uint32_t cause; /* enum launch_cause */
	int32_t rc;     /* LAUNCH_FAILED: -errno */
	int32_t status;
	/* AUDIT_ARCH_*; AUDIT_ARCH_X86_64 with bit 30 of the number set is x32 */
	uint32_t syscall_arch;
	int64_t syscall_nr;
	uint64_t syscall_ip;
	uint64_t syscall_args[6];
	uint64_t wall_ns; /* from go to the end */
	uint64_t user_ns, system_ns;
	uint64_t max_rss_bytes;
	/* rusage: of the whole child */
	uint64_t minor_faults, major_faults, voluntary_switches, forced_switches;
	uint32_t nevents;
	uint32_t marks; /* 1: the run has made its mark, WIRE's second gate */
	/* processor time of the child at its gate and at its mark, of user_ns + system_ns in the end */
	uint64_t gate_cpu_ns, mark_cpu_ns;
	struct launch_count counts[LAUNCH_EVENTS_MAX];
	char sentence[WIRE_TEXT_MAX];
};

/*
 * Forks a run. One at a time for each zygote: -EBUSY otherwise. Returns an id > 0 for
 * launch_kill(), or -errno. done is called once; the zygote is free for the next run then.
 */
int64_t launch_run(struct launch_zygote *zygote, const struct launch_order *order,
		   void (*done)(void *arg, const struct launch_exit *how), void *arg);
/* What a user is told for rc: -EAGAIN for -EIO once the launcher is gone, since another one comes. */
int launch_answer(int rc);
/* Kills it; done tells. An id that has ended is ignored. */
void launch_kill(int64_t run);

/*
 * Lines "key value" for /machine: what the launcher found possible here: namespaces, cgroup version
 * and controllers, landlock ABI, seccomp notification, how limits are enforced, whether hardware
 * events open. Valid after launch_start().
 */
const char *launch_machine(void);
/* tried by opening it; cached; 5 us first */
bool launch_event_works(const struct launch_event *event, int *error_out);

/*
 * "getpid" for a number of that architecture, "syscall_NR" for unknown ones; into a static table or
 * buf.
 */
const char *launch_syscall_name(uint32_t arch, int64_t nr, char *buf, size_t size);

#endif
