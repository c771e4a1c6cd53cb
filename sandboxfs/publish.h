/* SPDX-License-Identifier: MIT */
/*
 * News for those who watch with inotify: what the daemon changes by itself is done once more on the
 * mount, by real system calls, since only those make events.
 *
 * One thread for each directory at the top, and one for the rows of the top itself: a system call
 * that hangs in one of them holds up no other. Nobody waits for these threads. Changes of a row are
 * gathered: it is announced at once, then at most every 10 ms, at longer intervals while it never
 * rests, and its last change always. Names that came and went are announced one by one, in order.
 * All functions may be called from any thread.
 */
#ifndef PUBLISH_H
#define PUBLISH_H

#include "node.h"

/* Where the mount is found again. */
struct publish_mount {
	/* A detached copy of the mount, owned from here on: using it keeps nobody from unmounting.
	 * -1: none, then it is found by its path. */
	int tree;
	const char *place; /* absolute; outlives the threads */
	uint64_t device;   /* of the mount: whatever else is at that path is not touched */
	bool foreground;   /* else the caller's terminal is let go */
};

/* Starts the threads, with the privileges of the caller, which they keep. 0 or -errno. */
int publish_create(const struct publish_mount *mount);
/* The mount answers: what changes from now on is announced. */
void publish_begin(void);
/* From now on nothing is announced, and nothing of ours is in the mount. Idempotent. */
void publish_stop(void);

/* A row changed, for uid alone or SFS_EVERYBODY. */
void publish_row(struct sfs_obj *dir, unsigned row, uid_t uid);
/* dir was linked; and what was called name has been unlinked. False: nobody will announce it. */
bool publish_made(struct sfs_obj *dir);
bool publish_gone(struct node *node, const char *name);
/* What was called name may be known to the kernel, but to no watcher: makes it look again. */
bool publish_lost(struct node *node, const char *name);
/* Both of them: what was old is fresh now, in the same directory. */
bool publish_moved(struct sfs_obj *old, struct sfs_obj *fresh);

/* dir has gone: its rows are not announced any more, and not kept for that. */
void publish_forget(struct sfs_obj *dir);

/* A line of /status for each thread that has hung for long. */
void publish_show_stuck(struct sfs_buf *out, bool *any);

#endif
