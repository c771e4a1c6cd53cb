/* SPDX-License-Identifier: MIT */
/* single-threaded */
/*
 * The Landlock rules of rockers, for every version of Landlock: none is asked for what it does not know.
 */
#include "landlock_rules.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <stdbool.h>

#include "check.h"
#include "jail.h"

#define NEWER 7 /* than all that is told apart */

/* The system's header, which may be older than this, must agree with what it has. */
static void bits_are_the_kernels(void)
{
	CHECK_INT(LANDLOCK_MAKE_CHAR, LANDLOCK_ACCESS_FS_MAKE_CHAR);
	CHECK_INT(LANDLOCK_MAKE_BLOCK, LANDLOCK_ACCESS_FS_MAKE_BLOCK);
#ifdef LANDLOCK_ACCESS_FS_REFER
	CHECK_INT(LANDLOCK_REFER, LANDLOCK_ACCESS_FS_REFER);
#endif
}

/* The highest right of each kind that a version knows, and how much of the struct. See landlock(7). */
static void versions_know(void)
{
	static const struct landlock_rules highest[NEWER + 1] = {
		[1] = { UINT64_C(1) << 12, 0, 0 }, /* make_sym */
		[2] = { UINT64_C(1) << 13, 0, 0 }, /* refer */
		[3] = { UINT64_C(1) << 14, 0, 0 }, /* truncate */
		[4] = { UINT64_C(1) << 14, 2, 0 }, /* connect_tcp */
		[5] = { UINT64_C(1) << 15, 2, 0 }, /* ioctl_dev */
		[6] = { UINT64_C(1) << 15, 2, 2 }, /* signal */
		[7] = { UINT64_C(1) << 15, 2, 2 }, /* and logging, which is no right */
	};
	static const size_t sizes[NEWER + 1] = { 0, 8, 8, 8, 16, 16, 24, 24 };
	struct landlock_rules all;

	for (int abi = -1; abi <= NEWER; abi++) {
		const struct landlock_rules *h = &highest[abi < 0 ? 0 : abi];

		CHECK_INT(landlock_known(abi, &all), sizes[abi < 0 ? 0 : abi]);
		CHECK_INT(all.fs, h->fs ? 2 * h->fs - 1 : 0);
		CHECK_INT(all.net, h->net ? 2 * h->net - 1 : 0);
		CHECK_INT(all.scoped, h->scoped ? 2 * h->scoped - 1 : 0);
	}
}

static void rockers_ask_for_no_more(void)
{
	struct landlock_rules all, rules;

	for (int abi = -1; abi <= NEWER; abi++) {
		size_t known = landlock_known(abi, &all), size = landlock_rocker_handles(abi, &rules);

		CHECK_MSG(!(rules.fs & ~all.fs) && !(rules.net & ~all.net) && !(rules.scoped & ~all.scoped), "%d", abi);
		CHECK_INT(size, abi < LANDLOCK_WITH_REFER ? 0 : known);
		CHECK_INT(rules.net, 0);
		CHECK_INT(rules.scoped, abi < LANDLOCK_WITH_SCOPES ? 0 : LANDLOCK_ALL_SCOPES);
		if (size)
			CHECK_INT(rules.fs, LANDLOCK_MAKE_CHAR | LANDLOCK_MAKE_BLOCK | LANDLOCK_REFER);
	}
}

/* Every version that is no newer than the running kernel's. */
static void the_kernel_takes_them(void)
{
	int here = landlock_version(), root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct landlock_rules all;

	for (int abi = 1; abi <= here; abi++) {
		int fd = (int)syscall(SYS_landlock_create_ruleset, &all, landlock_known(abi, &all), 0);
		CHECK_MSG(fd >= 0, "%d: %s", abi, strerror(errno));
		close(fd);
		fd = landlock_rocker_rules(abi, root);
		CHECK_MSG(abi < LANDLOCK_WITH_REFER ? fd == -EOPNOTSUPP : fd >= 0, "%d: %d", abi, fd);
		if (fd >= 0)
			close(fd);
	}
	close(root);
	if (here < 1)
		check_skip("no Landlock here");
}

static void a_version_without_them_is_no_failure(void)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), fd = 0;

	for (int abi = -1; abi < LANDLOCK_WITH_REFER; abi++) {
		CHECK_INT(jail_landlock_rocker(abi, root, &fd), 0);
		CHECK_INT(fd, -1);
		CHECK_INT(jail_landlock_restrict(fd), 0);
	}
	if (landlock_version() >= LANDLOCK_WITH_REFER)
		CHECK_INT(jail_landlock_rocker(LANDLOCK_WITH_REFER, -1, &fd), -EBADF);
	close(root);
}

int main(void)
{
	RUN(bits_are_the_kernels);
	RUN(versions_know);
	RUN(rockers_ask_for_no_more);
	RUN(the_kernel_takes_them);
	RUN(a_version_without_them_is_no_failure);
	return check_done();
}
