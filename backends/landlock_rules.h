/* SPDX-License-Identifier: MIT */
/*
 * The Landlock rules of rockers, for whoever enters one: the blank that becomes its guard, the server of an image,
 * and a process that librocker_client begins. Nothing but system calls, so that it may be used between fork
 * and exec, and by programs that are linked with nothing else of sandboxfs. See landlock(7).
 */
#ifndef LANDLOCK_RULES_H
#define LANDLOCK_RULES_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

#define LANDLOCK_VERSION_FLAG 1u
#define LANDLOCK_PATH_BENEATH 1u
#define LANDLOCK_MAKE_CHAR    (UINT64_C(1) << 6)
#define LANDLOCK_MAKE_BLOCK   (UINT64_C(1) << 11)
#define LANDLOCK_REFER        (UINT64_C(1) << 13)
#define LANDLOCK_WITH_REFER   2 /* the first ABI that knows it */
#define LANDLOCK_WITH_SCOPES  6
#define LANDLOCK_ALL_SCOPES   3u /* abstract sockets, signals */

/*
 * As <linux/landlock.h> of the newest kernel has it; the system's own may be older than the kernel
 * that runs.
 */
struct landlock_rules {
	uint64_t fs, net, scoped;
};

/* What the running kernel has: an ABI version, below 1: no Landlock. */
static inline int landlock_version(void)
{
	return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION_FLAG);
}

/*
 * No device can be made, and with LANDLOCK_WITH_SCOPES no signal and no connection to an abstract socket reaches
 * a process outside. root is a descriptor of the root directory that it will have. A ruleset that does not
 * handle "refer" denies every rename from one directory to another, so that it is handled and then
 * allowed below the root: a kernel that cannot is without this layer. The ruleset, which is O_CLOEXEC, or -errno.
 */
static inline int landlock_rocker_rules(int abi, int root)
{
	struct landlock_rules rules = { LANDLOCK_MAKE_CHAR | LANDLOCK_MAKE_BLOCK | LANDLOCK_REFER, 0, 0 };
	struct {
		uint64_t allowed;
		int32_t parent;
	} __attribute__((packed)) below = { LANDLOCK_REFER, root };
	size_t size = sizeof(rules.fs);

	if (abi < LANDLOCK_WITH_REFER)
		return -EOPNOTSUPP;
	if (abi >= LANDLOCK_WITH_SCOPES) {
		rules.scoped = LANDLOCK_ALL_SCOPES;
		size = sizeof(rules);
	}
	int fd = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
	if (fd < 0)
		return -errno;
	if (!syscall(SYS_landlock_add_rule, fd, LANDLOCK_PATH_BENEATH, &below, 0))
		return fd;
	int err = -errno;
	(void)close(fd);
	return err;
}

#endif
