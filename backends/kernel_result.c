/* SPDX-License-Identifier: MIT */
/* The file result: one run in flat keyed lines. */
#include <math.h>
#include <string.h>

#include "kernel_outcome.h"
#include "kernels.h"

static const char *const check_words[] = {
	[CHECK_NONE] = "none",
	[CHECK_OFF] = "off",
	[CHECK_PASSED] = "ok",
	[CHECK_FAILED] = "failed",
	[CHECK_IMPOSSIBLE] = "not possible",
};

static void put_number(struct sfs_buf *buf, const char *key, uint64_t value)
{
	sfs_put(buf, "%s %llu\n", key, (unsigned long long)value);
}

static void put_double(struct sfs_buf *buf, const char *key, double value)
{
	if (isfinite(value))
		sfs_put(buf, "%s %.6g\n", key, value);
}

void outcome_put_return(struct sfs_buf *buf, const struct outcome *out)
{
	uint32_t low = (uint32_t)out->ret;
	double d;
	float f;

	memcpy(&f, &low, sizeof(f));
	memcpy(&d, &out->ret, sizeof(d));
	if (out->ret_type == WIRE_RET_F32)
		sfs_put(buf, "%.9g", (double)f);
	else if (out->ret_type == WIRE_RET_F64)
		sfs_put(buf, "%.17g", d);
	else
		sfs_put(buf, "%llu", (unsigned long long)out->ret);
}

static void put_head(struct sfs_buf *buf, const struct outcome *out)
{
	put_number(buf, "run", out->number);
	sfs_put(buf, "status %s\ncause %s\n", outcome_status(out),
		out->cause[0] ? out->cause : "ok");
	if (out->rc)
		sfs_put(buf, "errno %s\n", strerrorname_np(-out->rc) ?: "EIO");
	sfs_put(buf, "kernel %s\nfunction %s\nparams %s\n", out->kernel, out->function,
		out->params);
	sfs_put(buf, "codelet %s\ncodelet_sha256 %s\n", out->codelet, out->sha256);
	put_number(buf, "uid", out->uid);
	put_number(buf, "seed", out->seed);
	if (out->tag[0])
		sfs_put(buf, "tag %s\n", out->tag);
	put_number(buf, "started_at_ns", out->started_at_ns);
	sfs_put(buf, "mode %s\ncache %s\n", out->mode == WIRE_LATENCY ? "latency" : "throughput",
		out->cache == WIRE_FLUSH ? "flush" : "hot");
	if (out->cpu >= 0)
		sfs_put(buf, "cpu %d\n", out->cpu);
}

static void put_outside(struct sfs_buf *buf, const struct launch_exit *how)
{
	put_number(buf, "wall_ns", how->wall_ns);
	put_number(buf, "user_ns", how->user_ns);
	put_number(buf, "system_ns", how->system_ns);
	put_number(buf, "memory_peak_bytes", how->max_rss_bytes);
	put_number(buf, "minor_faults", how->minor_faults);
	put_number(buf, "major_faults", how->major_faults);
	put_number(buf, "voluntary_switches", how->voluntary_switches);
	put_number(buf, "forced_switches", how->forced_switches);
}

static void put_measured(struct sfs_buf *buf, const struct outcome *out)
{
	double tick_ns = 1e9 / perf_tsc_hz();

	put_number(buf, "calls", out->calls);
	put_number(buf, "samples", out->samples);
	put_number(buf, "batch", out->batch);
	put_number(buf, "warmup", out->warmup);
	put_number(buf, "overhead_ticks", out->overhead_ticks);
	sfs_put(buf, "overhead_ns %.1f\n", (double)out->overhead_ticks * tick_ns);
	if (isfinite(out->ns_per_call))
		sfs_put(buf, "time_ns_per_call %.3f\n", out->ns_per_call);
	else
		sfs_put(buf, "time_ns_per_call below_resolution\n");
	put_number(buf, "heap_bytes", out->arena_used);
	if (out->ret_type != WIRE_VOID) {
		sfs_put(buf, "return ");
		outcome_put_return(buf, out);
		sfs_put(buf, "\n");
	}
	if (out->output_dropped)
		put_number(buf, "output_not_kept_bytes", out->output_dropped);
}

static void put_check(struct sfs_buf *buf, const struct outcome *out)
{
	sfs_put(buf, "check %s", check_words[out->check]);
	if (out->check == CHECK_FAILED || out->check == CHECK_IMPOSSIBLE)
		sfs_put(buf, ": %s", out->check_text);
	sfs_put(buf, "\n");
	if (!out->verdict.compared)
		return;
	put_number(buf, "check_compared", out->verdict.compared);
	put_number(buf, "check_different", out->verdict.different);
	put_double(buf, "check_max_error", out->verdict.max_error);
	put_double(buf, "check_tolerance", out->verdict.tolerance);
	put_double(buf, "check_max_ulp", out->verdict.max_ulp);
	put_double(buf, "check_scaled_error", out->verdict.scaled_error);
}

/* What the function has left changed though the calling convention has it preserved. */
static void put_abi(struct sfs_buf *buf, uint32_t bits)
{
	static const char *const names[] = { "registers", "stack",  "flags", "mxcsr",
					     "x87",       "thread", NULL };

	if (!bits)
		return;
	sfs_put(buf, "abi_violations");
	for (unsigned i = 0; names[i]; i++) {
		if (bits >> i & 1)
			sfs_put(buf, " %s", names[i]);
	}
	sfs_put(buf, "\n");
}

/* Those that a specification names carry it already. */
const char *outcome_metric_prefix(const struct spec_metric *metric)
{
	return strncmp(metric->name, "metric.", 7) ? "metric." : "";
}

static void put_events(struct sfs_buf *buf, const struct outcome *out)
{
	for (unsigned i = 0; i < out->nevents; i++) {
		const struct outcome_event *event = &out->events[i];

		if (event->why[0]) {
			sfs_put(buf, "not_counted.%s %s\n", event->name, event->why);
			continue;
		}
		if (event->in_call)
			continue;
		if (event->by_usage)
			sfs_put(buf, "source.%s getrusage\n", event->name);
		sfs_put(buf, "total.%s ", event->name);
		outcome_put_value(buf, event->total);
		sfs_put(buf, "\n");
		if (event->running < 0.999)
			sfs_put(buf, "multiplexed.%s %.3f\n", event->name, event->running);
	}
}

static void put_metrics(struct sfs_buf *buf, const struct outcome *out)
{
	for (unsigned i = 0; i < out->nmetrics; i++) {
		const struct spec_metric *metric = &out->metrics[i];
		const char *prefix = outcome_metric_prefix(metric);

		if (metric->why[0])
			sfs_put(buf, "not_computed.%s%s %s\n", prefix, metric->name, metric->why);
		else
			sfs_put(buf, "%s%s %.6g\n", prefix, metric->name, metric->value);
	}
}

struct sfs_blob *outcome_render_result(const struct outcome *out)
{
	struct sfs_buf *buf = sfs_buf_new();

	put_head(buf, out);
	put_outside(buf, &out->how);
	sfs_put(buf, "integrity %s\n", out->integrity[0] ? out->integrity : "not judged");
	if (out->slack_ns > 0)
		sfs_put(buf, "integrity_slack_ns %.0f\n", out->slack_ns);
	if (out->remeasured)
		put_number(buf, "remeasured", out->remeasured);
	if (out->samples) {
		put_measured(buf, out);
		put_check(buf, out);
		put_abi(buf, out->abi);
		put_events(buf, out);
		put_metrics(buf, out);
	}
	return sfs_buf_finish(buf);
}
