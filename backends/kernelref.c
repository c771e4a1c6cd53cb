/* SPDX-License-Identifier: MIT */
/* Builtin references: finding them, binding their arguments, and elements of any type as numbers.
 */
#include "kernelref.h"

#include <errno.h>
#include <string.h>

#include "kernelspec_priv.h"

static const struct {
	unsigned bytes;
	bool is_signed;
} types[] = {
	[SPEC_U8] = { 1, false },  [SPEC_U16] = { 2, false },  [SPEC_U32] = { 4, false },
	[SPEC_U64] = { 8, false }, [SPEC_I8] = { 1, true },    [SPEC_I16] = { 2, true },
	[SPEC_I32] = { 4, true },  [SPEC_I64] = { 8, true },   [SPEC_F32] = { 4, true },
	[SPEC_F64] = { 8, true },  [SPEC_BOOL] = { 1, false },
};

bool ref_is_float(enum spec_type type)
{
	return type == SPEC_F32 || type == SPEC_F64;
}

unsigned ref_type_bytes(enum spec_type type)
{
	return types[type].bytes;
}

long double ref_load(enum spec_type type, const void *data, uint64_t index)
{
	unsigned bytes = types[type].bytes, unused = 64 - 8 * bytes;
	uint64_t bits = 0;
	double f64;
	float f32;

	memcpy(&bits, (const char *)data + index * bytes, bytes);
	if (type == SPEC_F32) {
		memcpy(&f32, &bits, sizeof(f32));
		return f32;
	}
	if (type == SPEC_F64) {
		memcpy(&f64, &bits, sizeof(f64));
		return f64;
	}
	if (types[type].is_signed)
		return (long double)((int64_t)(bits << unused) >> unused);
	return (long double)bits;
}

void ref_store(enum spec_type type, void *data, uint64_t index, long double value)
{
	unsigned bytes = types[type].bytes;
	double f64 = (double)value;
	float f32 = (float)value;
	uint64_t bits = 0;

	if (type == SPEC_F32)
		memcpy(&bits, &f32, sizeof(f32));
	else if (type == SPEC_F64)
		memcpy(&bits, &f64, sizeof(f64));
	else
		bits = value < 0 ? (uint64_t)(int64_t)value : (uint64_t)value;
	memcpy((char *)data + index * bytes, &bits, bytes);
}

const struct reference *reference_find(const char *name, size_t len)
{
	static const struct reference *const tables[] = { ref_blas, ref_bytes };

	for (unsigned i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct reference *r = tables[i]; r->name; r++)
			if (parse_equal(name, len, r->name))
				return r;
	return NULL;
}

static int bind_ref_arg(struct spec_bound *bound, unsigned index, struct spec_error *err)
{
	const struct check_row *check = &bound->spec->check;
	struct bound_priv *priv = bound->priv;
	const struct bound_env env = { .bound = bound, .priv = priv };
	struct ref_arg *arg = &priv->ref_args[index];
	struct expr_value value;
	expr_int whole;

	if (check->arg_buffers[index] >= 0) {
		arg->buffer = (unsigned)check->arg_buffers[index];
		return 0;
	}
	if (bound_eval(&env, &check->arg_values[index], "reference", &value, err))
		return err->err;
	arg->f = expr_real(&value);
	if (check->reference->args[index] == 'n')
		return 0;
	if (!expr_whole(&value, &whole) || whole < 0 || whole > (expr_int)UINT64_MAX)
		return bound_refuse(
			err, -EINVAL, -1,
			"reference %s: argument %u, '%.100s', is not a whole number >= 0",
			check->reference->name, index + 1, check->arg_values[index].text);
	arg->i = (uint64_t)whole;
	return 0;
}

/* No reference reads outside of a buffer, and none mixes element types. */
static int judge_extents(const struct spec_bound *bound, struct spec_error *err)
{
	const struct check_row *check = &bound->spec->check;
	const struct bound_priv *priv = bound->priv;
	uint64_t elements[REF_ARGS_MAX] = { 0 };
	const struct spec_buffer *first = NULL;

	check->reference->touches(priv->ref_args, elements);
	for (unsigned i = 0; i < check->nargs; i++) {
		const struct spec_buffer *buffer = &bound->buffers[priv->ref_args[i].buffer];

		if (check->arg_buffers[i] < 0)
			continue;
		first = first ?: buffer;
		if (buffer->type != first->type)
			return bound_refuse(
				err, -EINVAL, -1,
				"reference %s: buffers %s and %s are of different types",
				check->reference->name, first->name, buffer->name);
		if (elements[i] > buffer->count)
			return bound_refuse(
				err, -EINVAL, -1,
				"reference %s needs %llu elements of buffer %s, which has %llu",
				check->reference->name, (unsigned long long)elements[i],
				buffer->name, (unsigned long long)buffer->count);
	}
	return 0;
}

static int judge_when(struct spec_bound *out, struct spec_error *err)
{
	const struct bound_env env = { .bound = out, .priv = out->priv };
	struct expr_value value;

	if (!out->spec->check.when.expr)
		return 0;
	if (bound_eval(&env, &out->spec->check.when, "[check] when", &value, err))
		return err->err;
	if (value.kind == EXPR_WORD)
		return bound_refuse(err, -EINVAL, -1, "[check] when: '%.100s' is no truth value",
				    out->spec->check.when.text);
	out->has_check = expr_true(&value);
	return 0;
}

int bind_check(struct spec_bound *out, struct spec_error *err)
{
	const struct check_row *check = &out->spec->check;
	int rc;

	strcpy(out->codelet_reference, check->codelet);
	out->has_check = check->reference || check->codelet[0];
	if (!out->has_check)
		return 0;
	rc = judge_when(out, err);
	if (rc || !out->has_check)
		return rc;
	for (unsigned i = 0; i < check->ncompare; i++) {
		if (check->compare[i] == COMPARE_RET)
			out->ret_compared = true;
		else
			out->buffers[check->compare[i]].compared = true;
	}
	if (!check->reference)
		return 0;
	for (unsigned i = 0; i < check->nargs && !rc; i++)
		rc = bind_ref_arg(out, i, err);
	return rc ?: judge_extents(out, err);
}
