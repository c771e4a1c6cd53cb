/* SPDX-License-Identifier: MIT */
/*
 * Kernels that users made, one file each under STATE/kernels: lines "key value" and then the
 * specification. Those that were given nothing yet share one file (made.c).
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

#include "kernels.h"
#include "made.h"
#include "parse.h"

#define FORMAT        "sandboxfs-kernel 1"
#define BEING_WRITTEN ".new"    /* at the end of a name that begins with a dot */
#define NUMBER_FILE   ".number" /* with a dot too: no kernel has such a name */
#define FILE_MAX      (SPEC_BYTES_MAX + 4096)

static int folder = -1; /* set before there are threads */
static struct made lines = MADE_INIT("kernels");

int kernel_save_start(void)
{
	char path[sizeof(((struct sfs_config *)0)->state_dir) + 16];

	snprintf(path, sizeof(path), "%s/kernels", sfs_config()->state_dir);
	if (mkdir(path, 0700) && errno != EEXIST)
		return sfs_fail(-EIO, "%s cannot be made: %s", path, strerror(errno));
	folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder < 0 ? sfs_fail(-EIO, "%s cannot be opened: %s", path, strerror(errno)) : 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

static int write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t done = write(fd, data, size);

		if (done < 0 && errno != EINTR)
			return -errno;
		data += done > 0 ? done : 0;
		size -= done > 0 ? (size_t)done : 0;
	}
	return 0;
}

static int replace(const char *name, const char *data, size_t size, bool durable)
{
	char temporary[SFS_NAME_MAX + 8];
	int fd, rc;

	snprintf(temporary, sizeof(temporary), ".%s" BEING_WRITTEN, name);
	fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	rc = write_all(fd, data, size);
	if (!rc && durable && fsync(fd))
		rc = -errno;
	close(fd);
	if (!rc && renameat(folder, temporary, folder, name))
		rc = -errno;
	if (!rc && durable && fsync(folder))
		rc = -errno;
	if (rc)
		unlinkat(folder, temporary, 0);
	return rc;
}

static struct sfs_blob *render(struct sfs_obj *dir)
{
	struct kernel *kernel = sfs_priv(dir);
	struct sfs_buf *buf = sfs_buf_new();
	char events[KERNEL_TEXT_MAX];
	uid_t uid;
	gid_t gid;
	mode_t mode;

	sfs_owner(dir, &uid, &gid, &mode);
	pthread_mutex_lock(&kernel->lock);
	memcpy(events, kernel->events_text, sizeof(events));
	for (char *p = events; *p; p++)
		*p = *p == '\n' ? ',' : *p;
	sfs_put(buf, FORMAT "\nuid %u\ngid %u\nmode %o\ncodelet %s\nevents %s\n\n", uid, gid,
		mode & 07777, kernel->codelet, events);
	if (kernel->spec)
		sfs_put_bytes(buf, sfs_blob_data(kernel->spec->text),
			      sfs_blob_size(kernel->spec->text));
	pthread_mutex_unlock(&kernel->lock);
	return sfs_buf_finish(buf);
}

/* Whether it has to be on disk; -ENODEV: its name may be another kernel's by now. */
static int check_kept(struct kernel *kernel, bool *kept_out)
{
	bool gone;

	pthread_mutex_lock(&kernel->lock);
	gone = kernel->gone;
	*kept_out = !kernel->shipped && !kernel->embedded;
	pthread_mutex_unlock(&kernel->lock);
	return gone ? sfs_fail(-ENODEV, "kernel '%s' is being removed", kernel->name) : 0;
}

static int disk_error(const struct kernel *kernel, int rc)
{
	if (rc == -ENOSPC || rc == -EDQUOT)
		return sfs_fail(-ENOSPC, "no space to keep kernel '%s'", kernel->name);
	return rc ? sfs_fail(-EIO, "kernel '%s' cannot be kept: %s", kernel->name, strerror(-rc))
		  : 0;
}

/* keeping is held. */
static int save(struct sfs_obj *dir)
{
	struct kernel *kernel = sfs_priv(dir);
	struct sfs_blob *blob;
	bool kept;
	int rc = check_kept(kernel, &kept);

	if (rc || !kept)
		return rc;
	blob = render(dir);
	if (!blob)
		return sfs_fail(-ENOMEM, "no memory to keep kernel '%s'", kernel->name);
	kernel->filed = true; /* even a failure may leave it behind */
	rc = replace(kernel->name, sfs_blob_data(blob), sfs_blob_size(blob),
		     sfs_config()->store_durable);
	sfs_blob_put(blob);
	return disk_error(kernel, rc);
}

static void swap(struct kernel *kernel, struct kernel_choice *choice)
{
	pthread_mutex_lock(&kernel->lock);
	choice->swap(kernel, choice);
	pthread_mutex_unlock(&kernel->lock);
}

int kernel_keep(struct sfs_obj *dir, struct kernel_choice *choice)
{
	struct kernel *kernel = sfs_priv(dir);
	int rc;

	pthread_mutex_lock(&kernel->keeping);
	swap(kernel, choice);
	rc = save(dir);
	if (rc)
		swap(kernel, choice);
	pthread_mutex_unlock(&kernel->keeping);
	return rc;
}

/* A file of its name that could not be read back would win over a line. */
static int save_made(struct sfs_obj *dir)
{
	struct kernel *kernel = sfs_priv(dir);
	struct sfs_owner owner;
	bool kept;
	int rc = check_kept(kernel, &kept);

	if (rc || !kept || kernel->filed)
		return rc;
	if (!faccessat(folder, kernel->name, F_OK, AT_SYMLINK_NOFOLLOW))
		return save(dir);
	sfs_owner(dir, &owner.uid, &owner.gid, &owner.mode);
	rc = made_keep(&lines, kernel->name, &owner, (struct made_text){ 0 }, &kernel->made);
	if (rc == -ENOMEM)
		return sfs_fail(rc, "no memory to keep kernel '%s'", kernel->name);
	return disk_error(kernel, rc);
}

int kernel_keep_made(struct sfs_obj *dir)
{
	struct kernel *kernel = sfs_priv(dir);
	int rc;

	pthread_mutex_lock(&kernel->keeping);
	rc = save_made(dir);
	pthread_mutex_unlock(&kernel->keeping);
	return rc;
}

int kernel_set_owner(struct sfs_obj *dir, uid_t uid, gid_t gid, mode_t mode)
{
	struct kernel *kernel = sfs_priv(dir);
	uid_t old_uid;
	gid_t old_gid;
	mode_t old_mode;
	int rc;

	pthread_mutex_lock(&kernel->keeping);
	sfs_owner(dir, &old_uid, &old_gid, &old_mode);
	sfs_set_owner(dir, uid, gid, mode);
	rc = save(dir);
	if (rc)
		sfs_set_owner(dir, old_uid, old_gid, old_mode);
	pthread_mutex_unlock(&kernel->keeping);
	return rc;
}

void kernel_unkeep(struct kernel *kernel)
{
	pthread_mutex_lock(&kernel->keeping);
	pthread_mutex_lock(&kernel->lock);
	kernel->gone = true;
	pthread_mutex_unlock(&kernel->lock);
	/* First: who dies in between leaves the whole kernel, not one without its specification. */
	made_drop(&lines, kernel->name, &kernel->made);
	if (kernel->filed) {
		unlinkat(folder, kernel->name, 0);
		if (sfs_config()->store_durable)
			fsync(folder);
	}
	pthread_mutex_unlock(&kernel->keeping);
}

/* ---- reading back ---------------------------------------------------------------------------- */

struct saved {
	uint64_t uid, gid, mode;
	char codelet[SFS_NAME_MAX + 1], events[KERNEL_TEXT_MAX];
	const char *spec;
	size_t spec_size;
};

static bool take_number(char **text, const char *key, int base, uint64_t *out)
{
	const char *value = parse_keyed_line(text, key);
	char *end;

	if (!value || *value < '0' || *value > '9')
		return false;
	*out = strtoull(value, &end, base);
	return !*end && *out <= UINT32_MAX;
}

static bool parse_saved(char *text, size_t size, struct saved *out)
{
	char *at = text;
	const char *head = parse_keyed_line(&at, FORMAT), *codelet, *events, *blank;

	if (!head || *head || !take_number(&at, "uid ", 10, &out->uid) ||
	    !take_number(&at, "gid ", 10, &out->gid) || !take_number(&at, "mode ", 8, &out->mode))
		return false;
	codelet = parse_keyed_line(&at, "codelet ");
	events = codelet ? parse_keyed_line(&at, "events ") : NULL;
	blank = events ? parse_keyed_line(&at, "") : NULL;
	if (!blank || *blank || strlen(codelet) > SFS_NAME_MAX ||
	    strlen(events) >= sizeof(out->events))
		return false;
	snprintf(out->codelet, sizeof(out->codelet), "%s", codelet);
	snprintf(out->events, sizeof(out->events), "%s", events);
	out->spec = at;
	out->spec_size = size - (size_t)(at - text);
	return true;
}

static int restore(struct sfs_obj *parent, const char *name, const struct saved *saved)
{
	struct kernel *kernel = kernel_new(name);
	struct kernel_events events;
	int rc = kernel ? 0 : -ENOMEM;

	if (!rc && saved->events[0])
		rc = kernel_events_parse(saved->events, strlen(saved->events), &events);
	if (!rc && saved->spec_size)
		kernel->spec = kernel_spec_new(saved->spec, saved->spec_size, name, &rc);
	if (rc) {
		kernel_free(kernel);
		return rc;
	}
	kernel->filed = true;
	memcpy(kernel->codelet, saved->codelet, sizeof(kernel->codelet));
	memcpy(kernel->events_text, saved->events, sizeof(kernel->events_text));
	return kernel_plant(
		parent, kernel, &kernel_user_type,
		&(struct sfs_owner){ (uid_t)saved->uid, (gid_t)saved->gid, (mode_t)saved->mode });
}

static int read_back(struct sfs_obj *parent, const char *name, char *text)
{
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t got = fd < 0 ? -1 : read(fd, text, FILE_MAX);
	struct saved saved;

	if (fd >= 0)
		close(fd);
	if (got < 0 || got == FILE_MAX)
		return sfs_fail(-EIO, "its file cannot be read");
	text[got] = 0;
	if (strlen(text) != (size_t)got || !parse_saved(text, (size_t)got, &saved))
		return sfs_fail(-EIO, "its file is damaged");
	return restore(parent, name, &saved);
}

/* What a daemon that died was writing. */
static void remove_unfinished(const char *name)
{
	size_t length = strlen(name), end = strlen(BEING_WRITTEN);

	if (length > end && !strcmp(name + length - end, BEING_WRITTEN))
		(void)unlinkat(folder, name, 0);
}

/* The file of a kernel that has one says more, and is there as a kernel if it could be read. */
static bool restore_filed(struct sfs_obj *parent, const char *name, unsigned made)
{
	struct sfs_obj *dir = sfs_find(parent, name);
	struct kernel *kernel = dir ? sfs_priv(dir) : NULL;
	bool is_its_own = kernel && kernel->filed;

	if (is_its_own)
		kernel->made = made;
	sfs_put_obj(dir);
	return is_its_own;
}

static bool restore_made(struct sfs_obj *parent, const char *name, const struct sfs_owner *owner,
			 struct made_text text, unsigned made)
{
	struct kernel *kernel;

	(void)text; /* there are lines alone */
	if (!faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW))
		return restore_filed(parent, name, made);
	kernel = kernel_new(name);
	if (kernel)
		kernel->made = made;
	if (!kernel || kernel_plant(parent, kernel, &kernel_user_type, owner))
		sfs_status(name, "kernel %.64s is not loaded: %s", name,
			   kernel ? sfs_sentence() : "out of memory");
	return true;
}

int kernel_load_all(struct sfs_obj *parent)
{
	DIR *dir = fdopendir(fcntl(folder, F_DUPFD_CLOEXEC, 0));
	char *text = malloc(FILE_MAX + 1);
	struct dirent *entry;

	while (dir && text && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.') {
			remove_unfinished(entry->d_name);
			continue;
		}
		if (strlen(entry->d_name) > SFS_NAME_MAX || read_back(parent, entry->d_name, text))
			sfs_status(entry->d_name, "kernel %.64s is not loaded: %s", entry->d_name,
				   sfs_sentence());
	}
	free(text);
	if (dir)
		closedir(dir);
	return made_load(&lines, folder, parent, restore_made);
}

/* ---- the number of the next run -------------------------------------------------------------- */

int kernel_save_number(uint64_t number)
{
	char text[24];
	int rc = replace(NUMBER_FILE, text,
			 (size_t)snprintf(text, sizeof(text), "%llu\n", (unsigned long long)number),
			 true);

	return rc ? sfs_fail(-EIO, "kernels/%s cannot be written: %s", NUMBER_FILE, strerror(-rc))
		  : 0;
}

int kernel_saved_number(uint64_t *number_out)
{
	char text[24], *end;
	int fd = openat(folder, NUMBER_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	uint64_t number;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd >= 0)
		close(fd);
	text[got < 0 ? 0 : got] = 0;
	errno = 0;
	number = text[0] >= '1' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
	if (!number || errno || strcmp(end, "\n") || number >= INT64_MAX)
		return sfs_fail(-EIO, "kernels/%s is damaged", NUMBER_FILE);
	*number_out = number;
	return 0;
}
