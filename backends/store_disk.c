/* SPDX-License-Identifier: MIT */
/* Small files on disk that appear whole under a name, or not at all. */
#include "store_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef SFS_FAULTS
long disk_fault_at;
atomic_long disk_operations;

static void die(void)
{
	(void)kill(getpid(), SIGKILL);
	pause();
}

static bool at_fault(void)
{
	return ++disk_operations == disk_fault_at;
}
#else
static void die(void)
{
}

static bool at_fault(void)
{
	return false;
}
#endif

static void step(void)
{
	if (at_fault())
		die();
}

static int write_all(int fd, const char *data, size_t size)
{
	bool fault = at_fault();
	size_t end = fault ? size / 2 : size;

	for (size_t done = 0; done < end;) {
		ssize_t n = write(fd, data + done, end - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	if (fault)
		die();
	return 0;
}

int disk_file_copy(struct disk_file *file, int from, uint64_t at, size_t size)
{
	void *data = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_POPULATE, from, (off_t)at);
	int rc;

	if (data == MAP_FAILED)
		return -errno;
	rc = write_all(file->fd, data, size);
	munmap(data, size);
	return rc;
}

int disk_file_open(struct disk_file *file, int dir, uint64_t size)
{
	static atomic_ulong counter;

	file->dir = dir;
	snprintf(file->temp, sizeof(file->temp), ".tmp.%lu", atomic_fetch_add(&counter, 1));
	step();
	/*
	 * Only one daemon uses the folder (it holds a lock), so what stands in the way is left
	 * over.
	 */
	file->fd = openat(dir, file->temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
			  0600);
	if (file->fd < 0)
		return -errno;
	/*
	 * Room first: a full disk shows before anything is written, and ext4, which writes out what
	 * a rename puts in place of another file unless its blocks are there already, does not make
	 * every overwrite wait for the disk.
	 */
	if (fallocate(file->fd, 0, 0, (off_t)size) && errno == ENOSPC)
		return disk_file_close(file, -ENOSPC, false);
	return 0;
}

/* 0 where the file system cannot do that for a part. */
static int flush_part(int fd, uint64_t at, size_t size)
{
	const unsigned all =
		SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;

	if (sync_file_range(fd, (off_t)at, (off_t)size, all) &&
	    (errno == EIO || errno == ENOSPC || errno == EDQUOT))
		return -errno;
	return 0;
}

int disk_file_flush(const struct disk_file *file, uint64_t at, size_t size)
{
	return flush_part(file->fd, at, size);
}

void disk_flush(int dir, const char *name, uint64_t at, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)flush_part(fd, at, size);
	close(fd);
}

int disk_file_close(struct disk_file *file, int rc, bool durable)
{
	if (!rc && durable) {
		step();
		rc = fsync(file->fd) ? -errno : 0;
	}
	/* A network file system tells of a full disk here. */
	if (close(file->fd) && !rc)
		rc = -errno;
	file->fd = -1;
	if (rc)
		(void)unlinkat(file->dir, file->temp, 0);
	return rc;
}

int disk_write_temp(int dir, const struct disk_bytes *bytes, bool durable, char temp_out[DISK_TEMP])
{
	struct disk_file file;
	int rc = disk_file_open(&file, dir, bytes->size);

	if (rc)
		return rc;
	rc = disk_file_close(&file, write_all(file.fd, bytes->data, bytes->size), durable);
	if (!rc)
		memcpy(temp_out, file.temp, DISK_TEMP);
	return rc;
}

int disk_sync(int dir, const char *name)
{
	int fd, rc;

	step();
	if (!name)
		return fsync(dir) ? -errno : 0;
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = fsync(fd) ? -errno : 0;
	close(fd);
	return rc;
}

int disk_rename(int dir, const char *from, const char *to, bool durable)
{
	step();
	if (renameat(dir, from, dir, to))
		return -errno;
	return durable ? disk_sync(dir, NULL) : 0;
}

int disk_unlink(int dir, const char *name, bool durable)
{
	step();
	if (unlinkat(dir, name, 0) && errno != ENOENT)
		return -errno;
	return durable ? disk_sync(dir, NULL) : 0;
}

int disk_put(int dir, const char *name, const struct disk_bytes *bytes, bool durable)
{
	char temp[DISK_TEMP];
	int rc = disk_write_temp(dir, bytes, durable, temp);

	if (rc)
		return rc;
	rc = disk_rename(dir, temp, name, durable);
	if (rc)
		(void)unlinkat(dir, temp, 0);
	return rc;
}

int disk_read(int dir, const char *name, size_t max, void **data_out, size_t *size_out)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK), rc = 0;
	struct stat st;
	size_t done = 0;
	char *data = NULL;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		rc = -errno;
	else if (!S_ISREG(st.st_mode) || st.st_size < 0)
		rc = -EIO;
	else if ((uint64_t)st.st_size > max)
		rc = -EFBIG;
	else if (!(data = malloc((size_t)st.st_size + 1)))
		rc = -ENOMEM;
	while (!rc && done < (size_t)st.st_size) {
		ssize_t n = pread(fd, data + done, (size_t)st.st_size - done, (off_t)done);

		if (n < 0 && errno != EINTR)
			rc = -errno;
		else if (n == 0)
			rc = -EIO;
		done += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	if (rc) {
		free(data);
		return rc;
	}
	data[done] = '\0';
	*data_out = data;
	*size_out = done;
	return 0;
}

int disk_open_dir(int dir, const char *name)
{
	int fd;

	step();
	if (mkdirat(dir, name, 0700) && errno != EEXIST)
		return -errno;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
