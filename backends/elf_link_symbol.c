/* SPDX-License-Identifier: MIT */
/*
 * What a symbol is worth in a link, and the slots and stubs through which code reaches it.
 */
#include "elf_link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

uint64_t elf_image_address(const struct elf_link *link, uint64_t offset)
{
	return link->place->base + offset;
}

void elf_put(struct elf_link *link, uint64_t offset, uint64_t value, unsigned width)
{
	/* Little-endian, as is every machine linked here. */
	memcpy(link->image + offset, &value, width);
}

/* ---- slots and stubs ------------------------------------------------------------------------- */

static uint64_t thread_offset(const struct elf_link *link, const struct elf_state *state)
{
	return link->place->tls_address + state->value - link->place->thread_pointer;
}

uint64_t elf_got_slot(struct elf_link *link, struct elf_state *state)
{
	if (state->got == 0) {
		state->got = (uint32_t)++link->used.got;
		elf_put(link, link->plan->got_offset + 8 * (uint64_t)(state->got - 1), state->value,
			8);
	}
	return elf_image_address(link, link->plan->got_offset + 8 * (uint64_t)(state->got - 1));
}

uint64_t elf_ie_slot(struct elf_link *link, struct elf_state *state)
{
	if (state->ie == 0) {
		state->ie = (uint32_t)++link->used.ie;
		elf_put(link, link->plan->ie_offset + 8 * (uint64_t)(state->ie - 1),
			thread_offset(link, state), 8);
	}
	return elf_image_address(link, link->plan->ie_offset + 8 * (uint64_t)(state->ie - 1));
}

/* The arguments of __tls_get_addr: the only module is number 1. */
uint64_t elf_gd_slot(struct elf_link *link, struct elf_state *state)
{
	uint64_t at;

	if (state->gd == 0) {
		state->gd = (uint32_t)++link->used.gd;
		at = link->plan->gd_offset + 16 * (uint64_t)(state->gd - 1);
		elf_put(link, at, 1, 8);
		elf_put(link, at + 8, state->value, 8);
	}
	return elf_image_address(link, link->plan->gd_offset + 16 * (uint64_t)(state->gd - 1));
}

uint64_t elf_ld_slot(struct elf_link *link)
{
	elf_put(link, link->plan->ld_offset, 1, 8);
	elf_put(link, link->plan->ld_offset + 8, 0, 8);
	return elf_image_address(link, link->plan->ld_offset);
}

uint64_t elf_desc_slot(struct elf_link *link, struct elf_state *state)
{
	uint64_t at;

	if (state->desc == 0) {
		state->desc = (uint32_t)++link->used.desc;
		at = link->plan->desc_offset + 16 * (uint64_t)(state->desc - 1);
		elf_put(link, at, link->place->tlsdesc_resolver, 8);
		elf_put(link, at + 8, thread_offset(link, state), 8);
	}
	return elf_image_address(link, link->plan->desc_offset + 16 * (uint64_t)(state->desc - 1));
}

static uint64_t stub_offset(const struct elf_link *link, uint32_t stub)
{
	return link->plan->plt_offset + ELF_STUB_BYTES * (uint64_t)(stub - 1);
}

static uint64_t stub_slot(const struct elf_link *link, uint32_t stub)
{
	return link->plan->slot_offset + 8 * (uint64_t)(stub - 1);
}

/* endbr64; jmp *slot(%rip); padding that traps. */
static uint32_t make_stub(struct elf_link *link, uint64_t target)
{
	unsigned char code[ELF_STUB_BYTES] = { 0xf3, 0x0f, 0x1e, 0xfa, 0xff, 0x25, 0,    0,
					       0,    0,    0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc };
	uint32_t stub = (uint32_t)(++link->used.imports + link->used.ifuncs);
	uint64_t at = stub_offset(link, stub);
	uint32_t distance = (uint32_t)(stub_slot(link, stub) - (at + 10));

	memcpy(code + 6, &distance, sizeof(distance));
	memcpy(link->image + at, code, sizeof(code));
	elf_put(link, stub_slot(link, stub), target, 8);
	return stub;
}

uint64_t elf_stub(struct elf_link *link, struct elf_state *state)
{
	if (state->stub == 0)
		state->stub = make_stub(link, state->value);
	return elf_image_address(link, stub_offset(link, state->stub));
}

/* ---- symbols --------------------------------------------------------------------------------- */

static int prepare_ifunc(struct elf_link *link, uint32_t i, const Elf64_Sym *symbol,
			 struct elf_linked *out)
{
	uint32_t index = elf_symbol_section(link->object, i, symbol);
	struct elf_state *state = &link->states[i];
	struct elf_ifunc *ifunc;

	if (out->nifuncs >= ELF_INITS_MAX)
		return -E2BIG;
	ifunc = &out->ifuncs[out->nifuncs++];
	state->stub = make_stub(link, 0);
	state->value = elf_image_address(link, stub_offset(link, state->stub));
	state->kind = ELF_ADDRESS;
	ifunc->resolver = elf_image_address(link, link->offsets[index] + symbol->st_value);
	ifunc->slot_offset = stub_slot(link, state->stub);
	return 0;
}

int elf_state_prepare(struct elf_link *link, struct elf_linked *out, struct elf_error *err)
{
	uint64_t cursor = link->plan->common_offset;
	uint64_t at;

	for (uint32_t i = 1; i < link->object->nsymbols; i++) {
		Elf64_Sym symbol = elf_symbol(link->object, i);
		int rc = 0;

		if (elf_symbol_section(link->object, i, &symbol) == ELF_COMMON) {
			rc = elf_advance(&cursor, symbol.st_value, symbol.st_size, &at);
			link->states[i].value = elf_image_address(link, at);
			link->states[i].kind = ELF_ADDRESS;
		} else if (elf_is_ifunc(link->object, i, &symbol)) {
			rc = prepare_ifunc(link, i, &symbol, out);
		}
		if (rc != 0)
			return elf_refuse(err, rc, "the object has changed since it was measured");
	}
	return 0;
}

/* As many names as fit, and room for how many more there are. */
static void note_missing(struct elf_link *link, const char *name)
{
	size_t used = strlen(link->names.text);
	size_t room = sizeof(link->names.text) - 24;
	char label[ELF_LABEL];

	(void)elf_escape(name, strnlen(name, ELF_LABEL), label, sizeof(label));
	if (link->missing == 0)
		used = (size_t)snprintf(link->names.text, room, "nothing provides %s", label);
	else if (used + 2 + strlen(label) < room)
		(void)snprintf(link->names.text + used, room - used, ", %s", label);
	else
		link->unnamed++;
	link->missing++;
}

bool elf_linker_makes(const char *name)
{
	return strcmp(name, "_GLOBAL_OFFSET_TABLE_") == 0 || strcmp(name, "_TLS_MODULE_BASE_") == 0;
}

static void resolve_import(struct elf_link *link, struct elf_state *state, const Elf64_Sym *symbol)
{
	const char *name = elf_symbol_name(link->object, symbol);
	bool threaded = ELF64_ST_TYPE(symbol->st_info) == STT_TLS;
	uint64_t address = 0;

	state->kind = ELF_ADDRESS;
	if (elf_linker_makes(name)) {
		state->kind = threaded ? ELF_THREAD : ELF_ADDRESS;
		state->value = threaded ? 0 : elf_image_address(link, link->plan->got_offset);
	} else if (!threaded && strcmp(name, "__tls_get_addr") == 0) {
		state->value = link->place->tls_get_addr;
		state->import = true;
	} else if (!threaded && *name != '\0' &&
		   strnlen(name, ELF_IMPORT_LENGTH + 1) <= ELF_IMPORT_LENGTH &&
		   link->place->import(link->place->arg, name, &address)) {
		state->value = address;
		state->import = true;
	} else if (!threaded && ELF64_ST_BIND(symbol->st_info) == STB_WEAK) {
		state->absent = true;
	} else {
		state->kind = ELF_MISSING;
		note_missing(link, name);
	}
}

int elf_state_resolve(struct elf_link *link, uint32_t i, struct elf_error *err)
{
	struct elf_state *state = &link->states[i];
	Elf64_Shdr section;
	Elf64_Sym symbol;
	uint32_t index;

	if (state->kind != ELF_UNSEEN)
		return 0;
	state->kind = ELF_ADDRESS;
	if (i == 0)
		return 0;
	symbol = elf_symbol(link->object, i);
	index = elf_symbol_section(link->object, i, &symbol);
	if (index == SHN_UNDEF) {
		resolve_import(link, state, &symbol);
		return 0;
	}
	state->value = symbol.st_value;
	if (index == ELF_ABSOLUTE)
		return 0;
	if (index >= link->object->nsections || link->offsets[index] == ELF_NOWHERE)
		return elf_refuse(err, -ENOEXEC, "the object has changed since it was measured");
	section = elf_section(link->object, index);
	state->value += link->offsets[index];
	if (section.sh_flags & SHF_TLS)
		state->kind = ELF_THREAD;
	else
		state->value += link->place->base;
	return 0;
}
