/* SPDX-License-Identifier: MIT */
/* Modes and owners of single files, in memory and in STATE/rows, one line each. */
#include "rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "object.h"

#define KEPT_MAX     1024 /* of one uid; root has no limit */
#define PLACE_MAX    (2 * SFS_NAME_MAX + 2)
#define LINE_FORMAT  "%130s %64s %o %d %u %u %d %u %u"
#define LINE_WRITTEN "%s %s %o %d %u %u %d %u %u\n"
#define LINE_FIELDS  9

/* One changed row. */
struct kept {
	struct kept *next;
	char place[PLACE_MAX]; /* of the object, below the mount; "/" for the top */
	char row[SFS_NAME_MAX + 1];
	struct row_state state;
	uid_t object_uid; /* whose object it was */
	uid_t payer;      /* who made the change */
};

static struct {
	pthread_mutex_t lock; /* of the list; held while it is written: changes are rare */
	struct kept *list;
	char path[sizeof(((struct sfs_config *)0)->state_dir) + 16];
	char fresh[sizeof(((struct sfs_config *)0)->state_dir) + 32]; /* while it is written */
	atomic_bool any; /* most mounts never have one */
	bool stopped;
} rows = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* False: what happens to it is not kept. */
static bool place_of(struct sfs_obj *obj, char out[PLACE_MAX])
{
	const struct sfs_obj *parent = obj->node.dir;

	if (parent && parent->node.dir && parent->node.dir->node.dir)
		return false;
	node_path(obj, NULL, out, PLACE_MAX);
	return true;
}

/* ---- on disk --------------------------------------------------------------------------------- */

static int write_list(FILE *file)
{
	const struct kept *kept;

	for (kept = rows.list; kept; kept = kept->next)
		fprintf(file, LINE_WRITTEN, kept->place, kept->row, kept->state.mode,
			kept->state.owned, kept->state.uid, kept->state.gid, kept->state.hidden,
			kept->object_uid, kept->payer);
	if (fflush(file) || (sfs_config()->store_durable && fsync(fileno(file))))
		return -errno;
	return ferror(file) ? -EIO : 0;
}

/* Under the lock. Beside its name, then renamed: there is the old list or the new one. */
static int save(void)
{
	FILE *file;
	int err;

	file = fopen(rows.fresh, "we");
	if (!file)
		return -errno;
	err = write_list(file);
	if (fclose(file) && !err)
		err = -errno;
	if (!err && rename(rows.fresh, rows.path))
		err = -errno;
	if (err)
		unlink(rows.fresh);
	return err;
}

static struct kept *kept_new(void)
{
	struct kept *kept = calloc(1, sizeof(*kept));

	if (kept) {
		kept->next = rows.list;
		rows.list = kept;
		atomic_store(&rows.any, true);
	}
	return kept;
}

/* One line; false: it is none of ours. */
static bool take_line(const char *line)
{
	struct kept read = { 0 }, *kept;
	unsigned mode, uid, gid, object_uid, payer;
	int owned, hidden;

	if (sscanf(line, LINE_FORMAT, read.place, read.row, &mode, &owned, &uid, &gid, &hidden,
		   &object_uid, &payer) != LINE_FIELDS)
		return false;
	kept = kept_new();
	if (!kept)
		return false;
	read.next = kept->next;
	read.state = (struct row_state){ .mode = mode & 0777, .owned = owned, .hidden = hidden };
	read.state.uid = uid;
	read.state.gid = gid;
	read.object_uid = object_uid;
	read.payer = payer;
	*kept = read;
	return true;
}

int rows_start(void)
{
	FILE *file;
	char *line = NULL;
	size_t room = 0;

	snprintf(rows.path, sizeof(rows.path), "%s/rows", sfs_config()->state_dir);
	snprintf(rows.fresh, sizeof(rows.fresh), "%s.new", rows.path);
	(void)unlink(rows.fresh); /* of a daemon that died while it wrote */
	file = fopen(rows.path, "re");
	if (!file)
		return errno == ENOENT ? 0 : sfs_fail(-EIO, "%s cannot be read", rows.path);
	while (getline(&line, &room, file) > 0)
		if (!take_line(line))
			sfs_status("rows", "%.200s has a line that cannot be read", rows.path);
	free(line);
	fclose(file);
	return 0;
}

void rows_stop(void)
{
	struct kept *kept;

	pthread_mutex_lock(&rows.lock);
	rows.stopped = true;
	while ((kept = rows.list)) {
		rows.list = kept->next;
		free(kept);
	}
	pthread_mutex_unlock(&rows.lock);
}

/* ---- changes --------------------------------------------------------------------------------- */

static struct kept *find(const char *place, const char *row)
{
	struct kept *kept = rows.list;

	while (kept && (strcmp(kept->place, place) || strcmp(kept->row, row)))
		kept = kept->next;
	return kept;
}

static void apply_one(struct sfs_obj *obj, const struct kept *kept)
{
	int row = object_row(obj, kept->row);
	struct row_state *state;

	if (row < 0 || kept->object_uid != obj->node.uid)
		return;
	state = &obj->rows[row];
	state->mode = kept->state.mode;
	state->owned = kept->state.owned;
	state->uid = kept->state.uid;
	state->gid = kept->state.gid;
	state->hidden = kept->state.hidden;
}

void rows_apply(struct sfs_obj *obj)
{
	char place[PLACE_MAX];
	const struct kept *kept;

	if (!atomic_load(&rows.any) || !place_of(obj, place))
		return;
	pthread_mutex_lock(&rows.lock);
	for (kept = rows.list; kept; kept = kept->next)
		if (!strcmp(kept->place, place))
			apply_one(obj, kept);
	pthread_mutex_unlock(&rows.lock);
}

static bool may_keep_more(uid_t uid)
{
	const struct kept *kept;
	unsigned n = 0;

	for (kept = rows.list; kept; kept = kept->next)
		n += kept->payer == uid;
	return uid == 0 || n < KEPT_MAX;
}

/* Under the lock. */
static int keep(const char *place, const char *row, const struct kept *want)
{
	struct kept *kept = find(place, row), old;
	bool fresh = !kept;

	if (!kept && !may_keep_more(want->payer))
		return sfs_fail(-EDQUOT, "uid %u has changed %d files of objects already",
				want->payer, KEPT_MAX);
	kept = kept ?: kept_new();
	if (!kept)
		return sfs_fail(-ENOMEM, "out of memory");
	old = *kept;
	*kept = *want;
	kept->next = old.next;
	snprintf(kept->place, sizeof(kept->place), "%s", place);
	snprintf(kept->row, sizeof(kept->row), "%s", row);
	if (!save())
		return 0;
	if (fresh) { /* it is the first */
		rows.list = old.next;
		free(kept);
	} else {
		*kept = old;
	}
	return sfs_fail(-ENOSPC, "the change of '%s' cannot be kept on disk", row);
}

int rows_keep(struct sfs_obj *obj, unsigned row, const struct sfs_cred *who)
{
	struct kept want = { .payer = who->uid };
	char place[PLACE_MAX];
	int err = 0;

	if (!place_of(obj, place))
		return 0;
	pthread_mutex_lock(&rows.lock);
	pthread_mutex_lock(&tree_lock);
	want.state = obj->rows[row];
	want.object_uid = obj->node.uid;
	pthread_mutex_unlock(&tree_lock);
	if (!rows.stopped)
		err = keep(place, obj->type->attrs[row].name, &want);
	pthread_mutex_unlock(&rows.lock);
	return err;
}

void rows_forget(struct sfs_obj *obj)
{
	struct kept **link = &rows.list, *kept;
	char place[PLACE_MAX];
	bool any = false;

	if (!atomic_load(&rows.any) || !place_of(obj, place))
		return;
	pthread_mutex_lock(&rows.lock);
	while (!rows.stopped && (kept = *link)) {
		if (strcmp(kept->place, place)) {
			link = &kept->next;
			continue;
		}
		*link = kept->next;
		free(kept);
		any = true;
	}
	if (any && save())
		sfs_log(SFS_WARN, "what was changed of %s is still on disk", place);
	pthread_mutex_unlock(&rows.lock);
}
