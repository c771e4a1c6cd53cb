/* SPDX-License-Identifier: MIT */
/* Command lines of jobs: their words, what is refused and where, and words quoted again. */
#include "check.h"

#include <stdlib.h>

#include "rocker_spec.h"
#include "rocker_words.h"

/* The words joined by '|'; "-" and the sentence for what is refused. */
static const char *split(const char *text)
{
	static char joined[512];
	char words[256];
	struct words_error err = { 0 };
	int count = rocker_words(text, strlen(text), 8, words, &err);
	const char *at = words;

	if (count < 0) {
		snprintf(joined, sizeof(joined), "-%zu,%zu %s", (size_t)(err.at - text), err.len, err.what);
		return joined;
	}
	joined[0] = 0;
	for (int i = 0; i < count; i++) {
		strcat(joined, i ? "|" : "");
		strcat(joined, at);
		at += strlen(at) + 1;
	}
	return joined;
}

static void words_are_split_at_blanks(void)
{
	CHECK_STR(split(""), "");
	CHECK_STR(split(" \t "), "");
	CHECK_STR(split("a"), "a");
	CHECK_STR(split("  a\tb  c "), "a|b|c");
	CHECK_STR(split("1 2 3 4 5 6 7 8"), "1|2|3|4|5|6|7|8");
	CHECK_STR(split("1 2 3 4 5 6 7 8 9"), "-16,1 these are too many words");
}

static void quotes_join_and_keep(void)
{
	CHECK_STR(split("'a b' c"), "a b|c");
	CHECK_STR(split("a'b c'\"d e\"f"), "ab cd ef");
	CHECK_STR(split("'' \"\""), "|");
	CHECK_STR(split("'a\\b\"'"), "a\\b\"");
	CHECK_STR(split("\"a\\\\b\\\"c\\$d\\`e\\f'\""), "a\\b\"c$d`e\\f'");
	CHECK_STR(split("a\\ b \\' \\\\"), "a b|'|\\");
	CHECK_STR(split("\\| '|' \"&;<>\""), "||||&;<>");
}

static void nothing_is_expanded(void)
{
	CHECK_STR(split("$HOME ~ *?[a] {b} (c) `d` #e !f"), "$HOME|~|*?[a]|{b}|(c)|`d`|#e|!f");
}

static void what_a_shell_would_do_is_refused(void)
{
	static const char *const lines[] = { "a|b", "a &", "a;b", "a >f", "a <f" };

	for (unsigned i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		CHECK_HAS(split(lines[i]), "there is no shell here");
	CHECK_HAS(split("ab|c"), "-2,1 ");
	CHECK_STR(split("a\nb"), "-1,1 a command is one line");
}

static void open_ends_are_refused(void)
{
	CHECK_STR(split("a 'bc"), "-2,3 a single quote has no end");
	CHECK_STR(split("a \"bc\\\""), "-2,5 a double quote has no end");
	CHECK_STR(split("a \\"), "-2,1 a backslash stands before nothing");
	CHECK_STR(split("a 'b\nc'"), "-2,2 a single quote has no end");
	CHECK_STR(split("\"b\nc\""), "-0,2 a double quote has no end");
	CHECK_STR(split("a\\\nb"), "-1,1 a backslash stands before nothing");
}

static void a_nul_byte_is_refused(void)
{
	char words[8];
	struct words_error err = { 0 };

	CHECK_INT(rocker_words("a\0b", 3, 8, words, &err), -1);
	CHECK_STR(err.what, "a word holds no NUL byte");
}

static const char *quote(const char *word)
{
	static char out[64];
	struct sfs_buf *buf = sfs_buf_new();
	struct sfs_blob *blob;

	rocker_word_quote(word, buf);
	blob = sfs_buf_finish(buf);
	snprintf(out, sizeof(out), "%s", (const char *)sfs_blob_data(blob));
	sfs_blob_put(blob);
	return out;
}

static void words_are_quoted_again(void)
{
	CHECK_STR(quote("/bin/a-b_c.d+e=f"), "/bin/a-b_c.d+e=f");
	CHECK_STR(quote(""), "''");
	CHECK_STR(quote("a b"), "'a b'");
	CHECK_STR(quote("a'b"), "'a'\\''b'");
	CHECK_STR(split(quote("it's|\"$x\\")), "it's|\"$x\\");
}

int main(void)
{
	RUN(words_are_split_at_blanks);
	RUN(quotes_join_and_keep);
	RUN(nothing_is_expanded);
	RUN(what_a_shell_would_do_is_refused);
	RUN(open_ends_are_refused);
	RUN(a_nul_byte_is_refused);
	RUN(words_are_quoted_again);
	return check_done();
}
