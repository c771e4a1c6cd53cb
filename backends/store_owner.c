/* SPDX-License-Identifier: MIT */
/* What users set of the store's files: owner, mode, time. */
#include <errno.h>

#include "store_priv.h"

static void unref(struct store_entry *entry)
{
	pthread_mutex_lock(&store.lock);
	entry_put(entry);
	pthread_mutex_unlock(&store.lock);
}

/*
 * A kernel made from a specification in the codelet goes with whoever was told of it: that has to
 * be somebody again. Another owner's kernel is another one.
 */
static void tell_owned(struct store_entry *entry, struct store_held *before)
{
	struct store_held *now;
	int err;

	if (!before || !before->codelet.spec)
		return;
	now = codelet_of(entry, &err);
	if (now && now->codelet.uid != before->codelet.uid) {
		tell_gone(before);
		if (tell_loading(now))
			entry_status(entry->name, sfs_sentence());
	}
	held_put(now);
}

/* The file as it is written down, for its owner to change; store.names is held. */
static int recorded(const char *name, const struct sfs_cred *who, struct store_entry **entry,
		    struct store_record *record)
{
	int rc;

	*entry = file_find(name);
	rc = *entry ? file_check_owner(*entry, who) : -ENOENT;
	if (rc)
		return rc;
	pthread_mutex_lock(&store.lock);
	load_record((*entry)->load, record);
	pthread_mutex_unlock(&store.lock);
	return 0;
}

int file_set_owner(struct sfs_obj *dir, const char *name, const struct sfs_owner *owner,
		   const struct sfs_cred *who)
{
	mode_t mode = owner->mode & 07777;
	struct store_held *held = NULL;
	struct store_record record;
	struct store_entry *entry;
	int rc;

	(void)dir;
	pthread_mutex_lock(&store.names);
	rc = recorded(name, who, &entry, &record);
	if (!rc) {
		record.uid = owner->uid;
		record.gid = owner->gid;
		record.mode = mode;
		rc = db_put_name(name, &record, sfs_config()->store_durable);
	}
	if (!rc) {
		pthread_mutex_lock(&store.lock);
		entry_own(entry, owner->uid, owner->gid, mode, &held);
		pthread_mutex_unlock(&store.lock);
		sfs_set_owner(entry->dir, owner->uid, owner->gid, codelet_dir_mode(mode));
		sfs_changed(entry->dir, "info");
		tell_owned(entry, held);
	}
	pthread_mutex_unlock(&store.names);
	held_put(held);
	unref(entry);
	return rc;
}

int file_set_mtime(struct sfs_obj *dir, const char *name, uint64_t mtime_ns,
		   const struct sfs_cred *who)
{
	struct store_record record;
	struct store_entry *entry;
	int rc;

	(void)dir;
	pthread_mutex_lock(&store.names);
	rc = recorded(name, who, &entry, &record);
	if (!rc) {
		record.mtime_ns = mtime_ns;
		rc = db_put_name(name, &record, sfs_config()->store_durable);
	}
	if (!rc) {
		pthread_mutex_lock(&store.lock);
		entry->load->mtime_ns = mtime_ns;
		pthread_mutex_unlock(&store.lock);
	}
	pthread_mutex_unlock(&store.names);
	unref(entry);
	return rc;
}
