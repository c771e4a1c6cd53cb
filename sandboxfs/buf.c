/* SPDX-License-Identifier: MIT */
/* Text under construction and bytes that never change: output that fails once and stays failed. */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandboxfs.h"

#define BUF_BYTES_MAX ((size_t)256 << 20)

struct sfs_blob {
	atomic_uint refs;
	size_t size;
	char data[];
};

/* The text grows inside the blob that it becomes, so that finishing copies nothing. */
struct sfs_buf {
	struct sfs_blob *blob; /* owned; NULL: nothing was put yet */
	size_t room;           /* bytes of data, the NUL not counted */
	size_t size;
	bool failed;
};

static struct sfs_blob *blob_resize(struct sfs_blob *blob, size_t size)
{
	return realloc(blob, sizeof(*blob) + size + 1);
}

static bool buf_reserve(struct sfs_buf *buf, size_t more)
{
	size_t room = buf->room ?: 256;
	struct sfs_blob *blob;

	if (buf->failed || more > BUF_BYTES_MAX - buf->size) {
		buf->failed = true;
		return false;
	}
	while (room < buf->size + more)
		room *= 2;
	if (buf->blob && room == buf->room)
		return true;
	blob = blob_resize(buf->blob, room);
	if (!blob) {
		buf->failed = true;
		return false;
	}
	buf->blob = blob;
	buf->room = room;
	return true;
}

void sfs_put_bytes(struct sfs_buf *buf, const void *data, size_t size)
{
	if (!buf || !size || !buf_reserve(buf, size))
		return;
	memcpy(buf->blob->data + buf->size, data, size);
	buf->size += size;
}

void sfs_put(struct sfs_buf *buf, const char *format, ...)
{
	va_list args;
	int size;

	if (!buf)
		return;
	va_start(args, format);
	size = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (size < 0 || !buf_reserve(buf, (size_t)size))
		return;
	va_start(args, format);
	vsnprintf(buf->blob->data + buf->size, (size_t)size + 1, format, args);
	va_end(args);
	buf->size += (size_t)size;
}

void sfs_put_count(struct sfs_buf *buf, const char *key, uint64_t value)
{
	sfs_put(buf, "%s %-20llu\n", key, (unsigned long long)value);
}

struct sfs_buf *sfs_buf_new(void)
{
	return calloc(1, sizeof(struct sfs_buf));
}

void sfs_buf_free(struct sfs_buf *buf)
{
	if (!buf)
		return;
	free(buf->blob);
	free(buf);
}

struct sfs_blob *sfs_buf_finish(struct sfs_buf *buf)
{
	struct sfs_blob *blob = NULL, *trimmed;

	if (buf && buf_reserve(buf, 0)) {
		blob = buf->blob;
		buf->blob = NULL;
		trimmed = blob_resize(blob, buf->size);
		if (trimmed)
			blob = trimmed;
		atomic_init(&blob->refs, 1);
		blob->size = buf->size;
		blob->data[blob->size] = '\0';
	}
	sfs_buf_free(buf);
	return blob;
}

struct sfs_blob *sfs_blob_new(const void *data, size_t size)
{
	struct sfs_blob *blob;

	if (size > BUF_BYTES_MAX)
		return NULL;
	blob = blob_resize(NULL, size);
	if (!blob)
		return NULL;
	atomic_init(&blob->refs, 1);
	blob->size = size;
	if (size)
		memcpy(blob->data, data, size);
	blob->data[size] = '\0';
	return blob;
}

struct sfs_blob *sfs_blob_get(struct sfs_blob *blob)
{
	if (blob)
		atomic_fetch_add_explicit(&blob->refs, 1, memory_order_relaxed);
	return blob;
}

void sfs_blob_put(struct sfs_blob *blob)
{
	if (blob && atomic_fetch_sub_explicit(&blob->refs, 1, memory_order_acq_rel) == 1)
		free(blob);
}

const void *sfs_blob_data(const struct sfs_blob *blob)
{
	return blob->data;
}

size_t sfs_blob_size(const struct sfs_blob *blob)
{
	return blob->size;
}
