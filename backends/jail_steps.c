/* SPDX-License-Identifier: MIT */
/*
 * What a future jailed process does to itself, step by step.
 */
#include "jail_steps.h"
#include "jailed/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define INNER_ID 1000 /* what a jailed process believes to be */
#define HELPER_FDS                                                                                 \
	16 /* below SECCOMP_EXEC_FD: no descriptor of that number can come into being again */
#define HELPER_STACK_BYTES (2u << 20)
#define HELPER_BYTES       (16u << 20) /* address space of the helper itself */
#define CGROUP_SLACK_BYTES (64u << 20) /* with a cgroup, that shall be the limit that is met */
/*
 * With 0 a core_pattern that is a pipe is fed all the same; 1 is the kernel's word for no core at
 * all, and less than a file of one can be. See core(5).
 */
#define CORE_BYTES 1
#define SPARE_FD   200 /* above every number that jail_descriptors() hands out */

_Static_assert(HELPER_FDS < SECCOMP_EXEC_FD, "a second exec must be impossible");

static int result(long rc)
{
	return rc < 0 ? -errno : 0;
}

int jail_own_session(const struct jail_child *child)
{
	/* the kernel's struct sigaction, all zero: SIG_DFL */
	static const unsigned long by_default[4];
	sigset_t none;

	(void)child;
	/*
	 * The call itself, since libc's wrapper leaves out two signals that may be inherited as
	 * ignored.
	 */
	for (int s = 1; s < NSIG; s++)
		(void)syscall(SYS_rt_sigaction, s, by_default, NULL, sizeof(uint64_t));
	(void)sigemptyset(&none);
	if (sigprocmask(SIG_SETMASK, &none, NULL))
		return -errno;
	/* a launcher that was reniced does not measure otherwise */
	(void)setpriority(PRIO_PROCESS, 0, 0);
	(void)umask(077);
	return result(setsid());
}

/*
 * While the host's root is still there, and while still privileged. Its own doing, since a
 * migration may take long.
 */
int jail_enter_cgroup(const struct jail_child *child)
{
	const struct jail_spec *spec = child->spec;

	return spec->group ? rocker_group_enter(spec->groups, spec->group, false)
			   : cgroup_enter(spec->cgroup);
}

/* /proc serves as the place to mount on, since it exists wherever the launcher does. */
int jail_empty_root(const struct jail_child *child)
{
	const unsigned long safe = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	(void)child;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("jail", "/proc", "tmpfs", safe, "size=4096,nr_inodes=2,mode=0555") ||
	    chdir("/proc") || syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) ||
	    chdir("/"))
		return -errno;
	return result(mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY | safe, NULL));
}

int jail_host_name(const struct jail_child *child)
{
	static const char name[] = "sandbox";

	(void)child;
	if (setdomainname("", 0))
		return -errno;
	return result(sethostname(name, sizeof name - 1));
}

int jail_set_capabilities(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)effective,
		  .permitted = (uint32_t)permitted,
		  .inheritable = (uint32_t)inheritable },
		{ .effective = (uint32_t)(effective >> 32),
		  .permitted = (uint32_t)(permitted >> 32),
		  .inheritable = (uint32_t)(inheritable >> 32) },
	};

	return result(syscall(SYS_capset, &header, data));
}

int jail_permitted_capabilities(uint64_t *out)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	*out = data[0].permitted | (uint64_t)data[1].permitted << 32;
	return 0;
}

/*
 * The ids of the jail, with all capabilities kept: the namespaces are still to be joined or made.
 */
int jail_take_ids(const struct jail_child *child)
{
	const struct jail_spec *spec = child->spec;
	uint64_t permitted = 0;

	if (!child->env->root)
		return 0;
	if (syscall(SYS_setgroups, 0, NULL) || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) ||
	    syscall(SYS_setresgid, spec->gid, spec->gid, spec->gid) ||
	    syscall(SYS_setresuid, spec->uid, spec->uid, spec->uid))
		return -errno;
	int err = jail_permitted_capabilities(&permitted);
	err = err ?: jail_set_capabilities(permitted, permitted, 0);
	/*
	 * Changing ids made the process undumpable, and then its maps in /proc would belong to
	 * root.
	 */
	return err ?: result(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

int jail_write_proc(const struct jail_env *env, const char *path, const char *text)
{
	int fd = openat(env->proc, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int err = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	(void)close(fd);
	return err;
}

char *jail_put_number(char *p, unsigned long n)
{
	char digits[24];
	int count = 0;

	do
		digits[count++] = (char)('0' + n % 10);
	while (n /= 10);
	while (count)
		*p++ = digits[--count];
	return p;
}

static int write_map(const struct jail_child *child, const char *path, unsigned long outer)
{
	char text[64], *p = jail_put_number(text, INNER_ID);

	*p++ = ' ';
	p = jail_put_number(p, outer);
	memcpy(p, " 1", 3);
	return jail_write_proc(child->env, path, text);
}

/* Every process may map its own id alone, once it has given up setgroups. */
int jail_leaf_namespace(const struct jail_child *child)
{
	if (unshare(CLONE_NEWUSER))
		return -errno;
	int err = jail_write_proc(child->env, "self/setgroups", "deny");
	err = err ?: write_map(child, "self/gid_map", child->spec->gid);
	return err ?: write_map(child, "self/uid_map", child->spec->uid);
}

/* Where the kernel lets us, even a hole in the filter leads to no further namespace. */
int jail_no_more_namespaces(const struct jail_child *child)
{
	static const char *const limits[] = {
		"sys/user/max_cgroup_namespaces", "sys/user/max_ipc_namespaces",
		"sys/user/max_mnt_namespaces",    "sys/user/max_net_namespaces",
		"sys/user/max_pid_namespaces",    "sys/user/max_time_namespaces",
		"sys/user/max_user_namespaces",   "sys/user/max_uts_namespaces",
	};

	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
		(void)jail_write_proc(child->env, limits[i], "0");
	return 0;
}

/* When memory runs out on the whole machine, a jail goes first. */
int jail_first_victim(const struct jail_child *child)
{
	(void)jail_write_proc(child->env, "self/oom_score_adj", "1000");
	return 0;
}

int jail_join_namespaces(const struct jail_child *child)
{
	return result(setns(child->init, CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
						 CLONE_NEWCGROUP));
}

int jail_join_leaf(const struct jail_child *child)
{
	return result(setns(child->init, CLONE_NEWUSER));
}

static uint64_t address_space(const struct jail_spec *spec)
{
	uint64_t slack = HELPER_BYTES + (spec->limited_by_cgroup ? CGROUP_SLACK_BYTES : 0);

	return spec->memory_bytes > UINT64_MAX - slack ? UINT64_MAX : spec->memory_bytes + slack;
}

int jail_limit(int resource, uint64_t value)
{
	struct rlimit now, wanted = { value, value };

	if (getrlimit((__rlimit_resource_t)resource, &now))
		return -errno;
	if (wanted.rlim_max > now.rlim_max)
		wanted.rlim_cur = wanted.rlim_max = now.rlim_max;
	return result(setrlimit((__rlimit_resource_t)resource, &wanted));
}

int jail_resource_limits(const struct jail_child *child)
{
	const struct jail_spec *spec = child->spec;
	const struct {
		int resource;
		rlim_t value;
	} limits[] = {
		{ RLIMIT_AS, address_space(spec) },
		{ RLIMIT_CORE, CORE_BYTES },
		{ RLIMIT_FSIZE, 0 },
		{ RLIMIT_MEMLOCK, 0 },
		{ RLIMIT_MSGQUEUE, 0 },
		{ RLIMIT_NICE, 0 },
		{ RLIMIT_NOFILE, HELPER_FDS },
		{ RLIMIT_NPROC, child->env->limits_processes ? spec->pids : RLIM_INFINITY },
		{ RLIMIT_RTPRIO, 0 },
		{ RLIMIT_STACK, HELPER_STACK_BYTES },
	};

	int err = 0;

	for (size_t i = 0; i < sizeof limits / sizeof *limits && !err; i++)
		err = jail_limit(limits[i].resource, limits[i].value);
	return err;
}

/* Entering the leaf namespace gave all of them again, over nothing. */
int jail_no_capabilities(const struct jail_child *child)
{
	(void)child;
	if (prctl(PR_SET_SECUREBITS, SECURE_ALL_BITS | SECURE_ALL_LOCKS, 0, 0, 0) ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
		return -errno;
	for (unsigned long cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0)) {
			if (errno != EINVAL)
				return -errno;
			break; /* the kernel's last one */
		}
	int err = jail_set_capabilities(0, 0, 0);
	return err ?: result(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

/* After the last change of credentials, which would clear it. */
int jail_die_with_launcher(const struct jail_child *child)
{
	(void)child;
	return result(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
}

int jail_landlock(const struct jail_child *child)
{
	return jail_landlock_restrict(child->env->landlock);
}

/* The control socket, the helper and the report pipe get their numbers; all else is closed. */
int jail_descriptors(const struct jail_child *child)
{
	int control = fcntl(child->control, F_DUPFD_CLOEXEC, SPARE_FD);
	int helper = fcntl(child->env->helpers[child->spec->kind], F_DUPFD_CLOEXEC, SPARE_FD);
	int report = fcntl(child->report, F_DUPFD_CLOEXEC, SPARE_FD);

	if (control < 0 || helper < 0 || report < 0)
		return -EMFILE;
	if (dup3(helper, SECCOMP_EXEC_FD, O_CLOEXEC) < 0 ||
	    dup3(report, SECCOMP_EXEC_FD + 1, O_CLOEXEC) < 0 || dup2(control, WIRE_CTL_FD) < 0)
		return -errno;
	if (syscall(SYS_close_range, 0, WIRE_CTL_FD - 1, 0) ||
	    syscall(SYS_close_range, WIRE_CTL_FD + 1, SECCOMP_EXEC_FD - 1, 0))
		return -errno;
	return result(syscall(SYS_close_range, SECCOMP_EXEC_FD + 2, ~0u, 0));
}

int jail_filter(const struct jail_child *child)
{
	return seccomp_install(&child->env->filters[child->profile]);
}

int jail_exec(const struct jail_child *child)
{
	char *const argv[] = { (char *)child->name, NULL };
	char *const envp[] = { NULL };

	(void)syscall(SYS_execveat, SECCOMP_EXEC_FD, "", argv, envp, AT_EMPTY_PATH);
	return -errno;
}
