/* SPDX-License-Identifier: MIT */
/*
 * Memory and process limits of a jail by control groups: version 2 where it has both controllers,
 * else version 1, else none.
 *
 * Used by the launcher alone, which has one thread. Everything lives below the launcher's own
 * group, in a directory sandboxfs-PID with one numbered directory for each jail. cgroup_enter() may
 * be called between fork and exec: it allocates nothing. See cgroups(7),
 * Documentation/admin-guide/cgroup-v1/memory.rst and cgroup-v2.rst.
 */
#ifndef CGROUP_H
#define CGROUP_H

#include <stdbool.h>
#include <stdint.h>

enum cgroup_controller { CGROUP_MEMORY, CGROUP_PIDS, CGROUP_CONTROLLERS };

/* Our directories; with version 2 both descriptors are of the same one. */
struct cgroup_tree {
	int version; /* 0: no limits by control groups here */
	int parents[CGROUP_CONTROLLERS];
	int dirs[CGROUP_CONTROLLERS];
	char name[32];
};

/* One jail's; made by cgroup_make(), ended by cgroup_remove(). */
struct cgroup {
	int dirs[CGROUP_CONTROLLERS]; /* -1: none */
};

/*
 * Finds the hierarchies in the text of /proc/self/mounts and /proc/self/cgroup, removes what dead
 * processes of ours left and makes our directory. 0, or -errno with tree->version 0.
 */
int cgroup_start(struct cgroup_tree *tree);
/* Removes our directory, which must have no jails left, and what dead processes left since. */
void cgroup_stop(struct cgroup_tree *tree);

/* 0 or -errno, then nothing is left. pids 0 and memory_bytes 0: no such limit. */
int cgroup_make(const struct cgroup_tree *tree, unsigned number, uint64_t memory_bytes,
		uint32_t pids, struct cgroup *out);
/* Moves the calling process there. 0 or -errno. */
int cgroup_enter(const struct cgroup *group);
/* How many processes the memory limit has killed so far; 0 when that cannot be read. */
uint64_t cgroup_oom_kills(const struct cgroup_tree *tree, const struct cgroup *group);
/* Closes and removes. 0; -EBUSY: processes are left, try again. Idempotent. */
int cgroup_remove(const struct cgroup_tree *tree, unsigned number, struct cgroup *group);

#endif
