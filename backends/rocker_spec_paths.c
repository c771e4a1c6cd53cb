/* SPDX-License-Identifier: MIT */
/* Keys of a rocker's specification that hold paths, and lists. */
#include <errno.h>
#include <string.h>

#include "parse.h"
#include "rocker_spec.h"

#define PATH_BYTES_MAX 4095
#define ENV_MAX        512

static bool is(const struct rocker_word *word, const char *literal)
{
	return parse_equal(word->text, word->len, literal);
}

/* ---- paths ----------------------------------------------------------------------------------- */

static bool has_parent(const char *path)
{
	for (; *path; path += strcspn(path, "/")) {
		path += strspn(path, "/");
		if (!strncmp(path, "..", 2) && (!path[2] || path[2] == '/'))
			return true;
	}
	return false;
}

static int judge_absolute(const struct rocker_line *line, const struct rocker_word *word)
{
	if (word->len > PATH_BYTES_MAX)
		return rocker_refuse(line->judge, -ENAMETOOLONG, word,
				     "a path has at most %d bytes", PATH_BYTES_MAX);
	if (word->text[0] != '/')
		return rocker_refuse(line->judge, -EINVAL, word, "'%.80s' does not begin with '/'",
				     word->text);
	if (has_parent(word->text))
		return rocker_refuse(line->judge, -EINVAL, word, "'..' in '%.80s'", word->text);
	return 0;
}

/* Where something can be put inside: not all of it, and not what belongs to the kernel. */
static int judge_inside(const struct rocker_line *line, const struct rocker_word *word)
{
	static const char *const kernels[] = { "proc", "sys", "dev", NULL };
	const char *first = word->text + strspn(word->text, "/");
	size_t len = strcspn(first, "/");
	int rc = judge_absolute(line, word);

	if (rc)
		return rc;
	if (!len || parse_choice(first, len, kernels) >= 0 || parse_equal(first, len, "."))
		return rocker_refuse(line->judge, -EINVAL, word,
				     "nothing can be put on '%.80s' inside", word->text);
	return 0;
}

int rocker_judge_path(struct rocker_line *line, struct sfs_buf *out)
{
	bool inside = line->key == KEY_EXEC_DIR, needed = inside || line->key == KEY_CWD;
	int rc;
	const struct rocker_word *word = rocker_only(line, needed ? NULL : "none", &rc);

	if (!word)
		return rc;
	rc = inside ? judge_inside(line, word) : judge_absolute(line, word);
	if (!rc)
		rocker_word_quote(word->text, out);
	return rc;
}

int rocker_judge_overlays(struct rocker_line *line, struct sfs_buf *out)
{
	const struct rocker_words *words = &line->words;

	if (words->count == 1 && is(&words->words[0], "none"))
		return 0;
	for (unsigned i = 0; i < words->count; i++) {
		const struct rocker_word *word = &words->words[i];
		int rc = judge_inside(line, word);

		if (!rc && strchr(word->text + 1, '/'))
			rc = rocker_refuse(line->judge, -EINVAL, word,
					   "'%.80s' is no directory at the top, as /usr is",
					   word->text);
		for (unsigned j = 0; !rc && j < i; j++)
			if (!strcmp(word->text, words->words[j].text))
				rc = rocker_refuse(line->judge, -EINVAL, word,
						   "'%.80s' stands there twice", word->text);
		if (!rc && i == PLAN_OVERLAYS_MAX)
			rc = rocker_refuse(line->judge, -EDQUOT, word, "at most %d overlays",
					   PLAN_OVERLAYS_MAX);
		if (rc)
			return rc;
		sfs_put(out, "%s", i ? " " : "");
		rocker_word_quote(word->text, out);
	}
	return 0;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static unsigned count_lines(const char *text)
{
	unsigned n = text && *text;

	for (; text && *text; text++)
		n += *text == '\n';
	return n;
}

static void put_line(struct sfs_buf *out, const char *old)
{
	if (old && *old)
		sfs_put(out, "%s\n", old);
}

static bool has_inside(const char *lines, const char *inside)
{
	while (lines && *lines) {
		size_t len = strcspn(lines, "\n");
		struct rocker_words words;
		const char *bad, *why;
		bool same = !rocker_words_split(lines, len, &words, &bad, &why) &&
			    words.count == 3 && !strcmp(words.words[1].text, inside);

		rocker_words_free(&words);
		if (same)
			return true;
		lines += len + (lines[len] == '\n');
	}
	return false;
}

int rocker_judge_binds(struct rocker_line *line, struct sfs_buf *out)
{
	const struct rocker_word *words = line->words.words;
	unsigned count = line->words.count;
	bool writable = count == 3 && is(&words[2], "rw");
	int rc;

	if (!count) {
		sfs_put(out, "%s", line->old ?: "");
		return 0;
	}
	if (count != 3 || (!writable && !is(&words[2], "ro")))
		return rocker_refuse_all(line, -EINVAL,
					 "takes lines 'host_path inside_path ro|rw'");
	rc = judge_absolute(line, &words[0]) ?: judge_inside(line, &words[1]);
	if (!rc && has_inside(line->old, words[1].text))
		rc = rocker_refuse(line->judge, -EINVAL, &words[1], "'%.80s' stands there twice",
				   words[1].text);
	if (!rc && count_lines(line->old) == PLAN_BINDS_MAX)
		rc = rocker_refuse(line->judge, -EDQUOT, &words[0], "at most %d binds",
				   PLAN_BINDS_MAX);
	if (rc)
		return rc;
	put_line(out, line->old);
	rocker_word_quote(words[0].text, out);
	sfs_put(out, " ");
	rocker_word_quote(words[1].text, out);
	sfs_put(out, writable ? " rw" : " ro");
	return 0;
}

int rocker_judge_env(struct rocker_line *line, struct sfs_buf *out)
{
	const struct rocker_words *words = &line->words;

	sfs_put(out, "%s", line->old ?: "");
	for (unsigned i = 0; i < words->count; i++) {
		const struct rocker_word *word = &words->words[i];

		if (!strchr(word->text, '=') || word->text[0] == '=')
			return rocker_refuse(line->judge, -EINVAL, word, "'%.80s' is not KEY=VALUE",
					     word->text);
		if (count_lines(line->old) + i >= ENV_MAX)
			return rocker_refuse(line->judge, -EDQUOT, word, "at most %d words in env",
					     ENV_MAX);
		sfs_put(out, "%s", i || (line->old && *line->old) ? "\n" : "");
		rocker_word_quote(word->text, out);
	}
	return 0;
}
