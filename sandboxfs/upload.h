/* SPDX-License-Identifier: MIT */
/*
 * Files that users bring: one open of such a file, and the moments when the backend judges its
 * bytes.
 *
 * What is written is staged and seen by nobody else, a new name included, until a flush that
 * brought new data, or the rename of a staged name, has been accepted. Until then only descriptors
 * lead to a new file: the kernel believes an entry for no time at all, asks, and is told that there
 * is none. An open file is used by several threads at once; it
 * outlives every call on it.
 */
#ifndef UPLOAD_H
#define UPLOAD_H

#include "node.h"

struct file;
struct ledger_open;
struct upload;

/* flags are those of open(2). 0 or -errno with a sentence. */
int upload_open(struct file_node *file, int flags, const struct sfs_cred *who, struct upload **out);
void upload_close(struct upload *upload);
/* For the ledger: the name, and which bytes are open. */
void upload_describe(struct upload *upload, struct ledger_open *out);

/* The count or -errno. offset as the kernel gives it. */
ssize_t upload_read(struct upload *upload, void *data, size_t size, off_t offset);
ssize_t upload_write(struct upload *upload, const void *data, size_t size, off_t offset);
int upload_truncate(struct upload *upload, off_t size);

/* Commits if something came since the last time. 0, -errno or REQ_LATER. */
int64_t upload_flush(struct upload *upload, const struct sfs_cred *who, struct sfs_req *req);
/* The same, and then fsync(2). */
int64_t upload_sync(struct upload *upload, const struct sfs_cred *who, struct sfs_req *req);

/* What a utimens(2) before the commit asked for is applied after it. */
void upload_set_mtime(struct file_node *file, uint64_t mtime_ns);

struct rename {
	struct file_node *file;
	const char *to;
	unsigned flags; /* RENAME_* */
};

/* Within one directory with uploads. 0, -errno or REQ_LATER. */
int64_t upload_rename(const struct rename *rename, const struct sfs_cred *who, struct sfs_req *req);
/* unlink(2). 0 or -errno. */
int upload_remove(struct file_node *file, const struct sfs_cred *who);
struct creation {
	const char *name;
	mode_t mode;
	int flags; /* of open(2) */
};

/*
 * A new file by creat(2), which a staging name leads to at once and a plain one once it has been
 * committed. 0 or -errno; the node is counted.
 */
int upload_create(struct sfs_obj *dir, const struct creation *want, const struct sfs_cred *who,
		  struct file_node **out);

#endif
