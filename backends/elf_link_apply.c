/* SPDX-License-Identifier: MIT */
/*
 * Applies relocations to an image.
 */
#include "elf_link.h"

#include <errno.h>
#include <stdio.h>

/* Where a relocation writes, and what is known of its symbol. */
struct spot {
	struct elf_reloc reloc;
	struct elf_state *state;
	uint64_t at;    /* in the image */
	uint64_t place; /* the address that the code will see */
};

static bool fits(uint64_t value, const struct elf_reloc_type *type)
{
	unsigned bits = 8u * type->width;
	int64_t top = (int64_t)value >> (bits - 1);

	switch ((enum elf_range)type->range) {
	case ELF_SIGNED:
		return top == 0 || top == -1;
	case ELF_UNSIGNED:
		return value >> bits == 0;
	case ELF_EITHER:
		return top == -1 || value >> bits == 0;
	default:
		return true;
	}
}

static uint64_t threaded_value(struct elf_link *link, const struct spot *spot)
{
	struct elf_state *state = spot->state;
	uint64_t addend = (uint64_t)spot->reloc.addend;

	switch ((enum elf_formula)spot->reloc.type->formula) {
	case ELF_F_TPOFF:
		return link->place->tls_address + state->value - link->place->thread_pointer +
		       addend;
	case ELF_F_DTPOFF:
		return state->value + addend;
	case ELF_F_TLSGD:
		return elf_gd_slot(link, state) + addend - spot->place;
	case ELF_F_TLSLD:
		return elf_ld_slot(link) + addend - spot->place;
	case ELF_F_GOTTPOFF:
		return elf_ie_slot(link, state) + addend - spot->place;
	default:
		return elf_desc_slot(link, state) + addend - spot->place;
	}
}

/* target is the symbol's address, or that of its stub. */
static uint64_t plain_value(struct elf_link *link, const struct spot *spot, uint64_t target)
{
	uint64_t got = elf_image_address(link, link->plan->got_offset);
	uint64_t addend = (uint64_t)spot->reloc.addend;

	switch ((enum elf_formula)spot->reloc.type->formula) {
	case ELF_F_ABS:
		return target + addend;
	case ELF_F_PC:
	case ELF_F_PLT:
		return target + addend - spot->place;
	case ELF_F_PLTOFF:
	case ELF_F_GOTOFF:
		return target + addend - got;
	case ELF_F_GOTPC:
		return got + addend - spot->place;
	case ELF_F_GOT:
		return elf_got_slot(link, spot->state) - got + addend;
	case ELF_F_GOTPCREL:
		return elf_got_slot(link, spot->state) + addend - spot->place;
	case ELF_F_SIZE:
		return elf_symbol(link->object, spot->reloc.symbol).st_size + addend;
	default:
		return threaded_value(link, spot);
	}
}

/*
 * An import may stand anywhere, so where 32 bits do not reach it they lead to a stub, as they do
 * for what a linker finds in a shared library. A weak function that nobody provides may be called
 * (if that is never reached), but not pointed to.
 */
static bool may_detour(const struct spot *spot)
{
	switch ((enum elf_formula)spot->reloc.type->formula) {
	case ELF_F_ABS:
	case ELF_F_PC:
		return spot->state->import && spot->reloc.type->width <= 4;
	case ELF_F_PLT:
		return (spot->state->import || spot->state->absent) && spot->reloc.type->width <= 4;
	default:
		return false;
	}
}

static int apply_one(struct elf_link *link, const struct spot *spot, struct elf_error *err)
{
	const struct elf_reloc_type *type = spot->reloc.type;
	uint64_t value = plain_value(link, spot, spot->state->value);
	char why[80];

	if (!fits(value, type) && may_detour(spot))
		value = plain_value(link, spot, elf_stub(link, spot->state));
	if (!fits(value, type)) {
		(void)snprintf(why, sizeof(why), "0x%jx (symbol 0x%jx, place 0x%jx) does not fit",
			       (uintmax_t)value, (uintmax_t)spot->state->value,
			       (uintmax_t)spot->place);
		return elf_reloc_refuse(link->object, &spot->reloc, why, err);
	}
	elf_put(link, spot->at, value, type->width);
	return 0;
}

static int apply_section(struct elf_link *link, const Elf64_Shdr *rela, struct elf_error *err)
{
	const struct elf_layout *layout = &link->plan->layout;
	Elf64_Shdr target = elf_section(link->object, rela->sh_info);
	bool threaded = target.sh_flags & SHF_TLS;
	uint64_t start = link->offsets[rela->sh_info];
	uint64_t n = elf_reloc_count(rela);

	for (uint64_t i = 0; i < n; i++) {
		struct spot spot;
		int rc = elf_reloc_read(link->object, rela, i, &spot.reloc, err);

		if (rc != 0)
			return rc;
		if (spot.reloc.type->formula == ELF_F_NONE)
			continue;
		rc = elf_state_resolve(link, spot.reloc.symbol, err);
		if (rc != 0)
			return rc;
		spot.state = &link->states[spot.reloc.symbol];
		spot.at = start + spot.reloc.offset + (threaded ? layout->tls_offset : 0);
		spot.place = start + spot.reloc.offset +
			     (threaded ? link->place->tls_address : link->place->base);
		if (spot.state->kind != ELF_MISSING)
			rc = apply_one(link, &spot, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

int elf_apply(struct elf_link *link, struct elf_error *err)
{
	for (uint32_t i = 1; i < link->object->nsections; i++) {
		Elf64_Shdr section = elf_section(link->object, i);
		int rc = elf_reloc_section(link->object, &section, err);

		if (rc == 1)
			rc = apply_section(link, &section, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}
