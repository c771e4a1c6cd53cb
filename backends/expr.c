/* SPDX-License-Identifier: MIT */
/* Evaluating the program of an expression. */
#include "expr.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "expr_ops.h"

struct machine {
	const struct expr *expr;
	const struct expr_env *env;
	struct expr_error *err;
	unsigned depth; /* bounded by EXPR_STACK_MAX: the compiler has counted */
	struct expr_value stack[EXPR_STACK_MAX];
};

static int fail(struct machine *m, const struct expr_op *op, int err, const char *text)
{
	m->err->err = err;
	m->err->column = (int)op->column;
	snprintf(m->err->text, sizeof(m->err->text), "%s", text);
	return err;
}

static int load(struct machine *m, const struct expr_op *op)
{
	if (m->env && m->env->load(m->env->arg, op->load.slot, &m->stack[m->depth])) {
		m->depth++;
		return 0;
	}
	m->err->err = -ENODATA;
	m->err->column = (int)op->column;
	snprintf(m->err->text, sizeof(m->err->text), "'%s' is not known", op->load.name);
	return -ENODATA;
}

static int apply(struct machine *m, const struct expr_op *op)
{
	unsigned first = m->depth - op->nargs;
	const char *text = "";
	int err;

	assert(m->depth >= op->nargs && op->nargs > 0);
	if (op->nargs == 1) {
		err = expr_apply(op->code, &m->stack[first], NULL, &m->stack[first], &text);
	} else {
		err = 0;
		for (unsigned i = first + 1; i < m->depth && !err; i++)
			err = expr_apply(op->code, &m->stack[first], &m->stack[i], &m->stack[first],
					 &text);
	}
	m->depth = first + 1;
	return err ? fail(m, op, err, text) : 0;
}

/* Runs one instruction; *pc has been moved past it and is set by jumps. */
static int step(struct machine *m, const struct expr_op *op, unsigned *pc)
{
	switch (op->code) {
	case OP_CONST:
		m->stack[m->depth++] = op->value;
		return 0;
	case OP_LOAD:
		return load(m, op);
	case OP_JUMP:
		*pc = op->target;
		return 0;
	case OP_JUMP_FALSE:
	case OP_JUMP_TRUE:
		m->depth--;
		if (m->stack[m->depth].kind == EXPR_WORD)
			return fail(m, op, -EINVAL, "a word is no condition");
		if (expr_true(&m->stack[m->depth]) == (op->code == OP_JUMP_TRUE))
			*pc = op->target;
		return 0;
	default:
		return apply(m, op);
	}
}

int expr_eval(const struct expr *expr, const struct expr_env *env, struct expr_value *out,
	      struct expr_error *err)
{
	struct machine m;
	unsigned pc = 0;

	m.expr = expr;
	m.env = env;
	m.err = err;
	m.depth = 0;
	while (pc < expr->count) {
		const struct expr_op *op = &expr->ops[pc++];
		int rc = step(&m, op, &pc);

		if (rc)
			return rc;
	}
	assert(m.depth == 1);
	*out = m.stack[0];
	return 0;
}

void expr_free(struct expr *expr)
{
	free(expr);
}
