/* SPDX-License-Identifier: MIT */
/* /errors from within: carets, marks that point nowhere, and what is kept. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "errors.h"
#include "history.h"

static const char *shown(uid_t uid)
{
	static char text[100000];
	struct sfs_buf *buf = sfs_buf_new();
	struct sfs_blob *blob;

	history_show(&(struct sfs_cred){ .uid = uid }, buf);
	blob = sfs_buf_finish(buf);
	snprintf(text, sizeof(text), "%s", blob ? (const char *)sfs_blob_data(blob) : "");
	sfs_blob_put(blob);
	return text;
}

/* The same with len bytes from word on as the bad word. */
static void add(uid_t uid, const char *text, const char *word, size_t len)
{
	history_add(&(struct history_refusal){ .path = "some/file",
					       .uid = uid,
					       .name = "EINVAL",
					       .sentence = "because",
					       .text = text,
					       .len = strlen(text),
					       .word = word,
					       .word_len = len });
}

static void a_caret_is_under_its_word(void)
{
	const char *text = "one\ntwo three\nfour";

	add(1, text, text + 8, 5);
	CHECK_HAS(shown(1), "Z some/file EINVAL\n    two three\n        ^~~~~\n    because\n");
	add(2, text, text + 8, 100);
	CHECK_HAS(shown(2), "    two three\n        ^~~~~\n");
	add(3, text, text + 7, 0);
	CHECK_HAS(shown(3), "    two three\n       ^\n");
	add(4, text, text + strlen(text), 0);
	CHECK_HAS(shown(4), "    four\n        ^\n");
	add(5, "", text, 0);
	CHECK_HAS(shown(5), "EINVAL\n    because\n");
}

static void a_word_elsewhere_has_no_caret(void)
{
	static char all[] = "xyzabc\0xyz";
	const char *text = all + 3, *words[] = { NULL, all, all + 2, all + 7, (const char *)UINTPTR_MAX };
	unsigned i;

	for (i = 0; i < 5; i++) {
		add(10 + i, text, words[i], 3);
		CHECK_HAS(shown(10 + i), "    abc\n    because\n");
	}
}

static void a_mark_goes_with_its_refusal(void)
{
	const char *text = "word";

	CHECK_INT(sfs_fail_at(-EINVAL, text, 4, "'%s' is bad", text), -EINVAL);
	errors_in_line(-EINVAL, 3);
	CHECK_STR(sfs_sentence(), "line 3: 'word' is bad");
	CHECK_INT(sfs_blame(-ENOENT, text, 4), -ENOENT);
	errors_begin();
	CHECK_STR(sfs_sentence(), "");
	CHECK_STR(errors_sentence(-EINVAL), "Invalid argument");
}

/* Every byte a column of four, a line that is cut at both ends: the longest there can be. */
static void the_longest_line_fits(void)
{
	char text[1000];

	memset(text, '\x01', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	add(20, text, text + 500, 400);
	CHECK_HAS(shown(20), "    ... \\x01");
	CHECK_HAS(shown(20), "\\x01 ...\n");
}

int main(void)
{
	RUN(a_caret_is_under_its_word);
	RUN(a_word_elsewhere_has_no_caret);
	RUN(a_mark_goes_with_its_refusal);
	RUN(the_longest_line_fits);
	return check_done();
}
