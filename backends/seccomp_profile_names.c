/* SPDX-License-Identifier: MIT */
/* Names in profiles: of system calls and of constants. */
#include <errno.h>
#include <limits.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "seccomp_profile_parse.h"

/* Which the library may be too old for. Numbers from 424 on are the same for all architectures. */
static const struct {
	const char *name;
	int nr;
} newer[] = {
	{ "futex_waitv", 449 },       { "set_mempolicy_home_node", 450 },
	{ "cachestat", 451 },         { "fchmodat2", 452 },
	{ "map_shadow_stack", 453 },  { "futex_wake", 454 },
	{ "futex_wait", 455 },        { "futex_requeue", 456 },
	{ "statmount", 457 },         { "listmount", 458 },
	{ "lsm_get_self_attr", 459 }, { "lsm_set_self_attr", 460 },
	{ "lsm_list_modules", 461 },  { "mseal", 462 },
	{ "setxattrat", 463 },        { "getxattrat", 464 },
	{ "listxattrat", 465 },       { "removexattrat", 466 },
	{ "open_tree_attr", 467 },    { "file_getattr", 468 },
	{ "file_setattr", 469 },      { NULL, 0 },
};

#define NAMESPACES                                                                                 \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME)

static const struct {
	const char *name;
	uint32_t value;
} constants[] = {
	{ "ADDR_NO_RANDOMIZE", ADDR_NO_RANDOMIZE },
	{ "AF_INET", AF_INET },
	{ "AF_INET6", AF_INET6 },
	{ "AF_NETLINK", AF_NETLINK },
	{ "AF_UNIX", AF_UNIX },
	{ "CLONE_THREAD", CLONE_THREAD },
	{ "IPPROTO_ICMP", IPPROTO_ICMP },
	{ "IPPROTO_ICMPV6", IPPROTO_ICMPV6 },
	{ "IPPROTO_TCP", IPPROTO_TCP },
	{ "IPPROTO_UDP", IPPROTO_UDP },
	{ "NAMESPACES", NAMESPACES },
	{ "NETLINK_ROUTE", NETLINK_ROUTE },
	{ "SECCOMP_FILTER_FLAG_NEW_LISTENER", SECCOMP_FILTER_FLAG_NEW_LISTENER },
	{ "SOCK_DGRAM", SOCK_DGRAM },
	{ "SOCK_STREAM", SOCK_STREAM },
	{ "SOCK_TYPE", 15 },
	{ "S_IFIFO", S_IFIFO },
	{ "S_IFMT", S_IFMT },
	{ "S_IFREG", S_IFREG },
	{ "S_IFSOCK", S_IFSOCK },
	{ "TIOCLINUX", TIOCLINUX },
	{ "TIOCSETD", TIOCSETD },
	{ "TIOCSTI", TIOCSTI },
	{ NULL, 0 },
};

int profile_call(const char *name)
{
	int nr = seccomp_syscall_resolve_name(name);

	if (nr != __NR_SCMP_ERROR)
		return nr;
	for (size_t i = 0; newer[i].name; i++)
		if (!strcmp(newer[i].name, name))
			return newer[i].nr;
	return INT_MIN;
}

static bool constant(const char *word, uint32_t *out)
{
	char *end;

	for (size_t i = 0; constants[i].name; i++)
		if (!strcmp(constants[i].name, word)) {
			*out = constants[i].value;
			return true;
		}
	errno = 0;
	unsigned long value = strtoul(word, &end, 0);
	*out = (uint32_t)value;
	return *word >= '0' && *word <= '9' && !*end && !errno && value <= UINT32_MAX;
}

bool profile_value(char *words, uint32_t *out)
{
	char *rest = words, *word;
	uint32_t value = 0, bits;

	while ((word = strsep(&rest, "|"))) {
		if (!constant(word, &bits))
			return false;
		value |= bits;
	}
	*out = value;
	return true;
}
