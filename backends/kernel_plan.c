/* SPDX-License-Identifier: MIT */
/* The plan of a run as the runner reads it, with the counters that the launcher opens for it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "kernels.h"

#define SAMPLE_SECONDS   20e-6
#define BATCH_MAX        (1u << 20)
#define OVERHEAD_SAMPLES 31

static uint64_t random_u64(void)
{
	uint64_t value;

	if (getrandom(&value, sizeof(value), 0) != sizeof(value))
		value = sfs_now_ns() * 0x9e3779b97f4a7c15ull;
	return value ? value : 1;
}

/* One call that is both checked and measured: what is asked for by reps=1. */
static bool is_single(const struct run_options *o)
{
	return o->reps_given && o->reps == 1 && !o->warmup_given;
}

static void plan_calls(struct wire_plan *plan, const struct run *run)
{
	const struct run_options *o = &run->options;

	plan->samples = o->reps;
	plan->warmup = is_single(o) ? 0 : o->warmup;
	plan->batch = is_single(o) || o->cache == WIRE_FLUSH ? 1 : 0;
	for (unsigned i = 0; i < plan->nbuffers; i++) {
		if (plan->buffers[i].pristine_offset != UINT64_MAX)
			plan->batch = 1;
	}
	plan->batch_max = BATCH_MAX;
	plan->batch_ticks = (uint64_t)(perf_tsc_hz() * SAMPLE_SECONDS);
	plan->stop_ticks = (uint64_t)(perf_tsc_hz() / 1000 * o->max_ms);
	plan->overhead_samples = is_single(o) ? 0 : OVERHEAD_SAMPLES;
	plan->mode = o->mode;
	plan->cache = o->cache;
	plan->cpu = o->cpu;
	plan->mark = !is_single(o) || run->template->link->inits;
	for (unsigned set = 2; set < run->nsets; set++)
		plan->check_at[set] = (uint32_t)(random_u64() % o->reps);
}

/*
 * The same process with an empty function and no buffers, called once: what is left is the price of
 * a run.
 */
static void plan_empty(struct wire_plan *plan)
{
	plan->empty = 1;
	plan->nsets = 1;
	plan->samples = 1;
	plan->batch = plan->batch_max = 1;
	plan->cpu = -1;
}

void kernel_plan(struct run *run, bool empty)
{
	struct wire_plan *plan = run->template->plan;
	const struct arena *arena = run->template->arena;

	memset(plan, 0, sizeof(*plan));
	memset(run->template->claim, 0, offsetof(struct wire_claim, ticks));
	plan->nonce = random_u64();
	snprintf(plan->function, sizeof(plan->function), "%s", run->options.function);
	if (empty) {
		plan_empty(plan);
		return;
	}
	plan->nargs = run->bound.nargs;
	memcpy(plan->args, run->bound.args, sizeof(plan->args));
	plan->ret = run->bound.ret;
	plan->nbuffers = run->bound.nbuffers;
	plan->nsets = run->nsets;
	memcpy(plan->buffers, arena->buffers, sizeof(plan->buffers));
	plan_calls(plan, run);
}

void kernel_plan_counters(struct run *run)
{
	const struct kernel_events *events = &run->options.events;
	struct launch_order *order = &run->order;

	for (unsigned i = 0; i < events->count; i++) {
		const struct perf_name *name = &events->names[i];
		bool works;
		const char *why = perf_works(name, &works);

		run->counter[i] = -1;
		if (!works)
			snprintf(run->refused[i], sizeof(run->refused[i]), "%s", why);
		else if (name->is_clock)
			continue;
		else if (order->nevents == LAUNCH_EVENTS_MAX)
			snprintf(run->refused[i], sizeof(run->refused[i]),
				 "more than %d counters in one run", LAUNCH_EVENTS_MAX);
		else {
			run->counter[i] = (int)order->nevents;
			order->events[order->nevents++] = name->event;
		}
	}
}
