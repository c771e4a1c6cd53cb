/* SPDX-License-Identifier: MIT */
/* The words of a command line, quoted as a shell would. */
#include "rocker_words.h"

#include <stdbool.h>
#include <string.h>

struct reader {
	const char *text, *at, *end;
	char *out;
	struct words_error *err;
};

static bool refuse(struct reader *reader, const char *at, size_t len, const char *what)
{
	*reader->err =
		(struct words_error){ .at = (size_t)(at - reader->text), .len = len, .what = what };
	return false;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool read_single(struct reader *reader)
{
	const char *open = reader->at++;
	const char *close = memchr(reader->at, '\'', (size_t)(reader->end - reader->at));

	if (!close)
		return refuse(reader, open, (size_t)(reader->end - open),
			      "a single quote has no end");
	memcpy(reader->out, reader->at, (size_t)(close - reader->at));
	reader->out += close - reader->at;
	reader->at = close + 1;
	return true;
}

static bool read_double(struct reader *reader)
{
	const char *open = reader->at++;

	while (reader->at < reader->end && *reader->at != '"') {
		if (*reader->at == '\\' && reader->at + 1 < reader->end &&
		    strchr("\\\"$`", reader->at[1]))
			reader->at++;
		*reader->out++ = *reader->at++;
	}
	if (reader->at == reader->end)
		return refuse(reader, open, (size_t)(reader->end - open),
			      "a double quote has no end");
	reader->at++;
	return true;
}

static bool read_backslash(struct reader *reader)
{
	if (reader->at + 1 == reader->end)
		return refuse(reader, reader->at, 1, "a backslash stands before nothing");
	*reader->out++ = reader->at[1];
	reader->at += 2;
	return true;
}

/* One piece of a word: a quoted part, or one byte. */
static bool read_piece(struct reader *reader)
{
	switch (*reader->at) {
	case '\'':
		return read_single(reader);
	case '"':
		return read_double(reader);
	case '\\':
		return read_backslash(reader);
	case '|':
	case '&':
	case ';':
	case '<':
	case '>':
		return refuse(reader, reader->at, 1,
			      "there is no shell here: quote it, or run sh -c '...'");
	case '\n':
	case '\r':
		return refuse(reader, reader->at, 1, "a command is one line");
	case 0:
		return refuse(reader, reader->at, 1, "a word holds no NUL byte");
	default:
		*reader->out++ = *reader->at++;
		return true;
	}
}

int rocker_words(const char *text, size_t len, unsigned max, char *out, struct words_error *err_out)
{
	struct reader reader = {
		.text = text, .at = text, .end = text + len, .out = out, .err = err_out
	};
	unsigned count = 0;

	if (memchr(text, 0, len)) {
		(void)refuse(&reader, text, 0, "a word holds no NUL byte");
		return -1;
	}
	for (;;) {
		while (reader.at < reader.end && is_blank(*reader.at))
			reader.at++;
		if (reader.at == reader.end)
			return (int)count;
		if (count == max) {
			(void)refuse(&reader, reader.at, (size_t)(reader.end - reader.at),
				     "these are too many words");
			return -1;
		}
		while (reader.at < reader.end && !is_blank(*reader.at))
			if (!read_piece(&reader))
				return -1;
		*reader.out++ = 0;
		count++;
	}
}

/* What needs no quotes, whatever reads it. */
static bool is_plain(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c && strchr("%+,-./:=@_^", c));
}

size_t rocker_quote(const char *word, size_t len, char *out)
{
	char *at = out;
	size_t i = 0;

	while (i < len && is_plain(word[i]))
		i++;
	if (len && i == len) {
		memcpy(out, word, len);
		return len;
	}
	*at++ = '\'';
	for (i = 0; i < len; i++) {
		if (word[i] == '\'') {
			memcpy(at, "'\\''", 4);
			at += 4;
		} else {
			*at++ = word[i];
		}
	}
	*at++ = '\'';
	return (size_t)(at - out);
}
