/* SPDX-License-Identifier: MIT */
/*
 * The buffers of a run in one memfd: where they lie, what they hold, and whether something was
 * written beside them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernels.h"

#define PAGE   4096ull
#define POISON 0xff /* a NaN in every floating point type, the largest number in the others */
#define MARGIN 64ull

static uint64_t round_up(uint64_t value, uint64_t align)
{
	return (value + align - 1) / align * align;
}

/*
 * Where the data lies in its pages: flush against the inaccessible page that the guard asks for, as
 * near as the alignment allows; without a guard with a margin on both sides.
 */
static void place(const struct spec_buffer *buffer, struct wire_buffer *out)
{
	uint64_t align = buffer->align ? buffer->align : 1, offset;

	if (align > PAGE)
		align = PAGE;
	offset = buffer->offset % align;
	out->writable = (buffer->access & SPEC_W) != 0;
	out->data_bytes = buffer->bytes;
	if (!buffer->bytes)
		return;
	if (buffer->guard == SPEC_GUARD_BEFORE) {
		out->data_offset = offset;
		out->map_bytes = round_up(offset + buffer->bytes, PAGE);
	} else if (buffer->guard == SPEC_GUARD_NONE) {
		out->data_offset = round_up(MARGIN, align) + offset;
		out->map_bytes = round_up(out->data_offset + buffer->bytes + MARGIN, PAGE);
	} else {
		out->map_bytes = round_up(buffer->bytes + align, PAGE);
		out->data_offset =
			(out->map_bytes - buffer->bytes - offset) / align * align + offset;
	}
}

static bool needs_pristine(const struct spec_buffer *buffer, const struct wire_buffer *placed,
			   unsigned set)
{
	return set == 0 && buffer->reset && placed->writable && placed->map_bytes;
}

/* Bytes of the memfd; out NULL: only counts. */
static uint64_t lay_out(const struct spec_bound *bound, unsigned nsets, struct wire_buffer *out)
{
	uint64_t at = 0;

	for (unsigned set = 0; set < nsets; set++) {
		for (unsigned i = 0; i < bound->nbuffers; i++) {
			struct wire_buffer placed = { .file_offset = at,
						      .pristine_offset = UINT64_MAX };

			place(&bound->buffers[i], &placed);
			at += placed.map_bytes;
			if (needs_pristine(&bound->buffers[i], &placed, set)) {
				placed.pristine_offset = at;
				at += placed.map_bytes;
			}
			if (out)
				out[set * bound->nbuffers + i] = placed;
		}
	}
	return at;
}

uint64_t arena_bytes_needed(const struct spec_bound *bound, unsigned nsets)
{
	return lay_out(bound, nsets, NULL);
}

static int allocate(struct arena *arena)
{
	if (!arena->bytes)
		return 0;
	arena->fd = memfd_create("arena", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (arena->fd < 0 || ftruncate(arena->fd, (off_t)arena->bytes) ||
	    fcntl(arena->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		return -ENOMEM;
	arena->map = mmap(NULL, arena->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, arena->fd, 0);
	if (arena->map == MAP_FAILED) {
		arena->map = NULL;
		return -ENOMEM;
	}
	for (unsigned i = 0; i < arena->nbuffers * arena->nsets; i++) {
		if (!arena->buffers[i].writable || !arena->buffers[i].data_bytes)
			continue;
		arena->copies[i] = malloc(arena->buffers[i].data_bytes);
		if (!arena->copies[i])
			return -ENOMEM;
	}
	return 0;
}

struct arena *arena_new(const struct spec_bound *bound, unsigned nsets, int *err_out)
{
	struct arena *arena = calloc(1, sizeof(*arena));

	*err_out = -ENOMEM;
	if (!arena)
		return NULL;
	arena->fd = -1;
	arena->nbuffers = bound->nbuffers;
	arena->nsets = nsets;
	arena->bytes = lay_out(bound, nsets, arena->buffers);
	for (unsigned i = 0; i < bound->nbuffers; i++)
		arena->data_bytes += nsets * bound->buffers[i].bytes;
	if (allocate(arena)) {
		sfs_fail(-ENOMEM, "no memory for %llu bytes of buffers",
			 (unsigned long long)arena->bytes);
		arena_free(arena);
		return NULL;
	}
	*err_out = 0;
	return arena;
}

void arena_free(struct arena *arena)
{
	if (!arena)
		return;
	for (unsigned i = 0; i < arena->nbuffers * arena->nsets; i++)
		free(arena->copies[i]);
	if (arena->map)
		munmap(arena->map, arena->bytes);
	if (arena->fd >= 0)
		close(arena->fd);
	kernel_spec_put(arena->spec);
	free(arena);
}

bool arena_fits(const struct arena *arena, const struct kernel_spec *spec, const char *words,
		unsigned nsets)
{
	return arena && arena->filled && arena->nsets == nsets && arena->spec == spec &&
	       !strcmp(arena->words, words);
}

static uint8_t *data_of(const struct arena *arena, unsigned i)
{
	return arena->map + arena->buffers[i].file_offset + arena->buffers[i].data_offset;
}

/* Everything of the mapping but the data. */
static void poison(const struct wire_buffer *buffer, uint8_t *at)
{
	uint64_t end = buffer->data_offset + buffer->data_bytes;

	memset(at, POISON, buffer->data_offset);
	memset(at + end, POISON, buffer->map_bytes - end);
}

static void restore(struct arena *arena, unsigned i)
{
	const struct wire_buffer *buffer = &arena->buffers[i];

	memcpy(data_of(arena, i), arena->copies[i], buffer->data_bytes);
	poison(buffer, arena->map + buffer->file_offset);
}

static int fill_one(struct arena *arena, const struct spec_bound *bound, unsigned i)
{
	const struct wire_buffer *buffer = &arena->buffers[i];
	struct spec_error err = { 0 };
	int rc =
		spec_fill(bound, i % arena->nbuffers, i / arena->nbuffers, data_of(arena, i), &err);

	if (rc)
		return sfs_fail(rc, "%s", err.text);
	poison(buffer, arena->map + buffer->file_offset);
	if (arena->copies[i])
		memcpy(arena->copies[i], data_of(arena, i), buffer->data_bytes);
	if (buffer->pristine_offset != UINT64_MAX)
		memcpy(arena->map + buffer->pristine_offset, arena->map + buffer->file_offset,
		       buffer->map_bytes);
	return 0;
}

int arena_fill(struct arena *arena, const struct spec_bound *bound)
{
	for (unsigned i = 0; i < arena->nbuffers * arena->nsets; i++) {
		int rc = 0;

		if (!arena->buffers[i].map_bytes)
			continue;
		if (!arena->filled)
			rc = fill_one(arena, bound, i);
		else if (arena->buffers[i].writable)
			restore(arena, i);
		if (rc)
			return rc;
	}
	arena->filled = true;
	return 0;
}

/* The first byte from at that is not poison, or end. */
static uint64_t first_written(const uint8_t *map, uint64_t at, uint64_t end)
{
	while (at < end && map[at] == POISON)
		at++;
	return at;
}

static uint64_t last_written(const uint8_t *map, uint64_t end)
{
	while (end > 0 && map[end - 1] == POISON)
		end--;
	return end;
}

bool arena_overrun(const struct arena *arena, const struct spec_bound *bound, char *text,
		   size_t size)
{
	for (unsigned i = 0; i < arena->nbuffers * arena->nsets; i++) {
		const struct wire_buffer *buffer = &arena->buffers[i];
		const char *name = bound->buffers[i % arena->nbuffers].name;
		const uint8_t *map = arena->map + buffer->file_offset;
		uint64_t end = buffer->data_offset + buffer->data_bytes, at;

		if (!buffer->map_bytes || !buffer->writable)
			continue;
		at = first_written(map, end, buffer->map_bytes);
		if (at < buffer->map_bytes) {
			snprintf(text, size, "wrote outside of buffer %s: byte +%llu after its end",
				 name, (unsigned long long)(at - end));
			return true;
		}
		at = last_written(map, buffer->data_offset);
		if (at) {
			snprintf(text, size,
				 "wrote outside of buffer %s: byte -%llu before its begin", name,
				 (unsigned long long)(buffer->data_offset - at + 1));
			return true;
		}
	}
	return false;
}
