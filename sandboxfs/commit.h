/* SPDX-License-Identifier: MIT */
/*
 * The judgement of what a user brought: the backend accepts the staged bytes and the name appears,
 * or nothing changes.
 *
 * A judgement holds its file until it ends, on whatever thread the backend answers. It notes its
 * refusal for whoever asked.
 */
#ifndef COMMIT_H
#define COMMIT_H

#include "node.h"
#include "stage.h"

enum commit_kind {
	COMMIT_FLUSH,
	COMMIT_SYNC,  /* fsync(2): when it is accepted, the disk is to have it too */
	COMMIT_RENAME /* of a staged file, to name */
};

struct judgement {
	struct file_node *file; /* whose bytes */
	const char *name;       /* under which they are to be seen */
	struct stage *stage;    /* NULL: no bytes came, there is only the disk to wait for */
	enum commit_kind kind;
};

/* 0, -errno or REQ_LATER. Nothing of what is referred to is kept. */
int64_t commit_begin(const struct judgement *what, const struct sfs_cred *who, struct sfs_req *req);

static inline const struct sfs_uploads *uploads_of(const struct file_node *file)
{
	return file->node.dir->type->uploads;
}

/* Has it been accepted at least once? */
bool file_committed(struct file_node *file);

#endif
