/* SPDX-License-Identifier: MIT */
/* Attempts by way of /proc. */
#include "attempt.h"

#include <dirent.h>

static int secret_below(const char *base)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s%s", base, option("secret", "/etc/shadow"));
	return try_secret(AT_FDCWD, path);
}

static int guard_root(void)
{
	return secret_below("/proc/1/root");
}

static int guard_cwd(void)
{
	return try_open("/proc/1/cwd/.", O_RDONLY | O_DIRECTORY);
}

static int guard_fd(void)
{
	char path[64];
	int rc = ENOENT;

	for (int fd = 0; fd < 10 && rc == ENOENT; fd++) {
		snprintf(path, sizeof(path), "/proc/1/fd/%d", fd);
		rc = try_open(path, O_RDWR | O_NONBLOCK);
		rc = rc == ENXIO ? 0 : rc; /* a socket: past the check */
	}
	return rc;
}

static int guard_exe(void)
{
	return try_open("/proc/1/exe", O_RDONLY);
}

static int guard_mem(void)
{
	return try_open("/proc/1/mem", O_RDWR);
}

static int guard_environ(void)
{
	return try_open("/proc/1/environ", O_RDONLY);
}

static int guard_maps(void)
{
	return try_open("/proc/1/maps", O_RDONLY);
}

static int guard_ns(void)
{
	return try_open("/proc/1/ns/mnt", O_RDONLY);
}

static int guard_task_root(void)
{
	return secret_below("/proc/1/task/1/root");
}

/* Some other process whose descriptors can be listed. */
static int others_fd(void)
{
	DIR *dir = opendir("/proc");
	char path[300];
	int rc = ENOENT;

	for (struct dirent *e; dir && (e = readdir(dir));) {
		int pid = atoi(e->d_name);

		if (pid < 1 || pid == getpid() || (pid == getppid() && pid != 1))
			continue;
		snprintf(path, sizeof(path), "/proc/%d/fd", pid);
		rc = try_open(path, O_RDONLY | O_DIRECTORY);
		if (rc == 0)
			return 0;
	}
	return rc;
}

/* A program that is being run is not to be written to, nor is the read-only bind below it. */
static int self_exe(void)
{
	return try_open("/proc/self/exe", O_WRONLY);
}

static int self_exe_magic(void)
{
	char path[64];
	int fd = open("/proc/self/exe", O_PATH);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return try_open(path, O_RDWR);
}

static int core_pattern(void)
{
	return try_open("/proc/sys/kernel/core_pattern", O_WRONLY);
}

static int sysctl_file(void)
{
	return try_open("/proc/sys/vm/overcommit_memory", O_WRONLY);
}

static int sysrq(void)
{
	return try_open("/proc/sysrq-trigger", O_WRONLY);
}

static int kcore(void)
{
	return try_open("/proc/kcore", O_RDONLY);
}

static int keys(void)
{
	return try_open("/proc/keys", O_RDONLY);
}

static int binfmt(void)
{
	return try_open("/proc/sys/fs/binfmt_misc", O_RDONLY | O_DIRECTORY);
}

static int kallsyms(void)
{
	return try_open("/proc/kallsyms", O_RDONLY);
}

static int interrupts(void)
{
	return try_open("/proc/irq/default_smp_affinity", O_RDONLY);
}

static int oom_score(void)
{
	return try_write("/proc/self/oom_score_adj", "-1000");
}

static int uid_map(void)
{
	return try_write("/proc/self/uid_map", "0 0 1");
}

static int setgroups_file(void)
{
	return try_write("/proc/self/setgroups", "allow");
}

static int loginuid(void)
{
	/* An id that is there could be its own, which it may have. */
	return try_write("/proc/self/loginuid", getuid() ? "0" : "1");
}

static int clear_refs(void)
{
	return try_write("/proc/1/clear_refs", "1");
}

static int timerslack(void)
{
	return try_write("/proc/1/timerslack_ns", "1000000000");
}

static int outside_proc(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/status", option("pid", "2"));
	return try_open(path, O_RDONLY);
}

const struct attempt proc_attempts[] = {
	{ "guard_root", EACCES, 0, 0, 0, guard_root, "/proc/1/root" },
	{ "guard_task_root", EACCES, 0, 0, 0, guard_task_root, "/proc/1/task/1/root" },
	{ "guard_cwd", EACCES, 0, 0, 0, guard_cwd, "/proc/1/cwd" },
	{ "guard_fd", EACCES, 0, 0, 0, guard_fd, "/proc/1/fd, with the control socket" },
	{ "guard_exe", EACCES, 0, 0, 0, guard_exe, "/proc/1/exe" },
	{ "guard_mem", EACCES, 0, 0, 0, guard_mem, "/proc/1/mem" },
	{ "guard_environ", EACCES, 0, 0, 0, guard_environ, "/proc/1/environ" },
	{ "guard_maps", EACCES, 0, 0, 0, guard_maps, "/proc/1/maps" },
	{ "guard_ns", EACCES, 0, 0, 0, guard_ns, "/proc/1/ns/mnt" },
	{ "guard_refs", EACCES, 0, 0, 0, clear_refs, "/proc/1/clear_refs" },
	{ "guard_slack", EPERM, 0, 0, 0, timerslack, "/proc/1/timerslack_ns" },
	{ "others_fd", EACCES, 0, 0, 0, others_fd, "the descriptors of any other process" },
	{ "outside_proc", ENOENT, 0, 0, 0, outside_proc, "a process outside in /proc" },
	{ "self_exe", EACCES, ETXTBSY, A_CANNOT, 0, self_exe, "/proc/self/exe for writing" },
	{ "self_exe_magic", EACCES, ETXTBSY, A_CANNOT, 0, self_exe_magic,
	  "the same by a descriptor" },
	{ "core_pattern", ENOENT, 0, 0, 0, core_pattern, "core_pattern" },
	{ "sysctl_file", ENOENT, 0, 0, 0, sysctl_file, "/proc/sys/vm" },
	{ "sysrq", ENOENT, 0, A_CANNOT, 0, sysrq, "/proc/sysrq-trigger" },
	{ "kcore", ENOENT, 0, A_CANNOT, 0, kcore, "/proc/kcore" },
	{ "proc_keys", ENOENT, 0, 0, 0, keys, "/proc/keys" },
	{ "binfmt", ENOENT, 0, 0, 0, binfmt, "binfmt_misc" },
	{ "kallsyms", ENOENT, 0, 0, 0, kallsyms, "/proc/kallsyms" },
	{ "interrupts", ENOENT, 0, 0, 0, interrupts, "/proc/irq" },
	{ "oom_score", EACCES, 0, A_CANNOT, 0, oom_score, "a lower oom_score_adj" },
	{ "uid_map", EPERM, 0, A_CANNOT, 0, uid_map, "the map of its user namespace" },
	{ "setgroups_file", EACCES, 0, 0, 0, setgroups_file, "/proc/self/setgroups" },
	{ "loginuid", EINVAL, 0, 0, 0, loginuid, "/proc/self/loginuid" },
	{ 0 },
};
