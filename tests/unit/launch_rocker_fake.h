/* SPDX-License-Identifier: MIT */
/*
 * Stand-ins for what runs inside of a rocker, so that ends of every kind are had when they are wanted.
 *
 * A plan's host name says what its blank does when it is told what to become, and the first host path of an opener says what
 * that one does.
 */
#ifndef LAUNCH_ROCKER_FAKE_H
#define LAUNCH_ROCKER_FAKE_H

#include <linux/sched.h>
#include <sys/syscall.h>

#include "launch_rocker.h"

static bool fake_scopes, fake_stillborn, fake_fits, fake_holds;

/* ---- stand-ins: run in the launcher and its children ------------------------------------------------- */

int rocker_env_start(struct rocker_env *env, const struct jail_env *jail, const struct jail_helper *guard,
		     const char *allowed_images)
{
	(void)guard;
	*env = (struct rocker_env){ .jail = jail, .guard = -1, .landlock = -1, .scopes = fake_scopes,
				    .allowed_images = allowed_images };
	return 0;
}

size_t rocker_facts(const struct rocker_env *env, char *text, size_t size)
{
	(void)env;
	return (size_t)snprintf(text, size, "rocker_fake yes\n");
}

static void fake_report(int report, int err, uint32_t text, const char *step)
{
	struct rocker_report r = { .err = err, .text = text };

	snprintf(r.step, sizeof r.step, "%s", step);
	(void)!write(report, &r, sizeof r);
	_exit(127);
}

static pid_t fake_clone(uint64_t flags, int *pidfd)
{
	struct clone_args args = { .flags = flags | CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)pidfd, .exit_signal = SIGCHLD };
	long pid = syscall(SYS_clone3, &args, sizeof args);

	return pid < 0 ? -errno : (pid_t)pid;
}

/* What the blank becomes: a guard that ends with its socket, or when it is told a number, with that. */
static void fake_guard(const struct blank_spec *spec)
{
	char word[64];

	close(spec->report);
	for (;;) {
		ssize_t n = recv(spec->control, word, sizeof word, 0);
		if (n <= 0)
			_exit(0);
		if (word[0] == '!')
			raise(SIGSEGV);
		_exit(word[0]);
	}
}

struct fake_order {
	char how[64];
	uint32_t text, uid, gid, netns;
};

static void fake_blank(const struct rocker_env *env, const struct blank_spec *spec)
{
	struct fake_order order;

	(void)env;
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	signal(SIGSEGV, SIG_DFL);
	for (int fd = 3; fd < 64; fd++)
		if (!fake_holds && fd != spec->control && fd != spec->report && fd != spec->netns)
			close(fd);
	if (fake_stillborn)
		fake_report(spec->report, -ENOSPC, 0, "root");
	if (recv(spec->control, &order, sizeof order, 0) != (ssize_t)sizeof order)
		_exit(0);
	prctl(PR_SET_NAME, "told");
	if (!strcmp(order.how, "report"))
		fake_report(spec->report, -ENOENT, order.text, "host name");
	if (!strcmp(order.how, "die"))
		_exit(9);
	if (!strcmp(order.how, "rubbish"))
		_exit(!write(spec->report, "x", 1));
	while (!strcmp(order.how, "hang"))
		pause();
	fake_guard(spec);
}

pid_t blank_spawn(const struct rocker_env *env, const struct blank_spec *spec, int *pidfd_out)
{
	pid_t pid = fake_clone(0, pidfd_out);

	if (!pid) {
		(void)rocker_group_enter(spec->groups, spec->group, false);
		fake_blank(env, spec);
	}
	return pid;
}

int blank_build(int control, const struct blank_order *order)
{
	struct fake_order fake = { .text = order->plan->hostname,
				   .uid = order->plan->uid,
				   .gid = order->plan->gid,
				   .netns = order->netns >= 0 };

	snprintf(fake.how, sizeof fake.how, "%s", plan_text(order->plan, order->plan->hostname));
	return send(control, &fake, sizeof fake, MSG_NOSIGNAL) == (ssize_t)sizeof fake ? 0 : -errno;
}

bool fitter_can(const struct rocker_plan *plan)
{
	return fake_fits && !plan->noverlays;
}

static _Noreturn void fake_fitter(int control)
{
	const struct rocker_report done = { 0 };
	struct fake_order order;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	while (recv(control, &order, sizeof order, 0) == (ssize_t)sizeof order) {
		if (!strcmp(order.how, "report"))
			fake_report(control, -ENOENT, order.text, "host name");
		if (!strcmp(order.how, "die"))
			_exit(9);
		while (!strcmp(order.how, "hang"))
			pause();
		(void)!write(control, &done, sizeof done);
	}
	_exit(0);
}

pid_t fitter_spawn(const struct rocker_env *env, int control, int *pidfd_out)
{
	pid_t pid = fake_clone(0, pidfd_out);

	(void)env;
	if (!pid) {
		for (int fd = 3; fd < 64; fd++)
			if (fd != control)
				close(fd);
		fake_fitter(control);
	}
	return pid;
}

int fitter_order(int control, const struct rocker_plan *plan, int guard)
{
	const struct blank_order order = { .plan = plan, .netns = -1 };

	(void)guard;
	return blank_build(control, &order);
}

int leaf_make(const struct jail_env *env, const uint32_t uids[2], const uint32_t gids[2])
{
	(void)env;
	(void)uids;
	(void)gids;
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Its image is the kernel's to read. */
pid_t server_spawn(const struct rocker_env *env, const struct server_spec *spec)
{
	pid_t pid = fake_clone(0, NULL);

	(void)env, (void)spec;
	if (!pid)
		_exit(0);
	return pid;
}

pid_t opener_spawn(const struct rocker_env *env, const struct opener_spec *spec, int *pidfd_out)
{
	const char *word = "ok";
	uint32_t text = 0;

	(void)env;
	for (uint32_t i = 0; i < spec->plan->nbinds; i++)
		if (spec->plan->binds[i].opener == spec->opener) {
			text = spec->plan->binds[i].host;
			word = plan_text(spec->plan, text);
			break;
		}
	pid_t pid = fake_clone(0, pidfd_out);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	while (!strncmp(word, "hang", 4))
		pause();
	if (!strncmp(word, "crash", 5))
		raise(SIGKILL);
	if (!strncmp(word, "deny", 4))
		fake_report(spec->report, -EACCES, text, "binds");
	_exit(0);
}

/* None of these rests. */
int opener_order(int report, const struct opener_spec *spec)
{
	(void)report;
	(void)spec;
	return -EPIPE;
}

#endif
