/* SPDX-License-Identifier: MIT */
/* What a rocker uses, read by the daemon with no privilege. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup_rocker_priv.h"

#define TEXT_MAX 16384

struct watched {
	const struct group_places *places;
	uint32_t number;
};

/* The file of that part, whole as far as it fits; its length, or -errno. */
static ssize_t slurp(const struct watched *w, enum group_part part, const char *file, char *text,
		     size_t size)
{
	char path[GROUP_PATH_MAX + GROUP_NAME_MAX];
	size_t len = 0;
	ssize_t n = 0;

	if (!w->places->version[part])
		return -EOPNOTSUPP;
	(void)snprintf(path, sizeof path, "%s/r%u/%s", w->places->path[part], (unsigned)w->number,
		       file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	int err = n < 0 ? -errno : 0;
	text[len] = '\0';
	(void)close(fd);
	return err ? err : (ssize_t)len;
}

/* The number after that word at the beginning of a line; false: there is no such line. */
static bool keyed(const char *text, const char *key, uint64_t *out)
{
	size_t len = strlen(key);

	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n')
		if (!strncmp(p, key, len) && p[len] == ' ') {
			*out = strtoull(p + len + 1, NULL, 10);
			return true;
		}
	return false;
}

static bool single(const struct watched *w, enum group_part part, const char *file, uint64_t *out)
{
	char text[64];

	if (slurp(w, part, file, text, sizeof text) <= 0)
		return false;
	*out = strtoull(text, NULL, 10);
	return true;
}

static bool keyed_in(const struct watched *w, enum group_part part, const char *file,
		     const char *key, uint64_t *out)
{
	char text[TEXT_MAX];

	return slurp(w, part, file, text, sizeof text) > 0 && keyed(text, key, out);
}

/* ---- one resource each ----------------------------------------------------------------------- */

static void use_cpu(const struct watched *w, struct rocker_usage *out)
{
	uint64_t tick_ns = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
	char text[TEXT_MAX];
	bool v2 = w->places->version[GROUP_CPUACCT] == 2;

	if (slurp(w, GROUP_CPUACCT, v2 ? "cpu.stat" : "cpuacct.stat", text, sizeof text) <= 0)
		return;
	out->has_cpu = v2 ? keyed(text, "usage_usec", &out->cpu_ns)
			  : single(w, GROUP_CPUACCT, "cpuacct.usage", &out->cpu_ns);
	(void)keyed(text, v2 ? "user_usec" : "user", &out->user_ns);
	(void)keyed(text, v2 ? "system_usec" : "system", &out->system_ns);
	out->cpu_ns *= v2 ? 1000 : 1;
	out->user_ns *= v2 ? 1000 : tick_ns;
	out->system_ns *= v2 ? 1000 : tick_ns;
}

static void use_memory(const struct watched *w, struct rocker_usage *out)
{
	bool v2 = w->places->version[GROUP_MEMORY] == 2;

	out->has_memory = single(w, GROUP_MEMORY, v2 ? "memory.current" : "memory.usage_in_bytes",
				 &out->memory_bytes);
	/* Version 2 has a peak since Linux 5.19. */
	if (!single(w, GROUP_MEMORY, v2 ? "memory.peak" : "memory.max_usage_in_bytes",
		    &out->memory_peak_bytes))
		out->memory_peak_bytes = out->memory_bytes;
	(void)keyed_in(w, GROUP_MEMORY, v2 ? "memory.events" : "memory.oom_control", "oom_kill",
		       &out->oom_kills);
}

static void use_pids(const struct watched *w, struct rocker_usage *out)
{
	out->has_pids = single(w, GROUP_PIDS, "pids.current", &out->pids);
}

/* Lines "8:0 Read 512" and a last one "Total 512". */
static bool sum_v1(const struct watched *w, const char *file, uint64_t *reads, uint64_t *writes)
{
	char text[TEXT_MAX], verb[16];
	uint64_t n;

	if (slurp(w, GROUP_IO, file, text, sizeof text) < 0)
		return false;
	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		if (sscanf(p, "%*31[0-9:] %15s %" SCNu64, verb, &n) != 2)
			continue;
		*reads += strcmp(verb, "Read") ? 0 : n;
		*writes += strcmp(verb, "Write") ? 0 : n;
	}
	return true;
}

/* Lines "8:0 rbytes=512 wbytes=0 rios=1 wios=0 ...". */
static void add_v2(const char *line, struct rocker_usage *out)
{
	const struct {
		const char *key;
		uint64_t *sum;
	} rows[] = { { " rbytes=", &out->io_read_bytes },
		     { " wbytes=", &out->io_write_bytes },
		     { " rios=", &out->io_reads },
		     { " wios=", &out->io_writes } };

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *at = strstr(line, rows[i].key);
		if (at && at < line + strcspn(line, "\n"))
			*rows[i].sum += strtoull(at + strlen(rows[i].key), NULL, 10);
	}
}

static void use_io(const struct watched *w, struct rocker_usage *out)
{
	char text[TEXT_MAX];

	if (w->places->version[GROUP_IO] == 1) {
		out->has_io = sum_v1(w, "blkio.throttle.io_service_bytes", &out->io_read_bytes,
				     &out->io_write_bytes);
		(void)sum_v1(w, "blkio.throttle.io_serviced", &out->io_reads, &out->io_writes);
		return;
	}
	out->has_io = slurp(w, GROUP_IO, "io.stat", text, sizeof text) >= 0;
	for (const char *p = text; out->has_io && *p; p += strcspn(p, "\n"), p += *p == '\n')
		add_v2(p, out);
}

/* ---- for the daemon -------------------------------------------------------------------------- */

/* A part in which every group stands that there is; -1: there is none. */
static int any_part(const struct group_places *places)
{
	for (int i = 0; i < GROUP_PARTS; i++)
		if (places->version[i])
			return i;
	return -1;
}

static int is_there(const struct watched *w)
{
	char path[GROUP_PATH_MAX + GROUP_NAME_MAX];
	int part = any_part(w->places);

	if (part < 0)
		return 0;
	(void)snprintf(path, sizeof path, "%s/r%u", w->places->path[part], (unsigned)w->number);
	return access(path, F_OK) ? -ENODEV : 0;
}

int rocker_watch_usage(const struct group_places *places, uint32_t number, struct rocker_usage *out)
{
	struct watched w = { places, number };
	struct rocker_usage usage = { 0 };

	int err = is_there(&w);
	if (err)
		return err;
	use_cpu(&w, &usage);
	use_memory(&w, &usage);
	usage.has_peak = usage.has_memory;
	use_pids(&w, &usage);
	use_io(&w, &usage);
	*out = usage;
	return 0;
}

int rocker_watch_procs(const struct group_places *places, uint32_t number, pid_t *pids, int max)
{
	struct watched w = { places, number };
	char path[GROUP_PATH_MAX + GROUP_NAME_MAX];
	int part = any_part(places), found = 0;
	long pid;

	if (part < 0)
		return -EOPNOTSUPP;
	int err = is_there(&w);
	if (err)
		return err;
	(void)snprintf(path, sizeof path, "%s/r%u/cgroup.procs", places->path[part],
		       (unsigned)number);
	FILE *f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? -ENODEV : -errno;
	while (fscanf(f, "%ld", &pid) == 1) {
		if (found < max)
			pids[found] = (pid_t)pid;
		found++;
	}
	(void)fclose(f);
	return found;
}

ssize_t rocker_watch_pressure(const struct group_places *places, uint32_t number, const char *which,
			      char *text, size_t size)
{
	struct watched w = { places, number };
	char file[32];

	int err = is_there(&w);
	if (err)
		return err;
	(void)snprintf(file, sizeof file, "%.16s.pressure", which);
	ssize_t n = slurp(&w, GROUP_CORE, file, text, size);
	return n == -ENOENT ? -EOPNOTSUPP : n;
}
