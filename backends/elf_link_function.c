/* SPDX-License-Identifier: MIT */
/*
 * Finds functions in a linked image.
 */
#include "elf_link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A function symbol, and where it stands. */
struct function {
	const char *name;
	uint64_t address;
	uint64_t bytes;
	bool local;
	bool typed; /* FUNC or IFUNC; assemblers leave labels without a type */
};

struct functions {
	const struct elf_object *object;
	const struct elf_layout *layout;
	const uint64_t *offsets;
	const struct elf_state *states;
	uint64_t base;
};

static int open_functions(struct functions *list, struct elf_object *object, const void *file,
			  size_t size, struct elf_error *err)
{
	int rc = elf_object_open(object, file, size, err);

	if (rc == 0 && elf_scratch_bytes(object) != list->layout->scratch_bytes)
		rc = elf_refuse(err, -ENOEXEC, "the object has changed since it was measured");
	list->object = object;
	if (rc == 0)
		list->states = elf_scratch_states(object, list->offsets);
	return rc;
}

static bool function_at(const struct functions *list, uint32_t i, struct function *out)
{
	const struct elf_object *object = list->object;
	Elf64_Sym symbol = elf_symbol(object, i);
	uint32_t index = elf_symbol_section(object, i, &symbol);
	unsigned type = ELF64_ST_TYPE(symbol.st_info);
	Elf64_Shdr section;

	if (type != STT_FUNC && type != STT_NOTYPE && type != STT_GNU_IFUNC)
		return false;
	if (index == SHN_UNDEF || index >= object->nsections || list->offsets[index] == ELF_NOWHERE)
		return false;
	section = elf_section(object, index);
	if (!(section.sh_flags & SHF_EXECINSTR) || symbol.st_value >= section.sh_size)
		return false;
	out->name = elf_symbol_name(object, &symbol);
	out->local = ELF64_ST_BIND(symbol.st_info) == STB_LOCAL;
	out->typed = type != STT_NOTYPE;
	out->bytes = symbol.st_size;
	out->address = list->base + list->offsets[index] + symbol.st_value;
	if (type == STT_GNU_IFUNC)
		out->address = list->states[i].value; /* of its stub */
	return *out->name != '\0';
}

/* ---- one, by name ---------------------------------------------------------------------------- */

/* Names what could have been meant, as far as it fits. */
static int refuse_function(const struct functions *list, const char *why, struct elf_error *err)
{
	size_t room = sizeof(err->text) - 8;
	size_t used = (size_t)snprintf(err->text, room, "%s; functions:", why);
	struct function function;
	char label[ELF_LABEL];
	bool any = false;

	for (uint32_t i = 1; i < list->object->nsymbols; i++) {
		if (!function_at(list, i, &function) || function.local || !function.typed)
			continue;
		(void)elf_escape(function.name, strnlen(function.name, ELF_LABEL), label,
				 sizeof(label));
		if (used + strlen(label) + 1 >= room) {
			(void)snprintf(err->text + used, sizeof(err->text) - used, " ...");
			return -ENOENT;
		}
		used += (size_t)snprintf(err->text + used, room - used, " %s", label);
		any = true;
	}
	if (!any)
		(void)snprintf(err->text + used, sizeof(err->text) - used, " none");
	return -ENOENT;
}

/* Several names of one address are one function. */
static int find_only(const struct functions *list, uint64_t *address_out, struct elf_error *err)
{
	struct function function;
	bool found[2] = { false, false };
	bool many[2] = { false, false };
	uint64_t address[2] = { 0, 0 };

	for (uint32_t i = 1; i < list->object->nsymbols; i++) {
		if (!function_at(list, i, &function) || function.local)
			continue;
		many[function.typed] |=
			found[function.typed] && address[function.typed] != function.address;
		found[function.typed] = true;
		address[function.typed] = function.address;
	}
	if (!found[1] && !found[0])
		return refuse_function(list, "the object has no global function", err);
	if (many[found[1]])
		return refuse_function(
			list, "the object has more than one global function, so '*' names none",
			err);
	*address_out = address[found[1]];
	return 0;
}

int elf_function(const void *file, size_t size, const struct elf_layout *layout, uint64_t base,
		 const void *scratch, const char *name, uint64_t *address_out,
		 struct elf_error *err)
{
	struct functions list = { .layout = layout, .offsets = scratch, .base = base };
	struct elf_object object;
	struct function function;
	bool found = false;
	char why[128];
	char label[ELF_LABEL];
	uint64_t address = 0;

	if (open_functions(&list, &object, file, size, err) != 0)
		return -ENOENT;
	if (strcmp(name, "*") == 0)
		return find_only(&list, address_out, err);
	for (uint32_t i = 1; i < object.nsymbols; i++) {
		if (!function_at(&list, i, &function) || strcmp(function.name, name) != 0)
			continue;
		if (found && function.local)
			continue;
		found = true;
		address = function.address;
		if (!function.local)
			break;
	}
	if (found) {
		*address_out = address;
		return 0;
	}
	(void)elf_escape(name, strnlen(name, ELF_LABEL), label, sizeof(label));
	(void)snprintf(why, sizeof(why), "there is no function '%s'", label);
	return refuse_function(&list, why, err);
}

/* ---- all of them ----------------------------------------------------------------------------- */

int elf_functions(const void *file, size_t size, const struct elf_layout *layout, uint64_t base,
		  const void *scratch,
		  int (*each)(void *arg, const char *name, uint64_t address, uint64_t bytes),
		  void *arg)
{
	struct functions list = { .layout = layout, .offsets = scratch, .base = base };
	struct elf_object object;
	struct elf_error err;
	struct function function;
	int rc;

	rc = open_functions(&list, &object, file, size, &err);
	for (uint32_t i = 1; rc == 0 && i < object.nsymbols; i++) {
		if (!function_at(&list, i, &function) || (function.local && !function.typed))
			continue;
		if (strnlen(function.name, ELF_NAME_LENGTH + 1) > ELF_NAME_LENGTH)
			continue;
		rc = each(arg, function.name, function.address, function.bytes);
	}
	return rc;
}
