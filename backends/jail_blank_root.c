/* SPDX-License-Identifier: MIT */
/*
 * What a blank does ahead of every plan: its own root, with nothing of the host in it.
 */
#include "jail_blank.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SPARE_FD     200 /* above every number that a blank keeps */
#define ROOT_OPTIONS "size=64m,nr_inodes=16384,mode=0755" /* unless the plan says otherwise */

static int result(long rc)
{
	return rc < 0 ? -errno : 0;
}

static int own_session(struct blank *b)
{
	(void)b;
	int err = jail_own_session(NULL);
	(void)umask(022);
	return err;
}

static int die_with_launcher(struct blank *b)
{
	(void)b;
	return result(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
}

/* When memory runs out on the whole machine, jobs go first; the guard is the smallest of all. */
static int first_victim(struct blank *b)
{
	(void)jail_write_proc(b->env->jail, "self/oom_score_adj", "1000");
	return 0;
}

/*
 * Its own doing, since a migration may take long; and before its view of groups begins here, so that
 * what is above stays out of sight.
 */
static int enter_group(struct blank *b)
{
	const struct blank_spec *spec = b->spec;
	int err = spec->groups && spec->group
			  ? rocker_group_enter(spec->groups, spec->group, b->cloned)
			  : 0;

	return err ?: result(unshare(CLONE_NEWCGROUP));
}

static int join_network(struct blank *b)
{
	return b->spec->netns < 0 ? 0 : result(setns(b->spec->netns, CLONE_NEWNET));
}

/* Early: an end of another blank's socket that is open here too would keep it from hearing the end. */
static int keep_descriptors(struct blank *b)
{
	int control = fcntl(b->control, F_DUPFD_CLOEXEC, SPARE_FD);
	int guard = fcntl(b->guard, F_DUPFD_CLOEXEC, SPARE_FD);
	int report = fcntl(b->report, F_DUPFD_CLOEXEC, SPARE_FD);
	int proc = fcntl(b->env->jail->proc, F_DUPFD_CLOEXEC, SPARE_FD);
	int first_closed = blank_own_leaf(b) ? BLANK_KEPT_FDS : BLANK_PROC_FD;

	if (control < 0 || guard < 0 || report < 0 || proc < 0)
		return -EMFILE;
	if (dup3(control, BLANK_CONTROL_FD, O_CLOEXEC) < 0 ||
	    dup3(guard, BLANK_GUARD_FD, O_CLOEXEC) < 0 ||
	    dup3(report, BLANK_REPORT_FD, O_CLOEXEC) < 0 ||
	    dup3(proc, BLANK_PROC_FD, O_CLOEXEC) < 0)
		return -errno;
	b->control = BLANK_CONTROL_FD;
	b->guard = BLANK_GUARD_FD;
	b->report = BLANK_REPORT_FD;
	if (syscall(SYS_close_range, 0, BLANK_CONTROL_FD - 1, 0))
		return -errno;
	return result(syscall(SYS_close_range, first_closed, ~0u, 0));
}

/*
 * A launcher that ended before its death could be told of is known by this alone: seen from a pid namespace of its
 * own, a parent has no number.
 */
static int launcher_lives(struct blank *b)
{
	struct pollfd p = { .fd = b->report };

	if (poll(&p, 1, 0) > 0 && p.revents & POLLERR)
		_exit(0);
	return 0;
}

/* Modes are of host root; what anybody may write to is /tmp alone. */
static const struct {
	const char *name;
	mode_t mode;
} directories[] = {
	{ "dev", 0755 },
	{ "proc", 0555 },
	{ "run", 0755 },
	{ "tmp", 01777 },
	{ BLANK_HIDDEN, 0700 },
	{ BLANK_HIDDEN "/lower", 0700 },
	{ 0 },
};

static const struct {
	const char *name, *target;
} links[] = {
	{ "dev/fd", "/proc/self/fd" },
	{ "dev/stdin", "/proc/self/fd/0" },
	{ "dev/stdout", "/proc/self/fd/1" },
	{ "dev/stderr", "/proc/self/fd/2" },
	{ "dev/shm", "/tmp" },
	{ 0 },
};

static const struct {
	const char *name, *host;
	unsigned minor;
} devices[] = {
	{ "dev/null", "/dev/null", 3 },       { "dev/zero", "/dev/zero", 5 },
	{ "dev/full", "/dev/full", 7 },       { "dev/random", "/dev/random", 8 },
	{ "dev/urandom", "/dev/urandom", 9 }, { 0 },
};

/* Without root nobody makes a node; the host's own is shown. */
static int make_device(const char *name, const char *host, unsigned minor)
{
	if (!mknod(name, S_IFCHR | 0666, makedev(1, minor)))
		return result(chmod(name, 0666));
	if (errno != EPERM)
		return -errno;
	int fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	(void)close(fd);
	return result(mount(host, name, NULL, MS_BIND, NULL));
}

/* The working directory is the new root. */
static int fill_root(struct blank *b)
{
	for (size_t i = 0; directories[i].name; i++)
		if (mkdir(directories[i].name, 0700) ||
		    chmod(directories[i].name, directories[i].mode))
			return -errno;
	for (size_t i = 0; links[i].name; i++)
		if (symlink(links[i].target, links[i].name))
			return -errno;
	for (size_t i = 0; devices[i].name; i++) {
		int err = make_device(devices[i].name, devices[i].host, devices[i].minor);
		if (err) {
			b->what = "devices";
			return err;
		}
	}
	b->what = "proc";
	return result(
		mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "subset=pid"));
}

/* /proc serves as the place to mount on, since it exists wherever the launcher does. */
static int own_root(struct blank *b)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("rocker", "/proc", "tmpfs", MS_NOSUID, ROOT_OPTIONS) || chdir("/proc"))
		return -errno;
	return fill_root(b);
}

static int leave_host(struct blank *b)
{
	if (syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/"))
		return -errno;
	b->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	if (b->root < 0 || fstat(b->root, &st))
		return -errno;
	b->own[b->nown++] = st.st_dev;
	/* an ordinary user's root will be read-only, since it belongs to its jobs; see seal_root() */
	return b->env->jail->root ? 0 : result(mount("tmp", "tmp", NULL, MS_BIND, NULL));
}

static int host_name(struct blank *b)
{
	(void)b;
	return jail_host_name(NULL);
}

static int prepare_landlock(struct blank *b)
{
	return jail_landlock_rocker(b->env->landlock, b->root, &b->landlock);
}

const struct blank_step blank_root_steps[] = {
	{ "session", own_session },
	{ "parent death signal", die_with_launcher },
	{ "oom score", first_victim },
	{ "cgroup", enter_group },
	{ "network namespace", join_network },
	{ "descriptors", keep_descriptors },
	{ "launcher", launcher_lives },
	{ "root", own_root },
	{ "pivot_root", leave_host },
	{ "host name", host_name },
	{ "landlock", prepare_landlock },
	{ 0 },
};
