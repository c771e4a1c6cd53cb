/* SPDX-License-Identifier: MIT */
/* A specification as an object: its life, its names, and its expressions with the names that they
 * may use. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernelspec_priv.h"

static const char *const check_names[] = { "ref_abs", "eps", "ref", "n", NULL };

struct spec *spec_new(void)
{
	struct spec *spec = calloc(1, sizeof(*spec));
	struct spec_defaults *d;

	if (!spec)
		return NULL;
	spec->mode = spec->aggregate = -1;
	d = &spec->defaults;
	d->mode = -1;
	d->samples = d->warmup = d->cpu = d->processes = d->min_time_ms = d->max_time_ms = -1;
	d->wall_ms = d->memory_bytes = d->stack_bytes = -1;
	return spec;
}

void formula_free(struct formula *f)
{
	expr_free(f->expr);
	free(f->text);
	*f = (struct formula){ 0 };
}

static void free_param(struct param_row *p)
{
	formula_free(&p->value);
	formula_free(&p->min);
	formula_free(&p->max);
}

static void free_buffer(struct buffer_row *row)
{
	formula_free(&row->count);
	formula_free(&row->align);
	formula_free(&row->offset);
	formula_free(&row->seed);
	formula_free(&row->reset);
	formula_free(&row->cache);
	formula_free(&row->init_args[0]);
	formula_free(&row->init_args[1]);
}

static void free_check(struct check_row *check)
{
	for (unsigned i = 0; i < REF_ARGS_MAX; i++)
		formula_free(&check->arg_values[i]);
	formula_free(&check->tolerance);
	formula_free(&check->when);
}

void spec_free(struct spec *spec)
{
	if (!spec)
		return;
	for (unsigned i = 0; i < spec->nparams; i++)
		free_param(&spec->params[i]);
	free(spec->params);
	for (unsigned i = 0; i < SPEC_LETS_MAX; i++)
		formula_free(&spec->lets[i].value);
	for (unsigned i = 0; i < SPEC_REQUIRES_MAX; i++)
		formula_free(&spec->requires[i].value);
	for (unsigned i = 0; i < SPEC_BUFFERS_MAX; i++)
		free_buffer(&spec->buffers[i]);
	for (unsigned i = 0; i < WIRE_ARGS_MAX; i++)
		formula_free(&spec->args[i].value);
	free_check(&spec->check);
	for (unsigned i = 0; i < SPEC_COUNTS; i++)
		formula_free(&spec->counts[i]);
	for (unsigned i = 0; i < SPEC_METRICS_MAX; i++)
		formula_free(&spec->metrics[i].value);
	formula_free(&spec->cache);
	free(spec);
}

int spec_find_param(const struct spec *spec, const char *name, size_t len)
{
	for (unsigned i = 0; i < spec->nparams; i++)
		if (parse_equal(name, len, spec->params[i].pub.name))
			return (int)i;
	return -1;
}

int spec_find_buffer(const struct spec *spec, const char *name, size_t len)
{
	for (unsigned i = 0; i < spec->nbuffers; i++)
		if (parse_equal(name, len, spec->buffers[i].name))
			return (int)i;
	return -1;
}

/* Any other name in a metric is that of an event, known or not when the run is over. */
static int find_event(struct spec *spec, const char *name, size_t len)
{
	for (unsigned i = 0; i < spec->nevents; i++)
		if (parse_equal(name, len, spec->events[i]))
			return SLOT_EVENT + (int)i;
	if (spec->nevents == SPEC_EVENTS_MAX)
		return -1;
	snprintf(spec->events[spec->nevents], sizeof(spec->events[0]), "%.*s", (int)len, name);
	return SLOT_EVENT + (int)spec->nevents++;
}

static int find_slot(void *arg, const char *name, size_t len)
{
	struct builder *b = arg;
	struct spec *spec = b->spec;
	int i = spec_find_param(spec, name, len);

	if (i >= 0)
		return i < (int)b->nparams_visible ? SLOT_PARAM + i : -1;
	if (parse_equal(name, len, "seed"))
		return SLOT_SEED;
	for (unsigned k = 0; k < b->nlets_visible; k++)
		if (parse_equal(name, len, spec->lets[k].name))
			return SLOT_LET + (int)k;
	i = b->names == NAMES_CHECK ? parse_choice(name, len, check_names) : -1;
	if (i >= 0)
		return SLOT_CHECK + i;
	if (b->names != NAMES_METRIC)
		return -1;
	i = parse_choice(name, len, spec_count_names);
	return i >= 0 ? SLOT_COUNT + i : find_event(spec, name, len);
}

int formula_compile(struct builder *b, const struct entry *e, const char *text, size_t len,
		    struct formula *out)
{
	struct expr_scope scope = { .find = b->names == NAMES_NONE ? NULL : find_slot,
				    .arg = b,
				    .words = b->words };
	struct expr_error error;

	out->expr = expr_compile(text, len, &scope, &error);
	b->words = NULL;
	if (!out->expr)
		return spec_refuse(b, e->line, error.err, "%s: column %d: %s", e->key,
				   error.column + 1, error.text);
	out->text = strndup(text, len);
	out->line = e->line;
	return out->text ? 0 : spec_refuse(b, e->line, -ENOMEM, "out of memory");
}

const char *spec_name(const struct spec *spec)
{
	return spec->name;
}

const char *spec_namespace(const struct spec *spec)
{
	return spec->space;
}

const char *spec_function(const struct spec *spec)
{
	return spec->function;
}

const char *spec_summary(const struct spec *spec)
{
	return spec->summary;
}

unsigned spec_nparams(const struct spec *spec)
{
	return spec->nparams;
}

const struct spec_param *spec_param(const struct spec *spec, unsigned i)
{
	return i < spec->nparams ? &spec->params[i].pub : NULL;
}

const char *spec_type_name(enum spec_type type)
{
	return spec_type_names[type];
}

void spec_defaults(const struct spec *spec, struct spec_defaults *out)
{
	*out = spec->defaults;
}
