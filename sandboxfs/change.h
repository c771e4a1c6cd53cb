/* SPDX-License-Identifier: MIT */
/* Changes of owner, mode, size and time: judged, agreed with the backend that keeps them, made. */
#ifndef CHANGE_H
#define CHANGE_H

#include "node.h"

struct change {
	bool mode_set, uid_set, gid_set, size_set, mtime_set;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	off_t size;
	uint64_t mtime_ns;
};

struct file;

/* file: where the descriptor is known, else NULL. 0 or -errno with a sentence. */
int change_apply(struct node *node, const struct change *change, const struct sfs_cred *who,
		 struct file *file);

#endif
