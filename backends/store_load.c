/* SPDX-License-Identifier: MIT */
/*
 * From an upload to a codelet: seal, hash, policy, inspection, publication.
 *
 * load_commit() runs on the caller's thread up to the hash; the inspection ends on the launch
 * thread; everything that touches the disk is done on the store's own thread. One struct upload
 * goes along and is freed with the answer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store_inspect.h"
#include "store_priv.h"

#define HASH_HERE (1u << 20) /* bytes: more is hashed on the store's own thread */

struct upload {
	struct inspection inspection; /* elf_fd is owned */
	struct work work;
	struct sfs_req *req;       /* NULL: an object that is inspected again */
	struct store_entry *again; /* counted; NULL: an upload */
	char name[SFS_NAME_MAX + 1];
	struct sfs_cred who;
	size_t size;
	void *bytes; /* of elf_fd, mapped; NULL: not yet; owned */
	mode_t mode;
	unsigned char sha256[SHA256_BYTES];
	int rc; /* of the inspection */
	struct upload *next;
};

static void run_work(struct work *work, void (*run)(struct work *work))
{
	/* At the end of the daemon its thread has ended before the last answers are given. */
	if (!work_add(work, run))
		run(work);
}

static struct upload *of_work(struct work *work)
{
	return (struct upload *)((char *)work - offsetof(struct upload, work));
}

static void free_upload(struct upload *u)
{
	if (u->bytes)
		munmap(u->bytes, u->size);
	if (u->inspection.elf_fd >= 0)
		close(u->inspection.elf_fd);
	if (u->inspection.table_fd >= 0)
		close(u->inspection.table_fd);
	free(u);
}

/* ---- publication: on the store's thread ------------------------------------------------------ */

/* What is being put in place of what. */
struct placing {
	const struct upload *upload;
	const struct store_table *table;
	struct store_record record;
	struct store_object *object;   /* counted */
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

/* The object with its two files. Not under names: these are the writes that take long. */
static int make_object(struct placing *p)
{
	const struct upload *u = p->upload;
	int rc;

	memcpy(p->record.sha256, u->sha256, sizeof(p->record.sha256));
	p->record.size = u->size;
	pthread_mutex_lock(&store.lock);
	p->object = object_get(p->record.sha256, p->record.size);
	pthread_mutex_unlock(&store.lock);
	rc = p->object ? 0 : sfs_fail(-ENOMEM, "out of memory");
	rc = rc ?: db_put_object(p->object, u->bytes, p->durable);
	return rc ?: db_put_table(p->object, p->table, p->durable);
}

static int make_load(struct placing *p)
{
	pthread_mutex_lock(&store.lock);
	if (!p->record.sequence)
		p->record.sequence = ++store.sequence;
	p->object->refs++;
	p->load = load_new(p->object, &p->record, p->table);
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
	object_put(p->object);
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
	p->held = codelet_new(u->name, p->load, p->table);
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

static int publish(struct upload *u, const struct store_table *table)
{
	struct placing p = { .upload = u, .table = table, .durable = sfs_config()->store_durable };
	int rc = make_object(&p);

	p.record.mode = u->mode & 07777;
	p.record.loaded_at_ns = sfs_wall_ns();
	pthread_mutex_lock(&store.names);
	rc = rc ?: policy_place(u->name, u->size, &u->who, &p.record);
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

static int publish_again(struct upload *u, const struct store_table *table)
{
	struct placing p = { .upload = u, .table = table };
	int rc;

	pthread_mutex_lock(&store.names);
	if (still_wanted(u, &p.record)) {
		pthread_mutex_lock(&store.lock);
		p.object = object_get(p.record.sha256, p.record.size);
		pthread_mutex_unlock(&store.lock);
		rc = p.object ? 0 : sfs_fail(-ENOMEM, "out of memory");
		rc = rc ?: db_put_table(p.object, table, false);
		rc = rc ?: make_load(&p);
		p.held = rc ? NULL : codelet_new(u->name, p.load, table);
		rc = p.held ? tell_loading(p.held) : rc ?: sfs_fail(-ENOMEM, "out of memory");
		rc = rc ?: show(&p);
	} else {
		rc = 0;
	}
	pthread_mutex_unlock(&store.names);
	put_placing(&p);
	return rc;
}

/* ---- the way there --------------------------------------------------------------------------- */

static void next_again(void);

static void finish_again(struct upload *u, int rc)
{
	struct store_entry *entry = u->again;

	entry_status(u->name, rc ? sfs_sentence() : NULL);
	free_upload(u);
	pthread_mutex_lock(&store.lock);
	entry_put(entry);
	pthread_mutex_unlock(&store.lock);
	next_again();
}

static void tell(const struct upload *u, int rc)
{
	sfs_stat_add(rc ? SFS_LOADS_FAILED : SFS_LOADS, 1);
	if (rc)
		sfs_event(store.dir, u->who.uid, "refuse", "%.64s %s", u->name,
			  strerrorname_np(-rc));
	else
		sfs_event(store.dir, u->who.uid, "load", "%.64s %zu", u->name, u->size);
}

static void finish(struct upload *u, int rc)
{
	if (u->again) {
		finish_again(u, rc);
		return;
	}
	tell(u, rc);
	/*
	 * The answer may free what u refers to, but not u: cancel() neither runs nor will after it.
	 */
	sfs_req_done(u->req, rc, NULL);
	free_upload(u);
}

static void take_table(struct work *work)
{
	struct upload *u = of_work(work);
	struct store_table table = { 0 };
	int rc = u->rc ? sfs_fail(u->rc, "%s", u->inspection.sentence)
		       : table_take(u->inspection.table_fd, &table);

	if (!rc)
		rc = u->again ? publish_again(u, &table) : publish(u, &table);
	table_free(&table);
	finish(u, rc);
}

/* On the launch thread. */
static void inspected(struct inspection *inspection, int rc)
{
	struct upload *u = (struct upload *)inspection;

	u->rc = rc;
	run_work(&u->work, take_table);
}

static void hash_large(struct work *work)
{
	struct upload *u = of_work(work);
	int rc = upload_hash(u->inspection.elf_fd, u->size, &u->bytes, u->sha256);

	if (rc)
		finish(u, rc);
	else
		inspect_add(&u->inspection);
}

static void cancel(void *arg)
{
	struct upload *u = arg;

	inspect_cancel(&u->inspection);
}

static struct upload *new_upload(const char *name, int memfd)
{
	struct upload *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->inspection.elf_fd = memfd;
	u->inspection.table_fd = -1;
	u->inspection.done = inspected;
	memcpy(u->name, name, strnlen(name, SFS_NAME_MAX));
	return u;
}

int load_commit(struct sfs_obj *dir, const char *name, int memfd, size_t size, mode_t mode,
		const struct sfs_cred *who, struct sfs_req *req)
{
	struct upload *u = new_upload(name, memfd);
	bool here = size <= HASH_HERE;
	int rc;

	(void)dir;
	if (!u) {
		close(memfd);
		return sfs_fail(-ENOMEM, "out of memory");
	}
	u->req = req;
	u->who = *who;
	u->size = size;
	u->mode = mode;
	u->inspection.uid = who->uid;
	rc = policy_upload(name, size, who) ?: upload_seal(memfd, size);
	rc = rc ?: here ? upload_hash(memfd, size, &u->bytes, u->sha256) : 0;
	if (rc) {
		tell(u, rc);
		free_upload(u);
		return rc;
	}
	/* From here on only finish() ends it, since cancel() may come at any time. */
	sfs_req_on_cancel(req, cancel, u, 0);
	if (here)
		inspect_add(&u->inspection);
	else
		run_work(&u->work, hash_large);
	return SFS_LATER;
}

/* ---- again: one after the other, since each holds its bytes ---------------------------------- */

static struct upload *waiting; /* store.lock */
static bool one_is_on;         /* store.lock */

static void load_bytes(struct work *work)
{
	struct upload *u = of_work(work);
	struct store_object *object = NULL;
	int fd = -ENOENT;

	pthread_mutex_lock(&store.lock);
	if (u->again->load && u->again->hidden) {
		object = u->again->load->object;
		object->refs++;
		memcpy(u->sha256, object->sha256, SHA256_BYTES);
	}
	pthread_mutex_unlock(&store.lock);
	if (object)
		fd = db_load_object(object);
	pthread_mutex_lock(&store.lock);
	object_put(object);
	pthread_mutex_unlock(&store.lock);
	if (fd >= 0) {
		u->inspection.elf_fd = fd;
		inspect_add(&u->inspection);
	} else if (object) {
		finish(u, fd);
	} else {
		finish(u, 0); /* removed or replaced meanwhile */
	}
}

static void next_again(void)
{
	struct upload *u;

	pthread_mutex_lock(&store.lock);
	u = waiting;
	if (u)
		waiting = u->next;
	one_is_on = u;
	pthread_mutex_unlock(&store.lock);
	if (u && !work_add(&u->work, load_bytes)) {
		/* The daemon ends: the next one will do it. */
		pthread_mutex_lock(&store.lock);
		entry_put(u->again);
		pthread_mutex_unlock(&store.lock);
		free_upload(u);
		next_again();
	}
}

int load_again(struct store_entry *entry)
{
	struct upload *u = new_upload(entry->name, -1);
	bool idle;

	if (!u)
		return sfs_fail(-ENOMEM, "out of memory");
	pthread_mutex_lock(&store.lock);
	entry->refs++;
	u->again = entry;
	u->who.uid = u->inspection.uid = entry->load->uid;
	u->next = waiting;
	waiting = u;
	idle = !one_is_on;
	one_is_on = true;
	pthread_mutex_unlock(&store.lock);
	if (idle)
		next_again();
	return 0;
}
