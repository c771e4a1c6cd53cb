/* SPDX-License-Identifier: MIT */
/* FUSE: operations on what is open, files and directories. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "adopt.h"
#include "file.h"
#include "fuse_ops.h"
#include "gate.h"
#include "ledger.h"
#include "notify.h"

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

/* NULL: it could not be opened again after a replacement, and the request has been answered. */
static struct file *file_of(fuse_req_t req, const struct fuse_file_info *fi)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct sfs_cred who = { .uid = ctx->uid, .gid = ctx->gid, .pid = ctx->pid };
	struct file *file = ledger_file(fi->fh);

	if (!file)
		fuse_answer(req, adopt_refusal(fi->fh, &who));
	return file;
}

static void close_file(uint64_t fh)
{
	struct file *file = ledger_put(fh);

	if (file)
		file_release(file);
}

/* Opens, and takes a slot. What the same request opened before nobody has been told of. */
static int open_file(struct node *node, int flags, const struct sfs_cred *who, uint64_t *fh)
{
	struct ledger_open open = { .asked_by = fuse_number };
	struct file *file;
	int err;

	if (fuse_resent)
		close_file(ledger_asked_by(fuse_number));
	err = file_open(node, flags, who, &file);
	if (err)
		return err;
	file_describe(file, &open);
	err = ledger_take(&open, file, fh);
	if (err)
		file_release(file);
	return err;
}

static void reply_open(fuse_req_t req, struct open_reply *reply)
{
	struct file *file = ledger_file(reply->fh);
	uint64_t fh = reply->fh;

	if (!file_flushes(file))
		reply->flags |= OPEN_NOFLUSH;
	if (!file_is_upload(file))
		reply->flags |= OPEN_PARALLEL_WRITES;
	stats_end(false);
	if (fuse_reply_buf(req, (const char *)reply, sizeof(*reply)))
		close_file(fh);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct sfs_cred who = fuse_begin(req, OP_OPEN);
	struct node *node = node_find(ino);
	struct open_reply reply = { .flags = OPEN_DIRECT_IO };
	uint64_t gate = node ? node_waits_in(node) : 0;
	int err = node ? open_file(node, fi->flags, &who, &reply.fh) : -ESTALE;

	node_put(node);
	if (err)
		fuse_answer(req, err);
	else
		reply_open(req, &reply);
	if (gate)
		gate_leave(gate, who.uid, who.pid, fi->flags & O_TRUNC);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		      struct fuse_file_info *fi)
{
	struct sfs_cred who = fuse_begin(req, OP_CREATE);
	struct where where = { parent, name };
	struct fuse_entry_param entry;
	struct seen seen;
	int err = dir_create(&where, mode, fi->flags, &who, &seen);

	if (err) {
		fuse_answer(req, err);
		return;
	}
	fuse_entry_of(&seen, &entry);
	fi->fh = 0;
	err = open_file(seen.node, fi->flags & ~O_TRUNC, &who, &fi->fh);
	stats_end(err);
	fi->direct_io = 1;
	if (err)
		fuse_reply_err(req, -err);
	else
		err = fuse_reply_create(req, &entry, fi);
	if (err) {
		close_file(fi->fh);
		node_unlink(seen.node, false);
		node_forget(entry.ino, 1);
	}
	node_put(seen.node);
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	fuse_begin(req, OP_RELEASE);
	close_file(fi->fh);
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
	struct file *file;
	int err;

	(void)ino;
	fuse_begin(req, OP_READ);
	file = file_of(req, fi);
	if (!file)
		return;
	if (file_is_upload(file)) {
		read_upload(req, file, size, offset);
		return;
	}
	err = file_read(file, size, offset, &piece);
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
	struct sfs_req *later = NULL;
	int64_t result = -ENOMEM;
	struct file *file;

	(void)ino;
	fuse_begin(req, OP_WRITE);
	file = file_of(req, fi);
	if (!file)
		return;
	if (file_flushes(file))
		ledger_wrote(fi->fh);
	if (file_write_waits(file))
		later = fuse_may_wait(req, file, send_written);
	if (fuse_resent && !file_is_upload(file))
		result = adopt_command(file);
	else if (later || !file_write_waits(file))
		result = file_write(file, &bytes, later);
	fuse_finish(req, later, result, send_written);
}

/* One judgement, of what had been written when it began. */
struct judged {
	fuse_req_t req;
	uint64_t fh;
	uint32_t written;
};

static void send_judged(void *token, int64_t result)
{
	struct judged *judged = token;

	if (!result)
		ledger_saved(judged->fh, judged->written);
	fuse_send_status(judged->req, result);
	free(judged);
}

static void judge(fuse_req_t req, const struct fuse_file_info *fi,
		  int64_t (*call)(struct file *, struct sfs_req *))
{
	/* Asked once: after the answer the slot may be another file's. */
	bool unsaved = ledger_unsaved(fi->fh);
	struct file *file = unsaved ? file_of(req, fi) : ledger_file(fi->fh);
	struct judged *judged;
	struct sfs_req *later;

	if (!file && unsaved)
		return;
	/* What was written is safe, even if the file itself could not be opened again. */
	if (!file || !file_flushes(file)) {
		fuse_answer(req, 0);
		return;
	}
	judged = malloc(sizeof(*judged));
	if (!judged) {
		fuse_answer(req, -ENOMEM);
		return;
	}
	*judged = (struct judged){ req, fi->fh, ledger_written(fi->fh) };
	later = fuse_may_wait_for(req, &(struct req_reply){ send_judged, judged }, file);
	fuse_end(later, later ? call(file, later) : -ENOMEM, send_judged, judged);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	fuse_begin(req, OP_FLUSH);
	judge(req, fi, file_flush);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)ino, (void)datasync;
	fuse_begin(req, OP_OTHER);
	judge(req, fi, file_sync);
}

static void op_poll(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi,
		    struct fuse_pollhandle *handle)
{
	struct file *file = ledger_file(fi->fh);
	unsigned events = POLLERR | POLLHUP;

	(void)ino;
	fuse_begin(req, OP_OTHER);
	if (file)
		events = file_poll(file, handle);
	else
		notify_poll_free(handle);
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
