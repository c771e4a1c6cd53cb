/* SPDX-License-Identifier: MIT */
/*
 * What a run says of itself against what was seen from outside: the number of its calls, the time
 * that it took.
 *
 * The record lies in memory that the codelet's own process can write, so every number is compared
 * with one that it cannot: the plan, which is read-only there; the wall and processor time, which
 * the kernel keeps. Bounds are wide where an honest run may differ: interrupts, first touches of
 * pages, the search for a batch.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

#define WALL_SLACK_NS 2000000.0
#define SETUP_SLACK_NS                                                                             \
	5000000.0           /* from the fork to the gate, and the end of the process, beyond ... */
#define SETUPS          3.0 /* times what an empty run of this template took */
#define UNTOLD_NS       10000000.0
#define FAULT_NS        3000.0
#define BYTE_NS         1.0
#define MARKED_SLACK_NS 150000.0 /* from the mark to the end: interrupts, a neighbour */
#define SAMPLE_SLACK_NS 300.0    /* around one sample */
#define BRACKET_SLACK   500.0    /* ticks of an empty bracket, beyond ... */
#define BRACKETS        3.0      /* times what the template's took, which passed no ... */
#define ARGUMENT_TICKS  4.0      /* argument, the dearest of which are copied to the stack */

__attribute__((format(printf, 2, 3))) static bool mismatch(struct outcome *out, const char *format,
							   ...)
{
	char text[300];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(out->integrity, sizeof(out->integrity), "mismatch: %s", text);
	out->is_violated = true;
	return false;
}

static bool counts_agree(const struct run *run, struct outcome *out)
{
	const struct wire_claim *claim = run->template->claim;
	const struct wire_plan *plan = run->template->plan;
	uint64_t least;

	if (claim->phase != WIRE_DONE)
		return mismatch(out, "a record of completion in phase %u", claim->phase);
	if (!claim->samples || claim->samples > plan->samples ||
	    (!plan->stop_ticks && claim->samples != plan->samples))
		return mismatch(out, "claims %u samples of %u", claim->samples, plan->samples);
	if (!claim->batch || claim->batch > plan->batch_max ||
	    (plan->batch && claim->batch != plan->batch))
		return mismatch(out, "claims batches of %u calls", claim->batch);
	least = (uint64_t)claim->samples * claim->batch + plan->warmup +
		(plan->nsets > 1 ? plan->nsets - 1 : 0);
	if (claim->calls < least)
		return mismatch(out, "claims %llu calls, which is fewer than %llu",
				(unsigned long long)claim->calls, (unsigned long long)least);
	if (claim->calls > least + 2 * (uint64_t)claim->batch +
				   2) /* the search for a batch doubles it up to there */
		return mismatch(out, "claims %llu calls, which is more than %llu",
				(unsigned long long)claim->calls, (unsigned long long)least);
	return true;
}

/*
 * What is subtracted from each sample was measured before the codelet began, but the codelet can write
 * over it. The template's own figures it cannot.
 */
static bool overhead_agrees(const struct run *run, struct outcome *out)
{
	const struct wire_claim *claim = run->template->claim;
	const struct wire_plan *plan = run->template->plan;
	unsigned power = claim->batch > 1 ? 32 - (unsigned)__builtin_clz(claim->batch - 1) : 0;
	double known = (double)run->template->link->overheads[plan->mode][power % WIRE_OVERHEADS],
	       most = BRACKET_SLACK + BRACKETS * known +
		      ARGUMENT_TICKS * plan->nargs * (double)claim->batch;

	if ((double)claim->overhead_ticks > most)
		return mismatch(out, "claims %llu ticks of overhead, which is more than %.0f",
				(unsigned long long)claim->overhead_ticks, most);
	return true;
}

struct times {          /* ns */
	double told;    /* the run's own begin to end */
	double samples; /* the sum of them */
	double typical; /* sample, the median: one that is made large buys nothing for the others */
	double busy;    /* processor time, from outside */
};

static bool take_times(const struct run *run, struct times *out)
{
	const struct wire_claim *claim = run->template->claim;
	double tick_ns = 1e9 / perf_tsc_hz();
	double *samples = malloc(sizeof(*samples) * claim->samples);
	struct measure_summary summary;

	if (!samples)
		return false;
	for (uint32_t i = 0; i < claim->samples; i++)
		samples[i] = (double)claim->ticks[i] * tick_ns;
	measure_summarise(samples, claim->samples, NULL, &summary);
	free(samples);
	*out = (struct times){
		.told = (double)(claim->end_ticks - claim->begin_ticks) * tick_ns,
		.samples = summary.mean * claim->samples,
		.typical = summary.median,
		.busy = (double)(run->how.user_ns + run->how.system_ns),
	};
	return true;
}

/*
 * Processor time between the run's begin and end that no sample holds, at most, when all is honest:
 * the calls outside of samples, which may be slower than those inside since they come first; pages
 * touched for the first time; buffers refilled or flushed. The constant has room for a table that a
 * first call builds, and for a neighbour on the host.
 */
static double untold_most(const struct run *run, const struct times *t)
{
	const struct wire_claim *claim = run->template->claim;
	const struct wire_plan *plan = run->template->plan;
	double sampled = (double)claim->samples * claim->batch,
	       others = (double)claim->calls - sampled;
	double bytes = (double)run->template->arena->bytes * BYTE_NS;
	double most = UNTOLD_NS + SETUPS * (double)run->template->setup_ns +
		      t->typical / claim->batch * 4 * others + 2 * t->typical + bytes;

	most += (double)(run->how.minor_faults + run->how.major_faults) * FAULT_NS;
	if (plan->cache == WIRE_FLUSH || plan->batch == 1)
		most += claim->samples * (bytes + 2000);
	return most;
}

/* Processor time before the gate and after the last sample, at most. */
static double setup_most(const struct run *run)
{
	return SETUP_SLACK_NS + SETUPS * (double)run->template->setup_ns +
	       (double)run->template->arena->bytes * BYTE_NS;
}

static int find_task_clock(const struct run *run)
{
	for (unsigned i = 0; i < run->how.nevents && i < run->order.nevents; i++) {
		const struct launch_event *event = &run->order.events[i];

		if (event->type == PERF_TYPE_SOFTWARE &&
		    event->config == PERF_COUNT_SW_TASK_CLOCK && !run->how.counts[i].error)
			return (int)i;
	}
	return -1;
}

static bool refills(const struct run *run)
{
	for (unsigned i = 0; i < run->bound.nbuffers; i++) {
		if (run->bound.buffers[i].reset)
			return true;
	}
	return run->template->plan->cache == WIRE_FLUSH;
}

/*
 * Between mark and end there is nothing but samples, a checked call in their midst, and the end of
 * the process: the processor time counted outside in that while has to be in the samples, or
 * nearly.
 */
static bool samples_fill(const struct run *run, const struct times *t, struct outcome *out)
{
	const struct wire_claim *claim = run->template->claim;
	const struct wire_plan *plan = run->template->plan;
	int clock = find_task_clock(run);
	double window, most, bytes = (double)run->template->arena->bytes * BYTE_NS;
	const uint64_t *base;

	if (plan->samples < 2 || clock < 0)
		return true;
	if (!run->how.marks)
		return mismatch(out, "its samples began unseen");
	base = template_base(run->template, &run->order.events[clock]);
	window = (double)(run->how.counts[clock].value - run->how.marked_counts[clock]);
	most = MARKED_SLACK_NS + window * 0.05 + t->typical + 4 * t->typical / claim->batch;
	most += bytes + (base ? SETUPS * (double)*base : 0) + claim->samples * SAMPLE_SLACK_NS;
	most += (double)(run->how.minor_faults + run->how.major_faults) * FAULT_NS;
	if (refills(run))
		most += claim->samples * (bytes + 2000);
	if (window - t->samples > most)
		return mismatch(out, "its samples last %.0f ns, but took about %.0f ns", t->samples,
				window);
	return true;
}

static bool times_agree(const struct run *run, struct outcome *out)
{
	const struct wire_claim *claim = run->template->claim;
	double inside, wall = (double)run->how.wall_ns;
	struct times t;

	if (claim->end_ticks <= claim->begin_ticks)
		return mismatch(out, "claims to have ended before it began");
	if (!take_times(run, &t))
		return mismatch(out, "no memory to look at its samples");
	if (t.told > wall * 1.02 + WALL_SLACK_NS)
		return mismatch(out, "claims %.0f ns of %.0f ns", t.told, wall);
	if (t.samples > t.told * 1.001 + 1000)
		return mismatch(out, "its samples last %.0f ns in %.0f ns", t.samples, t.told);
	if (t.busy > t.told * 1.1 + setup_most(run))
		return mismatch(out, "claims %.0f ns, but used the processor for %.0f ns", t.told,
				t.busy);
	inside = t.busy < t.told ? t.busy : t.told;
	if (inside - t.samples > untold_most(run, &t))
		return mismatch(out, "its samples last %.0f ns, but the calls took about %.0f ns",
				t.samples, inside);
	return samples_fill(run, &t, out);
}

bool kernel_claims_agree(const struct run *run, struct outcome *out)
{
	if (!counts_agree(run, out) || !overhead_agrees(run, out) || !times_agree(run, out))
		return false;
	snprintf(out->integrity, sizeof(out->integrity), "ok");
	return true;
}
