/* SPDX-License-Identifier: MIT */
/* Attempts to make or to join namespaces. */
#include "attempt.h"

#include <sys/ioctl.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static int share(int flag)
{
	return tried(unshare(flag));
}

#define SHARE(name, flag)                                                                          \
	static int name(void)                                                                      \
	{                                                                                          \
		return share(flag);                                                                \
	}
SHARE(share_user, CLONE_NEWUSER)
SHARE(share_mount, CLONE_NEWNS)
SHARE(share_pid, CLONE_NEWPID)
SHARE(share_net, CLONE_NEWNET)
SHARE(share_ipc, CLONE_NEWIPC)
SHARE(share_uts, CLONE_NEWUTS)
SHARE(share_cgroup, CLONE_NEWCGROUP)
SHARE(share_time, CLONE_NEWTIME)

static int clone_with(unsigned long flags)
{
	long pid = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, 0L);

	if (pid == 0)
		_exit(0);
	return tried(pid);
}

static int clone_user(void)
{
	return clone_with(CLONE_NEWUSER);
}

static int clone_all(void)
{
	return clone_with(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET);
}

/* A namespace in which it is root, and in that one a second. */
static int nested_user(void)
{
	char map[64];

	snprintf(map, sizeof(map), "0 %u 1", geteuid());
	return share(CLONE_NEWUSER) ?: try_write("/proc/self/uid_map", map) ?:
		try_write("/proc/self/setgroups", "deny") ?: try_write("/proc/self/gid_map", map) ?:
		share(CLONE_NEWUSER | CLONE_NEWNS);
}

static int join_own(void)
{
	int fd = open("/proc/self/ns/uts", O_RDONLY);

	return fd < 0 ? errno : tried(setns(fd, CLONE_NEWUTS));
}

static int join_guard(void)
{
	int pidfd = (int)syscall(SYS_pidfd_open, 1L, 0L);

	return pidfd < 0 ? errno : tried(setns(pidfd, CLONE_NEWNS));
}

/* What a job of ours holds: the parent user namespace by an ioctl on its own. */
static int parent_user(void)
{
	int fd = open("/proc/self/ns/user", O_RDONLY);

	return fd < 0 ? errno : tried(ioctl(fd, 0xb702 /* NS_GET_PARENT */));
}

static int owner_of_mounts(void)
{
	int fd = open("/proc/self/ns/mnt", O_RDONLY);

	return fd < 0 ? errno : tried(ioctl(fd, 0xb701 /* NS_GET_USERNS */));
}

static int new_hostname(void)
{
	return tried(sethostname("escaped", 7));
}

static int new_domainname(void)
{
	return tried(setdomainname("escaped", 7));
}

#define SHARE_MORE(name, go, what)                                                                 \
	{                                                                                          \
		name, EPERM, 0, 0, 0, go, what                                                     \
	}

const struct attempt namespace_attempts[] = {
	{ "unshare_user", EPERM, 0, A_SYSCALL, SYS_unshare, share_user, "a user namespace" },
	SHARE_MORE("unshare_mount", share_mount, "a mount namespace"),
	SHARE_MORE("unshare_pid", share_pid, "a pid namespace"),
	SHARE_MORE("unshare_net", share_net, "a network namespace"),
	SHARE_MORE("unshare_ipc", share_ipc, "an ipc namespace"),
	SHARE_MORE("unshare_uts", share_uts, "a uts namespace"),
	SHARE_MORE("unshare_cgroup", share_cgroup, "a cgroup namespace"),
	SHARE_MORE("unshare_time", share_time, "a time namespace"),
	SHARE_MORE("nested_user", nested_user, "a user namespace in a user namespace"),
	{ "clone_user", EPERM, 0, A_SYSCALL, SYS_clone, clone_user, "a user namespace by clone" },
	SHARE_MORE("clone_all", clone_all, "four namespaces by clone"),
	{ "setns", EPERM, 0, A_SYSCALL, SYS_setns, join_own, "setns to its own namespace" },
	SHARE_MORE("setns_guard", join_guard, "setns by a pidfd of PID 1"),
	{ "parent_user", EPERM, 0, A_CANNOT, 0, parent_user, "the user namespace above its own" },
	{ "owner_of_mounts", EPERM, 0, 0, 0, owner_of_mounts, "the owner of its mount namespace" },
	{ "sethostname", EPERM, 0, A_SYSCALL, SYS_sethostname, new_hostname, "sethostname" },
	{ "setdomainname", EPERM, 0, A_SYSCALL, SYS_setdomainname, new_domainname,
	  "setdomainname" },
	{ 0 },
};
