/* SPDX-License-Identifier: MIT */
/* The words of a run command: splitting, reserved keys, strict numbers. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernelspec_priv.h"

#define SEPARATORS " \t\r\n&"

static const char *const reserved[] = { "codelet", "symbol",     "rocker", "events", "reps",
					"warmup",  "timeout_ms", "seed",   "cpu",    "cache",
					"check",   "tag",        NULL };

int bound_refuse(struct spec_error *err, int code, int column, const char *format, ...)
{
	va_list args;

	err->line = 0;
	err->column = column;
	err->err = code;
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return code;
}

int spec_split(const char *text, size_t size, struct spec_word *words, unsigned max,
	       struct spec_error *err)
{
	const char *p = text, *end = text + size, *word;
	unsigned n = 0;
	size_t len;

	while ((len = parse_word(&p, end, SEPARATORS, &word)) > 0) {
		const char *equal = memchr(word, '=', len);
		int column = (int)(word - text), shown = (int)(len < 40 ? len : 40);

		if (!equal)
			return bound_refuse(err, -EINVAL, column, "'%.*s' is not key=value", shown,
					    word);
		if (equal == word)
			return bound_refuse(err, -EINVAL, column, "no key before '%.*s'", shown,
					    word);
		if (n == max)
			return bound_refuse(err, -E2BIG, column,
					    "more than %u words, from '%.*s' on", max, shown, word);
		words[n++] = (struct spec_word){ .key = word,
						 .key_len = (size_t)(equal - word),
						 .value = equal + 1,
						 .value_len = len - (size_t)(equal + 1 - word),
						 .column = column };
	}
	return (int)n;
}

bool spec_reserved(const char *key, size_t len)
{
	return parse_choice(key, len, reserved) >= 0;
}

int spec_number(const struct spec_word *word, uint64_t min, uint64_t max, uint64_t *out,
		struct spec_error *err)
{
	int column = word->column + (int)word->key_len + 1;
	int key = (int)(word->key_len < 40 ? word->key_len : 40),
	    shown = (int)(word->value_len < 40 ? word->value_len : 40);
	uint64_t value;
	int rc = parse_u64(word->value, word->value_len, &value);

	if (rc == -EINVAL && !parse_is_below_zero(word->value, word->value_len))
		return bound_refuse(err, rc, column, "%.*s is '%.*s', no number", key, word->key,
				    shown, word->value);
	if (rc || value < min || value > max)
		return bound_refuse(err, -ERANGE, column, "%.*s is '%.*s', not from %llu to %llu",
				    key, word->key, shown, word->value, (unsigned long long)min,
				    (unsigned long long)max);
	*out = value;
	return 0;
}
