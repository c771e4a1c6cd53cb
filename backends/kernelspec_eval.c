/* SPDX-License-Identifier: MIT */
/* Values of a bound specification: what names mean, and turning values into those of a type. */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernelspec_priv.h"

static struct expr_value from_spec_value(const struct spec_value *v)
{
	if (v->is_float)
		return expr_from_real(v->f);
	return expr_from_int(v->is_big ? (expr_int)(uint64_t)v->i : (expr_int)v->i);
}

bool bound_load(void *arg, unsigned slot, struct expr_value *out)
{
	const struct bound_env *env = arg;
	double f;

	if (slot < SLOT_SEED) {
		if (env->unknown >> slot & 1)
			return false;
		*out = from_spec_value(&env->bound->params[slot]);
		return true;
	}
	if (slot == SLOT_SEED) {
		*out = expr_from_int((expr_int)env->bound->seed);
		return true;
	}
	if (slot < SLOT_CHECK) {
		*out = env->priv->lets[slot - SLOT_LET];
		return true;
	}
	if (slot < SLOT_COUNT) {
		if (env->check)
			*out = env->check[slot - SLOT_CHECK];
		return env->check != NULL;
	}
	if (slot < SLOT_EVENT) {
		if (env->counts)
			*out = env->counts[slot - SLOT_COUNT];
		return env->counts && out->kind != EXPR_WORD;
	}
	if (!env->value_of ||
	    !env->value_of(env->arg, env->bound->spec->events[slot - SLOT_EVENT], &f) ||
	    !isfinite(f))
		return false;
	*out = expr_from_real(f);
	return true;
}

int bound_eval(const struct bound_env *env, const struct formula *f, const char *what,
	       struct expr_value *out, struct spec_error *err)
{
	const struct expr_env names = { .load = bound_load, .arg = (void *)env };
	struct expr_error error;

	if (!expr_eval(f->expr, &names, out, &error))
		return 0;
	return bound_refuse(err, error.err, -1, "%s: %s, in column %d of '%.120s'", what,
			    error.text, error.column + 1, f->text);
}

static const struct {
	int64_t min;
	uint64_t max;
} ranges[] = {
	[SPEC_U8] = { 0, UINT8_MAX },
	[SPEC_U16] = { 0, UINT16_MAX },
	[SPEC_U32] = { 0, UINT32_MAX },
	[SPEC_U64] = { 0, UINT64_MAX },
	[SPEC_I8] = { INT8_MIN, INT8_MAX },
	[SPEC_I16] = { INT16_MIN, INT16_MAX },
	[SPEC_I32] = { INT32_MIN, INT32_MAX },
	[SPEC_I64] = { INT64_MIN, INT64_MAX },
	[SPEC_BOOL] = { 0, 1 },
};

int spec_convert(enum spec_type type, const struct expr_value *value, struct expr_value *out)
{
	expr_int whole;

	if (value->kind == EXPR_WORD)
		return -EINVAL;
	if (type == SPEC_F64 || type == SPEC_F32) {
		double f = expr_real(value);

		if (type == SPEC_F32 && fabs(f) > FLT_MAX)
			return -ERANGE;
		*out = expr_from_real(type == SPEC_F32 ? (double)(float)f : f);
		return 0;
	}
	if (!expr_whole(value, &whole))
		return -EINVAL;
	if (whole < ranges[type].min || whole > (expr_int)ranges[type].max)
		return -ERANGE;
	*out = expr_from_int(whole);
	return 0;
}
