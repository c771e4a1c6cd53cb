/* SPDX-License-Identifier: MIT */
/*
 * Images whose bytes the kernel must not read: mounted by FUSE, and read by squashfuse in a jail.
 *
 * This is the opener's half. The mount knows nothing of the image but what its server answers, and is aborted by the
 * kernel when the last descriptor of its device is closed: so none is kept here, and whoever waits for a server
 * that has died is told ENOTCONN. See fuse(4) and Documentation/filesystems/fuse.rst.
 */
#include "jail_blank.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

bool image_server_here(void)
{
	return !access(IMAGE_SERVER_PATH, X_OK);
}

static int set_number(int fd, const char *key, unsigned long n)
{
	char text[24];

	*jail_put_number(text, n) = '\0';
	return syscall(SYS_fsconfig, fd, FSCONFIG_SET_STRING, key, text, 0) ? -errno : 0;
}

static int set_flag(int fd, const char *key)
{
	return syscall(SYS_fsconfig, fd, FSCONFIG_SET_FLAG, key, NULL, 0) ? -errno : 0;
}

/* Everybody in the rocker sees it, as far as the modes in the image let him: the kernel judges, as with any other. */
static int configure(int fd, int device)
{
	int err = set_number(fd, "fd", (unsigned long)device);

	if (!err && syscall(SYS_fsconfig, fd, FSCONFIG_SET_STRING, "rootmode", "40000", 0))
		err = -errno;
	err = err ?: set_number(fd, "user_id", geteuid());
	err = err ?: set_number(fd, "group_id", getegid());
	err = err ?: set_flag(fd, "allow_other");
	err = err ?: set_flag(fd, "default_permissions");
	err = err ?: set_flag(fd, "ro");
	if (!err && syscall(SYS_fsconfig, fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		err = -errno;
	return err;
}

static int mount_device(int device)
{
	int fd = (int)syscall(SYS_fsopen, "fuse", FSOPEN_CLOEXEC), mount = -1;

	if (fd < 0)
		return -errno;
	int err = configure(fd, device);
	if (!err) {
		mount = (int)syscall(SYS_fsmount, fd, FSMOUNT_CLOEXEC,
				     MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
		err = mount < 0 ? -errno : 0;
	}
	(void)close(fd);
	return err ?: mount;
}

/* Waits for the server's first answer; of one that has ended its own words say why. */
static int wait_for_answer(int mount, int server, const char **what_out)
{
	static struct rocker_report report;
	struct stat st;

	if (!fstat(mount, &st))
		return 0;
	int err = -errno;
	*what_out = "squashfuse cannot read the image";
	if (recv(server, &report, sizeof report, MSG_DONTWAIT) != (ssize_t)sizeof report)
		return err == -ENOTCONN || err == -ECONNABORTED ? -EIO : err;
	report.step[sizeof report.step - 1] = '\0';
	*what_out = report.step;
	return report.err < 0 ? report.err : -EIO;
}

int image_serve(int fd, int server, const char **what_out)
{
	const struct blank_message message = { .type = BLANK_IMAGE };
	int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	*what_out = "image: /dev/fuse";
	if (device < 0)
		return -errno;
	*what_out = "image: FUSE mount";
	int mount = mount_device(device), err = mount < 0 ? mount : 0;
	if (!err)
		err = blank_send(server, &message, NULL, (const int[]){ fd, device }, 2);
	(void)close(device);
	err = err ?: wait_for_answer(mount, server, what_out);
	if (!err)
		return mount;
	if (mount >= 0)
		(void)close(mount);
	return err;
}
