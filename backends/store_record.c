/* SPDX-License-Identifier: MIT */
/* The store's index record as text, and back. */
#include "store_record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "parse.h"
#include "sha256.h"

#define HEADING "sandboxfs codelet 1\n"

size_t record_format(const struct store_record *record, char out[RECORD_BYTES])
{
	unsigned char hash[SHA256_BYTES];
	char hex[SHA256_HEX + 1];
	size_t n;

	sha256_hex(record->sha256, hex);
	n = (size_t)snprintf(out, RECORD_BYTES,
			     HEADING "sha256 %s\nsize %" PRIu64
				     "\nuid %u\ngid %u\nmode %u\nloaded_at_ns %" PRIu64
				     "\nsequence %" PRIu64 "\n",
			     hex, record->size, record->uid, record->gid, record->mode & 07777,
			     record->loaded_at_ns, record->sequence);
	/* Only where there is one: records from before there was the key are whole without. */
	if (record->mtime_ns)
		n += (size_t)snprintf(out + n, RECORD_BYTES - n, "mtime_ns %" PRIu64 "\n",
				      record->mtime_ns);
	sha256_of(out, n, hash);
	sha256_hex(hash, hex);
	return n + (size_t)snprintf(out + n, RECORD_BYTES - n, "checksum %s\n", hex);
}

/* The value of the next line, which must have that key; moves *text behind the line. */
static const char *line(const char **text, const char *end, const char *key, size_t *len)
{
	const char *start = *text, *newline = memchr(start, '\n', (size_t)(end - start));
	size_t skip = strlen(key);

	if (!newline || (size_t)(newline - start) <= skip || memcmp(start, key, skip) ||
	    start[skip] != ' ')
		return NULL;
	*text = newline + 1;
	*len = (size_t)(newline - start) - skip - 1;
	return start + skip + 1;
}

static int number(const char **text, const char *end, const char *key, uint64_t max, uint64_t *out)
{
	size_t len;
	const char *value = line(text, end, key, &len);

	if (!value || parse_u64(value, len, out) || *out > max)
		return -EBADMSG;
	return 0;
}

static int hash(const char **text, const char *end, const char *key,
		unsigned char out[SHA256_BYTES])
{
	size_t len;
	const char *value = line(text, end, key, &len);

	return value && !sha256_parse(value, len, out) ? 0 : -EBADMSG;
}

int record_parse(const char *text, size_t size, struct store_record *out)
{
	const char *p = text, *end = text + size;
	unsigned char claimed[SHA256_BYTES], found[SHA256_BYTES];
	struct store_record r = { .size = 0 };
	uint64_t uid = 0, gid = 0, mode = 0;
	int rc;

	if (size < strlen(HEADING) || size > RECORD_BYTES || memcmp(text, HEADING, strlen(HEADING)))
		return -EBADMSG;
	p += strlen(HEADING);
	rc = hash(&p, end, "sha256", r.sha256);
	rc = rc ?: number(&p, end, "size", INT64_MAX, &r.size);
	rc = rc ?: number(&p, end, "uid", UINT32_MAX - 1, &uid);
	rc = rc ?: number(&p, end, "gid", UINT32_MAX - 1, &gid);
	rc = rc ?: number(&p, end, "mode", 07777, &mode);
	rc = rc ?: number(&p, end, "loaded_at_ns", UINT64_MAX, &r.loaded_at_ns);
	rc = rc ?: number(&p, end, "sequence", INT64_MAX, &r.sequence);
	if (!rc && p < end && *p == 'm')
		rc = number(&p, end, "mtime_ns", UINT64_MAX, &r.mtime_ns);
	if (rc)
		return rc;
	sha256_of(text, (size_t)(p - text), found);
	rc = hash(&p, end, "checksum", claimed);
	if (rc || p != end || memcmp(claimed, found, sizeof(found)))
		return -EBADMSG;
	r.uid = (uid_t)uid;
	r.gid = (gid_t)gid;
	r.mode = (mode_t)mode;
	*out = r;
	return 0;
}
