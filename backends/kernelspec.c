/* SPDX-License-Identifier: MIT */
/*
 * Reading a specification: INI text through inih into entries, then each section's table over its
 * entries.
 *
 * inih cuts lines at 200 bytes and hides empty sections, so every line is judged before inih sees
 * it. Continuation lines (they begin with space) are joined to their key by a blank, repeated keys
 * of lists by a comma; any other repetition is refused.
 */
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernelspec_priv.h"

#define LINE_MAX_BYTES                                                                             \
	196 /* inih's buffer has 200: newline, NUL, a carriage return and one to spare */

struct reader {
	struct builder *b;
	const char *p, *end;
	int line;      /* of the last one given out */
	bool indented; /* it began with space */
};

int spec_refuse(struct builder *b, int line, int err, const char *format, ...)
{
	va_list args;
	int n = 0;

	if (b->err->err)
		return b->err->err;
	b->err->line = line;
	b->err->column = -1;
	b->err->err = err;
	if (line > 0)
		n = snprintf(b->err->text, sizeof(b->err->text), "line %d: ", line);
	va_start(args, format);
	vsnprintf(b->err->text + n, sizeof(b->err->text) - (size_t)n, format, args);
	va_end(args);
	return err;
}

static const struct spec_section *find_section(const char *text, size_t len, const char **name)
{
	for (const struct spec_section *s = spec_sections; s->name; s++) {
		size_t n = strlen(s->name);

		if (len < n || memcmp(text, s->name, n) != 0)
			continue;
		*name = text + n + s->named;
		if (s->named ? len > n && text[n] == '.' : len == n)
			return s;
	}
	return NULL;
}

static int judge_section(struct builder *b, int line, const char *text, size_t len)
{
	const char *close = memchr(text, ']', len), *name;
	const struct spec_section *s;
	size_t n = close ? (size_t)(close - text) : len;

	if (!close)
		return spec_refuse(b, line, -EINVAL, "no ']' after '[%.*s'", (int)(n < 40 ? n : 40),
				   text);
	s = find_section(text, n, &name);
	if (!s)
		return spec_refuse(b, line, -EINVAL, "unknown section '[%.*s]'",
				   (int)(n < 40 ? n : 40), text);
	if (s->named && !parse_is_name(name, (size_t)(close - name)))
		return spec_refuse(
			b, line, -EINVAL,
			"'%.*s' is no name: a letter, then letters, digits and '_', at most %d",
			(int)(close - name < 40 ? close - name : 40), name, PARSE_NAME_MAX);
	for (size_t i = n + 1; i < len && text[i] != ';' && text[i] != '#'; i++)
		if (!parse_is_space(text[i]))
			return spec_refuse(b, line, -EINVAL, "'%.*s' after ']'",
					   (int)(len - i < 40 ? len - i : 40), text + i);
	return 0;
}

/* Parts of it are shown in files that others read: text, and nothing that a terminal would obey. */
static int judge_text(struct builder *b, int line, const char *text, size_t len)
{
	if (len && text[len - 1] == '\r')
		len--;
	for (size_t i = 0, n; i < len; i += n) {
		n = parse_character(text + i, len - i);
		if (!n)
			return spec_refuse(b, line, -EINVAL, "the byte \\x%02x is not text",
					   (unsigned char)text[i]);
	}
	return 0;
}

/* What inih would cut, skip or hide is refused here. */
static int judge_lines(struct builder *b, const char *text, size_t size)
{
	const char *p = text, *end = text + size;

	for (int line = 1; p < end; line++) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((newline ?: end) - p);

		if (memchr(p, '\0', len))
			return spec_refuse(b, line, -EINVAL, "a NUL byte");
		if (len > LINE_MAX_BYTES)
			return spec_refuse(b, line, -E2BIG, "longer than %d bytes: '%.40s...'",
					   LINE_MAX_BYTES, p);
		if (judge_text(b, line, p, len))
			return b->err->err;
		if (len && *p == '[' && judge_section(b, line, p + 1, len - 1))
			return b->err->err;
		p = newline ? newline + 1 : end;
	}
	return 0;
}

/* inih's fgets: one line, which fits. */
static char *read_line(char *out, int size, void *arg)
{
	struct reader *r = arg;
	const char *newline;
	size_t len;

	if (r->p >= r->end || size <= 1)
		return NULL;
	newline = memchr(r->p, '\n', (size_t)(r->end - r->p));
	len = newline ? (size_t)(newline - r->p) + 1 : (size_t)(r->end - r->p);
	if (len > (size_t)size - 1)
		len = (size_t)size - 1;
	memcpy(out, r->p, len);
	out[len] = '\0';
	r->p += len;
	r->line++;
	r->indented = parse_is_space(out[0]);
	return out;
}

static struct entry *find_entry(struct builder *b, const char *section, const char *key)
{
	for (unsigned i = 0; i < b->nentries; i++)
		if (!strcmp(b->entries[i].section, section) && !strcmp(b->entries[i].key, key))
			return &b->entries[i];
	return NULL;
}

static const struct spec_key *find_key(const char *section, const char *key)
{
	const char *name;
	const struct spec_section *s = find_section(section, strlen(section), &name);

	for (const struct spec_key *k = s ? s->keys : NULL; k && k->name; k++)
		if (!strcmp(k->name, key))
			return k;
	return NULL;
}

static int append(struct reader *r, struct entry *e, const char *glue, const char *value)
{
	char *joined;

	if (strlen(e->value) + strlen(value) + 2 > VALUE_MAX)
		return spec_refuse(r->b, r->line, -E2BIG, "more than %d bytes for '%.40s'",
				   VALUE_MAX, e->key);
	if (asprintf(&joined, "%s%s%s", e->value, glue, value) < 0)
		return spec_refuse(r->b, r->line, -ENOMEM, "out of memory");
	free(e->value);
	e->value = joined;
	return 0;
}

/* inih takes inline comments off the first line of a value alone. */
static void cut_comment(char *value)
{
	for (char *p = value; *p; p++)
		if (*p == ';' && p > value && parse_is_space(p[-1])) {
			*p = '\0';
			break;
		}
}

static int continue_value(struct reader *r, struct entry *e, const char *value)
{
	char copy[LINE_MAX_BYTES + 4];

	snprintf(copy, sizeof(copy), "%s", value);
	cut_comment(copy);
	return append(r, e, " ", copy);
}

static int repeat(struct reader *r, struct entry *e, const char *value)
{
	const struct spec_key *key = find_key(e->section, e->key);

	if (r->indented && e == &r->b->entries[r->b->nentries - 1])
		return continue_value(r, e, value);
	if (key && key->list)
		return append(r, e, ", ", value);
	return spec_refuse(r->b, r->line, -EINVAL, "'%.40s' was given on line %d already", e->key,
			   e->line);
}

static int take_entry(struct reader *r, const char *section, const char *key, const char *value)
{
	struct builder *b = r->b;
	struct entry *e = find_entry(b, section, key);

	if (e)
		return repeat(r, e, value);
	if (!*section)
		return spec_refuse(b, r->line, -EINVAL, "'%.40s' stands before the first section",
				   key);
	if (b->nentries == ENTRIES_MAX)
		return spec_refuse(b, r->line, -E2BIG, "more than %d keys", ENTRIES_MAX);
	e = &b->entries[b->nentries++];
	e->line = r->line;
	e->section = strdup(section);
	e->key = strdup(key);
	e->value = strdup(value);
	if (!e->section || !e->key || !e->value)
		return spec_refuse(b, r->line, -ENOMEM, "out of memory");
	return 0;
}

static int handler(void *arg, const char *section, const char *key, const char *value)
{
	struct reader *r = arg;

	return !r->b->err->err && !take_entry(r, section, key, value);
}

static int read_entries(struct builder *b, const char *text, size_t size)
{
	struct reader r = { .b = b, .p = text, .end = text + size };
	int line = judge_lines(b, text, size);

	if (line)
		return line;
	line = ini_parse_stream(read_line, &r, handler, &r);
	if (line < 0)
		return spec_refuse(b, 0, -ENOMEM, "out of memory");
	/* inih goes on after a bad line and tells of the first; so the earlier of the two refusals
	 * is told. */
	if (line > 0 && (!b->err->err || line < b->err->line)) {
		b->err->err = 0;
		return spec_refuse(b, line, -EINVAL, "neither '[section]' nor 'key = value'");
	}
	return b->err->err;
}

static int declare_names(struct builder *b)
{
	for (unsigned i = 0; i < b->nentries; i++) {
		struct entry *e = &b->entries[i];
		const char *name;
		const struct spec_section *s = find_section(e->section, strlen(e->section), &name);
		int err = 0;

		if (!s)
			return spec_refuse(b, e->line, -EINVAL, "unknown section '[%.40s]'",
					   e->section);
		if (s->declare)
			err = s->declare(b, e, s->named ? name : e->key);
		if (err)
			return err;
	}
	return 0;
}

static int apply_entry(struct builder *b, const struct spec_section *s, const struct entry *e,
		       const char *name)
{
	void *item = s->item ? s->item(b->spec, name) : b->spec;

	for (const struct spec_key *k = s->keys; k && k->name; k++)
		if (!strcmp(k->name, e->key))
			return k->set(b, e, k, item);
	if (s->any)
		return s->any(b, e);
	return spec_refuse(b, e->line, -EINVAL, "unknown key '%.40s' in [%.40s]", e->key,
			   e->section);
}

static int apply_section(struct builder *b, const struct spec_section *s)
{
	for (unsigned i = 0; i < b->nentries; i++) {
		const struct entry *e = &b->entries[i];
		const char *name;
		int err;

		if (find_section(e->section, strlen(e->section), &name) != s)
			continue;
		err = apply_entry(b, s, e, name);
		if (err)
			return err;
	}
	return s->finish ? s->finish(b) : 0;
}

static int build(struct builder *b, const char *text, size_t size, const char *name)
{
	int err = read_entries(b, text, size);

	err = err ?: declare_names(b);
	for (const struct spec_section *s = spec_sections; s->name && !err; s++)
		err = apply_section(b, s);
	if (!err && name && strcmp(name, b->spec->name) != 0)
		err = spec_refuse(b, 0, -EINVAL,
				  "[kernel] name is '%.40s', not '%.40s' as the directory",
				  b->spec->name, name);
	return err;
}

static void free_entries(struct builder *b)
{
	for (unsigned i = 0; i < b->nentries; i++) {
		free(b->entries[i].section);
		free(b->entries[i].key);
		free(b->entries[i].value);
	}
	free(b->entries);
}

struct spec *spec_parse(const char *text, size_t size, const char *name, struct spec_error *err)
{
	struct builder b = { .err = err };
	int rc;

	*err = (struct spec_error){ .column = -1 };
	if (size > SPEC_BYTES_MAX) {
		spec_refuse(&b, 0, -E2BIG, "a specification has at most %d bytes", SPEC_BYTES_MAX);
		return NULL;
	}
	b.spec = spec_new();
	b.entries = calloc(ENTRIES_MAX, sizeof(*b.entries));
	if (b.spec && b.entries)
		rc = build(&b, text, size, name);
	else
		rc = spec_refuse(&b, 0, -ENOMEM, "out of memory");
	free_entries(&b);
	if (rc) {
		spec_free(b.spec);
		return NULL;
	}
	return b.spec;
}
