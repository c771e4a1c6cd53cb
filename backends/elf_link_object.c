/* SPDX-License-Identifier: MIT */
/*
 * A checked view of an ELF object: its header, its sections, its symbol table.
 *
 * Structures are copied out, never overlaid: a file promises no alignment. Sums cannot overflow,
 * since each offset is compared with the file's size first.
 */
#include "elf_link.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int elf_refuse(struct elf_error *err, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return code;
}

static bool within(uint64_t offset, uint64_t bytes, uint64_t size)
{
	return offset <= size && bytes <= size - offset;
}

Elf64_Shdr elf_section(const struct elf_object *object, uint32_t i)
{
	Elf64_Shdr section;

	memcpy(&section, object->file + object->section_offset + (uint64_t)i * sizeof(section),
	       sizeof(section));
	return section;
}

const char *elf_section_name(const struct elf_object *object, const Elf64_Shdr *section)
{
	if (section->sh_name >= object->section_name_bytes)
		return "";
	return (const char *)object->file + object->section_name_offset + section->sh_name;
}

Elf64_Sym elf_symbol(const struct elf_object *object, uint32_t i)
{
	Elf64_Sym symbol;

	memcpy(&symbol, object->file + object->symbol_offset + (uint64_t)i * sizeof(symbol),
	       sizeof(symbol));
	return symbol;
}

const char *elf_symbol_name(const struct elf_object *object, const Elf64_Sym *symbol)
{
	if (symbol->st_name >= object->name_bytes)
		return "";
	return (const char *)object->file + object->name_offset + symbol->st_name;
}

uint32_t elf_symbol_section(const struct elf_object *object, uint32_t i, const Elf64_Sym *symbol)
{
	uint32_t index = symbol->st_shndx;

	switch (index) {
	case SHN_UNDEF:
		return SHN_UNDEF;
	case SHN_ABS:
		return ELF_ABSOLUTE;
	case SHN_COMMON:
	case SHN_X86_64_LCOMMON:
		return ELF_COMMON;
	case SHN_XINDEX:
		if (i >= object->nindexes)
			return ELF_UNKNOWN;
		memcpy(&index, object->file + object->index_offset + (uint64_t)i * sizeof(index),
		       sizeof(index));
		break;
	default:
		if (index >= SHN_LORESERVE)
			return ELF_UNKNOWN;
		break;
	}
	return index == 0 || index >= object->nsections ? ELF_UNKNOWN : index;
}

bool elf_loaded(const Elf64_Shdr *section)
{
	if (!(section->sh_flags & SHF_ALLOC))
		return false;
	switch (section->sh_type) {
	case SHT_PROGBITS:
	case SHT_NOBITS:
	case SHT_INIT_ARRAY:
	case SHT_FINI_ARRAY:
	case SHT_PREINIT_ARRAY:
	case SHT_X86_64_UNWIND:
		return true;
	default:
		return false;
	}
}

const char *elf_label(const struct elf_object *object, uint32_t i, char out[ELF_LABEL])
{
	Elf64_Sym symbol;
	const char *name = "";

	if (i != 0 && i < object->nsymbols) {
		symbol = elf_symbol(object, i);
		name = elf_symbol_name(object, &symbol);
		uint32_t index = elf_symbol_section(object, i, &symbol);

		if (*name == '\0' && index != 0 && index < object->nsections) {
			Elf64_Shdr section = elf_section(object, index);

			name = elf_section_name(object, &section);
		}
	}
	if (*name == '\0')
		(void)snprintf(out, ELF_LABEL, "symbol %u", i);
	else
		(void)elf_escape(name, strnlen(name, ELF_LABEL), out, ELF_LABEL);
	return out;
}

/* ---- the header ------------------------------------------------------------------------------ */

static int check_identity(const Elf64_Ehdr *header, struct elf_error *err)
{
	if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
		return elf_refuse(err, -ENOEXEC, "not an ELF file");
	if (header->e_ident[EI_CLASS] != ELFCLASS64)
		return elf_refuse(err, -ENOEXEC, "ELF class %u is not 64-bit",
				  header->e_ident[EI_CLASS]);
	if (header->e_ident[EI_DATA] != ELFDATA2LSB)
		return elf_refuse(err, -ENOEXEC, "ELF data encoding %u is not little-endian",
				  header->e_ident[EI_DATA]);
	if (header->e_ident[EI_VERSION] != EV_CURRENT || header->e_version != EV_CURRENT)
		return elf_refuse(err, -ENOEXEC, "ELF version %u is not 1", header->e_version);
	if (header->e_ident[EI_OSABI] != ELFOSABI_SYSV && header->e_ident[EI_OSABI] != ELFOSABI_GNU)
		return elf_refuse(err, -ENOEXEC, "OS ABI %u is neither System V nor GNU",
				  header->e_ident[EI_OSABI]);
	if (header->e_type != ET_REL)
		return elf_refuse(err, -ENOEXEC,
				  "ELF type %u cannot be linked: only relocatable objects are",
				  header->e_type);
	if (header->e_machine == EM_AARCH64)
		return elf_refuse(err, -ENOEXEC, "objects for aarch64 are not linked yet");
	if (header->e_machine != EM_X86_64)
		return elf_refuse(err, -ENOEXEC, "objects for machine %u are not linked here",
				  header->e_machine);
	return 0;
}

/* The number of sections, and which names them, stand in section 0 when they do not fit the header.
 */
static int open_sections(struct elf_object *object, const Elf64_Ehdr *header, uint32_t *names_out,
			 struct elf_error *err)
{
	uint64_t count = header->e_shnum;

	*names_out = header->e_shstrndx;
	if (header->e_shoff == 0)
		return elf_refuse(err, -ENOEXEC, "the object has no section headers");
	if (header->e_shentsize != sizeof(Elf64_Shdr))
		return elf_refuse(err, -ENOEXEC, "section headers of %u bytes instead of 64",
				  header->e_shentsize);
	if (!within(header->e_shoff, sizeof(Elf64_Shdr), object->size))
		return elf_refuse(err, -ENOEXEC, "section headers at 0x%jx lie outside of the file",
				  (uintmax_t)header->e_shoff);
	object->section_offset = header->e_shoff;
	Elf64_Shdr first = elf_section(object, 0);

	if (count == 0)
		count = first.sh_size;
	if (header->e_shstrndx == SHN_XINDEX)
		*names_out = first.sh_link;
	if (count > ELF_SECTIONS_MAX)
		return elf_refuse(err, -E2BIG, "%ju sections are more than %u", (uintmax_t)count,
				  ELF_SECTIONS_MAX);
	if (count == 0 || !within(header->e_shoff, count * sizeof(Elf64_Shdr), object->size))
		return elf_refuse(err, -ENOEXEC, "%ju section headers do not lie within the file",
				  (uintmax_t)count);
	object->nsections = (uint32_t)count;
	return 0;
}

/* ---- sections -------------------------------------------------------------------------------- */

static int refuse_section(const struct elf_object *object, uint32_t i, const char *why,
			  struct elf_error *err)
{
	Elf64_Shdr section = elf_section(object, i);
	const char *name = elf_section_name(object, &section);
	char label[ELF_LABEL];

	(void)elf_escape(name, strnlen(name, ELF_LABEL), label, sizeof(label));
	return elf_refuse(err, -ENOEXEC, "section %u '%s' %s", i, label, why);
}

/* Strings that are looked at end with NUL, so that no name runs out of its table. */
static int open_strings(const struct elf_object *object, uint32_t i, uint64_t *offset_out,
			uint64_t *bytes_out, struct elf_error *err)
{
	Elf64_Shdr section;

	if (i == 0 || i >= object->nsections)
		return elf_refuse(err, -ENOEXEC, "string table %u is not one of %u sections", i,
				  object->nsections);
	section = elf_section(object, i);
	if (section.sh_type != SHT_STRTAB || (section.sh_flags & SHF_COMPRESSED))
		return elf_refuse(err, -ENOEXEC, "section %u is no string table", i);
	if (!within(section.sh_offset, section.sh_size, object->size))
		return elf_refuse(err, -ENOEXEC, "string table %u lies outside of the file", i);
	if (section.sh_size != 0 && object->file[section.sh_offset + section.sh_size - 1] != '\0')
		return elf_refuse(err, -ENOEXEC, "string table %u does not end with NUL", i);
	*offset_out = section.sh_offset;
	*bytes_out = section.sh_size;
	return 0;
}

static const char *section_fault(const struct elf_object *object, const Elf64_Shdr *section)
{
	uint64_t align = section->sh_addralign;

	if (section->sh_type != SHT_NOBITS && section->sh_type != SHT_NULL &&
	    !within(section->sh_offset, section->sh_size, object->size))
		return "lies outside of the file";
	if (align & (align - 1))
		return "has an alignment that is no power of two";
	if (object->section_name_bytes != 0 && section->sh_name >= object->section_name_bytes)
		return "has a name outside of the string table";
	if (!elf_loaded(section))
		return NULL;
	if (align > ELF_ALIGN_MAX)
		return "is aligned to more than 2 MiB";
	if (section->sh_flags & SHF_COMPRESSED)
		return "is loaded and compressed";
	if ((section->sh_flags & SHF_WRITE) && (section->sh_flags & SHF_EXECINSTR))
		return "is writable and executable";
	if ((section->sh_flags & SHF_TLS) && (section->sh_flags & SHF_EXECINSTR))
		return "is thread-local and executable";
	return NULL;
}

static int open_symbols(struct elf_object *object, uint32_t i, const Elf64_Shdr *section,
			struct elf_error *err)
{
	if (object->symbol_section != 0)
		return refuse_section(object, i, "is a second symbol table", err);
	if (section->sh_entsize != sizeof(Elf64_Sym) || section->sh_size % sizeof(Elf64_Sym) != 0)
		return refuse_section(object, i, "does not hold symbols of 24 bytes", err);
	if (section->sh_flags & SHF_COMPRESSED)
		return refuse_section(object, i, "is compressed", err);
	if (section->sh_size / sizeof(Elf64_Sym) > ELF_SYMBOLS_MAX)
		return elf_refuse(err, -E2BIG, "%ju symbols are more than %u",
				  (uintmax_t)(section->sh_size / sizeof(Elf64_Sym)),
				  ELF_SYMBOLS_MAX);
	object->symbol_section = i;
	object->symbol_offset = section->sh_offset;
	object->nsymbols = (uint32_t)(section->sh_size / sizeof(Elf64_Sym));
	return open_strings(object, section->sh_link, &object->name_offset, &object->name_bytes,
			    err);
}

/* The indexes may stand before the symbols that they belong to, so they are looked for afterwards.
 */
static int open_indexes(struct elf_object *object, struct elf_error *err)
{
	for (uint32_t i = 1; i < object->nsections; i++) {
		Elf64_Shdr section = elf_section(object, i);

		if (section.sh_type != SHT_SYMTAB_SHNDX)
			continue;
		if (section.sh_link != object->symbol_section || object->nindexes != 0)
			return refuse_section(object, i, "extends no symbol table", err);
		if (section.sh_size % sizeof(uint32_t) != 0 || (section.sh_flags & SHF_COMPRESSED))
			return refuse_section(object, i, "does not hold indexes of 4 bytes", err);
		object->index_offset = section.sh_offset;
		object->nindexes = section.sh_size / sizeof(uint32_t) > object->nsymbols
					   ? object->nsymbols
					   : (uint32_t)(section.sh_size / sizeof(uint32_t));
	}
	return 0;
}

int elf_object_open(struct elf_object *object, const void *file, size_t size, struct elf_error *err)
{
	Elf64_Ehdr header;
	uint32_t names;
	int rc;

	*object = (struct elf_object){ .file = file, .size = size };
	if (size < sizeof(header))
		return elf_refuse(err, -ENOEXEC, "%zu bytes are too few for an ELF header", size);
	memcpy(&header, file, sizeof(header));
	rc = check_identity(&header, err);
	rc = rc ?: open_sections(object, &header, &names, err);
	if (rc == 0 && names != 0)
		rc = open_strings(object, names, &object->section_name_offset,
				  &object->section_name_bytes, err);
	for (uint32_t i = 1; rc == 0 && i < object->nsections; i++) {
		Elf64_Shdr section = elf_section(object, i);
		const char *why = section_fault(object, &section);

		if (why)
			rc = refuse_section(object, i, why, err);
		else if (section.sh_type == SHT_SYMTAB)
			rc = open_symbols(object, i, &section, err);
	}
	return rc ?: open_indexes(object, err);
}
