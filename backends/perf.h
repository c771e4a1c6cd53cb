/* SPDX-License-Identifier: MIT */
/*
 * Event names: libpfm4 spelling, and pmu/event,config=.../ for PMUs that it does not know, to what
 * the launcher opens.
 */
#ifndef PERF_SFS_H
#define PERF_SFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "launch.h"

struct perf_name {
	char name[128]; /* as the user wrote it */
	struct launch_event event;
	bool is_time; /* task-clock, cpu-clock: the value is in ns */
	bool is_software;
	bool is_clock; /* tsc, time_ns: measured in the run by its own clock, no perf event */
};

/* Once, before threads use perf_resolve: 0 or -errno. */
int perf_start(void);
/* 0; -EINVAL: no such event, with a sentence in text that quotes the name. */
int perf_resolve(const char *name, size_t len, struct perf_name *out, char *text, size_t size);
/*
 * "ok", or why it cannot be counted here: "no such event on this machine (ENOENT)". Tries to open
 * it (launch_event_works).
 */
const char *perf_works(const struct perf_name *name, bool *works_out);
/* Lines for /machine: PMUs present, perf_event_paranoid, tsc_hz. */
struct sfs_buf;
void perf_machine(struct sfs_buf *out);
/* of this machine; measured against CLOCK_MONOTONIC_RAW when the kernel does not tell; 0: no TSC */
double perf_tsc_hz(void);

#endif
