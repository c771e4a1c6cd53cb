/* SPDX-License-Identifier: MIT */
/*
 * Builtin references: what a correct kernel would have left behind, element by element and in
 * higher precision.
 *
 * A reference reads the pristine inputs of one checked call. Its table row says what its arguments
 * are, how many elements of each buffer it touches (judged when the run is bound, so that no
 * reference ever reads outside of a buffer) and how each expected element is computed.
 */
#ifndef KERNELREF_H
#define KERNELREF_H

#include "kernelspec.h"

#define REF_ARGS_MAX 16
/* Multiply-adds that one check may take: some seconds. Above, spec_check() says so. */
#define REF_WORK_MAX (UINT64_C(1) << 31)

/* What one element, or the returned value, should be. */
struct ref_value {
	long double value; /* holds every f64, u64 and i64 exactly */
	double abs;        /* sum of the magnitudes of what was added up: ref_abs */
	double norm;       /* 2-norm of the same; 0 where it means nothing */
	/* the kernel has no business here: must equal the input to the bit */
	bool untouched;
};

struct ref_arg {
	/* a buffer's index, for letters in lower or upper case as reference.args says */
	unsigned buffer;
	uint64_t i; /* 'i' */
	double f;   /* 'n' */
};

struct ref_run {
	const struct spec_bound *bound;
	const struct spec_outcome *outcome;
	const struct ref_arg *args;
	void *work; /* owned by prepare and release */
};

struct reference {
	const char *name;
	/*
	 * One letter for each argument: i integer >= 0, n number; buffers: f of floats, c of bytes,
	 * b of anything, s of what the comparison functions sort. In upper case the kernel writes
	 * it.
	 */
	const char *args;
	/*
	 * types of [kernel] returns that make sense to compare, as letters: f float, i integer, p;
	 * "" none
	 */
	const char *returns;
	bool sign_only; /* of the returned integer only the sign counts */
	/* Elements of each buffer argument that are touched; SIZE_MAX-like values on overflow. */
	void (*touches)(const struct ref_arg *args, uint64_t *elements);
	/* Multiply-adds, when it can be many; NULL: about one for each element. */
	uint64_t (*work)(const struct ref_arg *args);
	/* Additions that make one element: n of scaled_error, and of tolerance where no parameter
	 * is called n. NULL: 1. */
	uint64_t (*terms)(const struct ref_arg *args);
	int (*prepare)(struct ref_run *run); /* 0, -ENOMEM, -EINVAL; NULL: nothing to do */
	void (*release)(struct ref_run *run);
	/* Expected elements first.. of an argument in upper case. */
	void (*elements)(const struct ref_run *run, uint64_t first, unsigned count,
			 struct ref_value *out);
	void (*returned)(const struct ref_run *run, struct ref_value *out);
};

/* The row of that name, or NULL. */
const struct reference *reference_find(const char *name, size_t len);

/* The tables that make the list: one for each file of references; they end with { 0 }. */
extern const struct reference ref_blas[], ref_bytes[];

/* One element of a buffer as a number. data may be unaligned. */
long double ref_load(enum spec_type type, const void *data, uint64_t index);
void ref_store(enum spec_type type, void *data, uint64_t index, long double value);
bool ref_is_float(enum spec_type type);
unsigned ref_type_bytes(enum spec_type type);

#endif
