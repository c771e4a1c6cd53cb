/* SPDX-License-Identifier: MIT */
/* Fuzzes expressions: compile, evaluate; the result is in range. */
#include <math.h>
#include <stdlib.h>

#include "expr.h"

static const char *const words[] = { "hot", "flush", NULL };

static int find(void *arg, const char *name, size_t len)
{
	(void)arg;
	return len == 1 && *name >= 'a' && *name <= 'd' ? *name - 'a' : -1;
}

static bool load(void *arg, unsigned slot, struct expr_value *out)
{
	(void)arg;
	*out = slot == 0   ? expr_from_int((expr_int)UINT64_MAX)
	       : slot == 1 ? expr_from_int(INT64_MIN)
			   : expr_from_real(-0.5);
	return slot < 3;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct expr_scope scope = { .find = find, .words = words };
	static const struct expr_env env = { .load = load };
	struct expr_value value;
	struct expr_error err = { 0 };
	struct expr *expr = expr_compile((const char *)data, size, &scope, &err);

	if (!expr) {
		if (err.err >= 0 || err.column < 0 || (size_t)err.column > size)
			abort();
		return 0;
	}
	if (!expr_eval(expr, &env, &value, &err)) {
		if (value.kind == EXPR_INT && (value.i < INT64_MIN || value.i > (expr_int)UINT64_MAX))
			abort();
		if (value.kind == EXPR_REAL && !isfinite(value.f))
			abort();
	} else if (err.err >= 0 || err.column < 0 || (size_t)err.column > size) {
		abort();
	}
	expr_free(expr);
	return 0;
}
