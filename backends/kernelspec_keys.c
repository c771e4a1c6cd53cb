/* SPDX-License-Identifier: MIT */
/* The tables of a specification's sections: which keys there are and what sets them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernelspec_priv.h"

#define NUMBER_MAX   INT64_MAX
#define MEMORY_LEAST (1 << 20)  /* a run of an empty function has half of that at its peak */
#define STACK_LEAST  (64 << 10) /* the runner's own */

const char *const spec_type_names[] = { "u8",  "u16", "u32", "u64", "i8",   "i16",
					"i32", "i64", "f32", "f64", "bool", NULL };
const char *const spec_count_names[] = { "flop", "bytes_read", "bytes_written", "items", NULL };
static const char *const returns_names[] = { "void", "f32", "f64", "i32", "u32",
					     "i64",  "u64", "ptr", NULL };
static const char *const mode_names[] = { "throughput", "latency", "both", NULL };
static const char *const aggregate_names[] = { "p25", "median", "min", NULL };
static const char *const tsc_names[] = { "allow", "deny", NULL };
static const char *const cache_names[] = { "hot", "flush", "l2", "l3", NULL };
/* Names that mean something in some expression and so cannot be given to anything else. */
static const char *const taken_names[] = { "seed",       "ref_abs",       "eps",          "ref",
					   "seconds",    "cycles",        "instructions", "flop",
					   "bytes_read", "bytes_written", "items",        "ret",
					   "hot",        "flush",         "l2",           "l3",
					   NULL };

int spec_set_text(struct builder *b, const struct entry *e, const struct spec_key *key, void *item)
{
	size_t len = strlen(e->value);

	if (len >= key->size)
		return spec_refuse(b, e->line, -E2BIG, "%s has more than %zu bytes: '%.40s...'",
				   e->key, key->size - 1, e->value);
	memcpy((char *)item + key->offset, e->value, len + 1);
	return 0;
}

static void put_choices(const char *const *words, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (; *words && n < size; words++)
		n += (size_t)snprintf(out + n, size - n, "%s%s", n ? " " : "", *words);
}

int spec_set_choice(struct builder *b, const struct entry *e, const struct spec_key *key,
		    void *item)
{
	int choice = parse_choice(e->value, strlen(e->value), key->words);
	char list[120];

	if (choice < 0) {
		put_choices(key->words, list, sizeof(list));
		return spec_refuse(b, e->line, -EINVAL, "%s is '%.40s', not one of: %s", e->key,
				   e->value, list);
	}
	memcpy((char *)item + key->offset, &choice, sizeof(choice));
	return 0;
}

/* A constant: an expression without names. */
int spec_set_number(struct builder *b, const struct entry *e, const struct spec_key *key,
		    void *item)
{
	struct formula f = { 0 };
	struct expr_value value;
	struct expr_error error;
	expr_int whole;
	int64_t number;
	int err;

	b->names = NAMES_NONE;
	err = formula_compile(b, e, e->value, strlen(e->value), &f);
	if (!err && expr_eval(f.expr, NULL, &value, &error))
		err = spec_refuse(b, e->line, error.err, "%s: column %d: %s", e->key,
				  error.column + 1, error.text);
	formula_free(&f);
	if (err)
		return err;
	if (!expr_whole(&value, &whole))
		return spec_refuse(b, e->line, -EINVAL, "%s is '%.40s', no whole number", e->key,
				   e->value);
	if (whole < key->min || whole > key->max)
		return spec_refuse(b, e->line, -ERANGE, "%s is %.40s, not from %lld to %lld",
				   e->key, e->value, (long long)key->min, (long long)key->max);
	number = (int64_t)whole;
	memcpy((char *)item + key->offset, &number, sizeof(number));
	return 0;
}

int spec_set_formula(struct builder *b, const struct entry *e, const struct spec_key *key,
		     void *item)
{
	b->names = NAMES_PLAIN;
	b->words = key->words;
	return formula_compile(b, e, e->value, strlen(e->value),
			       (struct formula *)((char *)item + key->offset));
}

/* ---- names ----------------------------------------------------------------------------------- */

static bool is_let(const struct spec *spec, const char *name)
{
	for (unsigned i = 0; i < spec->nlets; i++)
		if (!strcmp(spec->lets[i].name, name))
			return true;
	return false;
}

/* May name be given to something new? */
static int judge_name(struct builder *b, const struct entry *e, const char *name)
{
	size_t len = strlen(name);

	if (!parse_is_name(name, len))
		return spec_refuse(
			b, e->line, -EINVAL,
			"'%.40s' is no name: a letter, then letters, digits and '_', at most %d",
			name, PARSE_NAME_MAX);
	if (expr_is_builtin(name, len) || parse_choice(name, len, taken_names) >= 0 ||
	    spec_reserved(name, len))
		return spec_refuse(b, e->line, -EINVAL, "the name '%s' is reserved", name);
	if (spec_find_param(b->spec, name, len) >= 0 || spec_find_buffer(b->spec, name, len) >= 0 ||
	    is_let(b->spec, name))
		return spec_refuse(b, e->line, -EINVAL, "the name '%s' is given twice", name);
	return 0;
}

static int declare_param(struct builder *b, const struct entry *e, const char *name)
{
	struct spec *spec = b->spec;
	struct param_row *p;

	if (spec_find_param(spec, name, strlen(name)) >= 0)
		return 0;
	if (judge_name(b, e, name))
		return b->err->err;
	if (spec->nparams == SPEC_PARAMS_MAX)
		return spec_refuse(b, e->line, -E2BIG, "more than %d parameters", SPEC_PARAMS_MAX);
	/* Names are declared before anything else is read: nobody holds a row yet. */
	p = reallocarray(spec->params, spec->nparams + 1, sizeof(*p));
	if (!p)
		return spec_refuse(b, e->line, -ENOMEM, "out of memory");
	spec->params = p;
	p = &spec->params[spec->nparams++];
	memset(p, 0, sizeof(*p));
	p->type = -1;
	p->line = e->line;
	strcpy(p->pub.name, name);
	return 0;
}

int spec_declare_buffer(struct builder *b, const struct entry *e, const char *name)
{
	struct spec *spec = b->spec;
	struct buffer_row *row;

	if (spec_find_buffer(spec, name, strlen(name)) >= 0)
		return 0;
	if (judge_name(b, e, name))
		return b->err->err;
	if (spec->nbuffers == SPEC_BUFFERS_MAX)
		return spec_refuse(b, e->line, -E2BIG, "more than %d buffers", SPEC_BUFFERS_MAX);
	row = &spec->buffers[spec->nbuffers++];
	row->type = row->access = -1;
	row->line = e->line;
	strcpy(row->name, name);
	return 0;
}

static int declare_let(struct builder *b, const struct entry *e, const char *name)
{
	if (judge_name(b, e, name))
		return b->err->err;
	if (b->spec->nlets == SPEC_LETS_MAX)
		return spec_refuse(b, e->line, -E2BIG, "more than %d names in [let]",
				   SPEC_LETS_MAX);
	strcpy(b->spec->lets[b->spec->nlets++].name, name);
	return 0;
}

/* ---- [kernel] -------------------------------------------------------------------------------- */

static int set_kernel_name(struct builder *b, const struct entry *e, const struct spec_key *key,
			   void *item)
{
	if (!parse_is_name(e->value, strlen(e->value)))
		return spec_refuse(
			b, e->line, -EINVAL,
			"%s is '%.40s': a letter, then letters, digits and '_', at most %d", e->key,
			e->value, PARSE_NAME_MAX);
	return spec_set_text(b, e, key, item);
}

static int set_symbol(struct builder *b, const struct entry *e, const struct spec_key *key,
		      void *item)
{
	for (const char *p = e->value; *p; p++)
		if (*p <= ' ' || *p > '~')
			return spec_refuse(b, e->line, -EINVAL, "%s is '%.40s', no symbol", e->key,
					   e->value);
	if (!*e->value)
		return spec_refuse(b, e->line, -EINVAL,
				   "%s is empty: a symbol, or '*' for the only one", e->key);
	return spec_set_text(b, e, key, item);
}

static int finish_kernel(struct builder *b)
{
	if (!b->spec->name[0])
		return spec_refuse(b, 0, -EINVAL, "no name in [kernel]");
	if (!b->spec->function[0])
		return spec_refuse(b, 0, -EINVAL,
				   "no function in [kernel]: a symbol, or '*' for the only one");
	return 0;
}

#define KERNEL(field) offsetof(struct spec, field), sizeof(((struct spec *)0)->field)

static const struct spec_key kernel_keys[] = {
	{ "name", set_kernel_name, KERNEL(name), NULL, 0, 0, false },
	{ "namespace", set_kernel_name, KERNEL(space), NULL, 0, 0, false },
	{ "function", set_symbol, KERNEL(function), NULL, 0, 0, false },
	{ "returns", spec_set_choice, KERNEL(returns), returns_names, 0, 0, false },
	{ "summary", spec_set_text, KERNEL(summary), NULL, 0, 0, false },
	{ 0 },
};

/* ---- [param.NAME] ---------------------------------------------------------------------------- */

static void *param_item(struct spec *spec, const char *name)
{
	int index = spec_find_param(spec, name, strlen(name));

	return index < 0 ? NULL : &spec->params[index];
}

static const struct {
	size_t formula, text, size;
} param_formulas[] = {
	{ offsetof(struct param_row, value), offsetof(struct param_row, pub.default_text), 96 },
	{ offsetof(struct param_row, min), offsetof(struct param_row, pub.min_text), 32 },
	{ offsetof(struct param_row, max), offsetof(struct param_row, pub.max_text), 32 },
};

/* default, min and max see the parameters before their own; key->min says which of them it is. */
static int set_param_formula(struct builder *b, const struct entry *e, const struct spec_key *key,
			     void *item)
{
	const struct spec_key text = { .name = key->name,
				       .offset = param_formulas[key->min].text,
				       .size = param_formulas[key->min].size };
	struct param_row *p = item;
	int err = spec_set_text(b, e, &text, item);

	if (err)
		return err;
	b->names = NAMES_PLAIN;
	b->words = NULL;
	b->nparams_visible = (unsigned)(p - b->spec->params);
	b->nlets_visible = 0;
	return formula_compile(b, e, e->value, strlen(e->value),
			       (struct formula *)((char *)item + param_formulas[key->min].formula));
}

static int add_value(struct builder *b, const struct entry *e, struct param_row *p,
		     const char *text, size_t len)
{
	struct expr_value *value = &p->values[p->nvalues];
	double real;
	int64_t i;
	uint64_t u;

	if (p->nvalues == SPEC_VALUES_MAX)
		return spec_refuse(b, e->line, -E2BIG, "more than %d values", SPEC_VALUES_MAX);
	if (!parse_u64(text, len, &u))
		*value = expr_from_int((expr_int)u);
	else if (!parse_i64(text, len, &i))
		*value = expr_from_int(i);
	else if (!parse_double(text, len, &real))
		*value = expr_from_real(real);
	else
		return spec_refuse(b, e->line, -EINVAL, "values: '%.*s' is no number",
				   (int)(len < 40 ? len : 40), text);
	p->nvalues++;
	return 0;
}

static int set_values(struct builder *b, const struct entry *e, const struct spec_key *key,
		      void *item)
{
	const char *text = e->value, *end = text + strlen(text), *word;
	size_t len;
	int err = spec_set_text(b, e, key, item);

	while (!err && parse_item(&text, end, &word, &len))
		err = add_value(b, e, item, word, len);
	return err;
}

static int finish_params(struct builder *b)
{
	for (unsigned i = 0; i < b->spec->nparams; i++) {
		struct param_row *p = &b->spec->params[i];

		if (p->type < 0)
			return spec_refuse(b, p->line, -EINVAL, "no type in [param.%s]",
					   p->pub.name);
		p->pub.type = (enum spec_type)p->type;
	}
	b->nparams_visible = b->spec->nparams;
	return judge_params(b);
}

#define PARAM(field) offsetof(struct param_row, field), sizeof(((struct param_row *)0)->field)

static const struct spec_key param_keys[] = {
	{ "type", spec_set_choice, PARAM(type), spec_type_names, 0, 0, false },
	{ "default", set_param_formula, 0, 0, NULL, 0, 0, false },
	{ "min", set_param_formula, 0, 0, NULL, 1, 0, false },
	{ "max", set_param_formula, 0, 0, NULL, 2, 0, false },
	{ "values", set_values, PARAM(pub.values), NULL, 0, 0, true },
	{ "unit", spec_set_text, PARAM(pub.unit), NULL, 0, 0, false },
	{ "help", spec_set_text, PARAM(pub.help), NULL, 0, 0, false },
	{ 0 },
};

/* ---- [let] and [require] --------------------------------------------------------------------- */

/* A let sees all parameters and the lets before it. */
static int set_let(struct builder *b, const struct entry *e)
{
	struct let_row *let = &b->spec->lets[b->nlets_visible];

	b->names = NAMES_PLAIN;
	b->words = NULL;
	if (formula_compile(b, e, e->value, strlen(e->value), &let->value))
		return b->err->err;
	b->nlets_visible++;
	return 0;
}

static int set_require(struct builder *b, const struct entry *e)
{
	struct let_row *row = &b->spec->requires[b->spec->nrequires];

	if (!parse_is_name(e->key, strlen(e->key)))
		return spec_refuse(b, e->line, -EINVAL, "'%.40s' is no name", e->key);
	if (b->spec->nrequires == SPEC_REQUIRES_MAX)
		return spec_refuse(b, e->line, -E2BIG, "more than %d requirements",
				   SPEC_REQUIRES_MAX);
	b->spec->nrequires++;
	strcpy(row->name, e->key);
	b->names = NAMES_PLAIN;
	b->words = NULL;
	return formula_compile(b, e, e->value, strlen(e->value), &row->value);
}

/* ---- [metrics] ------------------------------------------------------------------------------- */

static int set_metric(struct builder *b, const struct entry *e)
{
	struct metric_row *row = &b->spec->metrics[b->spec->nmetrics];
	const char *name = e->key + strlen("metric.");
	int count = parse_choice(e->key, strlen(e->key), spec_count_names);

	b->words = NULL;
	b->names = count >= 0 ? NAMES_PLAIN : NAMES_METRIC;
	if (count >= 0)
		return formula_compile(b, e, e->value, strlen(e->value), &b->spec->counts[count]);
	if (strncmp(e->key, "metric.", strlen("metric.")) != 0)
		return spec_refuse(b, e->line, -EINVAL, "unknown key '%.40s' in [metrics]", e->key);
	if (!parse_is_name(name, strlen(name)))
		return spec_refuse(b, e->line, -EINVAL, "'%.40s' is no name", name);
	if (b->spec->nmetrics == SPEC_METRICS_MAX)
		return spec_refuse(b, e->line, -E2BIG, "more than %d metrics", SPEC_METRICS_MAX);
	b->spec->nmetrics++;
	strcpy(row->name, name);
	return formula_compile(b, e, e->value, strlen(e->value), &row->value);
}

/* ---- [measure] and [limits] ------------------------------------------------------------------ */

/* Names separated by commas, each alone or followed by =trap. */
static int set_imports(struct builder *b, const struct entry *e, const struct spec_key *key,
		       void *item)
{
	const char *text = e->value, *end = text + strlen(text), *word;
	size_t len;

	while (parse_item(&text, end, &word, &len)) {
		const char *equal = memchr(word, '=', len);
		size_t n = equal ? (size_t)(equal - word) : len;

		if (n == 0 || memchr(word, ' ', len) ||
		    (equal && !parse_equal(equal, len - n, "=trap")))
			return spec_refuse(b, e->line, -EINVAL,
					   "imports: '%.*s' is neither a symbol nor symbol=trap",
					   (int)(len < 40 ? len : 40), word);
	}
	return spec_set_text(b, e, key, item);
}

#define DEFAULT(field) KERNEL(defaults.field), NULL

static const struct spec_key measure_keys[] = {
	{ "mode", spec_set_choice, KERNEL(mode), mode_names, 0, 0, false },
	{ "cache", spec_set_formula, KERNEL(cache), cache_names, 0, 0, false },
	{ "samples", spec_set_number, DEFAULT(samples), 1, WIRE_SAMPLES_MAX, false },
	{ "min_time_ms", spec_set_number, DEFAULT(min_time_ms), 0, NUMBER_MAX, false },
	{ "max_time_ms", spec_set_number, DEFAULT(max_time_ms), 1, NUMBER_MAX, false },
	{ "processes", spec_set_number, DEFAULT(processes), 1, 64, false },
	{ "warmup", spec_set_number, DEFAULT(warmup), 0, UINT32_MAX, false },
	{ "cpu", spec_set_number, DEFAULT(cpu), 0, 65535, false },
	{ "aggregate", spec_set_choice, KERNEL(aggregate), aggregate_names, 0, 0, false },
	{ "events", spec_set_text, DEFAULT(events), 0, 0, true },
	{ 0 },
};

static const struct spec_key limits_keys[] = {
	{ "wall_ms", spec_set_number, DEFAULT(wall_ms), 1, NUMBER_MAX, false },
	{ "memory_bytes", spec_set_number, DEFAULT(memory_bytes), MEMORY_LEAST, NUMBER_MAX, false },
	{ "stack_bytes", spec_set_number, DEFAULT(stack_bytes), STACK_LEAST, NUMBER_MAX, false },
	{ "tsc", spec_set_choice, KERNEL(tsc), tsc_names, 0, 0, false },
	{ "imports", set_imports, DEFAULT(imports), 0, 0, true },
	{ 0 },
};

static int finish_limits(struct builder *b)
{
	struct spec *spec = b->spec;

	spec->defaults.tsc_denied = spec->tsc == 1;
	spec->defaults.mode = spec->mode < 2 ? spec->mode : -1;
	if (spec->aggregate >= 0)
		strcpy(spec->defaults.aggregate, aggregate_names[spec->aggregate]);
	return 0;
}

/* The order is that of understanding: what a section's expressions may name comes before it. */
const struct spec_section spec_sections[] = {
	{ "kernel", kernel_keys, NULL, NULL, NULL, finish_kernel, false },
	{ "param", param_keys, param_item, declare_param, NULL, finish_params, true },
	{ "let", NULL, NULL, declare_let, set_let, NULL, false },
	{ "require", NULL, NULL, NULL, set_require, NULL, false },
	{ "buffer", spec_buffer_keys, spec_buffer_item, spec_declare_buffer, NULL,
	  spec_finish_buffers, true },
	{ "call", spec_call_keys, NULL, NULL, NULL, NULL, false },
	{ "check", spec_check_keys, NULL, NULL, NULL, spec_finish_check, false },
	{ "metrics", NULL, NULL, NULL, set_metric, NULL, false },
	{ "measure", measure_keys, NULL, NULL, NULL, NULL, false },
	{ "limits", limits_keys, NULL, NULL, NULL, finish_limits, false },
	{ "sweep", NULL, NULL, NULL, spec_sweep, NULL, false },
	{ 0 },
};
