/* SPDX-License-Identifier: MIT */
/* What backends ask of an object: its owner, its name, its files, that it changed. */
#include "object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "announce.h"
#include "notify.h"
#include "stage.h"

void object_init(struct node *node, enum node_kind kind, struct sfs_obj *dir, const char *name)
{
	node->kind = kind;
	atomic_init(&node->refs, 1);
	node->dir = sfs_get(dir);
	node->name = strdup(name);
	node->mtime_ns = node->ctime_ns = sfs_wall_ns();
}

static bool make_rows(struct sfs_obj *obj)
{
	const struct sfs_attr *attr;
	unsigned i;

	for (attr = obj->type->attrs; attr && attr->name; attr++)
		obj->nrows++;
	obj->rows = calloc(obj->nrows ?: 1, sizeof(*obj->rows));
	for (i = 0; obj->rows && i < obj->nrows; i++) {
		obj->rows[i].mode = obj->type->attrs[i].mode & 07777;
		obj->rows[i].mtime_ns = obj->node.mtime_ns;
	}
	return obj->rows;
}

struct sfs_obj *object_new(struct sfs_obj *parent, const char *name, const struct sfs_dirtype *type,
			   void *priv)
{
	struct sfs_obj *obj = calloc(1, sizeof(*obj));

	if (!obj) {
		if (type->release && priv)
			type->release(priv);
		return NULL;
	}
	obj->type = type;
	obj->priv = priv;
	object_init(&obj->node, NODE_DIR, parent, name);
	if (obj->node.name && make_rows(obj))
		return obj;
	sfs_put_obj(obj);
	return NULL;
}

int object_row(const struct sfs_obj *dir, const char *name)
{
	unsigned i;

	for (i = 0; i < dir->nrows; i++)
		if (!strcmp(dir->type->attrs[i].name, name))
			return (int)i;
	return -1;
}

void *sfs_priv(const struct sfs_obj *dir)
{
	return dir->priv;
}

const char *sfs_name(const struct sfs_obj *dir)
{
	return dir == node_root() ? "/" : dir->node.name;
}

struct sfs_obj *sfs_get(struct sfs_obj *dir)
{
	return dir ? node_obj(node_get(&dir->node)) : NULL;
}

void sfs_put_obj(struct sfs_obj *dir)
{
	if (dir)
		node_put(&dir->node);
}

struct refusal **node_refusals(struct sfs_obj *dir)
{
	return &dir->refusals;
}

bool node_gone(const struct sfs_obj *dir)
{
	bool gone;

	pthread_mutex_lock(&tree_lock);
	gone = dir->gone;
	pthread_mutex_unlock(&tree_lock);
	return gone;
}

int node_check(const struct sfs_obj *dir)
{
	return node_gone(dir) ? sfs_fail(-ENODEV, "'%.64s' is gone", sfs_name(dir)) : 0;
}

/* ---- owners and times ------------------------------------------------------------------------ */

void sfs_owner(const struct sfs_obj *dir, uid_t *uid, gid_t *gid, mode_t *mode)
{
	pthread_mutex_lock(&tree_lock);
	*uid = dir->node.uid;
	*gid = dir->node.gid;
	*mode = dir->node.mode;
	pthread_mutex_unlock(&tree_lock);
}

static bool is_of(const struct node *node, const struct sfs_dirtype *type, uid_t uid)
{
	return node->uid == uid && node->kind == NODE_DIR &&
	       ((const struct sfs_obj *)node)->type->attrs == type->attrs;
}

bool sfs_has_max(const struct sfs_obj *parent, const struct sfs_dirtype *type, uid_t uid,
		 unsigned max)
{
	unsigned count = 0;

	pthread_mutex_lock(&tree_lock);
	/* One alone cannot have more than all: mostly nothing is counted. */
	for (size_t i = 0; parent->nchildren >= max && i < parent->nchildren; i++)
		count += is_of(parent->children[i], type, uid);
	pthread_mutex_unlock(&tree_lock);
	return count >= max;
}

void sfs_set_owner(struct sfs_obj *dir, uid_t uid, gid_t gid, mode_t mode)
{
	pthread_mutex_lock(&tree_lock);
	dir->node.uid = uid;
	dir->node.gid = gid;
	dir->node.mode = mode & 07777;
	dir->node.ctime_ns = sfs_wall_ns();
	dir->changes++;
	pthread_mutex_unlock(&tree_lock);
	notify_attr(dir->node.id);
}

void node_touch(struct sfs_obj *dir, int row)
{
	pthread_mutex_lock(&tree_lock);
	dir->changes++;
	if (row >= 0)
		dir->rows[row].mtime_ns = sfs_wall_ns();
	pthread_mutex_unlock(&tree_lock);
}

static void put_time(uint64_t ns, struct timespec *ts)
{
	ts->tv_sec = (time_t)(ns / 1000000000u);
	ts->tv_nsec = (long)(ns % 1000000000u);
}

static void row_stat(const struct row_node *row, struct stat *st)
{
	const struct sfs_obj *dir = row->node.dir;
	const struct row_state *state = &dir->rows[row->row];

	st->st_mode = (dir->type->attrs[row->row].link ? S_IFLNK : S_IFREG) | state->mode;
	st->st_uid = state->owned ? state->uid : dir->node.uid;
	st->st_gid = state->owned ? state->gid : dir->node.gid;
	put_time(state->mtime_ns, &st->st_mtim);
	st->st_ctim = st->st_mtim;
}

void node_stat(struct node *node, struct stat *st)
{
	struct stage *stage = NULL;

	memset(st, 0, sizeof(*st));
	st->st_ino = node->ino;
	st->st_nlink = 1;
	st->st_blksize = 4096;
	pthread_mutex_lock(&tree_lock);
	if (node->kind == NODE_ROW) {
		row_stat(node_as_row(node), st);
	} else {
		st->st_mode = (node->kind == NODE_DIR ? S_IFDIR : S_IFREG) | node->mode;
		st->st_uid = node->uid;
		st->st_gid = node->gid;
		put_time(node->mtime_ns, &st->st_mtim);
		put_time(node->ctime_ns, &st->st_ctim);
	}
	if (node->kind == NODE_DIR)
		st->st_nlink = 2 + node_obj(node)->ndirs;
	if (node->kind == NODE_FILE)
		st->st_size = (off_t)node_as_file(node)->size;
	if (node->kind == NODE_FILE)
		stage = stage_get(node_as_file(node)->stage);
	pthread_mutex_unlock(&tree_lock);
	if (stage)
		st->st_size = stage_size(stage);
	stage_put(stage);
	st->st_atim = st->st_mtim;
	st->st_blocks = (st->st_size + 511) / 512;
}

/* Under tree_lock: the names from the root on, joined; returns the bytes used. */
static size_t put_path(const struct sfs_obj *dir, char *out, size_t room)
{
	size_t n;

	if (!dir->node.dir)
		return 0;
	n = put_path(dir->node.dir, out, room);
	if (n + 1 < room)
		n += (size_t)snprintf(out + n, room - n, "%s%s", n ? "/" : "", dir->node.name);
	return n < room ? n : room - 1;
}

void node_path(struct sfs_obj *dir, const char *name, char *out, size_t room)
{
	size_t n;

	out[0] = '\0';
	n = put_path(dir, out, room);
	if (name && n + 1 < room)
		snprintf(out + n, room - n, "%s%s", n ? "/" : "", name);
	else if (!n)
		snprintf(out, room, "/");
}

/* ---- files that users bring ------------------------------------------------------------------ */

/* Counted; made when there is none, by the uid that will own it. */
static struct file_node *file_named(struct sfs_obj *dir, const char *name, uid_t uid, int *err)
{
	struct sfs_cred owner = { .uid = uid };
	struct node *node = node_child(dir, name, NULL);
	struct file_node *file;

	if (node && node->kind == NODE_FILE)
		return node_as_file(node);
	node_put(node);
	file = node_new_file(dir, name, 0, &owner, err);
	if (!file)
		return NULL;
	*err = node_link(&file->node);
	if (!*err)
		return file;
	node_put(&file->node);
	return NULL;
}

int sfs_set_file(struct sfs_obj *dir, const char *name, uint64_t size, uid_t uid, gid_t gid,
		 mode_t mode, uint64_t mtime_ns)
{
	int err = 0;
	struct file_node *file = file_named(dir, name, uid, &err);
	struct stage *stage;

	if (!file)
		return err;
	pthread_mutex_lock(&tree_lock);
	file->size = size;
	file->committed = true;
	stage = file->stage;
	file->stage = NULL;
	file->node.uid = uid;
	file->node.gid = gid;
	file->node.mode = mode & 07777;
	file->node.mtime_ns = mtime_ns;
	file->node.ctime_ns = sfs_wall_ns();
	dir->changes++;
	pthread_mutex_unlock(&tree_lock);
	stage_put(stage);
	node_put(&file->node);
	return 0;
}

static void drop(struct sfs_obj *dir, const char *name, bool notify)
{
	struct node *node = node_child(dir, name, NULL);

	if (node && node->kind == NODE_FILE)
		node_unlink(node, notify);
	node_put(node);
}

void sfs_drop_file(struct sfs_obj *dir, const char *name)
{
	drop(dir, name, true);
}

void sfs_forget_file(struct sfs_obj *dir, const char *name)
{
	drop(dir, name, false);
}

int sfs_move_file(struct sfs_obj *dir, const char *from, const char *to)
{
	struct node *node = node_child(dir, from, NULL);
	int err = 0;

	if (node && node->kind == NODE_FILE)
		err = node_rename(node_as_file(node), to);
	node_put(node);
	return err;
}

int sfs_move_dir(struct sfs_obj *old, const char *name, void *priv)
{
	struct sfs_obj *fresh;
	uid_t uid;
	gid_t gid;
	mode_t mode;
	int err;

	sfs_owner(old, &uid, &gid, &mode);
	announce_later = true;
	err = sfs_add_dir(old->node.dir, name, old->type, priv, uid, gid, mode);
	announce_later = false;
	fresh = err ? NULL : sfs_find(old->node.dir, name);
	if (err)
		return err;
	node_unlink(&old->node, false);
	if (fresh)
		announce_moved(old, fresh);
	else
		announce_gone(&old->node, old->node.name);
	sfs_put_obj(fresh);
	return 0;
}
