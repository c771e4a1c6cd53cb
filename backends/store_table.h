/* SPDX-License-Identifier: MIT */
/*
 * The judgement on one ELF: taken from the page that a jailed inspector wrote, kept on disk, read
 * back.
 *
 * The inspector has read hostile bytes and is believed in nothing: offsets and sizes are bounded,
 * counts are made here, and each byte of text is checked again. On disk the same texts stand behind
 * a head with a checksum over everything and the hash of the codelet and of the inspector that
 * judged it.
 */
#ifndef STORE_TABLE_H
#define STORE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "jailed/wire.h"

struct store_table {
	uint32_t type, machine; /* as in the ELF header */
	uint32_t missing;       /* imports that nothing provides */
	uint32_t nexports;
	struct {
		/* borrowed from memory; each list ends in a newline, or is empty */
		const char *text;
		size_t bytes;
	} texts[WIRE_TEXTS];
	char *memory; /* owned */
};

/* What is put before the texts on disk. */
#define TABLE_FILE_MAX (32u << 20)

/*
 * From the inspector's memfd, which nobody maps any more or somebody still does: it is read once.
 * 0; -ENOEXEC with the inspector's sentence; -EIO: what stands there cannot be true; -ENOMEM.
 */
int table_take(int memfd, struct store_table *out);
void table_free(struct store_table *table);

/* A file to keep, owned by the caller. 0 or -ENOMEM. */
int table_encode(const struct store_table *table, const unsigned char codelet[32],
		 const unsigned char inspector[32], void **data_out, size_t *size_out);
/*
 * data (from malloc, taken over in any case). 0; -EBADMSG: damaged; -ESTALE: whole, but another
 * inspector's.
 */
int table_decode(void *data, size_t size, const unsigned char codelet[32],
		 const unsigned char inspector[32], struct store_table *out);

/*
 * The first word of the next line in [*text, end), *text behind that line; its length, 0 at the
 * end.
 */
size_t table_line(const char **text, const char *end, const char **word_out);

#endif
