/* SPDX-License-Identifier: MIT */
/*
 * Modes and owners of single files, in memory and in STATE/rows, one line each. A change appends a
 * line, of which the last for a file holds; once most lines do not hold any more the list is
 * written anew beside its name and renamed.
 */
#include "rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "object.h"

#define KEPT_MAX     8192 /* of one uid; root has no limit */
#define SLOTS        4096 /* a power of two */
#define SPARE_LINES  256  /* that do not hold, before the list is written anew */
#define PLACE_MAX    (2 * SFS_NAME_MAX + 2)
#define ROOM         512 /* of a line */
#define LINE_FORMAT  "%130s %64s %o %d %u %u %d %u %u"
#define LINE_WRITTEN "%s %s %o %d %u %u %d %u %u\n"
#define LINE_FIELDS  9
#define ALL_ROWS     "-" /* in the place of a row: nothing is kept of the object any more */

/* One changed row. */
struct kept {
	struct kept *next;     /* in its slot */
	char place[PLACE_MAX]; /* of the object, below the mount; "/" for the top */
	char row[SFS_NAME_MAX + 1];
	struct row_state state;
	uid_t object_uid; /* whose object it was */
	uid_t payer;      /* who made the change */
};

/* How many are kept of one uid. */
struct payer {
	struct payer *next;
	uid_t uid;
	unsigned kept;
};

static struct {
	pthread_mutex_t lock; /* of all below; held while it is written: changes are rare */
	struct kept *slots[SLOTS];
	struct payer *payers;
	unsigned kept, lines; /* in memory, in the file */
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

/* ---- in memory, under the lock --------------------------------------------------------------- */

static struct kept **slot_of(const char *place)
{
	uint64_t hash = 0xcbf29ce484222325u;

	for (; *place; place++)
		hash = (hash ^ (unsigned char)*place) * 0x100000001b3u;
	return &rows.slots[(hash >> 32) & (SLOTS - 1)];
}

static struct kept *find(const char *place, const char *row)
{
	struct kept *kept = *slot_of(place);

	while (kept && (strcmp(kept->place, place) || strcmp(kept->row, row)))
		kept = kept->next;
	return kept;
}

/* NULL: he has none. */
static struct payer **payer_of(uid_t uid)
{
	struct payer **link = &rows.payers;

	while (*link && (*link)->uid != uid)
		link = &(*link)->next;
	return link;
}

static bool charge(uid_t uid)
{
	struct payer **link = payer_of(uid);

	if (!*link)
		*link = calloc(1, sizeof(**link));
	if (!*link)
		return false;
	(*link)->uid = uid;
	(*link)->kept++;
	return true;
}

static void discharge(uid_t uid)
{
	struct payer **link = payer_of(uid), *payer = *link;

	if (!payer || --payer->kept)
		return;
	*link = payer->next;
	free(payer);
}

/* As want says, of which the next one is not taken. */
static struct kept *insert(const struct kept *want)
{
	struct kept **slot = slot_of(want->place), *kept = malloc(sizeof(*kept));

	if (!kept || !charge(want->payer)) {
		free(kept);
		return NULL;
	}
	*kept = *want;
	kept->next = *slot;
	*slot = kept;
	rows.kept++;
	atomic_store(&rows.any, true);
	return kept;
}

static void alter(struct kept *kept, const struct kept *want)
{
	struct kept *next = kept->next;

	if (kept->payer != want->payer && charge(want->payer))
		discharge(kept->payer);
	*kept = *want;
	kept->next = next;
}

/* Those of place, or that one row. False: there was none. */
static bool drop(const char *place, const char *row)
{
	struct kept **link = slot_of(place), *kept;
	bool any = false;

	while ((kept = *link)) {
		if (strcmp(kept->place, place) || (row && strcmp(kept->row, row))) {
			link = &kept->next;
			continue;
		}
		*link = kept->next;
		discharge(kept->payer);
		free(kept);
		rows.kept--;
		any = true;
	}
	return any;
}

/* ---- on disk, under the lock ----------------------------------------------------------------- */

static int format(const struct kept *kept, char line[ROOM])
{
	return snprintf(line, ROOM, LINE_WRITTEN, kept->place, kept->row, kept->state.mode,
			kept->state.owned, kept->state.uid, kept->state.gid, kept->state.hidden,
			kept->object_uid, kept->payer);
}

static int write_list(FILE *file)
{
	const struct kept *kept;
	char line[ROOM];

	for (unsigned i = 0; i < SLOTS; i++)
		for (kept = rows.slots[i]; kept; kept = kept->next) {
			format(kept, line);
			fputs(line, file);
		}
	if (fflush(file) || (sfs_config()->store_durable && fsync(fileno(file))))
		return -errno;
	return ferror(file) ? -EIO : 0;
}

/* Beside its name, then renamed: there is the old list or the new one. */
static int write_anew(void)
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
	else
		rows.lines = rows.kept;
	return err;
}

/* All of it or nothing: what a full disk took half of would spoil the next line. */
static int append(const char *line, size_t size)
{
	int fd = open(rows.path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600), err = 0;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		err = -errno;
	else if (write(fd, line, size) != (ssize_t)size)
		err = -ENOSPC;
	else if (sfs_config()->store_durable && fdatasync(fd))
		err = -errno;
	if (err && ftruncate(fd, st.st_size))
		rows.lines = UINT32_MAX; /* the next change writes it anew */
	close(fd);
	return err;
}

/* The change that line tells is made in memory already. */
static int save(const char *line, size_t size)
{
	int err;

	if (rows.lines > 2 * (uint64_t)rows.kept + SPARE_LINES)
		return write_anew();
	err = append(line, size);
	if (!err)
		rows.lines++;
	return err;
}

/* One line; false: it is none of ours. */
static bool take_line(const char *line)
{
	struct kept read = { 0 }, *kept;
	unsigned mode, uid, gid, object_uid, payer;
	int owned, hidden;

	if (!strchr(line, '\n') || sscanf(line, LINE_FORMAT, read.place, read.row, &mode, &owned,
					  &uid, &gid, &hidden, &object_uid, &payer) != LINE_FIELDS)
		return false;
	if (!strcmp(read.row, ALL_ROWS)) {
		(void)drop(read.place, NULL);
		return true;
	}
	read.state = (struct row_state){ .mode = mode & 0777, .owned = owned, .hidden = hidden };
	read.state.uid = uid;
	read.state.gid = gid;
	read.object_uid = object_uid;
	read.payer = payer;
	kept = find(read.place, read.row);
	if (!kept)
		return insert(&read);
	alter(kept, &read);
	return true;
}

int rows_start(void)
{
	FILE *file;
	char *line = NULL;
	size_t room = 0;
	bool whole = true;

	snprintf(rows.path, sizeof(rows.path), "%s/rows", sfs_config()->state_dir);
	snprintf(rows.fresh, sizeof(rows.fresh), "%s.new", rows.path);
	(void)unlink(rows.fresh); /* of a daemon that died while it wrote */
	file = fopen(rows.path, "re");
	if (!file)
		return errno == ENOENT ? 0 : sfs_fail(-EIO, "%s cannot be read", rows.path);
	for (; getline(&line, &room, file) > 0; rows.lines++)
		if (!take_line(line)) {
			/* The last one may be half of a change that nobody was told of. */
			whole = false;
			if (strchr(line, '\n'))
				sfs_status("rows", "%.200s has a line that cannot be read",
					   rows.path);
		}
	free(line);
	fclose(file);
	if (!whole)
		rows.lines = UINT32_MAX;
	return 0;
}

void rows_stop(void)
{
	struct kept *kept;
	struct payer *payer;

	pthread_mutex_lock(&rows.lock);
	rows.stopped = true;
	for (unsigned i = 0; i < SLOTS; i++)
		while ((kept = rows.slots[i])) {
			rows.slots[i] = kept->next;
			free(kept);
		}
	while ((payer = rows.payers)) {
		rows.payers = payer->next;
		free(payer);
	}
	pthread_mutex_unlock(&rows.lock);
}

/* ---- changes --------------------------------------------------------------------------------- */

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
	for (kept = *slot_of(place); kept; kept = kept->next)
		if (!strcmp(kept->place, place))
			apply_one(obj, kept);
	pthread_mutex_unlock(&rows.lock);
}

static bool may_keep_more(uid_t uid)
{
	const struct payer *payer = *payer_of(uid);

	return uid == 0 || !payer || payer->kept < KEPT_MAX;
}

/* Under the lock. */
static int keep(const struct kept *want)
{
	struct kept *kept = find(want->place, want->row), old;
	bool fresh = !kept;
	char line[ROOM];
	int err;

	if (fresh && !may_keep_more(want->payer))
		return sfs_fail(-EDQUOT, "uid %u has changed %d files of objects already",
				want->payer, KEPT_MAX);
	if (fresh) {
		kept = insert(want);
	} else {
		old = *kept;
		alter(kept, want);
	}
	if (!kept)
		return sfs_fail(-ENOMEM, "out of memory");
	err = save(line, (size_t)format(want, line));
	if (!err)
		return 0;
	if (fresh)
		(void)drop(want->place, want->row);
	else
		alter(kept, &old);
	return sfs_fail(err == -ENOSPC || err == -EDQUOT ? -ENOSPC : -EIO,
			"the change of '%s' cannot be kept on disk: %s", want->row, strerror(-err));
}

int rows_keep(struct sfs_obj *obj, unsigned row, const struct sfs_cred *who)
{
	struct kept want = { .payer = who->uid };
	int err = 0;

	if (!place_of(obj, want.place))
		return 0;
	snprintf(want.row, sizeof(want.row), "%s", obj->type->attrs[row].name);
	pthread_mutex_lock(&rows.lock);
	pthread_mutex_lock(&tree_lock);
	want.state = obj->rows[row];
	want.object_uid = obj->node.uid;
	pthread_mutex_unlock(&tree_lock);
	if (!rows.stopped)
		err = keep(&want);
	pthread_mutex_unlock(&rows.lock);
	return err;
}

void rows_forget(struct sfs_obj *obj)
{
	struct kept none = { .row = ALL_ROWS };
	char line[ROOM];

	if (!atomic_load(&rows.any) || !place_of(obj, none.place))
		return;
	pthread_mutex_lock(&rows.lock);
	if (!rows.stopped && drop(none.place, NULL) && save(line, (size_t)format(&none, line)))
		sfs_log(SFS_WARN, "what was changed of %s is still on disk", none.place);
	pthread_mutex_unlock(&rows.lock);
}
