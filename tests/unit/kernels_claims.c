/* SPDX-License-Identifier: MIT */
/* A run's record against the totals from outside: which lies are found, which honest runs are believed. */
#include <stdlib.h>

#include "check.h"
#include "kernel_outcome.h"

static struct wire_plan plan;
static struct wire_claim claim;
static struct wire_link link_page;
static struct arena arena;
static struct template template;
static struct run run;
static struct outcome out;

/* 0.1 ms to the gate, 1.8 ms before the mark, then 100 samples of 10 calls, 100 us each: 10 ms of work in 10.1 ms. */
static void honest(void)
{
	double ticks_per_us = perf_tsc_hz() / 1e6;

	memset(&plan, 0, sizeof(plan));
	memset(&claim, 0, sizeof(claim));
	memset(&run.how, 0, sizeof(run.how));
	memset(&out, 0, sizeof(out));
	plan.samples = claim.samples = 100;
	plan.batch_max = 1u << 20;
	plan.warmup = 1;
	plan.nsets = 2;
	claim.batch = 10;
	claim.calls = 100 * 10 + 1 + 1 + 15;
	claim.phase = WIRE_DONE;
	claim.begin_ticks = 1000000000;
	claim.end_ticks = claim.begin_ticks + (uint64_t)(12000 * ticks_per_us);
	for (int i = 0; i < 100; i++)
		claim.ticks[i] = (uint64_t)(100 * ticks_per_us);
	plan.mark = run.how.marks = 1;
	run.how.gate_cpu_ns = 100000;
	run.how.mark_cpu_ns = 1900000;
	run.how.wall_ns = 12500000;
	run.how.user_ns = 12000000;
	arena.bytes = 65536;
	template.usage.cpu_ns = template.slowest_ns = 25000;
	template.plan = &plan;
	template.claim = &claim;
	template.link = &link_page;
	template.arena = &arena;
	run.template = &template;
}

static void the_honest_is_believed(void)
{
	honest();
	CHECK_MSG(kernel_claims_agree(&run, &out), "%s", out.integrity);
	CHECK_STR(out.integrity, "ok");
	CHECK(!out.is_violated);
}

static void preempted_is_believed(void)
{
	honest();
	claim.end_ticks += (uint64_t)perf_tsc_hz(); /* a second in which others ran */
	run.how.wall_ns += 1000000000;
	CHECK_MSG(kernel_claims_agree(&run, &out), "%s", out.integrity);
}

/* One call, which comes first of all: 3 ms, and 50 us for the end. */
static void single(void)
{
	honest();
	plan.samples = claim.samples = plan.batch = claim.batch = plan.nsets = 1;
	plan.warmup = plan.mark = run.how.marks = 0;
	claim.calls = 1;
	claim.ticks[0] = (uint64_t)(3000 * perf_tsc_hz() / 1e6);
	claim.end_ticks = claim.begin_ticks + claim.ticks[0] + 1000;
	run.how.mark_cpu_ns = 0;
	run.how.user_ns = 3150000;
	run.how.wall_ns = 3300000;
}

static void a_single_call_is_believed(void)
{
	single();
	CHECK_MSG(kernel_claims_agree(&run, &out), "%s", out.integrity);
}

/* Without a first call that could be slow nothing much can hide. */
static void a_single_call_has_little_slack(void)
{
	single();
	CHECK(kernel_claims_agree(&run, &out));
	CHECK_MSG(out.slack_ns < 600000, "%f ns", out.slack_ns);
	run.how.user_ns += (uint64_t)out.slack_ns;
	run.how.wall_ns += (uint64_t)out.slack_ns;
	CHECK(!kernel_claims_agree(&run, &out));
	CHECK_HAS(out.integrity, "samples last");
	honest();
	CHECK(kernel_claims_agree(&run, &out));
	CHECK_MSG(out.slack_ns > 10000000 && out.slack_ns < 14000000, "%f ns", out.slack_ns);
}

/* Pages that are touched and given back take time, but no more than they take. */
static void faults_are_allowed_for(void)
{
	single();
	run.how.user_ns += 2000000;
	run.how.wall_ns += 2000000;
	CHECK(!kernel_claims_agree(&run, &out));
	run.how.minor_faults = 2000;
	CHECK_MSG(kernel_claims_agree(&run, &out), "%s", out.integrity);
}

#define LIE(name, part, ...)                                                                                           \
	static void name(void)                                                                                         \
	{                                                                                                              \
		honest();                                                                                              \
		__VA_ARGS__;                                                                                           \
		CHECK(!kernel_claims_agree(&run, &out));                                                               \
		CHECK(out.is_violated);                                                                                \
		CHECK_HAS(out.integrity, "mismatch: ");                                                                \
		CHECK_HAS(out.integrity, part);                                                                        \
	}
LIE(unfinished, "phase", claim.phase = WIRE_SAMPLE)
LIE(more_samples, "samples", claim.samples = 101)
LIE(fewer_samples, "samples", claim.samples = 99)
LIE(no_samples, "samples", claim.samples = 0)
LIE(no_batch, "batches", claim.batch = 0)
LIE(another_batch, "batches", plan.batch = 1)
LIE(fewer_calls, "fewer", claim.calls = 1000)
LIE(more_calls, "more", claim.calls = 2000)
LIE(all_is_overhead, "overhead", claim.overhead_ticks = claim.ticks[0] / 2)
LIE(no_end_of_overhead, "overhead", claim.overhead_ticks = UINT64_MAX)
LIE(backwards, "before it began", claim.end_ticks = claim.begin_ticks - 1)
LIE(longer_than_the_wall, "claims", claim.begin_ticks = 0)
LIE(longer_samples, "samples last", claim.ticks[3] = (uint64_t)perf_tsc_hz())
LIE(shorter_than_the_processor, "used the processor", run.how.user_ns = 50000000; run.how.wall_ns = 60000000)
LIE(shorter_samples, "samples last", for (int i = 0; i < 100; i++) claim.ticks[i] = 100;
    claim.end_ticks = claim.begin_ticks + (uint64_t)(perf_tsc_hz() / 20); run.how.wall_ns = run.how.user_ns = 50000000)
LIE(unseen_samples, "unseen", run.how.marks = 0)
LIE(slow_calls_before, "calls before", run.how.mark_cpu_ns += 20000000; run.how.user_ns += 20000000; run.how.wall_ns += 20000000;
    claim.end_ticks += (uint64_t)(perf_tsc_hz() / 50))
LIE(a_shorter_call, "samples last", single(); claim.ticks[0] = 40)
LIE(an_undue_mark, "not due", single(); run.how.marks = 1; run.how.mark_cpu_ns = 3100000)
LIE(one_call_too_many, "more", single(); claim.calls = 2)

LIE(one_sample_for_all, "samples last", for (int i = 0; i < 100; i++) claim.ticks[i] = 100;
    claim.ticks[50] = (uint64_t)(perf_tsc_hz() / 40); claim.end_ticks = claim.begin_ticks + (uint64_t)(perf_tsc_hz() / 20);
    run.how.wall_ns = run.how.user_ns = 50000000)

/* With arguments on the stack a call of nothing costs more than the template's, which had none. */
static void overhead_as_the_template_had_it(void)
{
	honest();
	link_page.overheads[WIRE_THROUGHPUT][4] = 2000;
	claim.overhead_ticks = 2000 * 5 / 2;
	CHECK_MSG(kernel_claims_agree(&run, &out), "%s", out.integrity);
	claim.overhead_ticks = 2000 * 3 + 1000;
	CHECK(!kernel_claims_agree(&run, &out));
	plan.nargs = 16;
	CHECK_MSG(kernel_claims_agree(&run, &out), "%s", out.integrity);
	link_page.overheads[WIRE_THROUGHPUT][4] = 0;
}

int main(void)
{
	RUN(the_honest_is_believed);
	RUN(preempted_is_believed);
	RUN(a_single_call_is_believed);
	RUN(a_single_call_has_little_slack);
	RUN(faults_are_allowed_for);
	RUN(unfinished);
	RUN(more_samples);
	RUN(fewer_samples);
	RUN(no_samples);
	RUN(no_batch);
	RUN(another_batch);
	RUN(fewer_calls);
	RUN(more_calls);
	RUN(all_is_overhead);
	RUN(no_end_of_overhead);
	RUN(overhead_as_the_template_had_it);
	RUN(backwards);
	RUN(longer_than_the_wall);
	RUN(longer_samples);
	RUN(shorter_than_the_processor);
	RUN(shorter_samples);
	RUN(one_sample_for_all);
	RUN(unseen_samples);
	RUN(slow_calls_before);
	RUN(a_shorter_call);
	RUN(an_undue_mark);
	RUN(one_call_too_many);
	return check_done();
}
