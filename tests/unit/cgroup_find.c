/* SPDX-License-Identifier: MIT */
/*
 * Where control groups are: the kernel's texts, as they look on several machines; and one group made and removed for real.
 */
#include "cgroup_find.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static const char mounts_v1[] = "proc /proc proc rw,relatime 0 0\n"
				"cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu,cpuacct 0 0\n"
				"cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n"
				"cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n";
static const char groups_v1[] = "8:pids:/\n4:memory:/a/b:c\n2:cpu,cpuacct:/\n0::/user.slice\n";

static void mount_points(void)
{
	char path[64];

	CHECK_INT(cgroup_mount_point(mounts_v1, "memory", path, sizeof path), 0);
	CHECK_STR(path, "/sys/fs/cgroup/memory");
	CHECK_INT(cgroup_mount_point(mounts_v1, "cpuacct", path, sizeof path), 0);
	CHECK_STR(path, "/sys/fs/cgroup/cpu");
	CHECK_INT(cgroup_mount_point(mounts_v1, NULL, path, sizeof path), 0);
	CHECK_STR(path, "/sys/fs/cgroup/unified");
	CHECK_INT(cgroup_mount_point(mounts_v1, "pids", path, sizeof path), -ENOENT);
	CHECK_INT(cgroup_mount_point(mounts_v1, "mem", path, sizeof path), -ENOENT);
	CHECK_INT(cgroup_mount_point(mounts_v1, "memory", path, 8), -ENAMETOOLONG);
	CHECK_INT(cgroup_mount_point("", NULL, path, sizeof path), -ENOENT);
	CHECK_INT(cgroup_mount_point("cgroup2", NULL, path, sizeof path), -ENOENT);
}

static void own_paths(void)
{
	char path[64];

	CHECK_INT(cgroup_own_path(groups_v1, "memory", path, sizeof path), 0);
	CHECK_STR(path, "/a/b:c");
	CHECK_INT(cgroup_own_path(groups_v1, "cpuacct", path, sizeof path), 0);
	CHECK_INT(cgroup_own_path(groups_v1, NULL, path, sizeof path), 0);
	CHECK_STR(path, "/user.slice");
	CHECK_INT(cgroup_own_path(groups_v1, "io", path, sizeof path), -ENOENT);
	CHECK_INT(cgroup_own_path("0:", NULL, path, sizeof path), -ENOENT);
	CHECK_INT(cgroup_own_path(groups_v1, "memory", path, 3), -ENAMETOOLONG);
}

static void words(void)
{
	CHECK(cgroup_has_word("cpu memory pids\n", "pids", " \n"));
	CHECK(!cgroup_has_word("cpu memory pids\n", "pid", " \n"));
	CHECK(!cgroup_has_word("", "pids", " \n"));
}

/* A process in a group whose memory limit it exceeds is killed, and that is counted. */
static void real_group(void)
{
	struct cgroup_tree tree;
	struct cgroup group;
	int status = 0;

	if (cgroup_start(&tree)) {
		check_skip("no control groups with memory and pids that we may use");
		return;
	}
	CHECK_INT(cgroup_make(&tree, 7, 4 << 20, 3, &group), 0);
	CHECK_INT(cgroup_oom_kills(&tree, &group), 0);
	pid_t pid = fork();
	if (!pid) {
		if (cgroup_enter(&group))
			_exit(1);
		for (size_t i = 0; i < 64; i++) {
			volatile char *p = malloc(1 << 20);
			for (size_t k = 0; p && k < 1 << 20; k += 512)
				p[k] = 1;
		}
		_exit(2);
	}
	waitpid(pid, &status, 0);
	CHECK_MSG(WIFSIGNALED(status), "status %#x", status);
	CHECK_INT(cgroup_oom_kills(&tree, &group), 1);
	CHECK_INT(cgroup_remove(&tree, 7, &group), 0);
	CHECK_INT(cgroup_remove(&tree, 7, &group), 0);
	cgroup_stop(&tree);
	CHECK_INT(tree.version, 0);
}

int main(void)
{
	RUN(mount_points);
	RUN(own_paths);
	RUN(words);
	RUN(real_group);
	return check_done();
}
