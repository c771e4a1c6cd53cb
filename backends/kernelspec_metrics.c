/* SPDX-License-Identifier: MIT */
/* Metrics of a run: the specification's counts and formulas over what was measured. */
#include <math.h>
#include <stdio.h>

#include "kernelspec_priv.h"

struct sink {
	struct spec_metric *out;
	unsigned n, max;
};

static void put(struct sink *s, const char *prefix, const char *name, double value)
{
	if (s->n == s->max || !isfinite(value))
		return;
	snprintf(s->out[s->n].name, sizeof(s->out[s->n].name), "%s%s", prefix, name);
	s->out[s->n++].value = value;
}

/* A count that the specification does not give, or that cannot be computed, stays a word: not
 * known. */
static void count_all(struct bound_env *env, struct expr_value *counts)
{
	const struct spec *spec = env->bound->spec;
	struct spec_error ignored;

	for (unsigned i = 0; i < SPEC_COUNTS; i++) {
		struct expr_value value;

		counts[i] = (struct expr_value){ .kind = EXPR_WORD };
		if (spec->counts[i].expr &&
		    !bound_eval(env, &spec->counts[i], "", &value, &ignored))
			counts[i] = value;
	}
	env->counts = counts;
}

/* Rates want a count and a time above nothing. */
static void put_rates(struct sink *s, const struct expr_value *counts, double seconds)
{
	static const char *const rates[] = { "gflops", "GBps_read", "GBps_written" };

	for (unsigned i = COUNT_FLOP; i <= COUNT_WRITTEN; i++)
		if (counts[i].kind != EXPR_WORD && expr_true(&counts[i]))
			put(s, "", rates[i], expr_real(&counts[i]) / seconds / 1e9);
	if (counts[COUNT_ITEMS].kind != EXPR_WORD && expr_true(&counts[COUNT_ITEMS]))
		put(s, "", "ns_per_item", seconds * 1e9 / expr_real(&counts[COUNT_ITEMS]));
}

unsigned spec_metrics(const struct spec_bound *bound,
		      bool (*value_of)(void *arg, const char *name, double *out), void *arg,
		      struct spec_metric *out, unsigned max)
{
	struct bound_env env = {
		.bound = bound, .priv = bound->priv, .value_of = value_of, .arg = arg
	};
	struct sink sink = { .out = out, .max = max };
	struct expr_value counts[SPEC_COUNTS], value;
	struct spec_error ignored;
	double seconds;

	count_all(&env, counts);
	for (unsigned i = 0; i < SPEC_COUNTS; i++)
		if (counts[i].kind != EXPR_WORD)
			put(&sink, "", spec_count_names[i], expr_real(&counts[i]));
	if (value_of && value_of(arg, "seconds", &seconds) && seconds > 0)
		put_rates(&sink, counts, seconds);
	for (unsigned i = 0; i < bound->spec->nmetrics; i++) {
		const struct metric_row *row = &bound->spec->metrics[i];

		if (!bound_eval(&env, &row->value, row->name, &value, &ignored) &&
		    value.kind != EXPR_WORD)
			put(&sink, "metric.", row->name, expr_real(&value));
	}
	return sink.n;
}
