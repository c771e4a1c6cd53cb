/* SPDX-License-Identifier: MIT */
/*
 * The buffers of a run: parts of the arena file, each mapped between inaccessible pages.
 */
#include "runner.h"

#include <errno.h>
#include <sys/mman.h>

#define HUGE_PAGE (2ull << 20)

/* Large buffers begin where a huge page could, the others at a page. */
static uint64_t alignment(uint64_t bytes)
{
	return bytes >= HUGE_PAGE ? HUGE_PAGE : RUNNER_PAGE;
}

static uint64_t align_up(uint64_t at, uint64_t align)
{
	return (at + align - 1) & ~(align - 1);
}

/* Where buffer b comes to stand when the area before it ends at *at, which moves on to b's end. */
static uint64_t advance(const struct wire_buffer *b, uint64_t *at)
{
	uint64_t start = align_up(*at + RUNNER_PAGE, alignment(b->map_bytes));

	*at = start + (b->map_bytes ?: RUNNER_PAGE) + RUNNER_PAGE;
	return start;
}

static int map_at(uint64_t at, const struct wire_buffer *b, int fd, uint64_t offset, int protection)
{
	if (!b->map_bytes)
		return 0;
	return mmap((void *)at, b->map_bytes, protection, MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd,
		    offset) == MAP_FAILED;
}

static int map_buffer(unsigned i, uint64_t at, int fd, struct elf_error *err)
{
	const struct wire_buffer *b = &runner_run.plan.buffers[i];
	unsigned set = i / runner_run.plan.nbuffers;

	if (map_at(at, b, fd, b->file_offset, b->writable ? PROT_READ | PROT_WRITE : PROT_READ))
		return runner_refuse(err, -ENOMEM, "buffer %u does not fit into the jail", i);
	runner_run.addresses[i] = at + b->data_offset;
	if (b->writable && b->map_bytes && b->pristine_offset != UINT64_MAX) {
		char *from = mmap(NULL, b->map_bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, fd,
				  b->pristine_offset);

		if (from == MAP_FAILED)
			return runner_refuse(
				err, -ENOMEM,
				"the pristine copy of buffer %u does not fit into the jail", i);
		runner_run.resets[set][runner_run.nresets[set]++] = (struct runner_reset){
			.to = (void *)runner_run.addresses[i],
			.from = from + b->data_offset,
			.bytes = b->data_bytes,
		};
	}
	return 0;
}

int runner_map(int arena_fd, struct elf_error *err)
{
	const struct wire_plan *plan = &runner_run.plan;
	unsigned count = plan->nsets * plan->nbuffers;
	uint64_t end = 0, at;
	void *base;

	if (!count)
		return 0;
	for (unsigned i = 0; i < count; i++)
		advance(&plan->buffers[i], &end);
	base = mmap(NULL, end + HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		    -1, 0);
	if (base == MAP_FAILED)
		return runner_refuse(err, -ENOMEM, "the buffers do not fit into the jail");
	at = align_up((uint64_t)base, HUGE_PAGE);
	for (unsigned i = 0; i < count; i++) {
		int rc = map_buffer(i, advance(&plan->buffers[i], &at), arena_fd, err);

		if (rc)
			return rc;
	}
	return 0;
}
