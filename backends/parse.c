/* SPDX-License-Identifier: MIT */
/* Strict words and numbers. */
#include "parse.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DOUBLE_TEXT_MAX 63

bool parse_is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool parse_is_name_char(char c)
{
	return parse_is_name_start(c) || is_digit(c);
}

bool parse_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool parse_is_name(const char *text, size_t len)
{
	if (len == 0 || len > PARSE_NAME_MAX || !parse_is_name_start(text[0]))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!parse_is_name_char(text[i]))
			return false;
	return true;
}

static int digit_value(char c, unsigned base)
{
	int value = is_digit(c)              ? c - '0'
		    : (c >= 'a' && c <= 'f') ? c - 'a' + 10
		    : (c >= 'A' && c <= 'F') ? c - 'A' + 10
					     : -1;

	return value < (int)base ? value : -1;
}

int parse_u64(const char *text, size_t len, uint64_t *out)
{
	unsigned base = 10;
	uint64_t value = 0;
	bool overflow = false;

	if (len > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		base = 16;
		text += 2;
		len -= 2;
	}
	if (len == 0)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		int digit = digit_value(text[i], base);

		if (digit < 0)
			return -EINVAL;
		overflow |= __builtin_mul_overflow(value, (uint64_t)base, &value);
		overflow |= __builtin_add_overflow(value, (uint64_t)digit, &value);
	}
	if (overflow)
		return -ERANGE;
	*out = value;
	return 0;
}

bool parse_is_below_zero(const char *text, size_t len)
{
	uint64_t magnitude = 1; /* that of one which is too large to tell */

	return len && text[0] == '-' && parse_u64(text + 1, len - 1, &magnitude) != -EINVAL &&
	       magnitude;
}

int parse_i64(const char *text, size_t len, int64_t *out)
{
	bool negative = len > 0 && text[0] == '-';
	uint64_t magnitude;
	int err = parse_u64(text + negative, len - negative, &magnitude);

	if (err)
		return err;
	if (magnitude > (uint64_t)INT64_MAX + negative)
		return -ERANGE;
	*out = negative ? (int64_t)-magnitude : (int64_t)magnitude;
	return 0;
}

/* Steps over digits; false when there is none. */
static bool skip_digits(const char **p, const char *end)
{
	const char *start = *p;

	while (*p < end && is_digit(**p))
		(*p)++;
	return *p > start;
}

static bool looks_like_double(const char *p, const char *end)
{
	bool whole, fraction = false;

	if (p < end && *p == '-')
		p++;
	whole = skip_digits(&p, end);
	if (p < end && *p == '.') {
		p++;
		fraction = skip_digits(&p, end);
	}
	if (!whole && !fraction)
		return false;
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '-' || *p == '+'))
			p++;
		if (!skip_digits(&p, end))
			return false;
	}
	return p == end;
}

int parse_double(const char *text, size_t len, double *out)
{
	char copy[DOUBLE_TEXT_MAX + 1];
	double value;

	if (len > DOUBLE_TEXT_MAX || !looks_like_double(text, text + len))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	/* The program never leaves the C locale, so strtod's decimal point is the dot. */
	value = strtod(copy, NULL);
	if (!isfinite(value))
		return -ERANGE;
	*out = value;
	return 0;
}

int parse_bool(const char *text, size_t len, bool *out)
{
	static const char *const words[] = { "0", "1", "false", "true", NULL };
	int choice = parse_choice(text, len, words);

	if (choice < 0)
		return -EINVAL;
	*out = choice & 1;
	return 0;
}

bool parse_equal(const char *text, size_t len, const char *literal)
{
	return strlen(literal) == len && memcmp(text, literal, len) == 0;
}

int parse_choice(const char *text, size_t len, const char *const *list)
{
	for (int i = 0; list[i]; i++)
		if (parse_equal(text, len, list[i]))
			return i;
	return -1;
}

size_t parse_character(const char *text, size_t left)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *p = (const unsigned char *)text;
	size_t len = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3 : *p >> 3 == 30 ? 4 : 0;
	uint32_t c;

	if (len == 1)
		return (*p >= ' ' && *p != 0x7f) || *p == '\n' || *p == '\t';
	if (!len || len > left)
		return 0;
	c = *p & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	return c < least[len] || c < 0xa0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : len;
}

void parse_trim(const char **text, size_t *len)
{
	while (*len && parse_is_space(**text)) {
		(*text)++;
		(*len)--;
	}
	while (*len && parse_is_space((*text)[*len - 1]))
		(*len)--;
}

static bool is_separator(char c, const char *separators)
{
	return c != '\0' && strchr(separators, c) != NULL;
}

const char *parse_keyed_line(char **text, const char *key)
{
	char *line = *text, *end = strchr(line, '\n');
	size_t len = strlen(key);

	if (!end || strncmp(line, key, len))
		return NULL;
	*end = 0;
	*text = end + 1;
	return line + len;
}

size_t parse_word(const char **text, const char *end, const char *separators, const char **word)
{
	const char *p = *text;

	while (p < end && is_separator(*p, separators))
		p++;
	*word = p;
	while (p < end && !is_separator(*p, separators))
		p++;
	*text = p;
	return (size_t)(p - *word);
}

bool parse_item(const char **text, const char *end, const char **item, size_t *len)
{
	const char *p = *text;
	unsigned depth = 0;

	if (!p)
		return false;
	*item = p;
	for (; p < end && (*p != ',' || depth); p++) {
		if (*p == '(')
			depth++;
		else if (*p == ')' && depth)
			depth--;
	}
	*len = (size_t)(p - *item);
	parse_trim(item, len);
	*text = p < end ? p + 1 : NULL;
	return true;
}
