/* SPDX-License-Identifier: MIT */
/*
 * Comparing what a checked call left behind with what the reference expects.
 *
 * An element agrees when its distance from the unrounded reference is within the tolerance: nothing
 * (exact: equal to the reference rounded to the element's type), so many units in the last place,
 * or an expression of ref_abs (the sum of the magnitudes of what was added up), ref (the expected
 * value), eps (the unit roundoff: 2^-24 for f32, 2^-53 for f64), n (the parameter, or else the
 * number of terms) and the parameters. NaN agrees with NaN only where nan = equal says so. An
 * element that the reference does not touch must equal its input to the bit.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernelspec_priv.h"

#define BLOCK 64

struct comparison {
	const struct spec_bound *bound;
	const struct check_row *check;
	struct ref_run run;
	struct spec_verdict *verdict;
	struct spec_error *err;
	double worst; /* error over tolerance, of the worst element so far; -1: none yet */
	uint64_t terms;
};

/* One value that was got, with what is known about it. */
struct item {
	const char *name; /* of its buffer; NULL: the returned value */
	uint64_t index, count;
	bool is_float, is_pointer;
	enum spec_type type;
	long double got, expected, error;
	double tolerance;
};

/* ---- numbers about floats -------------------------------------------------------------------- */

static double unit_roundoff(enum spec_type type)
{
	return type == SPEC_F32 ? 0x1p-24 : type == SPEC_F64 ? 0x1p-53 : 0;
}

/* Distance of the floats next to value. */
static long double ulp_of(enum spec_type type, long double value)
{
	int digits = type == SPEC_F32 ? 24 : 53, least = type == SPEC_F32 ? -149 : -1074, exponent;

	if (value == 0 || isinf(value))
		return ldexpl(1, least);
	frexpl(value, &exponent);
	return ldexpl(1, exponent - digits > least ? exponent - digits : least);
}

static long double rounded(enum spec_type type, long double value)
{
	return type == SPEC_F32   ? (long double)(float)value
	       : type == SPEC_F64 ? (long double)(double)value
				  : value;
}

/* ---- verdict --------------------------------------------------------------------------------- */

static void put_value(char *out, size_t size, const struct item *item, long double value)
{
	if (item->is_pointer)
		snprintf(out, size, "0x%" PRIx64, (uint64_t)value);
	else if (item->is_float)
		snprintf(out, size, item->type == SPEC_F32 ? "%.9Lg" : "%.17Lg", value);
	else
		snprintf(out, size, "%.0Lf", value);
}

/* The first difference makes the sentence. */
static void note_difference(struct comparison *c, const struct item *item, const char *why)
{
	char got[64], expected[64], place[96];

	if (c->verdict->different++)
		return;
	put_value(got, sizeof(got), item, item->got);
	put_value(expected, sizeof(expected), item, rounded(item->type, item->expected));
	snprintf(place, sizeof(place), "ret");
	if (item->name)
		snprintf(place, sizeof(place), "buffer %s, element %" PRIu64 " of %" PRIu64,
			 item->name, item->index, item->count);
	if (why)
		snprintf(c->verdict->text, sizeof(c->verdict->text), "%s: got %s, expected %s%s",
			 place, got, expected, why);
	else
		snprintf(c->verdict->text, sizeof(c->verdict->text),
			 "%s: got %s, expected %s, tolerance %.3g", place, got, expected,
			 item->tolerance);
}

/* ---- one value ------------------------------------------------------------------------------- */

static int find_tolerance(struct comparison *c, struct item *item, const struct ref_value *ref)
{
	const struct expr_value names[CHECK_NAMES] = {
		[NAME_REF_ABS] = expr_from_real(ref->abs),
		[NAME_EPS] = expr_from_real(unit_roundoff(item->type)),
		[NAME_REF] = expr_from_real((double)ref->value),
		[NAME_N] = expr_from_int((expr_int)c->terms),
	};
	const struct bound_env env = { .bound = c->bound, .priv = c->bound->priv, .check = names };
	struct expr_value value;
	int rc = bound_eval(&env, &c->check->tolerance, "tolerance", &value, c->err);

	if (rc)
		return rc;
	if (value.kind == EXPR_WORD || !(expr_real(&value) >= 0))
		return bound_refuse(c->err, -EINVAL, -1, "tolerance: '%.100s' is not a number >= 0",
				    c->check->tolerance.text);
	item->tolerance = expr_real(&value);
	if (c->check->tolerance_kind == TOLERANCE_ULP)
		item->tolerance *= (double)ulp_of(item->type, item->expected);
	return 0;
}

static void measure_error(struct comparison *c, const struct item *item,
			  const struct ref_value *ref)
{
	struct spec_verdict *v = c->verdict;
	double error = (double)item->error, ratio = item->tolerance > 0 ? error / item->tolerance
						    : error > 0         ? HUGE_VAL
									: 0;

	if (item->is_float) {
		v->max_ulp = fmax(v->max_ulp,
				  (double)(item->error / ulp_of(item->type, item->expected)));
		if (c->check->reference->terms && ref->norm > 0)
			v->scaled_error = fmax(isnan(v->scaled_error) ? 0 : v->scaled_error,
					       error / (sqrt((double)c->terms) *
							unit_roundoff(item->type) * ref->norm));
	}
	if (c->check->tolerance_kind != TOLERANCE_EXACT && ratio > c->worst) {
		c->worst = ratio;
		v->max_error = error;
		v->tolerance = item->tolerance;
	}
}

/* NaN and infinities, of which no distance can be taken. True: judged. */
static bool judge_special(struct comparison *c, const struct item *item)
{
	bool got_nan = isnan(item->got), expected_nan = isnan(item->expected);
	long double expected = rounded(item->type, item->expected);

	if (got_nan || expected_nan) {
		if (!got_nan || !expected_nan || !c->check->nan_equal)
			note_difference(c, item, "");
		return true;
	}
	if (isinf(item->got) || isinf(expected)) {
		if (item->got != expected)
			note_difference(c, item, "");
		return true;
	}
	return false;
}

static int judge(struct comparison *c, struct item *item, const struct ref_value *ref)
{
	bool exact = c->check->tolerance_kind == TOLERANCE_EXACT;

	c->verdict->compared++;
	item->expected = ref->value;
	if (item->is_float && judge_special(c, item))
		return 0;
	item->error = fabsl(item->got - item->expected);
	if (!exact && find_tolerance(c, item, ref))
		return c->err->err;
	measure_error(c, item, ref);
	if (exact && item->got != rounded(item->type, item->expected))
		note_difference(c, item, "");
	else if (!exact && !(item->error <= item->tolerance))
		note_difference(c, item, NULL);
	return 0;
}

/* ---- the returned value ---------------------------------------------------------------------- */

static long double returned_value(int returns, uint64_t bits)
{
	static const enum spec_type types[] = {
		[RETURNS_F32] = SPEC_F32, [RETURNS_F64] = SPEC_F64, [RETURNS_I32] = SPEC_I32,
		[RETURNS_U32] = SPEC_U32, [RETURNS_I64] = SPEC_I64, [RETURNS_U64] = SPEC_U64,
		[RETURNS_PTR] = SPEC_U64,
	};

	return ref_load(types[returns], &bits, 0);
}

static int compare_returned(struct comparison *c)
{
	int returns = c->bound->spec->returns;
	bool is_float = returns == RETURNS_F32 || returns == RETURNS_F64;
	struct item item = { .is_float = is_float,
			     .is_pointer = returns == RETURNS_PTR,
			     .type = returns == RETURNS_F32   ? SPEC_F32
				     : returns == RETURNS_F64 ? SPEC_F64
							      : SPEC_U64,
			     .got = returned_value(returns, c->run.outcome->ret) };
	struct ref_value ref;

	c->check->reference->returned(&c->run, &ref);
	if (!c->check->reference->sign_only)
		return judge(c, &item, &ref);
	c->verdict->compared++;
	item.expected = ref.value;
	if ((item.got > 0) - (item.got < 0) != (int)ref.value)
		note_difference(c, &item, " (only the sign counts)");
	return 0;
}

/* ---- a buffer -------------------------------------------------------------------------------- */

static void judge_untouched(struct comparison *c, struct item *item, const void *input,
			    const void *output)
{
	unsigned bytes = ref_type_bytes(item->type);
	size_t at = item->index * bytes;

	c->verdict->compared++;
	if (!memcmp((const char *)input + at, (const char *)output + at, bytes))
		return;
	item->expected = ref_load(item->type, input, item->index);
	note_difference(c, item, " as before: the kernel has no business there");
}

/* Expected elements: from the reference where it writes this buffer, else those that were there. */
static void expect(const struct comparison *c, unsigned buffer, uint64_t first, unsigned count,
		   struct ref_value *out)
{
	const struct reference *r = c->check->reference;

	for (unsigned i = 0; i < c->check->nargs; i++)
		if (r->args[i] >= 'A' && r->args[i] <= 'Z' && c->run.args[i].buffer == buffer &&
		    r->elements) {
			r->elements(&c->run, first, count, out);
			return;
		}
	for (unsigned i = 0; i < count; i++)
		out[i] = (struct ref_value){ .untouched = true };
}

/* Most elements of a good run are equal, which is cheap to see; their error of 0 changes no
 * maximum. */
static bool settled(const struct comparison *c, const struct item *item,
		    const struct ref_value *ref)
{
	return item->got == ref->value &&
	       (c->check->tolerance_kind == TOLERANCE_EXACT || c->worst >= 0);
}

static int compare_buffer(struct comparison *c, unsigned index)
{
	const struct spec_buffer *buffer = &c->bound->buffers[index];
	const void *input = c->run.outcome->inputs[index], *output = c->run.outcome->outputs[index];
	struct item item = { .name = buffer->name,
			     .count = buffer->count,
			     .type = buffer->type,
			     .is_float = ref_is_float(buffer->type) };
	struct ref_value expected[BLOCK];

	if (buffer->count && (!input || !output))
		return bound_refuse(c->err, -EINVAL, -1, "buffer %s was not kept for the check",
				    buffer->name);
	for (uint64_t first = 0; first < buffer->count; first += BLOCK) {
		unsigned n =
			buffer->count - first < BLOCK ? (unsigned)(buffer->count - first) : BLOCK;

		expect(c, index, first, n, expected);
		for (unsigned i = 0; i < n; i++) {
			item.index = first + i;
			item.got = ref_load(buffer->type, output, item.index);
			if (expected[i].untouched)
				judge_untouched(c, &item, input, output);
			else if (settled(c, &item, &expected[i]))
				c->verdict->compared++;
			else if (judge(c, &item, &expected[i]))
				return c->err->err;
		}
	}
	return 0;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int compare_all(struct comparison *c)
{
	int rc = 0;

	for (unsigned i = 0; i < c->check->ncompare && !rc; i++) {
		if (c->check->compare[i] == COMPARE_RET)
			rc = compare_returned(c);
		else
			rc = compare_buffer(c, (unsigned)c->check->compare[i]);
	}
	return rc;
}

static void conclude(struct comparison *c)
{
	struct spec_verdict *v = c->verdict;
	size_t n = strlen(v->text);

	v->passed = v->different == 0;
	if (v->passed)
		snprintf(v->text, sizeof(v->text), "ok");
	else if (v->different > 1)
		snprintf(v->text + n, sizeof(v->text) - n,
			 "; %" PRIu64 " of %" PRIu64 " values differ", v->different, v->compared);
}

/* Prepares the reference, compares, and releases it again. */
static int run_reference(struct comparison *c)
{
	const struct reference *r = c->check->reference;
	int rc = 0;

	c->terms = r->terms ? r->terms(c->run.args) : 1;
	if (r->work && r->work(c->run.args) > REF_WORK_MAX)
		return bound_refuse(c->err, -E2BIG, -1,
				    "too large to check: reference %s would take seconds", r->name);
	if (r->prepare)
		rc = r->prepare(&c->run);
	if (rc)
		return bound_refuse(c->err, rc, -1, "reference %s: out of memory", r->name);
	rc = compare_all(c);
	if (r->release)
		r->release(&c->run);
	return rc;
}

uint64_t spec_check_work(const struct spec_bound *bound)
{
	const struct bound_priv *priv = bound->priv;
	const struct reference *r = bound->has_check ? bound->spec->check.reference : NULL;

	return r && r->work ? r->work(priv->ref_args) : 0;
}

int spec_check(const struct spec_bound *bound, const struct spec_outcome *outcome,
	       struct spec_verdict *out, struct spec_error *err)
{
	const struct bound_priv *priv = bound->priv;
	struct comparison c = {
		.bound = bound,
		.check = &bound->spec->check,
		.verdict = out,
		.err = err,
		.worst = -1,
		.run = { .bound = bound, .outcome = outcome, .args = priv->ref_args }
	};
	int rc;

	*err = (struct spec_error){ .column = -1 };
	*out = (struct spec_verdict){ .max_error = NAN, .tolerance = NAN, .scaled_error = NAN };
	if (!bound->has_check) {
		out->passed = true;
		strcpy(out->text, "no check");
		return 0;
	}
	if (!c.check->reference)
		return bound_refuse(err, -EOPNOTSUPP, -1,
				    "reference = codelet:%.100s is not supported yet",
				    c.check->codelet);
	rc = run_reference(&c);
	if (!rc)
		conclude(&c);
	return rc;
}
