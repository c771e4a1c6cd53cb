/* SPDX-License-Identifier: MIT */
/*
 * The process that reads an image for a rocker: squashfuse, as nobody, where there is nothing else.
 *
 * It is forked by the launcher before the image is opened, since nobody else can be its parent, and waits. What it
 * serves may have been made by anybody to take it over; so by then it has no network, no rights, no process beside
 * itself, no file but its own program and libraries, and is limited with the rocker and ended with it. Steps are as
 * in jail_steps.h.
 */
#include "jail_blank.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of the wait; the groups' directories are behind them. */
#define SOCKET_FD 3
#define PROC_FD   4
#define GROUP_FDS 5
#define SPARE_FD  200
/* Of the program. */
#define IMAGE_FD  3
#define DEVICE_FD 4

#define SERVER_NAMESPACES (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS)
#define ROOT_OPTIONS      "size=64k,nr_inodes=32,mode=0755"
#define PROFILE           "strict"     /* without a listener what it refuses does not exist */
#define SERVER_BYTES      (512u << 20) /* of addresses; where there is a control group, that counts */
#define SERVER_FDS        16
#define SERVER_PROCESSES  8 /* threads */
#define CORE_BYTES        1 /* see jail_steps.c */
#define TARGET_SIZE       64

struct server {
	const struct rocker_env *env;
	const struct server_spec *spec;
	struct jail_env jail; /* with our own descriptor of /proc */
	struct rocker_groups groups;
	int image, device, landlock;
};

static struct server server;

static int result(long rc)
{
	return rc < 0 ? -errno : 0;
}

/* ---- the wait ------------------------------------------------------------------------------------ */

static int own_session(struct server *s)
{
	(void)s;
	int err = jail_own_session(NULL);
	(void)umask(022);
	return err;
}

/* Who waits for the end of another's socket must not wait for us. */
static int few_descriptors(struct server *s)
{
	int socket = fcntl(s->spec->socket, F_DUPFD_CLOEXEC, SPARE_FD);
	int proc = fcntl(s->env->jail->proc, F_DUPFD_CLOEXEC, SPARE_FD);
	int dirs[GROUP_PARTS];

	for (int i = 0; i < GROUP_PARTS; i++)
		dirs[i] = fcntl(s->spec->groups->dirs[i], F_DUPFD_CLOEXEC, SPARE_FD);
	if (socket < 0 || proc < 0)
		return -EMFILE;
	if (dup3(socket, SOCKET_FD, O_CLOEXEC) < 0 || dup3(proc, PROC_FD, O_CLOEXEC) < 0)
		return -errno;
	s->groups = *s->spec->groups;
	for (int i = 0; i < GROUP_PARTS; i++) {
		int same = 0; /* parts with one directory are known by its number */
		while (s->spec->groups->dirs[same] != s->spec->groups->dirs[i])
			same++;
		s->groups.dirs[i] = dirs[i] < 0 ? -1 : GROUP_FDS + same;
		if (dirs[i] < 0 || same < i)
			(void)close(GROUP_FDS + i);
		else if (dup3(dirs[i], GROUP_FDS + i, O_CLOEXEC) < 0)
			return -errno;
	}
	s->jail = *s->env->jail;
	s->jail.proc = PROC_FD;
	(void)syscall(SYS_close_range, 0, SOCKET_FD - 1, 0);
	int null = open("/dev/null", O_RDWR); /* for the program */
	if (null != 0 || dup(null) != 1 || dup(null) != 2)
		return -EIO;
	return result(syscall(SYS_close_range, GROUP_FDS + GROUP_PARTS, ~0u, 0));
}

/* As long as we have not been told what to serve the socket's other end is open in those who may tell it. */
static int die_with_launcher(struct server *s)
{
	struct pollfd p = { .fd = SOCKET_FD };
	int err = jail_die_with_launcher(NULL);

	(void)s;
	if (!err && poll(&p, 1, 0) > 0 && p.revents & POLLHUP)
		_exit(0);
	return err;
}

static int wait_for_image(struct server *s)
{
	struct blank_message message;
	int fds[BLANK_MESSAGE_FDS];
	unsigned nfds;
	ssize_t n = blank_hear(SOCKET_FD, &message, NULL, fds, &nfds);

	if (!n)
		_exit(0); /* the kernel reads it, or nobody */
	if (n != (ssize_t)sizeof message || message.type != BLANK_IMAGE || nfds != 2)
		return -EBADMSG;
	s->image = fds[0];
	s->device = fds[1];
	return 0;
}

/* ---- the jail ------------------------------------------------------------------------------------ */

static int enter_group(struct server *s)
{
	(void)jail_write_proc(&s->jail, "self/oom_score_adj", "1000");
	int err = s->spec->group ? rocker_group_enter(&s->groups, s->spec->group, false) : 0;

	return err ?: result(unshare(CLONE_NEWCGROUP | CLONE_NEWNET));
}

/* What the host has there, with all that is mounted in it, to be read; name: without the slash in front. */
static int show(const char *host, bool directory)
{
	struct mount_attr attr = { .attr_set =
					   MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
				   .propagation = MS_PRIVATE };
	const char *name = host + 1;
	int tree = (int)syscall(SYS_open_tree, AT_FDCWD, host,
				OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

	if (tree < 0)
		return -errno;
	int err = result(directory ? mkdir(name, 0755) : mknod(name, S_IFREG | 0444, 0));
	if (!err)
		err = result(syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE,
				     &attr, sizeof attr));
	if (!err)
		err = result(
			syscall(SYS_move_mount, tree, "", AT_FDCWD, name, MOVE_MOUNT_F_EMPTY_PATH));
	(void)close(tree);
	return err;
}

/* Where /usr has been merged a link, else a directory. */
static int show_libraries(const char *host)
{
	char target[TARGET_SIZE];
	ssize_t n = readlink(host, target, sizeof target - 1);

	if (n < 0)
		return errno == ENOENT ? 0 : show(host, true);
	target[n] = '\0';
	return result(symlink(target, host + 1));
}

static int fill_root(void)
{
	int err = show("/usr", true);

	err = err ?: show_libraries("/lib");
	err = err ?: show_libraries("/lib64");
	err = err ?: result(mkdir("etc", 0755));
	if (!err && !access("/etc/ld.so.cache", R_OK))
		err = show("/etc/ld.so.cache", false);
	err = err ?: result(mkdir("proc", 0555));
	return err
		       ?: result(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
				       "subset=pid"));
}

/* /proc serves as the place to mount on, since it exists wherever the launcher does. */
static int own_root(struct server *s)
{
	const unsigned long safe = MS_NOSUID | MS_NODEV;

	(void)s;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("image", "/proc", "tmpfs", safe, ROOT_OPTIONS) || chdir("/proc"))
		return -errno;
	int err = fill_root();
	if (err)
		return err;
	if (syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/"))
		return -errno;
	return result(mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY | safe, NULL));
}

static int prepare_landlock(struct server *s)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return -errno;
	int err = jail_landlock_rocker(s->env->landlock, root, &s->landlock);
	(void)close(root);
	return err;
}

static int take_ids(struct server *s)
{
	const struct jail_spec spec = { .uid = s->spec->uid, .gid = s->spec->gid };
	const struct jail_child child = { .env = &s->jail, .spec = &spec };

	if (s->jail.root && (!spec.uid || !spec.gid))
		return -EPERM;
	int err = jail_host_name(NULL);
	err = err ?: jail_take_ids(&child);
	err = err ?: jail_leaf_namespace(&child);
	err = err ?: jail_no_more_namespaces(&child);
	return err ?: jail_no_capabilities(&child);
}

static int resource_limits(struct server *s)
{
	static const struct {
		int resource;
		uint64_t value;
	} limits[] = {
		{ RLIMIT_AS, SERVER_BYTES },   { RLIMIT_CORE, CORE_BYTES }, { RLIMIT_FSIZE, 0 },
		{ RLIMIT_MEMLOCK, 0 },         { RLIMIT_MSGQUEUE, 0 },      { RLIMIT_NICE, 0 },
		{ RLIMIT_NOFILE, SERVER_FDS }, { RLIMIT_RTPRIO, 0 },
	};
	int err = s->jail.limits_processes ? jail_limit(RLIMIT_NPROC, SERVER_PROCESSES) : 0;

	for (size_t i = 0; i < sizeof limits / sizeof *limits && !err; i++)
		err = jail_limit(limits[i].resource, limits[i].value);
	return err;
}

static int restrict_by_landlock(struct server *s)
{
	return jail_landlock_restrict(s->landlock);
}

/* The image and the device; besides them only what the exec closes. */
static int last_descriptors(struct server *s)
{
	int image = fcntl(s->image, F_DUPFD_CLOEXEC, SPARE_FD);
	int device = fcntl(s->device, F_DUPFD_CLOEXEC, SPARE_FD);
	int socket = fcntl(SOCKET_FD, F_DUPFD_CLOEXEC, SPARE_FD);

	if (image < 0 || device < 0 || socket < 0)
		return -EMFILE;
	if (dup2(image, IMAGE_FD) < 0 || dup2(device, DEVICE_FD) < 0 ||
	    dup3(socket, DEVICE_FD + 1, O_CLOEXEC) < 0)
		return -errno;
	return result(syscall(SYS_close_range, DEVICE_FD + 2, ~0u, 0));
}

static int install_filter(struct server *s)
{
	int number = seccomp_profile_find(PROFILE);

	if (number < 0 || (unsigned)number >= s->env->nprofiles)
		return -EINVAL;
	int err = seccomp_profile_install(&s->env->profiles[number], false);
	return err < -1 ? err : 0;
}

static int run_server(struct server *s)
{
	char *const argv[] = { (char *)"squashfuse_ll", (char *)"-f", (char *)"/proc/self/fd/3",
			       (char *)"/dev/fd/4", NULL };
	char *const envp[] = { NULL };

	(void)s;
	(void)execve(IMAGE_SERVER_PATH, argv, envp);
	return -errno;
}

static const struct {
	const char *name;
	int (*take)(struct server *s);
} steps[] = {
	{ "session", own_session },
	{ "server's first descriptors", few_descriptors },
	{ "server's parent", die_with_launcher },
	{ "server's orders", wait_for_image },
	{ "server's control group", enter_group },
	{ "server's root", own_root },
	{ "server's landlock", prepare_landlock },
	{ "server's ids", take_ids },
	{ "server's parent", die_with_launcher }, /* the ids have cleared it */
	{ "server's landlock", restrict_by_landlock },
	{ "server's descriptors", last_descriptors },
	{ "server's resource limits", resource_limits },
	{ "server's seccomp profile", install_filter },
	{ "squashfuse_ll", run_server },
	{ 0 },
};

static _Noreturn void serve(const struct rocker_env *env, const struct server_spec *spec)
{
	int answer = SOCKET_FD;

	server = (struct server){ .env = env, .spec = spec, .image = -1, .device = -1 };
	for (size_t i = 0; steps[i].name; i++) {
		int err = steps[i].take(&server);
		if (!err && steps[i].take == last_descriptors)
			answer = DEVICE_FD + 1;
		if (!err)
			continue;
		blank_report(answer, err, steps[i].name, 0);
		_exit(127);
	}
	_exit(127);
}

pid_t server_spawn(const struct rocker_env *env, const struct server_spec *spec)
{
	pid_t pid = jail_clone(SERVER_NAMESPACES, -1, NULL);

	if (!pid)
		serve(env, spec);
	return pid;
}
