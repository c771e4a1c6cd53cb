/* SPDX-License-Identifier: MIT */
/* Event names to attributes: aliases, libpfm4, and the files of sysfs in a copy made here. */
/* single-threaded */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "perf.h"
#include "perf_clock.h"
#include "perf_pmu.h"

static char text[256];

static int resolve(const char *name, struct perf_name *out)
{
	text[0] = 0;
	return perf_resolve(name, strlen(name), out, text, sizeof(text));
}

static void clocks(void)
{
	struct perf_name name;

	CHECK_INT(resolve("tsc", &name), 0);
	CHECK(name.is_clock && !name.is_software);
	CHECK_INT(resolve("time_ns", &name), 0);
	CHECK(name.is_clock);
}

static void software(void)
{
	struct perf_name name;

	CHECK_INT(resolve("task-clock", &name), 0);
	CHECK(name.is_time && name.is_software && !name.is_clock);
	CHECK_INT(name.event.type, PERF_TYPE_SOFTWARE);
	CHECK_INT(name.event.config, PERF_COUNT_SW_TASK_CLOCK);
	CHECK_INT(resolve("page-faults", &name), 0);
	CHECK_INT(name.event.config, PERF_COUNT_SW_PAGE_FAULTS);
	CHECK_INT(name.event.exclude_kernel, 1);
	CHECK_INT(resolve("context-switches", &name), 0);
	CHECK_INT(name.event.exclude_kernel, 0);
	CHECK_INT(resolve("PERF_COUNT_SW_CONTEXT_SWITCHES", &name), 0);
	CHECK_INT(name.event.exclude_kernel, 0);
	CHECK_INT(resolve("perf::PERF_COUNT_SW_PAGE_FAULTS", &name), 0);
	CHECK_INT(name.event.config, PERF_COUNT_SW_PAGE_FAULTS);
}

static void hardware(void)
{
	struct perf_name name, upper;

	CHECK_INT(resolve("cycles", &name), 0);
	CHECK_INT(resolve("PERF_COUNT_HW_CPU_CYCLES", &upper), 0);
	CHECK_INT(name.event.type, upper.event.type);
	CHECK_INT(name.event.config, upper.event.config);
	CHECK_INT(upper.event.exclude_kernel, 1);
}

static void second_question_is_answered_alike(void)
{
	struct perf_name first, second;

	CHECK_INT(resolve("instructions", &first), 0);
	CHECK_INT(resolve("instructions", &second), 0);
	CHECK_MEM(&first, &second, sizeof(first));
}

static void refusals(void)
{
	static const char *const bad[] = { "", "nonsense", "cycles:bogus", "no such", "mem::x", "/", "//", "tsc/",
					   "nopmu/tsc/", "../etc/x/", "a\n", NULL };
	struct perf_name name;
	char longer[200];

	for (int i = 0; bad[i]; i++) {
		CHECK_MSG(resolve(bad[i], &name) == -EINVAL, "'%s' is taken", bad[i]);
		CHECK_MSG(text[0], "'%s' has no sentence", bad[i]);
	}
	resolve("nonsense", &name);
	CHECK_HAS(text, "'nonsense'");
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	CHECK_INT(resolve(longer, &name), -EINVAL);
}

static void formats(void)
{
	struct launch_event event = { 0 };

	CHECK_INT(perf_format_put("config:0-7", 0xab, &event), 0);
	CHECK_INT(event.config, 0xab);
	CHECK_INT(perf_format_put("config:8-15", 0x1, &event), 0);
	CHECK_INT(event.config, 0x1ab);
	CHECK_INT(perf_format_put("config:0-7,32-35", 0xfcd, &event), 0);
	CHECK_INT(event.config, 0xf000001cdll);
	CHECK_INT(perf_format_put("config1:3", 1, &event), 0);
	CHECK_INT(event.config1, 8);
	CHECK_INT(perf_format_put("config2:0-63", UINT64_MAX, &event), 0);
	CHECK(event.config2 == UINT64_MAX);
	CHECK_INT(perf_format_put("config:0-7", 0x100, &event), -ERANGE);
	CHECK_INT(perf_format_put("config:7-0", 1, &event), -EINVAL);
	CHECK_INT(perf_format_put("config:0-64", 1, &event), -EINVAL);
	CHECK_INT(perf_format_put("config", 1, &event), -EINVAL);
	CHECK_INT(perf_format_put("config:", 1, &event), -EINVAL);
	CHECK_INT(perf_format_put("config:0-7,", 1, &event), -EINVAL);
	CHECK_INT(perf_format_put("config:0-7x", 1, &event), -EINVAL);
	CHECK_INT(perf_format_put("other:0-7", 1, &event), -EINVAL);
}

static void put_file(const char *root, const char *name, const char *content)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	if (!strcmp(content, "/")) {
		CHECK_INT(mkdir(path, 0700), 0);
		return;
	}
	file = fopen(path, "w");
	REQUIRE(file);
	fputs(content, file);
	fclose(file);
}

static int sysfs(const char *root, const char *name, struct launch_event *out)
{
	text[0] = 0;
	return perf_sysfs_resolve(root, name, strlen(name), out, text, sizeof(text));
}

static void sysfs_files(void)
{
	char root[] = "/tmp/perf-names-XXXXXX", command[64];
	struct launch_event event;

	REQUIRE(mkdtemp(root));
	put_file(root, "cpu", "/");
	put_file(root, "cpu/type", "4\n");
	put_file(root, "cpu/format", "/");
	put_file(root, "cpu/format/event", "config:0-7\n");
	put_file(root, "cpu/format/umask", "config:8-15\n");
	put_file(root, "cpu/format/any", "config:21\n");
	put_file(root, "cpu/events", "/");
	put_file(root, "cpu/events/cpu-cycles", "event=0x3c\n");
	put_file(root, "cpu/events/loop", "loop\n");
	CHECK_INT(sysfs(root, "cpu/cpu-cycles/", &event), 0);
	CHECK_INT(event.type, 4);
	CHECK_INT(event.config, 0x3c);
	CHECK_INT(event.exclude_kernel, 1);
	CHECK_INT(sysfs(root, "cpu/event=0xc0,umask=0x1,any/", &event), 0);
	CHECK_INT(event.config, 0x2001c0);
	CHECK_INT(sysfs(root, "cpu/config=0x1234,config1=7/", &event), 0);
	CHECK_INT(event.config, 0x1234);
	CHECK_INT(event.config1, 7);
	CHECK_INT(sysfs(root, "cpu/loop/", &event), -EINVAL);
	CHECK_INT(sysfs(root, "cpu/event=0x100/", &event), -EINVAL);
	CHECK_INT(sysfs(root, "cpu/event=zz/", &event), -EINVAL);
	CHECK_INT(sysfs(root, "cpu/bogus=1/", &event), -EINVAL);
	CHECK_HAS(text, "'bogus'");
	CHECK_INT(sysfs(root, "gpu/x/", &event), -EINVAL);
	CHECK_HAS(text, "'gpu'");
	snprintf(command, sizeof(command), "rm -r %s", root);
	CHECK_INT(system(command), 0);
}

static void clock_rate(void)
{
	CHECK_MSG(perf_tsc_hz() > 1e8 && perf_tsc_hz() < 1e10, "%f", perf_tsc_hz());
	CHECK(perf_tsc_step() >= 1 && perf_tsc_step() < 10000);
}

static int count_pmu(void *arg, const char *name, const char *description, unsigned events)
{
	(void)description;
	(void)events;
	*(int *)arg += !strcmp(name, "perf");
	return 0;
}

static void perf_is_always_a_pmu(void)
{
	int found = 0;
	struct perf_visitor visitor = { .pmu = count_pmu, .arg = &found };

	CHECK_INT(perf_walk(&visitor), 0);
	CHECK_INT(found, 1);
}

int main(void)
{
	if (perf_start())
		return 1;
	RUN(clocks);
	RUN(software);
	RUN(hardware);
	RUN(second_question_is_answered_alike);
	RUN(refusals);
	RUN(formats);
	RUN(sysfs_files);
	RUN(clock_rate);
	RUN(perf_is_always_a_pmu);
	return check_done();
}
