/* SPDX-License-Identifier: MIT */
/*
 * Rockers on disk, one file each under STATE/rockers: lines "key value", whose rights paths of the host have, and
 * then the specification, as far as it is no default. Those that have nothing of that share one file (made.c).
 *
 * A file is written beside its name and renamed, so that there is the old one or the new one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rocker_life.h"
#include "rocker_save.h"
#include "store_disk.h"

#define SPARE ".tmp.spare"

int rocker_folder = -1;
static pthread_mutex_t spare_lock = PTHREAD_MUTEX_INITIALIZER; /* innermost */
static bool has_spare;
struct made rocker_made = MADE_INIT("rockers"), rocker_texts = MADE_INIT_TEXTS("rockers");

int rocker_save_start(void)
{
	char path[sizeof(((struct sfs_config *)0)->state_dir) + 16];

	snprintf(path, sizeof(path), "%s/rockers", sfs_config()->state_dir);
	if (mkdir(path, 0700) && errno != EEXIST)
		return sfs_fail(-EIO, "%s cannot be made: %s", path, strerror(errno));
	has_spare = false; /* one of an earlier daemon is swept when the folder is read */
	rocker_folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return rocker_folder < 0 ? sfs_fail(-EIO, "%s cannot be opened: %s", path, strerror(errno))
				 : 0;
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

	sfs_put(buf, ROCKER_FORMAT "\nuid %u\ngid %u\nmode %o\n", owner->uid, owner->gid,
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
		fd = openat(rocker_folder, SPARE, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
		good = fd >= 0 && write(fd, bytes->data, bytes->size) == (ssize_t)bytes->size &&
		       !ftruncate(fd, (off_t)bytes->size);
		good = fd >= 0 && !close(fd) && good;
		good = good && !renameat(rocker_folder, SPARE, rocker_folder, name);
		if (!good)
			(void)unlinkat(rocker_folder, SPARE, 0);
	}
	pthread_mutex_unlock(&spare_lock);
	return good;
}

static void drop(const char *name)
{
	const bool durable = sfs_config()->store_durable;

	pthread_mutex_lock(&spare_lock);
	if (!durable && !has_spare && !renameat(rocker_folder, name, rocker_folder, SPARE))
		has_spare = true;
	else
		(void)disk_unlink(rocker_folder, name, durable);
	pthread_mutex_unlock(&spare_lock);
}

void rocker_keep_stop(void)
{
	pthread_mutex_lock(&spare_lock);
	if (has_spare)
		(void)unlinkat(rocker_folder, SPARE, 0);
	has_spare = false;
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
		     : disk_put(rocker_folder, rocker->name, &bytes, sfs_config()->store_durable);
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

/* A file of its own would cost several times as much as a line. */
static int save_text(struct rocker *rocker, const struct rocker_spec *spec,
		     const struct sfs_owner *owner)
{
	struct sfs_blob *blob = render(spec, owner);
	struct made_text text = { 0 };
	int rc = -ENOMEM;

	if (blob) {
		text = (struct made_text){ sfs_blob_data(blob), sfs_blob_size(blob) };
		rc = made_keep(&rocker_texts, rocker->name, owner, text, &rocker->text);
	}
	sfs_blob_put(blob);
	return rc == -E2BIG ? save(rocker, owner) : disk_error(rocker, rc);
}

/* A file of its name that could not be read back would win over a line. */
static int save_made(struct rocker *rocker, const struct sfs_owner *owner)
{
	struct rocker_spec *spec;
	int rc;

	if (rocker->filed)
		return 0;
	if (!faccessat(rocker_folder, rocker->name, F_OK, AT_SYMLINK_NOFOLLOW))
		return save(rocker, owner);
	spec = rocker_get_spec(rocker);
	rc = is_default(spec)
		     ? disk_error(rocker, made_keep(&rocker_made, rocker->name, owner,
						    (struct made_text){ 0 }, &rocker->made))
		     : save_text(rocker, spec, owner);
	rocker_spec_put(spec);
	return rc;
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
	made_drop(&rocker_made, rocker->name, &rocker->made);
	made_drop(&rocker_texts, rocker->name, &rocker->text);
	if (rocker->filed)
		drop(rocker->name);
	rocker->filed = false;
	pthread_mutex_unlock(&rocker->keeping);
}
