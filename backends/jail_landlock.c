/* SPDX-License-Identifier: MIT */
/*
 * Landlock rulesets: one that handles every right the running kernel knows and allows none of them, and one for
 * rockers. See landlock(7).
 */
#include "jail.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH      1u
#define RIGHT_MAKE_CHAR        (UINT64_C(1) << 6)
#define RIGHT_MAKE_BLOCK       (UINT64_C(1) << 11)
#define RIGHT_REFER            (UINT64_C(1) << 13)
#define ABI_WITH_REFER         2

/*
 * As <linux/landlock.h> of the newest kernel has it; the system's own may be older than the kernel
 * that runs.
 */
struct ruleset {
	uint64_t fs, net, scoped;
};

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
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
	const struct abi *best = NULL;

	*abi_out = 0;
	for (const struct abi *a = abis; a->version; a++)
		if (a->version <= version)
			best = a;
	if (!best)
		return -1;
	struct ruleset rules = { low_bits(best->fs_bits), low_bits(best->net_bits),
				 low_bits(best->scoped_bits) };
	long fd = syscall(SYS_landlock_create_ruleset, &rules, best->size, 0);
	if (fd < 0)
		return -1;
	*abi_out = (int)version;
	return (int)fd; /* the kernel makes it O_CLOEXEC */
}

int jail_landlock_restrict(int ruleset)
{
	if (ruleset < 0)
		return 0;
	return syscall(SYS_landlock_restrict_self, ruleset, 0) ? -errno : 0;
}

/*
 * A ruleset that does not handle "refer" denies every rename from one directory to another, so that it
 * is handled and then allowed below the root; a kernel that cannot is without this layer.
 */
int jail_landlock_rocker(int abi, int root)
{
	struct ruleset rules = { RIGHT_MAKE_CHAR | RIGHT_MAKE_BLOCK | RIGHT_REFER, 0, 0 };
	struct {
		uint64_t allowed;
		int32_t parent;
	} __attribute__((packed)) below = { RIGHT_REFER, root };
	size_t size = sizeof rules.fs;

	if (abi < ABI_WITH_REFER)
		return -1;
	if (abi >= JAIL_LANDLOCK_SCOPES) {
		rules.scoped = low_bits(2);
		size = sizeof rules;
	}
	int fd = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
	if (fd < 0)
		return -1;
	if (!syscall(SYS_landlock_add_rule, fd, RULE_PATH_BENEATH, &below, 0))
		return fd;
	(void)close(fd);
	return -1;
}
