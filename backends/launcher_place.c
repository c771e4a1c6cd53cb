/* SPDX-License-Identifier: MIT */
/*
 * Where a jail is: in namespaces and a control group of its own, or in those of a rocker, which then is its end
 * as well.
 */
#include "launcher_rocker.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct ward *find_ward(const struct cell *cell)
{
	const struct ward *ward = &wards[cell->place.rocker - 1];

	return ward->state == WARD_READY && ward->blank.group.number == cell->place.group ? ward : NULL;
}

bool place_ok(const struct lm_new *order)
{
	return order->rocker <= LM_ROCKERS_MAX && (!order->rocker || order->kind == LAUNCH_RUNNER);
}

int place_join(const struct cell *cell, int *init_pidfd_out)
{
	const struct ward *ward = find_ward(cell);

	if (!ward)
		return -ESRCH;
	/* our child, not reaped yet: the number is its own; or else by what tells of its end */
	int fd = ward->blank.is_adopted
			 ? fcntl(ward->blank.watched, F_DUPFD_CLOEXEC, 0)
			 : (int)syscall(SYS_pidfd_open, ward->blank.pid, 0);
	if (fd < 0)
		return -errno;
	*init_pidfd_out = fd;
	return 0;
}

void place_spec(const struct cell *cell, struct jail_spec *spec)
{
	const struct ward *ward = cell->place.rocker ? find_ward(cell) : NULL;

	if (!ward)
		return;
	spec->groups = &launcher.groups;
	spec->group = &ward->blank.group;
	spec->limited_by_cgroup = false; /* by its own limit, which is the address space then */
}

uint64_t place_oom_kills(const struct cell *cell)
{
	struct rocker_usage usage = { 0 };

	if (!cell->place.rocker)
		return cell->has_group ? cgroup_oom_kills(&launcher.cgroups, &cell->group) : 0;
	return rocker_watch_usage(&launcher.groups.places, cell->place.group, &usage) ? 0
										       : usage.oom_kills;
}
