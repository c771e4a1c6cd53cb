/* SPDX-License-Identifier: MIT */
/* The words of a value in a specification: text, as many as there are, and where each stood. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"
#include "rocker_spec.h"
#include "rocker_words.h"

#define PLAIN "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789%+,-./:=@_"

static bool take_word(struct word_reader *reader, struct rocker_word *word)
{
	*word = (struct rocker_word){ .text = reader->out, .raw = reader->at };
	if (!rocker_word_read(reader))
		return false;
	word->len = (size_t)(reader->out - word->text);
	word->raw_len = (size_t)(reader->at - word->raw);
	*reader->out++ = '\0';
	return true;
}

/* The first that is no character of text, or NULL. */
static const char *find_bad(const char *text, const char *end)
{
	size_t n;

	for (; text < end; text += n) {
		n = parse_character(text, (size_t)(end - text));
		if (!n)
			return text;
	}
	return NULL;
}

int rocker_words_split(const char *text, size_t len, struct rocker_words *out, const char **bad_out,
		       const char **why_out)
{
	struct word_reader reader = { .at = text, .end = text + len, .no_operators = true };

	/* Each byte makes at most one, and each word has a NUL and stands apart from the next. */
	*out = (struct rocker_words){ .words = calloc(len / 2 + 1, sizeof(*out->words)),
				      .bytes = malloc(len + 2) };
	*bad_out = find_bad(text, text + len);
	*why_out = "this is no text in UTF-8 without control characters";
	if (!out->words || !out->bytes || *bad_out) {
		int rc = *bad_out ? -EINVAL : -ENOMEM;

		rocker_words_free(out);
		return rc;
	}
	reader.out = out->bytes;
	for (;;) {
		while (reader.at < reader.end && parse_is_space(*reader.at))
			reader.at++;
		if (reader.at == reader.end)
			return 0;
		if (!take_word(&reader, &out->words[out->count]))
			break;
		out->count++;
	}
	*bad_out = reader.err.at;
	*why_out = reader.err.what;
	rocker_words_free(out);
	return -EINVAL;
}

void rocker_words_free(struct rocker_words *words)
{
	free(words->words);
	free(words->bytes);
	*words = (struct rocker_words){ 0 };
}

void rocker_word_quote(const char *word, struct sfs_buf *out)
{
	if (*word && !word[strspn(word, PLAIN)]) {
		sfs_put_bytes(out, word, strlen(word));
		return;
	}
	sfs_put(out, "'");
	for (; *word; word++)
		if (*word == '\'')
			sfs_put(out, "'\\''");
		else
			sfs_put_bytes(out, word, 1);
	sfs_put(out, "'");
}
