/* SPDX-License-Identifier: MIT */
/*
 * Counters and latency histograms: buckets an eighth of a power of two wide, added to atomically.
 */
#include "stats.h"
#include "ledger.h"

#include <stdatomic.h>
#include <stdio.h>

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
static atomic_uint_fast64_t histogram[BUCKETS];

static _Thread_local uint64_t began_ns;

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
	began_ns = sfs_now_ns();
}

void stats_end(bool failed)
{
	if (failed)
		add(&refused, 1);
	if (began_ns)
		add(&histogram[bucket_of(sfs_now_ns() - began_ns)], 1);
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

static void show_latency(struct sfs_buf *out)
{
	static const struct {
		const char *key;
		unsigned per_mille;
	} wanted[] = { { "latency_p50_ns", 500 },
		       { "latency_p90_ns", 900 },
		       { "latency_p99_ns", 990 },
		       { "latency_p999_ns", 999 },
		       { "latency_max_ns", 1000 } };
	uint64_t counts[BUCKETS], total = 0;
	unsigned i;

	for (i = 0; i < BUCKETS; i++)
		total += counts[i] = get(&histogram[i]);
	for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		sfs_put_count(out, wanted[i].key, percentile(counts, total, wanted[i].per_mille));
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
