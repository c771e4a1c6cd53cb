/* SPDX-License-Identifier: MIT */
/*
 * Where sandboxfs is mounted: in place of the socket at which ROCKER's server listened.
 *
 * SANDBOXFS_MOUNT says it; otherwise the first mount of type fuse.sandboxfs counts that root or the
 * caller made: another user could mount something of that name and lead a root process anywhere.
 */
#include <errno.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rocker_client.h"

#define NAMES_ROOM 128 /* for "/rockers/lib-PID-COUNTER/ns/cgroup" behind the mount's path */

static bool trusted(const struct mntent *mount)
{
	char *option = hasmntopt(mount, "user_id");
	unsigned long uid = option && option[7] == '=' ? strtoul(option + 8, NULL, 10) : ULONG_MAX;

	return uid == 0 || uid == geteuid();
}

static bool search(char *path, size_t size)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	char buf[2 * PATH_MAX];
	struct mntent mount;
	bool found = false;

	if (!mounts)
		return false;
	while (!found && getmntent_r(mounts, &mount, buf, sizeof(buf)))
		if (!strcmp(mount.mnt_type, "fuse.sandboxfs") && trusted(&mount) && strlen(mount.mnt_dir) < size - NAMES_ROOM) {
			strcpy(path, mount.mnt_dir);
			found = true;
		}
	endmntent(mounts);
	return found;
}

ROCKER_ERR client_find_mount(char *path, size_t size)
{
	const char *said = secure_getenv("SANDBOXFS_MOUNT");
	char rockers[PATH_MAX];
	struct stat st;

	if (said) {
		if (said[0] != '/' || strlen(said) >= size - NAMES_ROOM)
			return client_fail(ROCKER_ERR_server_unaddr_invalid, "SANDBOXFS_MOUNT is '%.80s': not an absolute path", said);
		strcpy(path, said);
	} else if (!search(path, size)) {
		return client_fail(ROCKER_ERR_send_req_failed, "no sandboxfs is mounted, and SANDBOXFS_MOUNT names none");
	}
	snprintf(rockers, sizeof(rockers), "%.*s/rockers", (int)(sizeof(rockers) - NAMES_ROOM), path);
	if (client_stat(rockers, &st))
		return client_fail(ROCKER_ERR_send_req_failed, "no sandboxfs answers at %.200s: %s", rockers, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return client_fail(ROCKER_ERR_send_req_failed, "%.200s is not a directory", rockers);
	return ROCKER_ERR_success;
}
