/* SPDX-License-Identifier: MIT */
/* The program of an expression: shared by its compiler and its evaluator, and by nobody else. */
#ifndef EXPR_OPS_H
#define EXPR_OPS_H

#include "expr.h"

enum expr_code {
	OP_CONST, /* push consts */
	OP_LOAD,  /* push the name's value */
	OP_JUMP,
	OP_JUMP_FALSE, /* pop; jump if zero */
	OP_JUMP_TRUE,  /* pop; jump if not zero */
	OP_TRUTH,      /* pop; push 0 or 1 */
	OP_NOT,
	OP_NEG,
	OP_EQ,
	OP_NE,
	OP_LT,
	OP_LE,
	OP_GT,
	OP_GE,
	OP_SHL,
	OP_SHR,
	OP_ADD,
	OP_SUB,
	OP_MUL,
	OP_DIV,
	OP_MOD,
	OP_POW,
	OP_MIN,
	OP_MAX,
	OP_ALIGN,
	OP_CEILDIV,
	OP_LOG2,
	OP_SQRT,
	OP_ABS,
};

struct expr_op {
	uint8_t code;    /* enum expr_code */
	uint8_t nargs;   /* OP_MIN, OP_MAX */
	uint16_t target; /* of a jump */
	uint32_t column; /* where its operator or name stands */
	union {
		struct expr_value value; /* OP_CONST */
		struct {
			unsigned slot; /* OP_LOAD */
			char name[32]; /* for the sentence when it has no value */
		} load;
	};
};

struct expr {
	unsigned count;
	struct expr_op ops[];
};

/* a op b, or op(a, b); b is unused by functions of one argument. 0 or -errno with a sentence in
 * text. */
int expr_apply(enum expr_code code, const struct expr_value *a, const struct expr_value *b,
	       struct expr_value *out, const char **text);

#endif
