/* SPDX-License-Identifier: MIT */
/* Which optional features the launcher has found on this machine, out of the facts that it tells. */
#include <stdbool.h>
#include <string.h>

#include "launch_state.h"
#include "parse.h"
#include "sandboxfs.h"

/* A feature is there when the line "key ..." has that word; NULL: a number that is not 0. */
static const struct {
	const char *feature, *key, *word;
} rows[] = {
	{ "cgroup_v1", "cgroup", "v1" },
	{ "cgroup_v2", "cgroup", "v2" },
	{ "jails", "jails", "yes" },
	{ "landlock", "landlock_abi", NULL },
	{ "network_namespaces", "namespaces", "net" },
	{ "perf_hardware", "perf_hardware", "yes" },
	{ "perf_kernel", "perf_kernel", "yes" },
	{ "perf_software", "perf_software", "yes" },
	{ "pid_namespaces", "namespaces", "pid" },
	{ "pidfd_getfd", "pidfd_getfd", "yes" },
	{ "privileged_launcher", "launcher", "root" },
	{ "rockers", "rockers", "yes" },
	{ "seccomp_notify", "seccomp_notify", "yes" },
	{ "user_namespaces", "namespaces", "user" },
	{ 0 },
};

static bool says(const char *line, const char *end, const char *wanted)
{
	const char *word;
	size_t len;

	while ((len = parse_word(&line, end, " ", &word)) > 0) {
		if (wanted ? parse_equal(word, len, wanted) : *word >= '1' && *word <= '9')
			return true;
	}
	return false;
}

void launch_features(const char *facts)
{
	const char *key, *end;
	size_t len;

	for (; *facts; facts = end + (*end == '\n')) {
		end = facts + strcspn(facts, "\n");
		len = parse_word(&facts, end, " ", &key);
		for (size_t i = 0; rows[i].feature; i++) {
			if (parse_equal(key, len, rows[i].key) && says(facts, end, rows[i].word))
				sfs_feature(rows[i].feature);
		}
	}
}
