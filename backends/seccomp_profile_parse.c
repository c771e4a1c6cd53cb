/* SPDX-License-Identifier: MIT */
/* Reads a profile: text in, table or sentence out. */
#include "seccomp_profile_parse.h"

#include "jailed/guard.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 512

struct reader {
	struct profile *profile;
	char section[16];
	int line;
	char *why;
	size_t why_size;
};

/* What a guard, and the process that becomes one, ask of the kernel. */
/* clang-format off */
static const char *const guards[] = {
	"capget",          "capset",          "chdir",           "close",           "close_range",
	"dup3",            "execve",          "execveat",        "futex",           "exit",
	"exit_group",      "getdents64",      "getgroups",       "getpgid",         "getsid",
	"kill",            "madvise",         "openat",          "pidfd_open",      "ppoll",
	"prctl",           "recvmsg",         "rt_sigaction",    "rt_sigprocmask",  "rt_sigreturn",
	"rt_sigtimedwait", "sendmsg",         "setgroups",       "setresgid",       "setresuid",
	"setsid",          "timerfd_create",  "timerfd_settime", "umask",           "wait4",
	"waitid",
	NULL,
};
/* clang-format on */
/* And what it asks for with these arguments alone. */
static const struct {
	const char *name;
	struct profile_condition when;
} guards_when[] = {
	{ "clone", { 0, ~(uint32_t)CLONE_FILES, GUARD_CLONE, false } },
	{ "prlimit64", { 0, UINT32_MAX, 0, false } },
	{ NULL, { 0 } },
};

__attribute__((format(printf, 2, 3))) static int wrong(struct reader *r, const char *format, ...)
{
	int used = snprintf(r->why, r->why_size, "line %d: ", r->line);
	va_list args;

	va_start(args, format);
	if (used >= 0 && (size_t)used < r->why_size)
		(void)vsnprintf(r->why + used, r->why_size - (size_t)used, format, args);
	va_end(args);
	return -EINVAL;
}

/* The class of a call, or NULL: not on this architecture, or nowhere at all (then *err_out is set). */
static uint8_t *class_of(struct reader *r, const char *name, int *err_out)
{
	int nr = profile_call(name);

	if (nr == INT_MIN)
		*err_out = wrong(r, "there is no system call '%.40s'", name);
	else if (nr >= PROFILE_CALLS)
		*err_out = wrong(r, "the number of '%.40s' is too large", name);
	return nr < 0 || nr >= PROFILE_CALLS ? NULL : &r->profile->classes[nr];
}

static int read_calls(struct reader *r, char *words, enum profile_class class)
{
	char *save, *word;
	int err = 0;

	for (word = strtok_r(words, " \t", &save); word && !err;
	     word = strtok_r(NULL, " \t", &save)) {
		uint8_t *is = class_of(r, word, &err);
		if (is && *is != PROFILE_UNLISTED)
			err = wrong(r, "'%.40s' is listed twice", word);
		else if (is)
			*is = (uint8_t) class;
	}
	return err;
}

/* ARG [& MASK] is|not VALUE; the words of one condition. */
static int read_condition(struct reader *r, char **words, unsigned n, struct profile_condition *out)
{
	struct profile_condition c = { .mask = UINT32_MAX };
	bool masked = n == 5 && !strcmp(words[1], "&");
	const char *verb = masked ? words[3] : n == 3 ? words[1] : "";

	c.differs = !strcmp(verb, "not");
	if (!c.differs && strcmp(verb, "is"))
		return wrong(r, "a condition is 'ARG is VALUE' or 'ARG & MASK is VALUE'");
	if (strlen(words[0]) != 1 || *words[0] < '0' || *words[0] > '5')
		return wrong(r, "'%.40s' is no argument's number", words[0]);
	c.argument = (uint32_t)(*words[0] - '0');
	if (masked && !profile_value(words[2], &c.mask))
		return wrong(r, "'%.40s' is no value", words[2]);
	if (!profile_value(words[n - 1], &c.value))
		return wrong(r, "'%.40s' is no value", words[n - 1]);
	*out = c;
	return 0;
}

static int read_conditions(struct reader *r, char *text, struct profile_line *line)
{
	char *words[6], *save, *word = strtok_r(text, " \t", &save);
	unsigned n = 0;

	for (;; word = strtok_r(NULL, " \t", &save)) {
		if (word && strcmp(word, "and")) {
			if (n == 5)
				return wrong(r, "'%.40s' is a word too many", word);
			words[n++] = word;
			continue;
		}
		if (line->n == PROFILE_CONDITIONS_MAX || !n)
			return wrong(r, n ? "too many conditions" : "a condition is empty");
		int err = read_condition(r, words, n, &line->conditions[line->n]);
		if (err)
			return err;
		line->n++;
		n = 0;
		if (!word)
			return 0;
	}
}

static int read_when(struct reader *r, const char *name, char *text)
{
	struct profile_line line = { 0 };
	int err = 0;
	uint8_t *is = class_of(r, name, &err);

	err = err ?: read_conditions(r, text, &line);
	if (err || !is)
		return err;
	if (*is != PROFILE_UNLISTED && *is != PROFILE_WHEN)
		return wrong(r, "'%.40s' is listed twice", name);
	if (r->profile->nlines == PROFILE_LINES_MAX)
		return wrong(r, "more than %d lines of conditions", PROFILE_LINES_MAX);
	*is = PROFILE_WHEN;
	line.nr = (int)(is - r->profile->classes);
	r->profile->lines[r->profile->nlines++] = line;
	return 0;
}

static int read_choice(struct reader *r, const char *value, const char *const names[2], bool *out)
{
	for (int i = 0; i < 2; i++)
		if (!strcmp(value, names[i])) {
			*out = i;
			return 0;
		}
	return wrong(r, "'%.40s' is neither '%s' nor '%s'", value, names[0], names[1]);
}

static int read_head(struct reader *r, const char *key, const char *value)
{
	static const char *const answers[] = { "error", "kill" };
	static const char *const unlisted[] = { "refuse", "allow" };

	if (!strcmp(key, "answer"))
		return read_choice(r, value, answers, &r->profile->kills);
	if (!strcmp(key, "unlisted"))
		return read_choice(r, value, unlisted, &r->profile->unlisted_allowed);
	if (strcmp(key, "help"))
		return wrong(r, "unknown key '%.40s'", key);
	if (strlen(value) >= sizeof r->profile->help)
		return wrong(r, "the help is too long");
	(void)snprintf(r->profile->help, sizeof r->profile->help, "%s", value);
	return 0;
}

static int read_pair(struct reader *r, const char *key, char *value)
{
	static const struct {
		const char *section;
		enum profile_class class;
	} lists[] = {
		{ "allow", PROFILE_ALLOW },
		{ "refuse", PROFILE_REFUSE },
		{ "absent", PROFILE_ABSENT },
	};

	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		if (!strcmp(r->section, lists[i].section))
			return read_calls(r, value, lists[i].class);
	if (!strcmp(r->section, "when"))
		return read_when(r, key, value);
	if (!strcmp(r->section, "profile"))
		return read_head(r, key, value);
	return wrong(r, "no section, or the unknown section '%.16s'", r->section);
}

static char *trim(char *text)
{
	size_t len;

	text += strspn(text, " \t");
	len = strlen(text);
	while (len && strchr(" \t", text[len - 1]))
		text[--len] = '\0';
	return text;
}

static int read_line(struct reader *r, char *line)
{
	char *text = trim(line), *equal = strchr(text, '=');
	size_t len = strlen(text);

	if (!len || *text == ';' || *text == '#')
		return 0;
	if (*text == '[') {
		if (text[len - 1] != ']' || len - 2 >= sizeof r->section)
			return wrong(r, "'%.40s' is no section", text);
		(void)snprintf(r->section, sizeof r->section, "%.*s", (int)(len - 2), text + 1);
		return 0;
	}
	if (!equal)
		return wrong(r, "'%.40s' has no '='", text);
	*equal = '\0';
	return read_pair(r, trim(text), trim(equal + 1));
}

/* Everything else that is not listed, then what may not be missing. */
static int complete(struct reader *r)
{
	struct profile *p = r->profile;
	int err = 0;

	r->line = 0;
	for (int i = 0; guards[i] && !err; i++) {
		uint8_t *is = class_of(r, guards[i], &err);
		if (is && *is != PROFILE_UNLISTED && *is != PROFILE_ALLOW)
			err = wrong(r, "the guard needs '%s' as it is", guards[i]);
		else if (is)
			*is = PROFILE_ALLOW;
	}
	for (int i = 0; guards_when[i].name && !err; i++) {
		uint8_t *is = class_of(r, guards_when[i].name, &err);
		if (!is || *is == PROFILE_ALLOW || (*is == PROFILE_UNLISTED && p->unlisted_allowed))
			continue;
		if (*is == PROFILE_REFUSE || *is == PROFILE_ABSENT ||
		    p->nlines == PROFILE_LINES_MAX)
			return wrong(r, "the guard needs '%s'", guards_when[i].name);
		*is = PROFILE_WHEN;
		p->lines[p->nlines++] =
			(struct profile_line){ (int)(is - p->classes), 1, { guards_when[i].when } };
	}
	for (int nr = 0; nr < PROFILE_CALLS; nr++)
		if (nr > PROFILE_NEWEST)
			p->classes[nr] = PROFILE_ABSENT;
		else if (p->classes[nr] == PROFILE_UNLISTED)
			p->classes[nr] = p->unlisted_allowed ? PROFILE_ALLOW : PROFILE_REFUSE;
	return err;
}

int profile_parse(const char *text, struct profile *out, char *why, size_t why_size)
{
	struct reader r = { .profile = out, .why = why, .why_size = why_size };
	char line[LINE_MAX_BYTES];
	int err = 0;

	memset(out, 0, sizeof *out);
	while (*text && !err) {
		size_t len = strcspn(text, "\n");
		r.line++;
		if (len >= sizeof line)
			return wrong(&r, "it is too long");
		memcpy(line, text, len);
		line[len] = '\0';
		err = read_line(&r, line);
		text += len + (text[len] == '\n');
	}
	return err ?: complete(&r);
}
