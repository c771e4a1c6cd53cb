/* SPDX-License-Identifier: MIT */
/*
 * Before anything is forked: the state directory, the daemon's account, and a dead mount in the
 * way.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "supervise.h"
#include "unmount.h"

#define DAEMON_ACCOUNT     "sandboxfs"
#define DAEMON_ID_FALLBACK 64800

int options_add(struct options *options, const char *more)
{
	size_t used = strlen(options->fuse);
	int n = snprintf(options->fuse + used, sizeof(options->fuse) - used, "%s%s",
			 used ? "," : "", more);

	return n >= 0 && (size_t)n < sizeof(options->fuse) - used
		       ? 0
		       : sfs_fail(-E2BIG, "too many options");
}

static bool is_root(void)
{
	return geteuid() == 0;
}

/* ---- the daemon's account -------------------------------------------------------------------- */

static int set_id(const char *key, unsigned id)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", id);
	return config_set("daemon", key, text);
}

static int choose_account(void)
{
	const struct passwd *account;
	int err;

	if (!is_root() || sfs_config()->daemon_uid != DAEMON_ID_FALLBACK)
		return 0;
	account = getpwnam(DAEMON_ACCOUNT);
	if (!account || !account->pw_uid)
		return 0;
	err = set_id("uid", account->pw_uid);
	return err ?: set_id("gid", account->pw_gid);
}

/* ---- state ----------------------------------------------------------------------------------- */

static int state_path(const struct options *options, char *out, size_t room)
{
	const char *home = getenv("HOME"), *xdg = getenv("XDG_STATE_HOME");
	int n;

	if (options->state)
		n = snprintf(out, room, "%s", options->state);
	else if (*sfs_config()->state_dir)
		n = snprintf(out, room, "%s", sfs_config()->state_dir);
	else if (is_root())
		n = snprintf(out, room, "/var/lib/sandboxfs");
	else if (xdg && xdg[0] == '/')
		n = snprintf(out, room, "%s/sandboxfs", xdg);
	else if (home && home[0] == '/')
		n = snprintf(out, room, "%s/.local/state/sandboxfs", home);
	else
		return sfs_fail(-EINVAL, "neither --state nor HOME says where the store lives");
	return n > 0 && (size_t)n < room
		       ? 0
		       : sfs_fail(-ENAMETOOLONG, "the path of the state directory is too long");
}

/* The directories above, as mkdir -p makes them. */
static void make_parents(char *path)
{
	char *slash;

	for (slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		/* what stays missing is refused when the last is made */
		(void)mkdir(path, 0755);
		*slash = '/';
	}
}

static bool is_empty(int fd)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	DIR *dir = own < 0 ? NULL : fdopendir(own);
	unsigned entries = 0;

	if (!dir) {
		if (own >= 0)
			close(own);
		return false;
	}
	while (entries < 3 && readdir(dir))
		entries++;
	closedir(dir);
	return entries == 2; /* "." and ".." */
}

/*
 * What root has just made, or made for this and left empty, becomes the daemon's; nothing else
 * changes hands.
 */
static int give_state(int fd, const char *path, bool made)
{
	struct stat st;

	if (fstat(fd, &st))
		return sfs_fail(-errno, "%.200s cannot be looked at", path);
	if (st.st_mode & 022)
		return sfs_fail(-EPERM, "%.200s can be written by others", path);
	if (!is_root() || !(made || (st.st_uid == 0 && is_empty(fd))))
		return 0;
	return fchown(fd, sfs_config()->daemon_uid, sfs_config()->daemon_gid)
		       ? sfs_fail(-errno, "%.200s cannot be given to the daemon", path)
		       : 0;
}

/* Ours alone, whoever may have made it before. */
static int own_state(const char *path, bool made)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;

	if (fd < 0)
		return sfs_fail(-errno,
				errno == ENOTDIR ? "%.200s is no directory"
						 : "%.200s cannot be opened",
				path);
	err = give_state(fd, path, made);
	close(fd);
	return err;
}

static int make_state(const struct options *options)
{
	char path[PATH_MAX], full[PATH_MAX];
	bool made;
	int err = state_path(options, path, sizeof(path));

	if (err)
		return err;
	make_parents(path);
	made = !mkdir(path, 0700);
	if (!made && errno != EEXIST)
		return sfs_fail(-errno, "%.200s cannot be made", path);
	err = own_state(path, made);
	if (!err && !realpath(path, full))
		err = sfs_fail(-errno, "%.200s cannot be resolved", path);
	return err ?: config_set("daemon", "state_dir", full);
}

/* ---- the mount point ------------------------------------------------------------------------- */

/*
 * Not what the kernel remembers of it: that outlives the daemon for a while. It may be just dying,
 * too.
 */
static bool is_dead(const char *path)
{
	struct statx st;

	return statx(AT_FDCWD, path, AT_STATX_FORCE_SYNC, STATX_TYPE, &st) &&
	       (errno == ENOTCONN || errno == ECONNABORTED);
}

/*
 * A daemon that was killed leaves a mount behind on which everything fails. Its helper may take that
 * away at the same moment.
 */
static int clear_dead(const char *path)
{
	if (!is_dead(path))
		return 0;
	sfs_log(SFS_INFO, "a dead mount at the mount point is removed");
	if (unmount_place(path) && is_dead(path))
		return sfs_fail(-EBUSY, "the dead mount at %.200s cannot be removed", path);
	return 0;
}

static int find_place(struct options *options)
{
	struct stat st;
	int err = clear_dead(options->mountpoint);

	if (err)
		return err;
	if (!realpath(options->mountpoint, options->place) || stat(options->place, &st))
		return sfs_fail(-errno, "%.200s: no such mount point", options->mountpoint);
	return S_ISDIR(st.st_mode)
		       ? 0
		       : sfs_fail(-ENOTDIR, "%.200s is no directory", options->mountpoint);
}

/* ---- mount options --------------------------------------------------------------------------- */

static bool have_fusermount(void)
{
	return !access("/usr/bin/fusermount3", X_OK) || !access("/bin/fusermount3", X_OK) ||
	       !access("/usr/local/bin/fusermount3", X_OK);
}

static int choose_options(struct options *options)
{
	int err = options_add(options, "fsname=sandboxfs,subtype=sandboxfs");

	if (err)
		return err;
	/*
	 * With several users cached names would get past checks of our own: the kernel has to do
	 * them.
	 */
	if (!is_root())
		return strstr(options->fuse, "allow_other")
			       ? options_add(options, "default_permissions")
			       : 0;
	err = options_add(options, "allow_other,default_permissions,nosuid,nodev");
	if (err)
		return err;
	if (have_fusermount())
		return options_add(options, "auto_unmount");
	sfs_log(SFS_WARN,
		"fusermount3 is missing: the mount will outlive the daemon if that is killed");
	return 0;
}

int prepare(struct options *options)
{
	int err = choose_account();

	err = err ?: make_state(options);
	err = err ?: find_place(options);
	return err ?: choose_options(options);
}
