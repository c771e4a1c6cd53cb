/* SPDX-License-Identifier: MIT */
/* Attempts on other processes: the guard, those outside, and those that could be made. */
#include "attempt.h"

#include <linux/kcmp.h>
#include <linux/sched.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>

static pid_t outside(void)
{
	return atoi(option("pid", "2"));
}

static int ptrace_guard(void)
{
	return tried(ptrace(PTRACE_SEIZE, 1, NULL, NULL));
}

static int ptrace_me(void)
{
	return tried(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int ptrace_child(void)
{
	return tried(ptrace(PTRACE_SEIZE, sleeper(), NULL, NULL));
}

static char here[16];

static int vm_read_of(pid_t pid)
{
	struct iovec local = { here, sizeof(here) }, remote = { here, sizeof(here) };
	int rc = tried(syscall(SYS_process_vm_readv, pid, &local, 1L, &remote, 1L, 0L));

	return rc == EFAULT ? 0 : rc; /* past the check */
}

static int vm_read(void)
{
	return vm_read_of(1);
}

static int vm_read_child(void)
{
	return vm_read_of(sleeper());
}

static int vm_write(void)
{
	struct iovec local = { here, sizeof(here) }, remote = { here, sizeof(here) };
	int rc = tried(syscall(SYS_process_vm_writev, sleeper(), &local, 1L, &remote, 1L, 0L));

	return rc == EFAULT ? 0 : rc;
}

/* Even where the number may be signalled, PID 1 must live on. */
static int kill_guard(void)
{
	int rc = tried(kill(1, SIGKILL));

	if (rc)
		return rc;
	usleep(100000);
	return EPERM;
}

static int stop_guard(void)
{
	char state = 0;
	int rc = tried(kill(1, SIGSTOP));
	FILE *f = rc ? NULL : fopen("/proc/1/stat", "r");

	usleep(100000);
	if (f && fscanf(f, "%*d %*s %c", &state) != 1)
		state = 0;
	return rc ?: state == 'T' ? 0 : EPERM;
}

static int signal_guard(void)
{
	int rc = tried(syscall(SYS_tgkill, 1, 1, SIGTERM));

	usleep(rc ? 0 : 100000);
	return rc ?: EPERM;
}

static int kill_outside(void)
{
	return tried(kill(outside(), 0));
}

static int pidfd_outside(void)
{
	return tried(syscall(SYS_pidfd_open, outside(), 0L));
}

static int pidfd_getfd_guard(void)
{
	int pidfd = (int)syscall(SYS_pidfd_open, 1L, 0L);

	return pidfd < 0 ? errno : tried(syscall(SYS_pidfd_getfd, pidfd, 0L, 0L));
}

static int kcmp_guard(void)
{
	return tried(syscall(SYS_kcmp, 1L, (long)getpid(), (long)KCMP_VM, 0L, 0L));
}

static int prlimit_guard(void)
{
	struct rlimit old;

	return tried(prlimit(1, RLIMIT_NOFILE, NULL, &old));
}

static int affinity_guard(void)
{
	unsigned long mask = 1;

	return tried(syscall(SYS_sched_setaffinity, 1L, sizeof(mask), &mask));
}

static int ioprio_guard(void)
{
	return tried(syscall(SYS_ioprio_set, 1L, 1L, (2L << 13) | 7));
}

static int ioprio_realtime(void)
{
	return tried(syscall(SYS_ioprio_set, 1L, 0L, 1L << 13));
}

static int priority_guard(void)
{
	return tried(setpriority(PRIO_PROCESS, 1, 19));
}

static int nice_up(void)
{
	return tried(setpriority(PRIO_PROCESS, 0, -10));
}

static int realtime(void)
{
	struct sched_param param = { .sched_priority = 1 };

	return tried(sched_setscheduler(0, SCHED_FIFO, &param));
}

static int hard_limit_up(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_max++;
	return tried(setrlimit(RLIMIT_NOFILE, &limit));
}

static int core_limit_up(void)
{
	struct rlimit limit = { 0, RLIM_INFINITY };

	return tried(setrlimit(RLIMIT_CORE, &limit));
}

static int move_pages_guard(void)
{
	return tried(syscall(SYS_move_pages, 1L, 0L, NULL, NULL, NULL, 0L));
}

static int migrate_pages_guard(void)
{
	unsigned long node = 1;

	return tried(syscall(SYS_migrate_pages, 1L, 64L, &node, &node));
}

static int madvise_guard(void)
{
	struct iovec range = { here, sizeof(here) };
	int pidfd = (int)syscall(SYS_pidfd_open, 1L, 0L);
	int rc =
		pidfd < 0 ? errno : tried(syscall(SYS_process_madvise, pidfd, &range, 1L, 20L, 0L));

	return rc == ENOMEM || rc == EINVAL ? 0 : rc;
}

static int into_cgroup(void)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
	};
	long pid;

	args.cgroup =
		(uint64_t)open(option("cgroup", "/sys/fs/cgroup/unified"), O_PATH | O_DIRECTORY);
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		_exit(0);
	return tried(pid);
}

static int clone3_user(void)
{
	struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		_exit(0);
	return tried(pid);
}

static int chosen_pid(void)
{
	pid_t wanted = 30123;
	struct clone_args args = { .exit_signal = SIGCHLD,
				   .set_tid = (uint64_t)&wanted,
				   .set_tid_size = 1 };
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		_exit(0);
	return tried(pid);
}

const struct attempt process_attempts[] = {
	{ "ptrace_guard", EPERM, 0, A_SYSCALL, SYS_ptrace, ptrace_guard, "ptrace of PID 1" },
	{ "ptrace_me", EPERM, 0, 0, 0, ptrace_me, "PTRACE_TRACEME" },
	{ "ptrace_child", EPERM, 0, 0, 0, ptrace_child, "ptrace of its own child" },
	{ "vm_read", EPERM, 0, A_SYSCALL, SYS_process_vm_readv, vm_read, "memory of PID 1" },
	{ "vm_read_child", EPERM, 0, 0, 0, vm_read_child, "memory of its own child" },
	{ "vm_write", EPERM, 0, A_SYSCALL, SYS_process_vm_writev, vm_write, "memory of a child" },
	{ "kill_guard", EPERM, 0, A_CANNOT | A_SYSCALL, SYS_kill, kill_guard, "SIGKILL to PID 1" },
	{ "stop_guard", EPERM, 0, A_CANNOT, 0, stop_guard, "SIGSTOP to PID 1" },
	{ "signal_guard", EPERM, 0, A_CANNOT | A_SYSCALL, SYS_tgkill, signal_guard,
	  "SIGTERM to PID 1" },
	{ "kill_outside", ESRCH, 0, 0, 0, kill_outside, "a signal to a process outside" },
	{ "pidfd_outside", ESRCH, 0, 0, 0, pidfd_outside, "a pidfd of a process outside" },
	{ "pidfd_getfd_guard", EPERM, 0, A_SYSCALL, SYS_pidfd_getfd, pidfd_getfd_guard,
	  "a descriptor of PID 1" },
	{ "kcmp_guard", EPERM, 0, A_SYSCALL, SYS_kcmp, kcmp_guard, "kcmp with PID 1" },
	{ "prlimit_guard", EPERM, 0, A_SYSCALL, SYS_prlimit64, prlimit_guard, "limits of PID 1" },
	{ "affinity_guard", EPERM, 0, A_OWN | A_SYSCALL, SYS_sched_setaffinity, affinity_guard,
	  "processors of PID 1" },
	{ "ioprio_guard", EPERM, 0, A_OWN | A_SYSCALL, SYS_ioprio_set, ioprio_guard,
	  "I/O priority of PID 1" },
	{ "ioprio_realtime", EPERM, 0, 0, 0, ioprio_realtime, "real-time I/O priority" },
	{ "priority_guard", EPERM, 0, A_OWN | A_SYSCALL, SYS_setpriority, priority_guard,
	  "priority of PID 1" },
	{ "nice_up", EACCES, 0, 0, 0, nice_up, "a better priority" },
	{ "realtime", EPERM, 0, A_SYSCALL, SYS_sched_setscheduler, realtime,
	  "real-time scheduling" },
	{ "hard_limit_up", EPERM, 0, A_CANNOT, 0, hard_limit_up, "a higher hard limit" },
	{ "core_limit_up", EPERM, 0, 0, 0, core_limit_up, "core dumps" },
	{ "move_pages_guard", EPERM, 0, A_SYSCALL, SYS_move_pages, move_pages_guard,
	  "pages of PID 1" },
	{ "migrate_pages_guard", EPERM, 0, A_SYSCALL, SYS_migrate_pages, migrate_pages_guard,
	  "pages of PID 1 to a node" },
	{ "madvise_guard", EPERM, 0, A_SYSCALL, SYS_process_madvise, madvise_guard,
	  "advice to PID 1" },
	{ "into_cgroup", ENOSYS, 0, A_SYSCALL, SYS_clone3, into_cgroup, "CLONE_INTO_CGROUP" },
	{ "clone3_user", ENOSYS, 0, 0, 0, clone3_user, "a user namespace by clone3" },
	{ "chosen_pid", ENOSYS, 0, 0, 0, chosen_pid, "a pid of its choice" },
	{ 0 },
};
