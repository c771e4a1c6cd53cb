/* SPDX-License-Identifier: MIT */
/*
 * Rockers on disk, one file each under STATE/rockers: lines "key value", whose rights paths of the host have, and
 * then the specification, as far as it is no default. Those that have nothing of that share one file (made.c).
 *
 * A file is written beside its name and renamed, so that there is the old one or the new one; what
 * cannot be read back stays where it is and is reported in /status.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "made.h"
#include "rocker_life.h"
#include "store_disk.h"

#define FORMAT   "sandboxfs-rocker 1"
#define FILE_MAX (SFS_COMMAND_MAX + 65536)

#define SPARE    ".tmp.spare"

static int folder = -1; /* set before there are threads */
static pthread_mutex_t spare_lock = PTHREAD_MUTEX_INITIALIZER; /* innermost */
static bool has_spare;
static struct made made = MADE_INIT("rockers");

int rocker_save_start(void)
{
	char path[sizeof(((struct sfs_config *)0)->state_dir) + 16];

	snprintf(path, sizeof(path), "%s/rockers", sfs_config()->state_dir);
	if (mkdir(path, 0700) && errno != EEXIST)
		return sfs_fail(-EIO, "%s cannot be made: %s", path, strerror(errno));
	has_spare = false; /* one of an earlier daemon is swept when the folder is read */
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder < 0 ? sfs_fail(-EIO, "%s cannot be opened: %s", path, strerror(errno)) : 0;
}

/* ---- writing ----------------------------------------------------------------------------------- */

static void put_opener(struct sfs_buf *buf, enum rocker_key key, const struct plan_opener *by)
{
	if (!by)
		return;
	sfs_put(buf, "by %s %u %u", rocker_key_name(key), by->uid, by->gid);
	for (uint32_t i = 0; i < by->ngroups; i++)
		sfs_put(buf, " %u", by->groups[i]);
	sfs_put(buf, "\n");
}

static struct sfs_blob *render(const struct rocker_spec *spec, const struct sfs_owner *owner)
{
	struct sfs_buf *buf = sfs_buf_new();

	sfs_put(buf, FORMAT "\nuid %u\ngid %u\nmode %o\n", owner->uid, owner->gid,
		owner->mode & 07777);
	for (unsigned key = 0; key < ROCKER_KEYS; key++)
		put_opener(buf, key, spec->openers[key]);
	sfs_put(buf, "\n");
	rocker_spec_show(spec, NULL, buf);
	return sfs_buf_finish(buf);
}

static int disk_error(const struct rocker *rocker, int rc)
{
	if (rc == -ENOSPC || rc == -EDQUOT)
		return sfs_fail(-ENOSPC, "no space to keep rocker '%s'", rocker->name);
	return rc ? sfs_fail(-EIO, "rocker '%s' cannot be kept: %s", rocker->name, strerror(-rc))
		  : 0;
}

/*
 * The file of one that is gone becomes the next one's: on many file systems a new file, and the end of one, cost
 * more than all else that is done for a rocker's files. Not where everything has to be on the disk.
 */
static bool put_spare(const char *name, const struct disk_bytes *bytes)
{
	bool good = false;
	int fd;

	pthread_mutex_lock(&spare_lock);
	if (has_spare) {
		has_spare = false;
		fd = openat(folder, SPARE, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
		good = fd >= 0 && write(fd, bytes->data, bytes->size) == (ssize_t)bytes->size &&
		       !ftruncate(fd, (off_t)bytes->size);
		good = fd >= 0 && !close(fd) && good;
		good = good && !renameat(folder, SPARE, folder, name);
		if (!good)
			(void)unlinkat(folder, SPARE, 0);
	}
	pthread_mutex_unlock(&spare_lock);
	return good;
}

static void drop(const char *name)
{
	const bool durable = sfs_config()->store_durable;

	pthread_mutex_lock(&spare_lock);
	if (!durable && !has_spare && !renameat(folder, name, folder, SPARE))
		has_spare = true;
	else
		(void)disk_unlink(folder, name, durable);
	pthread_mutex_unlock(&spare_lock);
}

/* What its file says: of spec, and of its directory. keeping is held. */
static int save(struct rocker *rocker, const struct sfs_owner *owner)
{
	struct rocker_spec *spec = rocker_get_spec(rocker);
	struct sfs_blob *blob = render(spec, owner);
	struct disk_bytes bytes;
	int rc;

	rocker_spec_put(spec);
	if (!blob)
		return sfs_fail(-ENOMEM, "no memory to keep rocker '%s'", rocker->name);
	rocker->filed = true; /* even a failure may leave it behind */
	bytes = (struct disk_bytes){ sfs_blob_data(blob), sfs_blob_size(blob) };
	rc = put_spare(rocker->name, &bytes)
		     ? 0
		     : disk_put(folder, rocker->name, &bytes, sfs_config()->store_durable);
	sfs_blob_put(blob);
	return disk_error(rocker, rc);
}

/* A reference to its directory, or NULL with -ENODEV: its name may be another rocker's by now. */
static struct sfs_obj *dir_of(struct rocker *rocker, int *rc_out)
{
	struct sfs_obj *dir;

	pthread_mutex_lock(&rocker->lock);
	dir = rocker->gone || !rocker->dir ? NULL : sfs_get(rocker->dir);
	pthread_mutex_unlock(&rocker->lock);
	*rc_out = dir ? 0 : sfs_fail(-ENODEV, "rocker '%s' is being removed", rocker->name);
	return dir;
}

static struct rocker_spec *swap(struct rocker *rocker, struct rocker_spec *spec)
{
	struct rocker_spec *old;

	pthread_mutex_lock(&rocker->lock);
	old = rocker->spec;
	rocker->spec = spec;
	pthread_mutex_unlock(&rocker->lock);
	return old;
}

/* keeping is held, so that what one value is added to stays what it is. */
static int keep(struct rocker *rocker, struct sfs_obj *dir, const struct rocker_choice *choice)
{
	struct rocker_spec *spec, *old;
	struct sfs_owner owner;
	int rc;

	old = rocker_get_spec(rocker);
	spec = choice->spec ? rocker_spec_get(choice->spec)
			    : rocker_spec_with(old, choice->key, choice->text, choice->by);
	rocker_spec_put(old);
	if (!spec)
		return sfs_fail(-ENOMEM, "no memory for a change of rocker '%s'", rocker->name);
	sfs_owner(dir, &owner.uid, &owner.gid, &owner.mode);
	old = swap(rocker, spec);
	rc = save(rocker, &owner);
	rocker_spec_put(rc ? swap(rocker, old) : old);
	return rc;
}

static void tell_changed(struct sfs_obj *dir, const struct rocker_choice *choice)
{
	sfs_changed(dir, "spec");
	for (unsigned key = 0; key < KEY_ENV; key++)
		if (choice->spec || key == choice->key)
			sfs_changed(dir, rocker_key_name(key));
}

int rocker_keep(struct rocker *rocker, const struct rocker_choice *choice)
{
	struct sfs_obj *dir;
	int rc;

	pthread_mutex_lock(&rocker->keeping);
	dir = dir_of(rocker, &rc);
	if (dir)
		rc = keep(rocker, dir, choice);
	pthread_mutex_unlock(&rocker->keeping);
	if (!rc)
		tell_changed(dir, choice);
	sfs_put_obj(dir);
	return rc;
}

static bool is_default(const struct rocker_spec *spec)
{
	for (unsigned key = 0; key < ROCKER_KEYS; key++)
		if (spec->values[key])
			return false;
	return true;
}

/* A file of its name that could not be read back would win over a line. */
static int save_made(struct rocker *rocker, const struct sfs_owner *owner)
{
	struct rocker_spec *spec = rocker_get_spec(rocker);
	bool plain = is_default(spec);

	rocker_spec_put(spec);
	if (rocker->filed)
		return 0;
	if (!plain || !faccessat(folder, rocker->name, F_OK, AT_SYMLINK_NOFOLLOW))
		return save(rocker, owner);
	return disk_error(rocker, made_keep(&made, rocker->name, owner, &rocker->made));
}

int rocker_keep_made(struct sfs_obj *dir)
{
	struct rocker *rocker = sfs_priv(dir);
	struct sfs_owner owner;
	struct sfs_obj *same;
	int rc;

	pthread_mutex_lock(&rocker->keeping);
	same = dir_of(rocker, &rc);
	if (same) {
		sfs_owner(dir, &owner.uid, &owner.gid, &owner.mode);
		rc = save_made(rocker, &owner);
	}
	pthread_mutex_unlock(&rocker->keeping);
	sfs_put_obj(same);
	return rc;
}

int rocker_set_owner(struct sfs_obj *dir, uid_t uid, gid_t gid, mode_t mode)
{
	struct rocker *rocker = sfs_priv(dir);
	struct sfs_owner owner = { uid, gid, mode };
	struct sfs_obj *same;
	int rc;

	/* Limits, the guard's id and that of its jobs go by who made it. */
	if (uid != rocker->owner)
		return sfs_fail(-EPERM, "rocker '%s' stays uid %u's, who made it", rocker->name,
				rocker->owner);
	pthread_mutex_lock(&rocker->keeping);
	same = dir_of(rocker, &rc);
	rc = rc ?: save(rocker, &owner);
	if (!rc)
		sfs_set_owner(dir, uid, gid, mode);
	pthread_mutex_unlock(&rocker->keeping);
	sfs_put_obj(same);
	return rc;
}

void rocker_unkeep(struct rocker *rocker)
{
	pthread_mutex_lock(&rocker->keeping);
	pthread_mutex_lock(&rocker->lock);
	rocker->gone = true;
	pthread_mutex_unlock(&rocker->lock);
	/* First: who dies in between leaves the whole rocker, not one without its specification. */
	made_drop(&made, rocker->name, &rocker->made);
	if (rocker->filed)
		drop(rocker->name);
	rocker->filed = false;
	pthread_mutex_unlock(&rocker->keeping);
}

/* ---- reading back -------------------------------------------------------------------------------- */

struct saved {
	struct sfs_owner owner;
	struct plan_opener *openers[ROCKER_KEYS]; /* owned */
	const char *spec;
	size_t size;
};

/* The rest of the line that must begin with key; NULL: it does not. *text moves behind it. */
static const char *take_line(char **text, const char *key)
{
	char *line = *text, *end = strchr(line, '\n');
	size_t len = strlen(key);

	if (!end || strncmp(line, key, len))
		return NULL;
	*end = 0;
	*text = end + 1;
	return line + len;
}

static bool take_number(const char **text, int base, uint32_t *out)
{
	unsigned long long number;
	char *end;

	*text += strspn(*text, " ");
	if (**text < '0' || **text > '9')
		return false;
	number = strtoull(*text, &end, base);
	*text = end;
	*out = (uint32_t)number;
	return number <= UINT32_MAX;
}

static bool parse_opener(const char *text, struct saved *out)
{
	const char *end = strchr(text, ' ');
	enum rocker_key key = end ? rocker_key_find(text, (size_t)(end - text)) : ROCKER_KEYS;
	struct plan_opener *by;

	if (key == ROCKER_KEYS || out->openers[key])
		return false;
	by = out->openers[key] = calloc(1, sizeof(*by));
	if (!by || !take_number(&end, 10, &by->uid) || !take_number(&end, 10, &by->gid))
		return false;
	while (by->ngroups < PLAN_GROUPS_MAX && take_number(&end, 10, &by->groups[by->ngroups]))
		by->ngroups++;
	return !*end;
}

static bool parse_saved(char *text, size_t size, struct saved *out)
{
	char *at = text;
	const char *line = take_line(&at, FORMAT);
	bool good = line && !*line && (line = take_line(&at, "uid ")) &&
		    take_number(&line, 10, &out->owner.uid) && (line = take_line(&at, "gid ")) &&
		    take_number(&line, 10, &out->owner.gid) && (line = take_line(&at, "mode ")) &&
		    take_number(&line, 8, &out->owner.mode) && !*line;

	while (good && (line = take_line(&at, "by ")))
		good = parse_opener(line, out);
	line = good ? take_line(&at, "") : NULL;
	out->spec = at;
	out->size = size - (size_t)(at - text);
	return line && !*line;
}

/* What was judged when it was written is not judged again by who may what, but for the id 0. */
static struct rocker_spec *parse_spec(const char *name, const struct saved *saved, int *rc_out)
{
	static const struct plan_opener root;
	const struct rocker_judge judge = { .whose = { name, saved->owner.uid, saved->owner.gid },
					    .by = &root };
	struct rocker_spec *spec = rocker_spec_parse(&judge, saved->spec, saved->size, rc_out);

	for (unsigned key = 0; spec && key < ROCKER_KEYS; key++) {
		if (!spec->openers[key])
			continue;
		if (saved->openers[key]) {
			*spec->openers[key] = *saved->openers[key];
			continue;
		}
		*rc_out =
			sfs_fail(-EIO, "its file does not say who wrote %s", rocker_key_name(key));
		rocker_spec_put(spec);
		return NULL;
	}
	return spec;
}

static int restore(struct sfs_obj *parent, const char *name, const struct saved *saved)
{
	int rc = 0;
	struct rocker_spec *spec = parse_spec(name, saved, &rc);
	struct rocker *rocker = spec ? rocker_new(name, &saved->owner, spec) : NULL;

	if (!rocker)
		return rc ?: sfs_fail(-ENOMEM, "out of memory");
	rocker->filed = true;
	rocker_get(rocker); /* until its life has begun again */
	rc = rocker_plant(parent, rocker, &saved->owner);
	if (!rc)
		rocker_adopt(rocker);
	rocker_put(rocker);
	return rc;
}

static int read_back(struct sfs_obj *parent, const char *name)
{
	struct saved saved = { .size = 0 };
	void *text = NULL;
	size_t size = 0;
	int rc = disk_read(folder, name, FILE_MAX, &text, &size);

	if (rc)
		rc = sfs_fail(-EIO, "its file cannot be read");
	else if (strlen(text) != size || !parse_saved(text, size, &saved))
		rc = sfs_fail(-EIO, "its file is damaged");
	rc = rc ?: restore(parent, name, &saved);
	for (unsigned key = 0; key < ROCKER_KEYS; key++)
		free(saved.openers[key]);
	free(text);
	return rc;
}

/* The file of a rocker that has one says more, and is there as a rocker if it could be read. */
static bool restore_filed(struct sfs_obj *parent, const char *name, unsigned number)
{
	struct sfs_obj *dir = sfs_find(parent, name);
	struct rocker *rocker = dir ? sfs_priv(dir) : NULL;
	bool is_its_own = rocker && rocker->filed;

	if (is_its_own)
		rocker->made = number;
	sfs_put_obj(dir);
	return is_its_own;
}

static bool restore_made(struct sfs_obj *parent, const char *name, const struct sfs_owner *owner,
			 unsigned number)
{
	struct rocker *rocker;

	if (!faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW))
		return restore_filed(parent, name, number);
	rocker = rocker_new(name, owner, rocker_spec_new());
	if (rocker)
		rocker->made = number;
	if (!rocker || rocker_plant(parent, rocker, owner))
		sfs_status(name, "rocker %.64s is not loaded: %s", name,
			   rocker ? sfs_sentence() : "out of memory");
	return true;
}

int rocker_load_all(struct sfs_obj *parent)
{
	DIR *dir = fdopendir(fcntl(folder, F_DUPFD_CLOEXEC, 0));
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (!strncmp(name, ".tmp.", 5)) /* what a daemon that died was writing */
			(void)unlinkat(folder, name, 0);
		if (name[0] == '.')
			continue;
		if (strlen(name) > SFS_NAME_MAX || read_back(parent, name))
			sfs_status(name, "rocker %.64s is not loaded: %s", name, sfs_sentence());
	}
	if (dir)
		closedir(dir);
	return made_load(&made, folder, parent, restore_made);
}
