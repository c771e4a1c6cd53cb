/* SPDX-License-Identifier: MIT */
/* Sentences, blobs and buffers of a fake core. */
#ifndef STORE_FAKE_TEXT_H
#define STORE_FAKE_TEXT_H

/* ---- text and refusals ---------------------------------------------------------------------------- */

static _Thread_local char fake_sentence[SFS_SENTENCE_MAX];

int sfs_fail(int err, const char *format, ...)
{
	char text[SFS_SENTENCE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	memcpy(fake_sentence, text, sizeof(text));
	return err;
}

const char *sfs_sentence(void)
{
	return fake_sentence;
}

struct sfs_blob {
	atomic_uint refs;
	size_t size;
	char data[];
};

struct sfs_blob *sfs_blob_new(const void *data, size_t size)
{
	struct sfs_blob *blob = malloc(sizeof(*blob) + size + 1);

	blob->refs = 1;
	blob->size = size;
	if (size)
		memcpy(blob->data, data, size);
	blob->data[size] = '\0';
	return blob;
}

struct sfs_blob *sfs_blob_get(struct sfs_blob *blob)
{
	if (blob)
		blob->refs++;
	return blob;
}

void sfs_blob_put(struct sfs_blob *blob)
{
	if (blob && --blob->refs == 0)
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

struct sfs_buf {
	char *data;
	size_t size;
};

void sfs_put_bytes(struct sfs_buf *buf, const void *data, size_t size)
{
	buf->data = realloc(buf->data, buf->size + size + 1);
	if (size)
		memcpy(buf->data + buf->size, data, size);
	buf->size += size;
	buf->data[buf->size] = '\0';
}

void sfs_put(struct sfs_buf *buf, const char *format, ...)
{
	char text[1024];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	sfs_put_bytes(buf, text, (size_t)n);
}

void sfs_put_count(struct sfs_buf *buf, const char *key, uint64_t value)
{
	sfs_put(buf, "%s %-20llu\n", key, (unsigned long long)value);
}

#endif
