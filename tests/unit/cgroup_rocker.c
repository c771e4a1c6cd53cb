/* SPDX-License-Identifier: MIT */
/*
 * Control groups of rockers: on the real hierarchies of this machine where root runs it, and in folders of plain files that
 * look like each version, so that the words of both are tested wherever it runs.
 * single-threaded
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cgroup_find.h"
#include "cgroup_rocker.h"
#include "check.h"

static struct rocker_groups groups;

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
}

static const char *slurp(enum group_part part, uint32_t number, const char *file)
{
	static char text[4096];
	char path[GROUP_PATH_MAX + 64];

	snprintf(path, sizeof path, "%s/r%u/%s", groups.places.path[part], number, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static struct plan_limits no_limits(void)
{
	struct plan_limits limits = { .memory_bytes = PLAN_NO_LIMIT,
				      .pids = PLAN_NO_LIMIT,
				      .cpu_quota_us = PLAN_NO_LIMIT,
				      .cpu_period_us = 100000,
				      .disk_bytes = PLAN_NO_LIMIT };
	return limits;
}

/* ---- folders that look like hierarchies ------------------------------------------------------------- */

static char folder[] = "/tmp/cgroup-rocker-XXXXXX";

static void put_file(const char *dir, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

/* What was written last, since a plain file keeps what a shorter text did not overwrite. */
static void expect(const char *name, const char *text)
{
	const char *got = slurp(GROUP_MEMORY, 5, name);

	CHECK_MSG(!strncmp(got, text, strlen(text)), "%s is %s, expected %s", name, got, text);
	char dir[64];
	snprintf(dir, sizeof dir, "%s/r5", folder);
	put_file(dir, name, "");
}

static void look_alike(int version, const char *const *files)
{
	char dir[64];

	for (int i = 0; i < GROUP_PARTS; i++) {
		groups.dirs[i] = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		groups.places.version[i] = (uint8_t)version;
		snprintf(groups.places.path[i], GROUP_PATH_MAX, "%s", folder);
	}
	snprintf(dir, sizeof dir, "%s/r5", folder);
	CHECK(!mkdir(dir, 0755));
	for (; *files; files++)
		put_file(dir, *files, "");
}

static void forget(void)
{
	char command[64];

	for (int i = 0; i < GROUP_PARTS; i++)
		close(groups.dirs[i]);
	snprintf(command, sizeof command, "rm -rf %s/r5", folder);
	CHECK(!system(command));
}

static void version_2(void)
{
	static const char *const files[] = { "memory.max", "memory.swap.max", "pids.max", "cpu.max", "io.max",
					     "cgroup.procs", "cgroup.kill", "cgroup.freeze", NULL };
	struct plan_limits limits = no_limits();
	struct rocker_group group = { .number = 5 };
	const char *what = "";

	look_alike(2, files);
	CHECK_INT(rocker_group_limit(&groups, &group, &limits, &what), 0);
	expect("memory.max", "max");
	expect("memory.swap.max", "max");
	expect("pids.max", "max");
	expect("cpu.max", "max 100000");
	limits.memory_bytes = 64 << 20;
	limits.pids = 10;
	limits.cpu_quota_us = 50000;
	limits.ndevices = 1;
	limits.devices[0] = (struct plan_device){ 8, 16, 1000, PLAN_NO_LIMIT, PLAN_NO_LIMIT, 7 };
	CHECK_INT(rocker_group_limit(&groups, &group, &limits, &what), 0);
	expect("memory.max", "69206016"); /* and what the guard takes */
	expect("memory.swap.max", "0");
	expect("pids.max", "11");
	expect("cpu.max", "50000 100000");
	expect("io.max", "8:16 rbps=1000 wbps=max riops=max wiops=7");
	CHECK_INT(rocker_group_freeze(&groups, &group, true), 0);
	expect("cgroup.freeze", "1");
	CHECK_INT(rocker_group_kill(&groups, &group), 0);
	expect("cgroup.kill", "1");
	groups.places.version[GROUP_CPU] = 0;
	CHECK_INT(rocker_group_limit(&groups, &group, &limits, &what), -EOPNOTSUPP);
	CHECK_STR(what, "cpu.max");
	expect("io.max", "8:16 rbps=1000"); /* the others have been set */
	forget();
}

static void version_2_usage(void)
{
	static const char *const files[] = { "cgroup.procs", NULL };
	struct rocker_usage usage;
	char dir[64], text[64];
	pid_t pids[2];

	look_alike(2, files);
	snprintf(dir, sizeof dir, "%s/r5", folder);
	put_file(dir, "cgroup.procs", "11\n12\n13\n");
	put_file(dir, "cpu.stat", "usage_usec 30\nuser_usec 20\nsystem_usec 10\n");
	put_file(dir, "memory.current", "4096\n");
	put_file(dir, "memory.peak", "8192\n");
	put_file(dir, "memory.events", "low 0\noom 3\noom_kill 2\noom_group_kill 9\n");
	put_file(dir, "pids.current", "3\n");
	put_file(dir, "io.stat", "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n8:16 rbytes=5 wbytes=5 rios=5 wios=5\n");
	put_file(dir, "cpu.pressure", "some avg10=0.00\n");
	CHECK_INT(rocker_watch_usage(&groups.places, 5, &usage), 0);
	CHECK(usage.has_cpu && usage.has_memory && usage.has_pids && usage.has_io);
	CHECK_INT(usage.cpu_ns, 30000);
	CHECK_INT(usage.user_ns, 20000);
	CHECK_INT(usage.system_ns, 10000);
	CHECK_INT(usage.memory_bytes, 4096);
	CHECK_INT(usage.memory_peak_bytes, 8192);
	CHECK_INT(usage.oom_kills, 2);
	CHECK_INT(usage.pids, 3);
	CHECK_INT(usage.io_read_bytes, 15);
	CHECK_INT(usage.io_write_bytes, 25);
	CHECK_INT(usage.io_reads, 6);
	CHECK_INT(usage.io_writes, 7);
	CHECK_INT(rocker_watch_procs(&groups.places, 5, pids, 2), 3);
	CHECK_INT(pids[1], 12);
	CHECK_INT(rocker_watch_pressure(&groups.places, 5, "cpu", text, sizeof text), 16);
	CHECK_INT(rocker_watch_pressure(&groups.places, 5, "io", text, sizeof text), -EOPNOTSUPP);
	CHECK_INT(rocker_watch_usage(&groups.places, 6, &usage), -ENODEV);
	CHECK_INT(rocker_watch_procs(&groups.places, 6, pids, 2), -ENODEV);
	forget();
}

static void version_1(void)
{
	static const char *const files[] = { "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "pids.max",
					     "cpu.cfs_quota_us", "cpu.cfs_period_us", "blkio.throttle.read_bps_device",
					     "blkio.throttle.write_bps_device", "blkio.throttle.read_iops_device",
					     "blkio.throttle.write_iops_device", "freezer.state", "cgroup.procs", NULL };
	struct plan_limits limits = no_limits();
	struct rocker_group group = { .number = 5 };
	const char *what = "";

	look_alike(1, files);
	groups.places.version[GROUP_CORE] = 0;
	limits.memory_bytes = 1 << 20;
	limits.cpu_quota_us = 2000;
	limits.cpu_period_us = 4000;
	limits.ndevices = 1;
	limits.devices[0] = (struct plan_device){ 8, 16, 1000, PLAN_NO_LIMIT, PLAN_NO_LIMIT, 7 };
	CHECK_INT(rocker_group_limit(&groups, &group, &limits, &what), 0);
	expect("memory.limit_in_bytes", "3145728");
	expect("memory.memsw.limit_in_bytes", "3145728");
	expect("pids.max", "max");
	expect("cpu.cfs_quota_us", "2000");
	expect("cpu.cfs_period_us", "4000");
	expect("blkio.throttle.read_bps_device", "8:16 1000");
	expect("blkio.throttle.write_bps_device", "");
	expect("blkio.throttle.write_iops_device", "8:16 7");
	CHECK_INT(rocker_group_freeze(&groups, &group, true), 0);
	expect("freezer.state", "FROZEN");
	/* It cannot be ended as a whole here; but thawed, so that its guard can. */
	CHECK_INT(rocker_group_kill(&groups, &group), -EOPNOTSUPP);
	expect("freezer.state", "THAWED");
	forget();
}

static void nothing_here(void)
{
	struct plan_limits limits = no_limits();
	struct rocker_group group;
	struct rocker_usage usage;
	const char *what = "";
	pid_t pid;

	memset(&groups, 0, sizeof groups);
	for (int i = 0; i < GROUP_PARTS; i++)
		groups.dirs[i] = -1;
	CHECK_INT(rocker_group_make(&groups, 1, &group), 0);
	CHECK_INT(rocker_group_clone_dir(&groups, &group), -1);
	CHECK_INT(rocker_group_enter(&groups, &group, false), 0);
	CHECK_INT(rocker_group_limit(&groups, &group, &limits, &what), 0);
	limits.pids = 4;
	CHECK_INT(rocker_group_limit(&groups, &group, &limits, &what), -EOPNOTSUPP);
	CHECK_STR(what, "pids.max");
	CHECK_INT(rocker_group_freeze(&groups, &group, true), -EOPNOTSUPP);
	CHECK_INT(rocker_group_kill(&groups, &group), -EOPNOTSUPP);
	CHECK_INT(rocker_group_remove(&groups, &group), 0);
	CHECK_INT(rocker_watch_usage(&groups.places, 1, &usage), 0);
	CHECK(!usage.has_cpu && !usage.has_memory);
	CHECK_INT(rocker_watch_procs(&groups.places, 1, &pid, 1), -EOPNOTSUPP);
}

/* ---- the real ones ---------------------------------------------------------------------------------- */

/* In the group, until it is killed. */
static pid_t member(const struct rocker_group *group)
{
	int ready[2];
	char byte;

	CHECK(!pipe2(ready, O_CLOEXEC));
	pid_t pid = fork();
	if (!pid) {
		if (!rocker_group_enter(&groups, group, false))
			(void)!write(ready[1], "x", 1);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(ready[1]);
	CHECK(read(ready[0], &byte, 1) == 1);
	close(ready[0]);
	return pid;
}

static bool removed(struct rocker_group *group)
{
	for (int i = 0; i < 1000; i++) {
		if (!rocker_group_remove(&groups, group))
			return true;
		nap();
	}
	return false;
}

static void a_group(void)
{
	struct rocker_group group;
	struct rocker_usage usage;
	pid_t pids[4];
	int status;

	REQUIRE(!rocker_group_make(&groups, 7, &group));
	pid_t pid = member(&group);
	CHECK_INT(rocker_watch_procs(&groups.places, 7, pids, 4), 1);
	CHECK_INT(pids[0], pid);
	CHECK_INT(rocker_watch_usage(&groups.places, 7, &usage), 0);
	CHECK_INT(usage.has_pids, groups.places.version[GROUP_PIDS] != 0);
	CHECK_INT(usage.has_memory, groups.places.version[GROUP_MEMORY] != 0);
	CHECK(!usage.has_pids || usage.pids == 1);
	CHECK_INT(rocker_group_remove(&groups, &group), -EBUSY);
	CHECK_INT(rocker_group_freeze(&groups, &group, true), 0);
	int err = rocker_group_kill(&groups, &group);
	CHECK(!err || err == -EOPNOTSUPP);
	if (err)
		kill(pid, SIGKILL);
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	CHECK(removed(&group));
	CHECK_INT(rocker_group_remove(&groups, &group), 0);
	CHECK_INT(rocker_watch_usage(&groups.places, 7, &usage), -ENODEV);
}

static void real_limits(void)
{
	struct rocker_group group;
	struct plan_limits limits = no_limits();
	const char *what = "";

	REQUIRE(!rocker_group_make(&groups, 8, &group));
	CHECK_INT(rocker_group_limit(&groups, &group, &limits, &what), 0);
	limits.memory_bytes = 64 << 20;
	limits.pids = 10;
	if (groups.places.version[GROUP_CPU])
		limits.cpu_quota_us = 50000;
	CHECK_MSG(!rocker_group_limit(&groups, &group, &limits, &what), "%s", what);
	CHECK_STR(slurp(GROUP_PIDS, 8, "pids.max"), "11\n");
	bool v1 = groups.places.version[GROUP_MEMORY] == 1;
	CHECK_STR(slurp(GROUP_MEMORY, 8, v1 ? "memory.limit_in_bytes" : "memory.max"), "69206016\n");
	/* Up, down, with another period, and away again. */
	limits.memory_bytes = 256 << 20;
	limits.cpu_period_us = 50000;
	CHECK_MSG(!rocker_group_limit(&groups, &group, &limits, &what), "%s", what);
	CHECK_STR(slurp(GROUP_MEMORY, 8, v1 ? "memory.limit_in_bytes" : "memory.max"), "270532608\n");
	limits.memory_bytes = 32 << 20;
	CHECK_MSG(!rocker_group_limit(&groups, &group, &limits, &what), "%s", what);
	limits = no_limits();
	CHECK_MSG(!rocker_group_limit(&groups, &group, &limits, &what), "%s", what);
	CHECK_STR(slurp(GROUP_PIDS, 8, "pids.max"), "max\n");
	CHECK(removed(&group));
}

static void memory_bomb(void)
{
	struct rocker_group group;
	struct plan_limits limits = no_limits();
	struct rocker_usage usage = { 0 };
	const char *what;
	int status;

	REQUIRE(!rocker_group_make(&groups, 9, &group));
	limits.memory_bytes = 8 << 20;
	CHECK_INT(rocker_group_limit(&groups, &group, &limits, &what), 0);
	pid_t pid = fork();
	if (!pid) {
		char *bytes = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (bytes == MAP_FAILED || rocker_group_enter(&groups, &group, false))
			_exit(1);
		memset(bytes, 1, 64 << 20);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK_INT(rocker_watch_usage(&groups.places, 9, &usage), 0);
	CHECK_INT(usage.oom_kills, 1);
	CHECK(usage.memory_peak_bytes >= 8 << 20);
	CHECK(removed(&group));
}

/* A launcher's beginning and end: its group holds a frozen member, whose pid is told. */
static _Noreturn void die_with_a_group(int out)
{
	struct rocker_group group;

	if (rocker_groups_start(&groups) || rocker_group_make(&groups, 3, &group))
		_exit(1);
	pid_t stuck = member(&group);
	if (rocker_group_freeze(&groups, &group, true) || write(out, &stuck, sizeof stuck) < 0)
		_exit(1);
	_exit(0);
}

/* Dead, though its new parent may not have reaped it yet. */
static bool is_dead(pid_t pid)
{
	char path[48], state[256] = "";

	snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true;
	ssize_t n = read(fd, state, sizeof state - 1);
	close(fd);
	return n <= 0 || strstr(state, ") Z") || strstr(state, ") X");
}

/* A process of ours dies and leaves a group with a frozen member: the next one's start ends and removes both. */
static void swept(void)
{
	const char *place = groups.places.path[GROUP_CORE];
	int before = (int)(strrchr(place, '-') + 1 - place), ends[2], status;
	char left[GROUP_PATH_MAX + 8];
	pid_t stuck = 0;

	CHECK(!pipe2(ends, O_CLOEXEC));
	pid_t dead = fork();
	if (!dead)
		die_with_a_group(ends[1]);
	CHECK(waitpid(dead, &status, 0) == dead && !status);
	CHECK(read(ends[0], &stuck, sizeof stuck) == (ssize_t)sizeof stuck);
	close(ends[0]);
	close(ends[1]);
	snprintf(left, sizeof left, "%.*s%ld", before, place, (long)dead);
	/* Another launcher that begins or ends just now may have swept already. */
	rocker_groups_stop(&groups);
	CHECK_INT(rocker_groups_start(&groups), 0);
	CHECK(access(left, F_OK));
	CHECK(is_dead(stuck));
}

/* What version 1 holds frozen does not die before it is thawed. */
static void swept_frozen(void)
{
	static const char freezer[] = "/sys/fs/cgroup/freezer";
	char dir[96], group[112], text[16];
	int status;

	int parent = open(freezer, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0) {
		check_skip("no version 1 freezer");
		return;
	}
	pid_t dead = fork(); /* alive until all is set up: whoever sweeps spares it */
	while (!dead)
		pause();
	snprintf(dir, sizeof dir, "%s/sandboxfs-%ld", freezer, (long)dead);
	snprintf(group, sizeof group, "%s/r1", dir);
	CHECK(!mkdir(dir, 0755) && !mkdir(group, 0755));
	pid_t pid = fork();
	while (!pid)
		pause();
	snprintf(text, sizeof text, "%ld", (long)pid);
	put_file(group, "cgroup.procs", text);
	put_file(group, "freezer.state", "FROZEN");
	CHECK(!kill(dead, SIGKILL) && waitpid(dead, NULL, 0) == dead);
	cgroup_sweep_kill(parent);
	CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
	cgroup_sweep(parent);
	CHECK(access(dir, F_OK));
	close(parent);
}

static void real(void)
{
	REQUIRE(!rocker_groups_start(&groups));
	for (int i = 0; i < GROUP_PARTS; i++)
		printf("# part %d: version %d %s\n", i, groups.places.version[i], groups.places.path[i]);
	bool here = groups.places.version[GROUP_CORE] && groups.places.version[GROUP_MEMORY];
	if (here) {
		RUN(a_group);
		RUN(real_limits);
		RUN(memory_bomb);
		RUN(swept);
		RUN(swept_frozen);
	}
	struct group_places places = groups.places;
	rocker_groups_stop(&groups);
	for (int i = 0; i < GROUP_PARTS; i++)
		CHECK(!places.version[i] || access(places.path[i], F_OK));
	if (!here)
		check_skip("no control groups with memory and version 2 on this machine");
}

int main(void)
{
	if (!mkdtemp(folder))
		return 1;
	RUN(version_2);
	RUN(version_2_usage);
	RUN(version_1);
	RUN(nothing_here);
	rmdir(folder);
	if (!geteuid())
		RUN(real);
	return check_done();
}
