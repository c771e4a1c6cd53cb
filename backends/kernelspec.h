/* SPDX-License-Identifier: MIT */
/*
 * Kernel specifications: INI text in; parameters, buffers, call, check and metrics out.
 *
 * Pure: bytes in, table or sentence out; no I/O, no globals, no log. A struct spec is constant
 * after spec_parse() and may be used by many threads; a struct spec_bound belongs to one run.
 *
 *   kernelspec*.c  parse and bind          expr*.c  expressions (kernelspec only)
 *   kernelfill.c   init generators         kernelref.c  builtin references and comparison functions
 *   kernelcheck.c  comparing outputs
 */
#ifndef KERNELSPEC_H
#define KERNELSPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jailed/wire.h"

#define SPEC_BYTES_MAX   65536
#define SPEC_PARAMS_MAX  32
#define SPEC_BUFFERS_MAX 16
#define SPEC_METRICS_MAX 16
#define SPEC_COMPARE_MAX 8

struct spec;

struct spec_error {
	int line;   /* of the file, from 1; 0: none */
	int column; /* in the run words, from 0; -1: none, that of a formula is in the text */
	int err;    /* -EINVAL, -ERANGE, -E2BIG, ... */
	/* a sentence that quotes the offending word and, for a file, begins "line N: " */
	char text[320];
};

enum spec_type {
	SPEC_U8,
	SPEC_U16,
	SPEC_U32,
	SPEC_U64,
	SPEC_I8,
	SPEC_I16,
	SPEC_I32,
	SPEC_I64,
	SPEC_F32,
	SPEC_F64,
	SPEC_BOOL
};

struct spec_value { /* of a parameter or an expression */
	bool is_float;
	int64_t i; /* u64 above INT64_MAX: is_big, bits in i */
	bool is_big;
	double f;
};

/* The spec, or NULL with err. text need not end in NUL. name: what [kernel] name must equal, NULL:
 * any. */
struct spec *spec_parse(const char *text, size_t size, const char *name, struct spec_error *err);
void spec_free(struct spec *spec); /* NULL allowed */

const char *spec_name(const struct spec *spec);
const char *spec_namespace(const struct spec *spec); /* "" when none */
const char *spec_function(const struct spec *spec);  /* symbol, or "*" */
const char *spec_summary(const struct spec *spec);

struct spec_param {
	char name[32];
	enum spec_type type;
	char default_text[96], min_text[32], max_text[32]; /* as written; "" when none */
	char values[128], unit[32], help[160];
};
unsigned spec_nparams(const struct spec *spec);
const struct spec_param *spec_param(const struct spec *spec, unsigned i);
const char *spec_type_name(enum spec_type type);

/* What [measure] and [limits] say; a field that the spec leaves open is -1 or "". */
struct spec_defaults {
	int mode; /* enum wire_mode, -1 */
	int64_t samples, warmup, cpu, processes, min_time_ms, max_time_ms, wall_ms, memory_bytes,
		stack_bytes;
	char aggregate[16]; /* p25, median, min */
	char events[512];
	char imports[512]; /* [limits] imports */
	bool tsc_denied;
};
void spec_defaults(const struct spec *spec, struct spec_defaults *out);

/* One word of a run command: key=value, both pointing into the caller's text. */
struct spec_word {
	const char *key, *value;
	size_t key_len, value_len;
	int column; /* of the key in the command */
};
/* Splits "n=1 incx=2&incy=3" (and percent-decodes nothing). Count, or -EINVAL/-E2BIG with err. */
int spec_split(const char *text, size_t size, struct spec_word *words, unsigned max,
	       struct spec_error *err);
/* Is key one of the words that run reserves (codelet symbol rocker events reps warmup timeout_ms
 * seed cpu cache check tag)? */
bool spec_reserved(const char *key, size_t len);
/* Strict number of a word: no sign for unsigned, no junk, bounds. 0, -EINVAL or -ERANGE with err.
 */
int spec_number(const struct spec_word *word, uint64_t min, uint64_t max, uint64_t *out,
		struct spec_error *err);

enum spec_access { SPEC_R = 1, SPEC_W = 2, SPEC_RW = 3 };
enum spec_guard { SPEC_GUARD_NONE, SPEC_GUARD_BEFORE, SPEC_GUARD_AFTER, SPEC_GUARD_BOTH };

struct spec_buffer { /* bound: sizes are known */
	char name[32];
	enum spec_type type;
	uint64_t count, element_bytes, bytes; /* bytes = count * element_bytes */
	uint64_t align, offset;               /* address = offset mod align */
	enum spec_access access;
	enum spec_guard guard;
	bool reset;    /* refill before each call */
	bool compared; /* named by [check] compare */
};

/* A specification with all parameters known. Every size has been computed with overflow checks. */
struct spec_bound {
	const struct spec *spec; /* borrowed */
	unsigned nparams;        /* including the predefined seed, last */
	struct spec_value params[SPEC_PARAMS_MAX + 1];
	unsigned nbuffers;
	struct spec_buffer buffers[SPEC_BUFFERS_MAX];
	unsigned nargs;
	struct wire_arg args[WIRE_ARGS_MAX];
	enum wire_return ret;
	bool ret_compared;
	bool has_check;
	char codelet_reference
		[160]; /* "FILE:SYMBOL" when [check] reference is codelet:..., else "" */
	int cache;     /* enum wire_cache, -1 when the spec says nothing */
	uint64_t seed;
	void *priv; /* owned: evaluated lets and so on */
};

/*
 * Binds the words that are not reserved as parameters; seed= is taken as the predefined parameter.
 * memory_max: bytes that all buffers together may need. 0 or -errno with err: EINVAL unknown or
 * malformed, ERANGE out of bounds, E2BIG buffers too large; a false [require] is EINVAL with its
 * text.
 */
int spec_bind(const struct spec *spec, const struct spec_word *words, unsigned nwords,
	      uint64_t memory_max, struct spec_bound *out, struct spec_error *err);
void spec_unbind(struct spec_bound *bound);

/* "n=1000 incx=1 incy=1 seed=1": every parameter with its value, for result. Returns the length
 * that it needs. */
size_t spec_bound_text(const struct spec_bound *bound, char *out, size_t size);

/*
 * Fills one buffer as [buffer] init says. set distinguishes the input sets of one run: the same
 * (bound, buffer, set) always gives the same bytes, another set other bytes where init is random.
 * out holds bytes of the bound buffer. What cannot be filled was refused by spec_bind(), so 0, or
 * -ENOMEM. The generator and what each init gives are described at the top of kernelfill.c; chase()
 * stores byte offsets from the buffer's beginning, so that its contents do not depend on the
 * address.
 */
int spec_fill(const struct spec_bound *bound, unsigned buffer, unsigned set, void *out,
	      struct spec_error *err);

/* What a checked call saw and left behind. */
struct spec_outcome {
	/* every buffer as it was filled for this set (pristine copies) */
	const void *inputs[SPEC_BUFFERS_MAX];
	/* every buffer after the call; read-only ones may be NULL */
	const void *outputs[SPEC_BUFFERS_MAX];
	/* where it stood in the run: a returned pointer is compared with it */
	uint64_t addresses[SPEC_BUFFERS_MAX];
	uint64_t ret; /* bits */
};

struct spec_verdict {
	bool passed;
	/*
	 * "ok", or what differs: "buffer c, element 5 of 16: got 1.5, expected 2.5, tolerance
	 * 1e-06"
	 */
	char text[320];
	double max_error, tolerance; /* at the worst element; NaN when exact */
	double max_ulp;              /* of the worst element, floats only */
	/* max error over sqrt(n)*eps*norm, dot and gemm only; NaN otherwise */
	double scaled_error;
	uint64_t compared, different; /* elements */
};

/*
 * Runs the reference on the inputs and compares; takes up to some seconds. 0, or -ENOMEM, -E2BIG
 * (the reference would take too long), -EINVAL (the tolerance cannot be evaluated), -EOPNOTSUPP for
 * codelet: references.
 */
int spec_check(const struct spec_bound *bound, const struct spec_outcome *outcome,
	       struct spec_verdict *out, struct spec_error *err);
/* Multiplications that spec_check() makes beyond a few for each element; 0 when there are none. */
uint64_t spec_check_work(const struct spec_bound *bound);

/*
 * Metrics: name and value pairs (flop, bytes_read, bytes_written, items as counts per call; then
 * gflops, GBps_read, ..., and metric.NAME). value_of gives seconds, cycles, instructions and event
 * names; false: not known, and then a metric that needs it says so in why.
 */
struct spec_metric {
	char name[48];
	double value;
	char why[128]; /* it cannot be computed: the reason; else "" */
};
unsigned spec_metrics(const struct spec_bound *bound,
		      bool (*value_of)(void *arg, const char *name, double *out), void *arg,
		      struct spec_metric *out, unsigned max);

/* The specifications that ship, by name, embedded in the daemon from backends/specs; ends with { 0
 * }. */
struct shipped_spec {
	const char *name;
	const char *text; /* not NUL-terminated */
	size_t size;
};
extern const struct shipped_spec shipped_specs[];

#endif
