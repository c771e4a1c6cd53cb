/* SPDX-License-Identifier: MIT */
/*
 * The system calls of the publishing threads, and how their requests are recognised when they come
 * back through the kernel: by the number of the calling thread.
 */
#ifndef PUBLISH_CALL_H
#define PUBLISH_CALL_H

#include "dir.h"
#include "publish.h"

enum call_kind {
	CALL_NONE,
	CALL_TRUNCATE,
	CALL_MKDIR,
	CALL_RMDIR,
	CALL_UNLINK,
	CALL_RENAME,
	CALL_LOOK
};

struct call {
	enum call_kind kind;
	struct node *node; /* borrowed: of a row its directory, else what came or went */
	struct node *to;   /* borrowed: of a rename, what it is now */
	uid_t uid;         /* of a row: whose inode */
	char name[NODE_STAGING_MAX + 1];
};

/* Before the publishing threads are there. */
void call_prepare(void);
/* On a publishing thread, first: which of them it is. */
void call_thread(unsigned lane, const struct publish_mount *mount);
/* The same with all that belongs to it: row is that of a CALL_TRUNCATE. publish_act.c */
void call_announce(unsigned lane, const struct publish_mount *mount, const struct call *call,
		   unsigned row);
/* Does it. 0 or -errno. */
int call_make(unsigned lane, const struct publish_mount *mount, const struct call *call);

/* ---- for dir.c: is this request one of ours? ------------------------------------------------- */

/*
 * The last step of the way to what is announced. True: *result is 0 with *node (counted) or
 * -errno; or, for a row, as_uid says who asks.
 */
struct call_lookup {
	int result;
	struct node *node; /* NULL: look it up, for as_uid */
	uid_t as_uid;
};
bool call_looks_up(const struct where *where, pid_t pid, struct call_lookup *out);
/*
 * mkdir(2) of what is there already: the node, counted, or NULL if it has gone since; and rename(2) of
 * what has its new name already: 0 or -ENOENT. From here on that is known, and its end is announced.
 */
bool call_makes(const struct where *where, pid_t pid, struct node **out);
bool call_renames(const struct where *from, const struct where *to, pid_t pid, int *err_out);
/* rmdir(2), unlink(2) of what is gone already; truncate(2), which changes nothing. */
bool call_removes(const struct where *where, pid_t pid);
bool call_truncates(pid_t pid);

#endif
