/* SPDX-License-Identifier: MIT */
/* Words quoted as a shell would. */
#include "rocker_words.h"

#include <string.h>

#include "parse.h"

static bool refuse(struct word_reader *reader, const char *at, size_t len, const char *what)
{
	reader->err = (struct words_error){ .at = at, .len = len, .what = what };
	return false;
}

static bool line_ends(const struct word_reader *reader)
{
	return reader->at == reader->end || *reader->at == '\n';
}

/* Behind the quote that closes what open has opened, if it is there. */
static bool close_quote(struct word_reader *reader, const char *open, const char *what)
{
	if (line_ends(reader))
		return refuse(reader, open, (size_t)(reader->at - open), what);
	reader->at++;
	return true;
}

static bool read_single(struct word_reader *reader)
{
	const char *open = reader->at++;

	while (!line_ends(reader) && *reader->at != '\'')
		*reader->out++ = *reader->at++;
	return close_quote(reader, open, "a single quote has no end");
}

/* In double quotes a backslash is one unless it stands before what it can take the meaning from. */
static bool read_double(struct word_reader *reader)
{
	const char *open = reader->at++;

	while (!line_ends(reader) && *reader->at != '"') {
		if (*reader->at == '\\' && reader->end - reader->at > 1 &&
		    memchr("\\\"$`", reader->at[1], 4))
			reader->at++;
		*reader->out++ = *reader->at++;
	}
	return close_quote(reader, open, "a double quote has no end");
}

static bool read_backslash(struct word_reader *reader)
{
	const char *backslash = reader->at++;

	if (line_ends(reader))
		return refuse(reader, backslash, 1, "a backslash stands before nothing");
	*reader->out++ = *reader->at++;
	return true;
}

/* One piece of a word: a quoted part, or one byte. */
static bool read_piece(struct word_reader *reader)
{
	char c = *reader->at;

	if (c == '\'')
		return read_single(reader);
	if (c == '"')
		return read_double(reader);
	if (c == '\\')
		return read_backslash(reader);
	if (!reader->no_operators && memchr("|&;<>", c, 5))
		return refuse(reader, reader->at, 1,
			      "there is no shell here: quote it, or run sh -c '...'");
	*reader->out++ = *reader->at++;
	return true;
}

bool rocker_word_read(struct word_reader *reader)
{
	while (reader->at < reader->end && !parse_is_space(*reader->at))
		if (!read_piece(reader))
			return false;
	return true;
}

static bool next_word(struct word_reader *reader, bool has_room)
{
	if (*reader->at == '\n' || *reader->at == '\r')
		return refuse(reader, reader->at, 1, "a command is one line");
	if (!has_room)
		return refuse(reader, reader->at, (size_t)(reader->end - reader->at),
			      "these are too many words");
	if (!rocker_word_read(reader))
		return false;
	*reader->out++ = '\0';
	return true;
}

int rocker_words(const char *text, size_t len, unsigned max, char *out, struct words_error *err_out)
{
	struct word_reader reader = { .at = text, .end = text + len, .out = out };
	unsigned count = 0;
	bool goes_on =
		!memchr(text, 0, len) || refuse(&reader, text, 0, "a word holds no NUL byte");

	while (goes_on) {
		while (reader.at < reader.end && (*reader.at == ' ' || *reader.at == '\t'))
			reader.at++;
		if (reader.at == reader.end)
			return (int)count;
		goes_on = next_word(&reader, count < max);
		count++;
	}
	*err_out = reader.err;
	return -1;
}
