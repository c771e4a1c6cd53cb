/* SPDX-License-Identifier: MIT */
/* Permission bits judged as open(2) would, supplementary groups included. */
#include "perm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATUS_BYTES                                                                               \
	16384 /* of /proc/PID/status; a process in more groups than fit is in none of the rest */

static bool check_here;

void perm_check_here(bool here)
{
	check_here = here;
}

static bool listed(const char *list, gid_t gid)
{
	char *end;
	unsigned long value;

	for (;;) {
		value = strtoul(list, &end, 10);
		if (end == list)
			return false;
		if (value == gid)
			return true;
		list = end;
		if (*list == '\n')
			return false;
	}
}

/* Bytes of the status of a thread, NUL-terminated; false when it is gone. */
static bool read_status(pid_t pid, char text[STATUS_BYTES])
{
	char path[64];
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	size = read(fd, text, STATUS_BYTES - 1);
	close(fd);
	if (size <= 0)
		return false;
	text[size] = '\0';
	return true;
}

static bool in_group(const struct sfs_cred *who, gid_t gid)
{
	char text[STATUS_BYTES];
	const char *uids, *groups;

	if (who->gid == gid)
		return true;
	if (!who->pid || !read_status(who->pid, text))
		return false;
	uids = strstr(text, "\nUid:");
	groups = strstr(text, "\nGroups:");
	/* The number may be another's by now: his groups are not the caller's. */
	return uids && listed(uids + strlen("\nUid:"), who->uid) && groups &&
	       listed(groups + strlen("\nGroups:"), gid);
}

bool sfs_may(const struct sfs_cred *who, uid_t uid, gid_t gid, mode_t mode, int want)
{
	mode_t bits;

	if (who->uid == 0)
		return true;
	if (who->uid == uid)
		bits = mode >> 6;
	else if (((mode >> 3) & 7) == (mode & 7))
		bits = mode; /* the group makes no difference: no need to ask for it */
	else
		bits = in_group(who, gid) ? mode >> 3 : mode;
	return ((bits & 7) & (mode_t)want) == (mode_t)want;
}

int perm_access(const struct sfs_cred *who, const struct stat *st, int want)
{
	if (!check_here || sfs_may(who, st->st_uid, st->st_gid, st->st_mode & 07777, want))
		return 0;
	return sfs_fail(-EACCES, "mode %04o of uid %u does not allow this to uid %u",
			st->st_mode & 07777, st->st_uid, who->uid);
}

int perm_owner(const struct sfs_cred *who, const struct stat *st)
{
	if (!check_here || who->uid == 0 || who->uid == st->st_uid)
		return 0;
	return sfs_fail(-EPERM, "this belongs to uid %u", st->st_uid);
}

int perm_give(const struct sfs_cred *who, gid_t gid)
{
	if (!check_here || who->uid == 0 || in_group(who, gid))
		return 0;
	return sfs_fail(-EPERM, "uid %u is not in group %u", who->uid, gid);
}
