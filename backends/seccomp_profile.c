/* SPDX-License-Identifier: MIT */
/* The named profiles of rockers: finding them, and putting one on. */
#include "seccomp_profile.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Without a listener the kernel would answer ENOSYS for what is to be reported; refused calls are EPERM
 * then. The copy lies on the stack, since this may run between a fork and an exec.
 */
static int install_unheard(const struct sock_fprog *program)
{
	struct sock_filter code[BPF_MAXINSNS];
	struct sock_fprog copy = { program->len, code };

	if (program->len > BPF_MAXINSNS)
		return -E2BIG;
	memcpy(code, program->filter, program->len * sizeof *code);
	for (unsigned i = 0; i < copy.len; i++)
		if (code[i].code == (BPF_RET | BPF_K) && code[i].k == SECCOMP_RET_USER_NOTIF)
			code[i].k = SECCOMP_RET_ERRNO | EPERM;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &copy) ? -errno : -1;
}

int seccomp_profile_install(const struct sock_fprog *program, bool listener)
{
	long fd;

	if (!listener)
		return install_unheard(program);
	fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
		     program);
	/* EINVAL: an old kernel; EBUSY: a filter that we live under has a listener already. */
	if (fd < 0 && (errno == EINVAL || errno == EBUSY))
		return install_unheard(program);
	return fd < 0 ? -errno : (int)fd;
}
