/* SPDX-License-Identifier: MIT */
/*
 * Plans for tests of what a rocker sees: words, host paths below a directory of the role's own, and what is refused.
 */
#ifndef ROCKER_PLANS_H
#define ROCKER_PLANS_H

#include "rocker_make.h"

static struct rocker_plan plan;
static char work[64]; /* a directory of the role's own */

static uint32_t word(const char *format, const char *a)
{
	char text[256];

	snprintf(text, sizeof text, format, a);
	return plan_add(&plan, text, strlen(text));
}

/* Host paths are opened as uid; an ordinary user has but his own. */
__attribute__((unused)) static uint32_t opener(uint32_t uid)
{
	const struct plan_opener user = { .uid = uid, .gid = uid };

	return (uint32_t)plan_add_opener(&plan, &user);
}

static uint32_t self(void)
{
	return opener(geteuid());
}

static void plain(void)
{
	plan_init(&plan);
	plan.uid = plan.gid = job_id();
}

__attribute__((unused)) static struct plan_bind *bind_of(const char *host, const char *inside, bool writable)
{
	struct plan_bind *b = &plan.binds[plan.nbinds++];

	b->host = word("%s", host);
	b->inside = word("%s", inside);
	b->opener = self();
	b->writable = writable;
	return b;
}

/* Valid for the next few calls. */
static char *below(const char *name)
{
	static char paths[8][128];
	static unsigned n;
	char *path = paths[n++ % 8];

	snprintf(path, sizeof *paths, "%s/%s", work, name);
	return path;
}

static void put(const char *name, const char *text)
{
	int fd = open(below(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

__attribute__((unused)) static bool shell(const char *format, ...)
{
	char command[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof command, format, args);
	va_end(args);
	return system(command) == 0;
}

#define BUILD(one)                                                                                                     \
	do {                                                                                                           \
		begin(one);                                                                                            \
		CHECK_MSG(build(one, &plan), "%s '%s': %s", (one)->said.step, plan_text(&plan, (one)->said.text),        \
			  strerror(-(one)->said.err));                                                                 \
	} while (0)

/* It is refused by step, about that word. */
__attribute__((unused)) static void refused(int err, const char *step, const char *about)
{
	struct one one;

	begin(&one);
	CHECK(!build(&one, &plan));
	CHECK_MSG(one.said.err == -err, "%s, not %s", strerror(-one.said.err), strerror(err));
	CHECK_STR(one.said.step, step);
	CHECK_STR(plan_text(&plan, one.said.text), about);
	end(&one);
}

/* Runs tests with that directory, in each role. */
static void (*plans_tests)(void);

static void with_directory(void)
{
	snprintf(work, sizeof work, "/tmp/rocker-plans-XXXXXX");
	if (!mkdtemp(work))
		abort();
	chmod(work, 0755);
	plans_tests();
	if (!shell("chmod -R u+rwx %s; rm -rf %s", work, work))
		printf("# %s is left\n", work);
}

static int plans_as_roles(void (*tests)(void))
{
	plans_tests = tests;
	return rocker_as(with_directory);
}

#endif
