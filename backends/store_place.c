/* SPDX-License-Identifier: MIT */
/* What was accepted gets its place: its files on disk, its record, the index, the tree. */
#include <errno.h>
#include <string.h>

#include "store_upload.h"

/* What is being put in place of what. */
struct placing {
	const struct upload *upload;
	struct store_record record;
	struct store_object *object;   /* borrowed from the upload */
	struct store_load *load, *old; /* counted */
	struct store_held *held, *old_held;
	struct store_entry *entry; /* borrowed: names is held */
	bool fresh;                /* the entry is new */
	bool durable;
};

int tell_loading(struct store_held *held)
{
	return store.listener && store.listener->loading && held->codelet.spec
		       ? store.listener->loading(&held->codelet)
		       : 0;
}

/*
 * Of a codelet that nobody has had there is nothing to forget: those with a specification are
 * always held.
 */
void tell_gone(struct store_held *held)
{
	if (held && store.listener && store.listener->gone)
		store.listener->gone(&held->codelet);
}

static int get_object(struct upload *u)
{
	pthread_mutex_lock(&store.lock);
	u->object = object_get(u->sha256, u->size, u->who.uid);
	pthread_mutex_unlock(&store.lock);
	return u->object ? 0 : sfs_fail(-ENOMEM, "out of memory");
}

/*
 * The object with its two files, piece by piece: 1, more is to come. Not under names: these are the
 * writes that take long.
 */
static int make_object(struct upload *u)
{
	int rc = u->object ? 0 : get_object(u);

	if (!rc && !u->copy.object)
		u->copy = (struct store_copy){ .object = u->object,
					       .memfd = u->inspection.elf_fd,
					       .durable = sfs_config()->store_durable };
	rc = rc ?: db_put_object(&u->copy);
	return rc ?: db_put_table(u->object, &u->table, u->copy.durable);
}

static int make_load(struct placing *p)
{
	pthread_mutex_lock(&store.lock);
	if (!p->record.sequence)
		p->record.sequence = ++store.sequence;
	p->object->refs++;
	p->load = load_new(p->object, &p->record, &p->upload->table);
	pthread_mutex_unlock(&store.lock);
	return p->load ? 0 : sfs_fail(-ENOMEM, "out of memory");
}

/* The index and the tree; taken back if the tree has no room. */
static int show(struct placing *p)
{
	struct store_held *none;
	int rc;

	pthread_mutex_lock(&store.lock);
	p->entry = entry_find(p->upload->name);
	p->fresh = !p->entry;
	if (p->fresh)
		p->entry = entry_new(p->upload->name);
	if (p->entry) {
		p->load->refs++;
		p->old = entry_set(p->entry, p->load, true, &p->old_held);
		p->entry->hidden = false;
		p->entry->loads++;
	}
	pthread_mutex_unlock(&store.lock);
	if (!p->entry)
		return sfs_fail(-ENOMEM, "out of memory");
	rc = entry_show(p->entry, true);
	if (!rc) {
		entry_keep(p->entry, p->held);
		return 0;
	}
	pthread_mutex_lock(&store.lock);
	load_put(entry_set(p->entry, p->old, true, &none));
	p->old = NULL;
	p->entry->hidden = !p->entry->dir;
	if (p->fresh) {
		entry_drop(p->entry);
		entry_put(p->entry);
	}
	pthread_mutex_unlock(&store.lock);
	return rc;
}

static void put_placing(struct placing *p)
{
	pthread_mutex_lock(&store.lock);
	load_put(p->load);
	load_put(p->old);
	pthread_mutex_unlock(&store.lock);
	held_put(p->held);
	held_put(p->old_held);
}

/* The record of what had the name before, or none. */
static void restore_record(const struct upload *u, bool durable)
{
	struct store_record record;
	struct store_entry *entry;
	bool had;

	pthread_mutex_lock(&store.lock);
	entry = entry_find(u->name);
	had = entry && entry->load && !entry->unloading;
	if (had)
		load_record(entry->load, &record);
	pthread_mutex_unlock(&store.lock);
	if (had)
		(void)db_put_name(u->name, &record, durable);
	else
		(void)db_remove_name(u->name);
}

/*
 * Back to what was: the record, and the kernel of the former codelet, which the new one's may have
 * replaced.
 */
static int undo(struct placing *p, int rc)
{
	struct store_held *former = NULL;
	struct store_entry *entry;
	char why[SFS_SENTENCE_MAX];

	/* The sentence is that of the failure, not of its undoing. */
	strncpy(why, sfs_sentence(), sizeof(why) - 1);
	why[sizeof(why) - 1] = '\0';
	if (rc != -EINTR)
		restore_record(p->upload, p->durable);
	tell_gone(p->held);
	pthread_mutex_lock(&store.lock);
	entry = entry_find(p->upload->name);
	former = p->old_held ?: entry && !entry->unloading ? entry->held : NULL;
	if (former)
		former->refs++;
	pthread_mutex_unlock(&store.lock);
	if (former)
		(void)tell_loading(former);
	held_put(former);
	return sfs_fail(rc, "%s", why);
}

/*
 * names is held. The listener is asked before anybody can see the name; the rename of the record is
 * the commit; the tree follows, which only a lack of memory can prevent.
 */
static int place(struct placing *p)
{
	const struct upload *u = p->upload;
	char temp[32];
	int rc = db_prepare_name(&p->record, p->durable, temp);

	if (rc)
		return rc;
	p->held = codelet_new(u->name, p->load, &u->table);
	rc = p->held ? tell_loading(p->held) : sfs_fail(-ENOMEM, "out of memory");
	if (rc) {
		db_abandon_name(temp);
		return rc;
	}
	/* As late as can be: who is told that he was too late must not find it loaded. */
	if (sfs_req_cancelled(u->req))
		rc = sfs_fail(-EINTR, "the caller gave up");
	rc = rc ?: db_commit_name(temp, u->name, p->durable);
	rc = rc ?: show(p);
	if (rc) {
		db_abandon_name(temp);
		return undo(p, rc);
	}
	tell_gone(p->old_held);
	entry_status(u->name, NULL);
	return 0;
}

int place_upload(struct upload *u)
{
	int rc = make_object(u);
	struct placing p = { .upload = u, .object = u->object, .durable = u->copy.durable };

	if (rc)
		return rc;
	memcpy(p.record.sha256, u->sha256, sizeof(p.record.sha256));
	p.record.size = u->size;
	p.record.mode = u->mode & 07777;
	p.record.loaded_at_ns = sfs_wall_ns();
	pthread_mutex_lock(&store.names);
	rc = policy_place(u->name, u->size, &u->who, &p.record);
	rc = rc ?: make_load(&p);
	rc = rc ?: place(&p);
	pthread_mutex_unlock(&store.names);
	put_placing(&p);
	return rc;
}

/* Is the record still that of the object which was inspected again? */
static bool still_wanted(const struct upload *u, struct store_record *record)
{
	bool wanted;

	pthread_mutex_lock(&store.lock);
	wanted = u->again->hidden && u->again->load && entry_find(u->name) == u->again &&
		 !memcmp(u->again->load->object->sha256, u->sha256, SHA256_BYTES);
	if (wanted)
		load_record(u->again->load, record);
	pthread_mutex_unlock(&store.lock);
	return wanted;
}

int place_again(struct upload *u)
{
	struct placing p = { .upload = u };
	int rc;

	pthread_mutex_lock(&store.names);
	if (still_wanted(u, &p.record)) {
		rc = get_object(u);
		p.object = u->object;
		rc = rc ?: db_put_table(p.object, &u->table, false);
		rc = rc ?: make_load(&p);
		p.held = rc ? NULL : codelet_new(u->name, p.load, &u->table);
		rc = p.held ? tell_loading(p.held) : rc ?: sfs_fail(-ENOMEM, "out of memory");
		rc = rc ?: show(&p);
	} else {
		rc = 0;
	}
	pthread_mutex_unlock(&store.names);
	put_placing(&p);
	return rc;
}

void place_forget(struct upload *u)
{
	db_abandon_object(&u->copy);
	pthread_mutex_lock(&store.lock);
	object_put(u->object);
	pthread_mutex_unlock(&store.lock);
	table_free(&u->table);
}
