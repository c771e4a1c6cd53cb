/* SPDX-License-Identifier: MIT */
/* The copy of the mount, and the list in which the mount is looked for. */
#include "detached.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

void detached_open(struct detached *detached, const char *place)
{
	struct statx st;

	*detached = (struct detached){ .tree = -1, .list_fd = -1 };
	if (statx(AT_FDCWD, place, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_MNT_ID, &st))
		return;
	detached->device = makedev(st.stx_dev_major, st.stx_dev_minor);
	detached->id = st.stx_mask & STATX_MNT_ID ? st.stx_mnt_id : 0;
	if (geteuid() != 0 || !detached->id)
		return;
	detached->list_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	if (detached->list_fd >= 0)
		detached->tree = open_tree(AT_FDCWD, place, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
}

bool detached_left(struct detached *detached)
{
	int own = detached->left ? -1 : open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	FILE *list = own < 0 ? NULL : fdopen(own, "r");
	char *line = NULL, drop[64];
	size_t room = 0;
	bool found = false;

	/* Reading the watched one to its end is what makes the next change news. */
	while (!detached->left && read(detached->list_fd, drop, sizeof(drop)) > 0)
		;
	(void)lseek(detached->list_fd, 0, SEEK_SET);
	while (list && !found && getline(&line, &room, list) > 0)
		found = strtoull(line, NULL, 10) == detached->id;
	if (list && !found)
		detached->left = true;
	free(line);
	if (list)
		fclose(list);
	else if (own >= 0)
		close(own);
	return detached->left;
}

void detached_close(struct detached *detached)
{
	if (detached->tree >= 0)
		close(detached->tree);
	if (detached->list_fd >= 0)
		close(detached->list_fd);
	detached->tree = detached->list_fd = -1;
}
