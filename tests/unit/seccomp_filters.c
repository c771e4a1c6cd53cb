/* SPDX-License-Identifier: MIT */
/*
 * The jails' filters: what they let through, what they answer otherwise, and the names of system calls.
 */
#include "seccomp_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <linux/audit.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static struct sock_fprog filters[SECCOMP_PROFILES];

static void build(void)
{
	for (int i = 0; i < SECCOMP_PROFILES; i++) {
		CHECK_INT(seccomp_build((enum seccomp_profile)i, &filters[i]), 0);
		CHECK_MSG(filters[i].len > 20 && filters[i].len < 400, "%d: %u instructions", i, filters[i].len);
	}
}

/* 0, or the number of the first check that fails; in a child under that filter. */
static int behave(enum seccomp_profile profile)
{
	bool runner = profile == SECCOMP_RUNNER;
	int n = 1;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || seccomp_install(&filters[profile]))
		return n;
	n++;
	if (syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY) >= 0 || errno != ENOSYS)
		return n;
	n++;
	if (syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0) >= 0 || errno != ENOSYS)
		return n;
	n++;
	if (syscall(SYS_execveat, 3, "", NULL, NULL, AT_EMPTY_PATH) >= 0 || errno != ENOSYS)
		return n;
	n++;
	if (syscall(SYS_execveat, SECCOMP_EXEC_FD, "", NULL, NULL, AT_EMPTY_PATH) >= 0 || errno == ENOSYS)
		return n; /* the right descriptor, though none is open */
	n++;
	if (syscall(SYS_setsid) >= 0 || errno != ENOSYS)
		return n;
	n++;
	if (syscall(SYS_clone, 0x10000000 /* CLONE_NEWUSER */ | 17, 0, 0, 0, 0) >= 0 || errno != ENOSYS)
		return n;
	n++;
	if (syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0) != -1 || errno != ENOSYS)
		return n;
	n++;
	long page = syscall(SYS_mmap, NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == -1)
		return n;
	n++;
	if ((syscall(SYS_mprotect, page, 4096, PROT_READ | PROT_EXEC) == 0) != runner)
		return n;
	return 0;
}

static void check_profile(enum seccomp_profile profile)
{
	int status = -1;

	fflush(stdout);
	pid_t pid = fork();
	if (!pid)
		syscall(SYS_exit_group, behave(profile));
	waitpid(pid, &status, 0);
	CHECK_MSG(WIFEXITED(status) && WEXITSTATUS(status) == 0, "profile %d: status %#x", profile, status);
}

static void inspector(void)
{
	check_profile(SECCOMP_INSPECTOR);
}

static void runner(void)
{
	check_profile(SECCOMP_RUNNER);
}

static void init(void)
{
	check_profile(SECCOMP_INIT);
}

static void names(void)
{
	char buf[32];

	CHECK_STR(seccomp_name(AUDIT_ARCH_X86_64, 39, buf, sizeof buf), "getpid");
	CHECK_STR(seccomp_name(AUDIT_ARCH_X86_64, 39 | 0x40000000, buf, sizeof buf), "getpid");
	CHECK_STR(seccomp_name(AUDIT_ARCH_I386, 20, buf, sizeof buf), "getpid");
	CHECK_STR(seccomp_name(AUDIT_ARCH_AARCH64, 172, buf, sizeof buf), "getpid");
	CHECK_STR(seccomp_name(AUDIT_ARCH_X86_64, 99999, buf, sizeof buf), "syscall_99999");
	CHECK_STR(seccomp_name(AUDIT_ARCH_X86_64, -1, buf, sizeof buf), "syscall_-1");
	CHECK_STR(seccomp_name(AUDIT_ARCH_X86_64, INT64_MAX, buf, sizeof buf), "syscall_9223372036854775807");
	CHECK_STR(seccomp_name(12345, 1, buf, sizeof buf), "syscall_1");
	CHECK_STR(seccomp_name(AUDIT_ARCH_X86_64, 39, buf, 4), "get");
}

int main(void)
{
	RUN(build);
	RUN(inspector);
	RUN(runner);
	RUN(init);
	RUN(names);
	return check_done();
}
