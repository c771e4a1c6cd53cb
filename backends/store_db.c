/* SPDX-License-Identifier: MIT */
/*
 * The store on disk: objects and tables named by the hash of the codelet, one record for each name.
 *
 * STATE/store/objects/SHA256 are the bytes, tables/SHA256 what the inspector found, names/NAME the
 * records. A name exists as soon as its record has been renamed into place, which is after its
 * object and table stand; what no record refers to is swept. So whatever is interrupted where, each
 * name has its old or its new bytes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_disk.h"
#include "store_inspect.h"
#include "store_priv.h"

/* What the disk says, as an errno of the closed table and a sentence. */
static int disk_error(int rc, const char *doing)
{
	if (rc == -ENOSPC || rc == -EDQUOT)
		return sfs_fail(-ENOSPC, "the disk of the state directory is full: %s", doing);
	return rc ? sfs_fail(rc == -ENOMEM ? rc : -EIO, "%s: %s", doing, strerror(-rc)) : 0;
}

static int open_state(const char *path)
{
	int fd;

	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

void db_close(void)
{
	int *fds[] = { &store.root, &store.objects_dir, &store.tables_dir, &store.names_dir };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

int db_open(const char *state_dir)
{
	int state = open_state(state_dir), rc = 0;

	store.root = store.objects_dir = store.tables_dir = store.names_dir = -1;
	if (state < 0)
		return sfs_fail(-EIO, "the state directory %.200s: %s", state_dir,
				strerror(-state));
	store.root = disk_open_dir(state, "store");
	close(state);
	if (store.root < 0)
		rc = store.root;
	else if (flock(store.root, LOCK_EX | LOCK_NB))
		rc = -errno;
	if (rc == -EWOULDBLOCK) {
		db_close();
		return sfs_fail(-EBUSY, "the state directory %.200s is in use by another sandboxfs",
				state_dir);
	}
	store.objects_dir = rc ? -1 : disk_open_dir(store.root, "objects");
	store.tables_dir = rc ? -1 : disk_open_dir(store.root, "tables");
	store.names_dir = rc ? -1 : disk_open_dir(store.root, "names");
	rc = rc
		     ?: store.objects_dir < 0 ? store.objects_dir
		: store.tables_dir < 0        ? store.tables_dir
		: store.names_dir < 0         ? store.names_dir
					      : 0;
	if (rc) {
		db_close();
		return sfs_fail(-EIO, "the store in %.200s: %s", state_dir, strerror(-rc));
	}
	return 0;
}

/* ---- objects and tables ---------------------------------------------------------------------- */

static bool is_verified(struct store_object *object)
{
	bool verified;

	pthread_mutex_lock(&store.lock);
	verified = object->verified;
	pthread_mutex_unlock(&store.lock);
	return verified;
}

static void set_verified(struct store_object *object, bool verified)
{
	pthread_mutex_lock(&store.lock);
	object->verified = verified;
	pthread_mutex_unlock(&store.lock);
}

bool db_has_object(const struct store_object *object)
{
	char hex[SHA256_HEX + 1];
	struct stat st;

	sha256_hex(object->sha256, hex);
	return !fstatat(store.objects_dir, hex, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_size == object->size;
}

static int copy_piece(struct store_copy *copy)
{
	uint64_t left = copy->object->size - copy->done;
	size_t n = left < STORE_PIECE ? (size_t)left : STORE_PIECE;
	int rc = disk_file_copy(&copy->file, copy->memfd, copy->done, n);

	/* A small one is flushed by its end alone. */
	if (!rc && copy->durable && copy->object->size > STORE_PIECE)
		rc = disk_file_flush(&copy->file, copy->done, n);
	copy->done += n;
	return rc;
}

static int end_copy(struct store_copy *copy, int rc)
{
	char hex[SHA256_HEX + 1];

	copy->open = false;
	rc = disk_file_close(&copy->file, rc, copy->durable);
	if (rc)
		return rc;
	sha256_hex(copy->object->sha256, hex);
	rc = disk_rename(store.objects_dir, copy->file.temp, hex, copy->durable);
	if (rc)
		(void)unlinkat(store.objects_dir, copy->file.temp, 0);
	else
		set_verified(copy->object, true);
	return rc;
}

int db_put_object(struct store_copy *copy)
{
	char hex[SHA256_HEX + 1];
	int rc = 0;

	sha256_hex(copy->object->sha256, hex);
	/* What is there unseen may be damaged, and is then repaired by this. */
	if (!copy->open && is_verified(copy->object) && db_has_object(copy->object))
		return copy->durable ? disk_error(disk_sync(store.objects_dir, hex),
						  "a codelet cannot be synced")
				     : 0;
	if (!copy->open) {
		rc = disk_file_open(&copy->file, store.objects_dir, copy->object->size);
		copy->open = !rc;
	}
	if (!rc) {
		rc = copy_piece(copy);
		if (!rc && copy->done < copy->object->size)
			return 1;
		rc = end_copy(copy, rc);
	}
	return disk_error(rc, "the codelet cannot be written");
}

void db_abandon_object(struct store_copy *copy)
{
	if (copy->open)
		(void)disk_file_close(&copy->file, -ECANCELED, false);
	copy->open = false;
}

static void set_tabled(const unsigned char sha256[SHA256_BYTES], bool tabled)
{
	struct store_object *object;

	pthread_mutex_lock(&store.lock);
	object = object_find(sha256);
	if (object)
		object->tabled = tabled;
	pthread_mutex_unlock(&store.lock);
}

int db_put_table(struct store_object *object, const struct store_table *table, bool durable)
{
	struct disk_bytes bytes;
	char hex[SHA256_HEX + 1];
	bool there;
	void *data;
	int rc;

	sha256_hex(object->sha256, hex);
	pthread_mutex_lock(&store.lock);
	there = object->tabled;
	pthread_mutex_unlock(&store.lock);
	if (there && !faccessat(store.tables_dir, hex, F_OK, 0))
		return durable ? disk_error(disk_sync(store.tables_dir, hex),
					    "a table cannot be synced")
			       : 0;
	rc = table_encode(table, object->sha256, inspect_program(), &data, &bytes.size);
	if (rc)
		return rc;
	bytes.data = data;
	rc = disk_put(store.tables_dir, hex, &bytes, durable);
	free(data);
	set_tabled(object->sha256, !rc);
	return disk_error(rc, "the codelet's table cannot be written");
}

int db_get_table(const unsigned char sha256[SHA256_BYTES], struct store_table *out)
{
	char hex[SHA256_HEX + 1];
	void *data;
	size_t size;
	int rc;

	sha256_hex(sha256, hex);
	rc = disk_read(store.tables_dir, hex, TABLE_FILE_MAX, &data, &size);
	rc = rc ?: table_decode(data, size, sha256, inspect_program(), out);
	set_tabled(sha256, !rc);
	if (rc)
		return sfs_fail(rc == -ENOMEM ? rc : -EIO,
				"what the inspector found cannot be read back: %s", strerror(-rc));
	return 0;
}

static int hash_file(int fd, uint64_t size, unsigned char out[SHA256_BYTES])
{
	struct sha256 hash;
	enum { PIECE = 64 << 10 };
	char *piece = malloc(PIECE);
	int rc = piece ? 0 : -ENOMEM;

	sha256_init(&hash);
	for (uint64_t done = 0; !rc && done < size;) {
		ssize_t n = pread(fd, piece, PIECE, (off_t)done);

		if (n > 0)
			sha256_add(&hash, piece, (size_t)n);
		else if (n == 0)
			rc = -EBADMSG;
		else if (errno != EINTR)
			rc = errno == EIO ? -EBADMSG : -errno;
		done += n > 0 ? (uint64_t)n : 0;
	}
	free(piece);
	sha256_end(&hash, out);
	return rc;
}

static int check_hash(struct store_object *object, int fd)
{
	unsigned char found[SHA256_BYTES];
	int rc = hash_file(fd, object->size, found);

	if (!rc && memcmp(found, object->sha256, sizeof(found)))
		rc = -EBADMSG;
	if (rc != -ENOMEM)
		set_verified(object, !rc);
	return rc;
}

static int open_object(struct store_object *object)
{
	char hex[SHA256_HEX + 1];
	struct stat st;
	int fd;

	sha256_hex(object->sha256, hex);
	fd = openat(store.objects_dir, hex, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : -EBADMSG;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != object->size) {
		close(fd);
		return -EBADMSG;
	}
	return fd;
}

static int object_error(int rc)
{
	return sfs_fail(rc,
			rc == -EBADMSG ? "the codelet is damaged on disk"
				       : "the codelet cannot be read: %s",
			strerror(-rc));
}

int db_open_object(struct store_object *object)
{
	int fd = open_object(object), rc = fd < 0 ? fd : 0;

	if (!rc && !is_verified(object))
		rc = check_hash(object, fd);
	if (!rc)
		return fd;
	if (fd >= 0)
		close(fd);
	return object_error(rc);
}

static int copy_file(int to, int from, uint64_t size)
{
	for (off_t done = 0; (uint64_t)done < size;) {
		ssize_t n = sendfile(to, from, &done, size - (uint64_t)done);

		if (n == 0 || (n < 0 && errno == EIO))
			return -EBADMSG;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
	return 0;
}

int db_load_object(struct store_object *object)
{
	const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	int from = open_object(object), fd, rc;

	if (from < 0)
		return object_error(from);
	fd = memfd_create("codelet", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	rc = fd < 0 ? -errno : copy_file(fd, from, object->size);
	close(from);
	/* Sealed first, so that what is hashed is what stays. */
	if (!rc && fcntl(fd, F_ADD_SEALS, seals))
		rc = -errno;
	rc = rc ?: check_hash(object, fd);
	if (!rc)
		return fd;
	if (fd >= 0)
		close(fd);
	return object_error(rc);
}

void db_drop_object(const unsigned char sha256[SHA256_BYTES])
{
	char hex[SHA256_HEX + 1];

	/* What cannot be removed now is swept at the next start. */
	sha256_hex(sha256, hex);
	(void)disk_unlink(store.tables_dir, hex, false);
	(void)disk_unlink(store.objects_dir, hex, false);
}

/* ---- names ----------------------------------------------------------------------------------- */

int db_prepare_name(const struct store_record *record, bool durable, char temp_out[32])
{
	_Static_assert(DISK_TEMP == 32, "temp_out");
	char text[RECORD_BYTES];
	struct disk_bytes bytes = { .data = text, .size = record_format(record, text) };

	return disk_error(disk_write_temp(store.names_dir, &bytes, durable, temp_out),
			  "the codelet's record cannot be written");
}

int db_commit_name(const char *temp, const char *name, bool durable)
{
	return disk_error(disk_rename(store.names_dir, temp, name, durable),
			  "the codelet's record cannot be put in place");
}

void db_abandon_name(const char *temp)
{
	(void)disk_unlink(store.names_dir, temp, false);
}

int db_put_name(const char *name, const struct store_record *record, bool durable)
{
	char temp[DISK_TEMP];
	int rc = db_prepare_name(record, durable, temp);

	if (rc)
		return rc;
	rc = db_commit_name(temp, name, durable);
	if (rc)
		db_abandon_name(temp);
	return rc;
}

int db_get_name(const char *name, struct store_record *out)
{
	void *text;
	size_t size;
	int rc = disk_read(store.names_dir, name, RECORD_BYTES, &text, &size);

	if (rc)
		return rc == -ENOMEM ? rc : -EBADMSG;
	rc = record_parse(text, size, out);
	free(text);
	return rc;
}

int db_rename_name(const char *from, const char *to)
{
	return disk_error(disk_rename(store.names_dir, from, to, sfs_config()->store_durable),
			  "the codelet's record cannot be renamed");
}

int db_remove_name(const char *name)
{
	return disk_error(disk_unlink(store.names_dir, name, sfs_config()->store_durable),
			  "the codelet's record cannot be removed");
}

void db_flush_object(const struct store_object *object, uint64_t at, size_t size)
{
	char hex[SHA256_HEX + 1];

	sha256_hex(object->sha256, hex);
	disk_flush(store.objects_dir, hex, at, size);
}

int db_sync(const char *name, const unsigned char sha256[SHA256_BYTES])
{
	char hex[SHA256_HEX + 1];
	int rc;

	sha256_hex(sha256, hex);
	rc = disk_sync(store.objects_dir, hex);
	rc = rc ?: disk_sync(store.tables_dir, hex);
	rc = rc ?: disk_sync(store.objects_dir, NULL);
	rc = rc ?: disk_sync(store.tables_dir, NULL);
	rc = rc ?: disk_sync(store.names_dir, name);
	rc = rc ?: disk_sync(store.names_dir, NULL);
	return disk_error(rc, "the codelet cannot be synced");
}

static DIR *list(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);

	if (!stream && fd >= 0)
		close(fd);
	return stream;
}

int db_each_name(void (*each)(const char *name, void *arg), void *arg)
{
	DIR *stream = list(store.names_dir);
	struct dirent *found;

	if (!stream)
		return sfs_fail(-EIO, "the store's names cannot be listed: %s", strerror(errno));
	while ((found = readdir(stream)))
		if (found->d_name[0] != '.')
			each(found->d_name, arg);
	closedir(stream);
	return 0;
}

static bool is_referred(const char *hex)
{
	unsigned char sha256[SHA256_BYTES];
	bool referred;

	if (sha256_parse(hex, strlen(hex), sha256))
		return false;
	pthread_mutex_lock(&store.lock);
	referred = object_find(sha256);
	pthread_mutex_unlock(&store.lock);
	return referred;
}

static void sweep(int dir, bool all)
{
	DIR *stream = list(dir);
	struct dirent *found;

	while (stream && (found = readdir(stream))) {
		bool temporary = !strncmp(found->d_name, ".tmp.", 5);

		if (temporary || (all && found->d_name[0] != '.' && !is_referred(found->d_name)))
			(void)disk_unlink(dir, found->d_name, false);
	}
	if (stream)
		closedir(stream);
}

void db_sweep(bool all)
{
	sweep(store.names_dir, false);
	sweep(store.objects_dir, all);
	sweep(store.tables_dir, all);
}
