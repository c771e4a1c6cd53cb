/* SPDX-License-Identifier: MIT */
/*
 * Inside of perf*.c, and for /events: which PMUs and events there are.
 *
 * Everything here may be called from any thread after perf_start(); libpfm4, which is not
 * thread-safe, is called under one lock and only ever from perf*.c. Texts are libpfm4's own and
 * live for ever.
 */
#ifndef PERF_PMU_H
#define PERF_PMU_H

#include "perf.h"

/*
 * "pmu/term=value,.../" by the files of one directory of sysfs. root is
 * /sys/bus/event_source/devices, or a copy for tests. 0, -EINVAL with a sentence in text when the
 * name has no such form or the PMU, event or term is unknown.
 */
int perf_sysfs_resolve(const char *root, const char *name, size_t len, struct launch_event *out,
		       char *text, size_t size);

/*
 * Puts value into the bits that a format file names ("config:0-7,32-35", "config1:3"). 0; -EINVAL
 * malformed; -ERANGE the value has more bits.
 */
int perf_format_put(const char *format, uint64_t value, struct launch_event *event);

/* What the list of PMUs and events is walked with; texts live until the callback returns. */
struct perf_visitor {
	int (*pmu)(void *arg, const char *name, const char *description, unsigned events);
	/* spelling is what perf_resolve() takes; NULL: events are not asked for. */
	int (*event)(void *arg, const char *pmu, const char *name, const char *spelling,
		     const char *description);
	void *arg;
};
/*
 * PMUs that libpfm4 knows and finds here; stops at and returns the first non-zero answer. Callbacks
 * must not resolve names.
 */
int perf_walk(const struct perf_visitor *visitor);
/* The same for PMUs of the kernel that have named events in sysfs, below root. */
int perf_sysfs_walk(const char *root, const struct perf_visitor *visitor);
#define PERF_SYSFS "/sys/bus/event_source/devices"

struct sfs_buf;
/* One "umask description" per line of libpfm4's event pmu::name. */
void perf_umasks(const char *pmu, const char *name, struct sfs_buf *out);

/* The sentence for a positive errno of perf_event_open(2). */
const char *perf_refusal(int error);

#endif
