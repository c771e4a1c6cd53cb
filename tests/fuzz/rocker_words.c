/* SPDX-License-Identifier: MIT */
/* Fuzzes command lines of jobs: words are in their room, and quoted anew they are the same words. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rocker_spec.h"
#include "rocker_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The words again, quoted. NULL: out of memory. */
static struct sfs_blob *quote_all(const char *words, int count)
{
	struct sfs_buf *buf = sfs_buf_new();

	for (int i = 0; i < count; i++) {
		rocker_word_quote(words, buf);
		sfs_put(buf, " ");
		words += strlen(words) + 1;
	}
	return sfs_buf_finish(buf);
}

static size_t size_of(const char *words, int count)
{
	const char *end = words;

	while (count--)
		end += strlen(end) + 1;
	return (size_t)(end - words);
}

static void read_again(const char *words, int count, size_t used)
{
	struct sfs_blob *line = quote_all(words, count);
	char *again = line ? malloc(sfs_blob_size(line) + 1) : NULL;
	struct words_error err;

	if (!again || rocker_words(sfs_blob_data(line), sfs_blob_size(line), 64, again, &err) != count ||
	    memcmp(words, again, used))
		abort();
	free(again);
	sfs_blob_put(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	char *words = malloc(size + 1);
	struct words_error err = { .what = NULL };
	size_t used;
	int count;

	if (!words)
		abort();
	count = rocker_words(text, size, 64, words, &err);
	if (count < 0) {
		if (!err.what || err.at < text || err.at > text + size || err.len > size - (size_t)(err.at - text))
			abort();
	} else {
		used = size_of(words, count);
		if (used > size + 1)
			abort();
		read_again(words, count, used);
	}
	free(words);
	return 0;
}
