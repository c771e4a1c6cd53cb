/* SPDX-License-Identifier: MIT */
/* The file /machine: what this machine is, and what works on it. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "launch.h"
#include "machine.h"
#include "perf.h"

/* The value of the first line "key : value" of /proc/cpuinfo. */
static void cpuinfo(const char *text, const char *key, char *out, size_t size)
{
	const char *at = strstr(text, key), *colon = at ? strchr(at, ':') : NULL;
	size_t len = colon ? strcspn(colon + 1, "\n") : 0;

	snprintf(out, size, "%.*s", (int)(len > 1 ? len - 1 : 0), len > 1 ? colon + 2 : "");
	for (char *p = out; *p; p++)
		*p = *p < ' ' || *p > '~' ? '?' : *p;
	if (!out[0])
		snprintf(out, size, "unknown");
}

static void put_cpu(struct sfs_buf *out)
{
	static const char *const keys[][2] = {
		{ "model name", "cpu" },          { "cpu family", "cpu_family" },
		{ "model\t", "cpu_model" },       { "stepping", "cpu_stepping" },
		{ "microcode", "cpu_microcode" },
	};
	char text[8192] = "", value[128];
	int fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[got > 0 ? got : 0] = 0;
	for (unsigned i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		cpuinfo(text, keys[i][0], value, sizeof(value));
		sfs_put(out, "%s %s\n", keys[i][1], value);
	}
	sfs_put(out, "hypervisor %s\n", strstr(text, " hypervisor") ? "yes" : "no");
}

static int machine_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	struct utsname name;
	struct sysinfo info;
	cpu_set_t cpus;

	(void)dir;
	(void)who;
	put_cpu(out);
	if (!sched_getaffinity(0, sizeof(cpus), &cpus))
		sfs_put(out, "cores %d\n", CPU_COUNT(&cpus));
	sfs_put(out, "cores_online %ld\n", sysconf(_SC_NPROCESSORS_ONLN));
	if (!uname(&name))
		sfs_put(out, "kernel %s %s\narchitecture %s\n", name.sysname, name.release,
			name.machine);
	if (!sysinfo(&info))
		sfs_put(out, "memory_bytes %llu\n",
			(unsigned long long)info.totalram * info.mem_unit);
	sfs_put(out, "page_bytes %ld\n", sysconf(_SC_PAGESIZE));
	perf_machine(out);
	sfs_put(out, "%s", launch_machine());
	return 0;
}

const struct sfs_attr machine_rows[] = {
	{ .name = "machine",
	  .mode = 0444,
	  .show = machine_show,
	  .help = "what this machine is and what works on it, flat keyed" },
	{ 0 }
};
