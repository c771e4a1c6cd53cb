/* SPDX-License-Identifier: MIT */
/*
 * Counters on a run: perf events of a white list, opened by the one process that may.
 */
#include "launcher_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FORBIDDEN_MAX 4

/* PMUs whose config is a pointer into the opener's memory, or that stop the kernel somewhere. */
static const char *const forbidden_pmus[FORBIDDEN_MAX] = { "kprobe", "uprobe", "tracepoint",
							   "breakpoint" };
static uint32_t forbidden[FORBIDDEN_MAX];

void count_start(void)
{
	for (int i = 0; i < FORBIDDEN_MAX; i++) {
		char path[80], text[16] = "";
		(void)snprintf(path, sizeof path, "/sys/bus/event_source/devices/%s/type",
			       forbidden_pmus[i]);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (read(fd, text, sizeof text - 1) > 0)
			forbidden[i] = (uint32_t)strtoul(text, NULL, 10);
		(void)close(fd);
	}
}

static bool listed(const struct launch_event *event)
{
	switch (event->type) {
	case PERF_TYPE_HARDWARE:
	case PERF_TYPE_SOFTWARE:
	case PERF_TYPE_HW_CACHE:
	case PERF_TYPE_RAW:
		return true;
	case PERF_TYPE_TRACEPOINT:
	case PERF_TYPE_BREAKPOINT:
		return false;
	}
	for (int i = 0; i < FORBIDDEN_MAX; i++)
		if (forbidden[i] && forbidden[i] == event->type)
			return false;
	return event->exclude_kernel != 0;
}

static int open_event(const struct launch_event *event, pid_t pid, bool exclude_kernel)
{
	struct perf_event_attr attr = {
		.type = event->type,
		.size = sizeof attr,
		.config = event->config,
		.config1 = event->config1,
		.config2 = event->config2,
		.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
		.disabled = 1,
		.exclude_kernel = exclude_kernel,
		.exclude_hv = 1,
	};
	long fd = syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

/*
 * The first software event of a kind has the kernel patch its own code on every processor, and
 * closing the last one patches it back: tens of microseconds each. One that counts nothing, kept
 * open for good, spares every run that.
 */
static void keep_patched(const struct launch_event *event)
{
	static bool kept[PERF_COUNT_SW_MAX];

	if (event->type != PERF_TYPE_SOFTWARE || event->config >= PERF_COUNT_SW_MAX ||
	    kept[event->config])
		return;
	kept[event->config] = true;
	(void)open_event(event, 0, event->exclude_kernel != 0);
}

int count_open(const struct launch_event *event, pid_t pid)
{
	if (!listed(event))
		return -EACCES;
	keep_patched(event);
	int fd = open_event(event, pid, event->exclude_kernel != 0);
	/* Some PMUs (msr) cannot tell the kernel apart, and have nothing to hide either. */
	if (fd == -EINVAL && event->exclude_kernel)
		fd = open_event(event, pid, false);
	return fd;
}

void count_enable(int fd)
{
	(void)ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
}

int count_read(int fd, struct launch_count *out)
{
	uint64_t values[3];

	if (read(fd, values, sizeof values) != (ssize_t)sizeof values)
		return -EIO;
	out->value = values[0];
	out->enabled_ns = values[1];
	out->running_ns = values[2];
	return 0;
}
