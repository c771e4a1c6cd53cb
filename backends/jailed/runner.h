/* SPDX-License-Identifier: MIT */
/*
 * The runner: a template that has one codelet linked, and the runs forked from it.
 *
 * struct runner is set by WIRE_SETUP and constant from then on; what a run changes are its own
 * copies. One thread. The order of a run's life is in runner_child(): before the gate the C library
 * is at hand and failures are told; after it no function of it is called that makes a system call,
 * and the only way out is exit_group(2) or a signal.
 */
#ifndef RUNNER_H
#define RUNNER_H

#include "elf.h"
#include "helper.h"
#include "wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RUNNER_PAGE                 4096ull
#define RUNNER_TLS_BYTES            (64u << 10)
#define RUNNER_BATCH_MAX            (1u << 30)
#define RUNNER_OVERHEAD_SAMPLES_MAX 1024

/* Notes a sentence and returns rc. */
int runner_refuse(struct elf_error *err, int rc, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* ---- one bracket of calls: runner_call.S ----------------------------------------------------- */

struct runner_args {
	uint64_t ints[6];
	uint64_t floats[8];
	uint64_t stack[WIRE_ARGS_MAX];
	uint64_t nstack, nfloats;
};

/* The assembly finds everything here, since after a call it can trust no register. Its offsets are
 * in runner_call.S. */
struct runner_frame {
	struct runner_args args;
	uint64_t function;
	uint64_t stack;   /* the codelet's stack pointer at the call, where args.stack begins */
	uint64_t count;   /* calls in this bracket; 0 afterwards */
	uint64_t latency; /* not 0: lfence before each call */
	uint64_t ret_int, ret_float; /* of the last call */
	uint64_t begin, end;         /* ticks */
	uint64_t own_stack;
	uint64_t abi; /* enum wire_abi bits so far */
	uint64_t thread;
	uint64_t has_avx, has_fsgsbase;
	uint64_t canaries[6];
	uint64_t scratch;
	uint32_t mxcsr;
};

extern struct runner_frame runner_frame;
void runner_call(void);
void runner_empty(void);

static inline uint64_t runner_ticks(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence\n\trdtsc\n\tlfence" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* ---- arguments and plan, pure: runner_plan.c ------------------------------------------------- */

/* Is every number of the plan in its bounds? arena_bytes: length of the arena, 0 when there is
 * none. 0 or -EINVAL. */
int runner_plan_check(const struct wire_plan *plan, uint64_t arena_bytes, struct elf_error *err);
/* Puts the arguments into registers and stack as the System V ABI for x86-64 says (3.2.3).
 * addresses: of the set's buffers. */
void runner_plan_args(const struct wire_plan *plan, const uint64_t *addresses,
		      uint64_t (*builtin)(uint32_t fn), struct runner_args *out);
uint64_t runner_median(uint64_t *values, unsigned count);

/* ---- the template: runner_setup.c, runner_place.c, runner_ifunc.c ---------------------------- */

struct runner {
	const void *file; /* the codelet: a private copy */
	size_t file_bytes;
	struct elf_layout layout;
	struct elf_place place;
	struct elf_linked linked;
	void *scratch; /* of the linker */
	unsigned char *near_page;
	uint64_t arena, arena_bytes;
	uint64_t stack, stack_bytes;
	/* shared with the daemon: copied before it is looked at */
	const struct wire_plan *plan;
	struct wire_claim *claim;              /* shared */
	struct wire_link *link;                /* shared, while linking */
	uint64_t overheads[2][WIRE_OVERHEADS]; /* by enum wire_mode, log2 of the batch */
};

extern struct runner runner;

/* Links the codelet of order. 0 or -errno with a sentence. */
int runner_setup(struct helper_order *order, struct elf_error *err);
/* Reserves and maps image, stack and arena; nothing is filled in. */
int runner_place_image(struct elf_error *err);
int runner_place_memory(uint64_t arena_bytes, uint64_t stack_bytes, struct elf_error *err);
/* Text to R+X, rodata to R, data to R+W. before_ifuncs: rodata stays writable. */
int runner_protect(bool before_ifuncs, struct elf_error *err);
/* Calls the resolvers in a child and fills in the slots. */
int runner_ifuncs(struct elf_error *err);
void *runner_tls_arena(void);
/* Makes forks cheaper; runner_warm.c. */
void runner_warm(void);

/* ---- a run: runner_child.c, runner_map.c, runner_measure.c, runner_fault.c ------------------- */

struct runner_reset {
	void *to;
	const void *from;
	uint64_t bytes;
};

/*
 * A run as the code after the gate needs it. What a run without buffers touches comes first and
 * lies on one page, since each page is a fault.
 */
struct runner_run {
	struct wire_plan plan; /* private */
	uint64_t function;
	/* of power-of-two batches; or the one of plan.batch in [0] */
	uint64_t overheads[WIRE_OVERHEADS];
	unsigned nresets[WIRE_SETS_MAX];
	bool has_clflushopt;
	struct runner_args args[WIRE_SETS_MAX];
	uint64_t addresses[WIRE_BUFFERS_MAX];
	struct runner_reset resets[WIRE_SETS_MAX][WIRE_BUFFERS_MAX];
	uint64_t scratch[RUNNER_OVERHEAD_SAMPLES_MAX];
} __attribute__((aligned(4096)));

extern struct runner_run runner_run;

/*
 * Waits for the launcher's word: once to begin, and once more before the samples where the plan has
 * a mark.
 */
void runner_gate(void);
/* The whole life of a run; the caller is its process. */
_Noreturn void runner_child(void);
/* Maps the buffers of runner_run.plan from the arena (-1: none), fills in addresses and resets. */
int runner_map(int arena_fd, struct elf_error *err);
/* Median ticks of a bracket of batch calls of the empty function with the arguments at hand. */
uint64_t runner_overhead(uint64_t batch, unsigned samples, uint64_t *scratch);
void runner_load_args(const struct runner_args *args);
/* Before the gate: what an empty bracket costs. After it: everything else. */
void runner_measure_overhead(void);
_Noreturn void runner_measure(void);
/* Handlers of the signals that codelets provoke. They report into claim. */
int runner_faults(struct elf_error *err);

#endif
