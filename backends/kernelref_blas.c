/* SPDX-License-Identifier: MIT */
/* References for kernels that calculate with floats: dot, axpy, scal, triad, gemm. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "kernelref.h"

/* Products of two f32 are exact in a double, so doubles are the higher precision of f32 and long
 * doubles that of f64. */
#define LANES         4
#define GEMM_SPAN_MAX (UINT64_C(1) << 20) /* elements of C with the gaps between them */
#define GEMM_PACKED_MAX                                                                            \
	(UINT64_C(1) << 22) /* elements of B that are gathered at once, or one column */

/*
 * Elements that a stride touches, or UINT64_MAX where that is more than 64 bits. A stride of 0
 * counts as 1, so that n is never more than the elements of a buffer and every loop ends.
 */
static uint64_t strided(uint64_t n, uint64_t stride)
{
	uint64_t last, elements;

	if (n == 0)
		return 0;
	if (__builtin_mul_overflow(n - 1, stride ?: 1, &last) ||
	    __builtin_add_overflow(last, 1, &elements))
		return UINT64_MAX;
	return elements;
}

static uint64_t strided2(uint64_t n, uint64_t stride_n, uint64_t m, uint64_t stride_m)
{
	uint64_t a = strided(n, stride_n), b = strided(m, stride_m), sum;

	if (n == 0 || m == 0)
		return 0;
	return __builtin_add_overflow(a, b - 1, &sum) ? UINT64_MAX : sum;
}

static const void *input(const struct ref_run *run, unsigned arg)
{
	return run->outcome->inputs[run->args[arg].buffer];
}

static enum spec_type type_of(const struct ref_run *run, unsigned arg)
{
	return run->bound->buffers[run->args[arg].buffer].type;
}

/* value = sum of terms */
static struct ref_value sum2(long double a, long double b)
{
	return (struct ref_value){ .value = a + b,
				   .abs = (double)(fabsl(a) + fabsl(b)),
				   .norm = (double)hypotl(a, b) };
}

static struct ref_value untouched(void)
{
	return (struct ref_value){ .untouched = true };
}

/* Is index one of n elements with that stride? Says which. With a stride of 0 all are the first
 * one. */
static bool strided_index(uint64_t index, uint64_t n, uint64_t stride, uint64_t *out)
{
	if (stride == 0) {
		*out = 0;
		return n > 0 && index == 0;
	}
	*out = index / stride;
	return index % stride == 0 && *out < n;
}

/* ---- dot(n, x, incx, y, incy) ---------------------------------------------------------------- */

enum { DOT_N, DOT_X, DOT_INCX, DOT_Y, DOT_INCY };

static void dot_touches(const struct ref_arg *args, uint64_t *elements)
{
	elements[DOT_X] = strided(args[DOT_N].i, args[DOT_INCX].i);
	elements[DOT_Y] = strided(args[DOT_N].i, args[DOT_INCY].i);
}

static uint64_t dot_terms(const struct ref_arg *args)
{
	return args[DOT_N].i;
}

static void dot_returned(const struct ref_run *run, struct ref_value *out)
{
	const struct ref_arg *args = run->args;
	const void *x = input(run, DOT_X), *y = input(run, DOT_Y);
	enum spec_type type = type_of(run, DOT_X);
	long double sum = 0, abs = 0, squares = 0;

	for (uint64_t i = 0; i < args[DOT_N].i; i++) {
		long double term = ref_load(type, x, i * args[DOT_INCX].i) *
				   ref_load(type, y, i * args[DOT_INCY].i);

		sum += term;
		abs += fabsl(term);
		squares += term * term;
	}
	*out = (struct ref_value){ .value = sum,
				   .abs = (double)abs,
				   .norm = (double)sqrtl(squares) };
}

/* ---- axpy(n, alpha, x, incx, y, incy): y += alpha x ------------------------------------------ */

enum { AXPY_N, AXPY_ALPHA, AXPY_X, AXPY_INCX, AXPY_Y, AXPY_INCY };

static void axpy_touches(const struct ref_arg *args, uint64_t *elements)
{
	elements[AXPY_X] = strided(args[AXPY_N].i, args[AXPY_INCX].i);
	elements[AXPY_Y] = strided(args[AXPY_N].i, args[AXPY_INCY].i);
}

static void axpy_elements(const struct ref_run *run, uint64_t first, unsigned count,
			  struct ref_value *out)
{
	const struct ref_arg *args = run->args;
	const void *x = input(run, AXPY_X), *y = input(run, AXPY_Y);
	enum spec_type type = type_of(run, AXPY_Y);

	for (unsigned i = 0; i < count; i++) {
		uint64_t k;

		if (strided_index(first + i, args[AXPY_N].i, args[AXPY_INCY].i, &k))
			out[i] = sum2((long double)args[AXPY_ALPHA].f *
					      ref_load(type, x, k * args[AXPY_INCX].i),
				      ref_load(type, y, first + i));
		else
			out[i] = untouched();
	}
}

/* ---- scal(n, alpha, x, incx): x *= alpha ----------------------------------------------------- */

enum { SCAL_N, SCAL_ALPHA, SCAL_X, SCAL_INCX };

static void scal_touches(const struct ref_arg *args, uint64_t *elements)
{
	elements[SCAL_X] = strided(args[SCAL_N].i, args[SCAL_INCX].i);
}

static void scal_elements(const struct ref_run *run, uint64_t first, unsigned count,
			  struct ref_value *out)
{
	const struct ref_arg *args = run->args;
	enum spec_type type = type_of(run, SCAL_X);

	for (unsigned i = 0; i < count; i++) {
		uint64_t k;

		if (strided_index(first + i, args[SCAL_N].i, args[SCAL_INCX].i, &k))
			out[i] = sum2((long double)args[SCAL_ALPHA].f *
					      ref_load(type, input(run, SCAL_X), first + i),
				      0);
		else
			out[i] = untouched();
	}
}

/* ---- triad(a, b, c, scalar, n): a = b + scalar c --------------------------------------------- */

enum { TRIAD_A, TRIAD_B, TRIAD_C, TRIAD_SCALAR, TRIAD_N };

static void triad_touches(const struct ref_arg *args, uint64_t *elements)
{
	elements[TRIAD_A] = elements[TRIAD_B] = elements[TRIAD_C] = args[TRIAD_N].i;
}

static void triad_elements(const struct ref_run *run, uint64_t first, unsigned count,
			   struct ref_value *out)
{
	const struct ref_arg *args = run->args;
	enum spec_type type = type_of(run, TRIAD_A);

	for (unsigned i = 0; i < count; i++) {
		if (first + i < args[TRIAD_N].i)
			out[i] = sum2(ref_load(type, input(run, TRIAD_B), first + i),
				      (long double)args[TRIAD_SCALAR].f *
					      ref_load(type, input(run, TRIAD_C), first + i));
		else
			out[i] = untouched();
	}
}

/*
 * ---- gemm(m, n, k, alpha, a, rsa, csa, b, rsb, csb, beta, c, rsc, csc): C = beta C + alpha A B
 */

enum {
	GEMM_M,
	GEMM_N,
	GEMM_K,
	GEMM_ALPHA,
	GEMM_A,
	GEMM_RSA,
	GEMM_CSA,
	GEMM_B,
	GEMM_RSB,
	GEMM_CSB,
	GEMM_BETA,
	GEMM_C,
	GEMM_RSC,
	GEMM_CSC
};

struct gemm {
	struct ref_value *c; /* owned; the elements that the strides span */
	double *row;         /* owned; one row of A */
	double *columns;     /* owned; some columns of B, one after the other */
	uint64_t width;      /* how many */
};

static uint64_t gemm_k(const struct ref_arg *args)
{
	return args[GEMM_ALPHA].f != 0 ? args[GEMM_K].i
				       : 0; /* with alpha 0 nobody has to read A and B */
}

static void gemm_touches(const struct ref_arg *args, uint64_t *elements)
{
	uint64_t k = gemm_k(args);

	elements[GEMM_A] = strided2(args[GEMM_M].i, args[GEMM_RSA].i, k, args[GEMM_CSA].i);
	elements[GEMM_B] = strided2(k, args[GEMM_RSB].i, args[GEMM_N].i, args[GEMM_CSB].i);
	elements[GEMM_C] =
		strided2(args[GEMM_M].i, args[GEMM_RSC].i, args[GEMM_N].i, args[GEMM_CSC].i);
}

static uint64_t gemm_work(const struct ref_arg *args)
{
	uint64_t elements[REF_ARGS_MAX] = { 0 }, work;

	gemm_touches(args, elements);
	if (elements[GEMM_C] > GEMM_SPAN_MAX)
		return UINT64_MAX;
	if (__builtin_mul_overflow(args[GEMM_M].i, args[GEMM_N].i, &work) ||
	    __builtin_mul_overflow(work, gemm_k(args), &work))
		return UINT64_MAX;
	return work;
}

static uint64_t gemm_terms(const struct ref_arg *args)
{
	return args[GEMM_K].i;
}

static struct ref_value product_f32(const double *x, const double *y, uint64_t k)
{
	double sum[LANES] = { 0 }, abs[LANES] = { 0 }, squares[LANES] = { 0 };
	uint64_t i = 0;

	for (; i + LANES <= k; i += LANES)
		for (unsigned l = 0; l < LANES; l++) {
			double term = x[i + l] * y[i + l];

			sum[l] += term;
			abs[l] += fabs(term);
			squares[l] += term * term;
		}
	for (; i < k; i++) {
		sum[0] += x[i] * y[i];
		abs[0] += fabs(x[i] * y[i]);
		squares[0] += x[i] * y[i] * x[i] * y[i];
	}
	return (struct ref_value){ .value = (long double)(sum[0] + sum[1]) +
					    (long double)(sum[2] + sum[3]),
				   .abs = abs[0] + abs[1] + abs[2] + abs[3],
				   .norm = squares[0] + squares[1] + squares[2] + squares[3] };
}

static struct ref_value product_f64(const double *x, const double *y, uint64_t k)
{
	long double sum = 0;
	double abs = 0, squares = 0;

	for (uint64_t i = 0; i < k; i++) {
		double term = x[i] * y[i];

		sum += (long double)x[i] * y[i];
		abs += fabs(term);
		squares += term * term;
	}
	return (struct ref_value){ .value = sum, .abs = abs, .norm = squares };
}

/* Element (i, j) of C; the norm that product_*() give is still a square. */
static struct ref_value gemm_element(const struct ref_run *run, const struct gemm *g, uint64_t j,
				     uint64_t at)
{
	const struct ref_arg *args = run->args;
	uint64_t k = gemm_k(args);
	const double *column = g->columns + j * k;
	struct ref_value v = type_of(run, GEMM_A) == SPEC_F32 ? product_f32(g->row, column, k)
							      : product_f64(g->row, column, k);
	long double alpha = args[GEMM_ALPHA].f, old = 0;

	/* BLAS: with beta 0 the old contents are not read, not even a NaN. */
	if (args[GEMM_BETA].f != 0)
		old = (long double)args[GEMM_BETA].f *
		      ref_load(type_of(run, GEMM_C), input(run, GEMM_C), at);
	v.value = alpha * v.value + old;
	v.abs = (double)(fabsl(alpha) * v.abs + fabsl(old));
	v.norm = (double)sqrtl(alpha * alpha * v.norm + old * old);
	return v;
}

/* Columns first .. first + width of C. */
static void gemm_columns(const struct ref_run *run, struct gemm *g, uint64_t first, uint64_t width)
{
	const struct ref_arg *args = run->args;
	uint64_t k = gemm_k(args);
	enum spec_type type = type_of(run, GEMM_A);

	for (uint64_t j = 0; j < width; j++)
		for (uint64_t p = 0; p < k; p++)
			g->columns[j * k + p] = (double)ref_load(
				type, input(run, GEMM_B),
				p * args[GEMM_RSB].i + (first + j) * args[GEMM_CSB].i);
	for (uint64_t i = 0; i < args[GEMM_M].i; i++) {
		for (uint64_t p = 0; p < k; p++)
			g->row[p] = (double)ref_load(type, input(run, GEMM_A),
						     i * args[GEMM_RSA].i + p * args[GEMM_CSA].i);
		for (uint64_t j = 0; j < width; j++) {
			uint64_t at = i * args[GEMM_RSC].i + (first + j) * args[GEMM_CSC].i;

			g->c[at] = gemm_element(run, g, j, at);
		}
	}
}

static void gemm_fill(const struct ref_run *run, struct gemm *g)
{
	uint64_t n = run->args[GEMM_N].i;

	for (uint64_t first = 0; first < n; first += g->width)
		gemm_columns(run, g, first, n - first < g->width ? n - first : g->width);
}

static void gemm_release(struct ref_run *run)
{
	struct gemm *g = run->work;

	if (!g)
		return;
	free(g->c);
	free(g->row);
	free(g->columns);
	free(g);
	run->work = NULL;
}

static int gemm_prepare(struct ref_run *run)
{
	const struct ref_arg *args = run->args;
	uint64_t elements[REF_ARGS_MAX] = { 0 };
	struct gemm *g = calloc(1, sizeof(*g));

	gemm_touches(args, elements);
	run->work = g;
	if (!g)
		return -ENOMEM;
	g->width = GEMM_PACKED_MAX / (gemm_k(args) + 1) + 1;
	g->c = calloc(elements[GEMM_C] + 1, sizeof(*g->c));
	g->row = calloc(gemm_k(args) + 1, sizeof(*g->row));
	g->columns =
		calloc(gemm_k(args) * (g->width < args[GEMM_N].i ? g->width : args[GEMM_N].i) + 1,
		       sizeof(*g->columns));
	if (!g->c || !g->row || !g->columns) {
		gemm_release(run);
		return -ENOMEM;
	}
	for (uint64_t i = 0; i < elements[GEMM_C]; i++)
		g->c[i] = untouched();
	gemm_fill(run, g);
	return 0;
}

static void gemm_elements(const struct ref_run *run, uint64_t first, unsigned count,
			  struct ref_value *out)
{
	const struct gemm *g = run->work;
	uint64_t elements[REF_ARGS_MAX] = { 0 };

	gemm_touches(run->args, elements);
	for (unsigned i = 0; i < count; i++)
		out[i] = first + i < elements[GEMM_C] ? g->c[first + i] : untouched();
}

const struct reference ref_blas[] = {
	{ .name = "dot",
	  .args = "ififi",
	  .returns = "f",
	  .touches = dot_touches,
	  .terms = dot_terms,
	  .returned = dot_returned },
	{ .name = "axpy",
	  .args = "infiFi",
	  .returns = "",
	  .touches = axpy_touches,
	  .elements = axpy_elements },
	{ .name = "scal",
	  .args = "inFi",
	  .returns = "",
	  .touches = scal_touches,
	  .elements = scal_elements },
	{ .name = "triad",
	  .args = "Fffni",
	  .returns = "",
	  .touches = triad_touches,
	  .elements = triad_elements },
	{ .name = "gemm",
	  .args = "iiinfiifiinFii",
	  .returns = "",
	  .touches = gemm_touches,
	  .work = gemm_work,
	  .terms = gemm_terms,
	  .prepare = gemm_prepare,
	  .release = gemm_release,
	  .elements = gemm_elements },
	{ 0 },
};
