/* SPDX-License-Identifier: MIT */
/*
 * From an event's name to what the launcher opens: aliases, libpfm4, and a cache of what has been
 * asked before.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launch.h"
#define __PERFMON_PERF_EVENT_H__ /* the kernel's own header defines the same structures */
#include <perfmon/pfmlib.h>
#include <perfmon/pfmlib_perf_event.h>

#include "perf.h"
#include "perf_pmu.h"
#include "sandboxfs.h"

#define CACHE_MAX 512 /* names remembered; later ones are looked up each time */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct perf_name cache[CACHE_MAX]; /* under lock */
static unsigned cached;                   /* under lock */
static bool started;                      /* set before there are threads */

/*
 * Names that mean the same wherever there is a kernel; libpfm4 spells software events in capitals
 * only.
 */
static const struct {
	const char *name;
	uint32_t type;
	uint64_t config;
	/* in_kernel: what it counts happens there, so that excluding it leaves 0 */
	bool is_time, in_kernel;
} aliases[] = {
	{ "task-clock", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, true, false },
	{ "cpu-clock", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK, true, false },
	{ "page-faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, false, false },
	{ "faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, false, false },
	{ "minor-faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MIN, false, false },
	{ "major-faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS_MAJ, false, false },
	{ "context-switches", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES, false, true },
	{ "cs", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES, false, true },
	{ "cpu-migrations", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_MIGRATIONS, false, true },
	{ "migrations", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_MIGRATIONS, false, true },
	{ "alignment-faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_ALIGNMENT_FAULTS, false, false },
	{ "emulation-faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_EMULATION_FAULTS, false, false },
	{ "cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, false, false },
	{ "cpu-cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, false, false },
	{ "instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, false, false },
	{ "ref-cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_REF_CPU_CYCLES, false, false },
	{ "branches", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_INSTRUCTIONS, false, false },
	{ "branch-misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES, false, false },
	{ "cache-references", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_REFERENCES, false, false },
	{ "cache-misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES, false, false },
	{ 0 }
};

int perf_start(void)
{
	int rc = pfm_initialize();

	if (rc != PFM_SUCCESS) {
		sfs_fail(-EIO, "libpfm4 does not start: %s", pfm_strerror(rc));
		return -EIO;
	}
	started = true;
	return 0;
}

static bool resolve_alias(const char *name, struct perf_name *out)
{
	out->is_clock = !strcmp(name, "tsc") || !strcmp(name, "time_ns");
	if (out->is_clock)
		return true;
	for (unsigned i = 0; aliases[i].name; i++) {
		if (strcmp(aliases[i].name, name))
			continue;
		out->event.type = aliases[i].type;
		out->event.config = aliases[i].config;
		out->event.exclude_kernel = !aliases[i].in_kernel;
		out->is_time = aliases[i].is_time;
		return true;
	}
	return false;
}

/* What the launcher can open is a plain counter of the user's own code. */
static int take_attr(const struct perf_event_attr *attr, struct launch_event *out, char *text,
		     size_t size)
{
	if (attr->exclude_user || attr->precise_ip) {
		snprintf(text, size, "the event asks for a modifier that a run cannot be given");
		return -EINVAL;
	}
	out->type = attr->type;
	out->config = attr->config;
	out->config1 = attr->config1;
	out->config2 = attr->config2;
	out->exclude_kernel = attr->exclude_kernel;
	return 0;
}

static bool counts_in_kernel(const struct launch_event *event)
{
	return event->type == PERF_TYPE_SOFTWARE &&
	       (event->config == PERF_COUNT_SW_CONTEXT_SWITCHES ||
		event->config == PERF_COUNT_SW_CPU_MIGRATIONS);
}

static int resolve_libpfm(const char *name, struct launch_event *out, char *text, size_t size)
{
	struct perf_event_attr attr = { .size = sizeof(attr) };
	pfm_perf_encode_arg_t arg = { .attr = &attr, .size = sizeof(arg) };
	int rc = pfm_get_os_event_encoding(name, PFM_PLM3, PFM_OS_PERF_EVENT, &arg);

	if (rc != PFM_SUCCESS) {
		snprintf(text, size, "no event '%.60s' on this machine: %s", name,
			 pfm_strerror(rc));
		return -EINVAL;
	}
	if (take_attr(&attr, out, text, size))
		return -EINVAL;
	if (counts_in_kernel(out))
		out->exclude_kernel = 0;
	return 0;
}

static int resolve(const char *name, struct perf_name *out, char *text, size_t size)
{
	int rc = 0;

	if (!resolve_alias(name, out)) {
		if (strchr(name, '/'))
			rc = perf_sysfs_resolve(PERF_SYSFS, name, strlen(name), &out->event, text,
						size);
		else if (started)
			rc = resolve_libpfm(name, &out->event, text, size);
		else
			rc = -EINVAL;
	}
	if (rc)
		return rc;
	out->is_software = !out->is_clock && out->event.type == PERF_TYPE_SOFTWARE;
	out->is_time = out->is_software && (out->event.config == PERF_COUNT_SW_TASK_CLOCK ||
					    out->event.config == PERF_COUNT_SW_CPU_CLOCK);
	return 0;
}

static bool look_up(const char *name, struct perf_name *out)
{
	for (unsigned i = 0; i < cached; i++) {
		if (!strcmp(cache[i].name, name)) {
			*out = cache[i];
			return true;
		}
	}
	return false;
}

int perf_resolve(const char *name, size_t len, struct perf_name *out, char *text, size_t size)
{
	struct perf_name found = { 0 };
	int rc = 0;

	if (!len || len >= sizeof(found.name) || memchr(name, 0, len)) {
		snprintf(text, size, "an event's name has 1 to %zu bytes", sizeof(found.name) - 1);
		return -EINVAL;
	}
	memcpy(found.name, name, len);
	for (size_t i = 0; i < len; i++) {
		if (name[i] <= ' ' || name[i] > '~') {
			snprintf(text, size, "an event's name is printable ASCII without blanks");
			return -EINVAL;
		}
	}
	pthread_mutex_lock(&lock);
	if (!look_up(found.name, out)) {
		rc = resolve(found.name, &found, text, size);
		if (!rc && cached < CACHE_MAX)
			cache[cached++] = found;
		if (!rc)
			*out = found;
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

static const struct {
	int error;
	const char *sentence;
} refusals[] = { { ENOENT, "no such event on this machine (ENOENT)" },
		 { ENODEV, "no such counter on this processor (ENODEV)" },
		 { EINVAL, "its attributes are not supported here (EINVAL)" },
		 { EACCES, "not allowed to this user: kernel.perf_event_paranoid (EACCES)" },
		 { EPERM, "not allowed by the launcher or the kernel (EPERM)" },
		 { ENOSPC, "too many of its kind at once (ENOSPC)" },
		 { EMFILE, "too many open files (EMFILE)" },
		 { EBUSY, "another user holds the counter (EBUSY)" },
		 { EOPNOTSUPP, "the hardware cannot count it (EOPNOTSUPP)" },
		 { ENOSYS, "this kernel has no performance events (ENOSYS)" },
		 { E2BIG, "its attributes are not known to this kernel (E2BIG)" },
		 { EIO, "the launcher did not answer (EIO)" },
		 { 0 } };

const char *perf_refusal(int error)
{
	for (unsigned i = 0; refusals[i].error; i++) {
		if (refusals[i].error == error)
			return refusals[i].sentence;
	}
	return "refused by the kernel";
}

const char *perf_works(const struct perf_name *name, bool *works_out)
{
	int error = 0;

	if (name->is_clock) {
		*works_out = perf_tsc_hz() > 0;
		return *works_out ? "ok" : "this machine has no clock that user code can read";
	}
	*works_out = launch_event_works(&name->event, &error);
	return *works_out ? "ok" : perf_refusal(abs(error));
}

/* ---- lists of what there is ------------------------------------------------------------------ */

static int walk_events(const struct perf_visitor *visitor, const pfm_pmu_info_t *pmu)
{
	int rc = 0;

	for (int i = pmu->first_event; i != -1 && !rc; i = pfm_get_event_next(i)) {
		pfm_event_info_t event = { .size = sizeof(event) };
		char spelling[160];

		if (pfm_get_event_info(i, PFM_OS_PERF_EVENT, &event) != PFM_SUCCESS)
			continue;
		snprintf(spelling, sizeof(spelling), "%s::%s", pmu->name, event.name);
		rc = visitor->event(visitor->arg, pmu->name, event.name, spelling,
				    event.desc ? event.desc : "");
	}
	return rc;
}

int perf_walk(const struct perf_visitor *visitor)
{
	int rc = 0;

	pthread_mutex_lock(&lock);
	for (int i = PFM_PMU_NONE; i < PFM_PMU_MAX && !rc && started; i++) {
		pfm_pmu_info_t pmu = { .size = sizeof(pmu) };

		if (pfm_get_pmu_info(i, &pmu) != PFM_SUCCESS || !pmu.is_present)
			continue;
		rc = visitor->pmu(visitor->arg, pmu.name, pmu.desc ? pmu.desc : "",
				  (unsigned)pmu.nevents);
		if (!rc && visitor->event)
			rc = walk_events(visitor, &pmu);
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

void perf_umasks(const char *pmu, const char *name, struct sfs_buf *out)
{
	char full[160];
	pfm_event_info_t event = { .size = sizeof(event) };
	int index;

	snprintf(full, sizeof(full), "%s::%s", pmu, name);
	pthread_mutex_lock(&lock);
	index = pfm_find_event(full);
	if (index >= 0 && pfm_get_event_info(index, PFM_OS_PERF_EVENT, &event) == PFM_SUCCESS) {
		for (int i = 0; i < event.nattrs; i++) {
			pfm_event_attr_info_t attr = { .size = sizeof(attr) };

			if (pfm_get_event_attr_info(index, i, PFM_OS_PERF_EVENT, &attr) ==
			    PFM_SUCCESS)
				sfs_put(out, "%s %s\n", attr.name, attr.desc ? attr.desc : "");
		}
	}
	pthread_mutex_unlock(&lock);
}
