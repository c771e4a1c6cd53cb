/* SPDX-License-Identifier: MIT */
/*
 * Blanks, and the pool of those made ahead.
 *
 * The pool is filled when the launcher has nothing else to do, and not before the first rocker is
 * wanted: who makes none has no process that waits for it. Where a network namespace can be shared,
 * most of the pool are blanks without one of their own, since that is the dearest part.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launcher_rocker.h"
#include "sandboxfs.h"

#define POOL_MAX  64 /* of [rockers] pool */
#define TRASH_MAX 128
#define OWNS_PART 4 /* of the pool, where namespaces can be shared: one of so many has its own */

static struct blank spares[BLANK_KINDS][POOL_MAX];
static unsigned spares_used[BLANK_KINDS];
static bool spares_wanted; /* a rocker has been asked for */
static unsigned
	spares_failed; /* blanks that died there: one that cannot live is not made for ever */
static struct rocker_group trash[TRASH_MAX];
static unsigned trash_used;
static uint32_t next_group;

#define FAILED_MAX 8
#define PATIENCE   10 /* nice value */

/* ---- one --------------------------------------------------------------------------------------- */

static int make_channels(struct blank *blank, int *far_out, int *write_out)
{
	int pair[2], pipes[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	if (pipe2(pipes, O_CLOEXEC)) {
		int err = -errno;
		(void)close(pair[0]);
		(void)close(pair[1]);
		return err;
	}
	(void)fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	blank->control = pair[0];
	blank->report = pipes[0];
	*far_out = pair[1];
	*write_out = pipes[1];
	return 0;
}

static int spawn(struct blank *blank, enum blank_kind kind, int far, int write_end)
{
	struct blank_spec spec = { .netns = -1,
				   .groups = &launcher.groups,
				   .group = &blank->group,
				   .control = far,
				   .report = write_end };

	if (kind == BLANK_SHARES)
		spec.netns = ns_network(NS_NOBODY);
	if (spec.netns < -1)
		return spec.netns;
	pid_t pid = blank_spawn(&launcher.rockers, &spec, &blank->pidfd);
	if (pid < 0) {
		blank->pidfd = -1;
		return (int)pid;
	}
	blank->pid = pid;
	return 0;
}

static int make(enum blank_kind kind, struct blank *out)
{
	struct blank blank = { .pidfd = -1, .control = -1, .report = -1 };
	int far = -1, write_end = -1;

	int err = rocker_group_make(&launcher.groups, next_group++, &blank.group);
	blank.has_group = !err;
	err = err ?: make_channels(&blank, &far, &write_end);
	err = err ?: spawn(&blank, kind, far, write_end);
	launcher_close(&far);
	launcher_close(&write_end);
	rocker_group_entered(&blank.group);
	if (err) {
		spare_close(&blank);
		(void)spare_remove_group(&blank);
		return err;
	}
	*out = blank;
	return 0;
}

void spare_close(struct blank *blank)
{
	launcher_close(&blank->pidfd);
	launcher_close(&blank->control);
	launcher_unwatch(&blank->report);
}

/*
 * All that runs in the group is in the pid namespace, and dies with its first process. Only what a group of
 * version 1 holds frozen does not: that is thawed. (Killing by group takes a lock of the whole machine,
 * which a process that moves between groups elsewhere may hold for milliseconds.)
 */
void spare_end(struct blank *blank)
{
	if (blank->is_adopted && blank->watched >= 0)
		(void)syscall(SYS_pidfd_send_signal, blank->watched, SIGKILL, NULL, 0);
	else if (blank->pid && !blank->is_adopted) /* not reaped, so the number is still its own */
		(void)kill(blank->pid, SIGKILL);
	if (blank->has_group && blank->pid && launcher.groups.places.version[GROUP_FREEZER])
		(void)rocker_group_freeze(&launcher.groups, &blank->group, false);
	spare_close(blank);
}

int spare_remove_group(struct blank *blank)
{
	if (blank->has_group && rocker_group_remove(&launcher.groups, &blank->group) == -EBUSY)
		return -EBUSY;
	blank->has_group = false;
	return 0;
}

/*
 * What is made ahead is made when nobody else wants the processor; once somebody waits for it, it is as he. (An
 * ordinary user's launcher could not take that back.)
 */
void spare_patient(const struct blank *blank, bool patient)
{
	if (launcher.env.root && blank->pid)
		(void)setpriority(PRIO_PROCESS, (id_t)blank->pid, patient ? PATIENCE : 0);
}

/* ---- the pool ---------------------------------------------------------------------------------- */

static unsigned wanted(enum blank_kind kind)
{
	unsigned whole = launcher.config->rockers_pool;

	if (!spares_wanted || spares_failed > FAILED_MAX)
		return 0;
	if (whole > POOL_MAX)
		whole = POOL_MAX;
	if (kind == BLANK_SHARES)
		return launcher.rockers.scopes ? whole : 0;
	return launcher.rockers.scopes ? (whole + OWNS_PART - 1) / OWNS_PART : whole;
}

bool spares_lack(enum blank_kind kind)
{
	return spares_used[kind] < wanted(kind);
}

bool spares_none(enum blank_kind kind)
{
	return !spares_used[kind];
}

void spares_fill(enum blank_kind kind)
{
	unsigned place = spares_used[kind];

	if (make(kind, &spares[kind][place])) {
		spares_failed++;
		return;
	}
	spares_used[kind]++;
	spare_patient(&spares[kind][place], true);
	kin_add(spares[kind][place].pid, KIN_POOLED, (uint32_t)kind);
}

/* The oldest, which has had the most time to become ready. */
static bool from_pool(enum blank_kind kind, struct blank *out)
{
	uint32_t number;

	if (!spares_used[kind])
		return false;
	*out = spares[kind][0];
	for (unsigned i = 1; i < spares_used[kind]; i++)
		spares[kind][i - 1] = spares[kind][i];
	spares_used[kind]--;
	(void)kin_remove(out->pid, &number);
	return true;
}

int spare_take(enum blank_kind kind, struct blank *out)
{
	spares_wanted = true;
	if (!from_pool(kind, out))
		return make(kind, out);
	spare_patient(out, false);
	return 0;
}

void spares_trust(void)
{
	spares_failed = 0;
}

void spares_bury(struct rocker_group *group)
{
	if (rocker_group_remove(&launcher.groups, group) == -EBUSY && trash_used < TRASH_MAX)
		trash[trash_used++] = *group;
}

void spares_number_after(uint32_t number)
{
	if (next_group <= number)
		next_group = number + 1;
}

static void discard_group(struct blank *blank)
{
	if (blank->has_group)
		spares_bury(&blank->group);
	blank->has_group = false;
}

void spares_retry(void)
{
	for (unsigned i = trash_used; i-- > 0;)
		if (rocker_group_remove(&launcher.groups, &trash[i]) != -EBUSY)
			trash[i] = trash[--trash_used];
}

void spares_reaped(pid_t pid)
{
	spares_failed++;
	for (int kind = 0; kind < BLANK_KINDS; kind++)
		for (unsigned i = 0; i < spares_used[kind]; i++) {
			struct blank *blank = &spares[kind][i];
			if (blank->pid != pid)
				continue;
			blank->pid = 0;
			spare_close(blank);
			discard_group(blank);
			spares[kind][i] = spares[kind][--spares_used[kind]];
			return;
		}
}

void spares_stop(void)
{
	spares_wanted = false;
	for (int kind = 0; kind < BLANK_KINDS; kind++)
		for (unsigned i = 0; i < spares_used[kind]; i++)
			spare_end(&spares[kind][i]);
}

bool spares_left(void)
{
	return spares_used[BLANK_SHARES] || spares_used[BLANK_OWNS];
}
