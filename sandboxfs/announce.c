/* SPDX-License-Identifier: MIT */
/* Changes of the tree, and who hears of them: pollers, publishers, the kernel's caches. */
#include "announce.h"

#include <stdio.h>

#include "notify.h"
#include "object.h"
#include "poller.h"
#include "publish.h"

_Thread_local const struct sfs_obj *announce_not_in;
_Thread_local bool announce_later;

static bool is_known(struct sfs_obj *dir)
{
	bool known;

	pthread_mutex_lock(&tree_lock);
	/* The top is never looked up. */
	known = (dir->node.lookups || !dir->node.dir) && !dir->gone;
	pthread_mutex_unlock(&tree_lock);
	return known;
}

/* ---- rows ------------------------------------------------------------------------------------ */

/*
 * What anybody can open for writing is not truncated: a write that hangs would hold us up. Nor is what a link leads to.
 */
static bool is_publishable(const struct sfs_attr *attr)
{
	return !attr->store && !attr->link;
}

void sfs_changed_for(struct sfs_obj *dir, const char *attr, uid_t uid)
{
	int row = object_row(dir, attr);

	node_touch(dir, row);
	if (row < 0)
		return;
	poller_changed(dir, (unsigned)row, uid);
	if (is_publishable(&dir->type->attrs[row]) && is_known(dir))
		publish_row(dir, (unsigned)row, uid);
}

void sfs_changed(struct sfs_obj *dir, const char *attr)
{
	sfs_changed_for(dir, attr, SFS_EVERYBODY);
}

/* ---- names ----------------------------------------------------------------------------------- */

void announce_begin(struct sfs_obj *dir)
{
	dir->unannounced = dir->node.dir != announce_not_in && is_known(dir->node.dir);
}

void announce_made(struct sfs_obj *dir)
{
	bool pending;

	pthread_mutex_lock(&tree_lock);
	pending = announce_pending(dir);
	pthread_mutex_unlock(&tree_lock);
	if (pending && !announce_later && !publish_made(dir))
		announce_done(dir);
}

void announce_done(struct sfs_obj *dir)
{
	pthread_mutex_lock(&tree_lock);
	dir->unannounced = false;
	pthread_mutex_unlock(&tree_lock);
}

bool announce_known(struct sfs_obj *dir)
{
	bool linked;

	pthread_mutex_lock(&tree_lock);
	linked = dir->node.linked;
	if (linked)
		dir->unannounced = false;
	pthread_mutex_unlock(&tree_lock);
	return linked;
}

/* Nobody can have seen the name come. */
static bool is_unseen(struct node *node)
{
	bool unseen;

	pthread_mutex_lock(&tree_lock);
	unseen = node->kind == NODE_DIR ? announce_pending(node_obj(node))
					: !node_as_file(node)->committed;
	pthread_mutex_unlock(&tree_lock);
	return unseen;
}

/*
 * A publisher, whose call waits for a lock of the directory without holding the transport: were the
 * daemon killed while it tells the kernel to drop the name, and the supervisor as well, whoever
 * holds that lock would wait for ever.
 */
void announce_lost(struct node *node, const char *name)
{
	if (!publish_lost(node, name))
		notify_gone(node->dir->node.id, name);
}

void announce_gone(struct node *node, const char *name)
{
	/* Asking for its attributes shows at once that it is gone; the cached name follows. */
	notify_attr(node->id);
	if (!is_known(node->dir) || is_unseen(node) || !publish_gone(node, name))
		announce_lost(node, name);
}

void announce_moved(struct sfs_obj *old, struct sfs_obj *fresh)
{
	/* First: attributes that were asked for before this count for nothing, and the publisher's must. */
	notify_attr(old->node.id);
	if (is_known(old->node.dir) && !is_unseen(&old->node) && publish_moved(old, fresh))
		return;
	announce_gone(&old->node, old->node.name);
	announce_made(fresh);
}

/* ---- what has gone --------------------------------------------------------------------------- */

/* Under tree_lock, of a directory that has gone: where the kernel has its name, if that has gone too; else 0. */
static uint64_t place_of(const struct sfs_obj *dir, char name[NODE_STAGING_MAX + 1])
{
	if (!dir->node.lookups || !dir->node.dir->gone)
		return 0;
	snprintf(name, NODE_STAGING_MAX + 1, "%s", dir->node.name);
	return dir->node.dir->node.id;
}

static void forget_names(uint64_t id)
{
	struct node *node = node_find(id);
	struct sfs_obj *dir = node && node->kind == NODE_DIR ? node_obj(node) : NULL;
	char name[NODE_STAGING_MAX + 1];
	uint64_t place = 0;
	bool is_kept = false;

	pthread_mutex_lock(&tree_lock);
	if (dir && dir->gone) { /* and no other that has got its id */
		is_kept = dir->node.lookups;
		place = place_of(dir, name);
	}
	pthread_mutex_unlock(&tree_lock);
	for (unsigned i = 0; is_kept && i < dir->nrows; i++)
		notify_gone(id, dir->type->attrs[i].name);
	if (place)
		notify_gone(place, name);
	node_put(node);
}

static void forget_later(void *arg)
{
	struct sfs_obj *dir = arg;
	bool is_known_still;

	pthread_mutex_lock(&tree_lock);
	is_known_still = dir->node.lookups;
	pthread_mutex_unlock(&tree_lock);
	if (is_known_still)
		notify_later(forget_names, dir->node.id);
	sfs_put_obj(dir);
}

void announce_buried(struct sfs_obj *dir)
{
	sfs_after(forget_later, sfs_get(dir));
}
