/* SPDX-License-Identifier: MIT */
/*
 * What a blank does with a plan while it is still privileged: the mounts that have been sent to it, each
 * in its place, names and network.
 *
 * Places are resolved below the rocker's own root and through no link of /proc. One that is missing is made
 * where the file system is the rocker's, which is its root and its overlays: in a bind it would be made
 * on the host, with rights that the writer of the plan has not.
 */
#include "jail_blank.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATH_SIZE      4096
#define OPTIONS_SIZE   256
#define DISK_BYTES_MIN (64u << 10) /* of 0 a tmpfs would make no limit at all */
#define INODE_BYTES    4096
#define INODES_MIN     1024
#define INODES_MAX     (1u << 20)
#define LAYER_NAME     300

static int result(long rc)
{
	return rc < 0 ? -errno : 0;
}

static int open_below(int dir, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = resolve };
	long fd = syscall(SYS_openat2, dir, path, &how, sizeof how);

	return fd < 0 ? -errno : (int)fd;
}

static int open_inside(const struct blank *b, const char *path)
{
	return open_below(b->root, path, O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

static bool is_own(const struct blank *b, const struct stat *st)
{
	for (unsigned i = 0; i < b->nown; i++)
		if (b->own[i] == st->st_dev)
			return true;
	return false;
}

static bool goes_up(const char *path)
{
	for (const char *p = path; (p = strstr(p, "/..")); p += 3)
		if (!p[3] || p[3] == '/')
			return true;
	return false;
}

/* The last word of path; up to there it exists. */
static int make_last(struct blank *b, char *path, bool directory)
{
	char *name = strrchr(path, '/');
	struct stat st;

	*name++ = '\0';
	int dir = open_inside(b, *path ? path : "/"), err;
	if (dir < 0)
		return dir;
	if (fstat(dir, &st))
		err = -errno;
	else if (!is_own(b, &st))
		err = -ENOENT;
	else if (directory)
		err = result(mkdirat(dir, name, 0755));
	else
		err = result(mknodat(dir, name, S_IFREG | 0444, 0));
	(void)close(dir);
	return err;
}

/* Each part of path that is not there yet. */
static int make_point(struct blank *b, const char *path, bool directory)
{
	char part[PATH_SIZE];
	size_t len = strlen(path), end = 0;

	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len >= sizeof part)
		return -ENAMETOOLONG;
	while (end < len) {
		while (end < len && path[end] == '/')
			end++;
		while (end < len && path[end] != '/')
			end++;
		memcpy(part, path, end);
		part[end] = '\0';
		int fd = open_inside(b, part);
		int err = fd < 0 ? fd : close(fd);
		if (err == -ENOENT)
			err = make_last(b, part, directory || end < len);
		if (err)
			return err;
	}
	return 0;
}

/* A descriptor of where to mount, which is not the root itself. */
static int mount_point(struct blank *b, const char *path, bool directory)
{
	struct stat root, st;

	b->what = "mount point";
	if (path[0] != '/' || goes_up(path))
		return -EINVAL;
	int fd = open_inside(b, path);
	if (fd == -ENOENT) {
		int err = make_point(b, path, directory);
		if (err)
			return err;
		fd = open_inside(b, path);
	}
	if (fd < 0)
		return fd;
	int err = fstat(b->root, &root) || fstat(fd, &st) ? -errno : 0;
	if (!err && root.st_dev == st.st_dev && root.st_ino == st.st_ino)
		err = -EINVAL;
	if (!err)
		return fd;
	(void)close(fd);
	return err;
}

static int attach(int mount, int point)
{
	return result(syscall(SYS_move_mount, mount, "", point, "",
			      MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
}

/* Of a part that the plan names; about: the word of where it goes. */
static int place(struct blank *b, const struct blank_part *part, const char *path, uint32_t about)
{
	b->about = about;
	if (part->fd < 0) {
		b->what = "what its opener shall send";
		return -EBADMSG;
	}
	int point = mount_point(b, path, part->directory);
	if (point < 0)
		return point;
	b->what = NULL;
	int err = attach(part->fd, point);
	(void)close(point);
	return err;
}

static int limit_disk(struct blank *b)
{
	char options[OPTIONS_SIZE];
	uint64_t bytes = b->plan.limits.disk_bytes;

	if (bytes == PLAN_NO_LIMIT)
		return 0;
	if (bytes < DISK_BYTES_MIN)
		bytes = DISK_BYTES_MIN;
	uint64_t inodes = bytes / INODE_BYTES;
	inodes = inodes < INODES_MIN ? INODES_MIN : inodes > INODES_MAX ? INODES_MAX : inodes;
	(void)snprintf(options, sizeof options, "size=%llu,nr_inodes=%llu",
		       (unsigned long long)bytes, (unsigned long long)inodes);
	return result(mount(NULL, "/", NULL, MS_REMOUNT | MS_NOSUID, options));
}

static int place_data(struct blank *b)
{
	return b->plan.data_dir ? place(b, &b->data, "/data", b->plan.data_dir) : 0;
}

/* ---- overlays -------------------------------------------------------------------------------- */

bool blank_layer_name(char *out, size_t size, const char *what, const char *overlay)
{
	int len = snprintf(out, size, ".%sdir", what);

	for (const char *p = overlay; *p; p++) {
		if (*p == '/' && (p[1] == '/' || !p[1]))
			continue;
		len += snprintf(out + len, size - (size_t)len, *p == '/' ? "____" : "%c", *p);
		if ((size_t)len + sizeof "____" > size)
			return false;
	}
	return true;
}

/* A directory that nobody outside can turn into something else on the way. */
static int kept_layer(const struct blank *b, const char *what, const char *overlay)
{
	char name[LAYER_NAME];

	if (!blank_layer_name(name, sizeof name, what, overlay))
		return -ENAMETOOLONG;
	return open_below(b->data.fd, name, O_PATH | O_DIRECTORY,
			  RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

/* The uppermost directory of an overlay has the owner of its upper layer. */
static int passing_layer(const struct blank *b, unsigned i, const char *what)
{
	char path[64];

	(void)snprintf(path, sizeof path, "/" BLANK_HIDDEN "/%s%u", what, i);
	if (mkdir(path, 0755) ||
	    (*what == 'u' && b->env->jail->root && chown(path, b->plan.uid, b->plan.gid)))
		return -errno;
	return open_below(b->root, path, O_PATH | O_DIRECTORY, RESOLVE_IN_ROOT);
}

static int open_layer(const struct blank *b, unsigned i, const char *what, const char *overlay)
{
	return b->plan.data_dir ? kept_layer(b, what, overlay) : passing_layer(b, i, what);
}

/*
 * Layers are named by descriptors: words of a plan never become options. The lower one stays mounted in a
 * place that is closed to jobs, since taking it away again would wait for all processors.
 */
static int mount_overlay(struct blank *b, int lower, int upper, int work, int point)
{
	char options[OPTIONS_SIZE], path[40];
	struct stat st;

	(void)snprintf(path, sizeof path, "/proc/self/fd/%d", point);
	(void)snprintf(
		options, sizeof options,
		"lowerdir=/proc/self/fd/%d,upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d,"
		"redirect_dir=nofollow,index=off,metacopy=off,xino=off%s",
		lower, upper, work, b->env->jail->root ? "" : ",userxattr");
	if (mount("overlay", path, "overlay", MS_NOSUID | MS_NODEV, options))
		return -errno;
	int fd = open_inside(b, plan_text(&b->plan, b->about));
	if (fd < 0)
		return fd;
	int err = result(fstat(fd, &st));
	(void)close(fd);
	if (!err)
		b->own[b->nown++] = st.st_dev;
	return err;
}

static int stage_lower(struct blank *b, unsigned i)
{
	char path[64];

	if (b->overlays[i].fd < 0) {
		b->what = "what its opener shall send";
		return -EBADMSG;
	}
	(void)snprintf(path, sizeof path, "/" BLANK_HIDDEN "/lower/%u", i);
	if (mkdir(path, 0700))
		return -errno;
	return result(syscall(SYS_move_mount, b->overlays[i].fd, "", b->root, path + 1,
			      MOVE_MOUNT_F_EMPTY_PATH));
}

static int place_overlay(struct blank *b, unsigned i)
{
	const char *path = plan_text(&b->plan, b->plan.overlays[i]);
	int upper = -1, work = -1;

	b->about = b->plan.overlays[i];
	b->what = NULL;
	int err = stage_lower(b, i);
	if (err)
		return err;
	int point = mount_point(b, path, true);
	if (point < 0)
		return point;
	b->what = "layers of an overlay";
	upper = open_layer(b, i, "upper", path);
	work = upper < 0 ? upper : open_layer(b, i, "work", path);
	if (work < 0)
		return work;
	b->what = NULL;
	err = mount_overlay(b, b->overlays[i].fd, upper, work, point);
	/* An overlay, for one, can be no layer of another: that is all that the kernel says. */
	if (err == -EINVAL && b->plan.data_dir) {
		b->what = "file system that keeps no overlay";
		b->about = b->plan.data_dir;
	}
	(void)close(point);
	(void)close(upper);
	(void)close(work);
	return err;
}

static int place_overlays(struct blank *b)
{
	int err = 0;

	for (unsigned i = 0; i < b->plan.noverlays && !err; i++)
		err = place_overlay(b, i);
	return err;
}

/* ---- the rest -------------------------------------------------------------------------------- */

static int place_package(struct blank *b)
{
	const struct rocker_plan *plan = &b->plan;

	if (!plan->package)
		return 0;
	return place(b, &b->package, plan_text(plan, plan->exec_dir), plan->exec_dir);
}

static int place_binds(struct blank *b)
{
	const struct rocker_plan *plan = &b->plan;
	int err = 0;

	for (unsigned i = 0; i < plan->nbinds && !err; i++)
		err = place(b, &b->binds[i], plan_text(plan, plan->binds[i].inside),
			    plan->binds[i].inside);
	return err;
}

static int set_names(struct blank *b)
{
	const char *host = plan_text(&b->plan, b->plan.hostname);
	const char *domain = plan_text(&b->plan, b->plan.domainname);

	b->about = b->plan.hostname;
	if (*host && sethostname(host, strlen(host)))
		return -errno;
	b->about = b->plan.domainname;
	return *domain ? result(setdomainname(domain, strlen(domain))) : 0;
}

static int raise_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	int err = result(ioctl(fd, SIOCGIFFLAGS, &request));
	request.ifr_flags |= IFF_UP;
	if (!err)
		err = result(ioctl(fd, SIOCSIFFLAGS, &request));
	(void)close(fd);
	return err;
}

static int enter_network(struct blank *b)
{
	if (b->netns < 0 && b->plan.network == PLAN_NET_HOST)
		return -EINVAL;
	if (b->netns >= 0 && setns(b->netns, CLONE_NEWNET))
		return -errno;
	return b->plan.network == PLAN_NET_LOOPBACK ? raise_loopback() : 0;
}

/* An ordinary user's root belongs to the one id that its jobs have as well. */
static int seal_root(struct blank *b)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	if (b->env->jail->root)
		return 0;
	return result(syscall(SYS_mount_setattr, b->root, "", AT_EMPTY_PATH, &attr, sizeof attr));
}

/*
 * What /proc has of an undumpable process belongs to the root of the user namespace that its memory is of. That is
 * nobody where root's daemon made it, since the guard's program is closed to all ids inside; an ordinary user owns it,
 * and called root he would own the guard's files.
 */
static int hide_guard(struct blank *b)
{
	const unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (b->env->jail->root || plan_inside_uid(&b->plan))
		return 0;
	return result(mount("guard", "/proc/1", "tmpfs", flags, "size=4096,nr_inodes=1,mode=0"));
}

const struct blank_step blank_mount_steps[] = {
	{ "size of the root", limit_disk },
	{ "data directory", place_data },
	{ "overlay", place_overlays },
	{ "package", place_package },
	{ "bind", place_binds },
	{ "links into /usr", blank_link_usr },
	{ "names", set_names },
	{ "network", enter_network },
	{ "read-only root", seal_root },
	{ "the guard's files", hide_guard },
	{ 0 },
};

/* Overlays and the size of the root are none of these: see fitter_can(). */
const struct blank_step blank_fit_steps[] = {
	{ "data directory", place_data },
	{ "bind", place_binds },
	{ "links into /usr", blank_link_usr },
	{ "names", set_names },
	{ 0 },
};

/*
 * Layers are named by what the mounter has open, which /proc shows to members of the rocker's pid namespace alone;
 * a package may need a server that is of the rocker, and who outlives the launcher has to be told early.
 */
bool fitter_can(const struct rocker_plan *plan)
{
	return !plan->noverlays && !plan->package && !plan->persist;
}
