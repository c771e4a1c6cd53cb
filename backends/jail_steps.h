/* SPDX-License-Identifier: MIT */
/*
 * The single steps from a fresh clone of the launcher to a jailed helper; private to jail*.c.
 *
 * Each step runs in the child, between clone and exec: no malloc, no stdio, nothing but system
 * calls. It returns 0 or -errno, and a failure ends the child. The order is that of the tables in
 * jail.c, and each step says what it relies on.
 */
#ifndef JAIL_STEPS_H
#define JAIL_STEPS_H

#include "jail.h"

struct jail_child {
	const struct jail_env *env;
	const struct jail_spec *spec;
	enum seccomp_profile profile;
	const char *name; /* argv[0] */
	int control;
	int report;
	int init; /* pidfd, for a zygote */
};

struct jail_step {
	const char *name;
	int (*take)(const struct jail_child *child);
};

int jail_own_session(const struct jail_child *child);
int jail_enter_cgroup(const struct jail_child *child);
int jail_empty_root(const struct jail_child *child);
int jail_host_name(const struct jail_child *child);
int jail_take_ids(const struct jail_child *child);
int jail_leaf_namespace(const struct jail_child *child);
int jail_no_more_namespaces(const struct jail_child *child);
int jail_first_victim(const struct jail_child *child);
int jail_join_namespaces(const struct jail_child *child);
int jail_join_leaf(const struct jail_child *child);
int jail_resource_limits(const struct jail_child *child);
int jail_no_capabilities(const struct jail_child *child);
int jail_die_with_launcher(const struct jail_child *child);
int jail_landlock(const struct jail_child *child);
int jail_descriptors(const struct jail_child *child);
int jail_filter(const struct jail_child *child);
int jail_exec(const struct jail_child *child);

/*
 * What steps are made of, for rockers too. A clone has SIGCHLD as its signal; group: a directory of
 * version 2 to be born in, or -1.
 */
pid_t jail_clone(uint64_t flags, int group, int *pidfd);
int jail_set_capabilities(uint64_t effective, uint64_t permitted, uint64_t inheritable);
int jail_permitted_capabilities(uint64_t *out);
int jail_write_proc(const struct jail_env *env, const char *path, const char *text);
char *jail_put_number(char *p, unsigned long n); /* no NUL; the end */
int jail_limit(int resource, uint64_t value);     /* an inherited limit that is lower stays */

#endif
