/* SPDX-License-Identifier: MIT */
/*
 * Codelets as others hold them: found by name or by export, opened, used, put back.
 *
 * What somebody holds keeps its load and with it the object's file, whatever becomes of the name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store_priv.h"

#define SMALL_BYTES 1024 /* of text that a codelet may keep in memory while nobody holds it */

static struct sfs_blob *text_blob(const struct store_table *table, enum wire_text which)
{
	return sfs_blob_new(table->texts[which].text, table->texts[which].bytes);
}

static void held_free(struct store_held *held)
{
	sfs_blob_put(held->codelet.exports);
	sfs_blob_put(held->codelet.imports);
	sfs_blob_put(held->codelet.spec);
	free(held);
}

static void describe(struct codelet *c, const struct store_load *load)
{
	memcpy(c->sha256, load->object->sha256, sizeof(c->sha256));
	sha256_hex(c->sha256, c->sha256_hex);
	c->size = load->object->size;
	c->elf_type = load->type;
	c->elf_machine = load->machine;
	c->uid = load->uid;
	c->gid = load->gid;
	c->mode = load->mode;
	c->loaded_at_ns = load->loaded_at_ns;
	c->sequence = load->sequence;
	c->missing = load->missing;
}

struct store_held *codelet_new(const char *name, struct store_load *load,
			       const struct store_table *table)
{
	struct store_held *held = calloc(1, sizeof(*held));
	bool spec = table->texts[WIRE_SPEC].bytes > 0;

	if (!held)
		return NULL;
	held->refs = 1;
	held->memfd = -1;
	held->load = load;
	memcpy(held->codelet.name, name, strnlen(name, SFS_NAME_MAX));
	held->codelet.exports = text_blob(table, WIRE_EXPORTS);
	held->codelet.imports = text_blob(table, WIRE_IMPORTS);
	held->codelet.spec = spec ? text_blob(table, WIRE_SPEC) : NULL;
	if (!held->codelet.exports || !held->codelet.imports || (spec && !held->codelet.spec)) {
		held_free(held);
		return NULL;
	}
	pthread_mutex_lock(&store.lock);
	load->refs++;
	describe(&held->codelet, load);
	pthread_mutex_unlock(&store.lock);
	return held;
}

bool codelet_is_small(const struct store_held *held)
{
	return sfs_blob_size(held->codelet.exports) + sfs_blob_size(held->codelet.imports) <=
	       SMALL_BYTES;
}

void entry_keep(struct store_entry *entry, struct store_held *held)
{
	pthread_mutex_lock(&store.lock);
	if (!entry->held && entry->load == held->load) {
		entry->held = held;
		entry->resident = codelet_is_small(held) || held->codelet.spec;
		held->refs += entry->resident;
	}
	pthread_mutex_unlock(&store.lock);
}

void held_put(struct store_held *held)
{
	struct store_entry *entry;
	bool last, mine;
	int fd = -1;

	if (!held)
		return;
	pthread_mutex_lock(&store.lock);
	last = --held->refs == 0;
	entry = held->load->entry;
	mine = entry && entry->held == held;
	if (last && mine)
		entry->held = NULL;
	if (last || (held->refs == 1 && mine && entry->resident)) {
		fd = held->memfd;
		held->memfd = -1;
	}
	if (last)
		load_put(held->load);
	pthread_mutex_unlock(&store.lock);
	if (fd >= 0)
		close(fd);
	if (last)
		held_free(held);
}

/*
 * Makes the codelet of a load that nobody has had for a while; whoever is first gives it to the
 * entry.
 */
static struct store_held *revive(struct store_entry *entry, struct store_load *load, int *err_out)
{
	struct store_held *held, *other = NULL;
	struct store_table table;

	*err_out = db_get_table(load->object->sha256, &table);
	if (*err_out)
		return NULL;
	held = codelet_new(entry->name, load, &table);
	table_free(&table);
	if (!held) {
		*err_out = sfs_fail(-ENOMEM, "out of memory");
		return NULL;
	}
	entry_keep(entry, held);
	pthread_mutex_lock(&store.lock);
	if (entry->held && entry->held != held && entry->load == load) {
		other = entry->held;
		other->refs++;
	}
	pthread_mutex_unlock(&store.lock);
	if (!other)
		return held;
	held_put(held);
	return other;
}

struct store_held *codelet_of(struct store_entry *entry, int *err_out)
{
	struct store_held *held = NULL;
	struct store_load *load;

	pthread_mutex_lock(&store.lock);
	load = entry->unloading || entry->hidden ? NULL : entry->load;
	if (load && entry->held) {
		held = entry->held;
		held->refs++;
	} else if (load) {
		load->refs++;
		entry->refs++;
	}
	pthread_mutex_unlock(&store.lock);
	if (held)
		return held;
	if (!load) {
		*err_out = sfs_fail(-ENOENT, "no codelet '%.64s'", entry->name);
		return NULL;
	}
	held = revive(entry, load, err_out);
	pthread_mutex_lock(&store.lock);
	load_put(load);
	entry_put(entry);
	pthread_mutex_unlock(&store.lock);
	return held;
}

/* ---- what other backends see ----------------------------------------------------------------- */

/* A reference to the entry with that load, and its owner and mode as they are now. lock held. */
static struct store_entry *grab(struct store_entry *entry, struct sfs_cred *owner, mode_t *mode)
{
	entry->refs++;
	owner->uid = entry->load->uid;
	owner->gid = entry->load->gid;
	*mode = entry->load->mode;
	return entry;
}

static void unref_entry(struct store_entry *entry)
{
	pthread_mutex_lock(&store.lock);
	entry_put(entry);
	pthread_mutex_unlock(&store.lock);
}

static struct store_entry *find_readable(const char *name, const struct sfs_cred *who, int *err_out)
{
	struct store_entry *entry;
	struct sfs_cred owner;
	mode_t mode;

	pthread_mutex_lock(&store.lock);
	entry = entry_find(name);
	if (entry && entry->load && !entry->hidden && !entry->unloading)
		grab(entry, &owner, &mode);
	else
		entry = NULL;
	pthread_mutex_unlock(&store.lock);
	if (!entry) {
		*err_out = sfs_fail(-ENOENT, "no codelet '%.64s'", name);
		return NULL;
	}
	/* Not under the lock: who's groups may have to be looked up. */
	if (sfs_may(who, owner.uid, owner.gid, mode, R_OK))
		return entry;
	unref_entry(entry);
	*err_out = sfs_fail(-EACCES, "codelet '%.64s' is not readable for uid %u", name, who->uid);
	return NULL;
}

struct codelet *store_find(const char *name, const struct sfs_cred *who, int *err_out)
{
	struct store_entry *entry = find_readable(name, who, err_out);
	struct store_held *held;

	if (!entry)
		return NULL;
	held = codelet_of(entry, err_out);
	unref_entry(entry);
	return held ? &held->codelet : NULL;
}

/* The next candidate, older than *sequence, which is set to its own. A reference to its entry. */
static struct store_entry *next_candidate(const char *symbol, uid_t uid, uint64_t *sequence,
					  struct sfs_cred *owner, mode_t *mode)
{
	struct store_entry *entry = NULL;
	struct store_load *load;

	pthread_mutex_lock(&store.lock);
	load = export_newest(symbol, strlen(symbol), uid, *sequence);
	if (load) {
		*sequence = load->sequence;
		entry = grab(load->entry, owner, mode);
	}
	pthread_mutex_unlock(&store.lock);
	return entry;
}

/* Equal hashes are not yet equal names. */
static bool exports(const struct codelet *codelet, const char *symbol)
{
	const char *p = sfs_blob_data(codelet->exports), *end = p + sfs_blob_size(codelet->exports),
		   *word;
	size_t want = strlen(symbol), len;

	if (!strcmp(symbol, "*"))
		return true;
	while ((len = table_line(&p, end, &word)))
		if (len == want && !memcmp(word, symbol, len))
			return true;
	return false;
}

static struct codelet *find_of(const char *symbol, uid_t uid, const struct sfs_cred *who)
{
	uint64_t sequence = UINT64_MAX;
	struct store_entry *entry;
	struct sfs_cred owner;
	mode_t mode;

	while ((entry = next_candidate(symbol, uid, &sequence, &owner, &mode))) {
		bool may = sfs_may(who, owner.uid, owner.gid, mode, R_OK);
		int err;
		struct store_held *held = may ? codelet_of(entry, &err) : NULL;

		unref_entry(entry);
		if (held && exports(&held->codelet, symbol))
			return &held->codelet;
		held_put(held);
	}
	return NULL;
}

struct codelet *store_find_export(const char *symbol, const struct sfs_cred *who, int *err_out)
{
	struct codelet *codelet = find_of(symbol, who->uid, who);

	if (!codelet && who->uid != 0)
		codelet = find_of(symbol, 0, who);
	if (!codelet && !strcmp(symbol, "*"))
		*err_out = sfs_fail(-ENOENT, "no codelet with exactly one exported symbol");
	else if (!codelet)
		*err_out = sfs_fail(-ENOENT, "no codelet exports '%.128s'", symbol);
	return codelet;
}

struct codelet *store_get(struct codelet *codelet)
{
	pthread_mutex_lock(&store.lock);
	((struct store_held *)codelet)->refs++;
	pthread_mutex_unlock(&store.lock);
	return codelet;
}

void store_put(struct codelet *codelet)
{
	held_put((struct store_held *)codelet);
}

static int duplicate(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	return copy < 0 ? sfs_fail(-EMFILE, "no more descriptors: %s", strerror(errno)) : copy;
}

int store_open(struct codelet *codelet)
{
	struct store_held *held = (struct store_held *)codelet;
	int fd, copy, spare = -1;

	/* The caller's reference keeps memfd open once it is there. */
	pthread_mutex_lock(&store.lock);
	fd = held->memfd;
	pthread_mutex_unlock(&store.lock);
	if (fd >= 0)
		return duplicate(fd);
	fd = db_load_object(held->load->object);
	if (fd == -EBADMSG) {
		struct store_entry *entry;

		pthread_mutex_lock(&store.lock);
		entry = held->load->entry;
		if (entry)
			entry->refs++;
		pthread_mutex_unlock(&store.lock);
		if (entry) {
			entry_damaged(entry);
			unref_entry(entry);
		}
		return sfs_fail(-EIO, "codelet '%.64s' is damaged on disk", codelet->name);
	}
	if (fd < 0)
		return fd;
	copy = duplicate(fd);
	pthread_mutex_lock(&store.lock);
	if (held->memfd < 0)
		held->memfd = fd;
	else
		spare = fd;
	pthread_mutex_unlock(&store.lock);
	if (spare >= 0)
		close(spare);
	return copy;
}

/* The last user of a codelet whose name was removed has ended. */
static void end_unloading(struct store_entry *entry)
{
	struct store_load *load = NULL;
	struct store_held *held = NULL;
	bool ended;

	pthread_mutex_lock(&store.names);
	pthread_mutex_lock(&store.lock);
	ended = entry->unloading && entry->load && entry->load->running == 0;
	if (ended) {
		load = entry_set(entry, NULL, false, &held);
		entry_drop(entry);
	}
	pthread_mutex_unlock(&store.lock);
	if (ended)
		entry_hide(entry);
	pthread_mutex_unlock(&store.names);
	pthread_mutex_lock(&store.lock);
	load_put(load);
	if (ended)
		entry_put(entry); /* the index's */
	pthread_mutex_unlock(&store.lock);
	held_put(held);
}

void store_running(struct codelet *codelet, int delta)
{
	struct store_held *held = (struct store_held *)codelet;
	struct store_load *load = held->load;
	struct store_entry *entry;
	struct sfs_obj *dir = NULL;
	bool turned, unloading = false;

	pthread_mutex_lock(&store.lock);
	turned = load->running == 0 || load->running + (unsigned)delta == 0;
	load->running += (unsigned)delta;
	if (delta > 0) {
		load->runs += (unsigned)delta;
		load->last_run_ns = sfs_wall_ns();
	}
	entry = load->entry;
	if (entry) {
		entry->refs++;
		dir = entry->dir ? sfs_get(entry->dir) : NULL;
		unloading = entry->unloading && load->running == 0;
	}
	pthread_mutex_unlock(&store.lock);
	if (dir) {
		sfs_changed(dir, "activity");
		sfs_changed(dir, "info");
		if (turned)
			sfs_changed(dir, "state");
		sfs_put_obj(dir);
	}
	if (entry) {
		if (unloading)
			end_unloading(entry);
		unref_entry(entry);
	}
}
