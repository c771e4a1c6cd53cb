/* SPDX-License-Identifier: MIT */
/* What /machine says about counting: the PMUs, who may use them, the clock. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "perf_clock.h"
#include "perf_pmu.h"
#include "sandboxfs.h"

static int put_pmu(void *arg, const char *name, const char *description, unsigned events)
{
	sfs_put(arg, "pmu.%s %u events, %s\n", name, events, description);
	return 0;
}

static void put_kernel_pmus(struct sfs_buf *out)
{
	DIR *dir = opendir("/sys/bus/event_source/devices");
	struct dirent *entry;

	sfs_put(out, "kernel_pmus");
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			sfs_put(out, " %.60s", entry->d_name);
	}
	sfs_put(out, "\n");
	if (dir)
		closedir(dir);
}

static void put_paranoid(struct sfs_buf *out)
{
	char text[16] = "";
	int fd = open("/proc/sys/kernel/perf_event_paranoid", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = 0;
	text[strcspn(text, "\n")] = 0;
	sfs_put(out, "perf_event_paranoid %s\n", text[0] ? text : "unknown");
}

void perf_machine(struct sfs_buf *out)
{
	struct perf_visitor visitor = { .pmu = put_pmu, .arg = out };

	sfs_put(out, "tsc_hz %.0f\n", perf_tsc_hz());
	sfs_put(out, "tsc_hz_source %s\n", perf_tsc_source());
	sfs_put(out, "tsc_step_ticks %llu\n", (unsigned long long)perf_tsc_step());
	put_paranoid(out);
	put_kernel_pmus(out);
	perf_walk(&visitor);
}
