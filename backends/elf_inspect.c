/* SPDX-License-Identifier: MIT */
/*
 * The judgement on one ELF file: what it is, whether it is accepted, and what is in it.
 *
 * The file has passed elf_check() before libelf sees it, and each index that libelf returns is
 * checked again.
 */
#include "elf_inspect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPEC_NAME ".sandboxfs"
#define SPEC_MAX  (64u << 10)

const char *elf_inspect_section_name(struct elf_inspection *in, uint32_t i)
{
	GElf_Shdr section;

	if (in->names == 0 || !gelf_getshdr(elf_getscn(in->elf, i), &section))
		return NULL;
	return elf_strptr(in->elf, in->names, section.sh_name);
}

/* ---- the specification ----------------------------------------------------------------------- */

/* The length of one character of text in UTF-8, or 0. Tab and newline are the only control
 * characters. */
static size_t character(const unsigned char *text, size_t left)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = *text < 0x80       ? 1
		     : *text >> 5 == 6  ? 2
		     : *text >> 4 == 14 ? 3
		     : *text >> 3 == 30 ? 4
					: 0;
	uint32_t c;

	if (len == 1)
		return (*text >= ' ' && *text != 0x7f) || *text == '\n' || *text == '\t';
	if (len == 0 || len > left)
		return 0;
	c = *text & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if (text[i] >> 6 != 2)
			return 0;
		c = c << 6 | (text[i] & 0x3f);
	}
	return c < least[len] || c < 0xa0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : len;
}

static int take_spec(struct elf_inspection *in, const unsigned char *text, uint64_t bytes)
{
	/* What a compiler makes of a string ends with NUL, and may be padded with more. */
	while (bytes > 0 && text[bytes - 1] == '\0')
		bytes--;
	if (bytes > SPEC_MAX)
		return elf_refuse(&in->err, -ENOEXEC,
				  "the specification in section " SPEC_NAME
				  " has %ju bytes, at most %u "
				  "are possible",
				  (uintmax_t)bytes, SPEC_MAX);
	for (size_t at = 0; at < bytes;) {
		size_t len = character(text + at, bytes - at);

		if (len == 0)
			return elf_refuse(&in->err, -ENOEXEC,
					  "the specification in section " SPEC_NAME
					  " is not text: byte %zu is \\x%02x",
					  at, text[at]);
		at += len;
	}
	memcpy((char *)in->table + in->used, text, bytes);
	in->table->texts[WIRE_SPEC].offset = (uint32_t)in->used;
	in->table->texts[WIRE_SPEC].bytes = (uint32_t)bytes;
	in->used += bytes;
	return 0;
}

static int find_spec(struct elf_inspection *in, const unsigned char *file)
{
	bool found = false;

	for (uint32_t i = 1; i < in->facts.nsections; i++) {
		const char *name = elf_inspect_section_name(in, i);
		GElf_Shdr section;
		int rc;

		if (!name || strcmp(name, SPEC_NAME) != 0 ||
		    !gelf_getshdr(elf_getscn(in->elf, i), &section))
			continue;
		if (found)
			return elf_refuse(&in->err, -ENOEXEC,
					  "there is more than one section " SPEC_NAME);
		if (section.sh_type != SHT_PROGBITS || (section.sh_flags & SHF_COMPRESSED))
			return elf_refuse(&in->err, -ENOEXEC,
					  "section " SPEC_NAME
					  " is of type 0x%x with flags 0x%jx, not "
					  "plain PROGBITS",
					  section.sh_type, (uintmax_t)section.sh_flags);
		found = true;
		rc = take_spec(in, file + section.sh_offset, section.sh_size);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* An object that can never be linked is refused now, not at its first run. Missing imports may yet
 * come. */
static int check_link(struct elf_inspection *in, const void *file)
{
	struct elf_layout layout;

	if (in->facts.type != ET_REL || in->facts.machine != EM_X86_64)
		return 0;
	return elf_measure(file, in->size, &layout, &in->err) == 0 ? 0 : -ENOEXEC;
}

static int refuse_library(struct elf_inspection *in)
{
	return elf_refuse(&in->err, -ENOEXEC, "libelf: %s", elf_errmsg(-1));
}

/* What a linker sees: all symbols of an object, the dynamic ones of anything else that has them. */
static int find_symbols(struct elf_inspection *in)
{
	bool object = in->facts.type == ET_REL;
	GElf_Shdr section;

	for (uint32_t i = 1; i < in->facts.nsections; i++) {
		if (!gelf_getshdr(elf_getscn(in->elf, i), &section))
			return refuse_library(in);
		if (section.sh_type != SHT_DYNSYM &&
		    (section.sh_type != SHT_SYMTAB || in->symbol_table != 0))
			continue;
		if (section.sh_type == SHT_DYNSYM && object)
			continue;
		in->symbol_table = i;
		in->symbol_names = section.sh_link;
		in->nsymbols = section.sh_size / sizeof(Elf64_Sym);
	}
	if (in->symbol_table == 0 || in->nsymbols == 0)
		return 0;
	in->symbols = elf_getdata(elf_getscn(in->elf, in->symbol_table), NULL);
	if (!in->symbols || in->symbols->d_size / sizeof(Elf64_Sym) < in->nsymbols)
		return refuse_library(in);
	if (object)
		in->wanted = calloc(in->nsymbols, 1);
	return object && !in->wanted
		       ? elf_refuse(&in->err, -ENOEXEC, "too many symbols for the inspector")
		       : 0;
}

static int open_library(struct elf_inspection *in, void *file)
{
	size_t names = 0;

	if (elf_version(EV_CURRENT) == EV_NONE)
		return refuse_library(in);
	in->elf = elf_memory(file, in->size);
	if (!in->elf)
		return refuse_library(in);
	if (in->facts.nsections != 0 && elf_getshdrstrndx(in->elf, &names) != 0)
		return refuse_library(in);
	in->names = (uint32_t)names;
	return find_symbols(in);
}

static int inspect(struct elf_inspection *in, void *file)
{
	int rc;

	rc = elf_check(file, in->size, &in->facts, &in->err);
	if (rc != 0)
		return rc;
	in->table->type = in->facts.type;
	in->table->machine = in->facts.machine;
	rc = check_link(in, file);
	rc = rc ?: open_library(in, file);
	rc = rc ?: find_spec(in, file);
	if (rc != 0)
		return rc;
	elf_inspect_relocations(in);
	elf_inspect_sections(in);
	elf_inspect_symbols(in);
	elf_inspect_imports(in);
	elf_inspect_exports(in);
	return 0;
}

void elf_inspect(void *file, size_t size, struct wire_table *table)
{
	struct elf_inspection in = { .table = table, .size = size, .used = sizeof(*table) };
	int rc = inspect(&in, file);

	elf_end(in.elf);
	free(in.wanted);
	if (rc != 0) {
		memset(table->texts, 0, sizeof(table->texts));
		table->missing = 0;
		memcpy(table->text, in.err.text, sizeof(table->text));
	}
	table->rc = rc;
}
