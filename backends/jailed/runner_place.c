/* SPDX-License-Identifier: MIT */
/*
 * Where things of a codelet stand: the image below 2 GiB at a random place, stack and heap
 * anywhere, each between inaccessible pages.
 */
#include "runner.h"

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#define LOWEST      (256ull << 20)
#define HIGHEST     (2ull << 30)
#define TRIES       64
#define STACK_LEAST (64u << 10)
#define MEMORY_MOST (64ull << 30)

static __thread unsigned char tls_arena[RUNNER_TLS_BYTES] __attribute__((aligned(RUNNER_PAGE)));

void *runner_tls_arena(void)
{
	return tls_arena;
}

/* Vigna's splitmix64, from what the kernel gave at exec: a system call less than asking for more.
 */
static uint64_t next_random(void)
{
	static uint64_t state;
	uint64_t z;

	if (!state) {
		memcpy(&state, (const char *)getauxval(AT_RANDOM) + 8, sizeof(state));
		state ^= runner_ticks();
	}
	z = state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static unsigned char *reserve(uint64_t address, uint64_t bytes, int flags)
{
	void *at = mmap((void *)address, bytes, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* A place below 2 GiB whose offset of lead bytes is aligned. */
static unsigned char *reserve_low(uint64_t bytes, uint64_t lead, uint64_t align)
{
	uint64_t slots = (HIGHEST - LOWEST - bytes - align) / align;
	unsigned char *at = NULL;

	for (unsigned i = 0; i < TRIES && !at; i++) {
		uint64_t address = LOWEST + (1 + next_random() % slots) * align - lead;

		at = reserve(address, bytes, MAP_FIXED_NOREPLACE);
		if (at && (uint64_t)at != address) { /* a kernel that does not know the flag */
			munmap(at, bytes);
			at = NULL;
		}
	}
	return at;
}

/* [guard | near page | guard | image | guard] */
int runner_place_image(struct elf_error *err)
{
	uint64_t lead = 3 * RUNNER_PAGE, bytes = lead + runner.layout.image_bytes + RUNNER_PAGE;
	unsigned char *at = reserve_low(bytes, lead, runner.layout.align);
	int rc;

	if (!at)
		return runner_refuse(err, -ENOMEM, "no room for an image of %llu bytes below 2 GiB",
				     (unsigned long long)runner.layout.image_bytes);
	runner.near_page = at + RUNNER_PAGE;
	runner.place.base = (uint64_t)at + lead;
	rc = mprotect(runner.near_page, RUNNER_PAGE, PROT_READ | PROT_WRITE);
	if (!rc && runner.layout.image_bytes)
		rc = mprotect(at + lead, runner.layout.image_bytes, PROT_READ | PROT_WRITE);
	if (rc)
		return runner_refuse(err, -ENOMEM,
				     "an image of %llu bytes exceeds the jail's memory",
				     (unsigned long long)runner.layout.image_bytes);
	return 0;
}

static int guarded(uint64_t bytes, const char *what, uint64_t *address_out, struct elf_error *err)
{
	unsigned char *at = bytes <= MEMORY_MOST ? reserve(0, bytes + 2 * RUNNER_PAGE, 0) : NULL;

	if (!at || (bytes && mprotect(at + RUNNER_PAGE, bytes, PROT_READ | PROT_WRITE)))
		return runner_refuse(err, -ENOMEM, "a %s of %llu bytes exceeds the jail's memory",
				     what, (unsigned long long)bytes);
	*address_out = (uint64_t)at + RUNNER_PAGE;
	return 0;
}

static uint64_t page_up(uint64_t bytes)
{
	return bytes > MEMORY_MOST ? bytes : (bytes + RUNNER_PAGE - 1) & ~(RUNNER_PAGE - 1);
}

int runner_place_memory(uint64_t arena_bytes, uint64_t stack_bytes, struct elf_error *err)
{
	runner.arena_bytes = page_up(arena_bytes);
	runner.stack_bytes = page_up(stack_bytes < STACK_LEAST ? STACK_LEAST : stack_bytes);
	return guarded(runner.stack_bytes, "stack", &runner.stack, err)
		       ?: guarded(runner.arena_bytes, "heap", &runner.arena, err);
}

static int protect(enum elf_segment_kind kind, int protection)
{
	uint64_t bytes = runner.layout.segments[kind].bytes;
	uint64_t at = runner.place.base + runner.layout.segments[kind].offset;

	return bytes ? mprotect((void *)at, bytes, protection) : 0;
}

int runner_protect(bool before_ifuncs, struct elf_error *err)
{
	int rc = protect(ELF_TEXT, PROT_READ | PROT_EXEC);

	if (!before_ifuncs) {
		rc = rc ?: protect(ELF_RODATA, PROT_READ);
		rc = rc ?: mprotect(runner.near_page, RUNNER_PAGE, PROT_READ);
	}
	return rc ? runner_refuse(err, -errno, "the image's pages cannot be protected") : 0;
}
