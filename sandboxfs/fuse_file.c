/* SPDX-License-Identifier: MIT */
/* FUSE: operations on what is open, files and directories. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "file.h"
#include "fuse_ops.h"

/* Of struct fuse_open_out in linux/fuse.h: the library does not know all flags. */
#define OPEN_DIRECT_IO       (1u << 0)
#define OPEN_NOFLUSH         (1u << 5)
#define OPEN_PARALLEL_WRITES (1u << 6)

#define READ_STACK    4096
#define READDIR_BYTES (128u << 10)

struct open_reply {
	uint64_t fh;
	uint32_t flags, padding;
};

static void send_written(void *token, int64_t result)
{
	if (result < 0)
		fuse_reply_err(token, (int)-result);
	else
		fuse_reply_write(token, (size_t)result);
}

/* ---- open files ------------------------------------------------------------------------------ */

static struct file *file_of(const struct fuse_file_info *fi)
{
	return (struct file *)(uintptr_t)fi->fh;
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct sfs_cred who = fuse_begin(req, OP_OPEN);
	struct node *node = node_find(ino);
	struct open_reply reply = { .flags = OPEN_DIRECT_IO };
	struct file *file;
	int err = node ? file_open(node, fi->flags, &who, &file) : -ESTALE;

	node_put(node);
	if (err) {
		fuse_answer(req, err);
		return;
	}
	reply.fh = (uint64_t)(uintptr_t)file;
	if (!file_flushes(file))
		reply.flags |= OPEN_NOFLUSH;
	if (!file_is_upload(file))
		reply.flags |= OPEN_PARALLEL_WRITES;
	stats_end(false);
	if (fuse_reply_buf(req, (const char *)&reply, sizeof(reply)))
		file_release(file);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		      struct fuse_file_info *fi)
{
	struct sfs_cred who = fuse_begin(req, OP_CREATE);
	struct where where = { parent, name };
	struct fuse_entry_param entry;
	struct file *file = NULL;
	struct seen seen;
	int err = dir_create(&where, mode, fi->flags, &who, &seen);

	if (err) {
		fuse_answer(req, err);
		return;
	}
	fuse_entry_of(&seen, &entry);
	err = file_open(seen.node, fi->flags & ~O_TRUNC, &who, &file);
	stats_end(err);
	fi->fh = (uint64_t)(uintptr_t)file;
	fi->direct_io = 1;
	if (err)
		fuse_reply_err(req, -err);
	else
		err = fuse_reply_create(req, &entry, fi);
	if (err) {
		if (file)
			file_release(file);
		node_unlink(seen.node, false);
		node_forget(entry.ino, 1);
	}
	node_put(seen.node);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	fuse_begin(req, OP_RELEASE);
	file_release(file_of(fi));
	fuse_answer(req, 0);
}

static void read_upload(fuse_req_t req, struct file *file, size_t size, off_t offset)
{
	char small[READ_STACK], *data = size <= sizeof(small) ? small : malloc(size);
	ssize_t n = data ? file_read_upload(file, data, size, offset) : -ENOMEM;

	stats_end(n < 0);
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else
		fuse_reply_buf(req, data, (size_t)n);
	if (data != small)
		free(data);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *fi)
{
	struct file_piece piece;
	int err;

	(void)ino;
	fuse_begin(req, OP_READ);
	if (file_is_upload(file_of(fi))) {
		read_upload(req, file_of(fi), size, offset);
		return;
	}
	err = file_read(file_of(fi), size, offset, &piece);
	if (err) {
		fuse_answer(req, err);
		return;
	}
	stats_end(false);
	fuse_reply_buf(req, (const char *)sfs_blob_data(piece.blob) + piece.offset, piece.size);
	sfs_blob_put(piece.blob);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
		     struct fuse_file_info *fi)
{
	struct file_bytes bytes = { data, size, offset };
	struct file *file = file_of(fi);
	struct sfs_req *later = NULL;
	int64_t result = -ENOMEM;

	(void)ino;
	fuse_begin(req, OP_WRITE);
	if (file_write_waits(file))
		later = fuse_may_wait(req, file, send_written);
	if (fuse_resent && !file_is_upload(file))
		result = -EAGAIN;
	else if (later || !file_write_waits(file))
		result = file_write(file, &bytes, later);
	fuse_finish(req, later, result, send_written);
}

static void judge(fuse_req_t req, struct file *file,
		  int64_t (*call)(struct file *, struct sfs_req *))
{
	struct sfs_req *later;
	int64_t result = -ENOMEM;

	if (!file_flushes(file)) {
		fuse_answer(req, 0);
		return;
	}
	later = fuse_may_wait(req, file, fuse_send_status);
	if (later)
		result = fuse_resent ? -EAGAIN : call(file, later);
	fuse_finish(req, later, result, fuse_send_status);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	fuse_begin(req, OP_FLUSH);
	judge(req, file_of(fi), file_flush);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)ino, (void)datasync;
	fuse_begin(req, OP_OTHER);
	judge(req, file_of(fi), file_sync);
}

static void op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
		    struct fuse_pollhandle *handle)
{
	unsigned events;

	(void)ino;
	fuse_begin(req, OP_OTHER);
	events = file_poll(file_of(fi), handle);
	stats_end(false);
	fuse_reply_poll(req, events);
}

/* ---- directories ----------------------------------------------------------------------------- */

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct sfs_cred who = fuse_begin(req, OP_OPENDIR);
	int err = dir_open(ino, &who);

	if (err) {
		fuse_answer(req, err);
		return;
	}
	stats_end(false);
	if (fuse_reply_open(req, fi))
		node_forget(ino, 1);
}

static void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)fi;
	fuse_begin(req, OP_RELEASE);
	node_forget(ino, 1);
	fuse_answer(req, 0);
}

/*
 * Adds one entry if there is room: its size, or 0. Rows are looked up one by one: only that
 * measures them.
 */
static size_t add_entry(fuse_req_t req, char *at, size_t room, struct node_entry *from, bool plus)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct sfs_cred who = { .uid = ctx->uid, .gid = ctx->gid, .pid = ctx->pid };
	struct fuse_entry_param entry = { 0 };
	struct seen seen;
	size_t size;

	entry.attr.st_ino = from->ino;
	entry.attr.st_mode = from->mode;
	if (!plus)
		return fuse_add_direntry(req, at, room, from->name, &entry.attr,
					 (off_t)from->cookie);
	if (from->node) {
		dir_see(from->node, &who, &seen);
		fuse_entry_of(&seen, &entry);
		node_lend(from->node);
	}
	size = fuse_add_direntry_plus(req, at, room, from->name, &entry, (off_t)from->cookie);
	if (from->node && size > room)
		node_forget(from->node->id, 1);
	return size;
}

static size_t fill(fuse_req_t req, char *out, size_t size, struct sfs_obj *dir, off_t offset,
		   bool plus)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct sfs_cred who = { .uid = ctx->uid, .gid = ctx->gid, .pid = ctx->pid };
	struct node_entry entry;
	size_t used = 0, n;

	while (node_next(dir, (uint64_t)offset, &who, &entry)) {
		n = add_entry(req, out + used, size - used, &entry, plus);
		node_put(entry.node);
		if (n > size - used)
			break;
		used += n;
		offset = (off_t)entry.cookie;
	}
	return used;
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, bool plus)
{
	struct sfs_obj *dir;
	char *out;

	fuse_begin(req, OP_READDIR);
	if (size > READDIR_BYTES)
		size = READDIR_BYTES;
	dir = dir_opened(ino);
	out = dir ? malloc(size) : NULL;
	if (out) {
		size = fill(req, out, size, dir, offset, plus);
		stats_end(false);
		fuse_reply_buf(req, out, size);
	} else {
		fuse_answer(req, dir ? -ENOMEM : -ESTALE);
	}
	free(out);
	sfs_put_obj(dir);
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		       struct fuse_file_info *fi)
{
	(void)fi;
	list(req, ino, size, offset, false);
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
			   struct fuse_file_info *fi)
{
	(void)fi;
	list(req, ino, size, offset, true);
}

void fuse_file_ops(struct fuse_lowlevel_ops *ops)
{
	ops->open = op_open;
	ops->create = op_create;
	ops->release = op_release;
	ops->read = op_read;
	ops->write = op_write;
	ops->flush = op_flush;
	ops->fsync = op_fsync;
	ops->poll = op_poll;
	ops->opendir = op_opendir;
	ops->readdir = op_readdir;
	ops->readdirplus = op_readdirplus;
	ops->releasedir = op_releasedir;
}
