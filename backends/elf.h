/* SPDX-License-Identifier: MIT */
/*
 * ELF, as pure functions: bytes in, table, image or sentence out. No globals, no I/O, no log.
 *
 * elf_link*.c: an own bounds-checked linker for ET_REL (x86-64; table-driven, so that other
 *     machines and ET_DYN follow). Needs no libelf; it runs in the runner's template, in unit tests
 *     and in fuzzers. It never calls malloc: all memory is the caller's.
 * elf_inspect.c: what codelets/NAME shows, with libelf (elf_memory on a private copy); runs only in
 * the inspector. elf_imports.c: the names that the runner provides: one table for linker, inspector
 * and documentation.
 */
#ifndef ELF_SFS_H
#define ELF_SFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_IMAGE_MAX    (256ull << 20) /* bytes of a linked image */
#define ELF_SECTIONS_MAX 65536
#define ELF_SYMBOLS_MAX  (1u << 20)
#define ELF_INITS_MAX    256

struct elf_error {
	char text[240]; /* one sentence: what, with symbol, relocation type and section named */
};

/* R+X with PLT; R with GOT; R+W */
enum elf_segment_kind { ELF_TEXT, ELF_RODATA, ELF_DATA, ELF_SEGMENTS };

/*
 * Pass 1: what the object needs. scratch_bytes is working memory that elf_link needs besides the
 * image.
 */
struct elf_layout {
	/* page multiple; one reservation, so that every 32-bit displacement reaches */
	uint64_t image_bytes;
	struct {
		uint64_t offset, bytes; /* page multiples, in the image */
	} segments[ELF_SEGMENTS];
	/* of the TLS initialisation image within the image (in rodata), relocated */
	uint64_t tls_offset;
	uint64_t tls_file_bytes, tls_bytes, tls_align; /* 0 bytes: no TLS */
	uint64_t scratch_bytes;
	uint64_t align; /* of the image's base: a power of two from a page to 2 MiB */
};

/*
 * file is the private copy of the object; size its length. 0, or -ENOEXEC (not acceptable), -E2BIG
 * (limits). Nothing is written to out on failure but err->text always holds the sentence then.
 */
int elf_measure(const void *file, size_t size, struct elf_layout *out, struct elf_error *err);

/* Where and among what the image will stand. */
struct elf_place {
	/* address of the image's first byte; the image must end below 2 GiB for R_X86_64_32S */
	uint64_t base;
	uint64_t thread_pointer; /* %fs:0 of the thread that will run it */
	/* of the codelet's TLS block, layout.tls_bytes long, aligned */
	uint64_t tls_address;
	uint64_t tls_get_addr;     /* our __tls_get_addr */
	uint64_t tlsdesc_resolver; /* our resolver: mov 8(%rax),%rax; ret */
	/*
	 * Address of an imported name. false: nothing provides it. Data imports are within 2 GiB of
	 * base.
	 */
	bool (*import)(void *arg, const char *name, uint64_t *address_out);
	void *arg;
};

/* An IFUNC of the object: its resolver has to be called once; the result goes into the slot. */
struct elf_ifunc {
	uint64_t resolver; /* address */
	/* of the 8-byte pointer in the image that the PLT stub jumps through (in rodata) */
	uint64_t slot_offset;
};

struct elf_linked {
	uint32_t ninits;
	uint32_t nifuncs;
	/* addresses, in order: preinit, init_array by priority, ctors reversed */
	uint64_t inits[ELF_INITS_MAX];
	struct elf_ifunc ifuncs[ELF_INITS_MAX];
};

/*
 * Pass 2: builds the image in image (layout->image_bytes long, zeroed) as it must stand at
 * place->base. scratch is layout->scratch_bytes long, zeroed, 16-aligned. Every address it stores
 * points into the image, the TLS block, or is one that place gave. Every init and resolver points
 * into text. 0, -ENOEXEC, or -ENOENT: imports that nothing provides, named (as many as fit) in
 * err->text.
 */
int elf_link(const void *file, size_t size, const struct elf_layout *layout,
	     const struct elf_place *place, void *image, void *scratch, struct elf_linked *out,
	     struct elf_error *err);

/*
 * Address of the function called name ("*": the only global function). Type FUNC, NOTYPE or IFUNC
 * (then of its PLT stub), in text, GLOBAL or WEAK preferred to LOCAL. 0 or -ENOENT with a sentence
 * that lists candidates. Same file, layout, scratch as linked.
 */
int elf_function(const void *file, size_t size, const struct elf_layout *layout, uint64_t base,
		 const void *scratch, const char *name, uint64_t *address_out,
		 struct elf_error *err);

/*
 * Calls each for every function symbol, in no order, until it returns non-zero. name is not
 * escaped, at most 4096 bytes.
 */
int elf_functions(const void *file, size_t size, const struct elf_layout *layout, uint64_t base,
		  const void *scratch,
		  int (*each)(void *arg, const char *name, uint64_t address, uint64_t bytes),
		  void *arg);

/* ---- imports --------------------------------------------------------------------------------- */

/* true when the runner provides name. */
bool elf_provides(const char *name);
/* The i-th provided name in alphabetical order with its one-line note, NULL past the end. */
const char *elf_provided(unsigned i, const char **note_out);

/* ---- inspection ------------------------------------------------------------------------------ */

struct wire_table;
/*
 * Fills table (WIRE_TABLE_BYTES long, zeroed) with the judgement on the file. Accepts ELF64
 * little-endian of x86-64 and aarch64: ET_REL, ET_DYN, ET_EXEC. Sets table->rc, never fails
 * otherwise. May call malloc (libelf does).
 */
void elf_inspect(void *file, size_t size, struct wire_table *table);

/*
 * Escapes bytes outside of '!'..'~' (and backslash) as \xNN into out, cut at size - 1; returns the
 * length.
 */
size_t elf_escape(const char *name, size_t len, char *out, size_t size);

#endif

/*
 * The system's header of this name, which <libelf.h>, <link.h> and <sys/auxv.h> want and find this
 * file instead of. It stands outside of the guard: a file found beside its includer is found once
 * more through -I.
 */
#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Winclude-next-absolute-path"
#endif
#include_next <elf.h>
#ifdef __clang__
#pragma clang diagnostic pop
#endif
