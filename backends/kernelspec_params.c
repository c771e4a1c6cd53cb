/* SPDX-License-Identifier: MIT */
/* Binding parameters: the words of a run and the defaults of the others, strictly. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernelspec_priv.h"

#define SEED_DEFAULT 1

/* A number or truth value as the user wrote it. */
static int parse_value(enum spec_type type, const char *text, size_t len, struct expr_value *out)
{
	uint64_t u = 0;
	int64_t i = 0;
	double f = 0;
	bool truth = false;
	int err;

	switch (type) {
	case SPEC_F32:
	case SPEC_F64:
		err = parse_double(text, len, &f);
		*out = expr_from_real(f);
		break;
	case SPEC_I8:
	case SPEC_I16:
	case SPEC_I32:
	case SPEC_I64:
		err = parse_i64(text, len, &i);
		*out = expr_from_int(i);
		break;
	case SPEC_BOOL:
		err = parse_bool(text, len, &truth);
		*out = expr_from_int(truth);
		break;
	default:
		err = parse_u64(text, len, &u);
		if (err == -EINVAL && parse_is_below_zero(text, len))
			err = -ERANGE;
		*out = expr_from_int((expr_int)u);
	}
	return err ?: spec_convert(type, out, out);
}

static struct spec_value to_spec_value(const struct expr_value *v)
{
	struct spec_value out = { 0 };

	if (v->kind == EXPR_REAL) {
		out.is_float = true;
		out.f = v->f;
	} else {
		out.is_big = v->i > INT64_MAX;
		out.i = (int64_t)(uint64_t)v->i;
	}
	return out;
}

static long double exact(const struct expr_value *v)
{
	return v->kind == EXPR_REAL ? (long double)v->f : (long double)v->i;
}

/* One bound; sign: -1 for min, 1 for max. */
static int judge_bound(const struct bound_env *env, const struct param_row *p,
		       const struct expr_value *value, int sign, struct spec_error *err)
{
	const struct formula *bound = sign < 0 ? &p->min : &p->max;
	struct expr_value limit;
	char what[64];
	int rc;

	if (!bound->expr)
		return 0;
	snprintf(what, sizeof(what), "%s of %s", sign < 0 ? "min" : "max", p->pub.name);
	rc = bound_eval(env, bound, what, &limit, err);
	if (rc)
		return rc;
	if (limit.kind == EXPR_REAL && p->pub.type == SPEC_F32)
		limit.f =
			/* as the value was rounded: 0.1 is not below 0.1 */
			(double)(float)limit.f;
	if (exact(value) * sign <= exact(&limit) * sign)
		return 0;
	return bound_refuse(err, -ERANGE, err->column, "%s is %.17g, %s of %.17g", p->pub.name,
			    expr_real(value), sign < 0 ? "below its min" : "above its max",
			    expr_real(&limit));
}

static int judge_values(const struct param_row *p, const struct expr_value *value,
			struct spec_error *err)
{
	if (!p->nvalues)
		return 0;
	for (unsigned i = 0; i < p->nvalues; i++) {
		struct expr_value listed;

		if (!spec_convert(p->pub.type, &p->values[i], &listed) &&
		    exact(&listed) == exact(value))
			return 0;
	}
	return bound_refuse(err, -ERANGE, err->column, "%s is %.17g, not one of %s", p->pub.name,
			    expr_real(value), p->pub.values);
}

static const char *type_phrase(enum spec_type type)
{
	static const char *const phrases[] = {
		"an unsigned number", "an unsigned number",    "an unsigned number",
		"an unsigned number", "a whole number",        "a whole number",
		"a whole number",     "a whole number",        "a number",
		"a number",           "one of 0 1 false true",
	};

	return phrases[type];
}

static int value_of_word(const struct param_row *p, const struct spec_word *word,
			 struct expr_value *out, struct spec_error *err)
{
	int rc = parse_value(p->pub.type, word->value, word->value_len, out);
	int shown = (int)(word->value_len < 40 ? word->value_len : 40);

	err->column = word->column + (int)word->key_len + 1;
	if (rc == -EINVAL)
		return bound_refuse(err, rc, err->column, "%s is '%.*s', not %s", p->pub.name,
				    shown, word->value, type_phrase(p->pub.type));
	if (rc)
		return bound_refuse(err, rc, err->column,
				    "%s is '%.*s', which does not fit its type %s", p->pub.name,
				    shown, word->value, spec_type_names[p->pub.type]);
	return 0;
}

static int value_of_default(const struct bound_env *env, const struct param_row *p,
			    struct expr_value *out, struct spec_error *err)
{
	struct expr_value value;
	char what[64];
	int rc;

	if (!p->value.expr)
		return bound_refuse(err, -EINVAL, -1, "%s has no default and was not given",
				    p->pub.name);
	snprintf(what, sizeof(what), "default of %s", p->pub.name);
	rc = bound_eval(env, &p->value, what, &value, err);
	if (rc)
		return rc;
	err->column = -1;
	rc = spec_convert(p->pub.type, &value, out);
	if (rc)
		return bound_refuse(err, rc, -1,
				    "default of %s: '%s' is %.17g, which does not fit its type %s",
				    p->pub.name, p->value.text, expr_real(&value),
				    spec_type_names[p->pub.type]);
	return 0;
}

/* ---- when a specification is read ------------------------------------------------------------ */

static bool is_constant(const struct formula *f, struct expr_value *out)
{
	struct expr_error ignored;

	return f->expr && !expr_eval(f->expr, NULL, out, &ignored);
}

/* Bounds that depend on other parameters are judged with their values: in a run. */
static int judge_range(struct builder *b, const struct param_row *p)
{
	struct expr_value least, most;

	if (!is_constant(&p->min, &least) || !is_constant(&p->max, &most) ||
	    exact(&least) <= exact(&most))
		return 0;
	return spec_refuse(b, p->max.line, -ERANGE, "min of %s is %.17g, above its max of %.17g",
			   p->pub.name, expr_real(&least), expr_real(&most));
}

/* -ENODATA: it depends on a parameter that has to be given. */
static int judge_default(const struct bound_env *env, const struct param_row *p,
			 struct expr_value *out, struct spec_error *err)
{
	int rc = value_of_default(env, p, out, err), sign;

	for (sign = -1; sign <= 1 && !rc; sign += 2) {
		rc = judge_bound(env, p, out, sign, err);
		if (rc == -ENODATA)
			rc = 0;
	}
	return rc ?: judge_values(p, out, err);
}

int judge_params(struct builder *b)
{
	struct spec_bound bound = { .spec = b->spec, .seed = SEED_DEFAULT };
	struct bound_env env = { .bound = &bound };

	for (unsigned i = 0; i < b->spec->nparams; i++) {
		const struct param_row *p = &b->spec->params[i];
		struct expr_value value;
		struct spec_error err;
		int rc;

		if (judge_range(b, p))
			return b->err->err;
		rc = p->value.expr ? judge_default(&env, p, &value, &err) : -ENODATA;
		if (rc && rc != -ENODATA)
			return spec_refuse(b, p->value.line, rc, "%s", err.text);
		if (rc)
			env.unknown |= UINT32_C(1) << i;
		else
			bound.params[i] = to_spec_value(&value);
	}
	return 0;
}

/* ---- when words come ------------------------------------------------------------------------- */

static const struct spec_word *find_word(const struct spec_word *words, unsigned nwords,
					 const char *name)
{
	for (unsigned i = 0; i < nwords; i++)
		if (parse_equal(words[i].key, words[i].key_len, name))
			return &words[i];
	return NULL;
}

static bool same_key(const struct spec_word *a, const struct spec_word *b)
{
	return a->key_len == b->key_len && !memcmp(a->key, b->key, a->key_len);
}

/* Every word means something, and only once. */
static int judge_words(const struct spec *spec, const struct spec_word *words, unsigned nwords,
		       struct spec_error *err)
{
	for (unsigned i = 0; i < nwords; i++) {
		const struct spec_word *w = &words[i];
		int shown = (int)(w->key_len < 40 ? w->key_len : 40);

		for (unsigned k = 0; k < i; k++)
			if (same_key(w, &words[k]))
				return bound_refuse(err, -EINVAL, w->column,
						    "'%.*s' is given twice", shown, w->key);
		if (!spec_reserved(w->key, w->key_len) &&
		    spec_find_param(spec, w->key, w->key_len) < 0)
			return bound_refuse(err, -EINVAL, w->column,
					    "kernel %s has no parameter '%.*s'", spec->name, shown,
					    w->key);
	}
	return 0;
}

static int bind_seed(const struct spec_word *words, unsigned nwords, struct spec_bound *out,
		     struct spec_error *err)
{
	const struct spec_word *word = find_word(words, nwords, "seed");
	struct expr_value value;

	out->seed = SEED_DEFAULT;
	if (word && spec_number(word, 0, UINT64_MAX, &out->seed, err))
		return err->err;
	value = expr_from_int((expr_int)out->seed);
	out->params[out->spec->nparams] = to_spec_value(&value);
	out->nparams = out->spec->nparams + 1;
	return 0;
}

static int bind_param(const struct spec_word *word, unsigned i, struct spec_bound *out,
		      struct spec_error *err)
{
	const struct bound_env env = { .bound = out, .priv = out->priv };
	const struct param_row *p = &out->spec->params[i];
	struct expr_value value;
	int rc =
		word ? value_of_word(p, word, &value, err) : value_of_default(&env, p, &value, err);

	rc = rc ?: judge_bound(&env, p, &value, -1, err);
	rc = rc ?: judge_bound(&env, p, &value, 1, err);
	rc = rc ?: judge_values(p, &value, err);
	if (!rc)
		out->params[i] = to_spec_value(&value);
	return rc;
}

int bind_params(const struct spec_word *words, unsigned nwords, struct spec_bound *out,
		struct spec_error *err)
{
	const struct spec *spec = out->spec;
	int rc = judge_words(spec, words, nwords, err);

	rc = rc ?: bind_seed(words, nwords, out, err);
	for (unsigned i = 0; i < spec->nparams && !rc; i++)
		rc = bind_param(find_word(words, nwords, spec->params[i].pub.name), i, out, err);
	return rc;
}

/* The shortest decimal that reads back as the same number of that type. */
static int put_real(char *out, size_t size, double f, enum spec_type type)
{
	for (int digits = 6; digits < 17; digits++) {
		char text[40];
		double back;

		snprintf(text, sizeof(text), "%.*g", digits, f);
		back = strtod(text, NULL);
		if (back == f || (type == SPEC_F32 && (float)back == (float)f))
			return snprintf(out, size, "%s", text);
	}
	return snprintf(out, size, "%.17g", f);
}

static int put_value(char *out, size_t size, const struct spec_value *v, enum spec_type type)
{
	if (v->is_float)
		return put_real(out, size, v->f, type);
	if (v->is_big)
		return snprintf(out, size, "%llu", (unsigned long long)v->i);
	return snprintf(out, size, "%lld", (long long)v->i);
}

size_t spec_bound_text(const struct spec_bound *bound, char *out, size_t size)
{
	size_t n = 0;

	for (unsigned i = 0; i < bound->nparams; i++) {
		const char *name =
			i < bound->spec->nparams ? bound->spec->params[i].pub.name : "seed";
		char value[48], word[96];
		int len;

		put_value(value, sizeof(value), &bound->params[i],
			  i < bound->spec->nparams ? bound->spec->params[i].pub.type : SPEC_U64);
		len = snprintf(word, sizeof(word), "%s%s=%s", i ? " " : "", name, value);
		if (n < size)
			snprintf(out + n, size - n, "%s", word);
		n += (size_t)len;
	}
	return n;
}
