/* SPDX-License-Identifier: MIT */
/*
 * What a rocker forbids its processes, for an app that is not its guard's child: the filter of system calls, which
 * sandboxfs gives as it is to be installed, which version of the Landlock rules the kernel takes, and the guard's
 * resource limits.
 *
 * Where one of them cannot be had although the rocker has it, no app is begun.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../landlock_rules.h"
#include "rocker_client.h"

#define INSTRUCTIONS_MAX 4096 /* the kernel's limit */
#define MACHINE_MAX      16384
#define LIMITS_MAX       4096

const int client_limit_numbers[CLIENT_LIMITS] = { RLIMIT_CORE, RLIMIT_NPROC, RLIMIT_DATA };
/* As /proc/PID/limits calls them, which more callers may read than may ask prlimit(2). */
static const char *const limit_names[CLIENT_LIMITS] = { "Max core file size ", "Max processes ", "Max data size " };

static ROCKER_ERR read_filter(const struct client_rocker *rocker, struct client_rules *rules)
{
	size_t room = INSTRUCTIONS_MAX * sizeof(*rules->filter) + 2; /* client_read ends it with a NUL byte; and one too many */
	char path[PATH_MAX + 16];
	ssize_t len;

	snprintf(path, sizeof(path), "%s/seccomp.bpf", rocker->path);
	rules->filter = malloc(room);
	if (!rules->filter)
		return client_fail(ROCKER_ERR_sys, "no memory for the filter");
	len = client_read(path, (char *)rules->filter, room);
	if (len < 0)
		return client_fail(ROCKER_ERR_enter_rocker_failed, "%.200s: %s", path, strerror((int)-len));
	rules->length = (unsigned short)((size_t)len / sizeof(*rules->filter));
	if (!len || (size_t)len % sizeof(*rules->filter) || (size_t)len == room - 1)
		return client_fail(ROCKER_ERR_unknown, "%.200s is no filter: it has %zd bytes", path, len);
	return ROCKER_ERR_success;
}

/* What the kernel does not let this process have may still be what the rocker has: a caller may be confined himself. */
static ROCKER_ERR ask_landlock(const struct client_rocker *rocker, struct client_rules *rules)
{
	char path[PATH_MAX + 32], text[MACHINE_MAX];
	const char *line;
	ssize_t len;

	rules->landlock = landlock_version();
	if (rules->landlock >= LANDLOCK_WITH_SCOPES)
		return ROCKER_ERR_success;
	snprintf(path, sizeof(path), "%s/../../machine", rocker->path);
	len = client_read(path, text, sizeof(text));
	if (len < 0)
		return client_fail(ROCKER_ERR_enter_rocker_failed, "%.200s: %s", path, strerror((int)-len));
	line = strstr(text, "rocker_landlock ");
	if (!line)
		return client_fail(ROCKER_ERR_unknown, "%.200s has no rocker_landlock", path);
	line += strlen("rocker_landlock ");
	if (!strncmp(line, "no\n", 3) || (!strncmp(line, "devices\n", 8) && rules->landlock >= LANDLOCK_WITH_REFER))
		return ROCKER_ERR_success;
	return client_fail(ROCKER_ERR_enter_rocker_failed, "the rocker has Landlock rules that this process cannot have");
}

/* The soft ones: a guard's hard limits are no higher. */
static ROCKER_ERR read_limits(const struct client_rocker *rocker, struct client_rules *rules)
{
	char path[64], text[LIMITS_MAX], *end;
	const char *line;
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/limits", rocker->guard);
	len = client_read(path, text, sizeof(text));
	if (len < 0)
		return client_fail(ROCKER_ERR_enter_rocker_failed, "%s: %s", path, strerror((int)-len));
	for (int i = 0; i < CLIENT_LIMITS; i++) {
		line = strstr(text, limit_names[i]);
		if (!line)
			return client_fail(ROCKER_ERR_enter_rocker_failed, "%s has no '%s'", path, limit_names[i]);
		line += strlen(limit_names[i]);
		line += strspn(line, " ");
		rules->limits[i] = strtoull(line, &end, 10);
		if (end == line)
			rules->limits[i] = RLIM_INFINITY;
	}
	return ROCKER_ERR_success;
}

ROCKER_ERR client_rules(const struct client_rocker *rocker, struct client_rules *out)
{
	ROCKER_ERR err = read_filter(rocker, out);

	err = err ?: ask_landlock(rocker, out);
	return err ?: read_limits(rocker, out);
}

void client_rules_free(struct client_rules *rules)
{
	free(rules->filter);
	rules->filter = NULL;
}
