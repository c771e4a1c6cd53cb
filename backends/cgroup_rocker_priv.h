/* SPDX-License-Identifier: MIT */
/*
 * What the parts of cgroup_rocker*.c share; private to them.
 */
#ifndef CGROUP_ROCKER_PRIV_H
#define CGROUP_ROCKER_PRIV_H

#include "cgroup_rocker.h"

#define GROUP_NAME_MAX 64 /* "rNUMBER/file" */

/* What a rocker's guard takes of the limits, which is none of its user's. */
#define GUARD_PIDS  1
#define GUARD_BYTES (UINT64_C(2) << 20)

/* Writes one file of that group; -EOPNOTSUPP: this part is not here. 0 or -errno. */
int group_write(const struct rocker_groups *groups, uint32_t number, enum group_part part,
		const char *file, const char *text);
/* Reads it; -ENODEV: the group is gone. */
int group_read(const struct rocker_groups *groups, uint32_t number, enum group_part part,
	       const char *file, char *text, size_t size);

#endif
