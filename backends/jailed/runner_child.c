/* SPDX-License-Identifier: MIT */
/*
 * A run from its fork to the gate: everything that needs a system call or can fail.
 */
#include "runner.h"

#include "imports.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OWN_STACK_BYTES 4096
#define STACK_TOUCHED   8192

struct runner_run runner_run;
_Static_assert(offsetof(struct runner_run, args[1]) <= RUNNER_PAGE, "one page");
struct runner_frame runner_frame __attribute__((aligned(64)));

/* runner_call.S counts on these. */
#define AT(field, offset) _Static_assert(offsetof(struct runner_frame, field) == (offset), #field)
AT(args.floats, 48);
AT(args.stack, 112);
AT(args.nstack, 240);
AT(args.nfloats, 248);
AT(function, 256);
AT(stack, 264);
AT(count, 272);
AT(latency, 280);
AT(ret_int, 288);
AT(begin, 304);
AT(own_stack, 320);
AT(abi, 328);
AT(thread, 336);
AT(has_avx, 344);
AT(canaries, 360);
AT(scratch, 408);
AT(mxcsr, 416);

static void clear_claim(struct wire_claim *claim)
{
	memset(claim, 0, offsetof(struct wire_claim, ticks));
	for (uint32_t i = 0; i < runner_run.plan.samples; i++)
		claim->ticks[i] = 0;
}

/* The daemon may write the plan at any time: what is checked is what is used. */
static int take_plan(struct elf_error *err)
{
	int64_t arena_bytes = -EBADF;
	int rc;

	memcpy(&runner_run.plan, runner.plan, sizeof(runner_run.plan));
	if (runner_run.plan.nbuffers)
		arena_bytes = helper_size(WIRE_ARENA_FD);
	rc = runner_plan_check(&runner_run.plan, arena_bytes < 0 ? 0 : arena_bytes, err);
	if (rc)
		return rc;
	clear_claim(runner.claim);
	rc = runner_map(WIRE_ARENA_FD, err);
	if (arena_bytes >= 0)
		close(WIRE_ARENA_FD);
	return rc;
}

static int find_function(struct elf_error *err)
{
	if (runner_run.plan.empty) {
		runner_run.function = (uint64_t)runner_empty;
		return 0;
	}
	return elf_function(runner.file, runner.file_bytes, &runner.layout, runner.place.base,
			    runner.scratch, runner_run.plan.function, &runner_run.function, err);
}

static void prepare_calls(void)
{
	const struct wire_plan *plan = &runner_run.plan;

	for (unsigned set = 0; set < plan->nsets; set++)
		runner_plan_args(plan, &runner_run.addresses[set * plan->nbuffers], imports_builtin,
				 &runner_run.args[set]);
	for (unsigned i = 0; i < plan->nsets * plan->nbuffers; i++)
		runner.claim->buffer_address[i] = runner_run.addresses[i];
}

static int pin(struct elf_error *err)
{
	cpu_set_t set;

	if (runner_run.plan.cpu < 0)
		return 0;
	CPU_ZERO(&set);
	CPU_SET(runner_run.plan.cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		return runner_refuse(err, -errno, "a run cannot be bound to processor %d",
				     runner_run.plan.cpu);
	return 0;
}

/* Pages that the harness will write, so that what is counted from the gate on are the codelet's own
 * faults. */
static void touch(void)
{
	volatile unsigned char own[OWN_STACK_BYTES];
	uint64_t top = runner.stack + runner.stack_bytes;

	for (size_t i = 0; i < sizeof(own); i += RUNNER_PAGE)
		own[i] = 0;
	for (uint64_t at = top - STACK_TOUCHED; at < top; at += RUNNER_PAGE)
		*(volatile unsigned char *)at = 0;
	*(volatile size_t *)&imports_heap.used = imports_heap.used;
}

static int prepare(struct elf_error *err)
{
	int rc;

	rc = take_plan(err);
	rc = rc ?: find_function(err);
	rc = rc ?: pin(err);
	if (rc)
		return rc;
	prepare_calls();
	touch();
	runner_measure_overhead();
	return 0;
}

/* Only the launcher's answer lets it continue. One place for both gates: by it the launcher knows the second. */
__attribute__((noinline)) void runner_gate(void)
{
	long answer;

	__asm__ volatile("syscall" : "=a"(answer) : "a"(SYS_getppid) : "rcx", "r11", "memory");
	if (answer < 0)
		helper_exit(HELPER_REFUSED);
}

_Noreturn void runner_child(void)
{
	struct elf_error err;
	int rc;

	err.text[0] = '\0';
	rc = prepare(&err);
	if (rc) {
		helper_call_failed(rc, err.text);
		helper_exit(HELPER_FAILED);
	}
	runner_gate();
	runner_measure();
}
