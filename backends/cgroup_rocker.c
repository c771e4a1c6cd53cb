/* SPDX-License-Identifier: MIT */
/*
 * One control group for each rocker, in every hierarchy that has something to say about it: made,
 * entered, frozen, ended, removed.
 *
 * No descriptor is kept for a group but the one that a clone needs: a thousand rockers would fill the
 * launcher's table, and every child of it would have to close them all. Files are reached from our own
 * directory by "rNUMBER/file".
 */
#include "cgroup_rocker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cgroup_find.h"
#include "cgroup_rocker_priv.h"

#define TEXT_MAX 65536 /* of a file of /proc */

static const char *const v1_names[GROUP_PARTS] = {
	[GROUP_MEMORY] = "memory",   [GROUP_PIDS] = "pids", [GROUP_CPU] = "cpu",
	[GROUP_CPUACCT] = "cpuacct", [GROUP_IO] = "blkio",  [GROUP_FREEZER] = "freezer",
};

static const struct controller {
	enum group_part part;
	const char *name; /* in version 2 */
} controllers[] = {
	{ GROUP_MEMORY, "memory" },
	{ GROUP_PIDS, "pids" },
	{ GROUP_CPU, "cpu" },
	{ GROUP_IO, "io" },
	{ 0 },
};

/* ---- files of one group ---------------------------------------------------------------------- */

static int open_file(const struct rocker_groups *groups, uint32_t number, enum group_part part,
		     const char *file, int how)
{
	char path[GROUP_NAME_MAX];

	if (!groups->places.version[part])
		return -EOPNOTSUPP;
	(void)snprintf(path, sizeof path, "r%u/%s", (unsigned)number, file);
	int fd = openat(groups->dirs[part], path, how | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int group_write(const struct rocker_groups *groups, uint32_t number, enum group_part part,
		const char *file, const char *text)
{
	int fd = open_file(groups, number, part, file, O_WRONLY);
	if (fd < 0)
		return fd;
	int err = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	(void)close(fd);
	return err;
}

int group_read(const struct rocker_groups *groups, uint32_t number, enum group_part part,
	       const char *file, char *text, size_t size)
{
	int fd = open_file(groups, number, part, file, O_RDONLY);
	if (fd < 0)
		return fd;
	ssize_t n = read(fd, text, size - 1);
	int err = n < 0 ? -errno : 0;
	text[n > 0 ? n : 0] = '\0';
	(void)close(fd);
	return err;
}

/* ---- which part stands where ----------------------------------------------------------------- */

struct text {
	char mounts[TEXT_MAX], groups[TEXT_MAX];
};

static int open_own(const struct text *text, const char *controller)
{
	char mount_point[PATH_MAX], path[PATH_MAX];

	int err = cgroup_mount_point(text->mounts, controller, mount_point, sizeof mount_point);
	err = err ?: cgroup_own_path(text->groups, controller, path, sizeof path);
	return err ?: cgroup_open_below(mount_point, path);
}

/* Our directory below parent, after what dead processes of ours left there has been ended. */
static int open_ours(int parent, pid_t home)
{
	char name[32];

	(void)snprintf(name, sizeof name, "sandboxfs-%ld", (long)home);
	if (mkdirat(parent, name, 0755) && errno != EEXIST)
		return -errno;
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int note_place(struct rocker_groups *groups, enum group_part part, int version, int dir)
{
	char link[48];

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
	ssize_t n = readlink(link, groups->places.path[part], GROUP_PATH_MAX);
	if (n <= 0 || n >= GROUP_PATH_MAX)
		return -ENAMETOOLONG;
	groups->places.path[part][n] = '\0';
	groups->places.version[part] = (uint8_t)version;
	groups->dirs[part] = dir;
	return 0;
}

/*
 * Without controllers of its own in version 2, our directory may stand in the own group; with them,
 * only where other groups stand that get them: in version 2 a group with processes hands out none.
 */
static void find_core(struct rocker_groups *groups, const struct text *text)
{
	int parents[CGROUP_CONTROLLERS] = { -1, -1 };
	int parent = cgroup_find(parents) == 2 ? parents[CGROUP_MEMORY] : open_own(text, NULL);

	for (int i = 0; i < CGROUP_CONTROLLERS; i++)
		if (parents[i] >= 0 && parents[i] != parent)
			(void)close(parents[i]);
	if (parent < 0)
		return;
	cgroup_sweep_kill(parent);
	int dir = open_ours(parent, groups->home);
	if (dir >= 0 && note_place(groups, GROUP_CORE, 2, dir))
		(void)close(dir);
	if (groups->places.version[GROUP_CORE])
		(void)note_place(groups, GROUP_CPUACCT, 2, dir);
	(void)close(parent);
}

static void hand_out(int dir, const char *path, const char *name)
{
	char word[16];

	(void)snprintf(word, sizeof word, "+%s", name);
	int fd = openat(dir, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)!write(fd, word, strlen(word));
	(void)close(fd);
}

/* Each alone, since one that is missing would refuse them all; and then looks what there is. */
static void take_controllers(struct rocker_groups *groups)
{
	char words[256] = "";
	int dir = groups->dirs[GROUP_CORE];

	if (!groups->places.version[GROUP_CORE])
		return;
	for (const struct controller *c = controllers; c->name; c++) {
		/* The parent gives ours what it gives its others; cpu and io, too, if it can. */
		if (!cgroup_read_text(dir, "cgroup.controllers", words, sizeof words) &&
		    !cgroup_has_word(words, c->name, " \n"))
			hand_out(dir, "../cgroup.subtree_control", c->name);
		hand_out(dir, "cgroup.subtree_control", c->name);
	}
	if (cgroup_read_text(dir, "cgroup.subtree_control", words, sizeof words))
		return;
	for (const struct controller *c = controllers; c->name; c++)
		if (cgroup_has_word(words, c->name, " \n"))
			(void)note_place(groups, c->part, 2, dir);
}

static void find_v1(struct rocker_groups *groups, enum group_part part, const struct text *text)
{
	bool have_core = groups->places.version[GROUP_CORE] != 0;

	if (groups->places.version[part] || !v1_names[part] || (part == GROUP_FREEZER && have_core))
		return;
	int parent = open_own(text, v1_names[part]);
	if (parent < 0)
		return;
	cgroup_sweep_kill(parent);
	int dir = open_ours(parent, groups->home);
	if (dir >= 0 && note_place(groups, part, 1, dir))
		(void)close(dir);
	(void)close(parent);
}

/*
 * Removes what dead ones left, everywhere; only after all hierarchies have ended their part, since a
 * process that one of them holds frozen keeps its groups in the others.
 */
static void sweep(const struct rocker_groups *groups)
{
	for (int i = 0; i < GROUP_PARTS; i++) {
		int parent = groups->dirs[i] < 0 ? -1
						 : openat(groups->dirs[i], "..",
							  O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (parent < 0)
			continue;
		cgroup_sweep(parent);
		(void)close(parent);
	}
}

int rocker_groups_start(struct rocker_groups *groups)
{
	return rocker_groups_start_at(groups, getpid());
}

int rocker_groups_start_at(struct rocker_groups *groups, pid_t home)
{
	struct text *text = malloc(sizeof *text);

	memset(groups, 0, sizeof *groups);
	groups->home = home;
	for (int i = 0; i < GROUP_PARTS; i++)
		groups->dirs[i] = -1;
	if (!text)
		return -ENOMEM;
	mode_t mask = umask(022); /* the daemon reads them */
	int err = cgroup_read_text(AT_FDCWD, "/proc/self/mounts", text->mounts, TEXT_MAX);
	err = err ?: cgroup_read_text(AT_FDCWD, "/proc/self/cgroup", text->groups, TEXT_MAX);
	if (!err) {
		find_core(groups, text);
		take_controllers(groups);
		for (int i = 0; i < GROUP_PARTS; i++)
			find_v1(groups, (enum group_part)i, text);
		sweep(groups);
	}
	(void)umask(mask);
	free(text);
	return err;
}

/* Is it the first part with that directory? */
static bool is_first(const int dirs[GROUP_PARTS], int part)
{
	for (int i = 0; i < part; i++)
		if (dirs[i] == dirs[part])
			return false;
	return dirs[part] >= 0;
}

static bool (*clear_stays)(uint32_t number); /* of the clearing that is under way; one thread */

/* What is not named as a rocker's group is not ours to end. */
static bool name_stays(const char *name)
{
	char *end;
	unsigned long number = strtoul(name + 1, &end, 10);

	return name[0] != 'r' || end == name + 1 || *end || clear_stays((uint32_t)number);
}

void rocker_groups_clear(const struct rocker_groups *groups, bool (*stays)(uint32_t number))
{
	clear_stays = stays;
	for (int i = 0; i < GROUP_PARTS; i++)
		if (is_first(groups->dirs, i))
			cgroup_clear_kill(groups->dirs[i], name_stays);
	for (int i = 0; i < GROUP_PARTS; i++)
		if (is_first(groups->dirs, i))
			cgroup_clear(groups->dirs[i], name_stays);
}

void rocker_groups_stop(struct rocker_groups *groups)
{
	sweep(groups);
	for (int i = 0; i < GROUP_PARTS; i++)
		if (is_first(groups->dirs, i)) {
			(void)rmdir(groups->places.path[i]);
			(void)close(groups->dirs[i]);
		}
	for (int i = 0; i < GROUP_PARTS; i++)
		groups->dirs[i] = -1;
	memset(&groups->places, 0, sizeof groups->places);
}

/* ---- one group ------------------------------------------------------------------------------- */

static void group_name(uint32_t number, char name[GROUP_NAME_MAX])
{
	(void)snprintf(name, GROUP_NAME_MAX, "r%u", (unsigned)number);
}

int rocker_group_make(const struct rocker_groups *groups, uint32_t number, struct rocker_group *out)
{
	struct rocker_group group = { .number = number };
	char name[GROUP_NAME_MAX];
	int err = 0;

	for (int i = 0; i < GROUP_PARTS; i++)
		group.dirs[i] = -1;
	*out = group;
	group_name(number, name);
	mode_t mask = umask(022);
	for (int i = 0; i < GROUP_PARTS && !err; i++)
		if (is_first(groups->dirs, i) && mkdirat(groups->dirs[i], name, 0755))
			err = -errno;
	(void)umask(mask);
	if (!err && groups->places.version[GROUP_CORE]) {
		group.dirs[GROUP_CORE] =
			openat(groups->dirs[GROUP_CORE], name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (group.dirs[GROUP_CORE] < 0)
			err = -errno;
	}
	if (err)
		(void)rocker_group_remove(groups, &group);
	else
		*out = group;
	return err;
}

int rocker_group_clone_dir(const struct rocker_groups *groups, const struct rocker_group *group)
{
	return groups->places.version[GROUP_CORE] == 2 ? group->dirs[GROUP_CORE] : -1;
}

void rocker_group_entered(struct rocker_group *group)
{
	if (group->dirs[GROUP_CORE] >= 0)
		(void)close(group->dirs[GROUP_CORE]);
	group->dirs[GROUP_CORE] = -1;
}

int rocker_group_enter(const struct rocker_groups *groups, const struct rocker_group *group,
		       bool cloned)
{
	int err = 0;

	for (int i = 0; i < GROUP_PARTS && !err; i++)
		if (is_first(groups->dirs, i) && !(cloned && i == GROUP_CORE))
			err = group_write(groups, group->number, (enum group_part)i, "cgroup.procs",
					  "0");
	return err;
}

/* In version 1 it takes effect bit by bit, and reading the state moves it on. */
static int freeze_v1(const struct rocker_groups *groups, uint32_t number, bool freeze)
{
	char state[16];

	int err = group_write(groups, number, GROUP_FREEZER, "freezer.state",
			      freeze ? "FROZEN" : "THAWED");
	if (!err && freeze)
		(void)group_read(groups, number, GROUP_FREEZER, "freezer.state", state,
				 sizeof state);
	return err;
}

int rocker_group_freeze(const struct rocker_groups *groups, const struct rocker_group *group,
			bool freeze)
{
	int err =
		group_write(groups, group->number, GROUP_CORE, "cgroup.freeze", freeze ? "1" : "0");

	return err == -EOPNOTSUPP ? freeze_v1(groups, group->number, freeze) : err;
}

/* What is frozen by version 2 dies when it is killed; what version 1 holds does not. */
int rocker_group_kill(const struct rocker_groups *groups, const struct rocker_group *group)
{
	char text[64];

	if (groups->places.version[GROUP_FREEZER])
		(void)freeze_v1(groups, group->number, false);
	int err = group_write(groups, group->number, GROUP_CORE, "cgroup.kill", "1");
	/* Before Linux 5.14 there is no such file. */
	if (err == -ENOENT &&
	    !group_read(groups, group->number, GROUP_CORE, "cgroup.events", text, sizeof text))
		err = -EOPNOTSUPP;
	return err;
}

int rocker_group_remove(const struct rocker_groups *groups, struct rocker_group *group)
{
	char name[GROUP_NAME_MAX];
	int err = 0;

	rocker_group_entered(group);
	group_name(group->number, name);
	for (int i = 0; i < GROUP_PARTS; i++)
		if (is_first(groups->dirs, i) && unlinkat(groups->dirs[i], name, AT_REMOVEDIR) &&
		    errno != ENOENT)
			err = -errno;
	return err;
}
