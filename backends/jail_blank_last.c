/* SPDX-License-Identifier: MIT */
/*
 * How a built blank gives up what it has and becomes the guard.
 *
 * The order: host ids, then the leaf user namespace, whose capabilities reach nothing that was made
 * before it; of these what a guard needs; and last the filter, under which only the listener is sent,
 * descriptors are closed and the guard is executed.
 */
#include "jail_blank.h"
#include "jailed/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/securebits.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CORE_BYTES 1 /* see jail_steps.c */
#define BIT(cap)   (UINT64_C(1) << (cap))
/*
 * What a guard may do to its jobs. Roots of file systems and the exec count for nothing (NOROOT), nor
 * can a capability that is not ambient yet become so. See capabilities(7).
 */
#define GUARD_CAPS (BIT(CAP_SETUID) | BIT(CAP_SETGID) | BIT(CAP_KILL))
#define GUARD_BITS                                                                                 \
	(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED |                    \
	 SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |                                   \
	 SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

static int result(long rc)
{
	return rc < 0 ? -errno : 0;
}

static int take_ids(struct blank *b)
{
	const struct jail_spec spec = { .uid = b->order.guard_uid, .gid = b->order.guard_gid };
	const struct jail_child child = { .env = b->env->jail, .spec = &spec };

	if (b->env->jail->root && !spec.uid)
		return -EPERM;
	return jail_take_ids(&child);
}

static bool has_group(const struct blank *b, enum group_part part)
{
	return b->spec->groups && b->spec->group && b->spec->groups->places.version[part];
}

bool blank_own_leaf(const struct blank *b)
{
	return !b->env->jail->root && b->env->jail->limits_processes && !has_group(b, GROUP_PIDS);
}

static void put_map(char *text, unsigned long inside, unsigned long id)
{
	char *p = jail_put_number(text, inside);

	*p++ = ' ';
	p = jail_put_number(p, id);
	memcpy(p, " 1", 3);
}

/* The right to set groups is forbidden in the launcher's namespace already, and with it here. */
static int make_leaf(struct blank *b)
{
	const struct jail_env env = { .proc = BLANK_PROC_FD };
	const struct jail_child child = { .env = &env };
	unsigned long uid = geteuid(), gid = getegid();
	char text[64];

	if (unshare(CLONE_NEWUSER))
		return -errno;
	b->what = "maps of the user namespace";
	put_map(text, plan_inside_gid(&b->plan), gid);
	int err = jail_write_proc(&env, "self/gid_map", text);
	put_map(text, plan_inside_uid(&b->plan), uid);
	err = err ?: jail_write_proc(&env, "self/uid_map", text);
	return err ?: jail_no_more_namespaces(&child);
}

static int enter_leaf(struct blank *b)
{
	return blank_own_leaf(b) ? make_leaf(b) : result(setns(b->user_ns, CLONE_NEWUSER));
}

/* What is ambient by then passes an exec all the same. */
static int bound_capabilities(void)
{
	for (unsigned long cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0)) {
			if (errno != EINVAL)
				return -errno;
			break; /* the kernel's last one */
		}
	return 0;
}

/* An ordinary user's guard has the one id that its jobs have, and needs none. */
static int few_capabilities(struct blank *b)
{
	uint64_t kept = b->env->jail->root ? GUARD_CAPS : 0;

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
		return -errno;
	int err = jail_set_capabilities(kept | BIT(CAP_SETPCAP), kept | BIT(CAP_SETPCAP), kept);
	for (unsigned long cap = 0; cap < 64 && !err; cap++)
		if (kept & BIT(cap))
			err = result(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0));
	err = err ?: bound_capabilities();
	err = err ?: result(prctl(PR_SET_SECUREBITS, GUARD_BITS, 0, 0, 0));
	err = err ?: jail_set_capabilities(kept, kept, kept);
	return err ?: result(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

/*
 * In place of a control group: of processes all rockers with the same leaf namespace have so many together,
 * and of memory each process so much. The kernel counts an ordinary user's guard as one of them.
 */
static int limits_without_group(const struct blank *b)
{
	const struct plan_limits *l = &b->plan.limits;
	const struct jail_env *jail = b->env->jail;
	int err = 0;

	if (l->pids < UINT32_MAX && jail->limits_processes && !has_group(b, GROUP_PIDS))
		err = jail_limit(RLIMIT_NPROC, l->pids + !jail->root);
	if (!err && l->memory_bytes != PLAN_NO_LIMIT && !has_group(b, GROUP_MEMORY))
		err = jail_limit(RLIMIT_DATA, l->memory_bytes);
	return err;
}

/* Those of jobs come with each job; these are for what nobody asks for. */
static int resource_limits(struct blank *b)
{
	int err = jail_limit(RLIMIT_CORE, CORE_BYTES);

	err = err ?: jail_limit(RLIMIT_NICE, 0);
	err = err ?: jail_limit(RLIMIT_RTPRIO, 0);
	return err ?: limits_without_group(b);
}

/* Until it has its second socket it still ends with the launcher's end of the first. */
static int outlive_launcher(struct blank *b)
{
	return b->plan.persist ? result(prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0)) : 0;
}

static int restrict_by_landlock(struct blank *b)
{
	return jail_landlock_restrict(b->landlock);
}

/* What is left: the guard's socket, and what the exec closes. */
static int few_descriptors(struct blank *b)
{
	if (fcntl(b->control, F_SETFD, 0))
		return -errno;
	return result(syscall(SYS_close_range, BLANK_REPORT_FD + 1, ~0u, 0));
}

static int install_filter(struct blank *b)
{
	const struct rocker_env *env = b->env;
	struct guard_reply reply = { .type = GUARD_LISTENER };
	struct iovec part = { &reply, sizeof reply };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} space = { 0 };
	struct msghdr m = { .msg_iov = &part,
			    .msg_iovlen = 1,
			    .msg_control = &space,
			    .msg_controllen = sizeof space.bytes };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	if (b->plan.profile >= env->nprofiles)
		return -EINVAL;
	int listener = seccomp_profile_install(&env->profiles[b->plan.profile], true);
	if (listener < 0)
		return listener == -1 ? 0 : listener;
	*c = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(c), &listener, sizeof(int));
	int err = sendmsg(b->control, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
	(void)close(listener);
	return err;
}

static int run_guard(struct blank *b)
{
	char ids[2][24];
	char *const argv[] = { (char *)"guard", ids[0],
			       ids[1],          (char *)(b->plan.leave_empty ? "e" : ""),
			       b->order.name,   NULL };
	char *const envp[] = { NULL };

	*jail_put_number(ids[0], plan_inside_uid(&b->plan)) = '\0';
	*jail_put_number(ids[1], plan_inside_gid(&b->plan)) = '\0';
	(void)syscall(SYS_execveat, b->guard, "", argv, envp, AT_EMPTY_PATH);
	return -errno;
}

const struct blank_step blank_last_steps[] = {
	{ "ids", take_ids },
	{ "user namespace", enter_leaf },
	{ "capabilities", few_capabilities },
	{ "resource limits", resource_limits },
	{ "parent death signal", outlive_launcher },
	{ "landlock", restrict_by_landlock },
	{ "descriptors", few_descriptors },
	{ "seccomp profile", install_filter },
	{ "exec", run_guard },
	{ 0 },
};
