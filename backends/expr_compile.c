/* SPDX-License-Identifier: MIT */
/* Compiling the text of an expression: precedence climbing, in one pass. */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expr.h"
#include "expr_ops.h"
#include "parse.h"

#define PRECEDENCE_MIN 1

struct compiler {
	const char *text, *p, *end;
	const struct expr_scope *scope;
	struct expr_error *err;
	struct expr *expr; /* owned, room for EXPR_OPS_MAX */
	unsigned nesting;  /* of the recursion */
	unsigned depth;    /* of the stack when the program has come here */
};

static const struct {
	const char *text; /* a longer one before its prefix */
	enum expr_code code;
	int precedence;
} operators[] = {
	{ "||", OP_JUMP_TRUE, 1 }, { "&&", OP_JUMP_FALSE, 2 },
	{ "==", OP_EQ, 3 },        { "!=", OP_NE, 3 },
	{ "<<", OP_SHL, 5 },       { ">>", OP_SHR, 5 },
	{ "<=", OP_LE, 4 },        { ">=", OP_GE, 4 },
	{ "<", OP_LT, 4 },         { ">", OP_GT, 4 },
	{ "+", OP_ADD, 6 },        { "-", OP_SUB, 6 },
	{ "*", OP_MUL, 7 },        { "/", OP_DIV, 7 },
	{ "%", OP_MOD, 7 },        { 0 },
};

static const struct {
	const char *name;
	enum expr_code code;
	unsigned least, most; /* arguments */
} functions[] = {
	{ "min", OP_MIN, 2, EXPR_ARGS_MAX },
	{ "max", OP_MAX, 2, EXPR_ARGS_MAX },
	{ "align", OP_ALIGN, 2, 2 },
	{ "ceildiv", OP_CEILDIV, 2, 2 },
	{ "log2", OP_LOG2, 1, 1 },
	{ "sqrt", OP_SQRT, 1, 1 },
	{ "abs", OP_ABS, 1, 1 },
	{ 0 },
};

static const struct {
	const char *name;
	unsigned size;
} types[] = {
	{ "u8", 1 },  { "u16", 2 }, { "u32", 4 }, { "u64", 8 }, { "i8", 1 },   { "i16", 2 },
	{ "i32", 4 }, { "i64", 8 }, { "f32", 4 }, { "f64", 8 }, { "bool", 1 }, { 0 },
};

static int compile_ternary(struct compiler *c);

static int fail(struct compiler *c, int err, const char *at, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static int fail(struct compiler *c, int err, const char *at, const char *format, ...)
{
	va_list args;

	c->err->err = err;
	c->err->column = (int)(at - c->text);
	va_start(args, format);
	vsnprintf(c->err->text, sizeof(c->err->text), format, args);
	va_end(args);
	return err;
}

static void skip_space(struct compiler *c)
{
	while (c->p < c->end && parse_is_space(*c->p))
		c->p++;
}

/* Is literal next? Steps over it. */
static bool take(struct compiler *c, const char *literal)
{
	size_t len = strlen(literal);

	skip_space(c);
	if ((size_t)(c->end - c->p) < len || memcmp(c->p, literal, len) != 0)
		return false;
	c->p += len;
	return true;
}

/* Adds an instruction and keeps count of the stack; the new one is zeroed but for its code and
 * place. */
static int emit(struct compiler *c, enum expr_code code, const char *at, int pushes,
		struct expr_op **out)
{
	struct expr_op *op = &c->expr->ops[c->expr->count];

	if (c->expr->count == EXPR_OPS_MAX)
		return fail(c, -E2BIG, at, "the expression has more than %d operations",
			    EXPR_OPS_MAX);
	if (pushes > 0 && c->depth == EXPR_STACK_MAX)
		return fail(c, -E2BIG, at, "the expression is nested too deep");
	assert(pushes >= 0 || c->depth >= (unsigned)-pushes);
	memset(op, 0, sizeof(*op));
	op->code = (uint8_t)code;
	op->column = (uint32_t)(at - c->text);
	c->expr->count++;
	c->depth = (unsigned)((int)c->depth + pushes);
	if (out)
		*out = op;
	return 0;
}

static int emit_const(struct compiler *c, const char *at, struct expr_value value)
{
	struct expr_op *op = NULL;
	int err = emit(c, OP_CONST, at, 1, &op);

	if (!err)
		op->value = value;
	return err;
}

static int emit_apply(struct compiler *c, enum expr_code code, const char *at, unsigned nargs)
{
	struct expr_op *op = NULL;
	int err = emit(c, code, at, 1 - (int)nargs, &op);

	if (!err)
		op->nargs = (uint8_t)nargs;
	return err;
}

/* Emits a jump whose target is set later by land(). */
static int emit_jump(struct compiler *c, enum expr_code code, const char *at, unsigned *index)
{
	*index = c->expr->count;
	return emit(c, code, at, code == OP_JUMP ? 0 : -1, NULL);
}

static void land(struct compiler *c, unsigned index)
{
	c->expr->ops[index].target = (uint16_t)c->expr->count;
}

static int enter(struct compiler *c)
{
	if (++c->nesting > EXPR_NESTING_MAX)
		return fail(c, -E2BIG, c->p, "nested more than %d deep", EXPR_NESTING_MAX);
	return 0;
}

static void leave(struct compiler *c)
{
	c->nesting--;
}

static bool is_number_char(const char *start, const char *p)
{
	if (parse_is_name_char(*p) || *p == '.')
		return true;
	/* A sign belongs to the number after the e of 1e-9, but not after that of 0x1e. */
	return (*p == '-' || *p == '+') && p > start && (p[-1] == 'e' || p[-1] == 'E') &&
	       !(start[0] == '0' && (start[1] == 'x' || start[1] == 'X'));
}

static int compile_number(struct compiler *c)
{
	const char *start = c->p;
	uint64_t whole;
	double real;
	size_t len;
	int err;

	while (c->p < c->end && is_number_char(start, c->p))
		c->p++;
	len = (size_t)(c->p - start);
	err = parse_u64(start, len, &whole);
	if (!err)
		return emit_const(c, start, expr_from_int((expr_int)whole));
	if (err == -EINVAL && !parse_double(start, len, &real))
		return emit_const(c, start, expr_from_real(real));
	return fail(c, err, start,
		    err == -ERANGE ? "number too large: '%.*s'" : "not a number: '%.*s'",
		    (int)(len < 40 ? len : 40), start);
}

static int find_function(const char *name, size_t len)
{
	for (int i = 0; functions[i].name; i++)
		if (parse_equal(name, len, functions[i].name))
			return i;
	return -1;
}

unsigned expr_type_size(const char *name, size_t len)
{
	for (int i = 0; types[i].name; i++)
		if (parse_equal(name, len, types[i].name))
			return types[i].size;
	return 0;
}

bool expr_is_builtin(const char *name, size_t len)
{
	return expr_type_size(name, len) || find_function(name, len) >= 0;
}

static int compile_call(struct compiler *c, int function, const char *at)
{
	unsigned nargs = 0;
	int err;

	if (!take(c, "("))
		return fail(c, -EINVAL, c->p, "expected '(' after '%s'", functions[function].name);
	do {
		if (nargs == functions[function].most)
			return fail(c, -EINVAL, c->p, "too many arguments for '%s'",
				    functions[function].name);
		err = compile_ternary(c);
		if (err)
			return err;
		nargs++;
	} while (take(c, ","));
	if (!take(c, ")"))
		return fail(c, -EINVAL, c->p, "expected ')' or ',' in the arguments of '%s'",
			    functions[function].name);
	if (nargs < functions[function].least)
		return fail(c, -EINVAL, at, "too few arguments for '%s'", functions[function].name);
	return emit_apply(c, functions[function].code, at, nargs);
}

static int emit_load(struct compiler *c, const char *name, size_t len, int slot)
{
	struct expr_op *op = NULL;
	int err = emit(c, OP_LOAD, name, 1, &op);

	if (err)
		return err;
	op->load.slot = (unsigned)slot;
	snprintf(op->load.name, sizeof(op->load.name), "%.*s", (int)len, name);
	return 0;
}

static int compile_name(struct compiler *c)
{
	const char *name = c->p;
	int slot, function, word;
	size_t len;

	while (c->p < c->end && parse_is_name_char(*c->p))
		c->p++;
	len = (size_t)(c->p - name);
	function = find_function(name, len);
	if (function >= 0)
		return compile_call(c, function, name);
	if (expr_type_size(name, len))
		return emit_const(c, name, expr_from_int(expr_type_size(name, len)));
	slot = c->scope && c->scope->find && len <= PARSE_NAME_MAX
		       ? c->scope->find(c->scope->arg, name, len)
		       : -1;
	if (slot >= 0)
		return emit_load(c, name, len, slot);
	word = c->scope && c->scope->words ? parse_choice(name, len, c->scope->words) : -1;
	if (word >= 0)
		return emit_const(c, name, (struct expr_value){ .kind = EXPR_WORD, .word = word });
	return fail(c, -EINVAL, name, "unknown name '%.*s'", (int)(len < 40 ? len : 40), name);
}

static int compile_primary(struct compiler *c)
{
	const char *at;
	int err;

	skip_space(c);
	at = c->p;
	if (c->p == c->end)
		return fail(c, -EINVAL, at, "expected a value at the end");
	if (take(c, "(")) {
		err = compile_ternary(c);
		if (!err && !take(c, ")"))
			err = fail(c, -EINVAL, c->p, "expected ')'");
		return err;
	}
	if (parse_is_name_start(*c->p))
		return compile_name(c);
	if (parse_is_name_char(*c->p) || *c->p == '.')
		return compile_number(c);
	return fail(c, -EINVAL, at, "expected a value, not '%.1s'", at);
}

/* Unary operators, then power: its left side is a primary, so that -2^2 is -4; its right side may
 * have a sign. */
static int compile_unary(struct compiler *c)
{
	const char *at;
	int err = enter(c);

	if (err)
		return err;
	skip_space(c);
	at = c->p;
	if (take(c, "-") || take(c, "!")) {
		err = compile_unary(c);
		if (!err)
			err = emit_apply(c, *at == '-' ? OP_NEG : OP_NOT, at, 1);
	} else {
		err = compile_primary(c);
		skip_space(c);
		at = c->p;
		if (!err && take(c, "^")) {
			err = compile_unary(c);
			if (!err)
				err = emit_apply(c, OP_POW, at, 2);
		}
	}
	leave(c);
	return err;
}

/* The operator that is next, stepped over, or -1 when there is none that binds at least so tight.
 */
static int take_operator(struct compiler *c, int precedence)
{
	skip_space(c);
	for (int i = 0; operators[i].text; i++) {
		const char *start = c->p;

		if (!take(c, operators[i].text))
			continue;
		if (operators[i].precedence >= precedence)
			return i;
		c->p = start;
		return -1;
	}
	return -1;
}

static int compile_binary(struct compiler *c, int precedence);

/* The right side of || and &&, which runs only when the left side leaves the answer open. */
static int compile_logic(struct compiler *c, int index, const char *at)
{
	enum expr_code jump = operators[index].code;
	unsigned decided, done;
	int err = emit_jump(c, jump, at, &decided);

	if (!err)
		err = compile_binary(c, operators[index].precedence + 1);
	if (!err)
		err = emit_apply(c, OP_TRUTH, at, 1);
	if (!err)
		err = emit_jump(c, OP_JUMP, at, &done);
	if (err)
		return err;
	land(c, decided);
	c->depth--;
	err = emit_const(c, at, expr_from_int(jump == OP_JUMP_TRUE));
	if (!err)
		land(c, done);
	return err;
}

static int compile_binary(struct compiler *c, int precedence)
{
	int err = compile_unary(c);

	while (!err) {
		const char *at;
		int index;

		skip_space(c);
		at = c->p;
		index = take_operator(c, precedence);
		if (index < 0)
			return 0;
		if (operators[index].code == OP_JUMP_TRUE ||
		    operators[index].code == OP_JUMP_FALSE) {
			err = compile_logic(c, index, at);
			continue;
		}
		err = compile_binary(c, operators[index].precedence + 1);
		if (!err)
			err = emit_apply(c, operators[index].code, at, 2);
	}
	return err;
}

static int compile_branches(struct compiler *c, const char *at)
{
	unsigned otherwise, done;
	int err = emit_jump(c, OP_JUMP_FALSE, at, &otherwise);

	if (!err)
		err = compile_ternary(c);
	if (!err && !take(c, ":"))
		err = fail(c, -EINVAL, c->p, "expected ':' of the '?'");
	if (!err)
		err = emit_jump(c, OP_JUMP, at, &done);
	if (err)
		return err;
	land(c, otherwise);
	c->depth--;
	err = compile_ternary(c);
	if (!err)
		land(c, done);
	return err;
}

static int compile_ternary(struct compiler *c)
{
	const char *at;
	int err = enter(c);

	if (err)
		return err;
	err = compile_binary(c, PRECEDENCE_MIN);
	skip_space(c);
	at = c->p;
	if (!err && take(c, "?"))
		err = compile_branches(c, at);
	leave(c);
	return err;
}

static int compile_all(struct compiler *c)
{
	int err;

	if (c->end - c->text > EXPR_TEXT_MAX)
		return fail(c, -E2BIG, c->text, "an expression has at most %d bytes",
			    EXPR_TEXT_MAX);
	err = compile_ternary(c);
	skip_space(c);
	if (!err && c->p < c->end)
		err = fail(c, -EINVAL, c->p, "expected an operator, not '%.*s'",
			   (int)(c->end - c->p < 20 ? c->end - c->p : 20), c->p);
	return err;
}

struct expr *expr_compile(const char *text, size_t len, const struct expr_scope *scope,
			  struct expr_error *err)
{
	struct compiler c = {
		.text = text, .p = text, .end = text + len, .scope = scope, .err = err
	};
	struct expr *small;

	c.expr = malloc(sizeof(*c.expr) + EXPR_OPS_MAX * sizeof(c.expr->ops[0]));
	if (!c.expr) {
		fail(&c, -ENOMEM, text, "out of memory");
		return NULL;
	}
	c.expr->count = 0;
	if (compile_all(&c)) {
		free(c.expr);
		return NULL;
	}
	small = realloc(c.expr, sizeof(*c.expr) + c.expr->count * sizeof(c.expr->ops[0]));
	return small ?: c.expr;
}
