/* SPDX-License-Identifier: MIT */
/* Binding a specification to the words of one run: every value known, every size checked. */
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernelspec_priv.h"

#define ALIGN_DEFAULT 64

/* ---- small readings of formulas -------------------------------------------------------------- */

static struct bound_env env_of(const struct spec_bound *bound)
{
	return (struct bound_env){ .bound = bound, .priv = bound->priv };
}

static int eval_whole(const struct spec_bound *bound, const struct formula *f, const char *what,
		      uint64_t *out, struct spec_error *err)
{
	const struct bound_env env = env_of(bound);
	struct expr_value value;
	expr_int whole;
	int rc = bound_eval(&env, f, what, &value, err);

	if (rc)
		return rc;
	if (!expr_whole(&value, &whole))
		return bound_refuse(err, -EINVAL, -1, "%s: '%.120s' is no whole number", what,
				    f->text);
	if (whole < 0)
		return bound_refuse(err, -ERANGE, -1, "%s: '%.120s' is negative", what, f->text);
	*out = (uint64_t)whole;
	return 0;
}

static int eval_truth(const struct spec_bound *bound, const struct formula *f, const char *what,
		      bool *out, struct spec_error *err)
{
	const struct bound_env env = env_of(bound);
	struct expr_value value;
	int rc = bound_eval(&env, f, what, &value, err);

	if (rc)
		return rc;
	if (value.kind == EXPR_WORD)
		return bound_refuse(err, -EINVAL, -1, "%s: '%.120s' is no truth value", what,
				    f->text);
	*out = expr_true(&value);
	return 0;
}

/* ---- lets and requirements ------------------------------------------------------------------- */

static int bind_lets(struct spec_bound *out, struct spec_error *err)
{
	const struct bound_env env = env_of(out);
	struct bound_priv *priv = out->priv;
	int rc = 0;

	for (unsigned i = 0; i < out->spec->nlets && !rc; i++) {
		struct expr_value value;

		rc = bound_eval(&env, &out->spec->lets[i].value, out->spec->lets[i].name, &value,
				err);
		if (!rc)
			priv->lets[i] = value;
	}
	return rc;
}

static int judge_requires(const struct spec_bound *bound, struct spec_error *err)
{
	for (unsigned i = 0; i < bound->spec->nrequires; i++) {
		const struct let_row *row = &bound->spec->requires[i];
		bool holds;
		int rc = eval_truth(bound, &row->value, row->name, &holds, err);

		if (rc)
			return rc;
		if (!holds)
			return bound_refuse(err, -EINVAL, -1,
					    "requirement %s does not hold: %.200s", row->name,
					    row->value.text);
	}
	return 0;
}

/* ---- buffers --------------------------------------------------------------------------------- */

static int bind_place(struct spec_bound *bound, const struct buffer_row *row,
		      struct spec_buffer *out, struct spec_error *err)
{
	char what[64];
	int rc = 0;

	out->align = ALIGN_DEFAULT;
	snprintf(what, sizeof(what), "align of buffer %s", row->name);
	if (row->align.expr)
		rc = eval_whole(bound, &row->align, what, &out->align, err);
	if (rc)
		return rc;
	if (out->align == 0 || (out->align & (out->align - 1)) || out->align > SPEC_ALIGN_MAX)
		return bound_refuse(err, -ERANGE, -1, "%s is %llu, not a power of two up to %d",
				    what, (unsigned long long)out->align, SPEC_ALIGN_MAX);
	snprintf(what, sizeof(what), "offset of buffer %s", row->name);
	if (row->offset.expr)
		rc = eval_whole(bound, &row->offset, what, &out->offset, err);
	if (!rc && out->offset >= out->align)
		rc = bound_refuse(err, -ERANGE, -1, "%s is %llu, not below its align of %llu", what,
				  (unsigned long long)out->offset, (unsigned long long)out->align);
	return rc;
}

static int bind_init(struct spec_bound *bound, unsigned index, struct spec_error *err)
{
	const struct buffer_row *row = &bound->spec->buffers[index];
	struct bound_priv *priv = bound->priv;
	struct buffer_bound *b = &priv->buffers[index];
	const struct bound_env env = env_of(bound);
	char what[64];
	int rc = 0;

	snprintf(what, sizeof(what), "init of buffer %s", row->name);
	for (unsigned i = 0; i < 2 && !rc; i++)
		if (row->init_args[i].expr)
			rc = bound_eval(&env, &row->init_args[i], what, &b->args[i], err);
	snprintf(what, sizeof(what), "seed of buffer %s", row->name);
	/* Without a seed of their own two buffers differ; with the same one they are equal. */
	b->seed = bound->seed + index;
	if (!rc && row->seed.expr)
		rc = eval_whole(bound, &row->seed, what, &b->seed, err);
	return rc ?: fill_judge(bound, index, err);
}

static int judge_unsupported(const struct spec_bound *bound, const struct buffer_row *row,
			     struct spec_error *err)
{
	(void)bound;
	if (row->pages == 1)
		return bound_refuse(err, -EOPNOTSUPP, -1,
				    "buffer %s: pages = 2m is not supported yet", row->name);
	if (row->cache.expr)
		return bound_refuse(err, -EOPNOTSUPP, -1,
				    "buffer %s: a cache of its own is not supported yet, only that "
				    "of [measure]",
				    row->name);
	if (row->init == INIT_DATA)
		return bound_refuse(err, -EOPNOTSUPP, -1,
				    "buffer %s: init = data(NAME) is not supported yet", row->name);
	return 0;
}

static int bind_size(struct spec_bound *bound, const struct buffer_row *row,
		     struct spec_buffer *out, struct spec_error *err)
{
	char what[64];
	int rc;

	snprintf(what, sizeof(what), "count of buffer %s", row->name);
	rc = eval_whole(bound, &row->count, what, &out->count, err);
	if (rc)
		return rc;
	out->element_bytes = ref_type_bytes(out->type);
	if (__builtin_mul_overflow(out->count, out->element_bytes, &out->bytes))
		return bound_refuse(
			err, -E2BIG, -1,
			"buffer %s: %llu elements of %llu bytes are more than 64 bits can count",
			row->name, (unsigned long long)out->count,
			(unsigned long long)out->element_bytes);
	return 0;
}

static int bind_buffer(struct spec_bound *bound, unsigned index, struct spec_error *err)
{
	const struct buffer_row *row = &bound->spec->buffers[index];
	struct spec_buffer *out = &bound->buffers[index];
	char what[64];
	int rc;

	strcpy(out->name, row->name);
	out->type = (enum spec_type)row->type;
	out->access = (enum spec_access)(row->access + 1);
	out->guard = (enum spec_guard)row->guard;
	rc = judge_unsupported(bound, row, err);
	rc = rc ?: bind_size(bound, row, out, err);
	rc = rc ?: bind_place(bound, row, out, err);
	snprintf(what, sizeof(what), "reset of buffer %s", row->name);
	if (!rc && row->reset.expr)
		rc = eval_truth(bound, &row->reset, what, &out->reset, err);
	return rc;
}

int bind_buffers(uint64_t memory_max, struct spec_bound *out, struct spec_error *err)
{
	uint64_t total = 0;
	int rc = 0;

	out->nbuffers = out->spec->nbuffers;
	for (unsigned i = 0; i < out->nbuffers && !rc; i++) {
		rc = bind_buffer(out, i, err);
		if (!rc && (__builtin_add_overflow(total, out->buffers[i].bytes, &total) ||
			    total > memory_max))
			rc = bound_refuse(err, -E2BIG, -1,
					  "with buffer %s, of %llu bytes, the buffers exceed the "
					  "limit of %llu bytes",
					  out->buffers[i].name,
					  (unsigned long long)out->buffers[i].bytes,
					  (unsigned long long)memory_max);
	}
	/* After all sizes: what an init means depends on its own count and on that of the buffer it
	 * copies. */
	for (unsigned i = 0; i < out->nbuffers && !rc; i++)
		rc = bind_init(out, i, err);
	return rc;
}

/* ---- the call -------------------------------------------------------------------------------- */

static int bind_scalar(struct spec_bound *bound, unsigned index, struct wire_arg *out,
		       struct spec_error *err)
{
	const struct arg_row *row = &bound->spec->args[index];
	const struct bound_env env = env_of(bound);
	struct expr_value value;
	char what[32];
	float f;
	int rc;

	snprintf(what, sizeof(what), "argument %u", index + 1);
	rc = bound_eval(&env, &row->value, what, &value, err);
	if (rc)
		return rc;
	rc = spec_convert(row->type, &value, &value);
	if (rc)
		return bound_refuse(err, rc, -1, "%s: '%.120s' does not fit its type %s", what,
				    row->value.text, spec_type_names[row->type]);
	out->class = row->type == SPEC_F32 ? WIRE_F32 : row->type == SPEC_F64 ? WIRE_F64 : WIRE_INT;
	f = (float)value.f;
	if (row->type == SPEC_F32)
		memcpy(&out->value, &f, sizeof(f));
	else if (row->type == SPEC_F64)
		memcpy(&out->value, &value.f, sizeof(value.f));
	else
		out->value = (uint64_t)value.i;
	return 0;
}

static int bind_pointer(struct spec_bound *bound, unsigned index, struct wire_arg *out,
			struct spec_error *err)
{
	const struct arg_row *row = &bound->spec->args[index];
	char what[32];
	int rc = 0;

	out->class = WIRE_PTR;
	out->buffer = row->buffer;
	snprintf(what, sizeof(what), "argument %u", index + 1);
	if (row->value.expr)
		rc = eval_whole(bound, &row->value, what, &out->value, err);
	if (!rc && out->value > bound->buffers[row->buffer].bytes)
		rc = bound_refuse(err, -ERANGE, -1,
				  "%s points %llu bytes into buffer %s, which has %llu", what,
				  (unsigned long long)out->value, bound->buffers[row->buffer].name,
				  (unsigned long long)bound->buffers[row->buffer].bytes);
	return rc;
}

int bind_call(struct spec_bound *out, struct spec_error *err)
{
	static const enum wire_return returns[] = {
		[RETURNS_VOID] = WIRE_VOID,   [RETURNS_F32] = WIRE_RET_F32,
		[RETURNS_F64] = WIRE_RET_F64, [RETURNS_I32] = WIRE_RET_INT,
		[RETURNS_U32] = WIRE_RET_INT, [RETURNS_I64] = WIRE_RET_INT,
		[RETURNS_U64] = WIRE_RET_INT, [RETURNS_PTR] = WIRE_RET_INT,
	};
	int rc = 0;

	out->ret = returns[out->spec->returns];
	out->nargs = out->spec->nargs;
	for (unsigned i = 0; i < out->nargs && !rc; i++) {
		const struct arg_row *row = &out->spec->args[i];

		if (row->kind == ARG_FN)
			out->args[i] = (struct wire_arg){ .class = WIRE_FN, .buffer = row->buffer };
		else if (row->kind == ARG_PTR)
			rc = bind_pointer(out, i, &out->args[i], err);
		else
			rc = bind_scalar(out, i, &out->args[i], err);
	}
	return rc;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int bind_measure(struct spec_bound *out, struct spec_error *err)
{
	static const int caches[] = { WIRE_HOT, WIRE_FLUSH, -1, -1 };
	const struct bound_env env = env_of(out);
	const struct spec *spec = out->spec;
	struct expr_value value;

	out->cache = -1;
	if (spec->mode == 2)
		return bound_refuse(err, -EOPNOTSUPP, -1,
				    "[measure] mode = both is not supported yet");
	if (!spec->cache.expr)
		return 0;
	if (bound_eval(&env, &spec->cache, "[measure] cache", &value, err))
		return err->err;
	if (value.kind != EXPR_WORD)
		return bound_refuse(err, -EINVAL, -1,
				    "[measure] cache: '%.120s' is not one of hot flush l2 l3",
				    spec->cache.text);
	out->cache = caches[value.word];
	if (out->cache < 0)
		return bound_refuse(err, -EOPNOTSUPP, -1,
				    "[measure] cache = %s is not supported yet, only hot and flush",
				    value.word == 2 ? "l2" : "l3");
	return 0;
}

int spec_bind(const struct spec *spec, const struct spec_word *words, unsigned nwords,
	      uint64_t memory_max, struct spec_bound *out, struct spec_error *err)
{
	int rc;

	*err = (struct spec_error){ .column = -1 };
	memset(out, 0, sizeof(*out));
	out->spec = spec;
	out->priv = calloc(1, sizeof(struct bound_priv));
	if (!out->priv)
		return bound_refuse(err, -ENOMEM, -1, "out of memory");
	rc = bind_params(words, nwords, out, err);
	rc = rc ?: bind_lets(out, err);
	rc = rc ?: judge_requires(out, err);
	rc = rc ?: bind_buffers(memory_max, out, err);
	rc = rc ?: bind_call(out, err);
	rc = rc ?: bind_check(out, err);
	rc = rc ?: bind_measure(out, err);
	if (rc)
		spec_unbind(out);
	return rc;
}

void spec_unbind(struct spec_bound *bound)
{
	free(bound->priv);
	bound->priv = NULL;
}
