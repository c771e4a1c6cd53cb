/* SPDX-License-Identifier: MIT */
/*
 * The address of each name of elf_imports.def: the C library's where that makes no system call and
 * allocates nothing, our own (import_NAME) where it would, a stub that ends the run, or a copy of
 * the variable near the image.
 */
#include "imports.h"

#include "elf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "imports_own.h"

/*
 * SOURCE(name) is OURS, ENDS or DATA where imports_own.h says SOURCE_name, LIBRARY else: the
 * macro's argument becomes two arguments where SOURCE_name is defined.
 */
enum source { LIBRARY, OURS, ENDS, DATA };

#define SECOND(a, b, ...)    b
#define SECOND_OF(...)       SECOND(__VA_ARGS__)
#define SOURCE(name)         SECOND_OF(SOURCE_##name, LIBRARY, 0)
#define PASTE(a, b)          a##b
#define JOIN(a, b)           PASTE(a, b)
#define SYMBOL_LIBRARY(name) #name
#define SYMBOL_OURS(name)    "import_" #name
#define SYMBOL_ENDS(name)    "imports_trap_stubs"
#define SYMBOL_DATA(name)    "imports_trap_stubs" /* not used: the copy is */

#define IMPORT(name, note)                                                                         \
	extern const char address_of_##name[] __asm__(JOIN(SYMBOL_, SOURCE(name))(name));
#include "elf_imports.def"
#undef IMPORT

static const struct import {
	const char *name;
	const char *address;
	enum source source;
} imports[] = {
#define IMPORT(name, note) { #name, address_of_##name, SOURCE(name) },
#include "elf_imports.def"
#undef IMPORT
};

#define IMPORTS (sizeof(imports) / sizeof(imports[0]))

extern const char imports_trap_stubs[]; /* IMPORTS_TRAPS of them */
#define STUB_BYTES 16

uint64_t imports_trap_stack;

static char trap_names[IMPORTS_TRAPS][IMPORTS_TRAP_NAME];
static unsigned trap_count;
static char *near_page;

/* The variables, one after the other, in the page near the image. */
static const struct datum {
	const char *name;
	const void *from;
	size_t bytes;
} data[] = { { "__cpu_model", import_cpu_model, IMPORT_CPU_MODEL_BYTES },
	     { "__cpu_features2", import_cpu_features2, IMPORT_CPU_FEATURES2_BYTES },
	     { "__dso_handle", "\0\0\0\0\0\0\0", 8 },
	     { 0 } };
#define DATUM_BYTES 64

void imports_setup(void *near_bytes, void *heap_base, size_t heap_bytes)
{
	near_page = near_bytes;
	for (unsigned i = 0; data[i].name; i++)
		memcpy(near_page + i * DATUM_BYTES, data[i].from, data[i].bytes);
	heap_init(&imports_heap, heap_base, heap_bytes);
}

static bool find_datum(const char *name, uint64_t *address_out)
{
	for (unsigned i = 0; data[i].name; i++)
		if (!strcmp(name, data[i].name)) {
			*address_out = (uint64_t)(near_page + i * DATUM_BYTES);
			return true;
		}
	return false;
}

/* The stub of name: the one it has, or a new one; false: there are no more. */
static bool trap_stub(const char *name, bool new, uint64_t *address_out)
{
	unsigned i = 0;

	while (i < trap_count && strcmp(trap_names[i], name) != 0)
		i++;
	if (i == trap_count) {
		if (!new || i == IMPORTS_TRAPS)
			return false;
		snprintf(trap_names[i], IMPORTS_TRAP_NAME, "%s", name);
		trap_count++;
	}
	*address_out = (uint64_t)(imports_trap_stubs + (size_t)i * STUB_BYTES);
	return true;
}

static int allow_word(const char *word, size_t length, char *sentence, size_t size)
{
	const char *equals = memchr(word, '=', length);
	char name[IMPORTS_TRAP_NAME];
	uint64_t address;
	size_t n = equals ? (size_t)(equals - word) : length;

	if (n == 0 || n >= sizeof(name)) {
		snprintf(sentence, size, "'%.*s' is no name of an import", (int)length, word);
		return -EINVAL;
	}
	memcpy(name, word, n);
	name[n] = '\0';
	if (!equals)
		/* what is provided is provided to all; what is not will be missed by the linker */
		return 0;
	if (length - n != 5 || memcmp(equals, "=trap", 5) != 0) {
		snprintf(sentence, size, "'%.*s' is neither NAME nor NAME=trap", (int)length, word);
		return -EINVAL;
	}
	if (!trap_stub(name, true, &address)) {
		snprintf(sentence, size, "more than %d imports end the run", IMPORTS_TRAPS);
		return -E2BIG;
	}
	return 0;
}

int imports_allow(const char *list, char *sentence, size_t size)
{
	int err = 0;

	while (*list && !err) {
		size_t skip = strspn(list, ", "), length = strcspn(list + skip, ", ");

		if (length)
			err = allow_word(list + skip, length, sentence, size);
		list += skip + length;
	}
	return err;
}

bool imports_find(const char *name, uint64_t *address_out)
{
	if (trap_stub(name, false, address_out))
		return true;
	for (size_t i = 0; i < IMPORTS; i++) {
		if (strcmp(name, imports[i].name) != 0)
			continue;
		if (imports[i].source == ENDS)
			return trap_stub(name, true, address_out);
		if (imports[i].source == DATA)
			return find_datum(name, address_out);
		*address_out = (uint64_t)imports[i].address;
		return true;
	}
	return false;
}

bool imports_is_function(uint64_t address)
{
	uint64_t stubs = (uint64_t)imports_trap_stubs;

	for (size_t i = 0; i < IMPORTS; i++)
		if (imports[i].source != DATA && address == (uint64_t)imports[i].address)
			return true;
	return address >= stubs && address < stubs + (uint64_t)trap_count * STUB_BYTES &&
	       (address - stubs) % STUB_BYTES == 0;
}

/* Called by the stubs. */
_Noreturn void imports_trapped(unsigned index, const uint64_t *sp)
{
	imports_ended(trap_names[index < IMPORTS_TRAPS ? index : 0], sp);
}
