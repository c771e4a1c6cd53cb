/* SPDX-License-Identifier: MIT */
/* Words quoted as a shell would, without anything that a shell would replace. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"
#include "rocker_spec.h"

#define SAFE "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@%+=:,./_-"

struct split {
	const char *at, *end;
	struct rocker_words *out;
	const char *why;
};

static void put(struct split *split, char c)
{
	split->out->bytes[split->out->used++] = c;
}

/* No word goes on in the next line. */
static bool at_end(const struct split *split)
{
	return split->at == split->end || *split->at == '\n';
}

/* Up to the closing quote, which at stands behind in the end. */
static bool take_single(struct split *split)
{
	while (!at_end(split) && *split->at != '\'')
		put(split, *split->at++);
	if (at_end(split))
		return false;
	split->at++;
	return true;
}

/* In double quotes a backslash is one unless it stands before what it can take the meaning from. */
static bool take_double(struct split *split)
{
	while (!at_end(split) && *split->at != '"') {
		if (*split->at == '\\' && split->end - split->at > 1 &&
		    strchr("\"\\$`", split->at[1]))
			split->at++;
		put(split, *split->at++);
	}
	if (at_end(split))
		return false;
	split->at++;
	return true;
}

static bool take_piece(struct split *split)
{
	char c = *split->at++;

	if (c == '\'' || c == '"') {
		split->why = "a quote is not closed";
		return c == '"' ? take_double(split) : take_single(split);
	}
	if (c == '\\') {
		split->why = "a backslash stands at the end";
		if (at_end(split))
			return false;
		c = *split->at++;
	}
	put(split, c);
	return true;
}

static bool take_word(struct split *split, struct rocker_word *word)
{
	size_t begin = split->out->used;

	*word = (struct rocker_word){ .text = split->out->bytes + begin, .raw = split->at };
	while (split->at < split->end && !parse_is_space(*split->at))
		if (!take_piece(split))
			return false;
	word->len = split->out->used - begin;
	word->raw_len = (size_t)(split->at - word->raw);
	put(split, '\0');
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
	struct split split = { .at = text, .end = text + len, .out = out };

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
	for (;;) {
		while (split.at < split.end && parse_is_space(*split.at))
			split.at++;
		if (split.at == split.end)
			return 0;
		if (!take_word(&split, &out->words[out->count]))
			break;
		out->count++;
	}
	*bad_out = out->words[out->count].raw;
	*why_out = split.why;
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
	if (*word && !word[strspn(word, SAFE)]) {
		sfs_put(out, "%s", word);
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
