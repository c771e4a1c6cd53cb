/* SPDX-License-Identifier: MIT */
/*
 * What this machine and kernel let the launcher do, tried once and told in lines of "key value".
 */
#include "launcher_state.h"

#include "sandboxfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct text {
	char *at;
	size_t left;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int n = vsnprintf(t->at, t->left, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= t->left)
		return;
	t->at += n;
	t->left -= (size_t)n;
}

static const struct {
	const char *name;
	unsigned flag;
} namespaces[] = {
	{ "user", CLONE_NEWUSER },     { "mnt", CLONE_NEWNS },  { "pid", CLONE_NEWPID },
	{ "net", CLONE_NEWNET },       { "ipc", CLONE_NEWIPC }, { "uts", CLONE_NEWUTS },
	{ "cgroup", CLONE_NEWCGROUP },
};

static void put_namespaces(struct text *t)
{
	unsigned works = jail_namespaces_work();

	put(t, "namespaces");
	if (!works)
		put(t, " none");
	for (size_t i = 0; i < sizeof namespaces / sizeof *namespaces; i++)
		if (works & namespaces[i].flag)
			put(t, " %s", namespaces[i].name);
	put(t, "\n");
}

static void put_result(struct text *t, const char *key, int err)
{
	if (err)
		put(t, "%s no (%s)\n", key, strerrorname_np(-err) ?: "?");
	else
		put(t, "%s yes\n", key);
}

static void put_limits(struct text *t)
{
	int version = launcher.cgroups.version;

	if (version)
		put(t, "cgroup v%d memory pids\n", version);
	else
		put(t, "cgroup none (%s)\n", strerrorname_np(-launcher.cgroup_error) ?: "?");
	put(t, "limits_by %srlimit\n", version ? "cgroup " : "");
}

static int pidfd_getfd_works(void)
{
	int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (self < 0)
		return -errno;
	int fd = (int)syscall(SYS_pidfd_getfd, self, launcher.channel, 0);
	int err = fd < 0 ? -errno : 0;
	launcher_close(&fd);
	launcher_close(&self);
	return err;
}

static void put_events(struct text *t)
{
	static const struct {
		const char *key;
		struct launch_event event;
	} events[] = {
		{ "perf_software",
		  { .type = PERF_TYPE_SOFTWARE,
		    .exclude_kernel = 1,
		    .config = PERF_COUNT_SW_TASK_CLOCK } },
		{ "perf_kernel",
		  { .type = PERF_TYPE_SOFTWARE, .config = PERF_COUNT_SW_CONTEXT_SWITCHES } },
		{ "perf_hardware",
		  { .type = PERF_TYPE_HARDWARE,
		    .exclude_kernel = 1,
		    .config = PERF_COUNT_HW_INSTRUCTIONS } },
	};

	for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
		int fd = count_open(&events[i].event, 0);
		put_result(t, events[i].key, fd < 0 ? fd : 0);
		launcher_close(&fd);
	}
}

void facts_write(char *text, size_t size)
{
	struct text t = { text, size };
	const struct sfs_config *c = launcher.config;

	put_result(&t, "jails", launcher.start_error);
	put(&t, "launcher %s\n", launcher.env.root ? "root" : "user");
	if (launcher.env.root)
		put(&t, "jail_uids %u..%u\n", (unsigned)c->jail_uid_base,
		    (unsigned)(c->jail_uid_base + c->jail_uid_count - 1));
	else
		put(&t, "jail_uids %u\n", (unsigned)geteuid());
	put_namespaces(&t);
	put_limits(&t);
	put(&t, "landlock_abi %d\n", launcher.env.landlock_abi);
	put_result(&t, "seccomp_notify", seccomp_notify_works());
	put_result(&t, "pidfd_getfd", pidfd_getfd_works());
	put_events(&t);
}
