/* SPDX-License-Identifier: MIT */
/* The file result.json: one run for programs. */
#include <math.h>
#include <string.h>

#include "kernel_outcome.h"
#include "kernels.h"

/* A member of the object at hand; the comma goes before every one but the first. */
struct json {
	struct sfs_buf *buf;
	bool is_open; /* nothing stands in the object yet */
};

static void put_string(struct sfs_buf *buf, const char *text)
{
	sfs_put(buf, "\"");
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			sfs_put(buf, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			sfs_put(buf, "\\u%04x", c);
		else
			sfs_put_bytes(buf, text, 1);
	}
	sfs_put(buf, "\"");
}

static void key(struct json *json, const char *name)
{
	if (!json->is_open)
		sfs_put(json->buf, ",");
	json->is_open = false;
	put_string(json->buf, name);
	sfs_put(json->buf, ":");
}

static void text_member(struct json *json, const char *name, const char *text)
{
	key(json, name);
	put_string(json->buf, text);
}

static void count_member(struct json *json, const char *name, uint64_t value)
{
	key(json, name);
	sfs_put(json->buf, "%llu", (unsigned long long)value);
}

/* As text: readers that keep numbers in a double would round it. */
static void wide_member(struct json *json, const char *name, uint64_t value)
{
	key(json, name);
	sfs_put(json->buf, "\"%llu\"", (unsigned long long)value);
}

static void double_member(struct json *json, const char *name, double value)
{
	key(json, name);
	if (isfinite(value))
		sfs_put(json->buf, "%.17g", value);
	else
		sfs_put(json->buf, "null");
}

static void begin(struct json *json, char bracket)
{
	sfs_put(json->buf, "%c", bracket);
	json->is_open = true;
}

static void end(struct json *json, char bracket)
{
	sfs_put(json->buf, "%c", bracket);
	json->is_open = false;
}

static void put_event(struct json *json, const struct outcome_event *event)
{
	const struct measure_summary *s = &event->per_call;

	begin(json, '{');
	text_member(json, "event", event->name);
	if (event->why[0]) {
		text_member(json, "not_counted", event->why);
		end(json, '}');
		return;
	}
	text_member(json, "scope", event->in_call ? "call" : "run");
	text_member(json, "source", event->in_call ? "clock" : event->is_hardware ? "hw" : "sw");
	text_member(json, "where", event->in_call ? "inside" : "outside");
	key(json, "below_resolution");
	sfs_put(json->buf, event->is_below ? "true" : "false");
	double_member(json, "min", outcome_event_value(event, s->min));
	double_member(json, "p25", outcome_event_value(event, s->p25));
	double_member(json, "median", outcome_event_value(event, s->median));
	double_member(json, "p75", outcome_event_value(event, s->p75));
	double_member(json, "p95", outcome_event_value(event, s->p95));
	double_member(json, "max", outcome_event_value(event, s->max));
	double_member(json, "mad", s->mad);
	count_member(json, "samples", s->samples);
	double_member(json, "overhead", event->overhead);
	if (!event->in_call)
		double_member(json, "total", event->total);
	end(json, '}');
}

static void put_metrics(struct json *json, const struct outcome *out)
{
	key(json, "metrics");
	begin(json, '{');
	for (unsigned i = 0; i < out->nmetrics; i++) {
		if (!out->metrics[i].why[0])
			double_member(json, out->metrics[i].name, out->metrics[i].value);
	}
	end(json, '}');
	key(json, "not_computed");
	begin(json, '{');
	for (unsigned i = 0; i < out->nmetrics; i++) {
		if (out->metrics[i].why[0])
			text_member(json, out->metrics[i].name, out->metrics[i].why);
	}
	end(json, '}');
}

static void put_lists(struct json *json, const struct outcome *out)
{
	key(json, "events");
	begin(json, '[');
	for (unsigned i = 0; i < out->nevents; i++) {
		if (i)
			sfs_put(json->buf, ",");
		put_event(json, &out->events[i]);
	}
	end(json, ']');
	put_metrics(json, out);
	key(json, "ticks");
	begin(json, '[');
	for (uint32_t i = 0; i < out->samples; i++)
		sfs_put(json->buf, "%s%llu", i ? "," : "", (unsigned long long)out->ticks[i]);
	end(json, ']');
}

static void put_head(struct json *json, const struct outcome *out)
{
	count_member(json, "run", out->number);
	text_member(json, "status", outcome_status(out));
	text_member(json, "cause", out->cause[0] ? out->cause : "ok");
	text_member(json, "kernel", out->kernel);
	text_member(json, "function", out->function);
	text_member(json, "params", out->params);
	text_member(json, "codelet", out->codelet);
	text_member(json, "codelet_sha256", out->sha256);
	text_member(json, "tag", out->tag);
	count_member(json, "uid", out->uid);
	wide_member(json, "seed", out->seed);
	wide_member(json, "started_at_ns", out->started_at_ns);
	text_member(json, "mode", out->mode == WIRE_LATENCY ? "latency" : "throughput");
	text_member(json, "cache", out->cache == WIRE_FLUSH ? "flush" : "hot");
	text_member(json, "integrity", out->integrity);
}

static void put_numbers(struct json *json, const struct outcome *out)
{
	count_member(json, "wall_ns", out->how.wall_ns);
	count_member(json, "user_ns", out->how.user_ns);
	count_member(json, "system_ns", out->how.system_ns);
	count_member(json, "memory_peak_bytes", out->how.max_rss_bytes);
	count_member(json, "minor_faults", out->how.minor_faults);
	count_member(json, "calls", out->calls);
	count_member(json, "samples", out->samples);
	count_member(json, "batch", out->batch);
	count_member(json, "overhead_ticks", out->overhead_ticks);
	double_member(json, "integrity_slack_ns", out->slack_ns);
	double_member(json, "tsc_hz", perf_tsc_hz());
	double_member(json, "time_ns_per_call", out->ns_per_call);
	if (out->samples && out->ret_type != WIRE_VOID) {
		struct sfs_buf *number = sfs_buf_new();
		struct sfs_blob *blob;

		outcome_put_return(number, out);
		blob = sfs_buf_finish(number);
		text_member(json, "return",
			    blob ? sfs_blob_data(blob) : ""); /* text: 64 bits and NaN survive it */
		sfs_blob_put(blob);
	}
}

static void put_check(struct json *json, const struct outcome *out)
{
	static const char *const words[] = { "none", "off", "ok", "failed", "not possible" };

	key(json, "check");
	begin(json, '{');
	text_member(json, "verdict", words[out->check]);
	text_member(json, "text", out->check_text);
	count_member(json, "compared", out->verdict.compared);
	count_member(json, "different", out->verdict.different);
	if (out->verdict.compared) {
		double_member(json, "max_error", out->verdict.max_error);
		double_member(json, "tolerance", out->verdict.tolerance);
		double_member(json, "max_ulp", out->verdict.max_ulp);
		double_member(json, "scaled_error", out->verdict.scaled_error);
	}
	end(json, '}');
}

struct sfs_blob *outcome_render_json(const struct outcome *out)
{
	struct json json = { .buf = sfs_buf_new() };

	begin(&json, '{');
	put_head(&json, out);
	put_numbers(&json, out);
	put_check(&json, out);
	put_lists(&json, out);
	end(&json, '}');
	sfs_put(json.buf, "\n");
	return sfs_buf_finish(json.buf);
}
