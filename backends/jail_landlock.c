/* SPDX-License-Identifier: MIT */
/*
 * Landlock rulesets: one that handles every right the running kernel knows and allows none of them, and one for
 * rockers. See landlock(7).
 */
#include "jail.h"

#include "landlock_rules.h"

int jail_landlock_ruleset(int *abi_out)
{
	struct landlock_rules rules;
	int version = landlock_version();
	size_t size = landlock_known(version, &rules);

	*abi_out = 0;
	if (!size)
		return -1;
	long fd = syscall(SYS_landlock_create_ruleset, &rules, size, 0);
	if (fd < 0)
		return -1;
	*abi_out = version;
	return (int)fd; /* the kernel makes it O_CLOEXEC */
}

int jail_landlock_restrict(int ruleset)
{
	if (ruleset < 0)
		return 0;
	return syscall(SYS_landlock_restrict_self, ruleset, 0) ? -errno : 0;
}

int jail_landlock_rocker(int abi, int root, int *out)
{
	struct landlock_rules rules;

	*out = -1;
	if (!landlock_rocker_handles(abi, &rules))
		return 0;
	int fd = landlock_rocker_rules(abi, root);
	if (fd < 0)
		return fd;
	*out = fd;
	return 0;
}
