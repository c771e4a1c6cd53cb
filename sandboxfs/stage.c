/* SPDX-License-Identifier: MIT */
/* Staged bytes: a memfd with a charge, copied when what was handed over is written again. */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "account.h"
#include "sandboxfs.h"

#define COPY_BYTES (256 << 10)

struct stage {
	atomic_uint refs;
	uid_t uid;
	size_t limit;
	pthread_mutex_t lock;
	/* All below under lock. */
	int fd; /* owned */
	off_t size;
	uint64_t charged;
	bool dirty, shared; /* shared: fd was handed over and may be sealed */
};

static int memfd(void)
{
	int fd = memfd_create("sandboxfs-upload", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	return fd < 0 ? -errno : fd;
}

struct stage *stage_new(uid_t uid, size_t limit_bytes, int *err)
{
	struct stage *stage = calloc(1, sizeof(*stage));

	*err = stage ? account_stage_file(uid) : -ENOMEM;
	if (*err) {
		free(stage);
		return NULL;
	}
	stage->fd = memfd();
	if (stage->fd < 0) {
		*err = stage->fd;
		account_unstage_file(uid);
		free(stage);
		return NULL;
	}
	atomic_init(&stage->refs, 1);
	pthread_mutex_init(&stage->lock, NULL);
	stage->uid = uid;
	stage->limit = limit_bytes;
	*err = 0;
	return stage;
}

struct stage *stage_get(struct stage *stage)
{
	if (stage)
		atomic_fetch_add(&stage->refs, 1);
	return stage;
}

void stage_put(struct stage *stage)
{
	if (!stage || atomic_fetch_sub(&stage->refs, 1) != 1)
		return;
	account_unstage(stage->uid, stage->charged);
	account_unstage_file(stage->uid);
	pthread_mutex_destroy(&stage->lock);
	close(stage->fd);
	free(stage);
}

/* Under the lock: pays for a size of bytes. */
static int charge(struct stage *stage, uint64_t bytes)
{
	int err;

	if (bytes > stage->limit)
		return sfs_fail(-EFBIG, "a file here has at most %zu bytes", stage->limit);
	if (bytes <= stage->charged)
		return 0;
	err = account_stage(stage->uid, bytes - stage->charged);
	if (!err)
		stage->charged = bytes;
	return err;
}

static int copy_bytes(int from, int to, off_t *size_out)
{
	char *piece = malloc(COPY_BYTES);
	ssize_t n = 0;
	off_t at = 0;
	int err = piece ? 0 : -ENOMEM;

	while (!err && (n = pread(from, piece, COPY_BYTES, at)) > 0) {
		if (pwrite(to, piece, (size_t)n, at) != n)
			err = -ENOSPC;
		at += n;
	}
	if (!err && n < 0)
		err = -errno;
	free(piece);
	if (!err)
		*size_out = at;
	return err;
}

/*
 * Under the lock: what was handed over may be sealed by now, and must not change under the callee's
 * eyes.
 */
static int unshare_bytes(struct stage *stage)
{
	off_t size;
	int fd, err;

	if (!stage->shared)
		return 0;
	fd = memfd();
	if (fd < 0)
		return fd;
	err = copy_bytes(stage->fd, fd, &size);
	if (err) {
		close(fd);
		return err;
	}
	close(stage->fd);
	stage->fd = fd;
	stage->shared = false;
	return 0;
}

int stage_copy(struct stage *stage, int fd)
{
	off_t end = lseek(fd, 0, SEEK_END);
	int err;

	if (end < 0)
		return -errno;
	pthread_mutex_lock(&stage->lock);
	err = charge(stage, (uint64_t)end);
	err = err ?: copy_bytes(fd, stage->fd, &stage->size);
	pthread_mutex_unlock(&stage->lock);
	return err;
}

static ssize_t write_locked(struct stage *stage, const void *data, size_t size, off_t offset)
{
	ssize_t n;
	int err;

	if (offset < 0)
		offset = stage->size;
	err = charge(stage, (uint64_t)offset + size);
	err = err ?: unshare_bytes(stage);
	if (err)
		return err;
	n = pwrite(stage->fd, data, size, offset);
	if (n < 0)
		return -errno;
	if (offset + n > stage->size)
		stage->size = offset + n;
	stage->dirty = true;
	return n;
}

ssize_t stage_write(struct stage *stage, const void *data, size_t size, off_t offset)
{
	ssize_t n;

	pthread_mutex_lock(&stage->lock);
	n = write_locked(stage, data, size, offset);
	pthread_mutex_unlock(&stage->lock);
	return n;
}

ssize_t stage_read(struct stage *stage, void *data, size_t size, off_t offset)
{
	ssize_t n;

	pthread_mutex_lock(&stage->lock);
	n = pread(stage->fd, data, size, offset);
	if (n < 0)
		n = -errno;
	pthread_mutex_unlock(&stage->lock);
	return n;
}

int stage_truncate(struct stage *stage, off_t size)
{
	int err;

	if (size < 0)
		return -EINVAL;
	pthread_mutex_lock(&stage->lock);
	err = charge(stage, (uint64_t)size);
	err = err ?: unshare_bytes(stage);
	if (!err && ftruncate(stage->fd, size))
		err = -errno;
	if (!err) {
		/* Emptying it brings nothing to judge; what was there and is cut does. */
		stage->dirty = size > 0;
		stage->size = size;
	}
	pthread_mutex_unlock(&stage->lock);
	return err;
}

off_t stage_size(struct stage *stage)
{
	off_t size;

	pthread_mutex_lock(&stage->lock);
	size = stage->size;
	pthread_mutex_unlock(&stage->lock);
	return size;
}

bool stage_dirty(struct stage *stage)
{
	bool dirty;

	pthread_mutex_lock(&stage->lock);
	dirty = stage->dirty;
	pthread_mutex_unlock(&stage->lock);
	return dirty;
}

int stage_hand_over(struct stage *stage, size_t *size)
{
	int fd;

	pthread_mutex_lock(&stage->lock);
	fd = fcntl(stage->fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0) {
		fd = -errno;
	} else {
		stage->shared = true;
		stage->dirty = false;
		*size = (size_t)stage->size;
	}
	pthread_mutex_unlock(&stage->lock);
	return fd;
}
