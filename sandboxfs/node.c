/* SPDX-License-Identifier: MIT */
/* Nodes: ids, references, the kernel's lookups, and the rows of an object. */
#include "node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "ledger.h"
#include "stage.h"

#define NODE_BUCKETS 16384 /* a power of two */

pthread_mutex_t tree_lock = PTHREAD_MUTEX_INITIALIZER;

/* not counted: a node leaves it before it is freed; tree_lock */
static struct node *by_id[NODE_BUCKETS];

/* ---- ids ------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t a, uint64_t b)
{
	a ^= b + 0x9e3779b97f4a7c15u + (a << 6) + (a >> 2);
	a = (a ^ (a >> 30)) * 0xbf58476d1ce4e5b9u;
	a = (a ^ (a >> 27)) * 0x94d049bb133111ebu;
	return a ^ (a >> 31);
}

/* 52 bits, so that programs which keep inode numbers in a double see them whole. */
static uint64_t id_of(uint64_t dir, uint64_t what, uint64_t salt)
{
	uint64_t id = mix(mix(dir, what), salt) >> 12;

	return id > NODE_ROOT_ID ? id : id + 2;
}

static uint64_t hash_name(const char *name)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
	return hash;
}

static struct node **bucket(uint64_t id)
{
	return &by_id[id & (NODE_BUCKETS - 1)];
}

/* All under tree_lock from here to the next section. */
static struct node *id_find(uint64_t id)
{
	struct node *node = *bucket(id);

	while (node && node->id != id)
		node = node->next_id;
	return node;
}

static void id_insert(struct node *node)
{
	node->next_id = *bucket(node->id);
	*bucket(node->id) = node;
}

static void id_remove(struct node *node)
{
	struct node **link = bucket(node->id);

	while (*link && *link != node)
		link = &(*link)->next_id;
	if (*link)
		*link = node->next_id;
}

void node_number(struct node *node, const char *name)
{
	uint64_t dir = node->dir ? node->dir->node.id : 0, salt = 0;

	/* An id is taken for as long as the kernel may know the object that had the name before. */
	do
		node->id = node->dir ? id_of(dir, hash_name(name), salt++) : NODE_ROOT_ID;
	while (node->dir &&
	       (id_find(node->id) || (node->kind == NODE_DIR && ledger_buried(node->id))));
	node->ino = node->id;
	node->generation = 1;
	id_insert(node);
}

/* ---- references ------------------------------------------------------------------------------ */

struct node *node_get(struct node *node)
{
	if (node)
		atomic_fetch_add_explicit(&node->refs, 1, memory_order_relaxed);
	return node;
}

/* Under tree_lock: one more reference, unless the last one is just being dropped. */
static struct node *get_unless_dying(struct node *node)
{
	unsigned refs = atomic_load_explicit(&node->refs, memory_order_relaxed);

	while (refs)
		if (atomic_compare_exchange_weak(&node->refs, &refs, refs + 1))
			return node;
	return NULL;
}

/* Under tree_lock. */
static void personal_remove(struct row_node *row)
{
	struct row_node **link = &row->node.dir->personal;

	while (*link && *link != row)
		link = &(*link)->next_personal;
	if (*link)
		*link = row->next_personal;
}

static void node_free(struct node *node)
{
	if (node->kind == NODE_DIR) {
		struct sfs_obj *obj = node_obj(node);

		if (obj->type->release && obj->priv)
			obj->type->release(obj->priv);
		errors_free_list(obj->refusals);
		free(obj->rows);
		free(obj->children);
	} else if (node->kind == NODE_ROW) {
		sfs_blob_put(node_as_row(node)->measured);
	} else {
		stage_put(node_as_file(node)->stage);
	}
	free(node->name);
	free(node);
}

void node_put(struct node *node)
{
	struct node *dir;

	/* The directory's reference goes with the node: a loop, since a chain may be long. */
	while (node && atomic_fetch_sub_explicit(&node->refs, 1, memory_order_acq_rel) == 1) {
		pthread_mutex_lock(&tree_lock);
		id_remove(node);
		if (node->kind == NODE_ROW)
			personal_remove(node_as_row(node));
		pthread_mutex_unlock(&tree_lock);
		dir = node->dir ? &node->dir->node : NULL;
		node_free(node);
		node = dir;
	}
}

struct node *node_find(uint64_t id)
{
	struct node *node;

	pthread_mutex_lock(&tree_lock);
	node = id_find(id);
	if (node)
		node = get_unless_dying(node);
	pthread_mutex_unlock(&tree_lock);
	return node;
}

void node_lend(struct node *node)
{
	pthread_mutex_lock(&tree_lock);
	if (!node->lookups++)
		node_get(node);
	pthread_mutex_unlock(&tree_lock);
}

void node_forget(uint64_t id, uint64_t n)
{
	struct node *node;
	bool last = false;

	pthread_mutex_lock(&tree_lock);
	node = id_find(id);
	if (node && node->lookups) {
		node->lookups -= n < node->lookups ? n : node->lookups;
		last = !node->lookups;
	}
	if (!node || (last && !node->linked))
		ledger_unbury(id);
	pthread_mutex_unlock(&tree_lock);
	if (last)
		node_put(node);
}

void node_forget_all(void)
{
	struct node *node;
	unsigned i;

	for (i = 0; i < NODE_BUCKETS;) {
		pthread_mutex_lock(&tree_lock);
		for (node = by_id[i]; node && !node->lookups; node = node->next_id)
			;
		if (node)
			node->lookups = 0;
		pthread_mutex_unlock(&tree_lock);
		if (node)
			node_put(node);
		else
			i++;
	}
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* Names never begin with NUL, so that no name hashes to what a row is hashed by. */
static uint64_t row_key(unsigned row)
{
	return 0xa5a5a5a500000000u | row;
}

uint64_t node_row_ino(const struct sfs_obj *dir, unsigned row)
{
	return id_of(dir->node.id, row_key(row), 0);
}

int node_row_number(struct sfs_obj *dir, const char *name)
{
	bool hidden;
	unsigned i;

	for (i = 0; i < dir->nrows && strcmp(dir->type->attrs[i].name, name); i++)
		;
	if (i == dir->nrows)
		return -1;
	pthread_mutex_lock(&tree_lock);
	hidden = dir->rows[i].hidden;
	pthread_mutex_unlock(&tree_lock);
	return hidden ? -1 : (int)i;
}

bool node_name_waits(uint64_t id, const char *name)
{
	struct node *dir = node_find(id);
	int row = dir && dir->kind == NODE_DIR ? node_row_number(node_obj(dir), name) : -1;
	bool waits = row >= 0 && (node_obj(dir)->type->attrs[row].flags & SFS_WAITS);

	node_put(dir);
	return waits;
}

uint64_t node_waits_in(const struct node *node)
{
	const struct row_node *row = (const struct row_node *)node;

	return node->kind == NODE_ROW && (node_attr(row)->flags & SFS_WAITS) ? node->dir->node.id
									     : 0;
}

static bool same_row(const struct node *node, const struct row_node *want)
{
	const struct row_node *row = (const struct row_node *)node;

	return node->kind == NODE_ROW && node->dir == want->node.dir && row->row == want->row &&
	       row->for_uid == want->for_uid;
}

/* Under tree_lock. */
static void row_enter(struct row_node *fresh)
{
	id_insert(&fresh->node);
	/* For announcements: those of a row that waits, one for each lookup, have none. */
	if ((node_attr(fresh)->flags & (SFS_PER_UID | SFS_WAITS)) != SFS_PER_UID)
		return;
	fresh->next_personal = fresh->node.dir->personal;
	fresh->node.dir->personal = fresh;
}

/* Under tree_lock: the node that is there already, counted, or fresh, inserted. */
static struct row_node *row_insert(struct row_node *fresh, unsigned flags)
{
	uint64_t salt = flags & SFS_PER_UID ? mix(1, fresh->for_uid) : 0;
	struct node *there;

	if (flags & SFS_WAITS)
		salt = mix(2, ledger_rotation());
	for (;; salt++) {
		fresh->node.id = id_of(fresh->node.dir->node.id, row_key(fresh->row), salt);
		there = id_find(fresh->node.id);
		if (!there) {
			row_enter(fresh);
			return fresh;
		}
		if (!(flags & SFS_WAITS) && same_row(there, fresh) && get_unless_dying(there))
			return node_as_row(there);
	}
}

static struct row_node *row_new(struct sfs_obj *dir, unsigned row, uid_t for_uid)
{
	struct row_node *fresh = calloc(1, sizeof(*fresh));

	if (!fresh)
		return NULL;
	fresh->node.kind = NODE_ROW;
	fresh->node.generation = 1;
	fresh->node.ino = node_row_ino(dir, row);
	atomic_init(&fresh->node.refs, 1);
	fresh->node.dir = sfs_get(dir);
	fresh->row = row;
	fresh->for_uid = for_uid;
	return fresh;
}

/* found stands for fresh, which may have become it. */
static struct row_node *row_instead(struct row_node *fresh, struct row_node *found)
{
	if (found != fresh) {
		sfs_put_obj(fresh->node.dir);
		free(fresh);
	}
	return found;
}

unsigned node_row_uids(struct sfs_obj *dir, unsigned row, uid_t *uids, unsigned max)
{
	const struct row_node *node;
	unsigned n = 0;

	pthread_mutex_lock(&tree_lock);
	for (node = dir->personal; node && n < max; node = node->next_personal)
		if (node->row == row && node->node.lookups)
			uids[n++] = node->for_uid;
	pthread_mutex_unlock(&tree_lock);
	return n;
}

struct row_node *node_row(struct sfs_obj *dir, unsigned row, const struct sfs_cred *who)
{
	unsigned flags = dir->type->attrs[row].flags;
	struct row_node *fresh = row_new(dir, row, flags & SFS_PER_UID ? who->uid : 0), *found;

	if (!fresh)
		return NULL;
	pthread_mutex_lock(&tree_lock);
	found = row_insert(fresh, flags);
	pthread_mutex_unlock(&tree_lock);
	return row_instead(fresh, found);
}

struct row_node *node_adopt_row(struct sfs_obj *dir, unsigned row, uid_t for_uid, uint64_t id)
{
	struct row_node *fresh = row_new(dir, row, for_uid), *found = NULL;
	struct node *there;

	if (!fresh)
		return NULL;
	pthread_mutex_lock(&tree_lock);
	there = id_find(id);
	if (!there) {
		fresh->node.id = id;
		row_enter(fresh);
		found = fresh;
	} else if (same_row(there, fresh) && get_unless_dying(there)) {
		found = node_as_row(there);
	}
	pthread_mutex_unlock(&tree_lock);
	return row_instead(fresh, found);
}
