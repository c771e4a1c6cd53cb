/* SPDX-License-Identifier: MIT */
/* Mounts that have to go, whichever way works here. */
#include "unmount.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef STATX_MNT_ID_UNIQUE
#define STATX_MNT_ID_UNIQUE 0x4000u /* Linux 6.8: an id that no later mount gets */
#endif

uint64_t mount_id(const char *place)
{
	struct statx st;

	if (statx(AT_FDCWD, place, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
		  STATX_MNT_ID | STATX_MNT_ID_UNIQUE, &st))
		return 0;
	return st.stx_mask & (STATX_MNT_ID | STATX_MNT_ID_UNIQUE) ? st.stx_mnt_id : 0;
}

static bool run(char *const words[])
{
	int status;
	pid_t pid;

	return !posix_spawnp(&pid, words[0], NULL, NULL, words, environ) &&
	       waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

int unmount_place(const char *place)
{
	char *const fuse_words[] = { "fusermount3", "-u", "-z", "-q", "--", (char *)place, NULL };
	/* It goes by what the kernel says who mounted, and needs no /etc/mtab. */
	char *const words[] = { "umount", "-l", "--", (char *)place, NULL };

	if (!umount2(place, MNT_DETACH) || run(fuse_words) || run(words))
		return 0;
	return -EBUSY;
}
