/* SPDX-License-Identifier: MIT */
/* A look at what a rocker has written: a child walks its data directory, and the daemon is told what it found. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "launcher_rocker.h"

#define NS_PER_MS  UINT64_C(1000000)
#define MEASURE_MS 10000

static void answer(struct ward *ward, int rc, uint64_t bytes)
{
	struct lm_rocker_measured reply = { .head = { LM_ROCKER_MEASURED, ward->index },
					    .rc = rc,
					    .bytes = bytes };

	if (!ward->measure.owed)
		return;
	ward->measure.owed = false;
	launcher_say(&reply, sizeof reply);
}

static int begin(struct ward *ward, uint64_t limit_bytes)
{
	struct disk_spec spec = { .guard = ward->blank.pid, .limit_bytes = limit_bytes };
	int pipes[2];

	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	spec.report = pipes[1];
	pid_t pid = disk_spawn(&launcher.rockers, &spec);
	(void)close(pipes[1]);
	if (pid < 0) {
		(void)close(pipes[0]);
		return (int)pid;
	}
	ward->measure.pid = pid;
	ward->measure.report = pipes[0];
	kin_add(pid, KIN_MEASURE, ward->index);
	timer_set(ward->index, launcher_now() + MEASURE_MS * NS_PER_MS);
	return 0;
}

/* One at a time: of one that hangs not even the end may come before its file system answers. */
int ward_measure(uint32_t index, uint64_t limit_bytes)
{
	struct ward *ward = &wards[index];

	if (ward->state == WARD_FREE || ward->dropped || ward->measure.owed)
		return -EPROTO;
	ward->measure.owed = true;
	int err = ward->state != WARD_READY ? -ESRCH
		  : ward->measure.pid       ? -ETIMEDOUT
					    : begin(ward, limit_bytes);
	if (err)
		answer(ward, err, 0);
	return 0;
}

void measure_reaped(struct ward *ward)
{
	struct disk_report report = { .err = -EIO };

	ward->measure.pid = 0;
	if (read(ward->measure.report, &report, sizeof report) != (ssize_t)sizeof report)
		report = (struct disk_report){ .err = -EIO };
	launcher_close(&ward->measure.report);
	if (ward->state != WARD_READY) {
		ward_settle(ward);
		return;
	}
	timer_set(ward->index, 0);
	answer(ward, report.err > 0 ? -EIO : report.err, report.bytes);
}

void measure_late(struct ward *ward)
{
	if (ward->measure.pid)
		(void)kill(ward->measure.pid, SIGKILL);
	answer(ward, -ETIMEDOUT, 0);
}

void measure_end(struct ward *ward)
{
	if (ward->measure.pid)
		(void)kill(ward->measure.pid, SIGKILL);
	answer(ward, -ESRCH, 0);
}
