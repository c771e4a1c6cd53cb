/* SPDX-License-Identifier: MIT */
/*
 * The control groups of a rocker, from its guard's /proc/PID/cgroup: what an app that enters must join, since
 * it is no child of the guard.
 *
 * A hierarchy that is not mounted here cannot be joined and is left out. One that is, in which the guard has
 * a group other than ours, must be joined: an app without the rocker's limits would be worse than none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rocker_client.h"

#define GROUPS_TEXT 8192

/* One line of /proc/PID/cgroup, taken apart in place: "NUMBER:CONTROLLERS:PATH". */
struct group_line {
	char *controllers; /* "" for version 2 */
	char *path;
};

static bool split_line(char *line, struct group_line *out)
{
	out->controllers = strchr(line, ':');
	if (!out->controllers)
		return false;
	out->path = strchr(++out->controllers, ':');
	if (!out->path)
		return false;
	*out->path++ = '\0';
	return out->path[0] == '/';
}

/* Is that group this process's own, or an unnamed one? */
static bool is_ours(const struct group_line *group, const char *own)
{
	char line[PATH_MAX + 256];

	snprintf(line, sizeof(line), ":%s:%s\n", group->controllers, group->path);
	return strstr(own, line) != NULL;
}

/* Do the options, words separated by commas, hold all of the controllers? */
static bool has_all(const char *options, const char *controllers)
{
	while (*controllers) {
		size_t len = strcspn(controllers, ",");
		const char *p = options;

		while (*p && !(strcspn(p, ",\n") == len && !strncmp(p, controllers, len))) {
			p += strcspn(p, ",\n");
			p += *p == ',';
			if (*p == '\n')
				return false;
		}
		if (!*p)
			return false;
		controllers += len + (controllers[len] == ',');
	}
	return true;
}

/*
 * A line of /proc/self/mountinfo, see proc_pid_mountinfo(5): its mount point in place, and in *below the part
 * of path below that mount's root. NULL: it is another hierarchy, or shows another part of it.
 */
static char *mount_of(char *line, const struct group_line *group, const char **below)
{
	char *type = strstr(line, " - "), *root = line, *point, *options;

	if (!type)
		return NULL;
	*type = '\0';
	type += 3;
	for (int i = 0; i < 3 && root; i++)
		root = strchr(root, ' ') ? strchr(root, ' ') + 1 : NULL;
	point = root ? strchr(root, ' ') : NULL;
	options = strchr(type, ' ') ? strchr(strchr(type, ' ') + 1, ' ') : NULL;
	if (!point || !options)
		return NULL;
	*point++ = '\0';
	point[strcspn(point, " ")] = '\0';
	if (*group->controllers ? strncmp(type, "cgroup ", 7) || !has_all(options + 1, group->controllers) : strncmp(type, "cgroup2 ", 8))
		return NULL;

	size_t len = strcmp(root, "/") ? strlen(root) : 0;

	*below = group->path + len;
	return strncmp(group->path, root, len) || (**below && **below != '/') ? NULL : point;
}

static int open_procs(const char *point, const char *below)
{
	char path[2 * PATH_MAX];

	snprintf(path, sizeof(path), "%.*s%.*s/cgroup.procs", PATH_MAX, point, PATH_MAX - 16, below);
	return client_open(path, O_WRONLY);
}

/* -ENOENT: the hierarchy is not mounted here. */
static int open_group(const struct group_line *group, char *mounts)
{
	char *saved;
	int fd = -ENOENT;

	for (char *line = strtok_r(mounts, "\n", &saved); line && fd == -ENOENT; line = strtok_r(NULL, "\n", &saved)) {
		const char *below;
		char *point = mount_of(line, group, &below);

		if (!point)
			continue;
		fd = open_procs(point, below);
		if (fd < 0)
			fd = -errno;
	}
	return fd;
}

static char *read_all(const char *path)
{
	size_t size = 1 << 20;
	char *text = malloc(size);

	if (text && client_read(path, text, size) < 0) {
		free(text);
		return NULL;
	}
	return text;
}

static ROCKER_ERR join_line(char *line, const char *own, int fds[CLIENT_GROUPS_MAX], size_t *count)
{
	struct group_line group;
	char *mounts;
	int fd;

	if (!split_line(line, &group) || is_ours(&group, own))
		return ROCKER_ERR_success;
	mounts = read_all("/proc/self/mountinfo");
	if (!mounts)
		return client_fail(ROCKER_ERR_enter_rocker_failed, "mountinfo cannot be read");
	fd = open_group(&group, mounts);
	free(mounts);
	if (fd == -ENOENT)
		return ROCKER_ERR_success;
	if (fd < 0 || *count == CLIENT_GROUPS_MAX) {
		if (fd >= 0)
			client_close(&fd);
		return client_fail(ROCKER_ERR_enter_rocker_failed, "the control group '%.40s:%.100s' cannot be joined: %s", group.controllers,
				   group.path, fd < 0 ? strerror(-fd) : "too many");
	}
	fds[(*count)++] = fd;
	return ROCKER_ERR_success;
}

ROCKER_ERR client_groups(int guard, int fds[CLIENT_GROUPS_MAX], size_t *count_out)
{
	char path[64], theirs[GROUPS_TEXT], own[GROUPS_TEXT], *saved;
	ROCKER_ERR err = ROCKER_ERR_success;

	*count_out = 0;
	snprintf(path, sizeof(path), "/proc/%d/cgroup", guard);
	if (client_read(path, theirs, sizeof(theirs)) < 0 || client_read("/proc/self/cgroup", own, sizeof(own)) < 0)
		return client_fail(ROCKER_ERR_enter_rocker_failed, "the guard's control groups cannot be read");
	for (char *line = strtok_r(theirs, "\n", &saved); line && !err; line = strtok_r(NULL, "\n", &saved))
		err = join_line(line, own, fds, count_out);
	return err;
}
