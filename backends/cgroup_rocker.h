/* SPDX-License-Identifier: MIT */
/*
 * Control groups of a rocker: its limits, what it uses, freezing and killing it.
 *
 * Beside the groups of jails (cgroup.h), in the same directories sandboxfs-PID. What there is, is
 * taken from wherever it is: version 2 for each controller that it has, version 1 hierarchies for the
 * others, and of version 2 without controllers still cgroup.kill, cgroup.freeze, cgroup.events, cpu.stat
 * and the pressure files. Launcher's side: one thread; rocker_group_enter() may be called between fork
 * and exec. Daemon's side: rocker_watch_*() reads, with no privilege, from any thread; a group that
 * is gone answers -ENODEV. See Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/.
 */
#ifndef CGROUP_ROCKER_H
#define CGROUP_ROCKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "rockerplan.h"

/* What is controlled or counted; each by one directory. */
enum group_part {
	GROUP_CORE, /* version 2: kill, freeze, events, pressure */
	GROUP_MEMORY,
	GROUP_PIDS,
	GROUP_CPU,
	GROUP_CPUACCT,
	GROUP_IO,
	GROUP_FREEZER, /* version 1 where there is no version 2 */
	GROUP_PARTS,
};

#define GROUP_PATH_MAX 256

/*
 * Where the groups stand on this machine; made by the launcher and sent to the daemon whole. version
 * 0: this part is not here. Parts may share a directory.
 */
struct group_places {
	uint8_t version[GROUP_PARTS];
	char path[GROUP_PARTS]
		 [GROUP_PATH_MAX]; /* of the directory in which rockers' groups are made */
};

struct rocker_groups {
	struct group_places places;
	int dirs[GROUP_PARTS]; /* owned by the launcher; -1 */
	pid_t home;            /* whose directory: see rocker_groups_start() */
};

/* One rocker's. Only that of GROUP_CORE is open, from rocker_group_make() to rocker_group_entered(). */
struct rocker_group {
	uint32_t number;
	int dirs[GROUP_PARTS]; /* -1: none */
};

/*
 * Finds and makes our directories. 0 also where there are none: all versions are 0 then. They are named after a
 * process, and are swept out by others once that has ended: this one, or home, which may be there longer and
 * has then directories in which there are groups of an earlier launcher.
 */
int rocker_groups_start(struct rocker_groups *groups);
int rocker_groups_start_at(struct rocker_groups *groups, pid_t home);
/* Ends and removes what an earlier launcher left in them, but for some. */
void rocker_groups_clear(const struct rocker_groups *groups, bool (*stays)(uint32_t number));
void rocker_groups_stop(struct rocker_groups *groups);

int rocker_group_make(const struct rocker_groups *groups, uint32_t number,
		      struct rocker_group *out);
/* A directory for CLONE_INTO_CGROUP, or -1. */
int rocker_group_clone_dir(const struct rocker_groups *groups, const struct rocker_group *group);
/* Moves the calling process to all parts (but the one that the clone entered, if cloned). */
int rocker_group_enter(const struct rocker_groups *groups, const struct rocker_group *group,
		       bool cloned);
/* Its first process is on its way: what that needed is closed. Idempotent. */
void rocker_group_entered(struct rocker_group *group);
/*
 * Sets every limit, also those that are none. 0; -EOPNOTSUPP with *what_out naming the first that this
 * machine cannot ("memory.max", ...), after the others have been set; -errno.
 */
int rocker_group_limit(const struct rocker_groups *groups, const struct rocker_group *group,
		       const struct plan_limits *limits, const char **what_out);
/* The same for one that has had no limits yet: those that are none are none already. */
int rocker_group_limit_new(const struct rocker_groups *groups, const struct rocker_group *group,
			   const struct plan_limits *limits, const char **what_out);
int rocker_group_freeze(const struct rocker_groups *groups, const struct rocker_group *group,
			bool freeze);
/* Ends every process in it, frozen ones too. 0, -EOPNOTSUPP: not here, kill the guard; -errno. */
int rocker_group_kill(const struct rocker_groups *groups, const struct rocker_group *group);
/* Closes and removes. 0; -EBUSY: processes are left, try again. Idempotent. */
int rocker_group_remove(const struct rocker_groups *groups, struct rocker_group *group);

/* ---- the daemon's side ------------------------------------------------------------------------ */

struct rocker_usage {
	uint64_t cpu_ns, user_ns, system_ns;
	uint64_t memory_bytes, memory_peak_bytes;
	uint64_t pids;
	uint64_t io_read_bytes, io_write_bytes, io_reads, io_writes;
	uint64_t oom_kills;
	bool has_cpu, has_memory, has_pids, has_io; /* else that is not counted here */
	bool has_peak;                              /* memory_peak_bytes and oom_kills */
};
int rocker_watch_usage(const struct group_places *places, uint32_t number,
		       struct rocker_usage *out);
/* Pids as this process sees them, at most max; how many there are, or -errno. */
int rocker_watch_procs(const struct group_places *places, uint32_t number, pid_t *pids, int max);
/* The text of cpu.pressure, memory.pressure, io.pressure: which is "cpu", "memory" or "io". Length or -errno. */
ssize_t rocker_watch_pressure(const struct group_places *places, uint32_t number, const char *which,
			      char *text, size_t size);

/* Where a rocker's processes come from: its guard, and the process groups of what has joined it. */
#define ROOT_GROUPS_MAX 512
struct rocker_roots {
	pid_t guard;
	unsigned ngroups;
	pid_t groups[ROOT_GROUPS_MAX];
};
/*
 * The same without control groups, from /proc: memory is the sum of what each has resident, shared pages counted
 * for each; processor time is that of what lives and of what was waited for. Its pids, at most max; how many there
 * are, or -errno. Costs a look at every process of the machine.
 */
int rocker_walk(const struct rocker_roots *roots, struct rocker_usage *out, pid_t *pids, int max);

#endif
