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
 * Every right of that version, and how much of the struct it knows; 0: no Landlock. A kernel refuses a ruleset with
 * one bit that it does not know; one that is newer than this table knows what the last row has.
 */
static inline size_t landlock_known(int abi, struct landlock_rules *out)
{
	static const struct {
		unsigned fs_bits, net_bits, scoped_bits, fields;
	} known[] = {
		{ 0, 0, 0, 0 },
		{ 13, 0, 0, 1 }, /* 1, Linux 5.13: files */
		{ 14, 0, 0, 1 }, /* 2, 5.19: refer */
		{ 15, 0, 0, 1 }, /* 3, 6.2: truncate */
		{ 15, 2, 0, 2 }, /* 4, 6.7: TCP bind and connect */
		{ 16, 2, 0, 2 }, /* 5, 6.10: ioctl on devices */
		{ 16, 2, 2, 3 }, /* 6, 6.12: abstract sockets, signals */
	};
	const int last = (int)(sizeof(known) / sizeof(*known)) - 1;
	int row = abi < 0 ? 0 : abi > last ? last : abi;

	out->fs = (UINT64_C(1) << known[row].fs_bits) - 1;
	out->net = (UINT64_C(1) << known[row].net_bits) - 1;
	out->scoped = (UINT64_C(1) << known[row].scoped_bits) - 1;
	return known[row].fields * sizeof(uint64_t);
}

/*
 * What the rules of a rocker handle of the rights that the version knows, and how much of the struct that is; 0: there
 * can be none. A ruleset that does not handle "refer" denies every rename from one directory to another.
 */
static inline size_t landlock_rocker_handles(int abi, struct landlock_rules *out)
{
	size_t size = landlock_known(abi, out);

	out->fs &= LANDLOCK_MAKE_CHAR | LANDLOCK_MAKE_BLOCK | LANDLOCK_REFER;
	out->net = 0;
	out->scoped &= LANDLOCK_ALL_SCOPES;
	return out->fs & LANDLOCK_REFER ? size : 0;
}

/*
 * No device can be made, and with LANDLOCK_WITH_SCOPES no signal and no connection to an abstract socket reaches
 * a process outside. root is a descriptor of the root directory that it will have, below which "refer" is
 * allowed. The ruleset, which is O_CLOEXEC, -EOPNOTSUPP where the version can have none, or -errno.
 */
static inline int landlock_rocker_rules(int abi, int root)
{
	struct landlock_rules rules;
	struct {
		uint64_t allowed;
		int32_t parent;
	} __attribute__((packed)) below = { LANDLOCK_REFER, root };
	size_t size = landlock_rocker_handles(abi, &rules);

	if (!size)
		return -EOPNOTSUPP;
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
