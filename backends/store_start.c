/* SPDX-License-Identifier: MIT */
/*
 * The store as it is found on disk when the daemon starts.
 *
 * Records and tables are verified now, the bytes of each codelet by size now and by hash at first
 * use: ten thousand codelets would take their whole bytes to be read. What the inspector found is
 * kept on disk for the same reason: a start reads the tables instead of inspecting all again. What
 * is damaged keeps its name taken, out of sight, for its owner to replace.
 */
#include <errno.h>
#include <string.h>

#include "store_priv.h"

struct scan {
	bool bad_records;
	unsigned codelets, again;
};

/* A hidden entry for what cannot be shown, or not yet. */
static struct store_entry *enter(const char *name, const struct store_record *record,
				 const struct store_table *table)
{
	struct store_object *object;
	struct store_load *load = NULL;
	struct store_entry *entry = NULL;
	struct store_held *none;

	pthread_mutex_lock(&store.lock);
	object = object_get(record->sha256, record->size, record->uid);
	if (object && object->size == record->size)
		load = load_new(object, record, table);
	else
		object_put(object);
	if (load)
		entry = entry_new(name);
	if (entry) {
		(void)entry_set(entry, load, table, &none);
		entry->hidden = true;
	} else {
		load_put(load);
	}
	if (record->sequence > store.sequence)
		store.sequence = record->sequence;
	pthread_mutex_unlock(&store.lock);
	return entry;
}

static void show(struct store_entry *entry, const struct store_table *table)
{
	struct store_held *held = codelet_new(entry->name, entry->load, table);

	pthread_mutex_lock(&store.lock);
	entry->hidden = false;
	entry->loads++;
	pthread_mutex_unlock(&store.lock);
	if (!held || entry_show(entry, true)) {
		pthread_mutex_lock(&store.lock);
		entry->hidden = true;
		pthread_mutex_unlock(&store.lock);
		entry_status(entry->name, "out of memory");
	} else {
		entry_keep(entry, held);
		/*
		 * The codelet is there with or without its kernel, which its owner can make by
		 * hand.
		 */
		if (tell_loading(held))
			entry_status(entry->name, sfs_sentence());
	}
	held_put(held);
}

static void read_name(const char *name, void *arg)
{
	struct scan *scan = arg;
	struct store_record record;
	struct store_table table = { 0 };
	struct store_entry *entry;
	int rc = strlen(name) > SFS_NAME_MAX ? -EBADMSG : db_get_name(name, &record);

	if (rc) {
		scan->bad_records = true;
		entry_status(name, "its record is damaged on disk");
		return;
	}
	rc = db_get_table(record.sha256, &table);
	entry = enter(name, &record, rc ? NULL : &table);
	if (!entry) {
		scan->bad_records = true;
		entry_status(name, "its record contradicts another, or memory is short");
	} else if (!db_has_object(entry->load->object)) {
		pthread_mutex_lock(&store.lock);
		load_unexport(entry->load);
		pthread_mutex_unlock(&store.lock);
		entry_status(name, "its bytes are missing or cut on disk");
	} else if (rc) {
		scan->again++;
		if (load_again(entry))
			entry_status(name, sfs_sentence());
	} else {
		scan->codelets++;
		show(entry, &table);
	}
	table_free(&table);
}

int store_begin(void)
{
	struct scan scan = { .codelets = 0 };
	int rc;

	pthread_mutex_lock(&store.names);
	rc = db_each_name(read_name, &scan);
	pthread_mutex_unlock(&store.names);
	if (rc)
		return rc;
	db_sweep(!scan.bad_records);
	if (scan.codelets || scan.again)
		sfs_log(SFS_INFO, "store: %u codelets loaded, %u to be inspected again",
			scan.codelets, scan.again);
	return 0;
}
