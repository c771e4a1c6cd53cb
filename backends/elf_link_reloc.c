/* SPDX-License-Identifier: MIT */
/*
 * Relocations of x86-64: what each type writes, and how one is read.
 *
 * System V ABI, AMD64 supplement 1.0, table 4.9 (and 4.10 for TLS); the CODE_n types belong to the
 * APX extension.
 */
#include "elf_link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ROW(name, width, formula, range)                                                           \
	{                                                                                          \
		R_X86_64_##name, "R_X86_64_" #name, width, formula, range                          \
	}

/* The relaxations that the X types permit are never made: the slot that they describe always
 * exists. */
static const struct elf_reloc_type types[] = {
	ROW(NONE, 0, ELF_F_NONE, ELF_ANY),
	ROW(64, 8, ELF_F_ABS, ELF_ANY),
	ROW(PC32, 4, ELF_F_PC, ELF_SIGNED),
	ROW(GOT32, 4, ELF_F_GOT, ELF_SIGNED),
	ROW(PLT32, 4, ELF_F_PLT, ELF_SIGNED),
	ROW(GOTPCREL, 4, ELF_F_GOTPCREL, ELF_SIGNED),
	ROW(32, 4, ELF_F_ABS, ELF_UNSIGNED),
	ROW(32S, 4, ELF_F_ABS, ELF_SIGNED),
	ROW(16, 2, ELF_F_ABS, ELF_EITHER),
	ROW(PC16, 2, ELF_F_PC, ELF_SIGNED),
	ROW(8, 1, ELF_F_ABS, ELF_EITHER),
	ROW(PC8, 1, ELF_F_PC, ELF_SIGNED),
	ROW(DTPOFF64, 8, ELF_F_DTPOFF, ELF_ANY),
	ROW(TPOFF64, 8, ELF_F_TPOFF, ELF_ANY),
	ROW(TLSGD, 4, ELF_F_TLSGD, ELF_SIGNED),
	ROW(TLSLD, 4, ELF_F_TLSLD, ELF_SIGNED),
	ROW(DTPOFF32, 4, ELF_F_DTPOFF, ELF_SIGNED),
	ROW(GOTTPOFF, 4, ELF_F_GOTTPOFF, ELF_SIGNED),
	ROW(TPOFF32, 4, ELF_F_TPOFF, ELF_SIGNED),
	ROW(PC64, 8, ELF_F_PC, ELF_ANY),
	ROW(GOTOFF64, 8, ELF_F_GOTOFF, ELF_ANY),
	ROW(GOTPC32, 4, ELF_F_GOTPC, ELF_SIGNED),
	ROW(GOT64, 8, ELF_F_GOT, ELF_ANY),
	ROW(GOTPCREL64, 8, ELF_F_GOTPCREL, ELF_ANY),
	ROW(GOTPC64, 8, ELF_F_GOTPC, ELF_ANY),
	ROW(GOTPLT64, 8, ELF_F_GOT, ELF_ANY),
	ROW(PLTOFF64, 8, ELF_F_PLTOFF, ELF_ANY),
	ROW(SIZE32, 4, ELF_F_SIZE, ELF_UNSIGNED),
	ROW(SIZE64, 8, ELF_F_SIZE, ELF_ANY),
	ROW(GOTPC32_TLSDESC, 4, ELF_F_TLSDESC, ELF_SIGNED),
	ROW(TLSDESC_CALL, 0, ELF_F_NONE, ELF_ANY),
	ROW(GOTPCRELX, 4, ELF_F_GOTPCREL, ELF_SIGNED),
	ROW(REX_GOTPCRELX, 4, ELF_F_GOTPCREL, ELF_SIGNED),
	ROW(CODE_4_GOTPCRELX, 4, ELF_F_GOTPCREL, ELF_SIGNED),
	ROW(CODE_4_GOTTPOFF, 4, ELF_F_GOTTPOFF, ELF_SIGNED),
	ROW(CODE_4_GOTPC32_TLSDESC, 4, ELF_F_TLSDESC, ELF_SIGNED),
};

#define TYPES (sizeof(types) / sizeof(types[0]))

/* The table is in the order of the numbers. */
const struct elf_reloc_type *elf_reloc_type(uint32_t type)
{
	size_t low = 0;
	size_t high = TYPES;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (types[middle].type == type)
			return &types[middle];
		if (types[middle].type > type)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

bool elf_threaded(enum elf_formula formula)
{
	return formula == ELF_F_TPOFF || formula == ELF_F_DTPOFF || formula == ELF_F_TLSGD ||
	       formula == ELF_F_GOTTPOFF || formula == ELF_F_TLSDESC;
}

int elf_reloc_refuse(const struct elf_object *object, const struct elf_reloc *reloc,
		     const char *why, struct elf_error *err)
{
	Elf64_Shdr section = elf_section(object, reloc->section);
	const char *name = elf_section_name(object, &section);
	char label[ELF_LABEL];
	char place[48];

	(void)elf_escape(name, strnlen(name, sizeof(place)), place, sizeof(place));
	return elf_refuse(err, -ENOEXEC, "%s to '%s' at %s+0x%jx: %s", reloc->type->name,
			  elf_label(object, reloc->symbol, label), place, (uintmax_t)reloc->offset,
			  why);
}

uint64_t elf_reloc_count(const Elf64_Shdr *rela)
{
	return rela->sh_size / sizeof(Elf64_Rela);
}

int elf_reloc_section(const struct elf_object *object, const Elf64_Shdr *section,
		      struct elf_error *err)
{
	Elf64_Shdr target;

	if (section->sh_type != SHT_RELA && section->sh_type != SHT_REL &&
	    section->sh_type != ELF_SHT_CREL)
		return 0;
	if (section->sh_info == 0 || section->sh_info >= object->nsections)
		return elf_refuse(err, -ENOEXEC, "relocations for section %u of %u",
				  section->sh_info, object->nsections);
	target = elf_section(object, section->sh_info);
	if (!elf_loaded(&target) || section->sh_size == 0)
		return 0;
	if (section->sh_type != SHT_RELA)
		return elf_refuse(err, -ENOEXEC, "relocations of section type 0x%x instead of RELA",
				  section->sh_type);
	if (section->sh_entsize != sizeof(Elf64_Rela) ||
	    section->sh_size % sizeof(Elf64_Rela) != 0 || (section->sh_flags & SHF_COMPRESSED))
		return elf_refuse(err, -ENOEXEC, "relocations for section %u are not of 24 bytes",
				  section->sh_info);
	if (section->sh_link != object->symbol_section)
		return elf_refuse(err, -ENOEXEC,
				  "relocations for section %u refer to symbol table %u",
				  section->sh_info, section->sh_link);
	return 1;
}

int elf_reloc_read(const struct elf_object *object, const Elf64_Shdr *rela, uint64_t i,
		   struct elf_reloc *out, struct elf_error *err)
{
	Elf64_Shdr target = elf_section(object, rela->sh_info);
	Elf64_Rela raw;

	memcpy(&raw, object->file + rela->sh_offset + i * sizeof(raw), sizeof(raw));
	*out = (struct elf_reloc){
		.type = elf_reloc_type(ELF64_R_TYPE(raw.r_info)),
		.offset = raw.r_offset,
		.addend = raw.r_addend,
		.symbol = ELF64_R_SYM(raw.r_info),
		.section = rela->sh_info,
	};
	if (!out->type)
		return elf_refuse(
			err, -ENOEXEC,
			"relocation type %u at section %u+0x%jx is not known to the linker",
			(unsigned)ELF64_R_TYPE(raw.r_info), rela->sh_info, (uintmax_t)raw.r_offset);
	if (out->symbol != 0 && out->symbol >= object->nsymbols)
		return elf_reloc_refuse(object, out, "there is no such symbol", err);
	if (out->type->width == 0)
		return 0;
	if (raw.r_offset > target.sh_size || out->type->width > target.sh_size - raw.r_offset)
		return elf_reloc_refuse(object, out, "it lies outside of its section", err);
	if (target.sh_type == SHT_NOBITS)
		return elf_reloc_refuse(object, out, "its section has no bytes in the file", err);
	return 0;
}
