/* SPDX-License-Identifier: MIT */
/*
 * The final seccomp filters of jailed children: constant BPF, so that installing one costs no
 * building.
 *
 * Each compares the architecture first, since i386 system calls have numbers of their own; the
 * numbers of x32 have a bit set and so match none of the list.
 */
#include "helper.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(field)            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_ARG(i)            LOAD(args[i]) /* its low half: the machine is little-endian */
#define EQUAL(value, yes, no)  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define ANY_BIT(mask, yes, no) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, mask, yes, no)
#define RETURN(action)         BPF_STMT(BPF_RET | BPF_K, action)

/* clang-format off */
#define EXIT_ONLY(otherwise)                                                                       \
	{                                                                                          \
		LOAD(arch),                                                                        \
		EQUAL(AUDIT_ARCH_X86_64, 0, 3),                                                    \
		LOAD(nr),                                                                          \
		EQUAL(SYS_exit_group, 0, 1),                                                       \
		RETURN(SECCOMP_RET_ALLOW),                                                         \
		RETURN(otherwise),                                                                 \
	}
/* clang-format on */

static struct sock_filter run_filter[] = EXIT_ONLY(SECCOMP_RET_USER_NOTIF);
static struct sock_filter child_filter[] = EXIT_ONLY(SECCOMP_RET_KILL_PROCESS);

/* Jumps count instructions; the last one kills, the one before it allows. */
static struct sock_filter inspect_filter[] = {
	LOAD(arch),
	EQUAL(AUDIT_ARCH_X86_64, 0, 13), /* kill */
	LOAD(nr),
	EQUAL(SYS_brk, 10, 0), /* allow */
	EQUAL(SYS_munmap, 9, 0),
	EQUAL(SYS_mremap, 8, 0),
	EQUAL(SYS_madvise, 7, 0),
	EQUAL(SYS_exit_group, 6, 0),
	EQUAL(SYS_mprotect, 3, 0), /* to its protection */
	EQUAL(SYS_mmap, 0, 5),     /* kill */
	LOAD_ARG(3),
	ANY_BIT(MAP_ANONYMOUS, 0, 3), /* kill */
	LOAD_ARG(2),
	ANY_BIT(PROT_EXEC, 1, 0), /* kill */
	RETURN(SECCOMP_RET_ALLOW),
	RETURN(SECCOMP_RET_KILL_PROCESS),
};

static int install(struct sock_filter *filter, unsigned short length, unsigned flags)
{
	struct sock_fprog program = { .len = length, .filter = filter };
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);

	return fd < 0 ? -errno : (int)fd;
}

#define INSTALL(filter, flags) install(filter, sizeof(filter) / sizeof(filter[0]), flags)

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

int helper_filter_run(void)
{
	int fd = INSTALL(run_filter,
			 SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);

	return fd != -EINVAL ? fd : INSTALL(run_filter, SECCOMP_FILTER_FLAG_NEW_LISTENER);
}

int helper_filter_child(void)
{
	return INSTALL(child_filter, 0);
}

int helper_filter_inspect(void)
{
	return INSTALL(inspect_filter, 0);
}
