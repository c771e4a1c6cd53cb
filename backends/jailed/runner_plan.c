/* SPDX-License-Identifier: MIT */
/*
 * Plans of runs: whether one is sound, and what its arguments mean in registers.
 */
#include "runner.h"

#include <errno.h>
#include <string.h>

#define MAP_MAX       (1ull << 40) /* bytes of all buffers together */
#define CPU_MAX       1024
#define REGISTERS     6
#define SSE_REGISTERS 8

static bool paged(uint64_t bytes)
{
	return bytes % RUNNER_PAGE == 0;
}

static bool within(uint64_t offset, uint64_t bytes, uint64_t limit)
{
	return bytes <= limit && offset <= limit - bytes;
}

static int check_buffer(const struct wire_buffer *b, unsigned i, uint64_t arena_bytes,
			struct elf_error *err)
{
	if (!paged(b->file_offset) || !paged(b->map_bytes) ||
	    !within(b->file_offset, b->map_bytes, arena_bytes))
		return runner_refuse(err, -EINVAL, "buffer %u does not lie in the arena", i);
	if (b->map_bytes ? !within(b->data_offset, b->data_bytes, b->map_bytes)
			 : b->data_offset >= RUNNER_PAGE || b->data_bytes)
		return runner_refuse(err, -EINVAL,
				     "the data of buffer %u does not lie in its mapping", i);
	if (b->pristine_offset != UINT64_MAX &&
	    (!paged(b->pristine_offset) || !within(b->pristine_offset, b->map_bytes, arena_bytes)))
		return runner_refuse(err, -EINVAL,
				     "the pristine copy of buffer %u does not lie in the arena", i);
	if (b->writable > 1)
		return runner_refuse(err, -EINVAL, "buffer %u is neither writable nor not", i);
	return 0;
}

static int check_buffers(const struct wire_plan *plan, uint64_t arena_bytes, struct elf_error *err)
{
	uint64_t total = 0;
	int rc = 0;

	if (plan->nsets < 1 || plan->nsets > WIRE_SETS_MAX)
		return runner_refuse(err, -EINVAL, "%u sets of buffers", plan->nsets);
	if (plan->nbuffers > WIRE_BUFFERS_MAX / plan->nsets)
		return runner_refuse(err, -EINVAL, "%u sets of %u buffers", plan->nsets,
				     plan->nbuffers);
	for (unsigned i = 0; i < plan->nsets * plan->nbuffers && !rc; i++) {
		rc = check_buffer(&plan->buffers[i], i, arena_bytes, err);
		/* each at most the arena, which is a file */
		total += plan->buffers[i].map_bytes;
		if (!rc && total > MAP_MAX)
			rc = runner_refuse(err, -EINVAL, "the buffers are too large");
	}
	return rc;
}

static int check_args(const struct wire_plan *plan, struct elf_error *err)
{
	if (plan->nargs > WIRE_ARGS_MAX)
		return runner_refuse(err, -EINVAL, "%u arguments", plan->nargs);
	for (unsigned i = 0; i < plan->nargs; i++) {
		const struct wire_arg *a = &plan->args[i];

		if (a->class < WIRE_INT || a->class > WIRE_FN)
			return runner_refuse(err, -EINVAL, "argument %u is of no known class", i);
		if (a->class == WIRE_PTR && a->buffer >= plan->nbuffers)
			return runner_refuse(err, -EINVAL,
					     "argument %u is the address of no buffer", i);
		if (a->class == WIRE_FN && (a->buffer < WIRE_CMP_U32 || a->buffer > WIRE_CMP_U32_R))
			return runner_refuse(err, -EINVAL, "argument %u is no known function", i);
	}
	return 0;
}

static int check_numbers(const struct wire_plan *plan, struct elf_error *err)
{
	if (!memchr(plan->function, '\0', sizeof(plan->function)))
		return runner_refuse(err, -EINVAL, "the name of the function does not end");
	if (plan->ret > WIRE_RET_F64 || plan->mode > WIRE_LATENCY || plan->cache > WIRE_FLUSH)
		return runner_refuse(err, -EINVAL, "return type, mode or cache state is not known");
	if (plan->samples > WIRE_SAMPLES_MAX ||
	    plan->overhead_samples > RUNNER_OVERHEAD_SAMPLES_MAX)
		return runner_refuse(err, -EINVAL, "too many samples");
	if (plan->batch > RUNNER_BATCH_MAX || plan->batch_max > RUNNER_BATCH_MAX)
		return runner_refuse(err, -EINVAL, "the batch is too large");
	if (plan->cpu < -1 || plan->cpu >= CPU_MAX)
		return runner_refuse(err, -EINVAL, "there is no processor %d", plan->cpu);
	return 0;
}

int runner_plan_check(const struct wire_plan *plan, uint64_t arena_bytes, struct elf_error *err)
{
	int rc = check_numbers(plan, err);

	rc = rc ?: check_buffers(plan, arena_bytes, err);
	return rc ?: check_args(plan, err);
}

void runner_plan_args(const struct wire_plan *plan, const uint64_t *addresses,
		      uint64_t (*builtin)(uint32_t fn), struct runner_args *out)
{
	unsigned ints = 0;

	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < plan->nargs; i++) {
		const struct wire_arg *a = &plan->args[i];
		bool floating = a->class == WIRE_F32 || a->class == WIRE_F64;
		uint64_t value = a->value;

		if (a->class == WIRE_PTR)
			value += addresses[a->buffer];
		if (a->class == WIRE_FN)
			value = builtin(a->buffer);
		if (floating && out->nfloats < SSE_REGISTERS)
			out->floats[out->nfloats++] = value;
		else if (!floating && ints < REGISTERS)
			out->ints[ints++] = value;
		else
			out->stack[out->nstack++] = value;
	}
}

/* Shell's sort: few values, and none of the C library's sorts may be called where this is. */
uint64_t runner_median(uint64_t *values, unsigned count)
{
	for (unsigned gap = count / 2; gap; gap /= 2)
		for (unsigned i = gap; i < count; i++)
			for (unsigned j = i; j >= gap && values[j - gap] > values[j]; j -= gap) {
				uint64_t value = values[j];

				values[j] = values[j - gap];
				values[j - gap] = value;
			}
	return count ? values[count / 2] : 0;
}
