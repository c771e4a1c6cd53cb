/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the inspector: any bytes end in a judgement whose texts are what the table's header promises.
 */
#include "elf.h"
#include "elf_mutate.h"
#include "jailed/wire.h"

#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const struct wire_table *table, int which)
{
	uint64_t offset = table->texts[which].offset;
	uint64_t bytes = table->texts[which].bytes;
	const unsigned char *text = (const unsigned char *)table + offset;

	if (bytes == 0)
		return;
	if (offset < sizeof(*table) || offset + bytes > WIRE_TABLE_BYTES)
		abort();
	for (uint64_t i = 0; which != WIRE_SPEC && i < bytes; i++)
		if (text[i] != '\n' && (text[i] < ' ' || text[i] > '~'))
			abort();
	if (which != WIRE_SPEC && text[bytes - 1] != '\n')
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct wire_table *table;
	size_t used = sizeof(*table);
	void *copy = malloc(size + !size);

	table = table ?: calloc(1, WIRE_TABLE_BYTES);
	if (!copy || !table)
		abort();
	memcpy(copy, data, size);
	elf_inspect(copy, size, table);
	free(copy);
	if (table->rc != 0 && (table->rc != -ENOEXEC || table->text[0] == '\0'))
		abort();
	for (int i = 0; i < WIRE_TEXTS; i++) {
		check_text(table, i);
		used += table->texts[i].bytes;
	}
	/* Clearing all of it every time would be most of the work. A refused file has left its spec there. */
	memset(table, 0, used + (table->rc != 0 ? 65536 + 64 : 0));
	return 0;
}
