/* SPDX-License-Identifier: MIT */
/*
 * The first pass of a link: judges every relocation, and decides where everything will stand.
 *
 * Slots and stubs are counted without memory of which symbol has one already, so their numbers are
 * bounds: no more than there are relocations that ask, and no more than there are symbols.
 */
#include "elf_link.h"

#include <errno.h>
#include <string.h>

int elf_advance(uint64_t *cursor, uint64_t align, uint64_t bytes, uint64_t *at_out)
{
	uint64_t at = align > 1 ? (*cursor + align - 1) & ~(align - 1) : *cursor;

	if (bytes > ELF_IMAGE_MAX || at > ELF_IMAGE_MAX - bytes)
		return -E2BIG;
	*cursor = at + bytes;
	*at_out = at;
	return 0;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void widen(uint64_t *align, uint64_t wanted)
{
	if (wanted > *align)
		*align = wanted;
}

/* ---- symbols --------------------------------------------------------------------------------- */

bool elf_is_ifunc(const struct elf_object *object, uint32_t i, const Elf64_Sym *symbol)
{
	uint32_t index;
	Elf64_Shdr section;

	if (ELF64_ST_TYPE(symbol->st_info) != STT_GNU_IFUNC)
		return false;
	index = elf_symbol_section(object, i, symbol);
	if (index == SHN_UNDEF || index >= object->nsections)
		return false;
	section = elf_section(object, index);
	return elf_loaded(&section) && (section.sh_flags & SHF_EXECINSTR) &&
	       symbol->st_value < section.sh_size;
}

static const char *defined_fault(const struct elf_object *object, uint32_t index,
				 const Elf64_Sym *symbol, bool *threaded_out)
{
	Elf64_Shdr section = elf_section(object, index);

	if (!elf_loaded(&section))
		return "the symbol's section is not loaded";
	if (symbol->st_value > section.sh_size)
		return "the symbol lies outside of its section";
	*threaded_out = section.sh_flags & SHF_TLS;
	if (ELF64_ST_TYPE(symbol->st_info) == STT_TLS && !*threaded_out)
		return "the symbol is thread-local and its section is not";
	if (ELF64_ST_TYPE(symbol->st_info) == STT_GNU_IFUNC && !(section.sh_flags & SHF_EXECINSTR))
		return "the symbol's resolver is not in executable text";
	if (ELF64_ST_TYPE(symbol->st_info) == STT_GNU_IFUNC && symbol->st_value >= section.sh_size)
		return "the symbol's resolver is not in executable text";
	return NULL;
}

static const char *symbol_fault(const struct elf_object *object, const struct elf_reloc *reloc)
{
	enum elf_formula formula = reloc->type->formula;
	bool threaded = false;
	Elf64_Sym symbol;
	uint32_t index;
	const char *why;

	if (reloc->symbol == 0)
		return elf_threaded(formula) ? "it needs a thread-local symbol" : NULL;
	symbol = elf_symbol(object, reloc->symbol);
	if (symbol.st_name != 0 && symbol.st_name >= object->name_bytes)
		return "the symbol's name is not in the string table";
	index = elf_symbol_section(object, reloc->symbol, &symbol);
	if (index == SHN_UNDEF && ELF64_ST_BIND(symbol.st_info) == STB_LOCAL)
		return "the symbol is local and not defined";
	if (index == ELF_UNKNOWN)
		return "the symbol's section does not exist";
	if (index == ELF_COMMON && ELF64_ST_TYPE(symbol.st_info) == STT_TLS)
		return "the symbol is common and thread-local";
	if (index == SHN_UNDEF) {
		threaded = ELF64_ST_TYPE(symbol.st_info) == STT_TLS;
	} else if (index < object->nsections) {
		why = defined_fault(object, index, &symbol, &threaded);
		if (why)
			return why;
	}
	if (formula == ELF_F_SIZE || formula == ELF_F_TLSLD || threaded == elf_threaded(formula))
		return NULL;
	return threaded ? "the symbol is thread-local" : "the symbol is not thread-local";
}

int elf_symbol_check(const struct elf_object *object, const struct elf_reloc *reloc,
		     struct elf_error *err)
{
	const char *why = reloc->type->formula == ELF_F_NONE ? NULL : symbol_fault(object, reloc);

	return why ? elf_reloc_refuse(object, reloc, why, err) : 0;
}

/* ---- counting -------------------------------------------------------------------------------- */

static int count_symbols(const struct elf_object *object, struct elf_plan *plan,
			 struct elf_error *err)
{
	plan->counts.symbols = object->nsymbols;
	for (uint32_t i = 1; i < object->nsymbols; i++) {
		Elf64_Sym symbol = elf_symbol(object, i);

		if (symbol.st_shndx == SHN_UNDEF)
			plan->counts.undefined++;
		else if (elf_is_ifunc(object, i, &symbol))
			plan->counts.ifuncs++;
	}
	if (plan->counts.ifuncs > ELF_INITS_MAX)
		return elf_refuse(err, -E2BIG, "%ju IFUNC symbols are more than %u",
				  (uintmax_t)plan->counts.ifuncs, ELF_INITS_MAX);
	return 0;
}

static void count_reloc(const struct elf_object *object, const struct elf_reloc *reloc,
			struct elf_counts *counts)
{
	switch ((enum elf_formula)reloc->type->formula) {
	case ELF_F_GOT:
	case ELF_F_GOTPCREL:
		counts->got++;
		break;
	case ELF_F_GOTTPOFF:
		counts->ie++;
		break;
	case ELF_F_TLSGD:
		counts->gd++;
		break;
	case ELF_F_TLSLD:
		counts->ld = 1;
		break;
	case ELF_F_TLSDESC:
		counts->desc++;
		break;
	case ELF_F_ABS:
	case ELF_F_PC:
	case ELF_F_PLT:
		/* An import may stand beyond the reach of 32 bits; a stub never does. */
		if (reloc->type->width <= 4 && reloc->symbol != 0 &&
		    elf_symbol(object, reloc->symbol).st_shndx == SHN_UNDEF)
			counts->imports++;
		break;
	default:
		break;
	}
}

static int count_section(const struct elf_object *object, const Elf64_Shdr *rela,
			 struct elf_plan *plan, struct elf_error *err)
{
	uint64_t n = elf_reloc_count(rela);
	int rc = 0;

	for (uint64_t i = 0; rc == 0 && i < n; i++) {
		struct elf_reloc reloc;

		rc = elf_reloc_read(object, rela, i, &reloc, err);
		rc = rc ?: elf_symbol_check(object, &reloc, err);
		if (rc == 0)
			count_reloc(object, &reloc, &plan->counts);
	}
	return rc;
}

/* Tables that share bytes would make the work a product of two numbers that the file chooses. */
static int count_relocs(const struct elf_object *object, struct elf_plan *plan,
			struct elf_error *err)
{
	uint64_t left = object->size;

	for (uint32_t i = 1; i < object->nsections; i++) {
		Elf64_Shdr section = elf_section(object, i);
		int rc = elf_reloc_section(object, &section, err);

		if (rc == 1) {
			if (section.sh_size > left)
				return elf_refuse(err, -ENOEXEC, "tables of relocations overlap");
			left -= section.sh_size;
			rc = count_section(object, &section, plan, err);
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void bound_counts(struct elf_counts *counts)
{
	counts->got = smaller(counts->got, counts->symbols + 1);
	counts->ie = smaller(counts->ie, counts->symbols + 1);
	counts->gd = smaller(counts->gd, counts->symbols + 1);
	counts->desc = smaller(counts->desc, counts->symbols + 1);
	counts->imports = smaller(counts->imports, counts->undefined);
}

/* ---- placing --------------------------------------------------------------------------------- */

static enum elf_segment_kind segment_of(const Elf64_Shdr *section)
{
	if (section->sh_flags & SHF_EXECINSTR)
		return ELF_TEXT;
	return section->sh_flags & SHF_WRITE ? ELF_DATA : ELF_RODATA;
}

static int place_sections(const struct elf_object *object, enum elf_segment_kind kind,
			  uint64_t *cursor, struct elf_layout *layout, uint64_t *offsets)
{
	uint64_t at;

	for (uint32_t i = 1; i < object->nsections; i++) {
		Elf64_Shdr section = elf_section(object, i);

		if (!elf_loaded(&section) || (section.sh_flags & SHF_TLS) ||
		    segment_of(&section) != kind)
			continue;
		widen(&layout->align, section.sh_addralign);
		if (elf_advance(cursor, section.sh_addralign, section.sh_size, &at) != 0)
			return -E2BIG;
		if (offsets)
			offsets[i] = at;
	}
	return 0;
}

/* The block begins with what has bytes in the file. */
static int place_threaded(const struct elf_object *object, bool nobits, struct elf_layout *layout,
			  uint64_t *offsets)
{
	uint64_t at;

	for (uint32_t i = 1; i < object->nsections; i++) {
		Elf64_Shdr section = elf_section(object, i);

		if (!elf_loaded(&section) || !(section.sh_flags & SHF_TLS) ||
		    (section.sh_type == SHT_NOBITS) != nobits)
			continue;
		widen(&layout->tls_align, section.sh_addralign);
		if (elf_advance(&layout->tls_bytes, section.sh_addralign, section.sh_size, &at) !=
		    0)
			return -E2BIG;
		if (offsets)
			offsets[i] = at;
	}
	return 0;
}

static int place_tls(const struct elf_object *object, uint64_t *cursor, struct elf_layout *layout,
		     uint64_t *offsets)
{
	int rc;

	layout->tls_align = 1;
	rc = place_threaded(object, false, layout, offsets);
	layout->tls_file_bytes = layout->tls_bytes;
	rc = rc ?: place_threaded(object, true, layout, offsets);
	widen(&layout->align, layout->tls_align);
	return rc
		       ?: elf_advance(cursor, layout->tls_align, layout->tls_file_bytes,
				      &layout->tls_offset);
}

static int place_slots(struct elf_plan *plan, uint64_t *cursor)
{
	const struct elf_counts *counts = &plan->counts;
	int rc;

	rc = elf_advance(cursor, 16, 8 * counts->got, &plan->got_offset);
	rc = rc ?: elf_advance(cursor, 8, 8 * counts->ie, &plan->ie_offset);
	rc = rc ?: elf_advance(cursor, 16, 16 * counts->gd, &plan->gd_offset);
	rc = rc ?: elf_advance(cursor, 16, 16 * counts->ld, &plan->ld_offset);
	rc = rc ?: elf_advance(cursor, 16, 16 * counts->desc, &plan->desc_offset);
	return rc
		       ?: elf_advance(cursor, 8, 8 * (counts->imports + counts->ifuncs),
				      &plan->slot_offset);
}

static int place_common(const struct elf_object *object, uint64_t *cursor, struct elf_plan *plan,
			struct elf_error *err)
{
	char label[ELF_LABEL];
	uint64_t at;

	plan->common_offset = *cursor;
	for (uint32_t i = 1; i < object->nsymbols; i++) {
		Elf64_Sym symbol = elf_symbol(object, i);

		if (elf_symbol_section(object, i, &symbol) != ELF_COMMON)
			continue;
		/* The value of a common symbol is its alignment. */
		if ((symbol.st_value & (symbol.st_value - 1)) != 0 ||
		    symbol.st_value > ELF_ALIGN_MAX)
			return elf_refuse(err, -ENOEXEC,
					  "common symbol '%s' has the alignment 0x%jx",
					  elf_label(object, i, label), (uintmax_t)symbol.st_value);
		widen(&plan->layout.align, symbol.st_value);
		if (elf_advance(cursor, symbol.st_value, symbol.st_size, &at) != 0)
			return elf_refuse(
				err, -E2BIG,
				"common symbol '%s' of %ju bytes makes the image too large",
				elf_label(object, i, label), (uintmax_t)symbol.st_size);
	}
	return 0;
}

static int close_segment(struct elf_layout *layout, enum elf_segment_kind kind, uint64_t *cursor)
{
	uint64_t start = kind == ELF_TEXT ? 0
					  : layout->segments[kind - 1].offset +
						    layout->segments[kind - 1].bytes;
	uint64_t end;

	if (elf_advance(cursor, ELF_PAGE, 0, &end) != 0)
		return -E2BIG;
	layout->segments[kind].offset = start;
	layout->segments[kind].bytes = end - start;
	layout->image_bytes = end;
	return 0;
}

static int place_all(const struct elf_object *object, struct elf_plan *plan, uint64_t *offsets,
		     struct elf_error *err)
{
	struct elf_layout *layout = &plan->layout;
	uint64_t stubs = plan->counts.imports + plan->counts.ifuncs;
	uint64_t cursor = 0;
	int rc;

	rc = place_sections(object, ELF_TEXT, &cursor, layout, offsets);
	rc = rc ?: elf_advance(&cursor, ELF_STUB_BYTES, ELF_STUB_BYTES * stubs, &plan->plt_offset);
	rc = rc ?: close_segment(layout, ELF_TEXT, &cursor);
	rc = rc ?: place_sections(object, ELF_RODATA, &cursor, layout, offsets);
	rc = rc ?: place_tls(object, &cursor, layout, offsets);
	rc = rc ?: place_slots(plan, &cursor);
	rc = rc ?: close_segment(layout, ELF_RODATA, &cursor);
	rc = rc ?: place_sections(object, ELF_DATA, &cursor, layout, offsets);
	if (rc != 0)
		return elf_refuse(err, rc, "the image would be larger than %llu bytes",
				  ELF_IMAGE_MAX);
	rc = place_common(object, &cursor, plan, err);
	if (rc != 0)
		return rc;
	if (cursor == 0)
		cursor = 1; /* an empty object is an image, too: no mapping has 0 bytes */
	if (close_segment(layout, ELF_DATA, &cursor) != 0)
		return elf_refuse(err, -E2BIG, "the image would be larger than %llu bytes",
				  ELF_IMAGE_MAX);
	return 0;
}

/* Sections that share bytes would make an image larger than its file without a word about it. */
static int check_bytes(const struct elf_object *object, struct elf_error *err)
{
	uint64_t left = object->size;

	for (uint32_t i = 1; i < object->nsections; i++) {
		Elf64_Shdr section = elf_section(object, i);

		if (!elf_loaded(&section) || section.sh_type == SHT_NOBITS)
			continue;
		if (section.sh_size > left)
			return elf_refuse(err, -ENOEXEC, "loaded sections overlap in the file");
		left -= section.sh_size;
	}
	return 0;
}

int elf_plan(const struct elf_object *object, struct elf_plan *plan, uint64_t *offsets,
	     struct elf_error *err)
{
	int rc;

	memset(plan, 0, sizeof(*plan));
	plan->layout.align = ELF_PAGE;
	rc = check_bytes(object, err);
	rc = rc ?: count_symbols(object, plan, err);
	rc = rc ?: count_relocs(object, plan, err);
	if (rc != 0)
		return rc;
	bound_counts(&plan->counts);
	if (offsets)
		memset(offsets, 0xff, object->nsections * sizeof(*offsets));
	rc = place_all(object, plan, offsets, err);
	plan->layout.scratch_bytes = elf_scratch_bytes(object);
	return rc;
}

int elf_measure(const void *file, size_t size, struct elf_layout *out, struct elf_error *err)
{
	struct elf_object object;
	struct elf_plan plan;
	int rc;

	rc = elf_object_open(&object, file, size, err);
	rc = rc ?: elf_plan(&object, &plan, NULL, err);
	if (rc == 0)
		*out = plan.layout;
	return rc;
}
