/* SPDX-License-Identifier: MIT */
/* Expressions: values, refusals with their columns, limits, and random ones against a second
 * evaluator. */
/* single-threaded */
#include "check.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "expr.h"
#include "parse.h"

static const char *const words[] = { "hot", "flush", NULL };
static struct expr_value names[3]; /* a, b, c; a word: has no value */

static int find(void *arg, const char *name, size_t len)
{
	(void)arg;
	return len == 1 && *name >= 'a' && *name <= 'c' ? *name - 'a' : -1;
}

static bool load(void *arg, unsigned slot, struct expr_value *out)
{
	(void)arg;
	*out = names[slot];
	return out->kind != EXPR_WORD;
}

static const struct expr_scope scope = { .find = find, .words = words };
static const struct expr_env env = { .load = load };

static int eval_bytes(const char *text, size_t len, struct expr_value *out, struct expr_error *err)
{
	struct expr *expr = expr_compile(text, len, &scope, err);
	int rc;

	if (!expr)
		return err->err;
	rc = expr_eval(expr, &env, out, err);
	expr_free(expr);
	return rc;
}

static int eval(const char *text, struct expr_value *out, struct expr_error *err)
{
	return eval_bytes(text, strlen(text), out, err);
}

static void expect_int(const char *text, expr_int expected)
{
	struct expr_value v;
	struct expr_error err;

	if (eval(text, &v, &err))
		check_fail(__FILE__, __LINE__, "%s: column %d: %s", text, err.column, err.text);
	else
		CHECK_MSG(v.kind == EXPR_INT && v.i == expected,
			  "%s is %lld (kind %d), expected %lld", text, (long long)v.i, v.kind,
			  (long long)expected);
}

static void expect_real(const char *text, double expected)
{
	struct expr_value v;
	struct expr_error err;

	if (eval(text, &v, &err))
		check_fail(__FILE__, __LINE__, "%s: column %d: %s", text, err.column, err.text);
	else
		CHECK_MSG(v.kind == EXPR_REAL && v.f == expected,
			  "%s is %.17g (kind %d), expected %.17g", text, v.f, v.kind, expected);
}

static void expect_refusal(const char *text, int code, int column, const char *sentence)
{
	struct expr_value v;
	struct expr_error err;
	int rc = eval(text, &v, &err);

	CHECK_MSG(rc == code, "%s gives %d, expected %d", text, rc, code);
	if (rc == 0)
		return;
	CHECK_MSG(err.column == column, "%s: column %d, expected %d", text, err.column, column);
	CHECK_HAS(err.text, sentence);
}

static void integers(void)
{
	expect_int("1 + 2 * 3", 7);
	expect_int("(1 + 2) * 3", 9);
	expect_int("10 - 4 - 3", 3);
	expect_int("7 / 2", 3);
	expect_int("-7 / 2", -3);
	expect_int("-7 % 3", -1);
	expect_int("2 ^ 10", 1024);
	expect_int("2 ^ 3 ^ 2", 512);
	expect_int("-2 ^ 2", -4);
	expect_int("2 * 3 ^ 2", 18);
	expect_int("1 << 10 >> 3", 128);
	expect_int("1 + 1 << 2", 8);
	expect_int("-8 >> 1", -4);
	expect_int("0x10", 16);
	expect_int("18446744073709551615", (expr_int)UINT64_MAX);
	expect_int("-9223372036854775808", INT64_MIN);
	expect_int("9223372036854775807 + 1", (expr_int)INT64_MAX + 1);
	expect_int("0 ^ 0", 1);
	expect_int("(-1) ^ 1000000000001", -1);
	expect_int("2^63 - 1 + 2^63 == 18446744073709551615", 1);
	expect_int("u8 + u16 + u32 + u64 + i8 + i16 + i32 + i64 + f32 + f64 + bool",
		   1 + 2 + 4 + 8 + 1 + 2 + 4 + 8 + 4 + 8 + 1);
}

static void logic(void)
{
	expect_int("1 < 2 == 1", 1);
	expect_int("!3 + 1", 1);
	expect_int("!0.0", 1);
	expect_int("2 && 3", 1);
	expect_int("0 || 0.5", 1);
	expect_int("1 || 0 && 0", 1);
	expect_int("1 ? 2 : 3 ? 4 : 5", 2);
	expect_int("0 ? 2 : 0 ? 4 : 5", 5);
	expect_int("1 <= 1 && 2 >= 3 || 4 != 4", 0);
	expect_int("18446744073709551615 > 18446744073709549568.0", 1);
	expect_int("9007199254740993 > 9007199254740992.0", 1);
	/* What is not needed is not evaluated. */
	expect_int("0 ? 1/0 : 5", 5);
	expect_int("1 ? 5 : 1/0", 5);
	expect_int("0 && 1/0", 0);
	expect_int("1 || 1/0", 1);
}

static void doubles(void)
{
	expect_real("1.5 + 1", 2.5);
	expect_real("7 / 2.0", 3.5);
	expect_real("2 ^ -24", 0x1p-24);
	expect_real("1e3 * 2", 2000);
	expect_real("1e-3", 1e-3);
	expect_real(".5 ^ 2", 0.25);
	expect_real("sqrt(16)", 4);
	expect_real("log2(1024)", 10);
	expect_real("abs(-1.5)", 1.5);
	expect_real("-2.5", -2.5);
	expect_real("max(1, 2.5)", 2.5);
	expect_real("3 - 1e0", 2);
}

static void functions(void)
{
	expect_int("min(3, 1, 2)", 1);
	expect_int("max(3, 1, 2, 8)", 8);
	expect_int("align(1, 64)", 64);
	expect_int("align(64, 64)", 64);
	expect_int("align(0, 64)", 0);
	expect_int("ceildiv(7, 2)", 4);
	expect_int("ceildiv(-7, 2)", -3);
	expect_int("ceildiv(8, 2)", 4);
	expect_int("abs(-9223372036854775808)", (expr_int)INT64_MAX + 1);
	expect_int("min(1, 1.0)", 1);
	expect_int("max(1 ? 2 : 3, (4))", 4);
}

static void variables_and_words(void)
{
	struct expr_value v;
	struct expr_error err;

	names[0] = expr_from_int(5);
	names[1] = expr_from_real(0.5);
	names[2].kind = EXPR_WORD;
	expect_int("a ? (a-1)*3 + 1 : 0", 13);
	expect_real("a * b", 2.5);
	expect_refusal("a + c", -ENODATA, 4, "'c' is not known");
	expect_int("a || c", 1);
	CHECK_INT(eval("a > 3 ? flush : hot", &v, &err), 0);
	CHECK_INT(v.kind, EXPR_WORD);
	CHECK_STR(words[v.word], "flush");
	expect_refusal("hot + 1", -EINVAL, 4, "a word is no number");
	expect_refusal("-hot", -EINVAL, 0, "a word is no number");
	expect_refusal("hot ? 1 : 2", -EINVAL, 4, "a word is no condition");
	expect_refusal("hot && 1", -EINVAL, 4, "a word is no condition");
	expect_refusal("min(1, hot)", -EINVAL, 0, "a word is no number");
}

static void arithmetic_refusals(void)
{
	static const struct {
		const char *text;
		int code, column;
		const char *sentence;
	} bad[] = {
		{ "1 / 0", -EINVAL, 2, "division by zero" },
		{ "1 % 0", -EINVAL, 2, "division by zero" },
		{ "1.0 / 0", -EINVAL, 4, "division by zero" },
		{ "ceildiv(1, 0)", -EINVAL, 0, "division by zero" },
		{ "0 ^ -1", -EINVAL, 2, "division by zero" },
		{ "18446744073709551615 + 1", -ERANGE, 21, "overflow of 64-bit integers" },
		{ "-9223372036854775808 - 1", -ERANGE, 21, "overflow" },
		{ "18446744073709551615 * 18446744073709551615", -ERANGE, 21, "overflow" },
		{ "-18446744073709551615", -ERANGE, 0, "overflow" },
		{ "2 ^ 64", -ERANGE, 2, "overflow" },
		{ "3 ^ 1000000000000", -ERANGE, 2, "overflow" },
		{ "1 << 64", -EINVAL, 2, "shift by" },
		{ "1 << -1", -EINVAL, 2, "shift by" },
		{ "3 << 63", -ERANGE, 2, "overflow" },
		{ "1.5 % 2", -EINVAL, 4, "needs integers" },
		{ "1.5 << 2", -EINVAL, 4, "needs integers" },
		{ "align(1.5, 2)", -EINVAL, 0, "needs integers" },
		{ "align(1, 0)", -EINVAL, 0, "align wants" },
		{ "align(-1, 8)", -EINVAL, 0, "align wants" },
		{ "align(18446744073709551615, 64)", -ERANGE, 0, "overflow" },
		{ "log2(0)", -EINVAL, 0, "log2 wants a number > 0" },
		{ "sqrt(-1)", -EINVAL, 0, "sqrt wants a number >= 0" },
		{ "1e308 * 10", -ERANGE, 6, "overflow of doubles" },
		{ "(-8.0) ^ 0.5", -EINVAL, 7, "not a number" },
		{ 0 },
	};

	for (int i = 0; bad[i].text; i++)
		expect_refusal(bad[i].text, bad[i].code, bad[i].column, bad[i].sentence);
}

static void syntax_refusals(void)
{
	static const struct {
		const char *text;
		int column;
		const char *sentence;
	} bad[] = {
		{ "", 0, "expected a value at the end" },
		{ "1 +", 3, "expected a value at the end" },
		{ "1 + * 2", 4, "expected a value, not '*'" },
		{ "(1", 2, "expected ')'" },
		{ "1)", 1, "expected an operator, not ')'" },
		{ "1 2", 2, "expected an operator, not '2'" },
		{ "a ? 1", 5, "expected ':'" },
		{ "12abc", 0, "not a number: '12abc'" },
		{ "1.2.3", 0, "not a number" },
		{ "0x", 0, "not a number" },
		{ "foo", 0, "unknown name 'foo'" },
		{ "1 + foo", 4, "unknown name 'foo'" },
		{ "a = 1", 2, "expected an operator, not '= 1'" },
		{ "a & b", 2, "expected an operator" },
		{ "min 1", 4, "expected '(' after 'min'" },
		{ "min(1)", 0, "too few arguments for 'min'" },
		{ "sqrt(1, 2)", 7, "too many arguments for 'sqrt'" },
		{ "min(1, 2", 8, "expected ')' or ','" },
		{ "min(1,2,3,4,5,6,7,8,9)", 20, "too many arguments for 'min'" },
		{ "sqrt()", 5, "expected a value" },
		{ "abc_abc_abc_abc_abc_abc_abc_abc_", 0, "unknown name" },
		{ 0 },
	};

	for (int i = 0; bad[i].text; i++)
		expect_refusal(bad[i].text, -EINVAL, bad[i].column, bad[i].sentence);
	expect_refusal("18446744073709551616", -ERANGE, 0, "number too large");
	expect_refusal("1e999", -EINVAL, 0, "not a number");
}

/* Repeats part so often that the text has size bytes, evaluates, and wants the code. */
static void expect_limit(const char *part, size_t size, int code)
{
	size_t n = strlen(part);
	char *text = malloc(size);
	struct expr_value v;
	struct expr_error err;
	int rc;

	for (size_t i = 0; i < size; i++)
		text[i] = part[i % n];
	rc = eval_bytes(text, size, &v, &err);
	CHECK_MSG(rc == code, "%zu bytes of '%s': %d, expected %d", size, part, rc, code);
	free(text);
}

static void limits(void)
{
	expect_limit("(", 65536, -E2BIG);
	expect_limit("-", 65536, -E2BIG);
	expect_limit("!", 65536, -E2BIG);
	expect_limit("2^", 65536, -E2BIG);
	expect_limit("1?", 65536, -E2BIG);
	expect_limit("1?1:", 65536, -E2BIG);
	expect_limit("min(1,", 65536, -E2BIG);
	expect_limit("1+", 65536, -E2BIG);
	expect_limit("1||", 65535, -E2BIG);
	expect_limit("1", 65537, -E2BIG);
	expect_int("((((((((((1))))))))))", 1);
	expect_int("1+(1+(1+(1+(1+(1+(1+(1+(1+1))))))))", 10);
}

/* ---- random expressions against a tree that is evaluated directly ---------------------------- */

struct random_text {
	char text[2000];
	size_t len;
	bool failed; /* division by zero or overflow on the way */
};

static void put(struct random_text *r, const char *part)
{
	r->len += (size_t)snprintf(r->text + r->len, sizeof(r->text) - r->len, "%s", part);
}

static long long check_range(struct random_text *r, __int128 v)
{
	if (v > INT32_MAX || v < INT32_MIN)
		r->failed = true;
	return r->failed ? 0 : (long long)v;
}

static long long random_value(struct random_text *r, int depth);

/* Writes "(a op b)" and returns its value; numbers are kept small, so that the second evaluator
 * needs no care. */
static long long random_binary(struct random_text *r, int depth)
{
	static const char *const operators[] = { "+",  "-", "*",  "/", "%", "==",
						 "!=", "<", "<=", ">", ">=" };
	unsigned op = (unsigned)rand() % 11;
	long long a, b;

	put(r, "(");
	a = random_value(r, depth - 1);
	put(r, operators[op]);
	b = random_value(r, depth - 1);
	put(r, ")");
	if ((op == 3 || op == 4) && b == 0)
		r->failed = true;
	if (r->failed)
		return 0;
	switch (op) {
	case 0:
		return check_range(r, (__int128)a + b);
	case 1:
		return check_range(r, (__int128)a - b);
	case 2:
		return check_range(r, (__int128)a * b);
	case 3:
		return a / b;
	case 4:
		return a % b;
	case 5:
		return a == b;
	case 6:
		return a != b;
	case 7:
		return a < b;
	case 8:
		return a <= b;
	case 9:
		return a > b;
	default:
		return a >= b;
	}
}

static long long random_value(struct random_text *r, int depth)
{
	char number[24];
	long long a, b, c;

	if (depth <= 0 || r->len > sizeof(r->text) - 400) {
		a = rand() % 100;
		snprintf(number, sizeof(number), "%lld", a);
		put(r, number);
		return a;
	}
	switch (rand() % 8) {
	case 0:
		put(r, " -");
		a = random_value(r, depth - 1);
		return -a;
	case 1:
		put(r, "!");
		a = random_value(r, depth - 1);
		return !a;
	case 2:
		put(r, "(");
		a = random_value(r, depth - 1);
		put(r, " ? ");
		b = random_value(r, depth - 1);
		put(r, " : ");
		c = random_value(r, depth - 1);
		put(r, ")");
		return a ? b : c;
	case 3:
		put(r, "max(");
		a = random_value(r, depth - 1);
		put(r, ", ");
		b = random_value(r, depth - 1);
		put(r, ")");
		return a > b ? a : b;
	default:
		return random_binary(r, depth);
	}
}

static void random_expressions(void)
{
	int judged = 0;

	srand(1);
	for (int i = 0; i < 20000; i++) {
		struct random_text r = { .len = 0 };
		long long expected = random_value(&r, 1 + rand() % 6);

		/* A branch that is not taken may fail in the second evaluator alone. */
		if (r.failed)
			continue;
		judged++;
		expect_int(r.text, expected);
	}
	CHECK_MSG(judged > 5000, "only %d were judged", judged);
}

/* Without parentheses: the operators of C have the same order, so the compiler of this file is the
 * reference. */
#define SAME(text) expect_int(#text, (expr_int)(text))

static void precedence(void)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wparentheses"
#ifdef __clang__
#pragma clang diagnostic ignored "-Wlogical-op-parentheses"
#pragma clang diagnostic ignored "-Wshift-op-parentheses"
#pragma clang diagnostic ignored "-Wconstant-logical-operand"
#endif
	SAME(1 + 2 * 3 - 4 / 2 % 3);
	SAME(1 << 2 + 3 < 64 == 1 && 5 > 4 || 0);
	SAME(10 - 3 - 2 * 2 * 2 + 100 / 7 / 2);
	SAME(1 == 2 != 3 < 4);
	SAME(100 % 7 * 3);
	SAME(!0 + !5 - -3);
	SAME(1 || 0 && 0 == 1);
	SAME(2 > 1 ? 3 < 2 ? 10 : 20 : 30);
	SAME(256 >> 2 << 1);
#pragma GCC diagnostic pop
}

int main(void)
{
	RUN(integers);
	RUN(logic);
	RUN(doubles);
	RUN(functions);
	RUN(variables_and_words);
	RUN(arithmetic_refusals);
	RUN(syntax_refusals);
	RUN(limits);
	RUN(random_expressions);
	RUN(precedence);
	return check_done();
}
