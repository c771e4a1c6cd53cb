/* SPDX-License-Identifier: MIT */
/* Uploads: what each open of a file stages, and the names that are made, renamed and removed. */
#include "upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "announce.h"
#include "commit.h"
#include "ledger.h"
#include "object.h"

struct upload {
	struct file_node *file; /* counted */
	uid_t uid;
	int flags;
	int fd; /* the committed bytes as they were at open(2), or -1; constant */
	pthread_mutex_t lock;
	struct stage *stage; /* counted; NULL until the first write of a committed file; lock */
};

static struct stage *own_stage(struct file_node *file)
{
	struct stage *stage;

	pthread_mutex_lock(&tree_lock);
	stage = stage_get(file->stage);
	pthread_mutex_unlock(&tree_lock);
	return stage;
}

static void name_of(struct file_node *file, char *out, size_t room)
{
	pthread_mutex_lock(&tree_lock);
	snprintf(out, room, "%s", file->node.name);
	pthread_mutex_unlock(&tree_lock);
}

/* ---- one open(2) ----------------------------------------------------------------------------- */

/*
 * A descriptor of what was committed; -1 where nothing was, or where a writer begins from nothing.
 */
static int open_bytes(struct upload *upload)
{
	const struct sfs_uploads *uploads = uploads_of(upload->file);
	char name[NODE_STAGING_MAX + 1];
	int fd;

	upload->fd = -1;
	if (upload->stage || ((upload->flags & O_TRUNC) && (upload->flags & O_ACCMODE) == O_WRONLY))
		return 0;
	if (!file_committed(upload->file))
		return 0;
	name_of(upload->file, name, sizeof(name));
	fd = uploads->open(upload->file->node.dir, name);
	if (fd < 0)
		return fd;
	upload->fd = fd;
	return 0;
}

int upload_open(struct file_node *file, int flags, const struct sfs_cred *who, struct upload **out)
{
	struct upload *upload = calloc(1, sizeof(*upload));
	int err;

	if (!upload)
		return -ENOMEM;
	upload->file = file;
	upload->uid = who->uid;
	upload->flags = flags;
	upload->stage = own_stage(file);
	err = open_bytes(upload);
	if (err) {
		stage_put(upload->stage);
		free(upload);
		return err;
	}
	if (upload->stage && (flags & O_TRUNC))
		stage_truncate(upload->stage, 0);
	pthread_mutex_init(&upload->lock, NULL);
	node_get(&file->node);
	*out = upload;
	return 0;
}

void upload_describe(struct upload *upload, struct ledger_open *out)
{
	struct stat st;

	name_of(upload->file, out->name, sizeof(out->name));
	out->fresh = !file_committed(upload->file);
	if (upload->fd >= 0 && !fstat(upload->fd, &st)) {
		out->ino = st.st_ino;
		out->size = (uint64_t)st.st_size;
	}
}

void upload_close(struct upload *upload)
{
	struct node *node = &upload->file->node;
	char name[NODE_STAGING_MAX + 1];

	/*
	 * What was never accepted under a plain name goes with the open file that brought it, once
	 * the kernel has forgotten it.
	 */
	name_of(upload->file, name, sizeof(name));
	if (name[0] != '.' && !file_committed(upload->file))
		announce_lost(node, name);
	if (upload->fd >= 0)
		close(upload->fd);
	stage_put(upload->stage);
	pthread_mutex_destroy(&upload->lock);
	node_put(node);
	free(upload);
}

static void forget_mtime(struct file_node *file)
{
	pthread_mutex_lock(&tree_lock);
	file->asked_mtime_ns = 0;
	pthread_mutex_unlock(&tree_lock);
}

/* Under the lock: where writes go. */
static int need_stage(struct upload *upload)
{
	struct stage *stage;
	int err;

	if (upload->stage)
		return 0;
	stage = stage_new(upload->uid, uploads_of(upload->file)->max_bytes(), &err);
	if (!stage)
		return err;
	if (upload->fd >= 0 && !(upload->flags & O_TRUNC))
		err = stage_copy(stage, upload->fd);
	if (err)
		stage_put(stage);
	else
		upload->stage = stage;
	/* New bytes have a time of their own, unless somebody sets it from here on. */
	if (!err)
		forget_mtime(upload->file);
	return err;
}

static struct stage *stage_for_write(struct upload *upload, int *err)
{
	struct stage *stage = NULL;

	pthread_mutex_lock(&upload->lock);
	*err = need_stage(upload);
	if (!*err)
		stage = stage_get(upload->stage);
	pthread_mutex_unlock(&upload->lock);
	return stage;
}

ssize_t upload_write(struct upload *upload, const void *data, size_t size, off_t offset)
{
	int err;
	struct stage *stage = stage_for_write(upload, &err);
	ssize_t n;

	if (!stage)
		return err;
	/*
	 * The kernel's idea of the end is the committed size; the end that counts is that of what
	 * was staged.
	 */
	n = stage_write(stage, data, size, upload->flags & O_APPEND ? -1 : offset);
	stage_put(stage);
	return n;
}

int upload_truncate(struct upload *upload, off_t size)
{
	int err;
	struct stage *stage = stage_for_write(upload, &err);

	if (!stage)
		return err;
	err = stage_truncate(stage, size);
	stage_put(stage);
	return err;
}

ssize_t upload_read(struct upload *upload, void *data, size_t size, off_t offset)
{
	struct stage *stage;
	ssize_t n = 0;

	pthread_mutex_lock(&upload->lock);
	stage = stage_get(upload->stage);
	pthread_mutex_unlock(&upload->lock);
	if (stage) {
		n = stage_read(stage, data, size, offset);
	} else if (upload->fd >= 0) {
		n = pread(upload->fd, data, size, offset);
		if (n < 0)
			n = -errno;
	}
	stage_put(stage);
	return n;
}

/* ---- commit ---------------------------------------------------------------------------------- */

/* Staged names have nothing to judge and nothing to keep. */
static int64_t judge(struct upload *upload, const struct sfs_cred *who, struct sfs_req *req,
		     enum commit_kind kind)
{
	char name[NODE_STAGING_MAX + 1];
	struct judgement what = { upload->file, name, NULL, kind };
	struct stage *stage;
	int64_t result = 0;

	name_of(upload->file, name, sizeof(name));
	pthread_mutex_lock(&upload->lock);
	stage = stage_get(upload->stage);
	pthread_mutex_unlock(&upload->lock);
	if (stage && stage_dirty(stage))
		what.stage = stage;
	if (name[0] != '.' && (what.stage || (kind == COMMIT_SYNC && file_committed(upload->file))))
		result = commit_begin(&what, who, req);
	stage_put(stage);
	return result;
}

int64_t upload_flush(struct upload *upload, const struct sfs_cred *who, struct sfs_req *req)
{
	return judge(upload, who, req, COMMIT_FLUSH);
}

int64_t upload_sync(struct upload *upload, const struct sfs_cred *who, struct sfs_req *req)
{
	return judge(upload, who, req, COMMIT_SYNC);
}

void upload_set_mtime(struct file_node *file, uint64_t mtime_ns)
{
	pthread_mutex_lock(&tree_lock);
	file->asked_mtime_ns = file->node.mtime_ns = mtime_ns;
	pthread_mutex_unlock(&tree_lock);
}

/* ---- names ----------------------------------------------------------------------------------- */

static int bad_name(const char *name)
{
	return sfs_fail(strlen(name) > SFS_NAME_MAX ? -ENAMETOOLONG : -EINVAL,
			"'%.80s' is no name: 1 to %d of A-Z a-z 0-9 . _ + - are", name,
			SFS_NAME_MAX);
}

/* The kernel has found no such name; somebody may have committed one since. */
static int check_free(struct sfs_obj *dir, const struct creation *want, const struct sfs_cred *who)
{
	struct node *there;
	bool taken;

	if (!node_name_ok(want->name, false) && !node_name_staging(want->name))
		return bad_name(want->name);
	there = node_child(dir, want->name, who);
	taken = object_row(dir, want->name) >= 0 ||
		(there && ((want->flags & O_EXCL) || there->kind != NODE_FILE));
	node_put(there);
	return taken ? sfs_fail(-EEXIST, "'%.64s' exists already", want->name) : 0;
}

int upload_create(struct sfs_obj *dir, const struct creation *want, const struct sfs_cred *who,
		  struct file_node **out)
{
	int err = check_free(dir, want, who);
	struct file_node *file;
	struct stage *stage;

	if (err)
		return err;
	stage = stage_new(who->uid, dir->type->uploads->max_bytes(), &err);
	if (!stage)
		return err;
	file = node_new_file(dir, want->name, want->mode & 0777, who, &err);
	if (!file) {
		stage_put(stage);
		return err;
	}
	file->stage = stage;
	file->exclusive = (want->flags & O_EXCL) != 0;
	err = want->name[0] == '.' ? node_link(&file->node) : 0;
	if (err)
		node_put(&file->node);
	else
		*out = file;
	return err;
}

int upload_remove(struct file_node *file, const struct sfs_cred *who)
{
	char name[NODE_STAGING_MAX + 1];

	if (node_unlink_staged(file, false))
		return 0;
	if (!uploads_of(file)->remove)
		return sfs_fail(-EPERM, "files here cannot be removed");
	name_of(file, name, sizeof(name));
	return uploads_of(file)->remove(file->node.dir, name, who);
}

static int64_t rename_committed(const struct rename *rename, const struct sfs_cred *who)
{
	const struct sfs_uploads *uploads = uploads_of(rename->file);
	struct sfs_obj *dir = rename->file->node.dir;
	char from[NODE_STAGING_MAX + 1];

	if (!node_name_ok(rename->to, false))
		return bad_name(rename->to);
	if (!uploads->rename)
		return sfs_fail(-EPERM, "files here cannot be renamed");
	name_of(rename->file, from, sizeof(from));
	return uploads->rename(dir, from, rename->to, !(rename->flags & RENAME_NOREPLACE), who);
}

/* The kernel has not been told of another's staged file, and so has not asked either. */
static int check_staged(const struct rename *rename, const struct sfs_cred *who)
{
	struct node *there = node_child(rename->file->node.dir, rename->to, NULL);
	bool theirs = there && there->uid != who->uid && who->uid != 0;

	node_put(there);
	return theirs ? sfs_fail(-EPERM, "'%.64s' is being made by somebody else", rename->to) : 0;
}

static int64_t rename_staged(const struct rename *rename, const struct sfs_cred *who,
			     struct sfs_req *req)
{
	struct judgement what = { rename->file, rename->to, NULL, COMMIT_RENAME };
	int64_t result;

	if (node_name_staging(rename->to))
		return check_staged(rename, who) ?: node_rename(rename->file, rename->to);
	if (!node_name_ok(rename->to, false))
		return bad_name(rename->to);
	what.stage = own_stage(rename->file);
	if (!what.stage)
		return sfs_fail(-EIO, "the staged bytes of '%.80s' are gone", rename->to);
	result = commit_begin(&what, who, req);
	stage_put(what.stage);
	return result;
}

/* Files replace files, not the rows that each directory of this kind has. */
static int check_place(const struct rename *rename)
{
	struct sfs_obj *dir = rename->file->node.dir;
	struct node *there = node_child(dir, rename->to, NULL);
	bool row = object_row(dir, rename->to) >= 0;

	node_put(there);
	if ((row || there) && (rename->flags & RENAME_NOREPLACE))
		return sfs_fail(-EEXIST, "'%.64s' exists already", rename->to);
	return row ? sfs_fail(-EPERM, "'%.64s' cannot be replaced", rename->to) : 0;
}

int64_t upload_rename(const struct rename *rename, const struct sfs_cred *who, struct sfs_req *req)
{
	char name[NODE_STAGING_MAX + 1];
	int err;

	if (rename->flags & ~(unsigned)RENAME_NOREPLACE)
		return sfs_fail(-EINVAL, "names here cannot be exchanged");
	err = check_place(rename);
	if (err)
		return err;
	if (file_committed(rename->file))
		return rename_committed(rename, who);
	name_of(rename->file, name, sizeof(name));
	if (name[0] != '.')
		return sfs_fail(-EBUSY, "'%.64s' is still being written", name);
	return rename_staged(rename, who, req);
}
