/* SPDX-License-Identifier: MIT */
/*
 * Objects that lie: each ends in a sentence or in a link, never in a read or a write outside of its memory.
 * deadline: 240
 * single-threaded
 */
#include "elf_fixture.h"
#include "jailed/wire.h"

#define NO_SECTION 0xffffffffu

/* ---- an object made by hand -------------------------------------------------------------------- */

enum { NONE, TEXT, RELA, DATA, SYMTAB, STRTAB, NAMES, SPARE, SECTIONS };
enum { SYM_NULL, SYM_F, SYM_EXTERN, SYM_SPARE, SYMBOLS };

struct object {
	Elf64_Ehdr header;
	Elf64_Shdr sections[SECTIONS];
	Elf64_Sym symbols[SYMBOLS];
	Elf64_Rela relocs[2];
	unsigned char text[16];
	unsigned char data[16];
	uint32_t indexes[SYMBOLS];
	char strings[16];
	char names[64];
};

#define SECTION(number, kind, flag, member, entry, to, about)                                                          \
	object->sections[number] = (Elf64_Shdr){ .sh_type = (kind), .sh_flags = (flag),                                \
						 .sh_offset = offsetof(struct object, member),                         \
						 .sh_size = sizeof(object->member), .sh_entsize = (entry),             \
						 .sh_link = (to), .sh_info = (about), .sh_addralign = 1 }

static void honest(struct object *object)
{
	memset(object, 0, sizeof(*object));
	memcpy(object->header.e_ident, ELFMAG, SELFMAG);
	object->header.e_ident[EI_CLASS] = ELFCLASS64;
	object->header.e_ident[EI_DATA] = ELFDATA2LSB;
	object->header.e_ident[EI_VERSION] = EV_CURRENT;
	object->header.e_type = ET_REL;
	object->header.e_machine = EM_X86_64;
	object->header.e_version = EV_CURRENT;
	object->header.e_shoff = offsetof(struct object, sections);
	object->header.e_ehsize = sizeof(Elf64_Ehdr);
	object->header.e_shentsize = sizeof(Elf64_Shdr);
	object->header.e_shnum = SECTIONS;
	object->header.e_shstrndx = NAMES;
	SECTION(TEXT, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, text, 0, 0, 0);
	SECTION(RELA, SHT_RELA, 0, relocs, sizeof(Elf64_Rela), SYMTAB, TEXT);
	SECTION(DATA, SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, data, 0, 0, 0);
	SECTION(SYMTAB, SHT_SYMTAB, 0, symbols, sizeof(Elf64_Sym), STRTAB, 1);
	SECTION(STRTAB, SHT_STRTAB, 0, strings, 0, 0, 0);
	SECTION(NAMES, SHT_STRTAB, 0, names, 0, 0, 0);
	SECTION(SPARE, SHT_NULL, 0, indexes, 0, 0, 0);
	memcpy(object->strings, "\0f\0extern\0spare", 15);
	memcpy(object->names, "\0.text\0.data\0evil\nname", 22);
	object->sections[TEXT].sh_name = 1;
	object->sections[DATA].sh_name = 7;
	memset(object->text, 0xc3, sizeof(object->text));
	object->symbols[SYM_F] = (Elf64_Sym){ 1, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, TEXT, 0, 1 };
	object->symbols[SYM_EXTERN] = (Elf64_Sym){ 3, ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE), 0, SHN_UNDEF, 0, 0 };
	object->symbols[SYM_SPARE] = (Elf64_Sym){ 10, ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT), 0, DATA, 0, 8 };
	object->relocs[0] = (Elf64_Rela){ 4, ELF64_R_INFO(SYM_EXTERN, R_X86_64_PLT32), -4 };
	object->relocs[1] = (Elf64_Rela){ 12, ELF64_R_INFO(SYM_SPARE, R_X86_64_PC32), -4 };
}

static bool anything(void *arg, const char *name, uint64_t *address_out)
{
	(void)arg;
	*address_out = 0x7f0012345000ull;
	return *name != '\0';
}

static void *copy_of(const void *bytes, size_t size)
{
	void *copy = malloc(size + !size);

	if (!copy)
		abort();
	memcpy(copy, bytes, size);
	return copy;
}

/* ---- one lie at a time ------------------------------------------------------------------------- */

struct lie {
	const char *name;
	void (*tell)(struct object *object);
	const char *sentence; /* part of what is said; NULL: it links all the same */
};

#define LIE(name, ...)                                                                                                 \
	static void name(struct object *o)                                                                             \
	{                                                                                                              \
		__VA_ARGS__;                                                                                           \
	}

LIE(truth, (void)o)
LIE(count_in_section_0, o->header.e_shnum = 0; o->sections[0].sh_size = SECTIONS)
LIE(count_nowhere, o->header.e_shnum = 0)
LIE(count_huge, o->header.e_shnum = 0; o->sections[0].sh_size = 1ull << 58)
LIE(count_65536, o->header.e_shnum = 0; o->sections[0].sh_size = 65536)
LIE(count_65537, o->header.e_shnum = 0; o->sections[0].sh_size = 65537)
LIE(names_in_section_0, o->header.e_shstrndx = SHN_XINDEX; o->sections[0].sh_link = NAMES)
LIE(names_are_text, o->header.e_shstrndx = TEXT)
LIE(names_nowhere, o->header.e_shstrndx = 77)
LIE(headers_at_the_end, o->header.e_shoff = sizeof(*o) - 63)
LIE(headers_wrap, o->header.e_shoff = UINT64_MAX - 63)
LIE(headers_small, o->header.e_shentsize = 40)
LIE(class_32, o->header.e_ident[EI_CLASS] = ELFCLASS32)
LIE(big_endian, o->header.e_ident[EI_DATA] = ELFDATA2MSB)
LIE(abi_gnu, o->header.e_ident[EI_OSABI] = ELFOSABI_GNU)
LIE(abi_arm, o->header.e_ident[EI_OSABI] = ELFOSABI_ARM)
LIE(machine_arm, o->header.e_machine = EM_AARCH64)
LIE(machine_mips, o->header.e_machine = EM_MIPS)
LIE(type_core, o->header.e_type = ET_CORE)
LIE(text_outside, o->sections[TEXT].sh_offset = sizeof(*o) - 15)
LIE(text_wraps, o->sections[TEXT].sh_offset = 16; o->sections[TEXT].sh_size = UINT64_MAX - 8)
LIE(null_with_alloc, o->sections[DATA].sh_type = SHT_NULL; o->sections[DATA].sh_offset = UINT64_MAX)
LIE(bss_huge, o->sections[DATA].sh_type = SHT_NOBITS; o->sections[DATA].sh_size = UINT64_MAX)
LIE(bss_256m, o->sections[DATA].sh_type = SHT_NOBITS; o->sections[DATA].sh_size = 256u << 20)
LIE(bss_large, o->sections[DATA].sh_type = SHT_NOBITS; o->sections[DATA].sh_size = 100u << 20)
LIE(align_2_63, o->sections[TEXT].sh_addralign = 1ull << 63)
LIE(align_3, o->sections[TEXT].sh_addralign = 3)
LIE(align_4m, o->sections[TEXT].sh_addralign = 4u << 20)
LIE(align_2m, o->sections[TEXT].sh_addralign = 2u << 20)
LIE(overlapping, o->sections[DATA].sh_offset = o->sections[TEXT].sh_offset)
LIE(overlapping_whole, o->sections[TEXT].sh_offset = 0; o->sections[TEXT].sh_size = sizeof(*o))
LIE(writable_text, o->sections[TEXT].sh_flags |= SHF_WRITE)
LIE(compressed_text, o->sections[TEXT].sh_flags |= SHF_COMPRESSED)
LIE(link_to_itself, o->sections[SYMTAB].sh_link = SYMTAB)
LIE(link_in_a_ring, o->sections[STRTAB].sh_link = SYMTAB; o->sections[RELA].sh_link = RELA)
LIE(link_outside, o->sections[SYMTAB].sh_link = NO_SECTION)
LIE(strings_endless, memset(o->strings, 'a', sizeof(o->strings)))
LIE(names_endless, memset(o->names, 'a', sizeof(o->names)))
LIE(name_outside, o->symbols[SYM_SPARE].st_name = 16)
LIE(section_name_outside, o->sections[TEXT].sh_name = 64)
LIE(two_tables, o->sections[SPARE] = o->sections[SYMTAB])
LIE(symbol_entries_wrong, o->sections[SYMTAB].sh_entsize = 16)
LIE(symbol_entries_zero, o->sections[SYMTAB].sh_entsize = 0)
LIE(symbols_torn, o->sections[SYMTAB].sh_size -= 1)
LIE(symbols_none, o->sections[SYMTAB].sh_size = 0)
LIE(symbol_past_its_section, o->symbols[SYM_SPARE].st_value = 17)
LIE(symbol_at_the_end, o->symbols[SYM_SPARE].st_value = 16)
LIE(symbol_nowhere, o->symbols[SYM_SPARE].st_shndx = 100)
LIE(symbol_reserved, o->symbols[SYM_SPARE].st_shndx = 0xff77)
LIE(symbol_not_loaded, o->symbols[SYM_SPARE].st_shndx = STRTAB)
LIE(symbol_local_undefined, o->symbols[SYM_EXTERN].st_info = ELF64_ST_INFO(STB_LOCAL, STT_NOTYPE))
LIE(symbol_xindex_alone, o->symbols[SYM_SPARE].st_shndx = SHN_XINDEX)
LIE(symbol_xindex, o->symbols[SYM_SPARE].st_shndx = SHN_XINDEX; o->indexes[SYM_SPARE] = DATA;
    o->sections[SPARE].sh_type = SHT_SYMTAB_SHNDX; o->sections[SPARE].sh_link = SYMTAB)
LIE(symbol_xindex_outside, o->symbols[SYM_SPARE].st_shndx = SHN_XINDEX; o->indexes[SYM_SPARE] = 9999;
    o->sections[SPARE].sh_type = SHT_SYMTAB_SHNDX; o->sections[SPARE].sh_link = SYMTAB)
LIE(symbol_xindex_short, o->symbols[SYM_SPARE].st_shndx = SHN_XINDEX; o->sections[SPARE].sh_type = SHT_SYMTAB_SHNDX;
    o->sections[SPARE].sh_link = SYMTAB; o->sections[SPARE].sh_size = 8)
LIE(xindex_of_text, o->sections[SPARE].sh_type = SHT_SYMTAB_SHNDX; o->sections[SPARE].sh_link = TEXT)
LIE(common_huge, o->symbols[SYM_SPARE].st_shndx = SHN_COMMON; o->symbols[SYM_SPARE].st_size = 1ull << 63)
LIE(common_aligned_huge, o->symbols[SYM_SPARE].st_shndx = SHN_COMMON; o->symbols[SYM_SPARE].st_value = 1ull << 63)
LIE(common_aligned_odd, o->symbols[SYM_SPARE].st_shndx = SHN_COMMON; o->symbols[SYM_SPARE].st_value = 24)
LIE(common, o->symbols[SYM_SPARE].st_shndx = SHN_COMMON; o->symbols[SYM_SPARE].st_value = 64)
LIE(common_thread, o->symbols[SYM_SPARE].st_shndx = SHN_COMMON; o->symbols[SYM_SPARE].st_info = ELF64_ST_INFO(1, STT_TLS))
LIE(thread_without_data, o->symbols[SYM_SPARE].st_info = ELF64_ST_INFO(1, STT_TLS))
LIE(thread_formula, o->relocs[1].r_info = ELF64_R_INFO(SYM_SPARE, R_X86_64_TPOFF32))
LIE(thread_of_nothing, o->relocs[1].r_info = ELF64_R_INFO(0, R_X86_64_TLSGD))
LIE(thread_section, o->sections[DATA].sh_flags |= SHF_TLS; o->relocs[1].r_info = ELF64_R_INFO(SYM_SPARE, R_X86_64_TPOFF32))
LIE(thread_huge, o->sections[DATA].sh_flags |= SHF_TLS; o->sections[DATA].sh_type = SHT_NOBITS;
    o->sections[DATA].sh_size = 1ull << 62; o->relocs[1].r_info = 0)
LIE(resolver_in_data, o->symbols[SYM_SPARE].st_info = ELF64_ST_INFO(1, STT_GNU_IFUNC))
LIE(resolver_at_the_end, o->symbols[SYM_F].st_info = ELF64_ST_INFO(1, STT_GNU_IFUNC); o->symbols[SYM_F].st_value = 16;
    o->relocs[1].r_info = ELF64_R_INFO(SYM_F, R_X86_64_PC32))
LIE(reloc_at_the_last_byte, o->relocs[1].r_offset = 15)
LIE(reloc_far_outside, o->relocs[1].r_offset = UINT64_MAX - 1)
LIE(reloc_of_no_symbol, o->relocs[1].r_info = ELF64_R_INFO(SYMBOLS, R_X86_64_PC32))
LIE(reloc_unknown, o->relocs[1].r_info = ELF64_R_INFO(SYM_SPARE, 250))
LIE(reloc_too_far, o->relocs[1].r_addend = INT64_MAX)
LIE(reloc_for_itself, o->sections[RELA].sh_info = RELA)
LIE(reloc_for_nothing, o->sections[RELA].sh_info = NO_SECTION)
LIE(reloc_other_symbols, o->sections[RELA].sh_link = STRTAB)
LIE(reloc_without_addends, o->sections[RELA].sh_type = SHT_REL)
LIE(reloc_compact, o->sections[RELA].sh_type = 0x40000014)
LIE(reloc_of_wrong_size, o->sections[RELA].sh_entsize = 23)
LIE(reloc_in_bss, o->sections[RELA].sh_info = DATA; o->sections[DATA].sh_type = SHT_NOBITS)
LIE(name_with_newline, o->sections[TEXT].sh_name = 13; o->relocs[1].r_offset = 15)
LIE(init_without_name, o->sections[DATA].sh_type = SHT_INIT_ARRAY; o->sections[DATA].sh_name = 0)

#define ROW(name, sentence) { #name, name, sentence }

static const struct lie lies[] = {
	ROW(truth, NULL),
	ROW(count_in_section_0, NULL),
	ROW(count_nowhere, "0 section headers"),
	ROW(count_huge, "sections are more than"),
	ROW(count_65536, "do not lie within the file"),
	ROW(count_65537, "65537 sections are more than 65536"),
	ROW(names_in_section_0, NULL),
	ROW(names_are_text, "is no string table"),
	ROW(names_nowhere, "string table 77 is not one of 8 sections"),
	ROW(headers_at_the_end, "lie outside of the file"),
	ROW(headers_wrap, "lie outside of the file"),
	ROW(headers_small, "40 bytes instead of 64"),
	ROW(class_32, "not 64-bit"),
	ROW(big_endian, "not little-endian"),
	ROW(abi_gnu, NULL),
	ROW(abi_arm, "neither System V nor GNU"),
	ROW(machine_arm, "aarch64 are not linked yet"),
	ROW(machine_mips, "machine 8"),
	ROW(type_core, "type 4"),
	ROW(text_outside, "section 1 '.text' lies outside of the file"),
	ROW(text_wraps, "section 1 '.text' lies outside of the file"),
	ROW(null_with_alloc, "section is not loaded"),
	ROW(bss_huge, "larger than"),
	ROW(bss_256m, "larger than"),
	ROW(bss_large, NULL),
	ROW(align_2_63, "aligned to more than 2 MiB"),
	ROW(align_3, "no power of two"),
	ROW(align_4m, "aligned to more than 2 MiB"),
	ROW(align_2m, NULL),
	ROW(overlapping, NULL),
	ROW(overlapping_whole, "loaded sections overlap"),
	ROW(writable_text, "writable and executable"),
	ROW(compressed_text, "loaded and compressed"),
	ROW(link_to_itself, "is no string table"),
	ROW(link_in_a_ring, "refer to symbol table 2"),
	ROW(link_outside, "string table"),
	ROW(strings_endless, "does not end with NUL"),
	ROW(names_endless, "does not end with NUL"),
	ROW(name_outside, "name is not in the string table"),
	ROW(section_name_outside, "has a name outside of the string table"),
	ROW(two_tables, "second symbol table"),
	ROW(symbol_entries_wrong, "symbols of 24 bytes"),
	ROW(symbol_entries_zero, "symbols of 24 bytes"),
	ROW(symbols_torn, "symbols of 24 bytes"),
	ROW(symbols_none, "there is no such symbol"),
	ROW(symbol_past_its_section, "lies outside of its section"),
	ROW(symbol_at_the_end, NULL),
	ROW(symbol_nowhere, "section does not exist"),
	ROW(symbol_reserved, "section does not exist"),
	ROW(symbol_not_loaded, "section is not loaded"),
	ROW(symbol_local_undefined, "local and not defined"),
	ROW(symbol_xindex_alone, "section does not exist"),
	ROW(symbol_xindex, NULL),
	ROW(symbol_xindex_outside, "section does not exist"),
	ROW(symbol_xindex_short, "section does not exist"),
	ROW(xindex_of_text, "extends no symbol table"),
	ROW(common_huge, "makes the image too large"),
	ROW(common_aligned_huge, "has the alignment"),
	ROW(common_aligned_odd, "has the alignment"),
	ROW(common, NULL),
	ROW(common_thread, "common and thread-local"),
	ROW(thread_without_data, "thread-local and its section is not"),
	ROW(thread_formula, "is not thread-local"),
	ROW(thread_of_nothing, "needs a thread-local symbol"),
	ROW(thread_section, NULL),
	ROW(thread_huge, "larger than"),
	ROW(resolver_in_data, "resolver is not in executable text"),
	ROW(resolver_at_the_end, "resolver is not in executable text"),
	ROW(reloc_at_the_last_byte, "R_X86_64_PC32 to 'spare' at .text+0xf: it lies outside of its section"),
	ROW(reloc_far_outside, "outside of its section"),
	ROW(reloc_of_no_symbol, "there is no such symbol"),
	ROW(reloc_unknown, "relocation type 250"),
	ROW(reloc_too_far, "does not fit"),
	ROW(reloc_for_itself, NULL),
	ROW(reloc_for_nothing, "relocations for section 4294967295"),
	ROW(reloc_other_symbols, "refer to symbol table 5"),
	ROW(reloc_without_addends, "instead of RELA"),
	ROW(reloc_compact, "instead of RELA"),
	ROW(reloc_of_wrong_size, "are not of 24 bytes"),
	ROW(reloc_in_bss, "no bytes in the file"),
	ROW(name_with_newline, "evil\\x0aname"),
	ROW(init_without_name, "initialiser 0, 0x0, is not in the text"),
};

static void lies_end_in_sentences(void)
{
	struct object object;

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct fixture fixture;
		int rc;

		honest(&object);
		lies[i].tell(&object);
		rc = fixture_link(&fixture, copy_of(&object, sizeof(object)), sizeof(object), anything);
		if (lies[i].sentence)
			CHECK_MSG(rc < 0 && strstr(fixture.err.text, lies[i].sentence), "%s gives %d: %s", lies[i].name, rc,
				  fixture.err.text);
		else
			CHECK_MSG(rc == 0, "%s gives %d: %s", lies[i].name, rc, fixture.err.text);
		fixture_close(&fixture);
	}
}

/* Whatever the linker refuses for its headers, the inspector refuses too; and the other way round it has a sentence. */
static void the_inspector_hears_them_too(void)
{
	struct wire_table *table = calloc(1, WIRE_TABLE_BYTES);
	struct object object;

	REQUIRE(table != NULL);
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct elf_layout layout;
		struct elf_error err;
		void *copy;
		int rc;

		honest(&object);
		lies[i].tell(&object);
		rc = elf_measure(&object, sizeof(object), &layout, &err);
		copy = copy_of(&object, sizeof(object));
		memset(table, 0, WIRE_TABLE_BYTES);
		elf_inspect(copy, sizeof(object), table);
		free(copy);
		CHECK_MSG(table->rc == 0 || (table->rc == -ENOEXEC && table->text[0] != '\0'), "%s: %d", lies[i].name,
			  table->rc);
		CHECK_MSG(rc == 0 || table->rc != 0 || object.header.e_machine == EM_AARCH64, "%s is accepted",
			  lies[i].name);
	}
	free(table);
}

/* ---- every change of a real object's headers ---------------------------------------------------- */

#define IMAGE_MAX   (1u << 20)
#define SCRATCH_MAX (1u << 20)

/* Memory that is used again: its ends are inaccessible, and what was used is zeroed by the kernel. */
struct arena {
	unsigned char *image_end, *scratch_end;
	struct fixture_memory image, scratch;
};

static void arena_open(struct arena *arena)
{
	arena->image_end = (unsigned char *)fixture_map(IMAGE_MAX, 2u << 20, MAP_32BIT, &arena->image) + IMAGE_MAX;
	arena->scratch_end = (unsigned char *)fixture_map(SCRATCH_MAX, 16, 0, &arena->scratch) + SCRATCH_MAX;
}

static void arena_close(struct arena *arena)
{
	munmap(arena->image.map, arena->image.map_bytes);
	munmap(arena->scratch.map, arena->scratch.map_bytes);
}

static int arena_link(struct arena *arena, const void *file, size_t size, struct elf_error *err)
{
	static struct elf_linked linked;
	struct elf_place place = { .import = anything };
	struct elf_layout layout;
	unsigned char *image, *scratch;
	int rc = elf_measure(file, size, &layout, err);

	if (rc != 0 || layout.image_bytes > IMAGE_MAX || layout.scratch_bytes > SCRATCH_MAX)
		return rc;
	image = arena->image_end - layout.image_bytes;
	scratch = arena->scratch_end - ((layout.scratch_bytes + 15) & ~15ull);
	memset(image, 0, layout.image_bytes);
	memset(scratch, 0, layout.scratch_bytes);
	place.base = (uint64_t)(uintptr_t)image & ~(layout.align - 1); /* the address is only a number here */
	place.tls_address = 0x50000000;
	place.thread_pointer = 0x50000000;
	return elf_link(file, size, &layout, &place, image, scratch, &linked, err);
}

static void *real_object(size_t *size_out)
{
	static const char source[] =
		"extern double sin(double); int c[5]; static int t(int x) { return x * 2; } typedef int (*fn)(int);\n"
		"fn tab[] = { t }; static fn ch(void) { return t; } int ifn(int) __attribute__((ifunc(\"ch\")));\n"
		"__thread int v = 3; __thread int *vp = c; extern int w(int) __attribute__((weak));\n"
		"__attribute__((constructor(101))) static void k(void) { c[1] = 2; }\n"
		"double f(int n) { if (w) n += w(n); return sin(n) + tab[n & 0](n) + ifn(n) + v + *vp; }\n";

	return fixture_compile("gcc", "-O1 -fPIC", "real.c", source, size_out);
}

static void every_truncation_ends_well(void)
{
	struct elf_error err;
	struct arena arena;
	unsigned refused = 0;
	size_t size;
	char *file = real_object(&size);

	REQUIRE(file != NULL);
	arena_open(&arena);
	CHECK_INT(arena_link(&arena, file, size, &err), 0);
	for (size_t n = 0; n < size; n++) {
		void *copy = copy_of(file, n);

		err.text[0] = '\0';
		if (arena_link(&arena, copy, n, &err) != 0) {
			refused++;
			CHECK_MSG(err.text[0] != '\0', "%zu bytes are refused without a word", n);
		}
		free(copy);
	}
	CHECK_INT(refused, size); /* the section headers are last */
	arena_close(&arena);
	free(file);
}

#ifdef __SANITIZE_ADDRESS__ /* ten times slower: all of them stand before inaccessible pages in the plain build */
#define STEP 4
#else
#define STEP 1
#endif

/* All values of every byte of [from, to), or other ones for each, then the byte as it was. */
static void change_bytes(struct arena *arena, unsigned char *file, size_t size, size_t from, size_t to)
{
	struct elf_error err;

	for (size_t at = from; at < to && at < size; at++) {
		unsigned char was = file[at];

		for (unsigned value = (unsigned)(at % STEP); value < 256; value += STEP) {
			file[at] = (unsigned char)value;
			err.text[0] = '\0';
			if (arena_link(arena, file, size, &err) != 0)
				CHECK_MSG(err.text[0] != '\0', "byte %zu as 0x%02x is refused without a word", at, value);
		}
		file[at] = was;
	}
}

static void every_changed_byte_ends_well(void)
{
	struct arena arena;
	Elf64_Ehdr header;
	size_t size;
	unsigned char *file = real_object(&size);

	REQUIRE(file != NULL);
	arena_open(&arena);
	memcpy(&header, file, sizeof(header));
	change_bytes(&arena, file, size, 0, sizeof(header));
	change_bytes(&arena, file, size, header.e_shoff, size);
	for (unsigned i = 1; i < header.e_shnum; i++) {
		Elf64_Shdr section;

		memcpy(&section, file + header.e_shoff + i * sizeof(section), sizeof(section));
		if (section.sh_type == SHT_SYMTAB || section.sh_type == SHT_RELA)
			change_bytes(&arena, file, size, section.sh_offset, section.sh_offset + section.sh_size);
	}
	arena_close(&arena);
	free(file);
}

/* ---- many -------------------------------------------------------------------------------------- */

/* 65536 sections whose relocations are the same bytes: refused at once, not after 65536 times the work. */
static void shared_tables_are_refused(void)
{
	size_t relocs = 20000;
	size_t size = sizeof(struct object) + 65536 * sizeof(Elf64_Shdr) + relocs * sizeof(Elf64_Rela);
	unsigned char *file = calloc(1, size);
	struct object *object = (struct object *)file;
	Elf64_Shdr *sections;
	struct elf_layout layout;
	struct elf_error err;

	REQUIRE(file != NULL);
	honest(object);
	sections = (Elf64_Shdr *)(file + sizeof(*object));
	memcpy(sections, object->sections, sizeof(object->sections));
	object->header.e_shoff = sizeof(*object);
	object->header.e_shnum = 0;
	sections[0].sh_size = 65536;
	CHECK_INT(elf_measure(file, size, &layout, &err), 0);
	for (unsigned i = SECTIONS; i < 65536; i++) {
		sections[i] = sections[RELA];
		sections[i].sh_offset = sizeof(*object) + 65536 * sizeof(Elf64_Shdr);
		sections[i].sh_size = relocs * sizeof(Elf64_Rela);
	}
	CHECK_INT(elf_measure(file, size, &layout, &err), -ENOEXEC);
	CHECK_HAS(err.text, "overlap");
	free(file);
}

int main(void)
{
	(void)fixture_path("");
	RUN(lies_end_in_sentences);
	RUN(the_inspector_hears_them_too);
	RUN(shared_tables_are_refused);
	if (fixture_run("gcc --version") == 0) {
		RUN(every_truncation_ends_well);
		RUN(every_changed_byte_ends_well);
	}
	fixture_clean();
	return check_done();
}
