/* SPDX-License-Identifier: MIT */
/*
 * What the files of the linker share: a checked view of an object, its plan, and the state of a
 * link.
 *
 * Nothing here owns memory. A view borrows the file, which must not change while it is used; a plan
 * is a value; a link borrows image and scratch from its caller. Nothing in the file is believed
 * before elf_object_open() has accepted it, and what that does not check (symbols, relocations) is
 * checked by the functions that read one. All of it follows the System V ABI, the AMD64
 * supplement 1.0 and, for TLS, U. Drepper's "ELF Handling For Thread-Local Storage".
 */
#ifndef ELF_LINK_H
#define ELF_LINK_H

#include "elf.h"

#include <elf.h>

#define ELF_PAGE          4096u
#define ELF_ALIGN_MAX     (2ull << 20)
#define ELF_RELOCS_MAX    (16u << 20)
#define ELF_IMPORT_LENGTH 255 /* bytes of a name that can be an import */
#define ELF_NAME_LENGTH   4096
#define ELF_NOWHERE       UINT64_MAX /* offset of a section that is not loaded */

#ifndef R_X86_64_CODE_4_GOTPCRELX
#define R_X86_64_CODE_4_GOTPCRELX       43
#define R_X86_64_CODE_4_GOTTPOFF        44
#define R_X86_64_CODE_4_GOTPC32_TLSDESC 45
#endif
#ifndef SHT_X86_64_UNWIND
#define SHT_X86_64_UNWIND 0x70000001
#endif
#define ELF_SHT_CREL       0x40000014 /* compact relocations of LLVM */
#define SHN_X86_64_LCOMMON 0xff02     /* COMMON of the large model */

/* One refusal, one line: notes the sentence and returns code. */
int elf_refuse(struct elf_error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- a checked view of an object: elf_link_object.c ------------------------------------------ */

struct elf_object {
	const unsigned char *file; /* borrowed */
	size_t size;
	uint64_t section_offset;
	uint32_t nsections;
	uint32_t nsymbols;
	uint32_t symbol_section; /* 0: there is no symbol table */
	uint64_t symbol_offset;
	/* strings of the symbols; end with NUL */
	uint64_t name_offset, name_bytes;
	uint64_t section_name_offset, section_name_bytes; /* 0 bytes: sections have no names */
	uint64_t index_offset;                            /* SHT_SYMTAB_SHNDX */
	uint32_t nindexes;                                /* 0: there is none */
};

int elf_object_open(struct elf_object *object, const void *file, size_t size,
		    struct elf_error *err);
/* i below nsections; contents of a section that elf_loaded() or is RELA lie within the file. */
Elf64_Shdr elf_section(const struct elf_object *object, uint32_t i);
const char *elf_section_name(const struct elf_object *object, const Elf64_Shdr *section);
/* i below nsymbols. */
Elf64_Sym elf_symbol(const struct elf_object *object, uint32_t i);
const char *elf_symbol_name(const struct elf_object *object, const Elf64_Sym *symbol);
/* The section of a symbol, extended indexes looked up; or one of the numbers below. */
uint32_t elf_symbol_section(const struct elf_object *object, uint32_t i, const Elf64_Sym *symbol);
bool elf_loaded(const Elf64_Shdr *section);
/* Escapes the name of a symbol (of its section, where it has none) for a sentence. */
#define ELF_LABEL 72
const char *elf_label(const struct elf_object *object, uint32_t i, char out[ELF_LABEL]);

#define ELF_COMMON   (1u << 31)
#define ELF_ABSOLUTE (ELF_COMMON + 1)
#define ELF_UNKNOWN  (ELF_COMMON + 2)

/* ---- relocations: elf_link_reloc.c ----------------------------------------------------------- */

/* With the letters of the ABI: S symbol, A addend, P place, G slot, GOT, L stub, Z size. */
enum elf_formula {
	ELF_F_NONE,     /* nothing is written */
	ELF_F_ABS,      /* S + A */
	ELF_F_PC,       /* S + A - P */
	ELF_F_PLT,      /* L + A - P */
	ELF_F_PLTOFF,   /* L + A - GOT */
	ELF_F_GOTOFF,   /* S + A - GOT */
	ELF_F_GOTPC,    /* GOT + A - P */
	ELF_F_GOT,      /* G + A */
	ELF_F_GOTPCREL, /* GOT + G + A - P */
	ELF_F_SIZE,     /* Z + A */
	ELF_F_TPOFF,    /* S - tp + A */
	ELF_F_DTPOFF,   /* S - start of the TLS block + A */
	ELF_F_TLSGD,    /* slots {module, offset} + A - P */
	ELF_F_TLSLD,    /* slots {module, 0} + A - P */
	ELF_F_GOTTPOFF, /* slot {S - tp} + A - P */
	ELF_F_TLSDESC   /* slots {resolver, S - tp} + A - P */
};

/* Does the formula ask for a thread-local symbol? TLSLD does not look at its symbol. */
bool elf_threaded(enum elf_formula formula);

enum elf_range { ELF_ANY, ELF_SIGNED, ELF_UNSIGNED, ELF_EITHER };

struct elf_reloc_type {
	uint32_t type;
	const char *name;
	uint8_t width; /* bytes written */
	uint8_t formula;
	uint8_t range;
};

struct elf_reloc {
	const struct elf_reloc_type *type;
	uint64_t offset; /* in its section; offset + width is within it */
	int64_t addend;
	uint32_t symbol;  /* below nsymbols, or 0 */
	uint32_t section; /* the one that is changed */
};

/* NULL: unknown, or a type that only a dynamic linker sees. */
const struct elf_reloc_type *elf_reloc_type(uint32_t type);
/* Reads the i-th relocation of the RELA section, which applies to section number target. */
int elf_reloc_read(const struct elf_object *object, const Elf64_Shdr *rela, uint64_t i,
		   struct elf_reloc *out, struct elf_error *err);
/* 1: a RELA section with a loaded target; 0: to be ignored; or -errno. */
int elf_reloc_section(const struct elf_object *object, const Elf64_Shdr *section,
		      struct elf_error *err);
/* The number of relocations in it. */
uint64_t elf_reloc_count(const Elf64_Shdr *rela);
/* Notes where and what reloc is, and why it is refused. */
int elf_reloc_refuse(const struct elf_object *object, const struct elf_reloc *reloc,
		     const char *why, struct elf_error *err);

/* ---- the plan: elf_link_plan.c --------------------------------------------------------------- */

struct elf_counts {
	uint64_t got, ie, gd, ld, desc; /* slots or pairs of slots */
	uint64_t imports;               /* stubs of undefined symbols */
	uint64_t ifuncs;                /* stubs of IFUNC symbols */
	uint64_t symbols, undefined;    /* bounds of the others */
};

struct elf_plan {
	struct elf_layout layout;
	struct elf_counts counts;
	uint64_t plt_offset; /* stubs, in text */
	uint64_t got_offset; /* in rodata, and what follows it: */
	uint64_t ie_offset, gd_offset, ld_offset, desc_offset;
	uint64_t slot_offset;   /* what the stubs jump through */
	uint64_t common_offset; /* in data */
};

#define ELF_STUB_BYTES 16u

/* offsets: NULL, or nsections numbers that are filled in: of each section in the image or the TLS
 * block. */
int elf_plan(const struct elf_object *object, struct elf_plan *plan, uint64_t *offsets,
	     struct elf_error *err);
/* Adds bytes at the next multiple of align to *cursor; the address in *at_out. -E2BIG past
 * ELF_IMAGE_MAX. */
int elf_advance(uint64_t *cursor, uint64_t align, uint64_t bytes, uint64_t *at_out);
/* Is this a defined IFUNC, with its resolver in text? */
bool elf_is_ifunc(const struct elf_object *object, uint32_t i, const Elf64_Sym *symbol);
/* What a relocation against this symbol needs is possible: 0, or -ENOEXEC with a sentence. */
int elf_symbol_check(const struct elf_object *object, const struct elf_reloc *reloc,
		     struct elf_error *err);

/* ---- the state of a link: elf_link.c, elf_link_symbol.c -------------------------------------- */

/* ELF_MISSING: nothing provides it. */
enum elf_kind { ELF_UNSEEN, ELF_ADDRESS, ELF_THREAD, ELF_MISSING };

/* What is known of a symbol; slots and stubs are numbered from 1, 0 is none yet. */
struct elf_state {
	/* address (of an IFUNC: of its stub); offset in the TLS block for ELF_THREAD */
	uint64_t value;
	uint32_t got, ie, gd, desc;
	uint32_t stub;
	uint8_t kind;
	bool import; /* value is what the place gave */
	bool absent; /* weak, and nothing provides it: value is 0 */
};

struct elf_link {
	const struct elf_object *object;
	const struct elf_plan *plan;
	const struct elf_place *place;
	unsigned char *image;
	uint64_t *offsets;        /* in scratch: of sections */
	struct elf_state *states; /* in scratch: of symbols */
	struct elf_counts used;
	uint32_t missing;       /* names that nothing provides */
	uint32_t unnamed;       /* of them, those that the sentence has no room for */
	struct elf_error names; /* their list, as many as fit */
};

/* Bytes and parts of scratch. */
uint64_t elf_scratch_bytes(const struct elf_object *object);
struct elf_state *elf_scratch_states(const struct elf_object *object, const void *scratch);

void elf_put(struct elf_link *link, uint64_t offset, uint64_t value, unsigned width);
uint64_t elf_image_address(const struct elf_link *link, uint64_t offset);

/* Names that stand for parts of the image: its GOT, the start of its TLS block. */
bool elf_linker_makes(const char *name);
/* Finds out what symbol i is, once; a name that nothing provides is noted and counts as ELF_ABSENT.
 */
int elf_state_resolve(struct elf_link *link, uint32_t i, struct elf_error *err);
/* Addresses of slots, made at first use. */
uint64_t elf_got_slot(struct elf_link *link, struct elf_state *state);
uint64_t elf_ie_slot(struct elf_link *link, struct elf_state *state);
uint64_t elf_gd_slot(struct elf_link *link, struct elf_state *state);
uint64_t elf_ld_slot(struct elf_link *link);
uint64_t elf_desc_slot(struct elf_link *link, struct elf_state *state);
uint64_t elf_stub(struct elf_link *link, struct elf_state *state);
/* Gives every COMMON symbol its place and every IFUNC its stub. */
int elf_state_prepare(struct elf_link *link, struct elf_linked *out, struct elf_error *err);
/* Applies every relocation of every loaded section. */
int elf_apply(struct elf_link *link, struct elf_error *err);
/* Lists the functions to be called before any other, from the relocated image. */
int elf_inits(const struct elf_link *link, struct elf_linked *out, struct elf_error *err);

#endif
