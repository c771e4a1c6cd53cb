/* SPDX-License-Identifier: MIT */
/*
 * Counters, and a histogram of latencies for each operation: buckets an eighth of a power of two
 * wide, added to atomically.
 */
#include "stats.h"
#include "ledger.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define SUB_BITS 3
#define BUCKETS  (64 << SUB_BITS)

static const char *const op_names[STATS_OPS] = {
	[OP_LOOKUP] = "lookup",   [OP_GETATTR] = "getattr", [OP_SETATTR] = "setattr",
	[OP_MKDIR] = "mkdir",     [OP_RMDIR] = "rmdir",     [OP_UNLINK] = "unlink",
	[OP_RENAME] = "rename",   [OP_CREATE] = "create",   [OP_OPEN] = "open",
	[OP_READ] = "read",       [OP_WRITE] = "write",     [OP_FLUSH] = "flush",
	[OP_RELEASE] = "release", [OP_OPENDIR] = "opendir", [OP_READDIR] = "readdir",
	[OP_STATFS] = "statfs",   [OP_ACCESS] = "access",   [OP_OTHER] = "other",
};

static atomic_uint_fast64_t op_counts[STATS_OPS];
static atomic_uint_fast64_t backend_counts[SFS_STATS];
static atomic_uint_fast64_t refused, interrupted;
static atomic_uint_fast64_t histogram[STATS_OPS][BUCKETS];

static _Thread_local uint64_t began_ns;
static _Thread_local enum stats_op began_op;

static void add(atomic_uint_fast64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t get(atomic_uint_fast64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* The position of the highest bit, then the SUB_BITS bits below it. */
static unsigned bucket_of(uint64_t ns)
{
	unsigned top;

	if (ns < (1 << SUB_BITS))
		return (unsigned)ns;
	top = 63 - (unsigned)__builtin_clzll(ns);
	return ((top - SUB_BITS + 1) << SUB_BITS) +
	       (unsigned)((ns >> (top - SUB_BITS)) & ((1 << SUB_BITS) - 1));
}

/* The smallest value that falls into a bucket. */
static uint64_t bucket_floor(unsigned bucket)
{
	unsigned group = bucket >> SUB_BITS;
	uint64_t sub = bucket & ((1 << SUB_BITS) - 1);

	return group ? ((UINT64_C(1) << SUB_BITS) + sub) << (group - 1) : sub;
}

void stats_begin(enum stats_op op)
{
	add(&op_counts[op], 1);
	began_op = op;
	began_ns = sfs_now_ns();
}

void stats_end(bool failed)
{
	if (failed)
		add(&refused, 1);
	if (began_ns)
		add(&histogram[began_op][bucket_of(sfs_now_ns() - began_ns)], 1);
	began_ns = 0;
}

void stats_interrupted(void)
{
	add(&interrupted, 1);
}

void sfs_stat_add(enum sfs_stat which, uint64_t n)
{
	add(&backend_counts[which], n);
}

static uint64_t percentile(const uint64_t *counts, uint64_t total, unsigned per_mille)
{
	uint64_t rank = (total * per_mille + 999) / 1000, seen = 0;
	unsigned i;

	for (i = 0; total && i < BUCKETS; i++) {
		seen += counts[i];
		if (seen >= rank)
			return bucket_floor(i);
	}
	return 0;
}

struct percentile {
	const char *name;
	unsigned per_mille;
};

/* Adds up the answers to one kind of operation. */
static void count_op(unsigned op, uint64_t counts[BUCKETS])
{
	unsigned i;

	for (i = 0; i < BUCKETS; i++)
		counts[i] += get(&histogram[op][i]);
}

/* Keys begin with latency_ and the name of an operation, if any, with its underline. */
static void show_percentiles(const char *op, const uint64_t counts[BUCKETS],
			     const struct percentile *wanted, struct sfs_buf *out)
{
	uint64_t total = 0;
	char key[48];
	unsigned i;

	for (i = 0; i < BUCKETS; i++)
		total += counts[i];
	for (; wanted->name; wanted++) {
		snprintf(key, sizeof(key), "latency_%s%s_ns", op, wanted->name);
		sfs_put_count(out, key, percentile(counts, total, wanted->per_mille));
	}
}

static void show_latency(struct sfs_buf *out)
{
	static const struct percentile of_all[] = { { "p50", 500 },  { "p90", 900 },
						    { "p99", 990 },  { "p999", 999 },
						    { "max", 1000 }, { 0 } };
	static const struct percentile of_one[] = {
		{ "p50", 500 }, { "p90", 900 }, { "p99", 990 }, { "max", 1000 }, { 0 }
	};
	static const enum stats_op ops[] = { OP_LOOKUP, OP_GETATTR, OP_OPEN,   OP_READ,
					     OP_WRITE,  OP_FLUSH,   OP_CREATE, OP_MKDIR,
					     OP_RMDIR,  OP_UNLINK,  OP_RENAME, OP_READDIR };
	uint64_t counts[BUCKETS] = { 0 };
	char name[24];
	unsigned i;

	for (i = OP_NONE; i < STATS_OPS; i++)
		count_op(i, counts);
	show_percentiles("", counts, of_all, out);
	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		memset(counts, 0, sizeof(counts));
		count_op(ops[i], counts);
		snprintf(name, sizeof(name), "%s_", op_names[ops[i]]);
		show_percentiles(name, counts, of_one, out);
	}
}

void stats_show(struct sfs_buf *out)
{
	static const char *const keys[SFS_STATS] = { "runs", "runs_failed", "loads",
						     "loads_failed" };
	uint64_t total = 0;
	char key[32];
	unsigned i;

	for (i = OP_NONE + 1; i < STATS_OPS; i++)
		total += get(&op_counts[i]);
	sfs_put_count(out, "operations", total);
	for (i = OP_NONE + 1; i < STATS_OPS; i++) {
		snprintf(key, sizeof(key), "op_%s", op_names[i]);
		sfs_put_count(out, key, get(&op_counts[i]));
	}
	sfs_put_count(out, "operations_failed", get(&refused));
	sfs_put_count(out, "interrupted", get(&interrupted));
	for (i = 0; i < SFS_STATS; i++)
		sfs_put_count(out, keys[i], get(&backend_counts[i]));
	sfs_put_count(out, "replacements", ledger_replacements());
	show_latency(out);
}
