/* SPDX-License-Identifier: MIT */
/* The [check] section of a specification. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernelspec_priv.h"

static const char *const nan_names[] = { "different", "equal", NULL };

static bool takes_buffer(char letter)
{
	return letter != 'i' && letter != 'n';
}

/* Does the buffer's type suit the letter of a reference's argument? */
static const char *unsuited(char letter, const struct buffer_row *row)
{
	bool writes = letter >= 'A' && letter <= 'Z';
	enum spec_type type = (enum spec_type)row->type;

	if (writes && row->access == SPEC_R - 1)
		return "is written by the reference but has access = r";
	switch (letter | 0x20) {
	case 'f':
		return ref_is_float(type) ? NULL : "is not of f32 or f64";
	case 'c':
		return ref_type_bytes(type) == 1 ? NULL : "is not of bytes";
	case 's':
		return type == SPEC_U32 || type == SPEC_I32 || type == SPEC_F64
			       ? NULL
			       : "is not of u32, i32 or f64";
	default:
		return NULL;
	}
}

static int add_ref_arg(struct builder *b, const struct entry *e, char letter, const char *text,
		       size_t len)
{
	struct check_row *check = &b->spec->check;
	unsigned n = check->nargs++;
	const char *why;
	int index;

	check->arg_buffers[n] = -1;
	if (!takes_buffer(letter)) {
		b->names = NAMES_PLAIN;
		return formula_compile(b, e, text, len, &check->arg_values[n]);
	}
	index = spec_find_buffer(b->spec, text, len);
	if (index < 0)
		return spec_refuse(b, e->line, -EINVAL,
				   "reference: argument %u is '%.*s', no buffer", n + 1,
				   (int)(len < 40 ? len : 40), text);
	why = unsuited(letter, &b->spec->buffers[index]);
	if (why)
		return spec_refuse(b, e->line, -EINVAL, "reference: buffer '%s' %s",
				   b->spec->buffers[index].name, why);
	check->arg_buffers[n] = index;
	return 0;
}

static int set_builtin(struct builder *b, const struct entry *e, const char *text)
{
	struct check_row *check = &b->spec->check;
	const char *open = strchr(text, '('), *item;
	size_t n = open ? (size_t)(open - text) : strlen(text), len, wanted;
	const char *end = text + strlen(text) - 1;

	check->reference = reference_find(text, n);
	if (!check->reference)
		return spec_refuse(b, e->line, -EINVAL, "reference: there is no builtin:%.*s",
				   (int)(n < 40 ? n : 40), text);
	wanted = strlen(check->reference->args);
	if (!open || *end != ')')
		return spec_refuse(b, e->line, -EINVAL,
				   "reference: expected builtin:%s(%zu arguments)",
				   check->reference->name, wanted);
	open++;
	while (parse_item(&open, end, &item, &len)) {
		if (check->nargs == wanted)
			return spec_refuse(b, e->line, -EINVAL,
					   "reference: %s takes %zu arguments, not more",
					   check->reference->name, wanted);
		if (add_ref_arg(b, e, check->reference->args[check->nargs], item, len))
			return b->err->err;
	}
	if (check->nargs < wanted)
		return spec_refuse(b, e->line, -EINVAL, "reference: %s takes %zu arguments, not %u",
				   check->reference->name, wanted, check->nargs);
	return 0;
}

static int set_reference(struct builder *b, const struct entry *e, const struct spec_key *key,
			 void *item)
{
	struct check_row *check = &b->spec->check;
	const char *value = e->value, *colon;
	const struct spec_key text = { .name = key->name,
				       .offset = offsetof(struct spec, check.codelet),
				       .size = sizeof(check->codelet) };
	struct entry rest = *e;

	check->line = e->line;
	if (!strcmp(value, "none"))
		return 0;
	if (!strncmp(value, "builtin:", 8))
		return set_builtin(b, e, value + 8);
	colon = strncmp(value, "codelet:", 8) ? NULL : strchr(value + 8, ':');
	if (!colon || colon == value + 8 || !colon[1])
		return spec_refuse(
			b, e->line, -EINVAL,
			"reference is '%.40s', not none, builtin:NAME(...) or codelet:FILE:SYMBOL",
			value);
	rest.value += 8;
	return spec_set_text(b, &rest, &text, item);
}

static int set_compare(struct builder *b, const struct entry *e, const struct spec_key *key,
		       void *item)
{
	struct check_row *check = &b->spec->check;
	const char *text = e->value, *end = text + strlen(text), *word;
	size_t len;

	(void)key;
	(void)item;
	while (parse_item(&text, end, &word, &len)) {
		int index = parse_equal(word, len, "ret") ? COMPARE_RET
							  : spec_find_buffer(b->spec, word, len);

		if (index < 0 && !parse_equal(word, len, "ret"))
			return spec_refuse(b, e->line, -EINVAL,
					   "compare: '%.*s' is neither ret nor a buffer",
					   (int)(len < 40 ? len : 40), word);
		if (check->ncompare == SPEC_COMPARE_MAX)
			return spec_refuse(b, e->line, -E2BIG, "compare: more than %d",
					   SPEC_COMPARE_MAX);
		for (unsigned i = 0; i < check->ncompare; i++)
			if (check->compare[i] == index)
				return spec_refuse(b, e->line, -EINVAL, "compare: '%.*s' twice",
						   (int)len, word);
		check->compare[check->ncompare++] = index;
	}
	return 0;
}

static int set_tolerance(struct builder *b, const struct entry *e, const struct spec_key *key,
			 void *item)
{
	struct check_row *check = &b->spec->check;
	const char *text = e->value;
	size_t len = strlen(text);

	(void)key;
	(void)item;
	if (!strcmp(text, "exact"))
		return 0;
	b->names = NAMES_CHECK;
	check->tolerance_kind = TOLERANCE_EXPR;
	if (!strncmp(text, "ulp(", 4) && text[len - 1] == ')') {
		check->tolerance_kind = TOLERANCE_ULP;
		b->names = NAMES_PLAIN;
		text += 4;
		len -= 5;
	}
	return formula_compile(b, e, text, len, &check->tolerance);
}

#define CHECK_FIELD(field)                                                                         \
	offsetof(struct spec, check.field), sizeof(((struct spec *)0)->check.field)

const struct spec_key spec_check_keys[] = {
	{ "reference", set_reference, CHECK_FIELD(reference), NULL, 0, 0, false },
	{ "compare", set_compare, CHECK_FIELD(compare), NULL, 0, 0, true },
	{ "tolerance", set_tolerance, CHECK_FIELD(tolerance), NULL, 0, 0, false },
	{ "when", spec_set_formula, CHECK_FIELD(when), NULL, 0, 0, false },
	{ "nan", spec_set_choice, CHECK_FIELD(nan_equal), nan_names, 0, 0, false },
	{ 0 },
};

static char returned_class(int returns)
{
	static const char classes[] = { 0, 'f', 'f', 'i', 'i', 'i', 'i', 'p' };

	return classes[returns];
}

static int judge_returned(struct builder *b)
{
	const struct check_row *check = &b->spec->check;
	char class = returned_class(b->spec->returns);

	if (class == 0)
		return spec_refuse(b, check->line, -EINVAL,
				   "compare: ret, but [kernel] returns void");
	if (check->reference && !strchr(check->reference->returns, class))
		return spec_refuse(b, check->line, -EINVAL,
				   "compare: ret, but builtin:%s returns %s",
				   check->reference->name,
				   *check->reference->returns ? "another type" : "nothing");
	return 0;
}

int spec_finish_check(struct builder *b)
{
	const struct check_row *check = &b->spec->check;

	if (!check->reference && !*check->codelet) {
		if (check->ncompare)
			return spec_refuse(b, check->line, -EINVAL,
					   "compare without a reference in [check]");
		return 0;
	}
	if (!check->ncompare)
		return spec_refuse(b, check->line, -EINVAL, "no compare in [check]");
	for (unsigned i = 0; i < check->ncompare; i++) {
		const struct buffer_row *row =
			&b->spec->buffers[check->compare[i] == COMPARE_RET ? 0 : check->compare[i]];

		if (check->compare[i] == COMPARE_RET ? judge_returned(b) : 0)
			return b->err->err;
		if (check->compare[i] != COMPARE_RET && row->access == SPEC_R - 1)
			return spec_refuse(
				b, check->line, -EINVAL,
				"compare: buffer '%s' has access = r: nothing can change it",
				row->name);
	}
	return 0;
}
