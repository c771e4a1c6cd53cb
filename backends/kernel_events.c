/* SPDX-License-Identifier: MIT */
/* Lists of events: parsed once, with the configuration's as the default. */
#include <errno.h>
#include <string.h>

#include "kernels.h"
#include "parse.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct kernel_events defaults;

static int add(struct kernel_events *events, const char *name, size_t len)
{
	char text[200];

	if (events->count == KERNEL_EVENTS_MAX)
		return sfs_fail_at(-E2BIG, name, len, "more than %d events", KERNEL_EVENTS_MAX);
	if (perf_resolve(name, len, &events->names[events->count], text, sizeof(text)))
		return sfs_fail_at(-EINVAL, name, len, "%s", text);
	for (unsigned i = 0; i < events->count; i++) {
		if (parse_equal(name, len, events->names[i].name))
			return sfs_fail_at(-EINVAL, name, len,
					   "event '%.60s' stands in the list twice",
					   events->names[i].name);
	}
	events->count++;
	return 0;
}

static bool separates(char c)
{
	return c == ',' || c == '|' || parse_is_space(c);
}

/* Commas inside of pmu/term,term/ belong to the name. */
static size_t name_length(const char *text, const char *end)
{
	const char *p = text;
	bool inside = false;

	for (; p < end && (inside || !separates(*p)); p++) {
		if (*p == '/')
			inside = !inside;
	}
	return (size_t)(p - text);
}

int kernel_events_parse(const char *text, size_t len, struct kernel_events *out)
{
	struct kernel_events events = { 0 };
	const char *end = text + len;
	int rc = 0;

	while (!rc) {
		size_t size;

		while (text < end && separates(*text))
			text++;
		if (text == end)
			break;
		size = name_length(text, end);
		rc = add(&events, text, size);
		text += size;
	}
	if (!rc && !events.count)
		rc = sfs_fail(-EINVAL, "the list of events is empty");
	if (!rc)
		*out = events;
	return rc;
}

static void parse_defaults(void)
{
	const char *text = sfs_config()->events;

	if (kernel_events_parse(text, strlen(text), &defaults)) {
		sfs_log(SFS_WARN, "config [kernels] events: %s", sfs_sentence());
		(void)kernel_events_parse("tsc,time_ns", 11, &defaults);
	}
}

const struct kernel_events *kernel_events_default(void)
{
	pthread_once(&once, parse_defaults);
	return &defaults;
}
