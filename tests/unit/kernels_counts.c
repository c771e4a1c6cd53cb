/* SPDX-License-Identifier: MIT */
/* What was counted in a run becomes what one call of its function costs: what the run costs by itself is taken off. */
#include <stdlib.h>

#include "check.h"
#include "kernel_outcome.h"

static const char text[] = "[kernel]\nname = k\nfunction = f\nreturns = void\n[call]\nargs =\n";

static struct template template;
static struct run run;
static struct outcome out;

static const struct launch_event clock_event = { .type = PERF_TYPE_SOFTWARE,
						 .config = PERF_COUNT_SW_TASK_CLOCK };

/* A run of ten calls with one counter, task-clock, which counts 900 in an empty run. */
static bool set_up(uint64_t counted)
{
	struct spec_error err = { 0 };
	int rc;

	memset(&template, 0, sizeof(template));
	memset(&run, 0, sizeof(run));
	memset(&out, 0, sizeof(out));
	run.spec = kernel_spec_new(text, sizeof(text) - 1, "k", &rc);
	if (!run.spec || spec_bind(run.spec->spec, NULL, 0, 1 << 20, &run.bound, &err))
		return false;
	run.template = &template;
	template.bases[0].event = run.order.events[0] = clock_event;
	template.bases[0].value = 900;
	template.nbases = run.order.nevents = run.how.nevents = 1;
	run.how.counts[0].value = counted;
	run.options.events.count = 1;
	run.options.events.names[0] =
		(struct perf_name){ .name = "task-clock", .event = clock_event, .is_time = true };
	out.calls = 10;
	return true;
}

static void tear_down(void)
{
	spec_unbind(&run.bound);
	kernel_spec_put(run.spec);
}

static void an_empty_runs_count_is_subtracted(void)
{
	REQUIRE(set_up(2900));
	kernel_statistics(&run, &out);
	CHECK_INT(out.nevents, 1);
	CHECK_STR(out.events[0].why, "");
	CHECK_DOUBLE(out.events[0].total, 2000);
	CHECK_DOUBLE(out.events[0].overhead, 900);
	CHECK_DOUBLE(out.events[0].per_call.median, 200);
	CHECK(!out.events[0].is_below && !out.events[0].by_usage);
	tear_down();
}

static void less_than_an_empty_run_is_nothing(void)
{
	REQUIRE(set_up(800));
	kernel_statistics(&run, &out);
	CHECK_DOUBLE(out.events[0].total, 0);
	CHECK(out.events[0].is_below);
	tear_down();
}

static void what_was_not_counted_says_why(void)
{
	REQUIRE(set_up(2900));
	run.options.events.names[0].event.type = PERF_TYPE_HARDWARE;
	run.how.counts[0].error = -2;
	kernel_statistics(&run, &out);
	CHECK(out.events[0].why[0] != 0);
	CHECK(!out.events[0].by_usage);
	tear_down();
}

/* The whole process less that of an empty run. */
static void what_perf_cannot_count_is_told_by_the_wait(void)
{
	REQUIRE(set_up(0));
	strcpy(run.refused[0], "not here");
	run.how.user_ns = 5000;
	run.how.system_ns = 2000;
	template.usage.cpu_ns = 4000;
	kernel_statistics(&run, &out);
	CHECK_STR(out.events[0].why, "");
	CHECK(out.events[0].by_usage);
	CHECK_DOUBLE(out.events[0].total, 3000);
	CHECK_DOUBLE(out.events[0].overhead, 4000);
	CHECK_DOUBLE(out.events[0].per_call.median, 300);
	tear_down();
}

int main(void)
{
	RUN(an_empty_runs_count_is_subtracted);
	RUN(less_than_an_empty_run_is_nothing);
	RUN(what_was_not_counted_says_why);
	RUN(what_perf_cannot_count_is_told_by_the_wait);
	return check_done();
}
