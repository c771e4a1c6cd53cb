/* SPDX-License-Identifier: MIT */
/*
 * A run from the gate to its end: initialisation, checked calls, warm-up, samples, claim.
 *
 * Nothing here makes a system call but the last line; memory is copied by instructions, not by the
 * C library.
 */
#include "runner.h"

#include "imports.h"

#include <sys/syscall.h>

#define LINE 64
#define FEW  3 /* samples of an empty bracket that is long by itself */

static void set_phase(enum wire_phase phase)
{
	*(volatile uint32_t *)&runner.claim->phase = phase;
}

static void copy(void *to, const void *from, uint64_t bytes)
{
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

void runner_load_args(const struct runner_args *args)
{
	uint64_t top = runner.stack + runner.stack_bytes - 256;

	copy(&runner_frame.args, args, sizeof(*args));
	/* 16-aligned at the call */
	runner_frame.stack = top - 8 * ((args->nstack + 1) & ~1ull);
}

/* ---- what an empty bracket costs ------------------------------------------------------------- */

uint64_t runner_overhead(uint64_t batch, unsigned samples, uint64_t *scratch)
{
	runner_frame.function = (uint64_t)runner_empty;
	for (unsigned i = 0; i < samples; i++) {
		runner_frame.count = batch;
		runner_call();
		scratch[i] = runner_frame.end - runner_frame.begin;
	}
	return runner_median(scratch, samples);
}

static unsigned log2_up(uint64_t value)
{
	return value < 2 ? 0 : 64 - __builtin_clzll(value - 1);
}

static bool resets(void)
{
	return runner_run.nresets[0] != 0;
}

/* The batch that the plan fixes, 0 when it is to be found. */
static uint64_t fixed_batch(void)
{
	const struct wire_plan *plan = &runner_run.plan;

	if (resets() || (plan->cache == WIRE_FLUSH && !plan->batch))
		return 1;
	return plan->batch;
}

/*
 * With the batch to be found, every batch is measured that could be: one whose empty calls last
 * batch_ticks would be too long for any function.
 */
void runner_measure_overhead(void)
{
	const struct wire_plan *plan = &runner_run.plan;
	uint64_t batch = fixed_batch(), *known = runner_run.overheads;
	unsigned samples = plan->overhead_samples;

	runner_frame.latency = plan->mode == WIRE_LATENCY;
	runner_load_args(&runner_run.args[0]);
	if (!samples) {
		copy(known, runner.overheads[plan->mode], sizeof(runner_run.overheads));
		return;
	}
	if (batch) {
		known[log2_up(batch)] = runner_overhead(batch, samples, runner_run.scratch);
		return;
	}
	for (unsigned i = 0; i < WIRE_OVERHEADS; i++) {
		unsigned n = samples >> (i / 2);

		if (i && known[i - 1] > plan->batch_ticks)
			known[i] = 2 * known[i - 1];
		else
			known[i] = runner_overhead(1ull << i,
						   n > FEW         ? n
						   : FEW < samples ? FEW
								   : samples,
						   runner_run.scratch);
		if (1ull << i >= plan->batch_max)
			return;
	}
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void call(unsigned set, uint64_t count)
{
	runner_load_args(&runner_run.args[set]);
	runner_frame.function = runner_run.function;
	runner_frame.count = count;
	for (unsigned i = 0; i < runner_run.nresets[set]; i++)
		copy(runner_run.resets[set][i].to, runner_run.resets[set][i].from,
		     runner_run.resets[set][i].bytes);
	runner_call();
	runner.claim->calls += count;
	runner.claim->abi |= runner_frame.abi;
}

static uint64_t returned(void)
{
	switch (runner_run.plan.ret) {
	case WIRE_RET_INT:
		return runner_frame.ret_int;
	case WIRE_RET_F64:
		return runner_frame.ret_float;
	case WIRE_RET_F32:
		return (uint32_t)runner_frame.ret_float;
	default:
		return 0;
	}
}

/* One call outside of any sample; the first one on a set is what its outputs are checked by. */
static void call_once(unsigned set, bool first)
{
	call(set, 1);
	if (first)
		runner.claim->ret[set] = returned();
}

static void flush(void)
{
	for (unsigned i = 0; i < runner_run.plan.nbuffers; i++) {
		uint64_t at = runner_run.addresses[i] & ~(uint64_t)(LINE - 1);
		uint64_t end = runner_run.addresses[i] + runner_run.plan.buffers[i].data_bytes;

		if (!runner_run.plan.buffers[i].map_bytes)
			continue;
		for (; at < end; at += LINE) {
			if (runner_run.has_clflushopt)
				__asm__ volatile("clflushopt (%0)" : : "r"(at) : "memory");
			else
				__asm__ volatile("clflush (%0)" : : "r"(at) : "memory");
		}
	}
	__asm__ volatile("mfence" : : : "memory");
}

/* ---- phases ---------------------------------------------------------------------------------- */

static void run_inits(void)
{
	static char *nothing[] = { NULL };
	struct runner_args args = { .ints = { 0, (uint64_t)nothing, (uint64_t)nothing } };

	set_phase(WIRE_INIT);
	for (uint32_t i = 0; i < runner.linked.ninits; i++) {
		runner_load_args(&args);
		runner_frame.function = runner.linked.inits[i];
		runner_frame.count = 1;
		runner_call();
	}
	runner.claim->abi |= runner_frame.abi;
}

static void run_first_check(void)
{
	const struct wire_plan *plan = &runner_run.plan;

	set_phase(WIRE_CHECK);
	if (plan->nsets > 1)
		call_once(1, true);
	else if (plan->warmup == 0 && plan->samples == 0)
		call_once(0, true);
}

static void run_warmup(bool *called)
{
	set_phase(WIRE_WARMUP);
	for (uint32_t i = 0; i < runner_run.plan.warmup; i++) {
		call_once(0, !*called);
		*called = true;
	}
}

/* The least power of two whose bracket lasts long enough. */
static uint64_t find_batch(bool *called)
{
	const struct wire_plan *plan = &runner_run.plan;
	uint64_t batch = fixed_batch();

	if (batch || !plan->samples)
		return batch ?: 1;
	for (batch = 1; 2 * batch <= plan->batch_max; batch *= 2) {
		if (*called)
			call(0, batch);
		else
			call_once(0, true);
		*called = true;
		if (runner_frame.end - runner_frame.begin >= plan->batch_ticks)
			break;
	}
	return batch;
}

/* Of a bracket of batch calls: the template's figures are of powers of two only. */
static uint64_t overhead_of(uint64_t batch)
{
	uint64_t known = runner_run.overheads[log2_up(batch)];

	if (runner_run.plan.overhead_samples && fixed_batch())
		return known;
	return (unsigned __int128)known * batch >> log2_up(batch);
}

/* Further sets whose turn is before sample number, or has not come by the end. */
static void run_checks(uint32_t number, bool *done)
{
	for (unsigned set = 2; set < runner_run.plan.nsets; set++) {
		if (done[set] || runner_run.plan.check_at[set] > number)
			continue;
		done[set] = true;
		set_phase(WIRE_CHECK);
		call_once(set, true);
		set_phase(WIRE_SAMPLE);
	}
}

static void run_samples(uint64_t batch, bool called)
{
	const struct wire_plan *plan = &runner_run.plan;
	bool done[WIRE_SETS_MAX] = { false };
	uint64_t start;

	if (!called && batch > 1 && plan->samples)
		/* the return value of the first call, not of the first sample's last */
		call_once(0, true);
	if (plan->mark)
		runner_gate();
	start = runner_ticks();
	set_phase(WIRE_SAMPLE);
	for (uint32_t i = 0; i < plan->samples; i++) {
		if (plan->stop_ticks && i && runner_ticks() - start >= plan->stop_ticks)
			break;
		run_checks(i, done);
		if (plan->cache == WIRE_FLUSH)
			flush();
		call(0, batch);
		runner.claim->ticks[i] = runner_frame.end - runner_frame.begin;
		runner.claim->samples = i + 1;
		if (!called && batch == 1 && i == 0)
			runner.claim->ret[0] = returned();
	}
	run_checks(UINT32_MAX, done);
}

static _Noreturn void finish(void)
{
	struct wire_claim *claim = runner.claim;

	claim->end_ticks = runner_ticks();
	claim->arena_used = imports_heap.used;
	set_phase(WIRE_DONE);
	__atomic_store_n(&claim->nonce, runner_run.plan.nonce, __ATOMIC_RELEASE);
	for (;;)
		__asm__ volatile("syscall"
				 :
				 : "a"(SYS_exit_group), "D"(0)
				 : "rcx", "r11", "memory");
}

_Noreturn void runner_measure(void)
{
	bool called = false;
	uint64_t batch;

	runner.claim->begin_ticks = runner_ticks();
	runner_frame.abi = 0;
	if (!runner_run.plan.empty)
		run_inits();
	run_first_check();
	run_warmup(&called);
	batch = find_batch(&called);
	runner.claim->batch = batch;
	runner.claim->overhead_ticks = overhead_of(batch);
	run_samples(batch, called);
	finish();
}
