/* SPDX-License-Identifier: MIT */
/* Attempts on files: host paths, `..`, read-only binds, links, device nodes. */
#include "attempt.h"

#include <linux/openat2.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

static const char *secret(void)
{
	return option("secret", "/etc/shadow");
}

static int at(const char *folder, const char *name, char buf[4096])
{
	return snprintf(buf, 4096, "%s/%s", folder, name);
}

static const char *ro(void)
{
	return option("ro", "/t");
}

static const char *rw(void)
{
	return option("rw", "/w");
}

/* Up from there by enough "../", then down to the secret. */
static int climb(int dir)
{
	char path[4096] = "";

	for (int i = 0; i < 40; i++)
		strcat(path, "../");
	strncat(path, secret() + 1, 2000);
	return try_secret(dir, path);
}

static int host_path(void)
{
	return try_secret(AT_FDCWD, secret());
}

static int dotdot_root(void)
{
	int dir = open("/", O_PATH | O_DIRECTORY);

	return climb(dir);
}

static int dotdot_cwd(void)
{
	for (int i = 0; i < 64; i++)
		if (chdir(".."))
			return errno;
	return try_secret(AT_FDCWD, secret() + 1);
}

static int dotdot_of(const char *path)
{
	int dir = open(path, O_PATH | O_DIRECTORY);

	return dir < 0 ? errno : climb(dir);
}

static int dotdot_ro_bind(void)
{
	return dotdot_of(ro());
}

static int dotdot_rw_bind(void)
{
	return dotdot_of(rw());
}

static int dotdot_proc(void)
{
	return dotdot_of("/proc/self/cwd");
}

static int dotdot_openat2(void)
{
	struct open_how how = { .flags = O_RDONLY };
	char path[4096] = "../../../../../../../../../../..";
	int dir = open(ro(), O_PATH | O_DIRECTORY);

	strncat(path, secret(), 2000);
	return tried(syscall(SYS_openat2, dir, path, &how, sizeof(how)));
}

/* The folder is moved out of the bind by its owner while we are in it. */
static int dotdot_moved(void)
{
	char path[4096];
	int dir;

	at(rw(), "moved/deep", path);
	dir = open(path, O_RDONLY | O_DIRECTORY);
	if (dir < 0)
		return errno;
	at(rw(), "ready", path);
	close(creat(path, 0666));
	at(rw(), "go", path);
	for (int i = 0; i < 2000 && access(path, F_OK); i++)
		usleep(10000);
	return try_secret(dir, "../../secret");
}

/* Whatever is open beyond the three that a job has. */
static int inherited(void)
{
	for (int fd = 3; fd < 4096; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			return 0;
	return EBADF;
}

static int dotdot_stdio(void)
{
	int rc = ENOTDIR;

	for (int fd = 0; fd < 3; fd++)
		if (faccessat(fd, "..", F_OK, 0) == 0)
			rc = 0;
	return rc;
}

static int environment(void)
{
	return getenv("SECRET_OF_THE_HOST") ? 0 : ENOENT;
}

static int write_ro(void)
{
	char path[4096];

	at(ro(), "new", path);
	return try_open(path, O_WRONLY | O_CREAT);
}

static int chmod_ro(void)
{
	char path[4096];

	at(ro(), "plain", path);
	return tried(chmod(path, 0777));
}

static int touch_ro(void)
{
	char path[4096];

	at(ro(), "plain", path);
	return tried(utimensat(AT_FDCWD, path, NULL, 0));
}

static int unlink_ro(void)
{
	char path[4096];

	at(ro(), "spare", path);
	return tried(unlink(path));
}

static int link_out(void)
{
	char from[4096], to[4096];

	at(ro(), "plain", from);
	at(rw(), "linked", to);
	return tried(link(from, to));
}

static int rename_out(void)
{
	char from[4096], to[4096];

	at(rw(), "renamed", from);
	close(creat(from, 0600));
	snprintf(to, sizeof(to), "%s/renamed", option("tmp", "/tmp"));
	return tried(rename(from, to));
}

static int symlink_out(void)
{
	char path[4096];

	at(rw(), "symlink", path);
	unlink(path);
	if (symlink(secret(), path))
		return errno;
	return try_secret(AT_FDCWD, path);
}

static int handle_out(void)
{
	struct {
		struct file_handle head;
		unsigned char bytes[MAX_HANDLE_SZ];
	} handle = { .head.handle_bytes = MAX_HANDLE_SZ };
	int id, fd;

	if (name_to_handle_at(AT_FDCWD, ro(), &handle.head, &id, 0))
		return errno;
	fd = open(ro(), O_RDONLY | O_DIRECTORY);
	return tried(open_by_handle_at(fd, &handle.head, O_RDONLY));
}

static int handle_open(void)
{
	struct file_handle handle = { .handle_bytes = 0 };
	int fd = open(ro(), O_RDONLY | O_DIRECTORY);
	int rc = tried(open_by_handle_at(fd, &handle, O_RDONLY));

	return rc == EINVAL || rc == ESTALE ? 0 : rc;
}

static int node(mode_t kind, dev_t dev)
{
	char path[4096];

	at(rw(), "node", path);
	unlink(path);
	return tried(mknod(path, kind | 0666, dev)) ?: try_open(path, O_RDWR | O_NONBLOCK);
}

static int node_char(void)
{
	return node(S_IFCHR, makedev(1, 3));
}

static int node_block(void)
{
	return node(S_IFBLK, makedev(7, 0));
}

static int node_tmp(void)
{
	char path[4096];

	at(option("tmp", "/tmp"), "node", path);
	return tried(mknod(path, S_IFCHR | 0666, makedev(1, 3)));
}

/* Left there by the host: a bind shows it, and does not let it be opened. */
static int node_bound(void)
{
	char path[4096];

	at(rw(), "device", path);
	return try_open(path, O_RDWR);
}

static int dev_disk(void)
{
	return try_open(option("disk", "/dev/vda"), O_RDONLY);
}

static int dev_kmsg(void)
{
	return try_open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
}

static int dev_fuse(void)
{
	return try_open("/dev/fuse", O_RDWR);
}

static int dev_loop(void)
{
	return try_open("/dev/loop-control", O_RDWR);
}

static int dev_tun(void)
{
	return try_open("/dev/net/tun", O_RDWR);
}

static int dev_kvm(void)
{
	return try_open("/dev/kvm", O_RDWR);
}

static int dev_new(void)
{
	return try_open("/dev/new", O_CREAT | O_WRONLY);
}

static int root_new(void)
{
	return try_open("/new", O_CREAT | O_WRONLY);
}

static int sys_there(void)
{
	return try_open("/sys/kernel", O_RDONLY | O_DIRECTORY);
}

static int host_socket(void)
{
	return try_open("/run/lock", O_RDONLY | O_DIRECTORY);
}

const struct attempt file_attempts[] = {
	{ "host_path", ENOENT, 0, 0, 0, host_path, "a host file by its path" },
	{ "dotdot_root", ENOENT, 0, 0, 0, dotdot_root, "up from the root" },
	{ "dotdot_cwd", ENOENT, 0, 0, 0, dotdot_cwd, "up from the working directory" },
	{ "dotdot_ro_bind", ENOENT, 0, 0, 0, dotdot_ro_bind, "up from a bind" },
	{ "dotdot_rw_bind", ENOENT, 0, 0, 0, dotdot_rw_bind, "up from a writable bind" },
	{ "dotdot_proc", ENOENT, 0, 0, 0, dotdot_proc, "up from /proc/self/cwd" },
	{ "dotdot_openat2", ENOENT, 0, 0, 0, dotdot_openat2, "up by openat2" },
	{ "dotdot_moved", ENOENT, 0, A_APART, 0, dotdot_moved,
	  "up from a folder moved out of its bind" },
	{ "dotdot_stdio", ENOTDIR, 0, 0, 0, dotdot_stdio, "up from an inherited 0, 1 or 2" },
	{ "inherited", EBADF, 0, 0, 0, inherited, "an inherited descriptor" },
	{ "environment", ENOENT, 0, 0, 0, environment, "the daemon's environment" },
	{ "write_ro", EROFS, 0, 0, 0, write_ro, "a new file in a read-only bind" },
	{ "chmod_ro", EROFS, 0, 0, 0, chmod_ro, "a mode in a read-only bind" },
	{ "touch_ro", EROFS, 0, 0, 0, touch_ro, "a time in a read-only bind" },
	{ "unlink_ro", EROFS, 0, 0, 0, unlink_ro, "a removal from a read-only bind" },
	{ "link_out", EXDEV, 0, 0, 0, link_out, "a hard link out of a bind" },
	{ "rename_out", EXDEV, 0, 0, 0, rename_out, "a rename out of a bind" },
	{ "symlink_out", ENOENT, 0, 0, 0, symlink_out, "a symbolic link to a host file" },
	{ "handle_out", EPERM, 0, A_SYSCALL, SYS_name_to_handle_at, handle_out,
	  "a file by handle" },
	{ "handle_open", EPERM, 0, A_SYSCALL, SYS_open_by_handle_at, handle_open,
	  "a handle that was guessed" },
	{ "node_char", EPERM, 0, 0, 0, node_char, "a device node in a writable bind" },
	{ "node_block", EPERM, 0, 0, 0, node_block, "a disk's node in a writable bind" },
	{ "node_tmp", EPERM, 0, 0, 0, node_tmp, "a device node in /tmp" },
	{ "node_bound", EACCES, 0, A_ROOT, 0, node_bound, "a device node of the host in a bind" },
	{ "dev_disk", ENOENT, 0, 0, 0, dev_disk, "the host's disk" },
	{ "dev_kmsg", ENOENT, 0, 0, 0, dev_kmsg, "the kernel's log" },
	{ "dev_fuse", ENOENT, 0, 0, 0, dev_fuse, "/dev/fuse" },
	{ "dev_loop", ENOENT, 0, 0, 0, dev_loop, "/dev/loop-control" },
	{ "dev_tun", ENOENT, 0, 0, 0, dev_tun, "/dev/net/tun" },
	{ "dev_kvm", ENOENT, 0, 0, 0, dev_kvm, "/dev/kvm" },
	{ "dev_new", EACCES, EROFS, 0, 0, dev_new, "a file in /dev" },
	{ "root_new", EACCES, EROFS, 0, 0, root_new, "a file in the root" },
	{ "sys_there", ENOENT, 0, 0, 0, sys_there, "/sys" },
	{ "run_there", ENOENT, 0, 0, 0, host_socket, "the host's /run" },
	{ 0 },
};
