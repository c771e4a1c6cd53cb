/* SPDX-License-Identifier: MIT */
/*
 * Between the three files that speak FUSE: operations on names (fuse.c), on what is open
 * (fuse_file.c), and the session that calls them (fuse_session.c). Each operation unpacks, calls,
 * and replies once.
 */
#ifndef FUSE_OPS_H
#define FUSE_OPS_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "dir.h"
#include "req.h"
#include "stats.h"

/*
 * The request that this thread works on was sent once before, to a daemon that died: what acts must
 * not act again.
 */
extern _Thread_local bool fuse_resent;
extern _Thread_local uint64_t fuse_number; /* of that request, without the mark */

/* An operation begins: who asks. */
struct sfs_cred fuse_begin(fuse_req_t req, enum stats_op op);
void fuse_answer(fuse_req_t req, int64_t err);
void fuse_entry_of(const struct seen *seen, struct fuse_entry_param *entry);

/* An operation that may be put off: its request, NULL when memory is short, and its end. */
struct sfs_req *fuse_may_wait_for(fuse_req_t req, const struct req_reply *reply,
				  struct file *file);
struct sfs_req *fuse_may_wait(fuse_req_t req, struct file *file, void (*send)(void *, int64_t));
void fuse_end(struct sfs_req *later, int64_t result, void (*send)(void *, int64_t), void *token);
void fuse_finish(fuse_req_t req, struct sfs_req *later, int64_t result,
		 void (*send)(void *, int64_t));
void fuse_send_status(void *token, int64_t result);

/* Each fills in its part of the table. */
void fuse_name_ops(struct fuse_lowlevel_ops *ops);
void fuse_file_ops(struct fuse_lowlevel_ops *ops);

#endif
