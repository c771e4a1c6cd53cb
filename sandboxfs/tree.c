/* SPDX-License-Identifier: MIT */
/* Names in directories: link, look up, unlink, rename, list. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "announce.h"
#include "ledger.h"
#include "node.h"
#include "object.h"
#include "poller.h"
#include "publish.h"
#include "rows.h"
#include "stage.h"

#define NAME_BUCKETS 16384 /* a power of two */

/* Cookies of readdir: "." and "..", the rows by number, then children in the order they came. */
#define COOKIE_DOT      1
#define COOKIE_DOTDOT   2
#define COOKIE_ROWS     3
#define COOKIE_CHILDREN (UINT64_C(1) << 16)

static struct node *by_name[NAME_BUCKETS]; /* linked nodes; tree_lock */
static struct sfs_obj *root;               /* counted; constant between start and stop */

/* ---- names ----------------------------------------------------------------------------------- */

static bool plain_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '+' || c == '-';
}

bool node_name_ok(const char *name, bool templates)
{
	size_t n = 0;

	while (plain_char(name[n]) || (templates && n && name[n] == '@')) {
		templates = templates && (!n || name[n] != '@');
		n++;
	}
	return !name[n] && n && n <= SFS_NAME_MAX && name[0] != '.';
}

bool node_name_staging(const char *name)
{
	size_t n = 0;

	while (plain_char(name[n]) || name[n] == '@' || name[n] == '~')
		n++;
	return !name[n] && n > 1 && n <= NODE_STAGING_MAX && name[0] == '.' &&
	       strcmp(name, "..") != 0;
}

/* What a backend may publish: also names of others, such as those of events. */
static int publishable(const char *name)
{
	size_t n;

	for (n = 0; name[n]; n++)
		if (name[n] <= ' ' || name[n] > '~' || name[n] == '/')
			return sfs_fail(-EINVAL, "'%.40s' cannot be a name", name);
	if (n > SFS_NAME_MAX)
		return sfs_fail(-ENAMETOOLONG, "a name has at most %d bytes", SFS_NAME_MAX);
	if (!n || name[0] == '.')
		return sfs_fail(-EINVAL, "'%.40s' cannot be a name", name);
	return 0;
}

static struct node **name_bucket(const struct sfs_obj *dir, const char *name)
{
	uint64_t hash = dir->node.id;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
	return &by_name[(hash ^ hash >> 32) & (NAME_BUCKETS - 1)];
}

static struct node *name_find(const struct sfs_obj *dir, const char *name)
{
	struct node *node = *name_bucket(dir, name);

	while (node && (node->dir != dir || strcmp(node->name, name)))
		node = node->next_name;
	return node;
}

static void name_insert(struct node *node)
{
	struct node **bucket = name_bucket(node->dir, node->name);

	node->next_name = *bucket;
	*bucket = node;
}

static void name_remove(struct node *node)
{
	struct node **link = name_bucket(node->dir, node->name);

	while (*link != node)
		link = &(*link)->next_name;
	*link = node->next_name;
}

/* ---- link and unlink ------------------------------------------------------------------------- */

static bool make_room(struct sfs_obj *dir)
{
	size_t room = dir->room * 2 ?: 8;
	struct node **children;

	if (dir->nchildren < dir->room)
		return true;
	children = realloc(dir->children, room * sizeof(*children));
	if (!children)
		return false;
	dir->children = children;
	dir->room = room;
	return true;
}

static size_t child_after(const struct sfs_obj *dir, uint64_t cookie)
{
	size_t low = 0, high = dir->nchildren, middle;

	while (low < high) {
		middle = (low + high) / 2;
		if (dir->children[middle]->cookie > cookie)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static void dir_changed(struct sfs_obj *dir)
{
	dir->changes++;
	dir->node.mtime_ns = dir->node.ctime_ns = sfs_wall_ns();
}

/* Under tree_lock. The tree's reference is a new one. */
static int link_locked(struct node *node)
{
	struct sfs_obj *dir = node->dir;

	if (dir->gone)
		return -ENODEV;
	if (name_find(dir, node->name) || object_row(dir, node->name) >= 0)
		return sfs_fail(-EEXIST, "'%.64s' exists already", node->name);
	if (!make_room(dir))
		return -ENOMEM;
	if (!node->id)
		node_number(node, node->name);
	node->cookie = ++dir->last_cookie;
	dir->children[dir->nchildren++] = node_get(node);
	node->linked = true;
	name_insert(node);
	if (node->kind == NODE_DIR)
		dir->ndirs++;
	else if (node->name[0] == '.')
		node_as_file(node)->noted = ledger_stage(dir->node.id, node->name, node->uid);
	dir_changed(dir);
	return 0;
}

int node_link(struct node *node)
{
	int err;

	pthread_mutex_lock(&tree_lock);
	err = link_locked(node);
	pthread_mutex_unlock(&tree_lock);
	return err;
}

int node_claim(struct file_node *file)
{
	struct node *node = &file->node, *there;
	int err = 0;

	pthread_mutex_lock(&tree_lock);
	there = name_find(node->dir, node->name);
	if (!there && !file->committed)
		err = link_locked(node);
	else if (there && there != node && !file->committed && file->exclusive)
		err = sfs_fail(-EEXIST, "'%.64s' was made by somebody else meanwhile", node->name);
	pthread_mutex_unlock(&tree_lock);
	return err;
}

/* Under tree_lock. True: the tree's reference is the caller's to drop. */
static bool unlink_locked(struct node *node)
{
	struct sfs_obj *dir = node->dir;
	size_t i;

	if (!node->linked)
		return false;
	node->linked = false;
	name_remove(node);
	i = child_after(dir, node->cookie) - 1;
	memmove(dir->children + i, dir->children + i + 1,
		(--dir->nchildren - i) * sizeof(*dir->children));
	/* What the kernel knew from a daemon before this one, nobody counted here. */
	if (node->kind == NODE_DIR && (node->lookups || ledger_replacements()))
		ledger_bury(node->id);
	if (node->kind == NODE_DIR)
		dir->ndirs--;
	else
		ledger_unstage(node_as_file(node)->noted);
	dir_changed(dir);
	return true;
}

/* Takes away what is in dir, one after the other: children of children before their parents. */
static void empty_dir(struct sfs_obj *dir)
{
	struct node *child;

	for (;;) {
		pthread_mutex_lock(&tree_lock);
		dir->gone = true;
		child = dir->nchildren ? node_get(dir->children[dir->nchildren - 1]) : NULL;
		pthread_mutex_unlock(&tree_lock);
		if (!child)
			return;
		node_unlink(child, false);
		node_put(child);
	}
}

/* node is unlinked and had that name. */
static void end_unlinked(struct node *node, const char *name, bool notify)
{
	if (notify)
		announce_gone(node, name);
	if (node->kind == NODE_DIR) {
		empty_dir(node_obj(node));
		poller_gone(node_obj(node));
		publish_forget(node_obj(node));
		rows_forget(node_obj(node));
		announce_buried(node_obj(node));
	}
	node_put(node);
}

void node_unlink(struct node *node, bool notify)
{
	char name[NODE_STAGING_MAX + 1];
	bool mine;

	pthread_mutex_lock(&tree_lock);
	mine = unlink_locked(node);
	if (mine)
		snprintf(name, sizeof(name), "%s", node->name);
	pthread_mutex_unlock(&tree_lock);
	if (mine)
		end_unlinked(node, name, notify);
}

bool node_unlink_staged(struct file_node *file, bool notify)
{
	char name[NODE_STAGING_MAX + 1];
	bool staged, mine;

	pthread_mutex_lock(&tree_lock);
	staged = !file->committed;
	mine = staged && unlink_locked(&file->node);
	if (mine)
		snprintf(name, sizeof(name), "%s", file->node.name);
	pthread_mutex_unlock(&tree_lock);
	if (mine)
		end_unlinked(&file->node, name, notify);
	return staged;
}

int node_rename(struct file_node *file, const char *name)
{
	char *copy = strdup(name);
	struct node *old;

	if (!copy)
		return -ENOMEM;
	pthread_mutex_lock(&tree_lock);
	old = name_find(file->node.dir, name);
	if (old == &file->node || !file->node.linked)
		old = NULL;
	else if (old)
		unlink_locked(old);
	if (file->node.linked) {
		name_remove(&file->node);
		free(file->node.name);
		file->node.name = copy;
		name_insert(&file->node);
		ledger_restage(file->noted, name);
		dir_changed(file->node.dir);
		copy = NULL;
	}
	pthread_mutex_unlock(&tree_lock);
	free(copy);
	node_put(old);
	return 0;
}

/* ---- look up --------------------------------------------------------------------------------- */

/*
 * Under tree_lock. Staged files are their owner's business; a plain name that is being judged has
 * not appeared yet.
 */
static bool visible(const struct node *node, const struct sfs_cred *who)
{
	if (node->kind != NODE_FILE || ((const struct file_node *)node)->committed || !who)
		return true;
	return node->name[0] == '.' && (who->uid == node->uid || who->uid == 0);
}

struct node *node_child(struct sfs_obj *dir, const char *name, const struct sfs_cred *who)
{
	struct node *node;

	pthread_mutex_lock(&tree_lock);
	node = name_find(dir, name);
	if (node && !visible(node, who))
		node = NULL;
	node_get(node);
	pthread_mutex_unlock(&tree_lock);
	return node;
}

struct sfs_obj *sfs_find(struct sfs_obj *parent, const char *name)
{
	struct node *node = node_child(parent, name, NULL);

	if (node && node->kind == NODE_DIR)
		return node_obj(node);
	node_put(node);
	return NULL;
}

static bool row_entry(struct sfs_obj *dir, uint64_t cookie, struct node_entry *out)
{
	uint64_t i = cookie < COOKIE_ROWS ? 0 : cookie - COOKIE_ROWS + 1;

	while (i < dir->nrows && dir->rows[i].hidden)
		i++;
	if (i >= dir->nrows)
		return false;
	out->cookie = COOKIE_ROWS + i;
	out->ino = node_row_ino(dir, (unsigned)i);
	out->mode = dir->type->attrs[i].link ? S_IFLNK : S_IFREG;
	snprintf(out->name, sizeof(out->name), "%s", dir->type->attrs[i].name);
	return true;
}

static bool child_entry(struct sfs_obj *dir, uint64_t cookie, const struct sfs_cred *who,
			struct node_entry *out)
{
	size_t i = child_after(dir, cookie < COOKIE_CHILDREN ? 0 : cookie - COOKIE_CHILDREN);
	struct node *node;

	while (i < dir->nchildren && !visible(dir->children[i], who))
		i++;
	if (i == dir->nchildren)
		return false;
	node = dir->children[i];
	out->cookie = COOKIE_CHILDREN + node->cookie;
	out->ino = node->ino;
	out->mode = node->kind == NODE_DIR ? S_IFDIR : S_IFREG;
	out->node = node_get(node);
	snprintf(out->name, sizeof(out->name), "%s", node->name);
	return true;
}

bool node_next(struct sfs_obj *dir, uint64_t cookie, const struct sfs_cred *who,
	       struct node_entry *out)
{
	bool found;

	memset(out, 0, sizeof(*out));
	if (cookie < COOKIE_DOTDOT) {
		out->cookie = cookie + 1;
		out->ino = cookie + 1 == COOKIE_DOT || !dir->node.dir ? dir->node.ino
								      : dir->node.dir->node.ino;
		out->mode = S_IFDIR;
		snprintf(out->name, sizeof(out->name), "%s", cookie + 1 == COOKIE_DOT ? "." : "..");
		return true;
	}
	pthread_mutex_lock(&tree_lock);
	found = (cookie < COOKIE_CHILDREN && row_entry(dir, cookie, out)) ||
		child_entry(dir, cookie, who, out);
	pthread_mutex_unlock(&tree_lock);
	return found;
}

int sfs_each(struct sfs_obj *parent, int (*each)(struct sfs_obj *dir, void *arg), void *arg)
{
	struct node_entry entry;
	uint64_t cookie = COOKIE_CHILDREN;
	int stop = 0;

	/* Cookies make this as good as a snapshot: what was there and stays is met exactly once. */
	while (!stop && node_next(parent, cookie, NULL, &entry)) {
		cookie = entry.cookie;
		if (entry.node->kind == NODE_DIR)
			stop = each(node_obj(entry.node), arg);
		node_put(entry.node);
	}
	return stop;
}

/* ---- making ---------------------------------------------------------------------------------- */

int sfs_add_dir(struct sfs_obj *parent, const char *name, const struct sfs_dirtype *type,
		void *priv, uid_t uid, gid_t gid, mode_t mode)
{
	struct sfs_obj *obj = object_new(parent, name, type, priv);
	int err;

	if (!obj)
		return sfs_fail(-ENOMEM, "out of memory");
	obj->node.uid = uid;
	obj->node.gid = gid;
	obj->node.mode = mode & 07777;
	rows_apply(obj);
	announce_begin(obj);
	err = publishable(name);
	err = err ?: node_link(&obj->node);
	if (!err)
		announce_made(obj);
	sfs_put_obj(obj);
	return err;
}

void sfs_remove_dir(struct sfs_obj *dir)
{
	node_unlink(&dir->node, true);
}

struct file_node *node_new_file(struct sfs_obj *dir, const char *name, mode_t mode,
				const struct sfs_cred *who, int *err)
{
	struct file_node *file = calloc(1, sizeof(*file));

	*err = -ENOMEM;
	if (!file)
		return NULL;
	object_init(&file->node, NODE_FILE, dir, name);
	file->node.uid = who->uid;
	file->node.gid = who->gid;
	file->node.mode = mode & 07777;
	if (!file->node.name) {
		node_put(&file->node);
		return NULL;
	}
	pthread_mutex_lock(&tree_lock);
	node_number(&file->node, name);
	pthread_mutex_unlock(&tree_lock);
	*err = 0;
	return file;
}

int node_start(const struct sfs_dirtype *type)
{
	root = object_new(NULL, "", type, NULL);
	if (!root)
		return -ENOMEM;
	root->node.mode = 0555;
	pthread_mutex_lock(&tree_lock);
	node_number(&root->node, "");
	pthread_mutex_unlock(&tree_lock);
	return 0;
}

struct sfs_obj *node_root(void)
{
	return root;
}

void node_stop(void)
{
	node_forget_all();
	empty_dir(root);
	sfs_put_obj(root);
	root = NULL;
}
