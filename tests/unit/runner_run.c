/* SPDX-License-Identifier: MIT */
/*
 * Runs of a well-behaved codelet: arguments, results, buffers, a fresh start each time.
 */
#include "runner_codelet.h"

#include <math.h>

/* ---- calls ------------------------------------------------------------------------- */

static void calls_without_arguments(void)
{
	struct ending e;

	run_function("call0", &e);
	CHECK_ENDED_WELL(codelet, e);
	CHECK_INT((int)codelet->claim->ret[0], 42);
	CHECK_INT(codelet->claim->calls, 1);
	CHECK_INT(codelet->claim->phase, WIRE_DONE);
	CHECK_INT(codelet->claim->abi, 0);
	CHECK(codelet->claim->end_ticks > codelet->claim->begin_ticks);
}

static uint64_t bits64(double x)
{
	uint64_t bits;

	memcpy(&bits, &x, sizeof(bits));
	return bits;
}

static uint64_t bits32(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof(bits));
	return bits;
}

static double double_of(uint64_t bits)
{
	double x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

static float float_of(uint64_t bits)
{
	uint32_t low = bits;
	float x;

	memcpy(&x, &low, sizeof(x));
	return x;
}

static void passes_integers_on_the_stack(void)
{
	struct ending e;

	plan_for(codelet, "ints8");
	for (unsigned i = 1; i <= 8; i++)
		plan_arg(codelet, WIRE_INT, 0, i);
	e = play(codelet, -1, 2000);
	CHECK_ENDED_WELL(codelet, e);
	CHECK_INT(codelet->claim->ret[0], 87654321);
	plan_for(codelet, "seven"); /* an odd number: the stack stays aligned */
	for (unsigned i = 1; i <= 7; i++)
		plan_arg(codelet, WIRE_INT, 0, i);
	e = play(codelet, -1, 2000);
	CHECK_ENDED_WELL(codelet, e);
	CHECK_INT(codelet->claim->ret[0] % 1000, 7);
}

static void passes_all_classes(void)
{
	struct ending e;

	plan_for(codelet, "mixed");
	plan_arg(codelet, WIRE_INT, 0, 1);
	plan_arg(codelet, WIRE_F64, 0, bits64(2.0));
	plan_arg(codelet, WIRE_INT, 0, 2);
	plan_arg(codelet, WIRE_F32, 0, bits32(4.0f));
	for (unsigned i = 3; i <= 9; i++)
		plan_arg(codelet, WIRE_F64, 0, bits64(i));
	plan_arg(codelet, WIRE_F32, 0, bits32(10.0f));
	for (unsigned i = 3; i <= 6; i++)
		plan_arg(codelet, WIRE_INT, 0, i);
	codelet->plan->ret = WIRE_RET_F64;
	e = play(codelet, -1, 2000);
	CHECK_ENDED_WELL(codelet, e);
	CHECK_DOUBLE(double_of(codelet->claim->ret[0]),
		     1 + 4 + 9 + 16 + 25 + 36 + 1 + 1 + 3 + 4 + 5 + 6 + 7 + 8 + 900 + 10000);
}

static void returns_floats(void)
{
	struct ending e;

	plan_for(codelet, "half");
	plan_arg(codelet, WIRE_F32, 0, bits32(3.0f));
	codelet->plan->ret = WIRE_RET_F32;
	e = play(codelet, -1, 2000);
	CHECK_ENDED_WELL(codelet, e);
	CHECK_DOUBLE(float_of(codelet->claim->ret[0]), 1.5);
	plan_for(codelet, "root");
	plan_arg(codelet, WIRE_F64, 0, bits64(2.0));
	codelet->plan->ret = WIRE_RET_F64;
	e = play(codelet, -1, 2000);
	CHECK_ENDED_WELL(codelet, e);
	CHECK_DOUBLE(double_of(codelet->claim->ret[0]), sqrt(2.0));
}

static void begins_every_run_anew(void)
{
	static const char *const functions[] = { "count",       "thread", "inited",
						 "call_chosen", "chosen", "jump" };
	static const int expected[] = { 0, 5, 7, 100, 99, 3 };
	struct ending e;

	for (unsigned i = 0; i < 6; i++)
		for (unsigned again = 0; again < 2; again++) {
			run_function(functions[i], &e);
			CHECK_ENDED_WELL(codelet, e);
			CHECK_INT((int)codelet->claim->ret[0], expected[i]);
		}
}

static void allocates_from_the_arena(void)
{
	struct ending e;

	plan_for(codelet, "fill");
	plan_arg(codelet, WIRE_INT, 0, 100000);
	e = play(codelet, -1, 2000);
	CHECK_ENDED_WELL(codelet, e);
	CHECK_INT(codelet->claim->ret[0], 100000);
	CHECK(codelet->claim->arena_used >= 100000);
	codelet->plan->args[0].value = 8 << 20; /* more than the arena has */
	e = play(codelet, -1, 2000);
	CHECK_ENDED_WELL(codelet, e);
	CHECK_INT(codelet->claim->ret[0], -1);
}

/* ---- buffers ----------------------------------------------------------------------- */

/* One page of the arena with ints flush against its end. */
static int *plan_ints(unsigned n, bool writable, int *arena_out)
{
	void *map;

	*arena_out = memory_file(2 * PAGE, &map);
	codelet->plan->nbuffers = 1;
	codelet->plan->buffers[0] = (struct wire_buffer){
		.map_bytes = PAGE,
		.data_offset = PAGE - n * sizeof(int),
		.data_bytes = n * sizeof(int),
		.pristine_offset = UINT64_MAX,
		.writable = writable,
	};
	plan_arg(codelet, WIRE_PTR, 0, 0);
	return (int *)((char *)map + PAGE) - n;
}

static void guards_buffers(void)
{
	struct ending e;
	int arena, *ints;

	plan_for(codelet, "sum");
	ints = plan_ints(4, false, &arena);
	for (int i = 0; i < 4; i++)
		ints[i] = i + 1;
	plan_arg(codelet, WIRE_INT, 0, 4);
	e = play(codelet, arena, 2000);
	CHECK_ENDED_WELL(codelet, e);
	CHECK_INT((int)codelet->claim->ret[0], 10);
	CHECK_INT(codelet->claim->buffer_address[0] % PAGE, PAGE - 16);
	codelet->plan->args[1].value = 5;
	e = play(codelet, arena, 2000);
	CHECK(WIFSIGNALED(e.status) && WTERMSIG(e.status) == SIGSEGV && !e.claimed);
	CHECK_INT(codelet->claim->fault_signal, SIGSEGV);
	CHECK_INT(codelet->claim->fault_code, SEGV_ACCERR);
	CHECK_INT(codelet->claim->fault_address - codelet->claim->buffer_address[0], 16);
	CHECK(codelet->claim->fault_ip - codelet->link->text_address < codelet->link->text_bytes);
	CHECK_INT(codelet->claim->phase, WIRE_CHECK);
	close(arena);
}

static void maps_inputs_read_only(void)
{
	struct ending e;
	int arena, *ints;

	plan_for(codelet, "put");
	ints = plan_ints(4, false, &arena);
	plan_arg(codelet, WIRE_INT, 0, 1);
	e = play(codelet, arena, 2000);
	CHECK(WIFSIGNALED(e.status) && WTERMSIG(e.status) == SIGSEGV);
	CHECK_INT(codelet->claim->fault_address - codelet->claim->buffer_address[0], 4);
	CHECK_INT(ints[1], 0);
	codelet->plan->buffers[0].writable = 1;
	e = play(codelet, arena, 2000);
	CHECK_ENDED_WELL(codelet, e);
	CHECK_INT(ints[1], 7);
	close(arena);
}

static void restores_pristine_buffers(void)
{
	struct ending e;
	int arena, *ints;

	plan_for(codelet, "bump");
	ints = plan_ints(1, true, &arena);
	ints[PAGE / sizeof(int)] = 5; /* the same place one page on */
	codelet->plan->buffers[0].pristine_offset = PAGE;
	codelet->plan->samples = 3;
	codelet->plan->warmup = 2;
	codelet->plan->batch = 10; /* cannot be had then */
	e = play(codelet, arena, 2000);
	CHECK_ENDED_WELL(codelet, e);
	CHECK_INT((int)codelet->claim->ret[0], 6);
	CHECK_INT(ints[0], 6);
	CHECK_INT(codelet->claim->calls, 5);
	CHECK_INT(codelet->claim->batch, 1);
	close(arena);
}

static void checks_further_sets(void)
{
	struct ending e;
	int arena, *ints;

	plan_for(codelet, "bump");
	ints = plan_ints(1, true, &arena);
	codelet->plan->nsets = 3;
	codelet->plan->buffers[1] = codelet->plan->buffers[2] = codelet->plan->buffers[0];
	close(arena);
	arena = memory_file(3 * PAGE, (void **)&ints);
	for (unsigned i = 0; i < 3; i++) {
		codelet->plan->buffers[i].file_offset = i * PAGE;
		ints[(i + 1) * PAGE / sizeof(int) - 1] = 100 * (i + 1);
	}
	codelet->plan->samples = 4;
	codelet->plan->batch = 8;
	codelet->plan->check_at[2] = 2;
	e = play(codelet, arena, 2000);
	CHECK_ENDED_WELL(codelet, e);
	CHECK_INT((int)codelet->claim->ret[0], 101);
	CHECK_INT((int)codelet->claim->ret[1], 201);
	CHECK_INT((int)codelet->claim->ret[2], 301);
	CHECK_INT(ints[3 * PAGE / sizeof(int) - 1], 301); /* called once */
	CHECK_INT(codelet->claim->samples, 4);
	CHECK_INT(codelet->claim->calls, 1 + 1 + 1 + 4 * 8);
	close(arena);
}

static void hands_over_functions(void)
{
	static const uint32_t sorted[] = { 1, 2, 3, 4, 5, 4000000000u };
	struct ending e;
	int arena;
	uint32_t *values;

	plan_for(codelet, "order");
	values = (uint32_t *)plan_ints(6, true, &arena);
	memcpy(values, (uint32_t[]){ 4, 4000000000u, 1, 3, 2, 5 }, sizeof(sorted));
	plan_arg(codelet, WIRE_INT, 0, 6);
	plan_arg(codelet, WIRE_FN, WIRE_CMP_U32, 0);
	e = play(codelet, arena, 2000);
	CHECK_ENDED_WELL(codelet, e);
	CHECK_MEM(values, sorted, sizeof(sorted));
	close(arena);
}

static void links_every_model(void)
{
	static const char *const flags[] = { "-fno-pic -fno-pie",        "-fPIC",
					     "-fPIC -fno-plt",           "-mcmodel=large -fno-pie",
					     "-fPIC -mtls-dialect=gnu2", "-O3 -march=native" };
	struct template *shared = codelet;
	char name[16];
	struct ending e;

	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		snprintf(name, sizeof(name), "model%u", i);
		codelet = template_new(compile(name, flags[i], source), 1 << 20, "missing=trap");
		CHECK_MSG(codelet->setup.rc == 0, "%s: %s", flags[i], codelet->setup.text);
		CHECK(codelet->link->image_address + codelet->link->image_bytes < 2ull << 30);
		if (codelet->setup.rc == 0) {
			run_function("thread", &e);
			CHECK_ENDED_WELL(codelet, e);
			CHECK_INT((int)codelet->claim->ret[0], 5);
			begins_every_run_anew();
			hands_over_functions();
		}
		template_drop(codelet);
	}
	codelet = shared;
}

int main(void)
{
	if (!codelet_start())
		return 1;
	RUN(calls_without_arguments);
	RUN(passes_integers_on_the_stack);
	RUN(passes_all_classes);
	RUN(returns_floats);
	RUN(begins_every_run_anew);
	RUN(allocates_from_the_arena);
	RUN(guards_buffers);
	RUN(maps_inputs_read_only);
	RUN(restores_pristine_buffers);
	RUN(checks_further_sets);
	RUN(hands_over_functions);
	RUN(links_every_model);
	return codelet_stop();
}
