/* SPDX-License-Identifier: MIT */
/*
 * What a unit test needs: run functions, compare, print one line each.
 *
 * A test program is a file tests/unit/NAME.c whose main() calls RUN(function) for each test and ends with "return
 * check_done();". A failed check prints where it stands and what was compared, and lets the function go on unless it is one of
 * the REQUIRE family, which leaves it. One thread runs the tests; checks may be made from any.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_int check_failures; /* of the test at hand */
static int check_failed_tests;
static const char *check_skipped;
static char check_first[1024]; /* the first failure's sentence */

__attribute__((format(printf, 3, 4), unused)) static void check_fail(const char *file, int line, const char *format, ...)
{
	char text[960];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (char *p = text; *p; p++)
		if (*p == '\n')
			*p = '|';
	if (atomic_fetch_add(&check_failures, 1) == 0)
		snprintf(check_first, sizeof(check_first), "%s:%d: %s", file, line, text);
	else
		printf("# %s:%d: %s\n", file, line, text);
}

/* Ends the counting of this test as passed: it cannot be done here. Return right after it. */
__attribute__((unused)) static void check_skip(const char *why)
{
	check_skipped = why;
}

__attribute__((unused)) static void check_run(const char *name, void (*test)(void))
{
	atomic_store(&check_failures, 0);
	check_skipped = NULL;
	test();
	if (atomic_load(&check_failures)) {
		printf("not ok %s: %s\n", name, check_first);
		check_failed_tests++;
	} else if (check_skipped) {
		printf("skip %s: %s\n", name, check_skipped);
	} else {
		printf("ok %s\n", name);
	}
	fflush(stdout);
}

__attribute__((unused)) static int check_done(void)
{
	return check_failed_tests != 0;
}

/* What gives up after so long waits as many times longer as this machine is slower, in the eyes of whoever runs it there. */
__attribute__((unused)) static int check_patient(int time)
{
	const char *patience = getenv("SFS_PATIENCE");
	int times = patience ? atoi(patience) : 1;

	return times > 1 ? time * times : time;
}

/* And of what takes its time by its number there are as many times fewer. */
__attribute__((unused)) static int check_fewer(int number)
{
	int fewer = number / check_patient(1);

	return fewer ?: 1;
}

#define RUN(test) check_run(#test, test)

#define CHECK_(condition, leave, ...)                                                                                  \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			check_fail(__FILE__, __LINE__, __VA_ARGS__);                                                   \
			leave;                                                                                         \
		}                                                                                                      \
	} while (0)

/* A condition. */
#define CHECK(condition)   CHECK_(condition, (void)0, "%s", #condition)
#define REQUIRE(condition) CHECK_(condition, return, "%s", #condition)
/* A condition with a sentence in its place: CHECK_MSG(n < 5, "n is %d", n). */
#define CHECK_MSG(condition, ...) CHECK_(condition, (void)0, __VA_ARGS__)

/* Two integers of any type up to 64 bits, the expected one second. */
#define CHECK_INT(actual, expected)                                                                                    \
	do {                                                                                                           \
		long long check_a = (long long)(actual), check_b = (long long)(expected);                              \
		CHECK_(check_a == check_b, (void)0, "%s is %lld, expected %lld", #actual, check_a, check_b);           \
	} while (0)

/* Two doubles, equal to the bit or both NaN; or near. */
#define CHECK_DOUBLE(actual, expected)                                                                                 \
	do {                                                                                                           \
		double check_a = (actual), check_b = (expected);                                                       \
		CHECK_(check_a == check_b || (check_a != check_a && check_b != check_b), (void)0,                      \
		       "%s is %.17g, expected %.17g", #actual, check_a, check_b);                                      \
	} while (0)
#define CHECK_NEAR(actual, expected, tolerance)                                                                        \
	do {                                                                                                           \
		double check_a = (actual), check_b = (expected), check_d = check_a - check_b;                          \
		CHECK_(check_d <= (tolerance) && -check_d <= (tolerance), (void)0,                                     \
		       "%s is %.17g, expected %.17g within %g", #actual, check_a, check_b, (double)(tolerance));       \
	} while (0)

/* Two strings; NULL equals only NULL. */
#define CHECK_STR(actual, expected)                                                                                    \
	do {                                                                                                           \
		const char *check_a = (actual), *check_b = (expected);                                                 \
		CHECK_(check_a == check_b || (check_a && check_b && !strcmp(check_a, check_b)), (void)0,               \
		       "%s is \"%s\", expected \"%s\"", #actual, check_a ? check_a : "(null)",                         \
		       check_b ? check_b : "(null)");                                                                  \
	} while (0)

/* A string holds another: for sentences. */
#define CHECK_HAS(actual, part)                                                                                        \
	do {                                                                                                           \
		const char *check_a = (actual), *check_b = (part);                                                     \
		CHECK_(check_a && strstr(check_a, check_b), (void)0, "%s is \"%s\", which lacks \"%s\"", #actual,      \
		       check_a ? check_a : "(null)", check_b);                                                         \
	} while (0)

#define CHECK_MEM(actual, expected, size)                                                                              \
	CHECK_(!memcmp(actual, expected, size), (void)0, "%s differs from %s in its %zu bytes", #actual, #expected,    \
	       (size_t)(size))

#endif
