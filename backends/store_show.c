/* SPDX-License-Identifier: MIT */
/* What the tree shows of the store's entries, and the lines that say what is wrong with them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "store_priv.h"

mode_t codelet_dir_mode(mode_t mode)
{
	/* Who may read the file may look into its directory. */
	return (mode & 0444) | (mode & 0444) >> 2;
}

void entry_status(const char *name, const char *why)
{
	char key[SFS_NAME_MAX + sizeof("store/")];

	snprintf(key, sizeof(key), "store/%.64s", name);
	if (why)
		sfs_status(key, "codelet not loaded: %s", why);
	else
		sfs_status(key, NULL);
}

static int add_dir(struct store_entry *entry, const struct store_record *r)
{
	struct sfs_obj *dir;
	int rc;

	pthread_mutex_lock(&store.lock);
	entry->refs++; /* the directory's, released with it */
	pthread_mutex_unlock(&store.lock);
	rc = sfs_add_dir(store.codelets, entry->name, &codelet_dirtype, entry, r->uid, r->gid,
			 codelet_dir_mode(r->mode));
	if (rc)
		return sfs_fail(rc, "codelets/%.64s cannot be made", entry->name);
	dir = sfs_find(store.codelets, entry->name);
	pthread_mutex_lock(&store.lock);
	entry->dir = dir;
	pthread_mutex_unlock(&store.lock);
	return 0;
}

int entry_show(struct store_entry *entry, bool file)
{
	static const char *const rows[] = { "info",        "symbols", "sections", "imports",
					    "relocations", "spec",    "state",    "activity" };
	struct store_record r;
	bool fresh;
	int rc = 0;

	pthread_mutex_lock(&store.lock);
	load_record(entry->load, &r);
	fresh = !entry->dir;
	pthread_mutex_unlock(&store.lock);
	if (fresh)
		rc = add_dir(entry, &r);
	if (!rc && file) {
		rc = sfs_set_file(store.dir, entry->name, r.size, r.uid, r.gid, r.mode,
				  r.mtime_ns ?: r.loaded_at_ns);
		if (rc)
			(void)sfs_fail(rc, "store/%.64s cannot be made", entry->name);
	}
	if (rc && fresh)
		entry_hide(entry);
	if (rc || fresh)
		return rc;
	sfs_set_owner(entry->dir, r.uid, r.gid, codelet_dir_mode(r.mode));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		sfs_changed(entry->dir, rows[i]);
	return 0;
}

int entry_move(struct store_entry *from, struct store_entry *to)
{
	struct sfs_obj *old, *dir;
	int rc;

	pthread_mutex_lock(&store.lock);
	old = to->dir ? NULL : from->dir;
	to->refs += old != NULL; /* the directory's, released with it */
	pthread_mutex_unlock(&store.lock);
	if (!old)
		return entry_show(to, false);
	rc = sfs_move_dir(old, to->name, to);
	if (rc)
		return sfs_fail(rc, "codelets/%.64s cannot be made", to->name);
	dir = sfs_find(store.codelets, to->name);
	pthread_mutex_lock(&store.lock);
	to->dir = dir;
	from->dir = NULL;
	pthread_mutex_unlock(&store.lock);
	sfs_put_obj(old);
	return 0;
}

void entry_hide(struct store_entry *entry)
{
	struct sfs_obj *dir;

	pthread_mutex_lock(&store.lock);
	dir = entry->dir;
	entry->dir = NULL;
	pthread_mutex_unlock(&store.lock);
	if (!dir)
		return;
	sfs_remove_dir(dir);
	sfs_put_obj(dir);
}

/* ---- damage ---------------------------------------------------------------------------------- */

struct damage {
	struct work work;
	struct store_entry *entry; /* counted */
};

/*
 * The name and its record stay taken, so that it is its owner's to replace; and the next start
 * looks again.
 */
static bool hide_damaged(struct work *work)
{
	struct damage *damage = (struct damage *)work;
	struct store_entry *entry = damage->entry;
	struct store_held *held = NULL;
	bool hide;

	pthread_mutex_lock(&store.names);
	pthread_mutex_lock(&store.lock);
	hide = entry->load && !entry->load->object->verified && !entry->hidden && !entry->unloading;
	if (hide) {
		entry->hidden = true;
		load_unexport(entry->load);
		held = entry->held;
		if (held && !entry->resident)
			held->refs++;
		entry->held = NULL;
		entry->resident = false;
	}
	pthread_mutex_unlock(&store.lock);
	if (hide) {
		tell_gone(held);
		sfs_drop_file(store.dir, entry->name);
		entry_hide(entry);
	}
	pthread_mutex_unlock(&store.names);
	held_put(held);
	pthread_mutex_lock(&store.lock);
	entry_put(entry);
	pthread_mutex_unlock(&store.lock);
	free(damage);
	return false;
}

void entry_damaged(struct store_entry *entry)
{
	struct damage *damage = malloc(sizeof(*damage));
	uid_t uid;

	entry_status(entry->name, "its bytes are damaged on disk");
	if (!damage)
		return;
	pthread_mutex_lock(&store.lock);
	entry->refs++;
	uid = entry->load ? entry->load->uid : 0;
	pthread_mutex_unlock(&store.lock);
	damage->entry = entry;
	if (work_add(&damage->work, uid, hide_damaged))
		return;
	pthread_mutex_lock(&store.lock);
	entry_put(entry);
	pthread_mutex_unlock(&store.lock);
	free(damage);
}
