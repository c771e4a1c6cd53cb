/* SPDX-License-Identifier: MIT */
/*
 * Says in which order a process gives up what it has, and starts the two processes of a jail.
 */
#include "jail.h"
#include "jail_steps.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u
#endif

/*
 * Made by the clone itself; the leaf user namespace comes last, so that its capabilities reach none
 * of these.
 */
#define INIT_NAMESPACES                                                                            \
	(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

/*
 * It runs nothing but a wait, and stays in the launcher's control group: entering one may take
 * milliseconds.
 */
static const struct jail_step init_steps[] = {
	{ "session", jail_own_session },
	{ "empty root", jail_empty_root },
	{ "host name", jail_host_name },
	{ "ids", jail_take_ids },
	{ "user namespace", jail_leaf_namespace },
	{ "namespace limits", jail_no_more_namespaces },
	{ 0 },
};

static const struct jail_step zygote_steps[] = {
	{ "session", jail_own_session },
	{ "cgroup", jail_enter_cgroup },
	{ "oom score", jail_first_victim },
	{ "ids", jail_take_ids },
	{ "namespaces", jail_join_namespaces },
	{ "user namespace", jail_join_leaf },
	{ 0 },
};

/* What both do when they are where they belong. */
static const struct jail_step last_steps[] = {
	{ "capabilities", jail_no_capabilities },
	{ "parent death signal", jail_die_with_launcher },
	{ "landlock", jail_landlock },
	{ "descriptors", jail_descriptors },
	{ "resource limits", jail_resource_limits },
	{ "seccomp", jail_filter },
	{ "exec", jail_exec },
	{ 0 },
};

static void take_steps(struct jail_child *c, const struct jail_step *steps)
{
	struct jail_report report = { 0 };

	for (const struct jail_step *s = steps; s->name; s++) {
		report.err = s->take(c);
		if (!report.err && s->take == jail_descriptors)
			c->report = SECCOMP_EXEC_FD + 1;
		if (!report.err)
			continue;
		(void)strncpy(report.step, s->name, sizeof report.step - 1);
		(void)!write(c->report, &report, sizeof report);
		_exit(127);
	}
}

/* Never returns: the last step is the exec. */
static _Noreturn void become(const struct jail_child *child, const struct jail_step *steps)
{
	struct jail_child c = *child;

	take_steps(&c, steps);
	take_steps(&c, last_steps);
	_exit(127);
}

pid_t jail_clone(uint64_t flags, int group, int *pidfd)
{
	struct clone_args args = { .flags = flags,
				   .exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD };

	if (group >= 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)group;
	}
	if (pidfd) {
		args.flags |= CLONE_PIDFD;
		args.pidfd = (uint64_t)(uintptr_t)pidfd;
	}
	long pid = syscall(SYS_clone3, &args, sizeof args);
	return pid < 0 ? -errno : (pid_t)pid;
}

pid_t jail_spawn_init(const struct jail_env *env, const struct jail_spec *spec, int control,
		      int report, int *pidfd_out)
{
	struct jail_child child = { env, spec, SECCOMP_INIT, "init", control, report, -1 };

	pid_t pid = jail_clone(INIT_NAMESPACES, -1, pidfd_out);
	if (!pid)
		become(&child, init_steps);
	return pid;
}

/*
 * In a process of its own: enters the pid namespace for its children, and makes one that has the
 * launcher as its parent.
 */
static _Noreturn void make_sibling(const struct jail_child *child, int answer)
{
	pid_t pid = setns(child->init, CLONE_NEWPID) ? -errno : jail_clone(CLONE_PARENT, -1, NULL);

	if (!pid)
		become(child, zygote_steps);
	(void)!write(answer, &pid, sizeof pid);
	_exit(0);
}

/*
 * An ordinary user's launcher could enter that pid namespace itself, but would never be let back
 * into its own.
 */
static pid_t clone_inside(const struct jail_child *child)
{
	int answer[2];
	pid_t pid = -ESRCH;

	if (pipe2(answer, O_CLOEXEC))
		return -errno;
	pid_t helper = jail_clone(0, -1, NULL);
	if (!helper)
		make_sibling(child, answer[1]);
	(void)close(answer[1]);
	if (helper < 0)
		pid = helper;
	else if (read(answer[0], &pid, sizeof pid) != (ssize_t)sizeof pid)
		pid = -ESRCH;
	(void)close(answer[0]);
	while (helper > 0 && waitpid(helper, NULL, 0) < 0 && errno == EINTR)
		;
	return pid;
}

pid_t jail_spawn_zygote(const struct jail_env *env, const struct jail_spec *spec, int init_pidfd,
			int control, int report)
{
	bool runner = spec->kind == JAIL_RUNNER;
	struct jail_child child = { env,
				    spec,
				    runner ? SECCOMP_RUNNER : SECCOMP_INSPECTOR,
				    runner ? "runner" : "inspector",
				    control,
				    report,
				    init_pidfd };

	return clone_inside(&child);
}

/* ---- once, at the launcher's start ----------------------------------------------------------- */

static int write_map(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int err = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	(void)close(fd);
	return err;
}

/*
 * Only a process with one thread may unshare its user namespace, and instrumented builds have a
 * thread of their own: there a clone goes on in this process's place, which waits for it.
 */
static int enter_user_namespace(void)
{
	int status = 0;

	if (!unshare(CLONE_NEWUSER))
		return 0;
	if (errno != EINVAL)
		return -errno;
	pid_t pid = jail_clone(CLONE_NEWUSER, -1, NULL);
	if (pid <= 0)
		return pid;
	(void)syscall(SYS_close_range, 3, ~0u, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/*
 * An ordinary user gets the right to make namespaces by owning one. Groups stay: they open nothing
 * in an empty root.
 */
static int own_user_namespace(void)
{
	char uids[48], gids[48];

	(void)snprintf(uids, sizeof uids, "%u %u 1", (unsigned)geteuid(), (unsigned)geteuid());
	(void)snprintf(gids, sizeof gids, "%u %u 1", (unsigned)getegid(), (unsigned)getegid());
	int err = enter_user_namespace();
	err = err ?: write_map("/proc/self/setgroups", "deny");
	err = err ?: write_map("/proc/self/gid_map", gids);
	return err ?: write_map("/proc/self/uid_map", uids);
}

/*
 * Everybody may execute the helper and nobody read it: the kernel then keeps who runs it undumpable
 * from its first instruction on. Sealed, so that no jail changes what the next one runs.
 */
int jail_seal_helper(const struct jail_helper *helper)
{
	if (!helper->size)
		return -1;
	int fd = memfd_create("helper", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("helper", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	for (size_t done = 0; done < helper->size;) {
		ssize_t n = write(fd, (const char *)helper->bytes + done, helper->size - done);
		if (n <= 0)
			goto out_fd;
		done += (size_t)n;
	}
	if (fchmod(fd, 0111) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE))
		goto out_fd;
	return fd;
out_fd:
	(void)close(fd);
	return -EIO;
}

static bool kernel_at_least(int major, int minor)
{
	struct utsname name;
	int have_major = 0, have_minor = 0;

	if (uname(&name) || sscanf(name.release, "%d.%d", &have_major, &have_minor) != 2)
		return false;
	return have_major > major || (have_major == major && have_minor >= minor);
}

int jail_start(struct jail_env *env, const struct jail_helper helpers[2])
{
	int err = 0;

	*env = (struct jail_env){ .root = geteuid() == 0,
				  .limits_processes = kernel_at_least(5, 14),
				  .landlock = -1,
				  .helpers = { -1, -1 } };
	if (!env->root)
		err = own_user_namespace();
	env->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (!err && env->proc < 0)
		err = -errno;
	for (int i = 0; i < 2 && !err; i++) {
		env->helpers[i] = jail_seal_helper(&helpers[i]);
		if (env->helpers[i] < -1)
			err = env->helpers[i];
	}
	for (int i = 0; i < SECCOMP_PROFILES && !err; i++)
		err = seccomp_build((enum seccomp_profile)i, &env->filters[i]);
	env->landlock = jail_landlock_ruleset(&env->landlock_abi);
	return err;
}

unsigned jail_namespaces_work(void)
{
	static const unsigned all[] = { CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWPID,   CLONE_NEWNET,
					CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWCGROUP };
	unsigned works = 0;

	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		pid_t pid = jail_clone(all[i], -1, NULL);
		if (!pid)
			_exit(0);
		if (pid < 0)
			continue;
		works |= all[i];
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	return works;
}
