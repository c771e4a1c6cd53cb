/* SPDX-License-Identifier: MIT */
/* The store's index in memory: names, what they hold, and what that exports. */
#include <stdlib.h>
#include <string.h>

#include "store_priv.h"

#define SINGLE                                                                                     \
	"\n*" /* stands for "the only export"; no symbol is called so, since names are lines */

/* ---- objects --------------------------------------------------------------------------------- */

static uint64_t object_hash(const unsigned char sha256[SHA256_BYTES])
{
	return map_hash(sha256, SHA256_BYTES);
}

struct store_object *object_find(const unsigned char sha256[SHA256_BYTES])
{
	struct map_node *node = map_first(&store.objects, object_hash(sha256));

	for (; node; node = map_next(node)) {
		struct store_object *object = (struct store_object *)node;

		if (!memcmp(object->sha256, sha256, SHA256_BYTES))
			return object;
	}
	return NULL;
}

struct store_object *object_get(const unsigned char sha256[SHA256_BYTES], uint64_t size, uid_t uid)
{
	struct store_object *object = object_find(sha256);

	if (object) {
		object->refs++;
		return object;
	}
	object = calloc(1, sizeof(*object));
	if (!object)
		return NULL;
	if (map_reserve(&store.objects, 1)) {
		free(object);
		return NULL;
	}
	memcpy(object->sha256, sha256, SHA256_BYTES);
	object->size = size;
	object->uid = uid;
	object->refs = 1;
	object->node.hash = object_hash(sha256);
	map_put(&store.objects, &object->node, NULL, NULL);
	return object;
}

/*
 * On the store's thread, as all that writes objects: nobody can bring the same bytes back in
 * between.
 */
static bool object_end(struct work *work)
{
	struct store_object *object =
		(struct store_object *)((char *)work - offsetof(struct store_object, work));
	bool again;

	pthread_mutex_lock(&store.lock);
	again = object_find(object->sha256);
	pthread_mutex_unlock(&store.lock);
	if (!again)
		db_drop_object(object->sha256);
	free(object);
	return false;
}

void object_put(struct store_object *object)
{
	if (!object || --object->refs)
		return;
	map_take(&store.objects, &object->node);
	/* Without the thread the files stay until the next start sweeps them. */
	if (!work_add(&object->work, object->uid, object_end))
		free(object);
}

/* ---- exports --------------------------------------------------------------------------------- */

static uint64_t owned_hash(uint64_t symbol, uid_t uid)
{
	return symbol ^ (uint64_t)uid * 0x9e3779b97f4a7c15;
}

static int newer(const struct map_node *other, const void *load)
{
	return ((const struct store_export *)other)->load->sequence >
	       ((const struct store_load *)load)->sequence;
}

static uint32_t export_nodes(const struct store_load *load)
{
	return load->nexports + (load->nexports == 1);
}

void load_export(struct store_load *load)
{
	if (load->exported)
		return;
	/* Without room the chains get longer, and all is still found. */
	(void)map_reserve(&store.exports, export_nodes(load));
	for (uint32_t i = 0; i < export_nodes(load); i++) {
		load->exports[i].node.hash = owned_hash(load->exports[i].node.hash, load->uid);
		map_put(&store.exports, &load->exports[i].node, newer, load);
	}
	load->exported = true;
}

void load_unexport(struct store_load *load)
{
	if (!load->exported)
		return;
	for (uint32_t i = 0; i < export_nodes(load); i++) {
		map_take(&store.exports, &load->exports[i].node);
		load->exports[i].node.hash = owned_hash(load->exports[i].node.hash, load->uid);
	}
	load->exported = false;
}

struct store_load *export_newest(const char *symbol, size_t len, uid_t uid, uint64_t sequence)
{
	bool single = len == 1 && *symbol == '*';
	uint64_t hash = single ? map_hash(SINGLE, strlen(SINGLE)) : map_hash(symbol, len);
	struct map_node *node = map_first(&store.exports, owned_hash(hash, uid));

	for (; node; node = map_next(node)) {
		struct store_load *load = ((struct store_export *)node)->load;

		if (load->sequence < sequence && load->uid == uid)
			return load;
	}
	return NULL;
}

static int take_exports(struct store_load *load, const struct store_table *table)
{
	const char *p = table->texts[WIRE_EXPORTS].text,
		   *end = p + table->texts[WIRE_EXPORTS].bytes, *word;
	uint32_t n = 0;
	size_t len;

	load->nexports = table->nexports;
	if (!load->nexports)
		return 0;
	load->exports = calloc(export_nodes(load), sizeof(*load->exports));
	if (!load->exports)
		return -1;
	while (n < load->nexports && (len = table_line(&p, end, &word)))
		if (!(len == 3 && !memcmp(word, "...", 3)))
			load->exports[n++].node.hash = map_hash(word, len);
	if (n == 1)
		load->exports[n].node.hash = map_hash(SINGLE, strlen(SINGLE));
	for (n = 0; n < export_nodes(load); n++)
		load->exports[n].load = load;
	return 0;
}

/* ---- loads ----------------------------------------------------------------------------------- */

struct store_load *load_new(struct store_object *object, const struct store_record *record,
			    const struct store_table *table)
{
	struct store_load *load = calloc(1, sizeof(*load));

	if (!load || (table && take_exports(load, table))) {
		free(load);
		object_put(object);
		return NULL;
	}
	load->refs = 1;
	load->object = object;
	load->uid = record->uid;
	load->gid = record->gid;
	load->mode = record->mode;
	load->loaded_at_ns = record->loaded_at_ns;
	load->mtime_ns = record->mtime_ns;
	load->sequence = record->sequence;
	if (table) {
		load->type = table->type;
		load->machine = table->machine;
		load->missing = table->missing;
		load->has_spec = table->texts[WIRE_SPEC].bytes > 0;
	}
	return load;
}

void load_put(struct store_load *load)
{
	if (!load || --load->refs)
		return;
	load_unexport(load);
	free(load->exports);
	object_put(load->object);
	free(load);
}

void load_record(const struct store_load *load, struct store_record *out)
{
	memcpy(out->sha256, load->object->sha256, SHA256_BYTES);
	out->size = load->object->size;
	out->uid = load->uid;
	out->gid = load->gid;
	out->mode = load->mode;
	out->loaded_at_ns = load->loaded_at_ns;
	out->mtime_ns = load->mtime_ns;
	out->sequence = load->sequence;
}

/* ---- what each uid has ----------------------------------------------------------------------- */

static struct store_usage *find_usage(uid_t uid)
{
	for (size_t i = 0; i < store.nusage; i++)
		if (store.usage[i].uid == uid)
			return &store.usage[i];
	return NULL;
}

struct store_usage usage_of(uid_t uid)
{
	const struct store_usage *usage = find_usage(uid);

	return usage ? *usage : (struct store_usage){ .uid = uid };
}

static struct store_usage *add_usage(uid_t uid)
{
	struct store_usage *more =
		reallocarray(store.usage, store.nusage + 1, sizeof(*store.usage));

	if (!more)
		return NULL;
	store.usage = more;
	more[store.nusage] = (struct store_usage){ .uid = uid };
	return &more[store.nusage++];
}

/* A uid that has nothing takes no place: users come and go. */
static void drop_usage(struct store_usage *usage)
{
	struct store_usage *fewer;

	*usage = store.usage[--store.nusage];
	if (!store.nusage) {
		free(store.usage);
		store.usage = NULL;
		return;
	}
	fewer = reallocarray(store.usage, store.nusage, sizeof(*fewer));
	if (fewer)
		store.usage = fewer;
}

static void count_load(const struct store_load *load, int sign)
{
	struct store_usage *usage = find_usage(load->uid);

	if (!usage && sign > 0)
		usage = add_usage(load->uid);
	if (!usage)
		return;
	usage->count += (uint32_t)sign;
	usage->bytes += (uint64_t)sign * load->object->size;
	if (!usage->count)
		drop_usage(usage);
}

/* ---- entries --------------------------------------------------------------------------------- */

struct store_entry *entry_find(const char *name)
{
	struct map_node *node = map_first(&store.entries, map_hash(name, strlen(name)));

	for (; node; node = map_next(node))
		if (!strcmp(((struct store_entry *)node)->name, name))
			return (struct store_entry *)node;
	return NULL;
}

struct store_entry *entry_new(const char *name)
{
	struct store_entry *entry;
	size_t len = strlen(name);

	if (len > SFS_NAME_MAX || map_reserve(&store.entries, 1))
		return NULL;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	memcpy(entry->name, name, len + 1);
	entry->refs = 1;
	entry->node.hash = map_hash(name, len);
	map_put(&store.entries, &entry->node, NULL, NULL);
	return entry;
}

/* Whoever drops the last reference has hidden the directory: dir is not held any more. */
void entry_put(struct store_entry *entry)
{
	if (!entry || --entry->refs)
		return;
	load_put(entry->load);
	free(entry);
}

/* With a reference: the entry's own, or one more to what only others hold. */
static void detach_held(struct store_entry *entry, struct store_held **held_out)
{
	*held_out = entry->held;
	if (entry->held && !entry->resident)
		entry->held->refs++;
	entry->held = NULL;
	entry->resident = false;
}

struct store_load *entry_set(struct store_entry *entry, struct store_load *load, bool exported,
			     struct store_held **held_out)
{
	struct store_load *old = entry->load;

	detach_held(entry, held_out);
	if (old) {
		load_unexport(old);
		old->entry = NULL;
		if (!entry->unloading)
			count_load(old, -1);
	}
	entry->load = load;
	entry->unloading = false;
	if (load) {
		load->entry = entry;
		count_load(load, 1);
		if (exported)
			load_export(load);
	}
	return old;
}

void entry_own(struct store_entry *entry, uid_t uid, gid_t gid, mode_t mode,
	       struct store_held **held_out)
{
	struct store_load *load = entry->load;
	bool exported = load->exported;

	detach_held(entry, held_out);
	load_unexport(load);
	count_load(load, -1);
	load->uid = uid;
	load->gid = gid;
	load->mode = mode;
	count_load(load, 1);
	if (exported)
		load_export(load);
}

void entry_unload(struct store_entry *entry, struct store_held **held_out)
{
	detach_held(entry, held_out);
	load_unexport(entry->load);
	count_load(entry->load, -1);
	entry->unloading = true;
}

void entry_drop(struct store_entry *entry)
{
	map_take(&store.entries, &entry->node);
}

static void collect(struct map_node *node, void *arg)
{
	struct map_node **list = arg;

	map_take(&store.entries, node);
	node->next = *list;
	*list = node;
}

static void free_entry(struct store_entry *entry)
{
	struct store_held *held;
	struct sfs_obj *dir;

	pthread_mutex_lock(&store.lock);
	load_put(entry_set(entry, NULL, false, &held));
	dir = entry->dir;
	entry->dir = NULL;
	pthread_mutex_unlock(&store.lock);
	held_put(held);
	sfs_put_obj(dir);
	pthread_mutex_lock(&store.lock);
	entry_put(entry);
	pthread_mutex_unlock(&store.lock);
}

void index_free(void)
{
	struct map_node *list = NULL, *next;

	pthread_mutex_lock(&store.lock);
	map_each(&store.entries, collect, &list);
	map_free(&store.entries);
	pthread_mutex_unlock(&store.lock);
	for (; list; list = next) {
		next = list->next;
		free_entry((struct store_entry *)list);
	}
	pthread_mutex_lock(&store.lock);
	free(store.usage);
	store.usage = NULL;
	store.nusage = 0;
	store.sequence = 0;
	/* What others still hold is in the other two; they go with the last of it. */
	if (!store.objects.count)
		map_free(&store.objects);
	if (!store.exports.count)
		map_free(&store.exports);
	pthread_mutex_unlock(&store.lock);
}
