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
#define MAP_SIZE  64

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

/* Inside they have the numbers that they have outside. */
static int write_map(const struct jail_env *env, pid_t pid, const char *file, const uint32_t ids[2])
{
	char text[MAP_SIZE], path[PATH_SIZE], *p = text;

	for (int i = 0; i < 2; i++) {
		if (i && ids[1] == ids[0])
			break;
		p = jail_put_number(p, ids[i]);
		*p++ = ' ';
		p = jail_put_number(p, ids[i]);
		(void)strcpy(p, " 1\n");
		p += 3;
	}
	return jail_write_proc(env, proc_path(path, pid, file), text);
}

/*
 * Groups may be set inside where root does this, since a guard takes those away that its jobs shall
 * not have; an ordinary user's namespace forbids it already.
 */
static int open_mapped(const struct jail_env *env, pid_t pid, const uint32_t uids[2],
		       const uint32_t gids[2])
{
	char path[PATH_SIZE];
	int err = write_map(env, pid, "gid_map", gids);

	err = err ?: write_map(env, pid, "uid_map", uids);
	if (err)
		return err;
	int fd = openat(env->proc, proc_path(path, pid, "ns/user"), O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int leaf_make(const struct jail_env *env, const uint32_t uids[2], const uint32_t gids[2])
{
	int go[2], status = 0;

	if (env->root && (!uids[0] || !uids[1] || !gids[0] || !gids[1]))
		return -EPERM; /* no rocker has an id of the host's root */
	if (pipe2(go, O_CLOEXEC))
		return -errno;
	pid_t pid = jail_clone(CLONE_NEWUSER, -1, NULL);
	if (!pid)
		hold_namespace(env, go);
	int fd = pid < 0 ? (int)pid : open_mapped(env, pid, uids, gids);
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
