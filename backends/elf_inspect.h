/* SPDX-License-Identifier: MIT */
/*
 * What the files of the inspection share. Used by one thread, on a private copy of the file, in a
 * process that ends after it.
 */
#ifndef ELF_INSPECT_H
#define ELF_INSPECT_H

#include "elf.h"
#include "elf_link.h"
#include "jailed/wire.h"

#include <gelf.h>
#include <libelf.h>

#define ELF_NUMBER 16 /* bytes of a number's name that has none */

/* ---- checks before libelf sees the file: elf_inspect_check.c --------------------------------- */

struct elf_facts {
	uint32_t type, machine;
	uint32_t nsections;
};

/* Headers, sections, program headers: 0, or -ENOEXEC with a sentence. */
int elf_check(const void *file, size_t size, struct elf_facts *out, struct elf_error *err);

/* ---- names: elf_inspect_names.c: a constant, or out ------------------------------------------ */

const char *elf_section_type_name(uint32_t machine, uint32_t type, char out[ELF_NUMBER]);
const char *elf_symbol_type_name(uint32_t type, char out[ELF_NUMBER]);
const char *elf_symbol_bind_name(uint32_t bind, char out[ELF_NUMBER]);
const char *elf_reloc_type_name(uint32_t machine, uint32_t type, char out[ELF_NUMBER]);
const char *elf_flag_letters(uint64_t flags, char out[ELF_NUMBER]);

/* ---- lists: elf_inspect_list.c --------------------------------------------------------------- */

/* Lines that are appended until the list is full; those past it are counted. */
struct elf_list {
	char *text; /* borrowed: a part of the table */
	size_t used, max;
	uint64_t more;
};

__attribute__((format(printf, 2, 3))) void elf_list_add(struct elf_list *list, const char *format,
							...);
/* Appends "... N more" where lines were left out; returns the length. */
size_t elf_list_end(struct elf_list *list);
static inline bool elf_list_full(const struct elf_list *list)
{
	return list->more != 0;
}

/* ---- what libelf says: elf_inspect.c, elf_inspect_tables.c ----------------------------------- */

#define ELF_LINE 1024 /* bytes of an escaped name in a list, with NUL */

struct elf_inspection {
	struct wire_table *table;
	size_t size; /* of the file */
	struct elf_facts facts;
	struct elf_error err;
	Elf *elf;          /* owned */
	uint32_t names;    /* section that names the sections */
	Elf_Data *symbols; /* borrowed from elf; NULL: none */
	size_t nsymbols;
	uint32_t symbol_names; /* section */
	uint32_t symbol_table; /* section */
	unsigned char *wanted; /* owned: of each symbol, whether what is loaded refers to it */
	struct elf_list list;  /* the one being written */
	size_t used;           /* of the table */
	char label[ELF_LINE], label2[ELF_LINE];
};

/* NULL: it has none */
const char *elf_inspect_section_name(struct elf_inspection *in, uint32_t i);
/* Each writes one text of the table; the relocations first, since they tell which symbols are
 * wanted. */
void elf_inspect_sections(struct elf_inspection *in);
void elf_inspect_symbols(struct elf_inspection *in);
void elf_inspect_relocations(struct elf_inspection *in);
void elf_inspect_imports(struct elf_inspection *in);
void elf_inspect_exports(struct elf_inspection *in);

#endif
