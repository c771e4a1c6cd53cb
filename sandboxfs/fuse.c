/* SPDX-License-Identifier: MIT */
/* FUSE: operations on names and attributes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adopt.h"
#include "after.h"
#include "errors.h"
#include "file.h"
#include "fuse_ops.h"
#include "gate.h"
#include "ledger.h"
#include "render.h"

struct sfs_cred fuse_begin(fuse_req_t req, enum stats_op op)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	stats_begin(op);
	errors_begin();
	return (struct sfs_cred){ .uid = ctx->uid, .gid = ctx->gid, .pid = ctx->pid };
}

void fuse_answer(fuse_req_t req, int64_t err)
{
	stats_end(err < 0);
	fuse_reply_err(req, (int)-err);
}

/* ---- answers that are put off ---------------------------------------------------------------- */

void fuse_send_status(void *token, int64_t result)
{
	fuse_reply_err(token, result < 0 ? (int)-result : 0);
}

static void interrupted(fuse_req_t req, void *id)
{
	(void)req;
	stats_interrupted();
	req_interrupt((uint64_t)(uintptr_t)id);
}

struct sfs_req *fuse_may_wait_for(fuse_req_t req, const struct req_reply *reply, struct file *file)
{
	struct sfs_req *later = req_new(reply, file);

	/* By number: the callback may come when the request has been answered. */
	if (later)
		fuse_req_interrupt_func(req, interrupted, (void *)(uintptr_t)req_id(later));
	return later;
}

struct sfs_req *fuse_may_wait(fuse_req_t req, struct file *file, void (*send)(void *, int64_t))
{
	return fuse_may_wait_for(req, &(struct req_reply){ send, req }, file);
}

/* The end of an operation that may have been put off. */
void fuse_end(struct sfs_req *later, int64_t result, void (*send)(void *, int64_t), void *token)
{
	stats_end(result < 0 && result != REQ_LATER);
	if (result == REQ_LATER)
		return;
	if (later)
		req_free(later);
	send(token, result);
}

void fuse_finish(fuse_req_t req, struct sfs_req *later, int64_t result,
		 void (*send)(void *, int64_t))
{
	fuse_end(later, result, send, req);
}

/* ---- names ----------------------------------------------------------------------------------- */

void fuse_entry_of(const struct seen *seen, struct fuse_entry_param *entry)
{
	memset(entry, 0, sizeof(*entry));
	entry->ino = seen->node->id;
	entry->generation = seen->node->generation;
	entry->attr = seen->st;
	entry->attr_timeout = seen->attr_s;
	entry->entry_timeout = seen->entry_s;
}

static void reply_entry(fuse_req_t req, int err, const struct seen *seen)
{
	struct fuse_entry_param entry;

	if (err) {
		fuse_answer(req, err);
		return;
	}
	fuse_entry_of(seen, &entry);
	stats_end(false);
	if (fuse_reply_entry(req, &entry))
		node_forget(entry.ino, 1);
	node_put(seen->node);
}

/* A LOOKUP that waits at the gate. */
struct waiting_lookup {
	struct gate_guest guest;
	fuse_req_t req;
	char name[];
};

static void look_up(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct sfs_cred who = fuse_begin(req, OP_LOOKUP);
	struct where where = { parent, name };
	struct seen seen;

	reply_entry(req, dir_lookup(&where, &who, &seen), &seen);
}

static void look_up_late(struct gate_guest *guest)
{
	struct waiting_lookup *lookup = (struct waiting_lookup *)guest;

	look_up(lookup->req, guest->dir, lookup->name);
	free(lookup);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct gate_guest guest = { parent, ctx->uid, ctx->pid, look_up_late, NULL, NULL };
	struct waiting_lookup *lookup = NULL;
	size_t size = strlen(name) + 1;

	if (node_name_waits(parent, name) && !gate_pass(&guest))
		lookup = malloc(sizeof(*lookup) + size);
	if (!lookup) {
		look_up(req, parent, name);
		return;
	}
	lookup->guest = guest;
	lookup->req = req;
	memcpy(lookup->name, name, size);
	gate_wait(&lookup->guest);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
	node_forget(ino, nlookup);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	size_t i;

	for (i = 0; i < count; i++)
		node_forget(forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct sfs_cred who = fuse_begin(req, OP_MKDIR);
	struct where where = { parent, name };
	struct seen seen;

	after_begin();
	reply_entry(req,
		    fuse_resent ? adopt_mkdir(&where, &who, &seen)
				: dir_mkdir(&where, mode, &who, &seen),
		    &seen);
	after_end(false);
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct sfs_cred who = fuse_begin(req, OP_RMDIR);
	struct where where = { parent, name };

	after_begin();
	fuse_answer(req, fuse_resent ? adopt_remove(&where, &who) : dir_rmdir(&where, &who));
	after_end(true);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct sfs_cred who = fuse_begin(req, OP_UNLINK);
	struct where where = { parent, name };

	fuse_answer(req, fuse_resent ? adopt_remove(&where, &who) : dir_unlink(&where, &who));
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
		      const char *newname, unsigned flags)
{
	struct sfs_cred who = fuse_begin(req, OP_RENAME);
	struct where from = { parent, name }, to = { newparent, newname };
	struct sfs_req *later = fuse_may_wait(req, NULL, fuse_send_status);
	int64_t result = -ENOMEM;

	if (later)
		result = fuse_resent ? adopt_rename(&from, &to, &who)
				     : dir_rename(&from, &to, flags, &who, later);
	fuse_finish(req, later, result, fuse_send_status);
}

static void refuse(fuse_req_t req, fuse_ino_t parent, const char *name, const char *what)
{
	struct sfs_cred who = fuse_begin(req, OP_OTHER);
	struct where where = { parent, name };

	fuse_answer(req, dir_refuse(&where, &who, what));
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	(void)mode, (void)rdev;
	refuse(req, parent, name, "special file");
}

static void op_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name)
{
	(void)link;
	refuse(req, parent, name, "symbolic link");
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname)
{
	(void)ino;
	refuse(req, newparent, newname, "hard link");
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct sfs_cred who = fuse_begin(req, OP_OTHER);
	struct node *node = node_find(ino);
	struct sfs_blob *blob = NULL;
	int err = node ? -EINVAL : -ESTALE;

	if (node && node->kind == NODE_ROW && node_attr(node_as_row(node))->link)
		blob = render_row(node_as_row(node), &who, &err);
	if (blob) {
		stats_end(false);
		fuse_reply_readlink(req, sfs_blob_data(blob));
	} else {
		fuse_answer(req, err);
	}
	sfs_blob_put(blob);
	node_put(node);
}

/* ---- attributes ------------------------------------------------------------------------------ */

static void reply_attr(fuse_req_t req, int err, const struct seen *seen)
{
	if (err) {
		fuse_answer(req, err);
		return;
	}
	stats_end(false);
	fuse_reply_attr(req, &seen->st, seen->attr_s);
	node_put(seen->node);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct sfs_cred who = fuse_begin(req, OP_GETATTR);
	struct seen seen;

	(void)fi;
	reply_attr(req, dir_getattr(ino, &who, &seen), &seen);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int valid,
		       struct fuse_file_info *fi)
{
	struct sfs_cred who = fuse_begin(req, OP_SETATTR);
	struct change change = {
		.mode_set = valid & FUSE_SET_ATTR_MODE,
		.uid_set = valid & FUSE_SET_ATTR_UID,
		.gid_set = valid & FUSE_SET_ATTR_GID,
		.size_set = valid & FUSE_SET_ATTR_SIZE,
		.mtime_set = valid & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW),
		.mode = attr->st_mode,
		.uid = attr->st_uid,
		.gid = attr->st_gid,
		.size = attr->st_size,
		.mtime_ns = valid & FUSE_SET_ATTR_MTIME_NOW
				    ? sfs_wall_ns()
				    : (uint64_t)attr->st_mtim.tv_sec * 1000000000u +
					      (uint64_t)attr->st_mtim.tv_nsec,
	};
	struct file *file = fi ? ledger_file(fi->fh) : NULL;
	struct seen seen;
	int err;

	/* ftruncate(2): what it stages is lost with this daemon, as what is written is. */
	if (file && change.size_set && file_is_upload(file))
		ledger_wrote(fi->fh);
	if (fi && !file && change.size_set)
		err = adopt_refusal(fi->fh, &who);
	else
		err = dir_setattr(ino, &change, &who, file, &seen);
	reply_attr(req, err, &seen);
}

static void op_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
	struct sfs_cred who = fuse_begin(req, OP_ACCESS);

	fuse_answer(req, dir_access(ino, mask & (R_OK | W_OK | X_OK), &who));
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st;

	(void)ino;
	fuse_begin(req, OP_STATFS);
	dir_statfs(&st);
	stats_end(false);
	fuse_reply_statfs(req, &st);
}

void fuse_name_ops(struct fuse_lowlevel_ops *ops)
{
	ops->lookup = op_lookup;
	ops->forget = op_forget;
	ops->forget_multi = op_forget_multi;
	ops->mkdir = op_mkdir;
	ops->rmdir = op_rmdir;
	ops->unlink = op_unlink;
	ops->rename = op_rename;
	ops->mknod = op_mknod;
	ops->symlink = op_symlink;
	ops->link = op_link;
	ops->readlink = op_readlink;
	ops->getattr = op_getattr;
	ops->setattr = op_setattr;
	ops->access = op_access;
	ops->statfs = op_statfs;
}
