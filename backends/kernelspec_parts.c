/* SPDX-License-Identifier: MIT */
/* The sections of a specification that say what is called with what: buffers, call and sweep. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernelspec_priv.h"

static const char *const access_names[] = { "r", "w", "rw", NULL };
static const char *const guard_names[] = { "none", "before", "after", "both", NULL };
static const char *const pages_names[] = { "4k", "2m", NULL };
static const char *const cache_names[] = { "hot", "flush", "l2", "l3", NULL };
static const char *const fn_names[] = { "cmp_u32", "cmp_i32", "cmp_f64", "cmp_u32_r", NULL };

/* ---- [buffer.NAME] --------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum init_kind kind;
	unsigned least, most; /* arguments */
} inits[] = {
	{ "zero", INIT_ZERO, 0, 0 },
	{ "const", INIT_CONST, 1, 1 },
	{ "iota", INIT_IOTA, 2, 2 },
	{ "uniform", INIT_UNIFORM, 2, 2 },
	{ "normal", INIT_NORMAL, 2, 2 },
	{ "random", INIT_RANDOM, 0, 0 },
	{ "perm", INIT_PERM, 0, 0 },
	{ "chase", INIT_CHASE, 1, 1 },
	{ "data", INIT_DATA, 1, 1 },
	{ "text", INIT_TEXT, 0, 0 },
	{ "copy", INIT_COPY, 1, 2 },
	{ "grid", INIT_GRID, 1, 1 },
	{ 0 },
};

/* Splits "name(args)": args is what stands between the parentheses, NULL without them. False:
 * malformed. */
static bool split_call(const char *text, size_t *name_len, const char **args, size_t *args_len)
{
	size_t len = strlen(text);
	const char *open = strchr(text, '(');

	*name_len = open ? (size_t)(open - text) : len;
	*args = NULL;
	*args_len = 0;
	while (*name_len && parse_is_space(text[*name_len - 1]))
		(*name_len)--;
	if (!open)
		return true;
	if (text[len - 1] != ')')
		return false;
	*args = open + 1;
	*args_len = (size_t)(text + len - 1 - *args);
	return true;
}

/* The arguments of data() and the first of copy() are names, the others expressions. */
static int set_init_arg(struct builder *b, const struct entry *e, struct buffer_row *row,
			unsigned index, const char *text, size_t len)
{
	if (row->init == INIT_DATA) {
		if (!parse_is_name(text, len))
			return spec_refuse(b, e->line, -EINVAL, "init: '%.*s' is no name",
					   (int)(len < 40 ? len : 40), text);
		return 0;
	}
	if (row->init == INIT_COPY && index == 0) {
		row->source = spec_find_buffer(b->spec, text, len);
		if (row->source < 0 || &b->spec->buffers[row->source] >= row)
			return spec_refuse(b, e->line, -EINVAL, "init: '%.*s' is no earlier buffer",
					   (int)(len < 40 ? len : 40), text);
		return 0;
	}
	b->names = NAMES_PLAIN;
	return formula_compile(b, e, text, len, &row->init_args[index]);
}

static int set_init(struct builder *b, const struct entry *e, const struct spec_key *key,
		    void *item)
{
	struct buffer_row *row = item;
	const char *args, *end, *arg;
	size_t name_len, args_len, len;
	unsigned n = 0, i = 0;

	(void)key;
	if (!split_call(e->value, &name_len, &args, &args_len))
		return spec_refuse(b, e->line, -EINVAL, "init: no ')' at the end of '%.40s'",
				   e->value);
	while (inits[i].name && !parse_equal(e->value, name_len, inits[i].name))
		i++;
	if (!inits[i].name)
		return spec_refuse(b, e->line, -EINVAL, "init: unknown generator '%.40s'",
				   e->value);
	row->init = (int)inits[i].kind;
	end = args ? args + args_len : NULL;
	while (parse_item(&args, end, &arg, &len)) {
		if (n == inits[i].most)
			return spec_refuse(b, e->line, -EINVAL,
					   "init: too many arguments in '%.40s'", e->value);
		if (set_init_arg(b, e, row, n++, arg, len))
			return b->err->err;
	}
	if (n < inits[i].least)
		return spec_refuse(b, e->line, -EINVAL, "init: too few arguments in '%.40s'",
				   e->value);
	return 0;
}

void *spec_buffer_item(struct spec *spec, const char *name)
{
	int index = spec_find_buffer(spec, name, strlen(name));

	return index < 0 ? NULL : &spec->buffers[index];
}

int spec_finish_buffers(struct builder *b)
{
	for (unsigned i = 0; i < b->spec->nbuffers; i++) {
		struct buffer_row *row = &b->spec->buffers[i];

		if (row->type < 0)
			return spec_refuse(b, row->line, -EINVAL, "no type in [buffer.%s]",
					   row->name);
		if (!row->count.expr)
			return spec_refuse(b, row->line, -EINVAL, "no count in [buffer.%s]",
					   row->name);
		if (row->access < 0)
			return spec_refuse(b, row->line, -EINVAL, "no access in [buffer.%s]",
					   row->name);
	}
	return 0;
}

#define BUFFER(field) offsetof(struct buffer_row, field), sizeof(((struct buffer_row *)0)->field)

const struct spec_key spec_buffer_keys[] = {
	{ "type", spec_set_choice, BUFFER(type), spec_type_names, 0, 0, false },
	{ "count", spec_set_formula, BUFFER(count), NULL, 0, 0, false },
	{ "align", spec_set_formula, BUFFER(align), NULL, 0, 0, false },
	{ "offset", spec_set_formula, BUFFER(offset), NULL, 0, 0, false },
	{ "access", spec_set_choice, BUFFER(access), access_names, 0, 0, false },
	{ "init", set_init, BUFFER(init), NULL, 0, 0, false },
	{ "seed", spec_set_formula, BUFFER(seed), NULL, 0, 0, false },
	{ "guard", spec_set_choice, BUFFER(guard), guard_names, 0, 0, false },
	{ "pages", spec_set_choice, BUFFER(pages), pages_names, 0, 0, false },
	{ "reset", spec_set_formula, BUFFER(reset), NULL, 0, 0, false },
	{ "cache", spec_set_formula, BUFFER(cache), cache_names, 0, 0, false },
	{ 0 },
};

/* ---- [call] ---------------------------------------------------------------------------------- */

/* BUFFER, or BUFFER + bytes. */
static int set_pointer(struct builder *b, const struct entry *e, struct arg_row *arg,
		       const char *text, size_t len)
{
	size_t n = 0;
	const char *rest;
	int index;

	while (n < len && parse_is_name_char(text[n]))
		n++;
	index = spec_find_buffer(b->spec, text, n);
	if (index < 0)
		return spec_refuse(b, e->line, -EINVAL, "args: no buffer '%.*s'",
				   (int)(len < 40 ? len : 40), text);
	arg->kind = ARG_PTR;
	arg->buffer = (unsigned)index;
	rest = text + n;
	len -= n;
	parse_trim(&rest, &len);
	if (len == 0)
		return 0;
	if (*rest != '+')
		return spec_refuse(b, e->line, -EINVAL, "args: expected '+' after buffer '%s'",
				   b->spec->buffers[index].name);
	b->names = NAMES_PLAIN;
	return formula_compile(b, e, rest + 1, len - 1, &arg->value);
}

static int set_function(struct builder *b, const struct entry *e, struct arg_row *arg,
			const char *text, size_t len)
{
	static const char prefix[] = "builtin:";
	size_t n = sizeof(prefix) - 1;
	int choice = -1;

	if (len > n && !memcmp(text, prefix, n))
		choice = parse_choice(text + n, len - n, fn_names);
	if (choice < 0)
		return spec_refuse(
			b, e->line, -EINVAL,
			"args: '%.*s' is not builtin:cmp_u32, cmp_i32, cmp_f64 or cmp_u32_r",
			(int)(len < 40 ? len : 40), text);
	arg->kind = ARG_FN;
	arg->buffer = (unsigned)choice + WIRE_CMP_U32;
	return 0;
}

static int add_arg(struct builder *b, const struct entry *e, const char *text, size_t len)
{
	struct arg_row *arg = &b->spec->args[b->spec->nargs];
	const char *p = text, *end = text + len, *type;
	size_t n = parse_word(&p, end, " \t", &type), rest = (size_t)(end - p);
	int choice;

	if (b->spec->nargs == WIRE_ARGS_MAX)
		return spec_refuse(b, e->line, -E2BIG, "args: more than %d", WIRE_ARGS_MAX);
	parse_trim(&p, &rest);
	if (n == 0 || rest == 0)
		return spec_refuse(b, e->line, -EINVAL, "args: '%.*s' is not TYPE EXPRESSION",
				   (int)(len < 40 ? len : 40), text);
	b->spec->nargs++;
	if (parse_equal(type, n, "ptr"))
		return set_pointer(b, e, arg, p, rest);
	if (parse_equal(type, n, "fn"))
		return set_function(b, e, arg, p, rest);
	choice = parse_choice(type, n, spec_type_names);
	if (choice < 0)
		return spec_refuse(b, e->line, -EINVAL, "args: unknown type '%.*s'",
				   (int)(n < 40 ? n : 40), type);
	arg->kind = ARG_SCALAR;
	arg->type = (enum spec_type)choice;
	b->names = NAMES_PLAIN;
	return formula_compile(b, e, p, rest, &arg->value);
}

static int set_args(struct builder *b, const struct entry *e, const struct spec_key *key,
		    void *item)
{
	const char *text = e->value, *end = text + strlen(text), *arg;
	size_t len;
	int err = 0;

	(void)key;
	(void)item;
	if (text == end)
		return 0;
	while (!err && parse_item(&text, end, &arg, &len))
		err = add_arg(b, e, arg, len);
	return err;
}

const struct spec_key spec_call_keys[] = {
	{ "args", set_args, 0, 0, NULL, 0, 0, true },
	{ 0 },
};

/* ---- [sweep] --------------------------------------------------------------------------------- */

/* One constant of a sweep: it must compile and evaluate. */
static int judge_constant(struct builder *b, const struct entry *e, const char *text, size_t len,
			  struct expr_value *out)
{
	struct formula f = { 0 };
	struct expr_error error;
	int err;

	b->names = NAMES_NONE;
	err = formula_compile(b, e, text, len, &f);
	if (!err && expr_eval(f.expr, NULL, out, &error))
		err = spec_refuse(b, e->line, error.err, "%s: column %d: %s", e->key,
				  error.column + 1, error.text);
	formula_free(&f);
	return err;
}

/* FIRST .. LAST *FACTOR, or +STEP: the last word that begins with * or + is the step. */
static int judge_range(struct builder *b, const struct entry *e, const char *dots)
{
	const char *last = dots + 2, *step = strrchr(last, ' ');
	struct expr_value from, to, by;

	if (!step || (step[1] != '*' && step[1] != '+'))
		return spec_refuse(b, e->line, -EINVAL,
				   "%s: no step '*FACTOR' or '+STEP' at the end of '%.40s'", e->key,
				   e->value);
	if (judge_constant(b, e, e->value, (size_t)(dots - e->value), &from) ||
	    judge_constant(b, e, last, (size_t)(step - last), &to) ||
	    judge_constant(b, e, step + 2, strlen(step + 2), &by))
		return b->err->err;
	if (expr_real(&from) > expr_real(&to))
		return spec_refuse(b, e->line, -EINVAL, "%s: '%.40s' begins above its end", e->key,
				   e->value);
	if (step[1] == '*' ? expr_real(&by) <= 1 || expr_real(&from) <= 0 : expr_real(&by) <= 0)
		return spec_refuse(b, e->line, -EINVAL,
				   "%s: the step of '%.40s' does not go upwards", e->key, e->value);
	return 0;
}

/* Sweeps are judged here, so that a wrong one is refused with its file; run makes no table of them
 * yet. */
int spec_sweep(struct builder *b, const struct entry *e)
{
	const char *text = e->value, *end = text + strlen(text), *dots = strstr(text, ".."), *item;
	struct expr_value value;
	size_t len;

	if (spec_find_param(b->spec, e->key, strlen(e->key)) < 0)
		return spec_refuse(b, e->line, -EINVAL, "no parameter '%.40s' to sweep", e->key);
	if (b->spec->nsweeps == SPEC_SWEEPS_MAX)
		return spec_refuse(b, e->line, -E2BIG, "more than %d sweeps", SPEC_SWEEPS_MAX);
	b->spec->nsweeps++;
	if (dots)
		return judge_range(b, e, dots);
	while (parse_item(&text, end, &item, &len))
		if (judge_constant(b, e, item, len, &value))
			return b->err->err;
	return 0;
}
