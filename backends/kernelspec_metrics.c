/* SPDX-License-Identifier: MIT */
/* Metrics of a run: the specification's counts and formulas over what was measured. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernelspec_priv.h"

struct sink {
	struct spec_metric *out;
	unsigned n, max;
};

/* The next one's place, named; NULL: there is no room. */
static struct spec_metric *next(struct sink *s, const char *prefix, const char *name)
{
	struct spec_metric *metric = s->n < s->max ? &s->out[s->n++] : NULL;

	if (metric) {
		snprintf(metric->name, sizeof(metric->name), "%s%s", prefix, name);
		metric->value = NAN;
		metric->why[0] = '\0';
	}
	return metric;
}

static void put(struct sink *s, const char *prefix, const char *name, double value)
{
	struct spec_metric *metric = next(s, prefix, name);

	if (!metric)
		return;
	metric->value = value;
	if (!isfinite(value))
		snprintf(metric->why, sizeof(metric->why), "the result is no finite number");
}

static __attribute__((format(printf, 4, 5))) void put_why(struct sink *s, const char *prefix,
							  const char *name, const char *format, ...)
{
	struct spec_metric *metric = next(s, prefix, name);
	va_list args;

	if (!metric)
		return;
	va_start(args, format);
	vsnprintf(metric->why, sizeof(metric->why), format, args);
	va_end(args);
}

static void put_formula(struct sink *s, const struct bound_env *env, const char *prefix,
			const char *name, const struct formula *formula)
{
	struct expr_value value;
	struct spec_error err;

	if (bound_eval(env, formula, "", &value, &err))
		put_why(s, prefix, name, "%s", err.text + strlen(": "));
	else if (value.kind == EXPR_WORD)
		put_why(s, prefix, name, "the result is a word");
	else
		put(s, prefix, name, expr_real(&value));
}

/* A count that the specification does not give, or that cannot be computed, stays a word: not
 * known. */
static void put_counts(struct sink *s, struct bound_env *env, struct expr_value *counts)
{
	const struct spec *spec = env->bound->spec;

	for (unsigned i = 0; i < SPEC_COUNTS; i++) {
		struct expr_value value;
		struct spec_error ignored;

		counts[i] = (struct expr_value){ .kind = EXPR_WORD };
		if (!spec->counts[i].expr)
			continue;
		put_formula(s, env, "", spec_count_names[i], &spec->counts[i]);
		if (!bound_eval(env, &spec->counts[i], "", &value, &ignored))
			counts[i] = value;
	}
	env->counts = counts;
}

/* Rates want a count and a time above nothing. */
static void put_rate(struct sink *s, unsigned i, const struct expr_value *count, double seconds)
{
	static const char *const rates[] = { "gflops", "GBps_read", "GBps_written", "ns_per_item" };

	if (count->kind == EXPR_WORD) /* nothing to take the rate of: that has been said */
		return;
	if (!expr_true(count))
		put_why(s, "", rates[i], "%s is 0", spec_count_names[i]);
	else if (!(seconds > 0))
		put_why(s, "", rates[i], "the time is below the clock's resolution");
	else
		put(s, "", rates[i],
		    i == COUNT_ITEMS ? seconds * 1e9 / expr_real(count)
				     : expr_real(count) / seconds / 1e9);
}

unsigned spec_metrics(const struct spec_bound *bound,
		      bool (*value_of)(void *arg, const char *name, double *out), void *arg,
		      struct spec_metric *out, unsigned max)
{
	struct bound_env env = {
		.bound = bound, .priv = bound->priv, .value_of = value_of, .arg = arg
	};
	struct sink sink = { .out = out, .max = max };
	struct expr_value counts[SPEC_COUNTS];
	double seconds = 0;

	put_counts(&sink, &env, counts);
	if (!value_of || !value_of(arg, "seconds", &seconds))
		seconds = 0;
	for (unsigned i = 0; i < SPEC_COUNTS; i++)
		put_rate(&sink, i, &counts[i], seconds);
	for (unsigned i = 0; i < bound->spec->nmetrics; i++)
		put_formula(&sink, &env, "metric.", bound->spec->metrics[i].name,
			    &bound->spec->metrics[i].value);
	return sink.n;
}
