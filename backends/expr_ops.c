/* SPDX-License-Identifier: MIT */
/* What the operators of expressions do with two values: checked integers and finite doubles. */
#include "expr_ops.h"

#include <errno.h>
#include <math.h>

#define WHOLE_MAX 9007199254740992.0 /* 2^53: every integer up to here is a double */

typedef unsigned __int128 magnitude;

struct expr_value expr_from_int(expr_int i)
{
	return (struct expr_value){ .kind = EXPR_INT, .i = i };
}

struct expr_value expr_from_real(double f)
{
	return (struct expr_value){ .kind = EXPR_REAL, .f = f };
}

double expr_real(const struct expr_value *value)
{
	return value->kind == EXPR_REAL ? value->f : (double)value->i;
}

bool expr_true(const struct expr_value *value)
{
	return value->kind == EXPR_REAL ? value->f != 0 : value->i != 0;
}

bool expr_whole(const struct expr_value *value, expr_int *out)
{
	if (value->kind == EXPR_INT) {
		*out = value->i;
		return true;
	}
	if (value->kind != EXPR_REAL || fabs(value->f) > WHOLE_MAX || value->f != trunc(value->f))
		return false;
	*out = (expr_int)value->f;
	return true;
}

static int give_int(expr_int i, struct expr_value *out, const char **text)
{
	if (i < INT64_MIN || i > (expr_int)UINT64_MAX) {
		*text = "overflow of 64-bit integers";
		return -ERANGE;
	}
	*out = expr_from_int(i);
	return 0;
}

static int give_real(double f, struct expr_value *out, const char **text)
{
	if (isnan(f)) {
		*text = "the result is not a number";
		return -EINVAL;
	}
	if (isinf(f)) {
		*text = "overflow of doubles";
		return -ERANGE;
	}
	*out = expr_from_real(f);
	return 0;
}

static int refuse(const char *why, const char **text)
{
	*text = why;
	return -EINVAL;
}

/* Values have at most 64 bits of magnitude, so the product of two fits in 128 without a sign. */
static int multiply(expr_int a, expr_int b, struct expr_value *out, const char **text)
{
	magnitude product = (magnitude)(a < 0 ? -a : a) * (magnitude)(b < 0 ? -b : b);
	bool negative = (a < 0) != (b < 0);

	if (product > UINT64_MAX)
		return give_int((expr_int)UINT64_MAX + 1, out, text);
	return give_int(negative ? -(expr_int)product : (expr_int)product, out, text);
}

static int power(expr_int base, expr_int exponent, struct expr_value *out, const char **text)
{
	struct expr_value result = expr_from_int(1), square = expr_from_int(base);
	int err = 0;

	if (exponent < 0) {
		if (base == 0)
			return refuse("division by zero", text);
		return give_real(pow((double)base, (double)exponent), out, text);
	}
	while (exponent && !err) {
		if (exponent & 1)
			err = multiply(result.i, square.i, &result, text);
		exponent >>= 1;
		if (exponent && !err)
			err = multiply(square.i, square.i, &square, text);
	}
	if (!err)
		*out = result;
	return err;
}

static int shift(enum expr_code code, expr_int a, expr_int b, struct expr_value *out,
		 const char **text)
{
	if (b < 0 || b > 63)
		return refuse("shift by less than 0 or more than 63 bits", text);
	if (code == OP_SHL)
		return multiply(a, (expr_int)1 << b, out, text);
	*out = expr_from_int(a >>
			     /* of a negative number: rounds down, as gcc and clang define it */
			     b);
	return 0;
}

static expr_int divide_up(expr_int a, expr_int b)
{
	expr_int quotient = a / b;

	return quotient + (a % b != 0 && (a < 0) == (b < 0));
}

static int apply_int(enum expr_code code, expr_int a, expr_int b, struct expr_value *out,
		     const char **text)
{
	if ((code == OP_DIV || code == OP_MOD || code == OP_CEILDIV) && b == 0)
		return refuse("division by zero", text);
	switch (code) {
	case OP_ADD:
		return give_int(a + b, out, text);
	case OP_SUB:
		return give_int(a - b, out, text);
	case OP_MUL:
		return multiply(a, b, out, text);
	case OP_DIV:
		return give_int(a / b, out, text);
	case OP_MOD:
		return give_int(a % b, out, text);
	case OP_CEILDIV:
		return give_int(divide_up(a, b), out, text);
	case OP_POW:
		return power(a, b, out, text);
	case OP_ALIGN:
		if (a < 0 || b <= 0)
			return refuse("align wants a number >= 0 and a multiple > 0", text);
		return multiply(divide_up(a, b), b, out, text);
	default:
		return shift(code, a, b, out, text);
	}
}

static int apply_real(enum expr_code code, double a, double b, struct expr_value *out,
		      const char **text)
{
	if ((code == OP_DIV && b == 0) || (code == OP_POW && a == 0 && b < 0))
		return refuse("division by zero", text);
	switch (code) {
	case OP_ADD:
		return give_real(a + b, out, text);
	case OP_SUB:
		return give_real(a - b, out, text);
	case OP_MUL:
		return give_real(a * b, out, text);
	case OP_DIV:
		return give_real(a / b, out, text);
	case OP_POW:
		return give_real(pow(a, b), out, text);
	default:
		return refuse("needs integers", text);
	}
}

/* -1, 0 or 1. A long double holds every integer and every double exactly. */
static int order(const struct expr_value *a, const struct expr_value *b)
{
	long double x = a->kind == EXPR_REAL ? (long double)a->f : (long double)a->i;
	long double y = b->kind == EXPR_REAL ? (long double)b->f : (long double)b->i;

	return (x > y) - (x < y);
}

static bool compare(enum expr_code code, int sign)
{
	switch (code) {
	case OP_EQ:
		return sign == 0;
	case OP_NE:
		return sign != 0;
	case OP_LT:
		return sign < 0;
	case OP_LE:
		return sign <= 0;
	case OP_GT:
		return sign > 0;
	default:
		return sign >= 0;
	}
}

static int apply_one(enum expr_code code, const struct expr_value *a, struct expr_value *out,
		     const char **text)
{
	double f = expr_real(a);

	switch (code) {
	case OP_TRUTH:
		*out = expr_from_int(expr_true(a));
		return 0;
	case OP_NOT:
		*out = expr_from_int(!expr_true(a));
		return 0;
	case OP_NEG:
		return a->kind == EXPR_INT ? give_int(-a->i, out, text) : give_real(-f, out, text);
	case OP_ABS:
		return a->kind == EXPR_INT ? give_int(a->i < 0 ? -a->i : a->i, out, text)
					   : give_real(fabs(f), out, text);
	case OP_LOG2:
		if (f <= 0)
			return refuse("log2 wants a number > 0", text);
		return give_real(log2(f), out, text);
	default:
		if (f < 0)
			return refuse("sqrt wants a number >= 0", text);
		return give_real(sqrt(f), out, text);
	}
}

static bool takes_one(enum expr_code code)
{
	return code == OP_TRUTH || code == OP_NOT || code == OP_NEG || code == OP_ABS ||
	       code == OP_LOG2 || code == OP_SQRT;
}

int expr_apply(enum expr_code code, const struct expr_value *a, const struct expr_value *b,
	       struct expr_value *out, const char **text)
{
	bool one = takes_one(code);

	if (a->kind == EXPR_WORD || (!one && b->kind == EXPR_WORD))
		return refuse("a word is no number", text);
	if (one)
		return apply_one(code, a, out, text);
	if (code >= OP_EQ && code <= OP_GE) {
		*out = expr_from_int(compare(code, order(a, b)));
		return 0;
	}
	if (code == OP_MIN || code == OP_MAX) {
		*out = (order(a, b) <= 0) == (code == OP_MIN) ? *a : *b;
		return 0;
	}
	if (a->kind == EXPR_INT && b->kind == EXPR_INT)
		return apply_int(code, a->i, b->i, out, text);
	return apply_real(code, expr_real(a), expr_real(b), out, text);
}
