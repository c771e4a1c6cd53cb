/* SPDX-License-Identifier: MIT */
/* The directory /store: what users do to its files, and the store's start and end. */
#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store_inspect.h"
#include "store_priv.h"

struct store store = {
	.names = PTHREAD_MUTEX_INITIALIZER,
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.root = -1,
	.objects_dir = -1,
	.tables_dir = -1,
	.names_dir = -1,
};

static size_t max_bytes(void)
{
	return sfs_config()->store_max_bytes;
}

/* An entry that the tree shows as a file; counted. */
struct store_entry *file_find(const char *name)
{
	struct store_entry *entry;

	pthread_mutex_lock(&store.lock);
	entry = entry_find(name);
	if (entry && entry->load && !entry->hidden && !entry->unloading)
		entry->refs++;
	else
		entry = NULL;
	pthread_mutex_unlock(&store.lock);
	if (!entry)
		(void)sfs_fail(-ENOENT, "no codelet '%.64s'", name);
	return entry;
}

static void unref(struct store_entry *entry)
{
	pthread_mutex_lock(&store.lock);
	entry_put(entry);
	pthread_mutex_unlock(&store.lock);
}

static int open_file(struct sfs_obj *dir, const char *name)
{
	struct store_entry *entry = file_find(name);
	struct store_object *object;
	int fd;

	(void)dir;
	if (!entry)
		return -ENOENT;
	pthread_mutex_lock(&store.lock);
	object = entry->load ? entry->load->object : NULL;
	if (object)
		object->refs++;
	pthread_mutex_unlock(&store.lock);
	fd = object ? db_open_object(object) : sfs_fail(-ENOENT, "no codelet '%.64s'", name);
	if (fd == -EBADMSG) {
		entry_damaged(entry);
		fd = sfs_fail(-EIO, "codelet '%.64s' is damaged on disk", name);
	}
	pthread_mutex_lock(&store.lock);
	object_put(object);
	entry_put(entry);
	pthread_mutex_unlock(&store.lock);
	return fd;
}

/* As in any directory with the sticky bit: the owner's, or root's. */
int file_check_owner(const struct store_entry *entry, const struct sfs_cred *who)
{
	uid_t uid;

	pthread_mutex_lock(&store.lock);
	uid = entry->load ? entry->load->uid : 0;
	pthread_mutex_unlock(&store.lock);
	if (who->uid == 0 || who->uid == uid)
		return 0;
	return sfs_fail(-EPERM, "'%.64s' belongs to uid %u", entry->name, uid);
}

/* Out of the index; true: it runs still, and goes when that ends. */
static bool take_out(struct store_entry *entry, struct store_load **load, struct store_held **held)
{
	bool runs;

	pthread_mutex_lock(&store.lock);
	runs = entry->load->running > 0;
	if (runs) {
		entry_unload(entry, held);
	} else {
		*load = entry_set(entry, NULL, false, held);
		entry_drop(entry);
	}
	pthread_mutex_unlock(&store.lock);
	return runs;
}

static int remove_file(struct sfs_obj *dir, const char *name, const struct sfs_cred *who)
{
	struct store_held *held = NULL;
	struct store_entry *entry;
	struct store_load *load = NULL;
	bool runs = false;
	int rc;

	(void)dir;
	pthread_mutex_lock(&store.names);
	entry = file_find(name);
	rc = entry ? file_check_owner(entry, who) ?: db_remove_name(name) : -ENOENT;
	if (!rc) {
		runs = take_out(entry, &load, &held);
		tell_gone(held);
		sfs_forget_file(store.dir, name);
		/* What still runs is shown as unloading; its end takes the directory away. */
		if (!runs)
			entry_hide(entry);
		else
			sfs_changed(entry->dir, "state");
	}
	pthread_mutex_unlock(&store.names);
	if (!rc)
		sfs_event(store.dir, who->uid, "unload", "%.64s", name);
	pthread_mutex_lock(&store.lock);
	load_put(load);
	if (!rc && !runs)
		entry_put(entry); /* the index's */
	entry_put(entry);
	pthread_mutex_unlock(&store.lock);
	held_put(held);
	return rc;
}

/* ---- rename ---------------------------------------------------------------------------------- */

struct moving {
	struct store_entry *from, *to; /* counted; to is NULL when the name is free */
	struct store_held *from_held, *to_held;
	struct store_load *replaced;
	bool fresh;
};

/* The index: what from had is to's now. */
static int move_load(struct moving *m, const char *name)
{
	struct store_load *load;

	pthread_mutex_lock(&store.lock);
	if (!m->to) {
		m->to = entry_new(name);
		m->fresh = m->to;
		if (m->to)
			m->to->refs++;
	}
	if (m->to) {
		load = entry_set(m->from, NULL, false, &m->from_held);
		m->replaced = entry_set(m->to, load, true, &m->to_held);
		m->to->loads++;
		m->to->hidden = false;
	}
	pthread_mutex_unlock(&store.lock);
	return m->to ? 0 : sfs_fail(-ENOMEM, "out of memory");
}

/* Only a fresh name can lack room, so nothing was replaced. */
static void move_back(struct moving *m)
{
	struct store_held *none;
	struct store_load *load;

	pthread_mutex_lock(&store.lock);
	load = entry_set(m->to, NULL, false, &none);
	(void)entry_set(m->from, load, true, &none);
	entry_drop(m->to);
	entry_put(m->to);
	pthread_mutex_unlock(&store.lock);
}

static void drop_from(struct moving *m)
{
	pthread_mutex_lock(&store.lock);
	entry_drop(m->from);
	entry_put(m->from);
	pthread_mutex_unlock(&store.lock);
	entry_hide(m->from);
}

/* A kernel made from a specification in the codelet names the codelet. */
static void tell_moved(struct moving *m)
{
	struct store_held *held;
	bool spec = m->from_held && m->from_held->codelet.spec;
	int err;

	tell_gone(m->to_held);
	tell_gone(m->from_held);
	held = spec ? codelet_of(m->to, &err) : NULL;
	if (held && tell_loading(held))
		entry_status(m->to->name, sfs_sentence());
	held_put(held);
}

static int move(struct moving *m, const char *from, const char *to)
{
	int rc = db_rename_name(from, to);

	if (rc)
		return rc;
	rc = move_load(m, to);
	/* The core renames the file itself. */
	if (!rc) {
		rc = entry_move(m->from, m->to);
		if (rc)
			move_back(m);
	}
	if (rc) {
		(void)db_rename_name(to, from);
		return sfs_fail(rc, "out of memory");
	}
	drop_from(m);
	tell_moved(m);
	return 0;
}

/* What has the name already, damaged and hidden ones included; counted. */
static struct store_entry *find_target(const char *name)
{
	struct store_entry *entry;

	pthread_mutex_lock(&store.lock);
	entry = entry_find(name);
	if (entry)
		entry->refs++;
	pthread_mutex_unlock(&store.lock);
	return entry;
}

static int check_target(const struct store_entry *to, bool replace, const struct sfs_cred *who)
{
	if (!to || to->unloading)
		return 0;
	if (!replace)
		return sfs_fail(-EEXIST, "'%.64s' exists already", to->name);
	return file_check_owner(to, who);
}

static int rename_file(struct sfs_obj *dir, const char *from, const char *to, bool replace,
		       const struct sfs_cred *who)
{
	struct moving m = { .fresh = false };
	int rc;

	if (!strcmp(from, to))
		return 0;
	pthread_mutex_lock(&store.names);
	m.from = file_find(from);
	m.to = find_target(to);
	rc = m.from ? file_check_owner(m.from, who) : -ENOENT;
	rc = rc ?: check_target(m.to, replace, who);
	rc = rc ?: move(&m, from, to);
	rc = rc ?: sfs_move_file(dir, from, to);
	pthread_mutex_unlock(&store.names);
	if (!rc) {
		entry_status(to, NULL);
		sfs_event(dir, who->uid, "rename", "%.64s %.64s", from, to);
	}
	pthread_mutex_lock(&store.lock);
	load_put(m.replaced);
	entry_put(m.from);
	entry_put(m.to);
	pthread_mutex_unlock(&store.lock);
	held_put(m.from_held);
	held_put(m.to_held);
	return rc;
}

/* ---- sync ------------------------------------------------------------------------------------- */

struct sync {
	struct work work;
	struct sfs_req *req;
	struct store_entry *entry;   /* counted */
	struct store_object *object; /* counted; NULL: there is none */
	uint64_t done;               /* of its bytes */
};

static bool sync_names(struct work *work)
{
	struct sync *sync = (struct sync *)work;
	unsigned char sha256[SHA256_BYTES];
	bool there;
	int rc = 0;

	pthread_mutex_lock(&store.names);
	pthread_mutex_lock(&store.lock);
	object_put(sync->object);
	there = sync->entry->load && !sync->entry->unloading;
	if (there)
		memcpy(sha256, sync->entry->load->object->sha256, sizeof(sha256));
	pthread_mutex_unlock(&store.lock);
	if (there)
		rc = db_sync(sync->entry->name, sha256);
	pthread_mutex_unlock(&store.names);
	sfs_req_done(sync->req, rc, NULL);
	unref(sync->entry);
	free(sync);
	return false;
}

/*
 * First the bytes, piece by piece: others have their turn in between, and may change names. What
 * then is left for sync_names() is short.
 */
static bool sync_bytes(struct work *work)
{
	struct sync *sync = (struct sync *)work;

	if (sync->object && sync->done < sync->object->size && !sfs_req_cancelled(sync->req)) {
		db_flush_object(sync->object, sync->done, STORE_PIECE);
		sync->done += STORE_PIECE;
		return true;
	}
	work->run = sync_names;
	return true;
}

static int sync_file(struct sfs_obj *dir, const char *name, struct sfs_req *req)
{
	struct store_entry *entry = file_find(name);
	struct sync *sync = entry ? calloc(1, sizeof(*sync)) : NULL;
	uid_t uid = 0;

	(void)dir;
	if (!entry)
		return -ENOENT;
	if (!sync) {
		unref(entry);
		return sfs_fail(-ENOMEM, "out of memory");
	}
	sync->req = req;
	sync->entry = entry;
	pthread_mutex_lock(&store.lock);
	if (entry->load) {
		uid = entry->load->uid;
		sync->object = entry->load->object;
		sync->object->refs++;
	}
	pthread_mutex_unlock(&store.lock);
	if (!work_add(&sync->work, uid, sync_bytes))
		work_here(&sync->work, sync_bytes);
	return SFS_LATER;
}

static int make(struct sfs_obj *parent, const char *name, mode_t mode, const struct sfs_cred *who)
{
	(void)parent, (void)mode, (void)who;
	return sfs_fail(-EOPNOTSUPP,
			"codelet sets are not possible yet: no directory '%.64s' in store", name);
}

/* ---- start and end --------------------------------------------------------------------------- */

void store_listen(const struct store_listener *listener)
{
	store.listener = listener;
}

/* Whichever of the two directories comes second. */
static int begin(void)
{
	int rc;

	if (!store.dir || !store.codelets)
		return 0;
	rc = policy_start() ?: db_open(sfs_config()->state_dir);
	if (rc)
		return rc;
	rc = work_start();
	if (rc)
		return sfs_fail(rc, "no thread for the store");
	/* First, since what has to be inspected again is sent there at once. */
	inspect_start();
	return store_begin();
}

static int start_store(struct sfs_obj *dir)
{
	store.dir = sfs_get(dir);
	return begin();
}

static int start_codelets(struct sfs_obj *dir)
{
	store.codelets = sfs_get(dir);
	return begin();
}

static void stop(void)
{
	inspect_stop();
	work_stop();
	index_free();
	db_close();
	sfs_put_obj(store.dir);
	sfs_put_obj(store.codelets);
	store.dir = store.codelets = NULL;
}

static const struct sfs_uploads uploads = {
	.max_bytes = max_bytes,
	.commit = load_commit,
	.open = open_file,
	.rename = rename_file,
	.remove = remove_file,
	.set_owner = file_set_owner,
	.set_mtime = file_set_mtime,
	.sync = sync_file,
};

static const struct sfs_attr store_attrs[] = {
	{ "error", 0444, sfs_error_show, .flags = SFS_PER_UID,
	  .help = "the last refusal here, for the reader's uid" },
	{ 0 },
};

static const struct sfs_dirtype store_type = { .attrs = store_attrs,
					       .make = make,
					       .uploads = &uploads };

const struct sfs_backend store_backend = {
	.name = "store",
	.type = &store_type,
	.mode = 01777,
	.init = start_store,
	.stop = stop,
};

static const struct sfs_dirtype codelets_type = { .attrs = NULL };

const struct sfs_backend codelets_backend = {
	.name = "codelets",
	.type = &codelets_type,
	.mode = 0555,
	.init = start_codelets,
};
