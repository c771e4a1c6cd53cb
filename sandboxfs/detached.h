/* SPDX-License-Identifier: MIT */
/*
 * A detached copy of the mount, in which the publishers act: to use the mount itself would keep its
 * owner from unmounting it.
 *
 * The copy keeps the file system alive when the mount goes. So the supervisor looks in the list of
 * mounts, whenever the kernel says that it changed, and tells the daemon to let the copy go.
 */
#ifndef DETACHED_H
#define DETACHED_H

#include <stdbool.h>
#include <stdint.h>

struct detached {
	int tree;        /* owned; -1: there is none, and the mount is found by its path */
	int list_fd;     /* owned: the list of mounts; poll(2) gives POLLPRI when it changed; -1 */
	uint64_t id;     /* of the mount in that list */
	uint64_t device; /* of the mount */
	bool left;       /* it has been seen to be gone */
};

/* Of what is mounted at place now. It always succeeds: what is not to be had is -1. */
void detached_open(struct detached *detached, const char *place);
/* Asks once more; true from the moment on when it is no longer in the list. */
bool detached_left(struct detached *detached);
void detached_close(struct detached *detached);

#endif
