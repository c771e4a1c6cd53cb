/* SPDX-License-Identifier: MIT */
/*
 * The second pass of a link: builds the image.
 */
#include "elf_link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- scratch: offsets of sections, then states of symbols ------------------------------------ */

static uint64_t states_offset(const struct elf_object *object)
{
	return ((uint64_t)object->nsections * sizeof(uint64_t) + 15) & ~15ull;
}

uint64_t elf_scratch_bytes(const struct elf_object *object)
{
	/* Relocations without a symbol use state 0, even where there is no table of symbols. */
	return states_offset(object) + ((uint64_t)object->nsymbols + 1) * sizeof(struct elf_state);
}

struct elf_state *elf_scratch_states(const struct elf_object *object, const void *scratch)
{
	return (struct elf_state *)((uintptr_t)scratch + states_offset(object));
}

/* ---- contents -------------------------------------------------------------------------------- */

static void copy_sections(struct elf_link *link)
{
	for (uint32_t i = 1; i < link->object->nsections; i++) {
		Elf64_Shdr section = elf_section(link->object, i);
		uint64_t at = link->offsets[i];

		if (!elf_loaded(&section) || section.sh_type == SHT_NOBITS || section.sh_size == 0)
			continue;
		if (section.sh_flags & SHF_TLS)
			at += link->plan->layout.tls_offset;
		memcpy(link->image + at, link->object->file + section.sh_offset, section.sh_size);
	}
}

/* ---- initialisers ---------------------------------------------------------------------------- */

/* In the order of ld's SORT_BY_INIT_PRIORITY: .ctors counts down from 65535, and no number comes
 * last. */
#define PRIORITIES 65536u
#define PREINIT    0u
#define DIGITS     8u /* of a number, with zeros before it */
#define UNNUMBERED (PRIORITIES + 1)

struct init_section {
	uint64_t at; /* in the image */
	uint64_t count;
	uint32_t key;
	bool reversed; /* .ctors: last entry first, 0 and -1 are marks */
};

static uint32_t priority(const char *suffix, bool reversed)
{
	uint32_t number = 0;
	unsigned digits = 0;

	if (suffix[0] != '.')
		return UNNUMBERED;
	for (suffix++; suffix[digits] >= '0' && suffix[digits] <= '9' && digits < DIGITS; digits++)
		number = number * 10 + (uint32_t)(suffix[digits] - '0');
	if (digits == 0 || suffix[digits] != '\0' || number >= PRIORITIES)
		return UNNUMBERED;
	return 1 + (reversed ? PRIORITIES - 1 - number : number);
}

static bool init_section(const struct elf_link *link, uint32_t i, struct init_section *out)
{
	Elf64_Shdr section = elf_section(link->object, i);
	const char *name = elf_section_name(link->object, &section);

	if (!elf_loaded(&section) || (section.sh_flags & SHF_TLS) || section.sh_type == SHT_NOBITS)
		return false;
	*out = (struct init_section){ .at = link->offsets[i],
				      .count = section.sh_size / 8,
				      .key = PREINIT };
	if (section.sh_type == SHT_PREINIT_ARRAY)
		return true;
	if (strncmp(name, ".init_array", 11) == 0 && (name[11] == '\0' || name[11] == '.'))
		out->key = priority(name + 11, false);
	else if (section.sh_type == SHT_INIT_ARRAY)
		out->key = UNNUMBERED;
	else
		out->reversed =
			strncmp(name, ".ctors", 6) == 0 && (name[6] == '\0' || name[6] == '.');
	if (out->reversed)
		out->key = priority(name + 6, true);
	return out->key != PREINIT;
}

/* Keeps the list in order of keys, and in order of arrival among equals. */
static int insert(struct elf_linked *out, uint32_t *keys, uint64_t address, uint32_t key)
{
	uint32_t i = out->ninits;

	if (i >= ELF_INITS_MAX)
		return -E2BIG;
	for (; i > 0 && keys[i - 1] > key; i--) {
		keys[i] = keys[i - 1];
		out->inits[i] = out->inits[i - 1];
	}
	keys[i] = key;
	out->inits[i] = address;
	out->ninits++;
	return 0;
}

static int take_section(const struct elf_link *link, const struct init_section *list,
			struct elf_linked *out, uint32_t *keys, struct elf_error *err)
{
	uint64_t text = elf_image_address(link, link->plan->layout.segments[ELF_TEXT].offset);
	uint64_t bytes = link->plan->layout.segments[ELF_TEXT].bytes;

	for (uint64_t i = 0; i < list->count; i++) {
		uint64_t slot = list->at + 8 * (list->reversed ? list->count - 1 - i : i);
		uint64_t address;

		memcpy(&address, link->image + slot, sizeof(address));
		if (list->reversed && (address == 0 || address == UINT64_MAX))
			continue;
		if (address - text >= bytes)
			return elf_refuse(err, -ENOEXEC,
					  "initialiser %ju, 0x%jx, is not in the text",
					  (uintmax_t)i, (uintmax_t)address);
		if (insert(out, keys, address, list->key) != 0)
			return elf_refuse(err, -E2BIG, "there are more than %u initialisers",
					  ELF_INITS_MAX);
	}
	return 0;
}

int elf_inits(const struct elf_link *link, struct elf_linked *out, struct elf_error *err)
{
	uint32_t keys[ELF_INITS_MAX];
	struct init_section list;
	int rc = 0;

	for (uint32_t i = 1; rc == 0 && i < link->object->nsections; i++)
		if (init_section(link, i, &list))
			rc = take_section(link, &list, out, keys, err);
	return rc;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int refuse_missing(struct elf_link *link, struct elf_error *err)
{
	size_t used = strlen(link->names.text);

	*err = link->names;
	if (link->unnamed != 0)
		(void)snprintf(err->text + used, sizeof(err->text) - used, " and %u more",
			       link->unnamed);
	return -ENOENT;
}

static int check_place(const struct elf_plan *plan, const struct elf_place *place,
		       struct elf_error *err)
{
	if (place->base % plan->layout.align != 0)
		return elf_refuse(err, -ENOEXEC,
				  "the image cannot stand at 0x%jx: it is aligned to 0x%jx",
				  (uintmax_t)place->base, (uintmax_t)plan->layout.align);
	if (plan->layout.tls_bytes != 0 && place->tls_address % plan->layout.tls_align != 0)
		return elf_refuse(err, -ENOEXEC,
				  "the TLS block cannot stand at 0x%jx: it is aligned to 0x%jx",
				  (uintmax_t)place->tls_address, (uintmax_t)plan->layout.tls_align);
	return 0;
}

int elf_link(const void *file, size_t size, const struct elf_layout *layout,
	     const struct elf_place *place, void *image, void *scratch, struct elf_linked *out,
	     struct elf_error *err)
{
	struct elf_object object;
	struct elf_plan plan;
	struct elf_link link = { .object = &object, .plan = &plan, .place = place, .image = image };
	int rc;

	out->ninits = 0;
	out->nifuncs = 0;
	rc = elf_object_open(&object, file, size, err);
	if (rc == 0 && elf_scratch_bytes(&object) != layout->scratch_bytes)
		rc = elf_refuse(err, -ENOEXEC, "the object has changed since it was measured");
	if (rc != 0)
		return rc;
	link.offsets = scratch;
	link.states = elf_scratch_states(&object, scratch);
	rc = elf_plan(&object, &plan, link.offsets, err);
	if (rc == 0 && memcmp(&plan.layout, layout, sizeof(*layout)) != 0)
		rc = elf_refuse(err, -ENOEXEC, "the object has changed since it was measured");
	rc = rc ?: check_place(&plan, place, err);
	if (rc != 0)
		return rc;
	copy_sections(&link);
	rc = elf_state_prepare(&link, out, err);
	rc = rc ?: elf_apply(&link, err);
	if (rc == 0 && link.missing != 0)
		rc = refuse_missing(&link, err);
	return rc ?: elf_inits(&link, out, err);
}
