/* SPDX-License-Identifier: MIT */
/*
 * What is asked of names and attributes: every operation on the tree that a system call can mean,
 * judged and done.
 *
 * Directories and nodes come as the kernel's ids; an unknown one, or one in an object that is gone,
 * is ESTALE, which makes the kernel look again. Refusals of changes are noted for the caller to
 * read. Nothing here waits, renames apart.
 */
#ifndef DIR_H
#define DIR_H

#include <sys/statvfs.h>

#include "change.h"
#include "node.h"

/* A node as the kernel is to see it. node is counted, and lent already where a lookup gave it. */
struct seen {
	struct node *node;
	struct stat st;
	double entry_s, attr_s; /* for how long the kernel may believe it */
};

/* A name in a directory, by ids. */
struct where {
	uint64_t dir;
	const char *name;
};

struct file;
struct sfs_req;

int dir_lookup(const struct where *where, const struct sfs_cred *who, struct seen *out);
int dir_getattr(uint64_t id, const struct sfs_cred *who, struct seen *out);
/* file: where the descriptor is known, else NULL. */
int dir_setattr(uint64_t id, const struct change *change, const struct sfs_cred *who,
		struct file *file, struct seen *out);
int dir_access(uint64_t id, int want, const struct sfs_cred *who);
int dir_mkdir(const struct where *where, mode_t mode, const struct sfs_cred *who, struct seen *out);
int dir_rmdir(const struct where *where, const struct sfs_cred *who);
int dir_unlink(const struct where *where, const struct sfs_cred *who);
int64_t dir_rename(const struct where *from, const struct where *to, unsigned flags,
		   const struct sfs_cred *who, struct sfs_req *req);
/* flags are those of open(2). */
int dir_create(const struct where *where, mode_t mode, int flags, const struct sfs_cred *who,
	       struct seen *out);
/* Refuses what no directory here can do (mknod, symlink, link), with a sentence. */
int dir_refuse(const struct where *where, const struct sfs_cred *who, const char *what);
/* opendir(2): counts as a lookup until node_forget(). */
int dir_open(uint64_t id, const struct sfs_cred *who);
/* What was opened; counted, or NULL. */
struct sfs_obj *dir_opened(uint64_t id);
/* The entry as READDIRPLUS wants it: not lent. */
void dir_see(struct node *node, const struct sfs_cred *who, struct seen *out);
void dir_statfs(struct statvfs *out);

#endif
