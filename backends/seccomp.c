/* SPDX-License-Identifier: MIT */
/*
 * Compiles the filters of the jails with libseccomp and resolves system call numbers to names.
 *
 * What a profile does not list is answered by SECCOMP_RET_TRACE: with no tracer the call is not
 * made and gives ENOSYS. KILL or ERRNO would be as strict but stand above USER_NOTIF in precedence,
 * and then the filter that a run adds below this one could never report which call a codelet
 * attempted. For the same reason a foreign architecture gets TRACE too.
 */
#include "seccomp_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define X32_BIT 0x40000000

#define NEW_NAMESPACES                                                                             \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME)

#define IN_INSPECTOR (1u << SECCOMP_INSPECTOR)
#define IN_RUNNER    (1u << SECCOMP_RUNNER)
#define IN_INIT      (1u << SECCOMP_INIT)
#define IN_HELPERS   (IN_INSPECTOR | IN_RUNNER)
#define IN_ALL       (IN_HELPERS | IN_INIT)

/*
 * A call that is allowed; with op, only if that argument compares so: (argument & mask) == value
 * for a mask.
 */
struct rule {
	int nr;
	unsigned profiles;
	struct scmp_arg_cmp when[2];
	unsigned conditions;
};

#define ANY(name, where)                                                                           \
	{                                                                                          \
		SCMP_SYS(name), where, { { 0 } }, 0                                                \
	}
#define IF(name, where, ...)                                                                       \
	{                                                                                          \
		SCMP_SYS(name), where, { __VA_ARGS__ }, 1                                          \
	}
#define IF2(name, where, ...)                                                                      \
	{                                                                                          \
		SCMP_SYS(name), where, { __VA_ARGS__ }, 2                                          \
	}
#define EQUAL(arg, value)                                                                          \
	{                                                                                          \
		arg, SCMP_CMP_EQ, value, 0                                                         \
	}
#define MASKED(arg, mask, value)                                                                   \
	{                                                                                          \
		arg, SCMP_CMP_MASKED_EQ, mask, value                                               \
	}

static const struct rule rules[] = {
	/* the exec of the helper itself, and the start of a static glibc */
	IF2(execveat, IN_ALL, EQUAL(0, SECCOMP_EXEC_FD), EQUAL(4, AT_EMPTY_PATH)),
	ANY(arch_prctl, IN_ALL),
	ANY(brk, IN_ALL),
	ANY(exit, IN_ALL),
	ANY(exit_group, IN_ALL),
	IF(fcntl, IN_INSPECTOR, EQUAL(1, F_GET_SEALS)),
	ANY(fstat, IN_ALL),
	ANY(getrandom, IN_ALL),
	ANY(newfstatat, IN_ALL),
	ANY(prlimit64, IN_ALL),
	ANY(readlink, IN_ALL),
	ANY(readlinkat, IN_ALL),
	ANY(rseq, IN_ALL),
	ANY(rt_sigaction, IN_ALL),
	ANY(rt_sigprocmask, IN_ALL),
	ANY(rt_sigreturn, IN_ALL),
	ANY(set_robust_list, IN_ALL),
	ANY(set_tid_address, IN_ALL),
	/* memory: only the runner makes executable pages */
	ANY(munmap, IN_ALL),
	ANY(mremap, IN_HELPERS),
	ANY(madvise, IN_HELPERS),
	ANY(mmap, IN_RUNNER),
	ANY(mprotect, IN_RUNNER),
	IF(mmap, IN_INSPECTOR | IN_INIT, MASKED(2, PROT_EXEC, 0)),
	IF(mprotect, IN_INSPECTOR | IN_INIT, MASKED(2, PROT_EXEC, 0)),
	/* orders, reports, children */
	ANY(close, IN_ALL),
	ANY(close_range, IN_ALL),
	ANY(recvmsg, IN_ALL),
	ANY(sendmsg, IN_HELPERS),
	ANY(sendto, IN_HELPERS),
	ANY(pread64, IN_HELPERS),
	ANY(futex, IN_HELPERS),
	ANY(getppid, IN_HELPERS),
	ANY(getpid, IN_ALL),
	ANY(gettid, IN_ALL),
	ANY(kill, IN_HELPERS),
	ANY(tgkill, IN_ALL),
	ANY(sched_setaffinity, IN_RUNNER),
	ANY(sched_yield, IN_HELPERS),
	ANY(seccomp, IN_HELPERS),
	ANY(setitimer, IN_HELPERS),
	ANY(sigaltstack, IN_HELPERS),
	ANY(clock_gettime, IN_ALL),
	ANY(wait4, IN_ALL),
	ANY(waitid, IN_ALL),
	ANY(poll, IN_ALL),
	ANY(ppoll, IN_ALL),
	IF(clone, IN_HELPERS, MASKED(0, NEW_NAMESPACES, 0)),
	IF(prctl, IN_ALL, EQUAL(0, PR_SET_NAME)),
	IF(prctl, IN_ALL, EQUAL(0, PR_SET_PDEATHSIG)),
	IF(prctl, IN_ALL, EQUAL(0, PR_SET_NO_NEW_PRIVS)),
	IF(prctl, IN_RUNNER, EQUAL(0, PR_SET_TSC)),
	/* how an init may wait */
	ANY(read, IN_INIT),
	ANY(recvfrom, IN_INIT),
	ANY(pause, IN_INIT),
	ANY(rt_sigsuspend, IN_INIT),
	ANY(rt_sigtimedwait, IN_INIT),
	{ .profiles = 0 },
};

static int add_rules(scmp_filter_ctx context, unsigned profile_bit)
{
	for (const struct rule *r = rules; r->profiles; r++) {
		if (!(r->profiles & profile_bit) || r->nr < 0)
			continue; /* negative: unknown to this architecture */
		int err = seccomp_rule_add_array(context, SCMP_ACT_ALLOW, r->nr, r->conditions,
						 r->when);
		if (err < 0)
			return err;
	}
	return 0;
}

/* The library of today exports to a descriptor only. */
static int export(scmp_filter_ctx context, struct sock_fprog *out)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	struct stat st;
	struct sock_filter *code = NULL;
	int err = seccomp_export_bpf(context, fd);
	if (!err && (fstat(fd, &st) || st.st_size <= 0 || st.st_size % (off_t)sizeof *code ||
		     st.st_size / (off_t)sizeof *code > BPF_MAXINSNS))
		err = -EIO;
	if (!err && !(code = malloc((size_t)st.st_size)))
		err = -ENOMEM;
	if (!err && pread(fd, code, (size_t)st.st_size, 0) != st.st_size)
		err = -EIO;
	(void)close(fd);
	if (err) {
		free(code);
		return err;
	}
	*out = (struct sock_fprog){ (unsigned short)(st.st_size / (off_t)sizeof *code), code };
	return 0;
}

int seccomp_build(enum seccomp_profile profile, struct sock_fprog *out)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_TRACE(0));
	if (!context)
		return -ENOMEM;
	int err = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_TRACE(0));
	err = err ?: seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	err = err ?: add_rules(context, 1u << profile);
	err = err ?: export(context, out);
	seccomp_release(context);
	return err;
}

int seccomp_install(const struct sock_fprog *program)
{
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program) ? -errno : 0;
}

int seccomp_notify_works(void)
{
	uint32_t action = SECCOMP_RET_USER_NOTIF;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) ? -errno : 0;
}

static const struct arch_token {
	uint32_t arch, token;
} arch_tokens[] = {
	{ AUDIT_ARCH_X86_64, SCMP_ARCH_X86_64 },
	{ AUDIT_ARCH_I386, SCMP_ARCH_X86 },
	{ AUDIT_ARCH_AARCH64, SCMP_ARCH_AARCH64 },
	{ AUDIT_ARCH_ARM, SCMP_ARCH_ARM },
	{ 0, 0 },
};

const char *seccomp_name(uint32_t arch, int64_t nr, char *buf, size_t size)
{
	char *name = NULL;

	for (const struct arch_token *t = arch_tokens; t->arch && nr >= 0 && nr <= INT32_MAX; t++)
		if (t->arch == arch) {
			bool x32 = arch == AUDIT_ARCH_X86_64 && (nr & X32_BIT);
			name = seccomp_syscall_resolve_num_arch(x32 ? SCMP_ARCH_X32 : t->token,
								(int)nr);
		}
	if (name)
		(void)snprintf(buf, size, "%s", name);
	else
		(void)snprintf(buf, size, "syscall_%lld", (long long)nr);
	free(name);
	return buf;
}
