/* SPDX-License-Identifier: MIT */
/*
 * Leaf user namespaces: made once for each identity, ahead, and joined by each rocker of it.
 *
 * A child is born in the namespace and keeps it alive while the launcher, which has the right to map
 * more than its own id, writes the maps. See user_namespaces(7).
 */
#include "jail_steps.h"
#include "jail_rocker.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATH_SIZE 40
#define MAP_SIZE  96

struct map {
	uint32_t guard, jobs, inside;
};

/* The child knows by the end of the pipe that the maps are there. */
static _Noreturn void hold_namespace(const struct jail_env *env, int go[2])
{
	const struct jail_child child = { .env = env };
	char byte;

	(void)close(go[1]);
	(void)!read(go[0], &byte, 1);
	_exit(jail_no_more_namespaces(&child) ? 1 : 0);
}

static const char *proc_path(char path[PATH_SIZE], pid_t pid, const char *file)
{
	char *end = jail_put_number(path, (unsigned long)pid);

	*end++ = '/';
	(void)strcpy(end, file);
	return path;
}

static char *put_line(char *p, uint32_t inside, uint32_t outside)
{
	p = jail_put_number(p, inside);
	*p++ = ' ';
	p = jail_put_number(p, outside);
	return stpcpy(p, " 1\n");
}

static int write_map(const struct jail_env *env, const char *path, const struct map *map)
{
	char text[MAP_SIZE], *p = put_line(text, map->inside, map->jobs);

	if (map->guard != map->jobs)
		(void)put_line(p, map->guard, map->guard);
	return jail_write_proc(env, path, text);
}

/*
 * Groups may be set inside where root does this, since a guard takes those away that its jobs shall
 * not have; an ordinary user's namespace forbids it already.
 */
static int open_mapped(const struct jail_env *env, pid_t pid, const struct leaf_ids *ids)
{
	const struct map uids = { ids->guard_uid, ids->uid, ids->inside_uid };
	const struct map gids = { ids->guard_gid, ids->gid, ids->inside_gid };
	char path[PATH_SIZE];
	int err = write_map(env, proc_path(path, pid, "gid_map"), &gids);

	err = err ?: write_map(env, proc_path(path, pid, "uid_map"), &uids);
	if (err)
		return err;
	int fd = openat(env->proc, proc_path(path, pid, "ns/user"), O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int leaf_make(const struct jail_env *env, const struct leaf_ids *ids)
{
	int go[2], status = 0;

	if (env->root && (!ids->guard_uid || !ids->uid || !ids->guard_gid || !ids->gid))
		return -EPERM; /* no rocker has an id of the host's root */
	if (pipe2(go, O_CLOEXEC))
		return -errno;
	pid_t pid = jail_clone(CLONE_NEWUSER, -1, NULL);
	if (!pid)
		hold_namespace(env, go);
	int fd = pid < 0 ? (int)pid : open_mapped(env, pid, ids);
	(void)close(go[0]);
	(void)close(go[1]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (fd >= 0 && status) {
		(void)close(fd);
		return -EIO;
	}
	return fd;
}
