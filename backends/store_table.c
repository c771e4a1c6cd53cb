/* SPDX-License-Identifier: MIT */
/* The judgement on one ELF: taken from a jailed inspector, and kept on disk. */
#include "store_table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parse.h"
#include "sandboxfs.h"
#include "sha256.h"

#define MAGIC       "sfstable"
#define VERSION     1u
#define MISSING_MAX (1u << 20)

void table_free(struct store_table *table)
{
	free(table->memory);
	memset(table, 0, sizeof(*table));
}

size_t table_line(const char **text, const char *end, const char **word_out)
{
	while (*text < end) {
		const char *start = *text, *newline = memchr(start, '\n', (size_t)(end - start));
		const char *stop = newline ?: end,
			   *blank = memchr(start, ' ', (size_t)(stop - start));
		size_t len = (size_t)((blank ?: stop) - start);

		*text = newline ? newline + 1 : end;
		*word_out = start;
		if (len)
			return len;
	}
	return 0;
}

/* The last line of a list that was cut says "... N more" and is no name. */
static uint32_t count_exports(const struct store_table *table)
{
	const char *p = table->texts[WIRE_EXPORTS].text,
		   *end = p + table->texts[WIRE_EXPORTS].bytes, *word;
	uint32_t n = 0;
	size_t len;

	while ((len = table_line(&p, end, &word)))
		n += !(len == 3 && !memcmp(word, "...", 3));
	return n;
}

static int read_at(int fd, void *out, size_t size, size_t offset)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = pread(fd, (char *)out + done, size - done, (off_t)(offset + done));

		if (n <= 0 && !(n < 0 && errno == EINTR))
			return sfs_fail(-EIO, "the inspector's table cannot be read");
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static bool listable(unsigned char c)
{
	return (c >= ' ' && c <= '~') || c == '\n';
}

/*
 * Copies a list, with bytes that have no place in one as \xNN and a newline at the end; the length.
 * out NULL: only counts.
 */
static size_t clean(const char *text, size_t bytes, char *out)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = 0;

	for (size_t i = 0; i < bytes; i++) {
		unsigned char c = (unsigned char)text[i];
		char escape[4] = { '\\', 'x', digits[c >> 4], digits[c & 15] };
		size_t len = listable(c) ? 1 : 4;

		if (out)
			memcpy(out + n, len == 1 ? text + i : escape, len);
		n += len;
	}
	if (bytes && text[bytes - 1] != '\n') {
		if (out)
			out[n] = '\n';
		n++;
	}
	return n;
}

static int check_spec(const char *text, size_t bytes)
{
	if (bytes > SFS_COMMAND_MAX)
		return sfs_fail(-ENOEXEC,
				"the specification in section .sandboxfs has %zu bytes, at most %d "
				"are possible",
				bytes, SFS_COMMAND_MAX);
	for (size_t i = 0, len; i < bytes; i += len) {
		len = parse_character(text + i, bytes - i);
		if (!len)
			return sfs_fail(-ENOEXEC,
					"the specification in section .sandboxfs is not text: byte "
					"%zu is \\x%02x",
					i, (unsigned char)text[i]);
	}
	return 0;
}

/* The sum of the sizes, or -EIO when a text is not where it says. */
static int64_t bounded(const struct wire_table *head)
{
	size_t sum = 0;

	for (int i = 0; i < WIRE_TEXTS; i++) {
		size_t offset = head->texts[i].offset, bytes = head->texts[i].bytes;

		sum += bytes;
		if (bytes && (offset < sizeof(*head) || offset > WIRE_TABLE_BYTES ||
			      bytes > WIRE_TABLE_BYTES - offset))
			return -EIO;
	}
	return sum > WIRE_TABLE_BYTES ? -EIO : (int64_t)sum;
}

/* raw holds the texts one behind the other, in the order and with the sizes of head. */
static int take_texts(const struct wire_table *head, const char *raw, struct store_table *t)
{
	size_t total = 0, at = 0, from = 0;
	int rc = 0;

	for (int i = 0; i < WIRE_TEXTS; from += head->texts[i++].bytes)
		total += i == WIRE_SPEC ? head->texts[i].bytes
					: clean(raw + from, head->texts[i].bytes, NULL);
	t->memory = malloc(total + 1);
	if (!t->memory)
		return sfs_fail(-ENOMEM, "out of memory");
	from = 0;
	for (int i = 0; i < WIRE_TEXTS && !rc; from += head->texts[i++].bytes) {
		size_t bytes = head->texts[i].bytes;

		t->texts[i].text = t->memory + at;
		if (i == WIRE_SPEC) {
			rc = check_spec(raw + from, bytes);
			memcpy(t->memory + at, raw + from, bytes);
			t->texts[i].bytes = bytes;
		} else {
			t->texts[i].bytes = clean(raw + from, bytes, t->memory + at);
		}
		at += t->texts[i].bytes;
	}
	return rc;
}

static int check_head(const struct wire_table *head)
{
	if (head->done != 1)
		return sfs_fail(-EIO, "the inspector ended without a judgement");
	if (head->rc == -ENOEXEC)
		return sfs_fail(-ENOEXEC, "%.*s", (int)strnlen(head->text, sizeof(head->text)),
				head->text);
	if (head->rc)
		return sfs_fail(-EIO, "the inspector failed with %d: %.*s", head->rc,
				(int)strnlen(head->text, sizeof(head->text)), head->text);
	if (head->missing > MISSING_MAX || bounded(head) < 0)
		return sfs_fail(-EIO, "the inspector's table contradicts itself");
	return 0;
}

int table_take(int memfd, struct store_table *out)
{
	struct wire_table head;
	struct store_table t = { 0 };
	int rc = read_at(memfd, &head, sizeof(head), 0) ?: check_head(&head);
	char *raw = rc ? NULL : malloc((size_t)bounded(&head) + 1);
	size_t at = 0;

	if (rc)
		return rc;
	if (!raw)
		return sfs_fail(-ENOMEM, "out of memory");
	for (int i = 0; i < WIRE_TEXTS && !rc; at += head.texts[i++].bytes)
		rc = read_at(memfd, raw + at, head.texts[i].bytes, head.texts[i].offset);
	rc = rc ?: take_texts(&head, raw, &t);
	free(raw);
	if (rc) {
		table_free(&t);
		return rc;
	}
	t.type = head.type;
	t.machine = head.machine;
	t.missing = head.missing;
	t.nexports = count_exports(&t);
	*out = t;
	return 0;
}

/* ---- on disk: native byte order, since a store belongs to one machine ------------------------ */

struct table_head {
	char magic[8];
	uint32_t version, type, machine, missing;
	uint32_t bytes[WIRE_TEXTS];
	unsigned char inspector[32];
	/* over the codelet's hash, this head with zeros here, the texts */
	unsigned char checksum[32];
};

static void checksum(const void *file, size_t size, const unsigned char codelet[32],
		     unsigned char out[32])
{
	struct table_head head;
	struct sha256 hash;

	memcpy(&head, file, sizeof(head));
	memset(head.checksum, 0, sizeof(head.checksum));
	sha256_init(&hash);
	sha256_add(&hash, codelet, 32);
	sha256_add(&hash, &head, sizeof(head));
	sha256_add(&hash, (const char *)file + sizeof(head), size - sizeof(head));
	sha256_end(&hash, out);
}

int table_encode(const struct store_table *table, const unsigned char codelet[32],
		 const unsigned char inspector[32], void **data_out, size_t *size_out)
{
	struct table_head head = { .version = VERSION,
				   .type = table->type,
				   .machine = table->machine,
				   .missing = table->missing };
	size_t size = sizeof(head);
	char *data;

	for (int i = 0; i < WIRE_TEXTS; i++)
		size += table->texts[i].bytes;
	data = malloc(size);
	if (!data)
		return sfs_fail(-ENOMEM, "out of memory");
	memcpy(head.magic, MAGIC, sizeof(head.magic));
	memcpy(head.inspector, inspector, sizeof(head.inspector));
	size = sizeof(head);
	for (int i = 0; i < WIRE_TEXTS; i++) {
		head.bytes[i] = (uint32_t)table->texts[i].bytes;
		if (head.bytes[i])
			memcpy(data + size, table->texts[i].text, head.bytes[i]);
		size += head.bytes[i];
	}
	memcpy(data, &head, sizeof(head));
	checksum(data, size, codelet, ((struct table_head *)(void *)data)->checksum);
	*data_out = data;
	*size_out = size;
	return 0;
}

static int check_file(const void *data, size_t size, const unsigned char codelet[32],
		      struct table_head *head)
{
	unsigned char sum[32];
	uint64_t total = sizeof(*head);

	if (size < sizeof(*head))
		return -EBADMSG;
	memcpy(head, data, sizeof(*head));
	for (int i = 0; i < WIRE_TEXTS; i++)
		total += head->bytes[i];
	if (memcmp(head->magic, MAGIC, sizeof(head->magic)) || total != size)
		return -EBADMSG;
	checksum(data, size, codelet, sum);
	return memcmp(sum, head->checksum, sizeof(sum)) ? -EBADMSG : 0;
}

int table_decode(void *data, size_t size, const unsigned char codelet[32],
		 const unsigned char inspector[32], struct store_table *out)
{
	struct store_table t = { .memory = data };
	struct table_head head;
	size_t at = sizeof(head);
	int rc = check_file(data, size, codelet, &head);

	if (!rc &&
	    (head.version != VERSION || memcmp(head.inspector, inspector, sizeof(head.inspector))))
		rc = -ESTALE;
	if (rc) {
		free(data);
		return rc;
	}
	t.type = head.type;
	t.machine = head.machine;
	t.missing = head.missing;
	for (int i = 0; i < WIRE_TEXTS; at += head.bytes[i++]) {
		t.texts[i].text = t.memory + at;
		t.texts[i].bytes = head.bytes[i];
	}
	t.nexports = count_exports(&t);
	*out = t;
	return 0;
}
