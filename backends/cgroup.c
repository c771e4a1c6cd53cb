/* SPDX-License-Identifier: MIT */
/*
 * One control group for each jail: made with its limits, entered by the jail's processes, asked
 * whether it killed, removed.
 */
#include "cgroup.h"
#include "cgroup_find.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A limit is a file of a controller; one that may be missing (no swap accounting) is no failure. */
static const struct limit {
	int version;
	enum cgroup_controller controller;
	const char *file;
	bool optional;
} limits[] = {
	{ 1, CGROUP_MEMORY, "memory.limit_in_bytes", false },
	{ 1, CGROUP_MEMORY, "memory.memsw.limit_in_bytes", true },
	{ 1, CGROUP_PIDS, "pids.max", false },
	{ 2, CGROUP_MEMORY, "memory.max", false },
	{ 2, CGROUP_PIDS, "pids.max", false },
	{ 0 },
};

static void number_name(unsigned number, char name[16])
{
	(void)snprintf(name, 16, "%u", number);
}

static int write_file(int dir, const char *file, const char *text)
{
	int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = write(fd, text, strlen(text));
	int err = n < 0 ? -errno : 0;
	(void)close(fd);
	return err;
}

static int set_limits(const struct cgroup_tree *tree, const struct cgroup *group,
		      uint64_t memory_bytes, uint32_t pids)
{
	for (const struct limit *l = limits; l->file; l++) {
		uint64_t value = l->controller == CGROUP_MEMORY ? memory_bytes : pids;
		char text[24];

		if (l->version != tree->version || !value)
			continue;
		(void)snprintf(text, sizeof text, "%" PRIu64, value);
		int err = write_file(group->dirs[l->controller], l->file, text);
		if (err && !l->optional)
			return err;
	}
	if (tree->version ==
	    2) /* no swap, which version 1 limits together with memory; absent without swap */
		(void)write_file(group->dirs[CGROUP_MEMORY], "memory.swap.max", "0");
	return 0;
}

static int open_new(int parent, const char *name)
{
	if (mkdirat(parent, name, 0755) && errno != EEXIST)
		return -errno;
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int open_dirs(int version, const int parents[CGROUP_CONTROLLERS], const char *name,
		     int dirs[CGROUP_CONTROLLERS])
{
	dirs[CGROUP_MEMORY] = open_new(parents[CGROUP_MEMORY], name);
	if (dirs[CGROUP_MEMORY] < 0)
		return dirs[CGROUP_MEMORY];
	dirs[CGROUP_PIDS] = version == 2 ? fcntl(dirs[CGROUP_MEMORY], F_DUPFD_CLOEXEC, 0)
					 : open_new(parents[CGROUP_PIDS], name);
	return dirs[CGROUP_PIDS] < 0 ? -errno : 0;
}

static void close_dirs(int dirs[CGROUP_CONTROLLERS])
{
	for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
		if (dirs[i] >= 0)
			(void)close(dirs[i]);
		dirs[i] = -1;
	}
}

static int remove_dirs(const int parents[CGROUP_CONTROLLERS], const char *name)
{
	int err = 0;

	for (int i = 0; i < CGROUP_CONTROLLERS; i++)
		if (parents[i] >= 0 && unlinkat(parents[i], name, AT_REMOVEDIR) && errno != ENOENT)
			err = -errno;
	return err;
}

int cgroup_start(struct cgroup_tree *tree)
{
	*tree = (struct cgroup_tree){ 0, { -1, -1 }, { -1, -1 }, "" };
	int version = cgroup_find(tree->parents);
	if (version < 0)
		return version;
	for (int i = 0; i < CGROUP_CONTROLLERS; i++)
		cgroup_sweep(tree->parents[i]);
	(void)snprintf(tree->name, sizeof tree->name, "sandboxfs-%ld", (long)getpid());
	tree->version = version;
	int err = open_dirs(version, tree->parents, tree->name, tree->dirs);
	if (!err && version == 2)
		err = write_file(tree->dirs[CGROUP_MEMORY], "cgroup.subtree_control",
				 "+memory +pids");
	if (err)
		cgroup_stop(tree);
	return err;
}

void cgroup_stop(struct cgroup_tree *tree)
{
	if (!tree->version)
		return;
	close_dirs(tree->dirs);
	(void)remove_dirs(tree->parents, tree->name);
	/* Those of a launcher that was not quite dead when this one began. */
	for (int i = 0; i < CGROUP_CONTROLLERS; i++)
		cgroup_sweep(tree->parents[i]);
	close_dirs(tree->parents);
	tree->version = 0;
}

int cgroup_make(const struct cgroup_tree *tree, unsigned number, uint64_t memory_bytes,
		uint32_t pids, struct cgroup *out)
{
	struct cgroup group = { { -1, -1 } };
	char name[16];

	*out = group;
	if (!tree->version)
		return 0;
	number_name(number, name);
	int err = open_dirs(tree->version, tree->dirs, name, group.dirs);
	err = err ?: set_limits(tree, &group, memory_bytes, pids);
	if (err)
		(void)cgroup_remove(tree, number, &group);
	else
		*out = group;
	return err;
}

int cgroup_enter(const struct cgroup *group)
{
	for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
		if (group->dirs[i] < 0)
			continue;
		int err = write_file(group->dirs[i], "cgroup.procs", "0");
		if (err)
			return err;
	}
	return 0;
}

/* A line "oom_kill N" in both versions. */
uint64_t cgroup_oom_kills(const struct cgroup_tree *tree, const struct cgroup *group)
{
	char text[512];

	if (!tree->version || group->dirs[CGROUP_MEMORY] < 0)
		return 0;
	int fd = openat(group->dirs[CGROUP_MEMORY],
			tree->version == 2 ? "memory.events" : "memory.oom_control",
			O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ssize_t n = read(fd, text, sizeof text - 1);
	(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	const char *line = strstr(text, "oom_kill ");
	return line ? strtoull(line + strlen("oom_kill "), NULL, 10) : 0;
}

int cgroup_remove(const struct cgroup_tree *tree, unsigned number, struct cgroup *group)
{
	char name[16];

	if (!tree->version)
		return 0;
	close_dirs(group->dirs);
	number_name(number, name);
	return remove_dirs(tree->dirs, name);
}
