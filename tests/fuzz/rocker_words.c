/* SPDX-License-Identifier: MIT */
/* Fuzzes command lines of jobs: words are in their room, and quoted anew they are the same words. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rocker_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The words again, quoted; at most 4 * size + 3 bytes for each. */
static size_t quote_all(const char *words, int count, char *out)
{
	size_t used = 0;

	for (int i = 0; i < count; i++) {
		used += rocker_quote(words, strlen(words), out + used);
		out[used++] = ' ';
		words += strlen(words) + 1;
	}
	return used;
}

static size_t size_of(const char *words, int count)
{
	const char *end = words;

	while (count--)
		end += strlen(end) + 1;
	return (size_t)(end - words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *words = malloc(size + 1), *line = malloc(8 * size + 8), *again = malloc(8 * size + 8);
	struct words_error err = { .len = SIZE_MAX };
	size_t used, len;
	int count;

	if (!words || !line || !again)
		abort();
	count = rocker_words((const char *)data, size, 64, words, &err);
	if (count < 0) {
		if (!err.what || err.at > size || err.len > size - err.at)
			abort();
	} else {
		used = size_of(words, count);
		len = quote_all(words, count, line);
		if (used > size + 1 || rocker_words(line, len, 64, again, &err) != count ||
		    memcmp(words, again, used))
			abort();
	}
	free(words);
	free(line);
	free(again);
	return 0;
}
