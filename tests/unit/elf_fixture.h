/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the linker share: compile a source, link the object below 2 GiB, start it.
 *
 * One thread uses it. Image and scratch end at inaccessible pages, so that one byte too many is seen in any build.
 */
#ifndef ELF_FIXTURE_H
#define ELF_FIXTURE_H

#include "check.h"
#include "elf.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIXTURE_PAGE  4096u
#define FIXTURE_ARENA (64u << 10)

struct fixture_memory {
	void *map; /* owned mapping */
	size_t map_bytes;
};

struct fixture {
	void *file; /* owned */
	size_t size;
	struct elf_layout layout;
	struct elf_linked linked;
	struct elf_error err;
	unsigned char *image, *scratch;
	struct fixture_memory image_memory, scratch_memory;
	uint64_t base;
};

/* ---- files ------------------------------------------------------------------------------------- */

static char fixture_dir[64];

__attribute__((unused)) static const char *fixture_path(const char *name)
{
	static char paths[4][128];
	static unsigned next;
	char *path = paths[next++ % 4];

	if (fixture_dir[0] == '\0') {
		strcpy(fixture_dir, "/tmp/sandboxfs-elf-XXXXXX");
		if (!mkdtemp(fixture_dir))
			abort();
	}
	snprintf(path, sizeof(paths[0]), "%s/%s", fixture_dir, name);
	return path;
}

__attribute__((unused)) static void fixture_clean(void)
{
	char command[96];

	if (fixture_dir[0] == '\0')
		return;
	snprintf(command, sizeof(command), "rm -rf %s", fixture_dir);
	if (system(command) != 0)
		printf("# %s stays behind\n", fixture_dir);
}

__attribute__((unused)) static void fixture_write(const char *name, const void *bytes, size_t size)
{
	FILE *stream = fopen(fixture_path(name), "wb");

	if (!stream || fwrite(bytes, 1, size, stream) != size || fclose(stream) != 0)
		abort();
}

/* In memory that ends with the file, so that a sanitizer sees a read behind it. */
__attribute__((unused)) static void *fixture_read(const char *path, size_t *size_out)
{
	FILE *stream = fopen(path, "rb");
	struct stat st;
	void *bytes;

	if (!stream)
		return NULL;
	bytes = fstat(fileno(stream), &st) == 0 ? malloc((size_t)st.st_size + !st.st_size) : NULL;
	if (bytes && fread(bytes, 1, (size_t)st.st_size, stream) != (size_t)st.st_size) {
		free(bytes);
		bytes = NULL;
	}
	fclose(stream);
	*size_out = (size_t)st.st_size;
	return bytes;
}

/* The exit status of a command; its output goes nowhere. */
__attribute__((unused, format(printf, 1, 2))) static int fixture_run(const char *format, ...)
{
	char command[2048];
	va_list args;
	size_t used;
	int status;

	va_start(args, format);
	used = (size_t)vsnprintf(command, sizeof(command) - 32, format, args);
	va_end(args);
	snprintf(command + used, sizeof(command) - used, " >/dev/null 2>&1");
	status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Compiles text into an object; NULL when the compiler does not want to. */
__attribute__((unused)) static void *fixture_compile(const char *compiler, const char *flags, const char *name,
						     const char *text, size_t *size_out)
{
	fixture_write(name, text, strlen(text));
	if (fixture_run("cd %s && env -u ASAN_OPTIONS %s %s -c %s -o out.o", fixture_dir, compiler, flags, name) != 0)
		return NULL;
	return fixture_read(fixture_path("out.o"), size_out);
}

/* ---- what a run would provide ------------------------------------------------------------------ */

static _Thread_local _Alignas(4096) unsigned char fixture_tls[FIXTURE_ARENA];

struct fixture_tls_index {
	uint64_t module, offset;
};

__attribute__((unused)) static void *fixture_tls_get_addr(const struct fixture_tls_index *index)
{
	return fixture_tls + index->offset;
}

__asm__(".text\n.type fixture_tlsdesc, @function\nfixture_tlsdesc:\n\tmov 8(%rax), %rax\n\tret\n.size fixture_tlsdesc, . - "
	"fixture_tlsdesc");
extern void fixture_tlsdesc(void) __attribute__((visibility("hidden")));

__attribute__((unused)) static bool fixture_import(void *arg, const char *name, uint64_t *address_out)
{
	static void *math, *helpers;
	void *found;

	(void)arg;
	math = math ?: dlopen("libm.so.6", RTLD_NOW);
	helpers = helpers ?: dlopen("libgcc_s.so.1", RTLD_NOW);
	if (!elf_provides(name))
		return false;
	found = dlsym(RTLD_DEFAULT, name);
	found = found ?: dlsym(math, name);
	found = found ?: dlsym(helpers, name);
	*address_out = (uint64_t)(uintptr_t)found;
	return found != NULL;
}

/* ---- linking ----------------------------------------------------------------------------------- */

/* bytes that end at an inaccessible page, aligned to 16; an image is a multiple of pages and has its own alignment. */
__attribute__((unused)) static void *fixture_map(size_t bytes, uint64_t align, int flags, struct fixture_memory *out)
{
	size_t round = (bytes + FIXTURE_PAGE - 1) & ~(size_t)(FIXTURE_PAGE - 1);
	size_t slack = align > FIXTURE_PAGE ? align : 0;
	char *start;

	out->map_bytes = round + FIXTURE_PAGE + slack;
	out->map = mmap(NULL, out->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags,
			-1, 0);
	if (out->map == MAP_FAILED)
		abort();
	start = out->map;
	if (slack)
		start += (align - (uint64_t)(uintptr_t)start % align) % align;
	if (mprotect(start + round, FIXTURE_PAGE, PROT_NONE) != 0)
		abort();
	return start + ((round - bytes) & ~(size_t)15);
}

__attribute__((unused)) static void fixture_close(struct fixture *fixture)
{
	if (fixture->image_memory.map)
		munmap(fixture->image_memory.map, fixture->image_memory.map_bytes);
	if (fixture->scratch_memory.map)
		munmap(fixture->scratch_memory.map, fixture->scratch_memory.map_bytes);
	free(fixture->file);
	memset(fixture, 0, sizeof(*fixture));
}

/* Takes the file over. The result of elf_measure or elf_link. */
__attribute__((unused)) static int fixture_link(struct fixture *fixture, void *file, size_t size,
						bool (*import)(void *, const char *, uint64_t *))
{
	struct elf_place place = { .tls_address = (uint64_t)(uintptr_t)fixture_tls,
				   .tls_get_addr = (uint64_t)(uintptr_t)fixture_tls_get_addr,
				   .tlsdesc_resolver = (uint64_t)(uintptr_t)fixture_tlsdesc,
				   .import = import };
	int rc;

	memset(fixture, 0, sizeof(*fixture));
	fixture->file = file;
	fixture->size = size;
	rc = elf_measure(file, size, &fixture->layout, &fixture->err);
	if (rc != 0)
		return rc;
	fixture->image = fixture_map(fixture->layout.image_bytes, fixture->layout.align, MAP_32BIT, &fixture->image_memory);
	fixture->scratch = fixture_map(fixture->layout.scratch_bytes, 16, 0, &fixture->scratch_memory);
	fixture->base = (uint64_t)(uintptr_t)fixture->image;
	place.base = fixture->base;
	__asm__("mov %%fs:0, %0" : "=r"(place.thread_pointer));
	return elf_link(file, size, &fixture->layout, &place, fixture->image, fixture->scratch, &fixture->linked,
			&fixture->err);
}

/* TLS, IFUNC resolvers, protection, initialisers: what a run does before it calls a function. */
__attribute__((unused)) static void fixture_start(struct fixture *fixture)
{
	static const int protections[ELF_SEGMENTS] = { PROT_READ | PROT_EXEC, PROT_READ, PROT_READ | PROT_WRITE };
	const struct elf_layout *layout = &fixture->layout;

	if (layout->tls_bytes > FIXTURE_ARENA)
		abort();
	memset(fixture_tls, 0, layout->tls_bytes);
	memcpy(fixture_tls, fixture->image + layout->tls_offset, layout->tls_file_bytes);
	if (layout->segments[ELF_TEXT].bytes != 0 &&
	    mprotect(fixture->image + layout->segments[ELF_TEXT].offset, layout->segments[ELF_TEXT].bytes,
		     protections[ELF_TEXT]) != 0)
		abort();
	for (uint32_t i = 0; i < fixture->linked.nifuncs; i++) {
		uint64_t (*resolver)(void) = (uint64_t(*)(void))(uintptr_t)fixture->linked.ifuncs[i].resolver;
		uint64_t address = resolver();

		memcpy(fixture->image + fixture->linked.ifuncs[i].slot_offset, &address, sizeof(address));
	}
	for (int i = ELF_RODATA; i < ELF_SEGMENTS; i++)
		if (layout->segments[i].bytes != 0 &&
		    mprotect(fixture->image + layout->segments[i].offset, layout->segments[i].bytes, protections[i]) != 0)
			abort();
	for (uint32_t i = 0; i < fixture->linked.ninits; i++)
		((void (*)(void))(uintptr_t)fixture->linked.inits[i])();
}

__attribute__((unused)) static void *fixture_function(struct fixture *fixture, const char *name)
{
	uint64_t address = 0;

	if (elf_function(fixture->file, fixture->size, &fixture->layout, fixture->base, fixture->scratch, name, &address,
			 &fixture->err) != 0)
		return NULL;
	return (void *)(uintptr_t)address;
}

#endif
