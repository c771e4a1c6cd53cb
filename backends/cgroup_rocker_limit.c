/* SPDX-License-Identifier: MIT */
/* The limits of a rocker, in the words of whichever version controls each. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup_rocker_priv.h"

#define VALUE_MAX 24
#define LINES_MAX 4096 /* of a file with a line for each device */

struct target {
	const struct rocker_groups *groups;
	uint32_t number;
	const struct plan_limits *limits;
};

static uint8_t version(const struct target *t, enum group_part part)
{
	return t->groups->places.version[part];
}

static int put(const struct target *t, enum group_part part, const char *file, const char *text)
{
	return group_write(t->groups, t->number, part, file, text);
}

/* One that may be missing is no failure. */
static int put_optional(const struct target *t, enum group_part part, const char *file,
			const char *text)
{
	int err = put(t, part, file, text);

	return err == -ENOENT ? 0 : err;
}

static void number_text(uint64_t value, uint64_t extra, const char *none, char out[VALUE_MAX])
{
	if (value == PLAN_NO_LIMIT)
		(void)snprintf(out, VALUE_MAX, "%s", none);
	else
		(void)snprintf(out, VALUE_MAX, "%" PRIu64,
			       value < UINT64_MAX / 2 ? value + extra : value);
}

/*
 * Version 1 wants the limit of memory never above that of memory and swap: so the one goes first when
 * both go down, the other when they go up. Swap is no way around either limit.
 */
static int set_memory_v1(const struct target *t, const char *value)
{
	static const char both[] = "memory.memsw.limit_in_bytes";
	int err = put(t, GROUP_MEMORY, "memory.limit_in_bytes", value);

	if (err == -EINVAL) {
		err = put_optional(t, GROUP_MEMORY, both, value);
		return err ?: put(t, GROUP_MEMORY, "memory.limit_in_bytes", value);
	}
	return err ?: put_optional(t, GROUP_MEMORY, both, value);
}

static int set_memory(const struct target *t)
{
	char value[VALUE_MAX];
	bool v2 = version(t, GROUP_MEMORY) == 2;

	number_text(t->limits->memory_bytes, GUARD_BYTES, v2 ? "max" : "-1", value);
	if (!v2)
		return set_memory_v1(t, value);
	int err = put(t, GROUP_MEMORY, "memory.max", value);
	return err
		       ?: put_optional(t, GROUP_MEMORY, "memory.swap.max",
				       t->limits->memory_bytes == PLAN_NO_LIMIT ? "max" : "0");
}

static int set_pids(const struct target *t)
{
	char value[VALUE_MAX];

	number_text(t->limits->pids, GUARD_PIDS, "max", value);
	return put(t, GROUP_PIDS, "pids.max", value);
}

static int set_cpu(const struct target *t)
{
	char value[2 * VALUE_MAX], quota[VALUE_MAX], period[VALUE_MAX];
	bool v2 = version(t, GROUP_CPU) == 2;

	number_text(t->limits->cpu_quota_us, 0, v2 ? "max" : "-1", quota);
	number_text(t->limits->cpu_period_us, 0, "100000", period);
	if (v2) {
		(void)snprintf(value, sizeof value, "%s %s", quota, period);
		return put(t, GROUP_CPU, "cpu.max", value);
	}
	/* A quota that is there would judge the new period by itself. */
	int err = put(t, GROUP_CPU, "cpu.cfs_quota_us", "-1");
	err = err ?: put(t, GROUP_CPU, "cpu.cfs_period_us", period);
	return err ?: put(t, GROUP_CPU, "cpu.cfs_quota_us", quota);
}

/* ---- devices --------------------------------------------------------------------------------- */

static const struct {
	const char *v1_file;
	size_t offset;
} io_rows[] = {
	{ "blkio.throttle.read_bps_device", offsetof(struct plan_device, rbps) },
	{ "blkio.throttle.write_bps_device", offsetof(struct plan_device, wbps) },
	{ "blkio.throttle.read_iops_device", offsetof(struct plan_device, riops) },
	{ "blkio.throttle.write_iops_device", offsetof(struct plan_device, wiops) },
};
#define IO_ROWS (sizeof io_rows / sizeof *io_rows)

static uint64_t io_value(const struct plan_device *device, size_t row)
{
	uint64_t value;

	memcpy(&value, (const char *)device + io_rows[row].offset, sizeof value);
	return value;
}

/* Takes away what is there: a limit of another time may be of a device that is not named now. */
static int clear_io(const struct target *t, const char *file, const char *none)
{
	char lines[LINES_MAX], value[96];
	int err = group_read(t->groups, t->number, GROUP_IO, file, lines, sizeof lines);

	for (char *p = lines; !err && *p; p += strcspn(p, "\n"), p += *p == '\n') {
		int device = (int)strcspn(p, " \n");
		if (!device || device > 31)
			continue;
		(void)snprintf(value, sizeof value, "%.*s %s", device, p, none);
		err = put(t, GROUP_IO, file, value);
	}
	return err;
}

static int set_device_v2(const struct target *t, const struct plan_device *device)
{
	char value[160], word[IO_ROWS][VALUE_MAX];

	for (size_t row = 0; row < IO_ROWS; row++)
		number_text(io_value(device, row), 0, "max", word[row]);
	(void)snprintf(value, sizeof value, "%u:%u rbps=%s wbps=%s riops=%s wiops=%s",
		       (unsigned)device->major, (unsigned)device->minor, word[0], word[1], word[2],
		       word[3]);
	return put(t, GROUP_IO, "io.max", value);
}

static int set_io_v2(const struct target *t)
{
	int err = clear_io(t, "io.max", "rbps=max wbps=max riops=max wiops=max");

	for (uint32_t i = 0; i < t->limits->ndevices && !err; i++)
		err = set_device_v2(t, &t->limits->devices[i]);
	return err;
}

static int set_io_row_v1(const struct target *t, size_t row)
{
	int err = clear_io(t, io_rows[row].v1_file, "0");

	for (uint32_t i = 0; i < t->limits->ndevices && !err; i++) {
		const struct plan_device *device = &t->limits->devices[i];
		char value[80];

		if (io_value(device, row) == PLAN_NO_LIMIT)
			continue;
		(void)snprintf(value, sizeof value, "%u:%u %" PRIu64, (unsigned)device->major,
			       (unsigned)device->minor, io_value(device, row));
		err = put(t, GROUP_IO, io_rows[row].v1_file, value);
	}
	return err;
}

static int set_io(const struct target *t)
{
	int err = 0;

	if (version(t, GROUP_IO) == 2)
		return set_io_v2(t);
	for (size_t row = 0; row < IO_ROWS && !err; row++)
		err = set_io_row_v1(t, row);
	return err;
}

/* ---- all of them ----------------------------------------------------------------------------- */

static bool no_memory(const struct plan_limits *limits)
{
	return limits->memory_bytes == PLAN_NO_LIMIT;
}

static bool no_pids(const struct plan_limits *limits)
{
	return limits->pids == PLAN_NO_LIMIT;
}

static bool no_cpu(const struct plan_limits *limits)
{
	return limits->cpu_quota_us == PLAN_NO_LIMIT;
}

static bool no_io(const struct plan_limits *limits)
{
	return !limits->ndevices;
}

static const struct limit {
	const char *name;
	enum group_part part;
	bool (*none)(const struct plan_limits *limits);
	int (*set)(const struct target *t);
} limit_rows[] = {
	{ "memory.max", GROUP_MEMORY, no_memory, set_memory },
	{ "pids.max", GROUP_PIDS, no_pids, set_pids },
	{ "cpu.max", GROUP_CPU, no_cpu, set_cpu },
	{ "io.max", GROUP_IO, no_io, set_io },
	{ 0 },
};

/* A file that is missing in a group that is there: this kernel was built without it. */
static int judge(const struct target *t, const struct limit *l, int err)
{
	char text[64];

	if (err != -ENOENT)
		return err;
	err = group_read(t->groups, t->number, l->part, "cgroup.procs", text, sizeof text);
	return err == -ENOENT ? -ENODEV : -EOPNOTSUPP;
}

static int set_all(const struct target *t, bool fresh, const char **what_out)
{
	int missing = 0;

	for (const struct limit *l = limit_rows; l->name; l++) {
		if (fresh && l->none(t->limits))
			continue;
		int err = judge(t, l, version(t, l->part) ? l->set(t) : -EOPNOTSUPP);
		if (!err || (err == -EOPNOTSUPP && l->none(t->limits)))
			continue;
		if (!missing)
			*what_out = l->name;
		if (err != -EOPNOTSUPP)
			return err;
		missing = err;
	}
	return missing;
}

int rocker_group_limit(const struct rocker_groups *groups, const struct rocker_group *group,
		       const struct plan_limits *limits, const char **what_out)
{
	const struct target t = { groups, group->number, limits };

	return set_all(&t, false, what_out);
}

int rocker_group_limit_new(const struct rocker_groups *groups, const struct rocker_group *group,
			   const struct plan_limits *limits, const char **what_out)
{
	const struct target t = { groups, group->number, limits };

	return set_all(&t, true, what_out);
}
