/* SPDX-License-Identifier: MIT */
/*
 * Expressions of kernel specifications: text compiled once into a small program, evaluated without
 * allocation.
 *
 * Values are integers from -2^63 to 2^64-1 (any result outside is an error, never wrapped), doubles
 * (an infinite or undefined result is an error) and, where the scope says so, words. Operators,
 * loosest first:
 *
 *   ?:   ||   &&   == !=   < <= > >=   << >>   + -   * / %   unary - !   ^
 *
 * Binary ones group to the left, ?: and ^ to the right. ^ is power: -2^2 is -4, 2^-24 is a double,
 * 2^3^2 is 512. With two integers / truncates and % has the sign of the dividend; one double makes
 * the operation one of doubles; %, << and >> want integers; comparisons and logic give 0 or 1, and
 * ?: || && evaluate only what they need. Functions: min max (two or more) align(x, a) (up to a
 * multiple of a), ceildiv(a, b), log2 sqrt (doubles), abs. The names of types are their sizes.
 *
 * A struct expr is constant after expr_compile() and may be used by many threads.
 */
#ifndef EXPR_H
#define EXPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPR_TEXT_MAX 65536 /* bytes of an expression */
#define EXPR_OPS_MAX  512   /* instructions of its program */
#define EXPR_NESTING_MAX                                                                           \
	64 /* parentheses, unary operators, powers and conditions inside of each other */
#define EXPR_STACK_MAX 64 /* values that wait for their operator */
#define EXPR_ARGS_MAX  8  /* of min and max */

typedef __int128 expr_int; /* wide enough for the sum of any two values */

enum expr_kind { EXPR_INT, EXPR_REAL, EXPR_WORD };

struct expr_value {
	enum expr_kind kind;
	int word;   /* EXPR_WORD: index in the scope's words */
	expr_int i; /* EXPR_INT: from INT64_MIN to UINT64_MAX */
	double f;   /* EXPR_REAL: finite */
};

struct expr_error {
	/*
	 * -EINVAL; -ERANGE: overflow; -E2BIG: too long or too deep; -ENOMEM; -ENODATA: a name has
	 * no value now
	 */
	int err;
	int column;     /* in the expression, from 0 */
	char text[160]; /* without the column */
};

/* The names that an expression may use. */
struct expr_scope {
	int (*find)(void *arg, const char *name,
		    size_t len); /* a slot >= 0, or -1: unknown. NULL: there are none */
	void *arg;
	const char *const *words; /* words that are values; NULL: none */
};

/* Their values. */
struct expr_env {
	bool (*load)(void *arg, unsigned slot,
		     struct expr_value *out); /* false: has no value now */
	void *arg;
};

struct expr;

struct expr *expr_compile(const char *text, size_t len, const struct expr_scope *scope,
			  struct expr_error *err);
void expr_free(struct expr *expr); /* NULL allowed */

/* 0, or err->err. env: NULL when the scope had no names. */
int expr_eval(const struct expr *expr, const struct expr_env *env, struct expr_value *out,
	      struct expr_error *err);

struct expr_value expr_from_int(expr_int i);
struct expr_value expr_from_real(double f);
double expr_real(const struct expr_value *value); /* of an integer or a double */
bool expr_true(const struct expr_value *value);   /* not zero */
/* An integer, or a double that is one: false otherwise. */
bool expr_whole(const struct expr_value *value, expr_int *out);
/* Is name a type or a function of the language? Nothing else may be called so. */
bool expr_is_builtin(const char *name, size_t len);
/* Size of the type that is called so; 0: none is. */
unsigned expr_type_size(const char *name, size_t len);

#endif
