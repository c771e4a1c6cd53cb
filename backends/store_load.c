/* SPDX-License-Identifier: MIT */
/*
 * From an upload to a codelet: seal, hash, policy, inspection.
 *
 * load_commit() runs on the caller's thread up to the hash of what is small; the inspection ends on
 * the launch thread; the hash of what is large, and everything that touches the disk, is done on
 * the store's own thread, piece by piece. One struct upload goes along and is freed with the answer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store_upload.h"

#define HASH_HERE STORE_PIECE /* bytes: more is hashed on the store's own thread */

static struct upload *of_work(struct work *work)
{
	return (struct upload *)((char *)work - offsetof(struct upload, work));
}

static void free_upload(struct upload *u)
{
	if (u->inspection.elf_fd >= 0)
		close(u->inspection.elf_fd);
	if (u->inspection.table_fd >= 0)
		close(u->inspection.table_fd);
	place_forget(u);
	free(u);
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

static bool gave_up(const struct upload *u)
{
	return u->req && sfs_req_cancelled(u->req);
}

/* One piece of the way to the disk. */
static bool place(struct work *work)
{
	struct upload *u = of_work(work);
	int rc = gave_up(u) ? sfs_fail(-EINTR, "the caller gave up") : place_upload(u);

	if (rc > 0)
		return true;
	finish(u, rc);
	return false;
}

static bool take_table(struct work *work)
{
	struct upload *u = of_work(work);
	int rc = u->rc ? sfs_fail(u->rc, "%s", u->inspection.sentence)
		       : table_take(u->inspection.table_fd, &u->table);

	if (!rc && !u->again) {
		work->run = place;
		return place(work);
	}
	finish(u, rc ?: place_again(u));
	return false;
}

/* On the launch thread. */
static void inspected(struct inspection *inspection, int rc)
{
	struct upload *u = (struct upload *)inspection;

	u->rc = rc;
	/* At the end of the daemon its thread has ended before the last answers are given. */
	if (!work_add_first(&u->work, inspection->uid, take_table))
		work_here(&u->work, take_table);
}

static bool hash_large(struct work *work)
{
	struct upload *u = of_work(work);
	int rc = gave_up(u) ? sfs_fail(-EINTR, "the caller gave up")
			    : upload_hash(&u->hashing, u->inspection.elf_fd, u->size, u->sha256);

	if (rc > 0)
		return true;
	if (rc)
		finish(u, rc);
	else
		inspect_add(&u->inspection);
	return false;
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
	rc = rc ?: here ? upload_hash(&u->hashing, memfd, size, u->sha256) : 0;
	if (rc) {
		tell(u, rc);
		free_upload(u);
		return rc;
	}
	/* From here on only finish() ends it, since cancel() may come at any time. */
	sfs_req_on_cancel(req, cancel, u, 0);
	if (here)
		inspect_add(&u->inspection);
	else if (!work_add(&u->work, who->uid, hash_large))
		work_here(&u->work, hash_large);
	return SFS_LATER;
}

/* ---- again: one after the other, since each holds its bytes ---------------------------------- */

static struct upload *waiting; /* store.lock */
static bool one_is_on;         /* store.lock */

static bool load_bytes(struct work *work)
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
	return false;
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
	if (u && !work_add(&u->work, u->who.uid, load_bytes)) {
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
