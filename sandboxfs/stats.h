/* SPDX-License-Identifier: MIT */
/* Counters of the daemon since its start, kept without locks. */
#ifndef STATS_H
#define STATS_H

#include "sandboxfs.h"

enum stats_op {
	OP_NONE,
	OP_LOOKUP,
	OP_GETATTR,
	OP_SETATTR,
	OP_MKDIR,
	OP_RMDIR,
	OP_UNLINK,
	OP_RENAME,
	OP_CREATE,
	OP_OPEN,
	OP_READ,
	OP_WRITE,
	OP_FLUSH,
	OP_RELEASE,
	OP_OPENDIR,
	OP_READDIR,
	OP_STATFS,
	OP_ACCESS,
	OP_OTHER,
	STATS_OPS
};

/*
 * This thread begins an operation, and has answered it: failed says how. A later answer is not
 * timed.
 */
void stats_begin(enum stats_op op);
void stats_end(bool failed);
void stats_interrupted(void);

void stats_show(struct sfs_buf *out);

#endif
