/* SPDX-License-Identifier: MIT */
/*
 * The lists of what is in an ELF file.
 */
#include "elf_inspect.h"

#include <string.h>

/* The most that each list may take of the table; together they leave room for its head and the
 * spec. */
static const size_t list_max[WIRE_TEXTS] = {
	[WIRE_SYMBOLS] = 1024u << 10,     [WIRE_SECTIONS] = 384u << 10, [WIRE_IMPORTS] = 384u << 10,
	[WIRE_RELOCATIONS] = 1024u << 10, [WIRE_EXPORTS] = 768u << 10,
};

static void list_begin(struct elf_inspection *in, enum wire_text which)
{
	in->list =
		(struct elf_list){ .text = (char *)in->table + in->used, .max = list_max[which] };
}

static void list_end(struct elf_inspection *in, enum wire_text which)
{
	in->table->texts[which].offset = (uint32_t)in->used;
	in->table->texts[which].bytes = (uint32_t)elf_list_end(&in->list);
	in->used += in->table->texts[which].bytes;
}

/* ---- names ----------------------------------------------------------------------------------- */

static const char *label(const char *name, char out[ELF_LINE])
{
	if (!name || *name == '\0')
		return "-";
	(void)elf_escape(name, strnlen(name, ELF_LINE), out, ELF_LINE);
	return out;
}

static const char *symbol_name(struct elf_inspection *in, const GElf_Sym *symbol)
{
	const char *name = elf_strptr(in->elf, in->symbol_names, symbol->st_name);

	if ((!name || *name == '\0') && GELF_ST_TYPE(symbol->st_info) == STT_SECTION)
		return elf_inspect_section_name(in, symbol->st_shndx);
	return name;
}

static const char *symbol_place(struct elf_inspection *in, const GElf_Sym *symbol)
{
	switch (symbol->st_shndx) {
	case SHN_UNDEF:
		return "UNDEF";
	case SHN_ABS:
		return "ABS";
	case SHN_COMMON:
	case SHN_X86_64_LCOMMON:
		return "COMMON";
	case SHN_XINDEX:
		return "XINDEX";
	default:
		return label(elf_inspect_section_name(in, symbol->st_shndx), in->label2);
	}
}

/* ---- lists ----------------------------------------------------------------------------------- */

void elf_inspect_sections(struct elf_inspection *in)
{
	char type[ELF_NUMBER];
	char flags[ELF_NUMBER];
	GElf_Shdr section;

	list_begin(in, WIRE_SECTIONS);
	for (uint32_t i = 1; i < in->facts.nsections; i++) {
		if (elf_list_full(&in->list)) {
			in->list.more += in->facts.nsections - i;
			break;
		}
		if (!gelf_getshdr(elf_getscn(in->elf, i), &section))
			continue;
		elf_list_add(&in->list, "%u %s %s %s %ju %ju\n", i,
			     label(elf_inspect_section_name(in, i), in->label),
			     elf_section_type_name(in->facts.machine, section.sh_type, type),
			     elf_flag_letters(section.sh_flags, flags), (uintmax_t)section.sh_size,
			     (uintmax_t)section.sh_addralign);
	}
	list_end(in, WIRE_SECTIONS);
}

void elf_inspect_symbols(struct elf_inspection *in)
{
	char type[ELF_NUMBER];
	char bind[ELF_NUMBER];
	GElf_Sym symbol;

	list_begin(in, WIRE_SYMBOLS);
	for (size_t i = 1; i < in->nsymbols; i++) {
		if (elf_list_full(&in->list)) {
			in->list.more += in->nsymbols - i;
			break;
		}
		if (!gelf_getsym(in->symbols, (int)i, &symbol))
			continue;
		elf_list_add(&in->list, "%s %s %s %s 0x%jx %ju\n",
			     label(symbol_name(in, &symbol), in->label),
			     elf_symbol_type_name(GELF_ST_TYPE(symbol.st_info), type),
			     elf_symbol_bind_name(GELF_ST_BIND(symbol.st_info), bind),
			     symbol_place(in, &symbol), (uintmax_t)symbol.st_value,
			     (uintmax_t)symbol.st_size);
	}
	list_end(in, WIRE_SYMBOLS);
}

/* Global, in executable text, and not the label of data. */
static bool exported(struct elf_inspection *in, const GElf_Sym *symbol)
{
	unsigned type = GELF_ST_TYPE(symbol->st_info);
	GElf_Shdr section;
	Elf_Scn *scn;

	if (GELF_ST_BIND(symbol->st_info) == STB_LOCAL || symbol->st_shndx == SHN_UNDEF)
		return false;
	if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE)
		return false;
	scn = elf_getscn(in->elf, symbol->st_shndx);
	return scn && gelf_getshdr(scn, &section) && (section.sh_flags & SHF_EXECINSTR);
}

void elf_inspect_exports(struct elf_inspection *in)
{
	GElf_Sym symbol;

	list_begin(in, WIRE_EXPORTS);
	for (size_t i = 1; i < in->nsymbols; i++) {
		const char *name;

		if (!gelf_getsym(in->symbols, (int)i, &symbol) || !exported(in, &symbol))
			continue;
		name = elf_strptr(in->elf, in->symbol_names, symbol.st_name);
		if (name && *name != '\0')
			elf_list_add(&in->list, "%s\n",
				     elf_list_full(&in->list) ? "" : label(name, in->label));
	}
	list_end(in, WIRE_EXPORTS);
}

static bool is_import(struct elf_inspection *in, size_t i, const GElf_Sym *symbol, const char *name)
{
	if (symbol->st_shndx != SHN_UNDEF || !name || *name == '\0')
		return false;
	if (in->wanted && !in->wanted[i])
		return false;
	return !elf_linker_makes(name);
}

void elf_inspect_imports(struct elf_inspection *in)
{
	GElf_Sym symbol;

	list_begin(in, WIRE_IMPORTS);
	for (size_t i = 1; i < in->nsymbols; i++) {
		const char *state = "ok";
		const char *name;

		if (!gelf_getsym(in->symbols, (int)i, &symbol))
			continue;
		name = elf_strptr(in->elf, in->symbol_names, symbol.st_name);
		if (!is_import(in, i, &symbol, name))
			continue;
		if (GELF_ST_TYPE(symbol.st_info) == STT_TLS || !elf_provides(name))
			state = GELF_ST_BIND(symbol.st_info) == STB_WEAK ? "weak" : "missing";
		in->table->missing += *state == 'm';
		elf_list_add(&in->list, "%s %s\n",
			     elf_list_full(&in->list) ? "" : label(name, in->label), state);
	}
	list_end(in, WIRE_IMPORTS);
}

static void list_reloc(struct elf_inspection *in, const GElf_Rela *rela, const char *section)
{
	char number[ELF_NUMBER];
	const char *name = NULL;
	GElf_Sym symbol;
	size_t index = GELF_R_SYM(rela->r_info);

	if (index != 0 && index < in->nsymbols && gelf_getsym(in->symbols, (int)index, &symbol)) {
		if (in->wanted)
			in->wanted[index] = 1;
		name = elf_list_full(&in->list) ? NULL : symbol_name(in, &symbol);
	}
	if (elf_list_full(&in->list))
		in->list.more++;
	else
		elf_list_add(
			&in->list, "%s 0x%jx %s %s %jd\n", section, (uintmax_t)rela->r_offset,
			elf_reloc_type_name(in->facts.machine, GELF_R_TYPE(rela->r_info), number),
			label(name, in->label), (intmax_t)rela->r_addend);
}

static void list_relocs(struct elf_inspection *in, uint32_t i, const GElf_Shdr *table)
{
	Elf_Data *data = elf_getdata(elf_getscn(in->elf, i), NULL);
	uint32_t target = in->facts.type == ET_REL ? table->sh_info : i;
	const char *section = label(elf_inspect_section_name(in, target), in->label2);
	size_t n = table->sh_size / sizeof(Elf64_Rela);
	GElf_Rela rela;

	for (size_t k = 0; data && k < n && gelf_getrela(data, (int)k, &rela); k++)
		list_reloc(in, &rela, section);
}

/* Notes on the way which symbols are wanted. */
void elf_inspect_relocations(struct elf_inspection *in)
{
	uint64_t left = in->size; /* tables that share bytes would multiply the work */
	GElf_Shdr section;
	GElf_Shdr target;

	list_begin(in, WIRE_RELOCATIONS);
	for (uint32_t i = 1; i < in->facts.nsections; i++) {
		if (!gelf_getshdr(elf_getscn(in->elf, i), &section) || section.sh_type != SHT_RELA)
			continue;
		if (in->facts.type == ET_REL &&
		    (!gelf_getshdr(elf_getscn(in->elf, section.sh_info), &target) ||
		     !elf_loaded(&target)))
			continue;
		if (section.sh_link != in->symbol_table || section.sh_size > left)
			continue;
		left -= section.sh_size;
		list_relocs(in, i, &section);
	}
	list_end(in, WIRE_RELOCATIONS);
}
