/* SPDX-License-Identifier: MIT */
/*
 * Package images: which may be shown to the kernel's own file systems, and mounting them.
 *
 * A kernel trusts the bytes of an image, hence only root's bytes are mounted as they lie, and those of
 * a known hash from a copy that nobody can change after it has been hashed; others are left to a server in a jail,
 * see jail_image.c. squashfs stands on a loop device, which
 * goes with the last mount of it; erofs on its file where the kernel can. See
 * Documentation/filesystems/erofs.rst, squashfs.rst, and loop(4).
 */
#include "jail_blank.h"
#include "sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOOPS_SEARCHED 32
#define LOOP_TRIES     64 /* others look for a free device too */
#define COPY_BYTES_MAX (256u << 20)
#define CHUNK_BYTES    65536
#define EROFS_MAGIC    0xE0F5E1E2u
#define EROFS_MAGIC_AT 1024
#define SQUASHFS_MAGIC 0x73717368u

/* By root, which has the module loaded by asking. */
bool image_known(const char *filesystem)
{
	long fd = syscall(SYS_fsopen, filesystem, FSOPEN_CLOEXEC);

	if (fd < 0)
		return errno == EPERM; /* an ordinary user asks when it is mounted */
	(void)close((int)fd);
	return true;
}

static bool hash_allowed(const char *list, const unsigned char hash[SHA256_BYTES])
{
	char hex[SHA256_HEX + 1];

	sha256_hex(hash, hex);
	for (const char *p = list; (p = strstr(p, hex)); p++)
		if ((p == list || strchr(" \t\n,", p[-1])) &&
		    (!p[SHA256_HEX] || strchr(" \t\n,", p[SHA256_HEX])))
			return true;
	return false;
}

static int copy_and_hash(int from, int to, unsigned char hash[SHA256_BYTES])
{
	static char chunk[CHUNK_BYTES];
	struct sha256 sum;
	uint64_t total = 0;
	ssize_t n;

	sha256_init(&sum);
	while ((n = read(from, chunk, sizeof chunk)) > 0) {
		total += (uint64_t)n;
		if (total > COPY_BYTES_MAX)
			return -EFBIG;
		if (write(to, chunk, (size_t)n) != n)
			return -ENOSPC;
		sha256_add(&sum, chunk, (size_t)n);
	}
	sha256_end(&sum, hash);
	return n < 0 ? -errno : 0;
}

/* *fd becomes the copy. */
static int known_copy(const struct rocker_env *env, int *fd)
{
	const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	unsigned char hash[SHA256_BYTES];
	int copy = memfd_create("package", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (copy < 0)
		return -errno;
	int err = copy_and_hash(*fd, copy, hash);
	if (!err && fcntl(copy, F_ADD_SEALS, seals))
		err = -errno;
	if (!err && !hash_allowed(env->allowed_images, hash))
		err = -ENOENT;
	if (err) {
		(void)close(copy);
		return err;
	}
	(void)close(*fd);
	*fd = copy;
	return 0;
}

static const char *image_type(int fd)
{
	uint32_t magic = 0;

	if (pread(fd, &magic, sizeof magic, 0) == (ssize_t)sizeof magic && magic == SQUASHFS_MAGIC)
		return "squashfs";
	if (pread(fd, &magic, sizeof magic, EROFS_MAGIC_AT) == (ssize_t)sizeof magic &&
	    magic == EROFS_MAGIC)
		return "erofs";
	return NULL;
}

static int refuse(int err, const char *why, const char **what_out)
{
	*what_out = why;
	return err;
}

/* The server has no rights of anybody's: so it opens what everybody may. */
static int check_served(const struct rocker_env *env, int fd, const char **what_out)
{
	const char *type = image_type(fd);
	struct stat st;

	if (!type)
		return refuse(-EINVAL, "image is neither squashfs nor erofs", what_out);
	if (strcmp(type, "squashfs") != 0)
		return refuse(-EOPNOTSUPP,
			      env->jail->root ? "erofs image is neither root's nor of a listed hash"
					      : "erofs image: the kernel mounts it for root alone",
			      what_out);
	if (!image_server_here())
		return refuse(-EOPNOTSUPP, "image needs squashfuse, a package not installed here",
			      what_out);
	if (fstat(fd, &st))
		return -errno;
	if (env->jail->root && !(st.st_mode & S_IROTH))
		return refuse(-EACCES, "image is read by nobody, so all must be able to", what_out);
	return IMAGE_SERVER;
}

int image_check(const struct rocker_env *env, int *fd, const char **what_out)
{
	struct stat st;

	if (fstat(*fd, &st))
		return -errno;
	if (env->kernel_images && !st.st_uid && !(st.st_mode & (S_IWGRP | S_IWOTH)))
		return IMAGE_KERNEL;
	if (env->kernel_images && *env->allowed_images && !known_copy(env, fd))
		return IMAGE_KERNEL;
	return check_served(env, *fd, what_out);
}

/* A detached mount, or -errno. */
static int mount_source(const char *type, const char *source)
{
	int fd = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);

	if (fd < 0)
		return -errno;
	int mount = -1;
	if (!syscall(SYS_fsconfig, fd, FSCONFIG_SET_STRING, "source", source, 0) &&
	    !syscall(SYS_fsconfig, fd, FSCONFIG_SET_FLAG, "ro", NULL, 0) &&
	    !syscall(SYS_fsconfig, fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		mount = (int)syscall(SYS_fsmount, fd, FSMOUNT_CLOEXEC,
				     MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	int err = mount < 0 ? -errno : 0;
	(void)close(fd);
	return err ?: mount;
}

static bool shows(int loop, const struct stat *image)
{
	struct loop_info64 info;

	return !ioctl(loop, LOOP_GET_STATUS64, &info) && info.lo_device == image->st_dev &&
	       info.lo_inode == image->st_ino && info.lo_flags & LO_FLAGS_READ_ONLY &&
	       !info.lo_offset && !info.lo_sizelimit;
}

/*
 * All rockers with one image have one device, one file system and one page cache. While it is open the
 * device keeps what it shows, and that keeps the inode's number.
 */
static int find_loop(int image, char path[32])
{
	struct stat st;

	if (fstat(image, &st))
		return -errno;
	for (int i = 0; i < LOOPS_SEARCHED; i++) {
		(void)snprintf(path, 32, "/dev/loop%d", i);
		int loop = open(path, O_RDONLY | O_CLOEXEC);
		if (loop < 0 && errno == ENOENT)
			break;
		if (loop < 0)
			continue; /* on its way out */
		if (shows(loop, &st))
			return loop;
		(void)close(loop);
	}
	return -ENOENT;
}

/* The device goes by itself when nothing uses it any more, this descriptor included. */
static int take_loop(int control, int image, char path[32])
{
	struct loop_config config = { .fd = (uint32_t)image,
				      .info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR };

	for (int i = 0; i < LOOP_TRIES; i++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);
		if (number < 0)
			return -errno;
		(void)snprintf(path, 32, "/dev/loop%d", number);
		int loop = open(path, O_RDONLY | O_CLOEXEC);
		if (loop < 0)
			return -errno;
		if (!ioctl(loop, LOOP_CONFIGURE, &config))
			return loop;
		int err = -errno;
		(void)close(loop);
		if (err != -EBUSY)
			return err;
	}
	return -EBUSY;
}

static int mount_by_loop(const char *type, int image, const char **what_out)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	char path[32];

	*what_out = "loop device";
	if (control < 0) /* a kernel without them, or a container in which there are none */
		return errno == ENOENT || errno == ENXIO || errno == ENODEV ? -EOPNOTSUPP : -errno;
	int loop = find_loop(image, path);
	if (loop < 0)
		loop = take_loop(control, image, path);
	(void)close(control);
	if (loop < 0)
		return loop;
	*what_out = "image";
	int mount = mount_source(type, path);
	(void)close(loop);
	return mount;
}

int image_mount(int fd, const char **what_out)
{
	const char *type = image_type(fd);
	char path[40];

	if (!type) {
		*what_out = "image is neither squashfs nor erofs";
		return -EINVAL;
	}
	if (strcmp(type, "erofs") == 0) {
		(void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		int mount = mount_source(type, path);
		if (mount >= 0)
			return mount;
	}
	return mount_by_loop(type, fd, what_out);
}
