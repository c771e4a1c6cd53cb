/* SPDX-License-Identifier: MIT */
/* Strict words and numbers. */
/* single-threaded */
#include "check.h"

#include <errno.h>
#include <stdint.h>

#include "parse.h"

static int u64(const char *text, uint64_t *out)
{
	return parse_u64(text, strlen(text), out);
}

static void unsigned_numbers(void)
{
	uint64_t v = 7;

	CHECK_INT(u64("0", &v), 0);
	CHECK_INT(v, 0);
	CHECK_INT(u64("18446744073709551615", &v), 0);
	CHECK(v == UINT64_MAX);
	CHECK_INT(u64("0xfF", &v), 0);
	CHECK_INT(v, 255);
	CHECK_INT(u64("010", &v), 0);
	CHECK_INT(v, 10);
	v = 7;
	CHECK_INT(u64("18446744073709551616", &v), -ERANGE);
	CHECK_INT(u64("99999999999999999999999", &v), -ERANGE);
	CHECK_INT(u64("0x10000000000000000", &v), -ERANGE);
	CHECK_INT(u64("", &v), -EINVAL);
	CHECK_INT(u64("-1", &v), -EINVAL);
	CHECK_INT(u64("+1", &v), -EINVAL);
	CHECK_INT(u64(" 1", &v), -EINVAL);
	CHECK_INT(u64("1 ", &v), -EINVAL);
	CHECK_INT(u64("12abc", &v), -EINVAL);
	CHECK_INT(u64("0x", &v), -EINVAL);
	CHECK_INT(u64("0xg", &v), -EINVAL);
	CHECK_INT(u64("99999999999999999999999x", &v), -EINVAL);
	CHECK_INT(v, 7);
	CHECK_INT(parse_u64("123", 2, &v), 0);
	CHECK_INT(v, 12);
}

static void signed_numbers(void)
{
	int64_t v = 7;

	CHECK_INT(parse_i64("-9223372036854775808", 20, &v), 0);
	CHECK(v == INT64_MIN);
	CHECK_INT(parse_i64("9223372036854775807", 19, &v), 0);
	CHECK(v == INT64_MAX);
	CHECK_INT(parse_i64("9223372036854775808", 19, &v), -ERANGE);
	CHECK_INT(parse_i64("-9223372036854775809", 20, &v), -ERANGE);
	CHECK_INT(parse_i64("-", 1, &v), -EINVAL);
	CHECK_INT(parse_i64("--1", 3, &v), -EINVAL);
	CHECK_INT(parse_i64("- 1", 3, &v), -EINVAL);
	CHECK(parse_is_below_zero("-1", 2) && parse_is_below_zero("-0x1", 4));
	CHECK(parse_is_below_zero("-99999999999999999999999", 24));
	CHECK(!parse_is_below_zero("-0", 2) && !parse_is_below_zero("-", 1) &&
	      !parse_is_below_zero("", 0));
	CHECK(!parse_is_below_zero("1", 1) && !parse_is_below_zero("--1", 3) &&
	      !parse_is_below_zero("-1.5", 4));
}

static void doubles(void)
{
	static const char *const bad[] = { "",    ".",    "e1",    "1e",    "1e+",
					   "inf", "nan",  "0x1p3", "1.5x",  " 1.5",
					   "1,5", "+1.5", "--1",   "1e1.5", NULL };
	double v = 7;

	CHECK_INT(parse_double("1.5", 3, &v), 0);
	CHECK_DOUBLE(v, 1.5);
	CHECK_INT(parse_double("-2.5e-3", 7, &v), 0);
	CHECK_DOUBLE(v, -2.5e-3);
	CHECK_INT(parse_double(".5", 2, &v), 0);
	CHECK_DOUBLE(v, 0.5);
	CHECK_INT(parse_double("5.", 2, &v), 0);
	CHECK_DOUBLE(v, 5);
	CHECK_INT(parse_double("1e309", 5, &v), -ERANGE);
	for (int i = 0; bad[i]; i++)
		CHECK_MSG(parse_double(bad[i], strlen(bad[i]), &v) == -EINVAL, "'%s' is taken",
			  bad[i]);
	CHECK_DOUBLE(v, 5);
}

static void bools(void)
{
	bool v = false;

	CHECK_INT(parse_bool("true", 4, &v), 0);
	CHECK(v);
	CHECK_INT(parse_bool("0", 1, &v), 0);
	CHECK(!v);
	CHECK_INT(parse_bool("2", 1, &v), -EINVAL);
	CHECK_INT(parse_bool("", 0, &v), -EINVAL);
}

static void names(void)
{
	CHECK(parse_is_name("a", 1));
	CHECK(parse_is_name("_a9", 3));
	CHECK(!parse_is_name("9a", 2));
	CHECK(!parse_is_name("a-b", 3));
	CHECK(!parse_is_name("", 0));
	CHECK(parse_is_name("abcdefghijklmnopqrstuvwxyz12345", 31));
	CHECK(!parse_is_name("abcdefghijklmnopqrstuvwxyz123456", 32));
}

static void words(void)
{
	const char *text = "  a=1 b&c ", *end = text + strlen(text), *word;

	CHECK_INT(parse_word(&text, end, " &", &word), 3);
	CHECK(!memcmp(word, "a=1", 3));
	CHECK_INT(parse_word(&text, end, " &", &word), 1);
	CHECK_INT(parse_word(&text, end, " &", &word), 1);
	CHECK(*word == 'c');
	CHECK_INT(parse_word(&text, end, " &", &word), 0);
}

static void items(void)
{
	const char *text = "a, f(b, c) ,,d", *end = text + strlen(text), *item;
	size_t len;

	REQUIRE(parse_item(&text, end, &item, &len));
	CHECK(parse_equal(item, len, "a"));
	REQUIRE(parse_item(&text, end, &item, &len));
	CHECK(parse_equal(item, len, "f(b, c)"));
	REQUIRE(parse_item(&text, end, &item, &len));
	CHECK_INT(len, 0);
	REQUIRE(parse_item(&text, end, &item, &len));
	CHECK(parse_equal(item, len, "d"));
	CHECK(!parse_item(&text, end, &item, &len));
}

int main(void)
{
	RUN(unsigned_numbers);
	RUN(signed_numbers);
	RUN(doubles);
	RUN(bools);
	RUN(names);
	RUN(words);
	RUN(items);
	return check_done();
}
