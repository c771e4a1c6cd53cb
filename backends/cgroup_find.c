/* SPDX-License-Identifier: MIT */
/*
 * Finds the control group hierarchies of this machine, and sweeps out what earlier launchers left
 * in them.
 */
#include "cgroup_find.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX   65536 /* of a file of /proc */
#define PAUSES_MAX 100   /* for the processes of one stale group to end */
#define PAUSE_NS   5000000

static const char *const controllers[] = { "memory", "pids" };

bool cgroup_has_word(const char *words, const char *word, const char *separators)
{
	size_t len = strlen(word);

	for (const char *p = words; *(p += strspn(p, separators));) {
		size_t n = strcspn(p, separators);
		if (n == len && !memcmp(p, word, n))
			return true;
		p += n;
	}
	return false;
}

static int copy_out(const char *text, char *buf, size_t size)
{
	return (size_t)snprintf(buf, size, "%s", text) < size ? 0 : -ENAMETOOLONG;
}

/* Copies the line at p, cut to fit, and returns where the next one begins. */
static const char *take_line(const char *p, char *line, size_t size)
{
	size_t len = strcspn(p, "\n"), kept = len < size ? len : size - 1;

	memcpy(line, p, kept);
	line[kept] = '\0';
	return p + len + (p[len] == '\n');
}

/* Lines "number:controllers:path"; version 2 is "0::path". */
int cgroup_own_path(const char *text, const char *controller, char *buf, size_t size)
{
	char line[PATH_MAX];

	for (const char *p = text; *p;) {
		char *rest = line;
		p = take_line(p, line, sizeof line);
		(void)strsep(&rest, ":");
		const char *list = strsep(&rest, ":");
		if (!list || !rest)
			continue;
		if (controller ? cgroup_has_word(list, controller, ",") : !*list)
			return copy_out(rest, buf, size);
	}
	return -ENOENT;
}

/*
 * Lines "device directory type options 0 0"; blanks in a directory are written \040, and such
 * mounts are not used.
 */
int cgroup_mount_point(const char *text, const char *controller, char *buf, size_t size)
{
	char line[PATH_MAX];

	for (const char *p = text; *p;) {
		char *rest = line;
		p = take_line(p, line, sizeof line);
		(void)strsep(&rest, " ");
		const char *dir = strsep(&rest, " "), *type = strsep(&rest, " "),
			   *options = strsep(&rest, " ");
		if (!options || strcmp(type, controller ? "cgroup" : "cgroup2"))
			continue;
		if (!controller || cgroup_has_word(options, controller, ","))
			return copy_out(dir, buf, size);
	}
	return -ENOENT;
}

int cgroup_read_text(int dir, const char *path, char *buf, size_t size)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	size_t len = 0;
	ssize_t n = 0;
	while (len < size - 1 && (n = read(fd, buf + len, size - 1 - len)) > 0)
		len += (size_t)n;
	int err = n < 0 ? -errno : 0;
	buf[len] = '\0';
	(void)close(fd);
	return err;
}

int cgroup_open_below(const char *mount_point, const char *path)
{
	char whole[2 * PATH_MAX];

	/*
	 * In a container the mount's root may be the own group already, and its path outside means
	 * nothing inside.
	 */
	(void)snprintf(whole, sizeof whole, "%s%s", mount_point, path);
	int fd = open(whole, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		fd = open(mount_point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (faccessat(fd, ".", W_OK, AT_EACCESS)) {
		int err = -errno;
		(void)close(fd);
		return err;
	}
	return fd;
}

/*
 * In version 2 a group with processes of its own cannot hand controllers to children: so ours
 * stands beside the own group, below the nearest one that hands out both.
 */
static int find_v2(const char *mounts, const char *groups, int parents[CGROUP_CONTROLLERS])
{
	char mount_point[PATH_MAX], path[PATH_MAX], words[256];

	int err = cgroup_mount_point(mounts, NULL, mount_point, sizeof mount_point);
	err = err ?: cgroup_own_path(groups, NULL, path, sizeof path);
	if (err)
		return err;
	for (;;) {
		int fd = cgroup_open_below(mount_point, path);
		if (fd < 0)
			return fd;
		if (!cgroup_read_text(fd, "cgroup.subtree_control", words, sizeof words) &&
		    cgroup_has_word(words, "memory", " \n") &&
		    cgroup_has_word(words, "pids", " \n")) {
			parents[CGROUP_MEMORY] = fd;
			parents[CGROUP_PIDS] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
			return parents[CGROUP_PIDS] < 0 ? -errno : 2;
		}
		(void)close(fd);
		char *slash = strrchr(path, '/');
		if (!slash || !path[1])
			return -ENOENT;
		slash[slash == path] = '\0';
	}
}

static int find_v1(const char *mounts, const char *groups, int parents[CGROUP_CONTROLLERS])
{
	char mount_point[PATH_MAX], path[PATH_MAX];
	int err = 0;

	for (int i = 0; i < CGROUP_CONTROLLERS && !err; i++) {
		err = cgroup_mount_point(mounts, controllers[i], mount_point, sizeof mount_point);
		err = err ?: cgroup_own_path(groups, controllers[i], path, sizeof path);
		if (!err && (parents[i] = cgroup_open_below(mount_point, path)) < 0)
			err = parents[i];
	}
	if (!err)
		return 1;
	if (parents[CGROUP_MEMORY] >= 0)
		(void)close(parents[CGROUP_MEMORY]);
	parents[CGROUP_MEMORY] = parents[CGROUP_PIDS] = -1;
	return err;
}

int cgroup_find(int parents[CGROUP_CONTROLLERS])
{
	char *mounts = malloc(TEXT_MAX), *groups = malloc(TEXT_MAX);

	int found = mounts && groups ? 0 : -ENOMEM;
	found = found ?: cgroup_read_text(AT_FDCWD, "/proc/self/mounts", mounts, TEXT_MAX);
	found = found ?: cgroup_read_text(AT_FDCWD, "/proc/self/cgroup", groups, TEXT_MAX);
	if (!found) {
		found = find_v2(mounts, groups, parents);
		if (found < 0)
			found = find_v1(mounts, groups, parents);
	}
	free(mounts);
	free(groups);
	return found;
}

/* ---- what dead launchers left ---------------------------------------------------------------- */

static void write_file(int group, const char *file, const char *text)
{
	int fd = openat(group, file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)!write(fd, text, strlen(text));
	(void)close(fd);
}

/*
 * What its launcher had no time to end: such processes are on their way out, or are sent there.
 * Version 2 ends all at once; in version 1 a frozen process dies no sooner than it is thawed.
 */
static void kill_members(int group)
{
	char text[4096];

	if (cgroup_read_text(group, "cgroup.procs", text, sizeof text))
		return;
	/* Pids of another namespace are shown as 0: theirs is a launcher that cannot be seen from here. */
	if (*text < '1' || *text > '9')
		return;
	write_file(group, "freezer.state", "THAWED");
	write_file(group, "cgroup.kill", "1");
	/* A number that the end of text has cut would be somebody else's. */
	for (char *p = text, *end; *p >= '1' && *p <= '9' && strchr(p, '\n'); p = end + 1)
		(void)kill((pid_t)strtol(p, &end, 10), SIGKILL);
}

static void kill_group(int parent, const char *name)
{
	int group = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (group < 0)
		return;
	kill_members(group);
	(void)close(group);
}

static void remove_group(int parent, const char *name)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };

	for (int i = 0; i < PAUSES_MAX && unlinkat(parent, name, AT_REMOVEDIR) && errno == EBUSY;
	     i++) {
		kill_group(parent, name);
		(void)nanosleep(&pause, NULL);
	}
}

/* Calls visit for each directory in that one. */
static void each_directory(int parent, const char *name, void (*visit)(int dir, const char *name))
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	for (struct dirent *e; (e = readdir(dir));)
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			visit(fd, e->d_name);
	(void)closedir(dir);
}

/* Of a process of ours that is gone? */
static bool is_stale(const char *name)
{
	static const char prefix[] = "sandboxfs-";

	if (strncmp(name, prefix, sizeof prefix - 1))
		return false;
	long pid = strtol(name + sizeof prefix - 1, NULL, 10);
	return pid > 0 && kill((pid_t)pid, 0) && errno == ESRCH;
}

static void kill_stale(int parent, const char *name)
{
	if (is_stale(name))
		each_directory(parent, name, kill_group);
}

static void remove_stale(int parent, const char *name)
{
	if (!is_stale(name))
		return;
	each_directory(parent, name, remove_group);
	(void)unlinkat(parent, name, AT_REMOVEDIR);
}

static void clear_with(int dir, bool (*stays)(const char *name),
		       void (*visit)(int dir, const char *name))
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);

	for (struct dirent *e; list && (e = readdir(list));)
		if (e->d_type == DT_DIR && e->d_name[0] != '.' && !stays(e->d_name))
			visit(dir, e->d_name);
	if (list)
		(void)closedir(list);
}

void cgroup_clear_kill(int dir, bool (*stays)(const char *name))
{
	clear_with(dir, stays, kill_group);
}

void cgroup_clear(int dir, bool (*stays)(const char *name))
{
	clear_with(dir, stays, remove_group);
}

void cgroup_sweep_kill(int parent)
{
	each_directory(parent, ".", kill_stale);
}

/* All are killed before the first one is waited for. */
void cgroup_sweep(int parent)
{
	cgroup_sweep_kill(parent);
	each_directory(parent, ".", remove_stale);
}
