/* SPDX-License-Identifier: MIT */
/*
 * The names that a run provides to its codelet, for those who need no address.
 */
#include "elf.h"

#include <string.h>

static const struct provided {
	const char *name;
	const char *note;
} provided[] = {
#define IMPORT(name, note) { #name, note },
#include "elf_imports.def"
#undef IMPORT
};

#define COUNT (sizeof(provided) / sizeof(provided[0]))

bool elf_provides(const char *name)
{
	size_t low = 0;
	size_t high = COUNT;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(name, provided[middle].name);

		if (order == 0)
			return true;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

const char *elf_provided(unsigned i, const char **note_out)
{
	if (i >= COUNT)
		return NULL;
	if (note_out)
		*note_out = provided[i].note;
	return provided[i].name;
}
