/* SPDX-License-Identifier: MIT */
/* Attempts on the tree of mounts, and on the root. */
#include "attempt.h"

#include <linux/mount.h>

static const char *ro(void)
{
	return option("ro", "/t");
}

static int mount_tmpfs(void)
{
	return tried(mount("none", "/tmp", "tmpfs", 0, ""));
}

static int mount_proc(void)
{
	return tried(mount("none", "/tmp", "proc", 0, ""));
}

static int mount_bind(void)
{
	return tried(mount("/proc", "/tmp", NULL, MS_BIND | MS_REC, NULL));
}

static int remount_rw(void)
{
	return tried(mount(NULL, ro(), NULL, MS_REMOUNT | MS_BIND, NULL));
}

static int remount_root(void)
{
	return tried(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
}

static int propagate(void)
{
	return tried(mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL));
}

/* The old way out: a version 1 hierarchy whose release_agent the kernel runs outside. */
static int release_agent(void)
{
	int rc = tried(mount("none", "/tmp", "cgroup", 0, "cpuset"));

	return rc ?: try_open("/tmp/release_agent", O_WRONLY);
}

static int cgroup_file(void)
{
	return try_open(option("agent", "/sys/fs/cgroup/memory/release_agent"), O_WRONLY);
}

static int umount_proc(void)
{
	return tried(umount2("/proc", MNT_DETACH));
}

static int umount_bind(void)
{
	return tried(umount2(ro(), MNT_DETACH));
}

static int new_fsopen(void)
{
	return tried(syscall(SYS_fsopen, "tmpfs", 0L));
}

static int new_fspick(void)
{
	return tried(syscall(SYS_fspick, AT_FDCWD, "/", 0L));
}

static int new_fsmount(void)
{
	int rc = tried(syscall(SYS_fsmount, 0L, 0L, 0L));

	return rc == EINVAL || rc == EBADF ? 0 : rc;
}

static int new_open_tree(void)
{
	return tried(syscall(SYS_open_tree, AT_FDCWD, "/", (long)OPEN_TREE_CLONE));
}

static int new_move_mount(void)
{
	int rc = tried(syscall(SYS_move_mount, AT_FDCWD, "/proc", AT_FDCWD, "/tmp", 0L));

	return rc == EINVAL ? 0 : rc;
}

static int new_setattr(void)
{
	struct mount_attr attr = { .attr_clr = MOUNT_ATTR_NOSUID };

	return tried(syscall(SYS_mount_setattr, AT_FDCWD, "/", 0L, &attr, sizeof(attr)));
}

static int pivot(void)
{
	int rc = tried(syscall(SYS_pivot_root, "/tmp", "/tmp"));

	return rc == EINVAL || rc == EBUSY ? 0 : rc;
}

/* The classic: a root below the working directory, then up. */
static int chroot_out(void)
{
	mkdir("/tmp/jail", 0700);
	if (chroot("/tmp/jail"))
		return errno;
	for (int i = 0; i < 64; i++)
		if (chdir(".."))
			return errno;
	return tried(chroot("."));
}

static int swap_on(void)
{
	int rc = tried(syscall(SYS_swapon, "/nothing/here", 0L));

	return rc == ENOENT ? 0 : rc;
}

static int swap_off(void)
{
	int rc = tried(syscall(SYS_swapoff, "/nothing/here"));

	return rc == ENOENT ? 0 : rc;
}

static int quota(void)
{
	int rc = tried(syscall(SYS_quotactl, 0x80000700L << 8, "/nothing/here", 0L, NULL));

	return rc == ENOENT || rc == ENOTBLK || rc == EINVAL || rc == EFAULT ? 0 : rc;
}

static int account(void)
{
	return tried(syscall(SYS_acct, NULL));
}

#define MOUNT_CALL(name, call, go, what)                                                           \
	{                                                                                          \
		name, EPERM, 0, A_SYSCALL, call, go, what                                          \
	}
#define MOUNT_MORE(name, go, what)                                                                 \
	{                                                                                          \
		name, EPERM, 0, 0, 0, go, what                                                     \
	}

const struct attempt mount_attempts[] = {
	MOUNT_CALL("mount_tmpfs", SYS_mount, mount_tmpfs, "a tmpfs"),
	MOUNT_MORE("mount_proc", mount_proc, "another /proc"),
	MOUNT_MORE("mount_bind", mount_bind, "a bind of its own"),
	MOUNT_MORE("remount_rw", remount_rw, "a read-only bind made writable"),
	MOUNT_MORE("remount_root", remount_root, "the root made different"),
	MOUNT_MORE("propagate", propagate, "mounts that spread"),
	MOUNT_MORE("release_agent", release_agent, "cgroups, for their release_agent"),
	{ "cgroup_file", ENOENT, 0, 0, 0, cgroup_file, "the host's release_agent" },
	MOUNT_CALL("umount_proc", SYS_umount2, umount_proc, "/proc taken away"),
	MOUNT_MORE("umount_bind", umount_bind, "a bind taken away"),
	MOUNT_CALL("fsopen", SYS_fsopen, new_fsopen, "fsopen"),
	MOUNT_CALL("fspick", SYS_fspick, new_fspick, "fspick"),
	{ "fsmount", EPERM, 0, A_SYSCALL | A_GATE, SYS_fsmount, new_fsmount, "fsmount" },
	MOUNT_CALL("open_tree", SYS_open_tree, new_open_tree, "a clone of the tree of mounts"),
	{ "move_mount", EPERM, 0, A_SYSCALL | A_GATE, SYS_move_mount, new_move_mount,
	  "move_mount" },
	MOUNT_CALL("mount_setattr", SYS_mount_setattr, new_setattr, "mount_setattr"),
	{ "pivot_root", EPERM, 0, A_SYSCALL | A_GATE, SYS_pivot_root, pivot, "pivot_root" },
	MOUNT_CALL("chroot_out", SYS_chroot, chroot_out, "chroot, then up"),
	{ "swapon", EPERM, 0, A_SYSCALL | A_GATE, SYS_swapon, swap_on, "swapon" },
	{ "swapoff", EPERM, 0, A_SYSCALL | A_GATE, SYS_swapoff, swap_off, "swapoff" },
	{ "quotactl", EPERM, 0, A_SYSCALL | A_GATE, SYS_quotactl, quota, "quotactl" },
	MOUNT_CALL("acct", SYS_acct, account, "process accounting"),
	{ 0 },
};
