/* SPDX-License-Identifier: MIT */
/* The inside of a specification: shared by the files that read, bind, fill and check one. */
#ifndef KERNELSPEC_PRIV_H
#define KERNELSPEC_PRIV_H

#include "expr.h"
#include "kernelref.h"
#include "kernelspec.h"
#include "parse.h"

#define SPEC_NAME_MAX     31
#define SPEC_LETS_MAX     32
#define SPEC_REQUIRES_MAX 16
#define SPEC_VALUES_MAX   16
#define SPEC_SWEEPS_MAX   8
#define SPEC_EVENTS_MAX   32 /* names that metrics use */
#define SPEC_ALIGN_MAX    4096

/* Where the names of expressions live. */
enum {
	SLOT_PARAM = 0,
	SLOT_SEED = SPEC_PARAMS_MAX,
	SLOT_LET = 64,
	SLOT_CHECK = 128, /* enum check_name */
	SLOT_COUNT = 160, /* enum spec_count */
	SLOT_EVENT = 192,
};
enum check_name { NAME_REF_ABS, NAME_EPS, NAME_REF, NAME_N, CHECK_NAMES };
enum spec_count { COUNT_FLOP, COUNT_READ, COUNT_WRITTEN, COUNT_ITEMS, SPEC_COUNTS };
enum name_kind { NAMES_NONE, NAMES_PLAIN, NAMES_CHECK, NAMES_METRIC };

extern const char *const spec_count_names[]; /* by enum spec_count, then NULL */
extern const char *const spec_type_names[];  /* by enum spec_type, then NULL */

/* An expression with its text and place; expr is NULL while it was not given. */
struct formula {
	struct expr *expr; /* owned */
	char *text;        /* owned */
	int line;
};

struct param_row {
	struct spec_param pub;
	int type; /* enum spec_type, -1 */
	int line;
	struct formula value, min, max; /* value: the default */
	unsigned nvalues;
	struct expr_value values[SPEC_VALUES_MAX];
};

struct let_row {
	char name[SPEC_NAME_MAX + 1];
	struct formula value;
};

enum init_kind {
	INIT_ZERO,
	INIT_CONST,
	INIT_IOTA,
	INIT_UNIFORM,
	INIT_NORMAL,
	INIT_RANDOM,
	INIT_PERM,
	INIT_CHASE,
	INIT_DATA,
	INIT_TEXT,
	INIT_COPY,
	INIT_GRID,
};

struct buffer_row {
	char name[SPEC_NAME_MAX + 1];
	int line;
	int type;   /* enum spec_type, -1 */
	int access; /* enum spec_access less one, -1 */
	int guard;  /* enum spec_guard */
	int pages;  /* 0: 4k, 1: 2m */
	int init;   /* enum init_kind */
	int source; /* INIT_COPY: the buffer whose bytes it repeats */
	struct formula count, align, offset, seed, reset, cache, init_args[2];
};

enum arg_kind { ARG_SCALAR, ARG_PTR, ARG_FN };

struct arg_row {
	enum arg_kind kind;
	enum spec_type type;  /* ARG_SCALAR */
	unsigned buffer;      /* ARG_PTR: its index; ARG_FN: enum wire_fn */
	struct formula value; /* ARG_SCALAR; ARG_PTR: bytes to add, or not given */
};

enum spec_returns {
	RETURNS_VOID,
	RETURNS_F32,
	RETURNS_F64,
	RETURNS_I32,
	RETURNS_U32,
	RETURNS_I64,
	RETURNS_U64,
	RETURNS_PTR
};
enum tolerance_kind { TOLERANCE_EXACT, TOLERANCE_ULP, TOLERANCE_EXPR };

#define COMPARE_RET (-1)

struct check_row {
	int line;
	const struct reference *reference; /* NULL: none */
	char codelet[160];
	unsigned nargs;
	int arg_buffers[REF_ARGS_MAX]; /* -1: a number, in arg_values */
	struct formula arg_values[REF_ARGS_MAX];
	unsigned ncompare;
	int compare[SPEC_COMPARE_MAX]; /* a buffer's index or COMPARE_RET */
	enum tolerance_kind tolerance_kind;
	struct formula tolerance;
	struct formula when;
	int nan_equal;
};

struct metric_row {
	char name[SPEC_NAME_MAX + 1];
	struct formula value;
};

struct spec {
	char name[SPEC_NAME_MAX + 1], space[SPEC_NAME_MAX + 1], function[128], summary[160];
	int returns; /* enum spec_returns */
	unsigned nparams, nlets, nrequires, nbuffers, nargs, nmetrics, nsweeps, nevents;
	struct param_row *params; /* owned: only as many as there are, since one is large */
	struct let_row lets[SPEC_LETS_MAX], requires[SPEC_REQUIRES_MAX];
	struct buffer_row buffers[SPEC_BUFFERS_MAX];
	struct arg_row args[WIRE_ARGS_MAX];
	struct check_row check;
	struct formula counts[SPEC_COUNTS];
	struct metric_row metrics[SPEC_METRICS_MAX];
	char events[SPEC_EVENTS_MAX][SPEC_NAME_MAX + 1];
	struct spec_defaults defaults;
	int mode; /* as in the file: latency, throughput, both; -1 */
	int tsc;  /* allow, deny */
	int aggregate;
	struct formula cache;
};

/* One key of the file with its value, continuation lines and repetitions joined. */
struct entry {
	int line;
	char *section; /* owned; these three */
	char *key;
	char *value;
};

#define ENTRIES_MAX 512
#define VALUE_MAX   4096

/* A specification under construction. */
struct builder {
	struct spec *spec;
	struct spec_error *err;
	unsigned nentries;
	struct entry *entries;    /* owned, room for ENTRIES_MAX */
	unsigned nparams_visible; /* to the expression that is being compiled */
	unsigned nlets_visible;
	enum name_kind names;
	const char *const *words;
};

/* Notes the refusal "line N: ..." unless one is noted, and returns err. */
int spec_refuse(struct builder *b, int line, int err, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* A row of a section's table. */
struct spec_key {
	const char *name;
	int (*set)(struct builder *b, const struct entry *e, const struct spec_key *key,
		   void *item);
	size_t offset, size; /* of the field in the item */
	const char *const *words;
	int64_t min, max;
	bool list; /* repetitions are joined by commas */
};

struct spec_section {
	const char *name;
	const struct spec_key *keys;                        /* NULL: any name is a key */
	void *(*item)(struct spec *spec, const char *name); /* NULL: the specification itself */
	int (*declare)(struct builder *b, const struct entry *e,
		       const char *name); /* sections and keys that make names */
	int (*any)(struct builder *b,
		   const struct entry *e); /* a key when keys is NULL, or is not in keys */
	int (*finish)(struct builder *b);  /* after its entries: what is missing */
	bool named;                        /* [NAME.something] */
};

extern const struct spec_section
	spec_sections[]; /* in the order in which they are understood; ends with { 0 } */

/* Setters for rows. */
int spec_set_text(struct builder *b, const struct entry *e, const struct spec_key *key, void *item);
int spec_set_choice(struct builder *b, const struct entry *e, const struct spec_key *key,
		    void *item);
int spec_set_number(struct builder *b, const struct entry *e, const struct spec_key *key,
		    void *item);
int spec_set_formula(struct builder *b, const struct entry *e, const struct spec_key *key,
		     void *item);

int formula_compile(struct builder *b, const struct entry *e, const char *text, size_t len,
		    struct formula *out);
void formula_free(struct formula *f);

struct spec *spec_new(void); /* empty; NULL: out of memory */

int spec_find_param(const struct spec *spec, const char *name, size_t len);
int spec_find_buffer(const struct spec *spec, const char *name, size_t len);

/* Sections that have a file of their own. */
extern const struct spec_key spec_buffer_keys[], spec_call_keys[], spec_check_keys[];
void *spec_buffer_item(struct spec *spec, const char *name);
int spec_declare_buffer(struct builder *b, const struct entry *e, const char *name);
int spec_finish_buffers(struct builder *b);
int spec_finish_check(struct builder *b);
int spec_sweep(struct builder *b, const struct entry *e);

/* ---- bound ----------------------------------------------------------------------------------- */

struct buffer_bound {
	struct expr_value args[2]; /* of init */
	uint64_t seed;
};

/* What a bound specification keeps for fill, check and metrics. */
struct bound_priv {
	struct expr_value lets[SPEC_LETS_MAX];
	struct buffer_bound buffers[SPEC_BUFFERS_MAX];
	struct ref_arg ref_args[REF_ARGS_MAX];
};

/* Where an expression finds its values. */
struct bound_env {
	const struct spec_bound *bound;
	const struct bound_priv *priv;
	uint32_t unknown;                /* a bit for each parameter that has no value */
	const struct expr_value *check;  /* CHECK_NAMES of them, or NULL */
	const struct expr_value *counts; /* SPEC_COUNTS of them, or NULL; a word: not known */
	bool (*value_of)(void *arg, const char *name, double *out);
	void *arg;
};

bool bound_load(void *env, unsigned slot, struct expr_value *out);
/* Evaluates; the refusal begins with what, a phrase. */
int bound_eval(const struct bound_env *env, const struct formula *f, const char *what,
	       struct expr_value *out, struct spec_error *err);
/* Notes a refusal at bind and returns code. */
int bound_refuse(struct spec_error *err, int code, int column, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Are the bounds and defaults such that a run without words can have them? */
int judge_params(struct builder *b);
int bind_params(const struct spec_word *words, unsigned nwords, struct spec_bound *out,
		struct spec_error *err);
int bind_buffers(uint64_t memory_max, struct spec_bound *out, struct spec_error *err);
int bind_call(struct spec_bound *out, struct spec_error *err);
int bind_check(struct spec_bound *out, struct spec_error *err);

/* Turns a value into one of that type: 0, -EINVAL (no whole number, no truth value) or -ERANGE. */
int spec_convert(enum spec_type type, const struct expr_value *value, struct expr_value *out);

/* Are the arguments of init such that spec_fill() cannot fail? */
int fill_judge(const struct spec_bound *bound, unsigned buffer, struct spec_error *err);

#endif
