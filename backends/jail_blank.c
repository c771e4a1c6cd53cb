/* SPDX-License-Identifier: MIT */
/*
 * The life of a blank: the clone, the wait for its orders, and what its launcher sends it.
 */
#include "jail_blank.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BLANK_NAMESPACES (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS)

static struct blank blank;

void blank_report(int report, int err, const char *step, uint32_t about)
{
	struct rocker_report r = { .err = err, .text = about };

	(void)strncpy(r.step, step, sizeof r.step - 1);
	(void)!write(report, &r, sizeof r);
}

static void take_steps(const struct blank_step *steps)
{
	for (const struct blank_step *s = steps; s->name; s++) {
		blank.what = NULL;
		blank.about = 0;
		int err = s->take(&blank);
		if (!err)
			continue;
		blank_report(blank.report, err, blank.what ?: s->name, blank.about);
		_exit(127);
	}
}

ssize_t blank_hear(int control, struct blank_message *message, struct rocker_plan *plan, int *fds,
		   unsigned *nfds_out)
{
	union {
		char bytes[CMSG_SPACE(BLANK_MESSAGE_FDS * sizeof(int))];
		struct cmsghdr align;
	} space;
	struct iovec parts[] = { { message, sizeof *message }, { plan, plan ? sizeof *plan : 0 } };
	struct msghdr m = { .msg_iov = parts,
			    .msg_iovlen = 2,
			    .msg_control = &space,
			    .msg_controllen = sizeof space };
	ssize_t n;

	do
		n = recvmsg(control, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	*nfds_out = 0;
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		*nfds_out = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), *nfds_out * sizeof(int));
	}
	return n > 0 && m.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -1 : n;
}

static struct blank_part *part_of(uint32_t mount, uint32_t index)
{
	switch (mount) {
	case BLANK_BIND:
		return index < PLAN_BINDS_MAX ? &blank.binds[index] : NULL;
	case BLANK_OVERLAY:
		return index < PLAN_OVERLAYS_MAX ? &blank.overlays[index] : NULL;
	case BLANK_PACKAGE:
		return &blank.package;
	case BLANK_DATA:
		return &blank.data;
	default:
		return NULL;
	}
}

/* True: that was the plan. */
static bool take_message(ssize_t size, const int *fds, unsigned nfds)
{
	struct blank_message *m = &blank.order;
	const ssize_t head = (ssize_t)sizeof *m;

	if (size >= head && m->type == BLANK_PLAN && nfds == 1 + (m->has_netns != 0) &&
	    plan_ok(&blank.plan, (size_t)(size - head))) {
		m->name[sizeof m->name - 1] = '\0';
		blank.user_ns = fds[0];
		blank.netns = m->has_netns ? fds[1] : -1;
		return true;
	}
	struct blank_part *part = part_of(m->mount, m->index);
	if (size != head || m->type != BLANK_MOUNT || nfds != 1 || !part || part->fd >= 0) {
		blank_report(blank.report, -EBADMSG, "orders of the launcher", 0);
		_exit(127);
	}
	*part = (struct blank_part){ fds[0], m->directory != 0 };
	return false;
}

static void wait_for_plan(void)
{
	int fds[BLANK_MESSAGE_FDS];
	unsigned nfds;

	for (;;) {
		ssize_t n = blank_hear(blank.control, &blank.order, &blank.plan, fds, &nfds);
		if (!n)
			_exit(0); /* nobody wants this blank any more */
		if (take_message(n, fds, nfds))
			return;
	}
}

static void nothing_came(void)
{
	for (unsigned i = 0; i < PLAN_BINDS_MAX; i++)
		blank.binds[i].fd = -1;
	for (unsigned i = 0; i < PLAN_OVERLAYS_MAX; i++)
		blank.overlays[i].fd = -1;
	blank.package.fd = blank.data.fd = -1;
}

/* Never returns: the last step is the exec. */
static _Noreturn void become(const struct rocker_env *env, const struct blank_spec *spec,
			     bool cloned)
{
	blank.env = env;
	blank.spec = spec;
	blank.cloned = cloned;
	blank.control = spec->control;
	blank.guard = env->guard;
	blank.report = spec->report;
	blank.landlock = blank.user_ns = blank.netns = blank.root = -1;
	nothing_came();
	take_steps(blank_root_steps);
	wait_for_plan();
	take_steps(blank_mount_steps);
	take_steps(blank_last_steps);
	_exit(127);
}

/* Where a group of version 2 cannot be entered by the clone, it is entered like the others. */
pid_t blank_spawn(const struct rocker_env *env, const struct blank_spec *spec, int *pidfd_out)
{
	uint64_t flags = BLANK_NAMESPACES | (spec->netns < 0 ? CLONE_NEWNET : 0) |
			 (env->times ? CLONE_NEWTIME : 0);
	int group = spec->groups && spec->group ? rocker_group_clone_dir(spec->groups, spec->group)
						: -1;

	if (env->guard < 0)
		return -EOPNOTSUPP;
	pid_t pid = jail_clone(flags, group, pidfd_out);
	if (pid < 0 && group >= 0) {
		group = -1;
		pid = jail_clone(flags, -1, pidfd_out);
	}
	if (!pid)
		become(env, spec, group >= 0);
	return pid;
}

/* ---- fitters ----------------------------------------------------------------------------------- */

#define FITTER_HOME_FD    4 /* a pidfd of the launcher: where it is between two rockers */
#define FITTER_KEPT_FDS   5
#define FITTER_SPARE_FD   200
#define FITTER_NAMESPACES (CLONE_NEWNS | CLONE_NEWUTS)

static void fitter_failed(const char *step)
{
	blank_report(blank.report, -errno, step, 0);
	_exit(127);
}

static bool keep_two(void)
{
	return !syscall(SYS_close_range, 0, BLANK_CONTROL_FD - 1, 0) &&
	       !syscall(SYS_close_range, FITTER_KEPT_FDS, ~0u, 0);
}

/* What is sent to others by the launcher's end of its socket comes here: so nothing else of the launcher's stays. */
static void fitter_begin(pid_t launcher, int control)
{
	int home = (int)syscall(SYS_pidfd_open, launcher, 0);
	int high = fcntl(control, F_DUPFD_CLOEXEC, FITTER_SPARE_FD);

	home = home < 0 ? home : fcntl(home, F_DUPFD_CLOEXEC, FITTER_SPARE_FD);
	if (home < 0 || high < 0 || dup3(high, BLANK_CONTROL_FD, O_CLOEXEC) < 0 ||
	    dup3(home, FITTER_HOME_FD, O_CLOEXEC) < 0 || !keep_two())
		_exit(127);
	blank.control = blank.report = BLANK_CONTROL_FD;
	if (jail_own_session(NULL) || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) ||
	    getppid() != launcher)
		_exit(127);
	(void)umask(022); /* of mount points that are made */
}

static void enter_rocker(int guard)
{
	struct stat st;

	if (setns(guard, FITTER_NAMESPACES) || chdir("/"))
		fitter_failed("namespaces of the guard");
	blank.root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (blank.root < 0 || fstat(blank.root, &st))
		fitter_failed("root");
	blank.own[0] = st.st_dev;
	blank.nown = 1;
}

/* Nothing of the rocker is kept alive by who has furnished it. */
static void leave_rocker(void)
{
	if (setns(FITTER_HOME_FD, FITTER_NAMESPACES) || chdir("/") || !keep_two())
		fitter_failed("namespaces of the launcher");
}

static _Noreturn void fit(const struct rocker_env *env, pid_t launcher, int control)
{
	static const struct blank_spec none = { .netns = -1 };
	const struct rocker_report done = { 0 };

	blank.env = env;
	blank.spec = &none;
	fitter_begin(launcher, control);
	for (;;) {
		nothing_came();
		wait_for_plan();
		enter_rocker(blank.user_ns);
		take_steps(blank_fit_steps);
		leave_rocker();
		(void)!write(blank.report, &done, sizeof done);
	}
}

pid_t fitter_spawn(const struct rocker_env *env, int control, int *pidfd_out)
{
	pid_t launcher = getpid(), pid = jail_clone(0, -1, pidfd_out);

	if (!pid)
		fit(env, launcher, control);
	return pid;
}

int fitter_order(int control, const struct rocker_plan *plan, int guard)
{
	const struct blank_message m = { .type = BLANK_PLAN };

	return blank_send(control, &m, plan, &guard, 1);
}

/* ---- messages ---------------------------------------------------------------------------------- */

int blank_send(int control, const struct blank_message *message, const struct rocker_plan *plan,
	       const int *fds, unsigned nfds)
{
	union {
		char bytes[CMSG_SPACE(BLANK_MESSAGE_FDS * sizeof(int))];
		struct cmsghdr align;
	} space = { 0 };
	struct iovec parts[] = { { (void *)message, sizeof *message },
				 { (void *)plan, plan ? plan_size(plan) : 0 } };
	struct msghdr m = { .msg_iov = parts,
			    .msg_iovlen = plan ? 2 : 1,
			    .msg_control = &space,
			    .msg_controllen = CMSG_SPACE(nfds * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
	memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	return sendmsg(control, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

int blank_build(int control, const struct blank_order *order)
{
	struct blank_message m = { .type = BLANK_PLAN,
				   .guard_uid = order->guard_uid,
				   .guard_gid = order->guard_gid,
				   .has_netns = order->netns >= 0 };
	const int fds[BLANK_MESSAGE_FDS] = { order->user_ns, order->netns };

	(void)strncpy(m.name, order->name, sizeof m.name - 1);
	return blank_send(control, &m, order->plan, fds, 1 + m.has_netns);
}
