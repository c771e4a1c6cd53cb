/* SPDX-License-Identifier: MIT */
/* A rocker's specification: values one by one, as INI, and counted. */
#include "rocker_spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

/* ---- counted --------------------------------------------------------------------------------- */

struct rocker_spec *rocker_spec_new(void)
{
	struct rocker_spec *spec = calloc(1, sizeof(*spec));

	if (!spec)
		return NULL;
	atomic_init(&spec->refs, 1);
	spec->disk_bytes = PLAN_NO_LIMIT;
	return spec;
}

struct rocker_spec *rocker_spec_get(struct rocker_spec *spec)
{
	if (spec)
		atomic_fetch_add(&spec->refs, 1);
	return spec;
}

void rocker_spec_put(struct rocker_spec *spec)
{
	if (!spec || atomic_fetch_sub(&spec->refs, 1) != 1)
		return;
	for (unsigned key = 0; key < ROCKER_KEYS; key++) {
		free(spec->values[key]);
		free(spec->openers[key]);
	}
	free(spec->env);
	free(spec->cwd);
	free(spec);
}

/* ---- what is read of it all the time --------------------------------------------------------- */

static bool finish(struct rocker_spec *spec)
{
	struct rocker_words words;
	const char *text, *bad, *why;

	text = spec->values[KEY_ENV];
	if (text) {
		if (rocker_words_split(text, strlen(text), &words, &bad, &why))
			return false;
		spec->env = words.bytes;
		spec->nenv = words.count;
		words.bytes = NULL;
		rocker_words_free(&words);
	}
	text = spec->values[KEY_CWD];
	if (text) {
		if (rocker_words_split(text, strlen(text), &words, &bad, &why))
			return false;
		spec->cwd = strdup(words.bytes);
		rocker_words_free(&words);
	}
	text = spec->values[KEY_TIME];
	spec->time_ms = text ? (uint32_t)strtoul(text, NULL, 10) : 0;
	text = spec->values[KEY_DISK];
	if (text)
		(void)rocker_size(text, strlen(text), &spec->disk_bytes);
	return !spec->values[KEY_CWD] || spec->cwd;
}

static bool set(struct rocker_spec *spec, unsigned key, const char *text,
		const struct plan_opener *by)
{
	if (!text)
		return true;
	spec->values[key] = strdup(text);
	if (rocker_key_flags(key) & KEY_HOST)
		spec->openers[key] = malloc(sizeof(*by));
	if (spec->openers[key])
		*spec->openers[key] = *by;
	return spec->values[key] && (spec->openers[key] || !(rocker_key_flags(key) & KEY_HOST));
}

struct rocker_spec *rocker_spec_with(const struct rocker_spec *spec, enum rocker_key changed,
				     const char *text, const struct plan_opener *by)
{
	struct rocker_spec *copy = rocker_spec_new();
	bool whole = copy;

	for (unsigned key = 0; whole && key < ROCKER_KEYS; key++)
		whole = key == changed ? set(copy, key, text, by)
				       : set(copy, key, spec->values[key], spec->openers[key]);
	if (whole && finish(copy))
		return copy;
	rocker_spec_put(copy);
	return NULL;
}

uint32_t rocker_spec_time_ms(const struct rocker_spec *spec)
{
	return spec->time_ms;
}

unsigned rocker_spec_env(const struct rocker_spec *spec, const char **words_out)
{
	*words_out = spec->env;
	return spec->nenv;
}

const char *rocker_spec_cwd(const struct rocker_spec *spec)
{
	return spec->cwd ?: "/";
}

uint64_t rocker_spec_disk_bytes(const struct rocker_spec *spec)
{
	return spec->disk_bytes;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool same_opener(const struct plan_opener *a, const struct plan_opener *b)
{
	return a && b ? a->uid == b->uid && a->gid == b->gid && a->ngroups == b->ngroups &&
				!memcmp(a->groups, b->groups, a->ngroups * sizeof(*a->groups))
		      : a == b;
}

bool rocker_spec_same(const struct rocker_spec *a, const struct rocker_spec *b)
{
	for (unsigned key = 0; a != b && key < ROCKER_KEYS; key++)
		if (!(rocker_key_flags(key) & (KEY_LIMIT | KEY_JOBS)) &&
		    (!same_text(a->values[key], b->values[key]) ||
		     !same_opener(a->openers[key], b->openers[key])))
			return false;
	return true;
}

/* ---- showing --------------------------------------------------------------------------------- */

static void put_id(struct sfs_buf *out, const struct rocker_whose *whose, uint32_t id)
{
	if (whose->uid)
		sfs_put(out, "%u", id);
	else
		sfs_put(out, "auto");
}

static void put_default(unsigned key, const struct rocker_whose *whose, struct sfs_buf *out)
{
	static const char *const texts[ROCKER_KEYS] = {
		[KEY_DOMAINNAME] = "none", [KEY_PACKAGE] = "none",   [KEY_EXEC_DIR] = "/app",
		[KEY_DATA_DIR] = "none",   [KEY_OVERLAYS] = "none",  [KEY_NETWORK] = "none",
		[KEY_CPU] = "max 100000",  [KEY_DISK] = "max",       [KEY_CWD] = "/",
		[KEY_PERSIST] = "no",      [KEY_LEAVE_EMPTY] = "no",
	};
	const struct sfs_config *config = sfs_config();

	if (key == KEY_APP_ID || key == KEY_HOSTNAME)
		sfs_put(out, "%s", whose->name);
	else if (key == KEY_UID || key == KEY_GID)
		put_id(out, whose, key == KEY_UID ? whose->uid : whose->gid);
	else if (key == KEY_SECCOMP)
		sfs_put(out, "%s", config->rocker_seccomp);
	else if (key == KEY_MEMORY)
		sfs_put(out, "%llu", (unsigned long long)config->rocker_memory_bytes);
	else if (key == KEY_PIDS || key == KEY_TIME)
		sfs_put(out, "%u", key == KEY_PIDS ? config->rocker_pids : config->rocker_time_ms);
	else
		sfs_put(out, "%s", texts[key] ?: "");
}

void rocker_spec_value(const struct rocker_spec *spec, enum rocker_key key,
		       const struct rocker_whose *whose, struct sfs_buf *out)
{
	if (spec->values[key])
		sfs_put_bytes(out, spec->values[key], strlen(spec->values[key]));
	else
		put_default(key, whose, out);
}

static char *text_of(struct sfs_buf *buf)
{
	struct sfs_blob *blob = sfs_buf_finish(buf);
	char *text = blob ? strdup(sfs_blob_data(blob)) : NULL;

	sfs_blob_put(blob);
	return text;
}

/* Each line of the value with the key before it. */
static void put_key(struct sfs_buf *out, unsigned key, const char *lines)
{
	while (*lines) {
		size_t len = strcspn(lines, "\n");

		sfs_put(out, "%s = ", rocker_key_name(key));
		sfs_put_bytes(out, lines, len);
		sfs_put(out, "\n");
		lines += len + (lines[len] == '\n');
	}
}

void rocker_spec_show(const struct rocker_spec *spec, const struct rocker_whose *whose,
		      struct sfs_buf *out)
{
	sfs_put(out, "[rocker]\n");
	for (unsigned key = 0; key < ROCKER_KEYS; key++) {
		struct sfs_buf *buf = NULL;
		char *text;

		if (!whose && !spec->values[key])
			continue;
		buf = sfs_buf_new();
		if (buf)
			rocker_spec_value(spec, key, whose, buf);
		text = text_of(buf);
		put_key(out, key, text ?: "");
		free(text);
	}
}

/* ---- judging --------------------------------------------------------------------------------- */

/* What is so by default is not said. Takes over text. */
static char *unless_default(const struct rocker_judge *judge, enum rocker_key key, char *text)
{
	struct sfs_buf *buf = sfs_buf_new();
	char *usual;
	bool same;

	put_default(key, &judge->whose, buf);
	usual = text_of(buf);
	same = usual && text && (!*text || !strcmp(text, usual));
	free(usual);
	if (!same)
		return text;
	free(text);
	return NULL;
}

/* *value is what there is, and then what there is to be. */
static int judge_line(struct rocker_line *line, char **value)
{
	struct sfs_buf *buf = sfs_buf_new();
	char *text;
	int rc;

	line->old = *value;
	rc = buf ? rocker_judge_line(line, buf) : 0;
	text = text_of(buf);
	if (!rc && !text)
		rc = sfs_fail(-ENOMEM, "out of memory");
	if (rc) {
		free(text);
		return rc;
	}
	free(*value);
	*value = text;
	return 0;
}

int rocker_judge_value(const struct rocker_judge *judge, enum rocker_key key,
		       const struct sfs_cmd *cmd, const char *old, char **out)
{
	bool adds = rocker_key_flags(key) & KEY_ADDS, lines = rocker_key_flags(key) & KEY_LINES;
	char *value = adds && old ? strdup(old) : NULL;
	const char *at = cmd->text, *end = cmd->text + cmd->len;
	int rc = adds && old && !value ? -ENOMEM : 0;

	do {
		const char *stop = lines ? memchr(at, '\n', (size_t)(end - at)) : NULL;
		struct rocker_line line = {
			.judge = judge, .key = key, .text = at, .len = (size_t)((stop ?: end) - at)
		};

		rc = rc ?: judge_line(&line, &value);
		at = stop ? stop + 1 : end;
	} while (!rc && at < end);
	if (rc)
		free(value);
	else
		*out = unless_default(judge, key, value);
	return rc;
}

/* ---- INI ------------------------------------------------------------------------------------- */

struct reading {
	struct rocker_judge judge;
	struct rocker_spec *spec;
	bool begun; /* the section */
	bool seen[ROCKER_KEYS];
};

static int refuse(struct reading *reading, const char *text, size_t len, const char *what)
{
	const struct rocker_word word = { text, len, text, len };

	return rocker_refuse(&reading->judge, -EINVAL, &word, "'%.*s' %s",
			     (int)(len < 80 ? len : 80), text, what);
}

static int read_pair(struct reading *reading, const char *text, size_t len)
{
	const char *equals = memchr(text, '=', len), *name = text;
	size_t name_len = equals ? (size_t)(equals - text) : len;
	struct rocker_line line = { .judge = &reading->judge };
	enum rocker_key key;

	parse_trim(&name, &name_len);
	key = rocker_key_find(name, name_len);
	if (!equals)
		return refuse(reading, text, len, "is neither a section nor key = value");
	if (key == ROCKER_KEYS)
		return refuse(reading, name, name_len, "is no key of a rocker");
	if (reading->seen[key] && !(rocker_key_flags(key) & KEY_LINES))
		return refuse(reading, name, name_len, "is given twice");
	reading->seen[key] = true;
	line.key = key;
	line.text = equals + 1;
	line.len = (size_t)(text + len - line.text);
	parse_trim(&line.text, &line.len);
	return judge_line(&line, &reading->spec->values[key]);
}

static int read_line(struct reading *reading, const char *text, size_t len)
{
	parse_trim(&text, &len);
	if (!len || *text == '#' || *text == ';')
		return 0;
	if (*text == '[') {
		if (!parse_equal(text, len, "[rocker]"))
			return refuse(reading, text, len, "is no section; there is [rocker] alone");
		reading->begun = true;
		return 0;
	}
	if (!reading->begun)
		return refuse(reading, text, len, "stands before the section [rocker]");
	return read_pair(reading, text, len);
}

static int complete(struct reading *reading)
{
	struct rocker_spec *spec = reading->spec;

	for (unsigned key = 0; key < ROCKER_KEYS; key++) {
		char *text = spec->values[key];

		spec->values[key] = text ? unless_default(&reading->judge, key, text) : NULL;
		if (!spec->values[key] || !(rocker_key_flags(key) & KEY_HOST))
			continue;
		spec->openers[key] = malloc(sizeof(struct plan_opener));
		if (!spec->openers[key])
			return sfs_fail(-ENOMEM, "out of memory");
		*spec->openers[key] = *reading->judge.by;
	}
	return finish(spec) ? 0 : sfs_fail(-ENOMEM, "out of memory");
}

struct rocker_spec *rocker_spec_parse(const struct rocker_judge *judge, const char *text,
				      size_t size, int *rc_out)
{
	struct reading reading = { .judge = *judge, .spec = rocker_spec_new() };
	const char *at = text, *end = text + size;
	int rc = reading.spec ? 0 : sfs_fail(-ENOMEM, "out of memory");

	while (!rc && at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		reading.judge.line++;
		rc = read_line(&reading, at, (size_t)((stop ?: end) - at));
		at = stop ? stop + 1 : end;
	}
	rc = rc ?: complete(&reading);
	*rc_out = rc;
	if (!rc)
		return reading.spec;
	rocker_spec_put(reading.spec);
	return NULL;
}
