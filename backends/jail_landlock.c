/* SPDX-License-Identifier: MIT */
/*
 * Landlock rulesets: one that handles every right the running kernel knows and allows none of them, and one for
 * rockers. See landlock(7).
 */
#include "jail.h"

#include "landlock_rules.h"

/*
 * All rights up to that ABI version: bits of each field, and how much of the struct the version
 * knows.
 */
static const struct abi {
	int version;
	unsigned fs_bits, net_bits, scoped_bits;
	size_t size;
} abis[] = {
	{ 1, 13, 0, 0, 8 },  /* files */
	{ 2, 14, 0, 0, 8 },  /* refer */
	{ 3, 15, 0, 0, 8 },  /* truncate */
	{ 4, 15, 2, 0, 16 }, /* TCP bind and connect */
	{ 5, 16, 2, 0, 16 }, /* ioctl on devices */
	{ 6, 16, 2, 2, 24 }, /* abstract sockets, signals */
	{ 0 },
};

static uint64_t low_bits(unsigned n)
{
	return (UINT64_C(1) << n) - 1;
}

int jail_landlock_ruleset(int *abi_out)
{
	int version = landlock_version();
	const struct abi *best = NULL;

	*abi_out = 0;
	for (const struct abi *a = abis; a->version; a++)
		if (a->version <= version)
			best = a;
	if (!best)
		return -1;
	struct landlock_rules rules = { low_bits(best->fs_bits), low_bits(best->net_bits),
					low_bits(best->scoped_bits) };
	long fd = syscall(SYS_landlock_create_ruleset, &rules, best->size, 0);
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

int jail_landlock_rocker(int abi, int root)
{
	int fd = landlock_rocker_rules(abi, root);

	return fd < 0 ? -1 : fd;
}
