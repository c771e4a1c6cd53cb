/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the linker: any bytes end in a sentence or in a link that keeps its promises.
 */
#include "elf.h"
#include "elf_mutate.h"

#include <errno.h>
#include <stdlib.h>

#define IMAGE_MAX (1u << 20) /* larger images only cost time */
#define BASE	  0x40000000ull
#define TLS	  0x50000000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool import(void *arg, const char *name, uint64_t *address_out)
{
	(void)arg;
	*address_out = name[0] == 'm' ? 0x7f0000001000ull : BASE - 8192;
	return name[0] != 'x';
}

static int each(void *arg, const char *name, uint64_t address, uint64_t bytes)
{
	const struct elf_layout *layout = arg;

	(void)bytes;
	if (*name == '\0' || address - BASE >= layout->segments[ELF_TEXT].bytes)
		abort();
	return 0;
}

static void check_layout(const struct elf_layout *layout)
{
	uint64_t end = 0;

	for (int i = 0; i < ELF_SEGMENTS; i++) {
		if (layout->segments[i].offset != end || layout->segments[i].bytes % 4096 != 0)
			abort();
		end += layout->segments[i].bytes;
	}
	if (end != layout->image_bytes || end == 0 || end > ELF_IMAGE_MAX || layout->tls_file_bytes > layout->tls_bytes)
		abort();
	if (layout->align < 4096 || (layout->align & (layout->align - 1)) || layout->align > 2u << 20)
		abort();
}

static void check_linked(const struct elf_layout *layout, const struct elf_linked *linked)
{
	for (uint32_t i = 0; i < linked->ninits; i++)
		if (linked->inits[i] - BASE >= layout->segments[ELF_TEXT].bytes)
			abort();
	for (uint32_t i = 0; i < linked->nifuncs; i++)
		if (linked->ifuncs[i].resolver - BASE >= layout->segments[ELF_TEXT].bytes ||
		    linked->ifuncs[i].slot_offset - layout->segments[ELF_RODATA].offset >
			    layout->segments[ELF_RODATA].bytes - 8)
			abort();
}

static void link_it(const uint8_t *data, size_t size, const struct elf_layout *layout, struct elf_error *err)
{
	static struct elf_linked linked;
	struct elf_place place = { BASE, TLS + layout->tls_bytes, TLS, BASE - 4096, BASE - 4096, import, NULL };
	void *image = calloc(1, layout->image_bytes);
	void *scratch = calloc(1, layout->scratch_bytes);
	uint64_t address;
	int rc;

	place.tls_address &= ~(layout->tls_align - 1);
	rc = elf_link(data, size, layout, &place, image, scratch, &linked, err);
	if (rc == 0) {
		check_linked(layout, &linked);
		(void)elf_functions(data, size, layout, BASE, scratch, each, (void *)layout);
		if (elf_function(data, size, layout, BASE, scratch, "*", &address, err) == 0)
			each((void *)layout, "*", address, 0);
	} else if (err->text[0] == '\0') {
		abort();
	}
	free(image);
	free(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_error err = { "" };
	struct elf_layout layout;
	int rc = elf_measure(data, size, &layout, &err);

	if (rc != 0) {
		if ((rc != -ENOEXEC && rc != -E2BIG) || err.text[0] == '\0')
			abort();
		return 0;
	}
	check_layout(&layout);
	if (layout.image_bytes <= IMAGE_MAX)
		link_it(data, size, &layout, &err);
	return 0;
}
