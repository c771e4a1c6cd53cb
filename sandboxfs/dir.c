/* SPDX-License-Identifier: MIT */
/* Operations on names and attributes. */
#include "dir.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "adopt.h"
#include "announce.h"
#include "errors.h"
#include "perm.h"
#include "publish_call.h"
#include "render.h"
#include "req.h"
#include "rows.h"
#include "upload.h"

#define DIR_ENTRY_S 3600.0 /* a directory's name: its removal is told to the kernel */
#define DIR_ATTR_S  1.0
/*
 * Of a row, when it is looked up: until the next tick of the kernel's clock. What looks up is about to
 * open or to stat, and the kernel would ask once more for what it has just been told.
 */
#define ROW_ATTR_S 1e-6

static int stale(void)
{
	return sfs_fail(-ESTALE, "what this was is gone");
}

static bool is_gone(struct node *node)
{
	return node_gone(node->kind == NODE_DIR ? node_obj(node) : node->dir);
}

/* The directory of that id, counted, if who may do want in it. NULL with *err. */
static struct sfs_obj *dir_get(uint64_t id, int want, const struct sfs_cred *who, int *err)
{
	struct node *node = node_find(id);
	struct stat st;

	if (!node) {
		*err = stale();
		return NULL;
	}
	if (node->kind != NODE_DIR)
		*err = -ENOTDIR;
	else
		*err = node_gone(node_obj(node)) ? stale() : 0;
	if (!*err) {
		node_stat(node, &st);
		*err = perm_access(who, &st, want);
		/* Not what a mere search meets. */
		if (*err && (want & W_OK))
			errors_note(node_obj(node), NULL, who, *err);
	}
	if (!*err)
		return node_obj(node);
	node_put(node);
	return NULL;
}

/* Within an object (its runs, its jobs), where the owner of a directory has no use for its write bit. */
static bool is_inner(const struct sfs_obj *dir)
{
	const struct sfs_obj *object = dir->node.dir;

	return object && object->node.dir && object->node.dir->node.dir;
}

/* The directory of that id, if who may take something out of it: rm -r has to get through an object. */
static struct sfs_obj *dir_get_to_empty(uint64_t id, const struct sfs_cred *who, int *err)
{
	struct sfs_obj *dir = dir_get(id, X_OK, who, err);
	struct stat st;

	if (!dir)
		return NULL;
	node_stat(&dir->node, &st);
	if (is_inner(dir) && st.st_uid == who->uid)
		return dir;
	sfs_put_obj(dir);
	return dir_get(id, W_OK | X_OK, who, err);
}

/* ---- seeing ---------------------------------------------------------------------------------- */

/* Else the kernel asks each time: until the publisher has made it, and where names move or return. */
static bool is_lasting(struct sfs_obj *dir)
{
	bool lasting;

	pthread_mutex_lock(&tree_lock);
	lasting = !announce_pending(dir) && !dir->gone && !dir->type->moves;
	pthread_mutex_unlock(&tree_lock);
	return lasting;
}

static void see(struct node *node, const struct sfs_cred *who, bool fresh, struct seen *out)
{
	struct sfs_blob *blob;
	int err;

	out->node = node;
	out->entry_s = out->attr_s = 0;
	node_stat(node, &out->st);
	if (node->kind == NODE_DIR) {
		out->entry_s = is_lasting(node_obj(node)) ? DIR_ENTRY_S : 0;
		out->attr_s = DIR_ATTR_S;
	} else if (node->kind == NODE_ROW) {
		/* A row that cannot be rendered now says so when it is read. */
		blob = render_measured(node_as_row(node), who, fresh, &err);
		out->st.st_size = blob ? (off_t)sfs_blob_size(blob) : 0;
		out->st.st_blocks = (out->st.st_size + 511) / 512;
		sfs_blob_put(blob);
	}
}

void dir_see(struct node *node, const struct sfs_cred *who, struct seen *out)
{
	see(node, who, false, out);
}

static struct node *find(struct sfs_obj *dir, const char *name, const struct sfs_cred *who)
{
	int row = node_row_number(dir, name);

	if (row < 0)
		return node_child(dir, name, who);
	return (struct node *)node_row(dir, (unsigned)row, who);
}

/* For a publisher what it announces is not there yet, or still is. */
static struct node *find_for_publisher(struct sfs_obj *dir, const char *name,
				       const struct call_lookup *call, const struct sfs_cred *who)
{
	struct sfs_cred as = *who;

	as.uid = call->as_uid;
	if (call->result)
		return NULL;
	return call->node ?: find(dir, name, &as);
}

int dir_lookup(const struct where *where, const struct sfs_cred *who, struct seen *out)
{
	int err;
	struct sfs_obj *dir = dir_get(where->dir, X_OK, who, &err);
	struct call_lookup call;
	struct node *node;
	bool published;

	if (!dir)
		return err;
	published = call_looks_up(where, who->pid, &call);
	node = published ? find_for_publisher(dir, where->name, &call, who)
			 : find(dir, where->name, who);
	sfs_put_obj(dir);
	if (!node)
		return adopt_missing(where, who);
	see(node, who, true, out);
	if (node->kind == NODE_ROW)
		out->attr_s = ROW_ATTR_S;
	if (published)
		out->entry_s = 0;
	/* Who watches it mostly hears of its end, when the kernel lets go of it under its new name. */
	if (published && node->kind == NODE_DIR && is_gone(node))
		out->st.st_nlink = 0;
	node_lend(node);
	return 0;
}

int dir_getattr(uint64_t id, const struct sfs_cred *who, struct seen *out)
{
	struct node *node = node_find(id);

	if (!node)
		return stale();
	if (is_gone(node)) {
		node_put(node);
		return stale();
	}
	see(node, who, false, out);
	return 0;
}

int dir_access(uint64_t id, int want, const struct sfs_cred *who)
{
	struct node *node = node_find(id);
	struct stat st;

	if (!node)
		return stale();
	node_stat(node, &st);
	node_put(node);
	return perm_access(who, &st, want);
}

int dir_open(uint64_t id, const struct sfs_cred *who)
{
	int err;
	struct sfs_obj *dir = dir_get(id, R_OK, who, &err);

	if (!dir)
		return err;
	/* Like a lookup, so that the end of the mount drops both in one way. */
	node_lend(&dir->node);
	sfs_put_obj(dir);
	return 0;
}

struct sfs_obj *dir_opened(uint64_t id)
{
	struct node *node = node_find(id);

	if (node && node->kind == NODE_DIR)
		return node_obj(node);
	node_put(node);
	return NULL;
}

/* ---- changing attributes --------------------------------------------------------------------- */

int dir_setattr(uint64_t id, const struct change *change, const struct sfs_cred *who,
		struct file *file, struct seen *out)
{
	struct node *node = node_find(id);
	bool published = call_truncates(who->pid);
	int err;

	if (!node)
		return stale();
	if (is_gone(node)) {
		node_put(node);
		/* By name the kernel looks again after ESTALE. */
		return file ? sfs_fail(-ENODEV, "what this was is gone") : stale();
	}
	err = published ? 0 : change_apply(node, change, who, file);
	if (!published)
		errors_note(node->kind == NODE_DIR ? node_obj(node) : node->dir, NULL, who, err);
	if (err) {
		node_put(node);
		return err;
	}
	see(node, who, false, out);
	return 0;
}

/* ---- making and removing --------------------------------------------------------------------- */

static int bad_name(const struct sfs_obj *dir, const char *name)
{
	if (strlen(name) > SFS_NAME_MAX)
		return sfs_fail(-ENAMETOOLONG, "a name has at most %d bytes", SFS_NAME_MAX);
	if (!node_name_ok(name, dir->type->templates))
		return sfs_fail(-EINVAL, "'%.80s' is no name: 1 to %d of A-Z a-z 0-9 . _ + - are",
				name, SFS_NAME_MAX);
	return 0;
}

static int make(struct sfs_obj *dir, const char *name, mode_t mode, const struct sfs_cred *who)
{
	if (!dir->type->make)
		return sfs_fail(-EPERM, "no directory can be made in '%.64s'", sfs_name(dir));
	return bad_name(dir, name) ?: dir->type->make(dir, name, mode & 01777, who);
}

/* Whoever looks next is told for how long to believe it. */
static int see_made(struct node *node, const struct sfs_cred *who, struct seen *out)
{
	see(node, who, true, out);
	out->entry_s = 0;
	node_lend(node);
	return 0;
}

int dir_mkdir(const struct where *where, mode_t mode, const struct sfs_cred *who, struct seen *out)
{
	struct sfs_obj *dir;
	struct node *node;
	int err;

	if (call_makes(where, who->pid, &node))
		return node ? see_made(node, who, out) : -ENOENT;
	dir = dir_get(where->dir, W_OK | X_OK, who, &err);
	if (!dir)
		return err;
	announce_not_in = dir;
	err = make(dir, where->name, mode, who);
	announce_not_in = NULL;
	if (!err) {
		node = node_child(dir, where->name, who);
		if (!node)
			err = sfs_fail(-EIO, "'%.64s' was made and is not there", where->name);
	}
	errors_note(dir, where->name, who, err);
	sfs_put_obj(dir);
	if (err)
		return err;
	see(node, who, true, out);
	node_lend(node);
	return 0;
}

static int remove_dir(struct node *node, const struct sfs_cred *who)
{
	struct sfs_obj *obj = node_obj(node);
	int err;

	if (node->kind != NODE_DIR)
		return -ENOTDIR;
	if (!obj->type->unmake)
		return sfs_fail(-EPERM, "'%.64s' cannot be removed", sfs_name(obj));
	err = obj->type->unmake(obj, who);
	if (!err)
		node_unlink(node, false);
	return err;
}

int dir_rmdir(const struct where *where, const struct sfs_cred *who)
{
	struct sfs_obj *dir;
	struct node *node;
	int err;

	if (call_removes(where, who->pid))
		return 0;
	dir = dir_get_to_empty(where->dir, who, &err);
	if (!dir)
		return err;
	node = node_child(dir, where->name, who);
	if (node)
		err = remove_dir(node, who);
	else
		err = node_row_number(dir, where->name) < 0 ? -ENOENT : -ENOTDIR;
	errors_note(dir, where->name, who, err);
	node_put(node);
	sfs_put_obj(dir);
	return err;
}

/* Its last file is gone: whoever may remove it as a whole is about to. */
static bool is_emptied(struct sfs_obj *dir, const struct sfs_cred *who)
{
	bool all = true;
	unsigned i;

	pthread_mutex_lock(&tree_lock);
	for (i = 0; i < dir->nrows; i++)
		all &= dir->rows[i].hidden;
	all &= who->uid == 0 || who->uid == dir->node.uid;
	pthread_mutex_unlock(&tree_lock);
	return all;
}

/* rm of a control file: hidden until its object goes, so that rm -rf works. */
static int hide_row(struct sfs_obj *dir, int row, const struct sfs_cred *who)
{
	int err = 0;

	if (!dir->type->unmake)
		return sfs_fail(-EPERM, "'%s' cannot be removed", dir->type->attrs[row].name);
	/* Else rm -rf would leave an empty shell behind. */
	if (dir->type->removable)
		err = dir->type->removable(dir);
	if (err)
		return err;
	pthread_mutex_lock(&tree_lock);
	dir->rows[row].hidden = true;
	pthread_mutex_unlock(&tree_lock);
	/* Most likely its object goes next: no reason to refuse that where nothing can be kept. */
	(void)rows_keep(dir, (unsigned)row, who);
	if (dir->type->emptied && is_emptied(dir, who))
		dir->type->emptied(dir, who);
	return 0;
}

static int unlink_in(struct sfs_obj *dir, const char *name, const struct sfs_cred *who)
{
	int row = node_row_number(dir, name), err;
	struct node *node;

	if (row >= 0)
		return hide_row(dir, row, who);
	node = node_child(dir, name, who);
	if (!node)
		return -ENOENT;
	err = node->kind == NODE_FILE ? upload_remove(node_as_file(node), who) : -EISDIR;
	node_put(node);
	return err;
}

int dir_unlink(const struct where *where, const struct sfs_cred *who)
{
	struct sfs_obj *dir;
	int err;

	if (call_removes(where, who->pid))
		return 0;
	dir = dir_get_to_empty(where->dir, who, &err);
	if (!dir)
		return err;
	err = unlink_in(dir, where->name, who);
	errors_note(dir, where->name, who, err);
	sfs_put_obj(dir);
	return err;
}

static int64_t rename_in(struct sfs_obj *dir, struct rename *rename, const char *from,
			 const struct sfs_cred *who, struct sfs_req *req)
{
	struct node *node = node_child(dir, from, who);
	int64_t result;

	if (!node)
		return node_row_number(dir, from) < 0
			       ? -ENOENT
			       : sfs_fail(-EPERM, "'%.64s' cannot be renamed", from);
	if (node->kind != NODE_FILE) {
		node_put(node);
		return sfs_fail(-EPERM, "'%.64s' cannot be renamed", from);
	}
	rename->file = node_as_file(node);
	result = upload_rename(rename, who, req);
	node_put(node);
	return result;
}

int64_t dir_rename(const struct where *from, const struct where *to, unsigned flags,
		   const struct sfs_cred *who, struct sfs_req *req)
{
	int err;
	struct sfs_obj *dir;
	struct rename rename = { .to = to->name, .flags = flags };
	int64_t result;

	if (call_renames(from, to, who->pid, &err))
		return err;
	dir = dir_get(from->dir, W_OK | X_OK, who, &err);
	if (!dir)
		return err;
	if (from->dir != to->dir)
		result = sfs_fail(-EXDEV, "'%.64s' can be renamed only within its directory",
				  from->name);
	else
		result = rename_in(dir, &rename, from->name, who, req);
	if (result != REQ_LATER)
		errors_note(dir, from->name, who, result);
	sfs_put_obj(dir);
	return result;
}

int dir_create(const struct where *where, mode_t mode, int flags, const struct sfs_cred *who,
	       struct seen *out)
{
	int err;
	struct sfs_obj *dir = dir_get(where->dir, W_OK | X_OK, who, &err);
	const struct creation want = { where->name, mode, flags };
	struct file_node *file = NULL;

	if (!dir)
		return err;
	if (dir->type->uploads)
		err = upload_create(dir, &want, who, &file);
	else
		err = sfs_fail(-EPERM, "no file can be made in '%.64s'", sfs_name(dir));
	errors_note(dir, where->name, who, err);
	sfs_put_obj(dir);
	if (err)
		return err;
	see(&file->node, who, true, out);
	node_lend(&file->node);
	return 0;
}

int dir_refuse(const struct where *where, const struct sfs_cred *who, const char *what)
{
	int err;
	struct sfs_obj *dir = dir_get(where->dir, 0, who, &err);

	if (!dir)
		return err;
	err = sfs_fail(-EPERM, "no %s can be made here", what);
	errors_note(dir, where->name, who, err);
	sfs_put_obj(dir);
	return err;
}

void dir_statfs(struct statvfs *out)
{
	/* The figures of the disk that the store is on: what cp asks before it begins. */
	if (statvfs(sfs_config()->state_dir, out)) {
		memset(out, 0, sizeof(*out));
		out->f_bsize = out->f_frsize = 4096;
	}
	out->f_namemax = SFS_NAME_MAX;
	out->f_fsid = 0;
}
