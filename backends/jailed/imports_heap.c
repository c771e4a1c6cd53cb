/* SPDX-License-Identifier: MIT */
/*
 * A heap in one bounded area: four classes of sizes for each doubling, a free list for each.
 *
 * A block is [head | bytes]; head stands right before the address handed out and says where the
 * block begins, which for stricter alignments lies further down. Nothing is coalesced: a run is
 * short.
 */
#include "imports.h"

#include <errno.h>

#define GRAIN 16u
#define MAGIC 0x5f6b1d07u

struct head {
	uint32_t class;
	uint32_t magic;
	uint64_t start; /* offset of the block in the heap */
};

_Static_assert(sizeof(struct head) == GRAIN, "a head keeps what follows it aligned");

void heap_init(struct heap *heap, void *base, size_t bytes)
{
	*heap = (struct heap){ .base = base, .bytes = bytes & ~(size_t)(GRAIN - 1) };
}

/* Sizes are 16 32 48 64, then (4..7)+1 quarters of each power of two. */
static unsigned class_of(size_t bytes)
{
	unsigned top, quarter;

	if (bytes <= 4 * GRAIN)
		return bytes ? (bytes - 1) / GRAIN : 0;
	top = 63 - __builtin_clzll(bytes - 1);
	quarter = ((bytes - 1) >> (top - 2)) & 3;
	return 4 + (top - 6) * 4 + quarter;
}

static size_t class_bytes(unsigned class)
{
	if (class < 4)
		return (size_t)(class + 1) * GRAIN;
	return (size_t)((class & 3) + 5) << (class / 4 + 3);
}

/* A block of this class, with room for its lowest head. */
static unsigned char *take(struct heap *heap, unsigned class, bool *fresh)
{
	unsigned char *start = heap->freed[class];
	size_t bytes = sizeof(struct head) + class_bytes(class);

	*fresh = !start;
	if (start) {
		__builtin_memcpy(&heap->freed[class], start, sizeof(void *));
		return start;
	}
	if (bytes > heap->bytes - heap->used)
		return NULL;
	start = heap->base + heap->used;
	heap->used += bytes;
	return start;
}

void *heap_alloc(struct heap *heap, size_t align, size_t bytes, bool *fresh_out)
{
	size_t slack = align > GRAIN ? align : 0;
	unsigned char *start, *block;
	struct head *head;
	unsigned class;
	bool fresh;

	if (bytes > heap->bytes || slack > heap->bytes)
		goto full;
	class = class_of(bytes + slack);
	start = take(heap, class, &fresh);
	if (!start)
		goto full;
	block = start + sizeof(*head);
	if (slack)
		block += -(uintptr_t)block & (align - 1);
	head = (struct head *)(block - sizeof(*head));
	*head = (struct head){ .class = class, .magic = MAGIC, .start = start - heap->base };
	if (fresh_out)
		*fresh_out = fresh;
	return block;
full:
	errno = ENOMEM;
	return NULL;
}

static struct head *head_of(const struct heap *heap, const void *block)
{
	uintptr_t at = (uintptr_t)block, base = (uintptr_t)heap->base;
	struct head *head = (struct head *)(at - sizeof(*head));

	if (at % GRAIN || at < base + sizeof(*head) || at >= base + heap->used)
		return NULL;
	if (head->magic != MAGIC || head->class >= HEAP_CLASSES ||
	    head->start > at - base - sizeof(*head))
		return NULL;
	return head;
}

int heap_free(struct heap *heap, void *block)
{
	struct head *head = head_of(heap, block);
	unsigned char *start;
	unsigned class;

	if (!head)
		return -EINVAL;
	class = head->class;
	start = heap->base + head->start;
	head->magic = 0; /* a second free of it is found out */
	__builtin_memcpy(start, &heap->freed[class], sizeof(void *));
	heap->freed[class] = start;
	return 0;
}

size_t heap_usable(const struct heap *heap, const void *block)
{
	const struct head *head = head_of(heap, block);

	if (!head)
		return 0;
	return sizeof(*head) + class_bytes(head->class) -
	       ((uintptr_t)block - (uintptr_t)heap->base - head->start);
}
