/* SPDX-License-Identifier: MIT */
/*
 * From ticks and counter values to net values per call, and from those to the specification's
 * metrics.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_outcome.h"
#include "kernels.h"
#include "perf_clock.h"
#include "perf_pmu.h"

/* Ticks of one call, sorted and summed up. */
static bool summarise_ticks(const struct outcome *out, struct measure_summary *summary,
			    bool *below_out)
{
	double *values = malloc(2 * sizeof(*values) * (out->samples ? out->samples : 1));
	int ignored = 0;

	if (!values)
		return false;
	for (uint32_t i = 0; i < out->samples; i++)
		values[i] =
			measure_net(out->ticks[i], out->overhead_ticks, out->batch, 0, &ignored);
	measure_summarise(values, out->samples, values + out->samples, summary);
	free(values);
	*below_out = summary->median * out->batch < (double)perf_tsc_step();
	return true;
}

static void take_clock(const struct outcome *out, const struct perf_name *name,
		       const struct measure_summary *ticks, struct outcome_event *event)
{
	double unit = strcmp(name->name, "tsc") ? 1e9 / perf_tsc_hz() : 1;

	event->in_call = true;
	event->per_call = *ticks;
	event->running = 1;
	event->overhead = (double)out->overhead_ticks * unit;
	event->least = (double)perf_tsc_step() / out->batch * unit;
	measure_scale(&event->per_call, unit);
}

static void set_total(struct outcome_event *event, const struct outcome *out, double value,
		      double base)
{
	double net = value > base ? value - base : 0;

	event->total = net;
	event->overhead = base;
	net /= (double)(out->calls ? out->calls : 1);
	event->per_call = (struct measure_summary){ net, net, net, net, net, net, 0, net, 1 };
}

static void take_counter(const struct run *run, const struct outcome *out, unsigned index,
			 struct outcome_event *event)
{
	const struct launch_count *count = &run->how.counts[index];
	const struct launch_event *what = &run->order.events[index];
	const uint64_t *base = template_base(run->template, what);

	event->is_hardware = what->type != PERF_TYPE_SOFTWARE;
	if (index >= run->how.nevents || count->error) {
		snprintf(event->why, sizeof(event->why), "%s",
			 index < run->how.nevents ? perf_refusal(abs(count->error))
						  : "it was not counted");
		return;
	}
	event->running =
		count->enabled_ns ? (double)count->running_ns / (double)count->enabled_ns : 1;
	if (count->enabled_ns && !count->running_ns) {
		snprintf(event->why, sizeof(event->why),
			 "all counters of the processor were in use");
		return;
	}
	set_total(event, out, (double)count->value, base ? (double)*base : 0);
}

/* What perf may not count here the kernel has kept for the wait: of the whole process, and coarser. */
static void take_usage(const struct run *run, const struct outcome *out,
		       const struct perf_name *name, struct outcome_event *event)
{
	struct kernel_usage used = kernel_usage_of(&run->how), base = run->template->usage;

	if (name->is_clock || name->event.type != PERF_TYPE_SOFTWARE)
		return;
	switch (name->event.config) {
	case PERF_COUNT_SW_TASK_CLOCK:
		set_total(event, out, (double)used.cpu_ns, (double)base.cpu_ns);
		break;
	case PERF_COUNT_SW_PAGE_FAULTS:
		set_total(event, out, (double)(used.minor_faults + used.major_faults),
			  (double)(base.minor_faults + base.major_faults));
		break;
	case PERF_COUNT_SW_PAGE_FAULTS_MIN:
		set_total(event, out, (double)used.minor_faults, (double)base.minor_faults);
		break;
	case PERF_COUNT_SW_PAGE_FAULTS_MAJ:
		set_total(event, out, (double)used.major_faults, (double)base.major_faults);
		break;
	default:
		return;
	}
	event->running = 1;
	event->by_usage = true;
	event->why[0] = '\0';
}

static void take_event(const struct run *run, struct outcome *out, unsigned i,
		       const struct measure_summary *ticks, bool is_below)
{
	const struct perf_name *name = &run->options.events.names[i];
	struct outcome_event *event = &out->events[i];

	memcpy(event->name, name->name, sizeof(event->name));
	if (run->refused[i][0]) {
		snprintf(event->why, sizeof(event->why), "%s", run->refused[i]);
	} else if (name->is_clock) {
		take_clock(out, name, ticks, event);
		event->is_below = is_below;
	} else {
		take_counter(run, out, (unsigned)run->counter[i], event);
	}
	if (event->why[0])
		take_usage(run, out, name, event);
	if (!name->is_clock)
		event->is_below = name->is_time && !event->why[0] && event->total <= 0;
}

struct known { /* what metrics may be made of */
	const struct run *run;
	const struct outcome *out;
	double seconds; /* 0: below the clock's resolution */
};

static bool value_of(void *arg, const char *name, double *value_out)
{
	const struct known *known = arg;
	const char *aggregate = known->run->spec->defaults.aggregate;

	if (!strcmp(name, "seconds")) {
		*value_out = known->seconds;
		return known->seconds > 0;
	}
	for (unsigned i = 0; i < known->out->nevents; i++) {
		const struct outcome_event *event = &known->out->events[i];

		if (strcmp(event->name, name) || event->why[0] || event->is_below)
			continue;
		*value_out =
			outcome_event_value(event, measure_aggregate(&event->per_call, aggregate));
		return !isnan(*value_out);
	}
	return false;
}

void kernel_statistics(const struct run *run, struct outcome *out)
{
	struct measure_summary ticks;
	struct known known = { .run = run, .out = out };
	bool is_below = false;

	if (!summarise_ticks(out, &ticks, &is_below))
		return;
	out->nevents = run->options.events.count;
	for (unsigned i = 0; i < out->nevents; i++)
		take_event(run, out, i, &ticks, is_below);
	known.seconds = measure_aggregate(&ticks, run->spec->defaults.aggregate) / perf_tsc_hz();
	if (is_below || known.seconds * perf_tsc_hz() * out->batch < (double)perf_tsc_step())
		known.seconds = 0;
	out->ns_per_call = is_below ? NAN : ticks.median * 1e9 / perf_tsc_hz();
	out->nmetrics =
		spec_metrics(&run->bound, value_of, &known, out->metrics, KERNEL_METRICS_MAX);
}
