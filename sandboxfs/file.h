/* SPDX-License-Identifier: MIT */
/*
 * One open(2): what it reads, the commands it is given, and their answers.
 *
 * Counted: the kernel's handle is one reference, dropped by file_release(); work that is put off
 * holds another. Its own lock guards what reads see; no callback runs under it. Functions that take
 * a request return REQ_LATER when the answer comes by it, and have not touched it otherwise.
 *
 * Everything is done in the name of whoever opened the file, not of whoever writes: else a user
 * could open a command file and have a program of another user, started with it as its output, give
 * the commands.
 */
#ifndef FILE_H
#define FILE_H

#include "node.h"

struct file;
struct ledger_open;
struct sfs_req;

/* flags are those of open(2). 0 or -errno with a sentence. */
int file_open(struct node *node, int flags, const struct sfs_cred *who, struct file **out);
void file_release(struct file *file);
/* What another daemon needs to open it again; and it does: 0 or -errno. */
void file_describe(const struct file *file, struct ledger_open *out);
int file_reopen(struct node *node, const struct ledger_open *was, struct file **out);
/* After the loop: what the kernel still has open. */
void file_release_all(void);

bool file_is_upload(const struct file *file);
/* Calls to flush(2) mean something here. */
bool file_flushes(const struct file *file);
/* A write may be put off, so that it needs a request. */
bool file_write_waits(const struct file *file);

/*
 * What a read gives: bytes of a blob (counted, then in *out), or of an upload (copied to data, *out
 * is NULL).
 */
struct file_piece {
	struct sfs_blob *blob;
	size_t offset, size;
};
int file_read(struct file *file, size_t size, off_t offset, struct file_piece *out);
ssize_t file_read_upload(struct file *file, void *data, size_t size, off_t offset);

/* poll(2): what is ready, its bits. handle is taken over, NULL: nobody will wait. */
unsigned file_poll(struct file *file, void *handle);

struct file_bytes {
	const char *data;
	size_t size;
	off_t offset;
};
/* The count of bytes, -errno, or REQ_LATER. req may be NULL where file_write_waits() says no. */
int64_t file_write(struct file *file, const struct file_bytes *bytes, struct sfs_req *req);
int64_t file_flush(struct file *file, struct sfs_req *req);
int64_t file_sync(struct file *file, struct sfs_req *req); /* fsync(2) */
/* ftruncate(2): means something for uploads only. */
int file_truncate(struct file *file, off_t size);

/* For command.c: how cmd, given to this file, ended. The answer is taken over. Returns rc. */
int64_t file_answer(struct file *file, const struct sfs_cmd *cmd, int64_t rc,
		    struct sfs_blob *answer);
const struct sfs_cred *file_who(const struct file *file);
struct sfs_obj *file_dir(const struct file *file);
const struct sfs_attr *file_attr(const struct file *file);
struct file *file_get(struct file *file);
void file_put(struct file *file);
/*
 * O_NONBLOCK: claims the one piece of work in the background that a descriptor may have; and ends
 * it.
 */
bool file_nonblocking(const struct file *file);
bool file_claim(struct file *file);
void file_unclaim(struct file *file);
/*
 * The tail of a write whose beginning was done must not be taken for a command when it comes again.
 */
void file_set_cut(struct file *file, size_t size);

#endif
