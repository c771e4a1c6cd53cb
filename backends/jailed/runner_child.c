/* SPDX-License-Identifier: MIT */
/*
 * A run from its fork to the gate: everything that needs a system call or can fail.
 */
#include "runner.h"

#include "imports.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OWN_STACK_BYTES 4096
#define STACK_TOUCHED   8192

struct runner_run runner_run;
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
static int take_plan(const struct helper_order *order, struct elf_error *err)
{
	int64_t arena_bytes = order->nfds ? helper_size(order->fds[0]) : 0;
	int rc;

	if (order->nfds > 1 || arena_bytes < 0)
		return runner_refuse(err, -EINVAL, "a run takes one arena");
	memcpy(&runner_run.plan, runner.plan, sizeof(runner_run.plan));
	rc = runner_plan_check(&runner_run.plan, arena_bytes, err);
	if (rc)
		return rc;
	clear_claim(runner.claim);
	return runner_map(order->nfds ? order->fds[0] : -1, err);
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

static int prepare(const struct helper_order *order, struct elf_error *err)
{
	int rc;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* nobody would answer its notifications */
	rc = take_plan(order, err);
	rc = rc ?: find_function(err);
	rc = rc ?: pin(err);
	if (rc)
		return rc;
	prepare_calls();
	touch();
	runner_measure_overhead();
	return 0;
}

/* From here on only the launcher's answer lets it continue. */
static void arm(uint32_t seq)
{
	close_range(0, WIRE_CTL_FD - 1, 0);
	close_range(WIRE_CTL_FD + 1, ~0u, 0);
	helper_report(WIRE_ARMING, seq, 0, NULL);
	close(WIRE_CTL_FD);
	if (helper_filter_run() != WIRE_LISTENER_FD)
		helper_exit(HELPER_FAILED);
}

static void gate(void)
{
	long answer;

	__asm__ volatile("syscall" : "=a"(answer) : "a"(SYS_getppid) : "rcx", "r11", "memory");
	if (answer < 0)
		helper_exit(HELPER_REFUSED);
}

_Noreturn void runner_child(struct helper_order *order)
{
	struct elf_error err = { .text = "" };
	int rc = prepare(order, &err);

	if (rc) {
		helper_report(WIRE_FORK_FAILED, order->order.seq, rc, err.text);
		helper_exit(HELPER_FAILED);
	}
	arm(order->order.seq);
	gate();
	runner_measure();
}
