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

#include "kernel_outcome.h"
#include "kernels.h"

#define WALL_SLACK_NS    2000000.0
#define END_SLACK_NS     5000000.0  /* between the run's own end and that of its process */
#define UNTOLD_NS        10000000.0 /* before the mark */
#define SAMPLED_SLACK_NS 150000.0   /* interrupts, a neighbour */
#define SAMPLED_SHARE    0.01       /* two clocks */
#define BYTE_NS          1.0        /* to fill, copy or flush */
#define PAGE             4096.0
/* Of what an empty run takes from its gate on: some 30 us, or a millisecond under emulation. */
#define TOUCH_SHARE  0.12  /* to touch a page first */
#define UNMAP_SHARE  0.05  /* to give it back: less, or touching pages would hide time */
#define SAMPLE_SHARE 0.012 /* around one sample */
#define FLUSH_SHARE  0.07  /* beside what its bytes take */
#define ENDS         3.0   /* times the slowest of them: to end, and what this machine disturbs */

#define BRACKET_SLACK  500.0 /* ticks of an empty bracket, beyond ... */
#define BRACKETS       3.0   /* times what the template's took, which passed no ... */
#define ARGUMENT_TICKS 4.0   /* argument, the dearest of which are copied to the stack */

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
	uint64_t least, most;

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
	/* The search for a batch doubles it up to there; a fixed one needs at most a call to check. */
	most = least + (plan->batch ? plan->batch > 1 : 2 * (uint64_t)claim->batch + 2);
	if (claim->calls > most)
		return mismatch(out, "claims %llu calls, which is more than %llu",
				(unsigned long long)claim->calls, (unsigned long long)most);
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
	double before;  /* from outside: processor time from the gate to the first sample */
	double sampled; /* and from there to the end */
};

static bool take_times(const struct run *run, struct times *out)
{
	const struct wire_claim *claim = run->template->claim;
	const struct launch_exit *how = &run->how;
	double tick_ns = 1e9 / perf_tsc_hz();
	double begin = (double)(run->template->plan->mark ? how->mark_cpu_ns : how->gate_cpu_ns);
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
		.before = begin - (double)how->gate_cpu_ns,
		.sampled = (double)(how->user_ns + how->system_ns) - begin,
	};
	return true;
}

static double faults(const struct run *run)
{
	return (double)(run->how.minor_faults + run->how.major_faults);
}

static double empty_ns(const struct run *run)
{
	return (double)run->template->usage.cpu_ns;
}

/*
 * Processor time between gate and mark, at most, when all is honest: init functions; calls outside
 * of samples, which may be slower than those inside since they come first. The constant has room
 * for init functions, for a table that a first call builds, and for a neighbour on the host.
 */
static double before_most(const struct run *run, const struct times *t)
{
	const struct wire_claim *claim = run->template->claim;
	double others = (double)claim->calls - (double)claim->samples * claim->batch;

	return UNTOLD_NS + t->typical / claim->batch * 4 * others +
	       faults(run) * TOUCH_SHARE * empty_ns(run) +
	       (double)run->template->arena->bytes * BYTE_NS;
}

/* What a process takes to end, at most, with the pages that it touched and those of the buffers. */
static double end_most(const struct run *run)
{
	double pages = faults(run) + (double)run->template->arena->bytes / PAGE;
	uint64_t slowest_ns = run->template->slowest_ns;

	if (run->disturbed_ns > slowest_ns)
		slowest_ns = run->disturbed_ns;
	return ENDS * (double)slowest_ns + pages * UNMAP_SHARE * empty_ns(run);
}

/* What is done before each sample: buffers filled again, or flushed. */
static double refill_most(const struct run *run)
{
	bool flushes = run->template->plan->cache == WIRE_FLUSH;
	double bytes = 0;

	for (unsigned i = 0; i < run->bound.nbuffers; i++) {
		if (flushes || run->bound.buffers[i].reset)
			bytes += (double)run->bound.buffers[i].bytes;
	}
	return bytes * BYTE_NS + (flushes ? FLUSH_SHARE * empty_ns(run) : 0);
}

/*
 * From the mark, or from the gate where no mark is due, there is nothing but samples, a checked
 * call in the midst of several, and the end of the process: the processor time of that while has to
 * be in the samples, or nearly.
 */
static double beside_most(const struct run *run, const struct times *t)
{
	const struct wire_claim *claim = run->template->claim;
	double most = SAMPLED_SLACK_NS + t->sampled * SAMPLED_SHARE + end_most(run);

	most += claim->samples * (SAMPLE_SHARE * empty_ns(run) + refill_most(run));
	if (run->template->plan->samples > 1)
		most += t->typical + 4 * t->typical / claim->batch;
	return most;
}

static bool samples_agree(const struct run *run, const struct times *t, struct outcome *out)
{
	bool due = run->template->plan->mark;
	double before = before_most(run, t), beside = beside_most(run, t);

	out->slack_ns = due ? before + beside : beside;
	if (due && !run->how.marks)
		return mismatch(out, "its samples began unseen");
	if (!due && run->how.marks)
		return mismatch(out, "it made a mark that was not due");
	if (t->before > before)
		return mismatch(out, "its samples last %.0f ns, but the calls before took %.0f ns",
				t->samples, t->before);
	if (t->sampled - t->samples > beside)
		return mismatch(out, "its samples last %.0f ns, but took about %.0f ns", t->samples,
				t->sampled);
	return true;
}

static bool times_agree(const struct run *run, struct outcome *out)
{
	const struct wire_claim *claim = run->template->claim;
	double busy, wall = (double)run->how.wall_ns;
	struct times t;

	if (claim->end_ticks <= claim->begin_ticks)
		return mismatch(out, "claims to have ended before it began");
	if (!take_times(run, &t))
		return mismatch(out, "no memory to look at its samples");
	if (t.told > wall * 1.02 + WALL_SLACK_NS)
		return mismatch(out, "claims %.0f ns of %.0f ns", t.told, wall);
	if (t.samples > t.told * 1.001 + 1000)
		return mismatch(out, "its samples last %.0f ns in %.0f ns", t.samples, t.told);
	busy = t.before + t.sampled;
	if (busy > t.told * 1.1 + END_SLACK_NS + end_most(run))
		return mismatch(out, "claims %.0f ns, but used the processor for %.0f ns", t.told,
				busy);
	return samples_agree(run, &t, out);
}

bool kernel_claims_agree(const struct run *run, struct outcome *out)
{
	if (!counts_agree(run, out) || !overhead_agrees(run, out) || !times_agree(run, out))
		return false;
	snprintf(out->integrity, sizeof(out->integrity), "ok");
	return true;
}
