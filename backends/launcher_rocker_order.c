/* SPDX-License-Identifier: MIT */
/* What the daemon asks of a rocker that there is, and host paths that it wants to have tried. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launcher_left.h"

#define PIDFD_PID_NAMESPACE _IO(0xff, 5) /* of linux/pidfd.h */

struct check {
	bool used; /* until its last opener is reaped */
	bool answered;
	uint32_t id;  /* the daemon's */
	uint32_t uid; /* of its first opener */
	struct opening opening;
};

/* One whose file system does not answer keeps its place until that does: nobody can take all of them. */
#define CHECKS_OF_ONE (CHECKS_MAX / 4)

static struct check checks[CHECKS_MAX];

/* ---- rockers ----------------------------------------------------------------------------------- */

/* One that there is not is as one that could not be made: it is still to be dropped. */
int ward_adopt(const struct lm_rocker_adopt *order)
{
	struct ward *ward = &wards[order->head.jail];

	if (ward->state != WARD_FREE || !order->persist)
		return -EPROTO;
	*ward = (struct ward){ .state = WARD_DEAD,
			       .index = order->head.jail,
			       .owner = order->owner,
			       .persist = order->persist,
			       .guard_slot = -1,
			       .job_slot = -1,
			       .fitter = -1,
			       .blank = { .pidfd = -1, .control = -1, .report = -1 } };
	int err = ward_take_over(ward);
	if (err && ward->state == WARD_READY)
		ward_refuse(ward, err, "its guard cannot be watched: %s", strerror(-err));
	else
		ward_answer(ward, err, err ? "nothing is left of it" : "");
	if (!err)
		spare_close(&ward->blank);
	return 0;
}

void ward_adopted_ended(uint32_t index)
{
	struct ward *ward = &wards[index];
	const siginfo_t unknown = { 0 };

	if (!ward->blank.is_adopted || ward->blank.watched < 0)
		return;
	ward_unwatch(ward);
	ward_ended(ward, &unknown);
}

int ward_drop(uint32_t index)
{
	struct ward *ward = &wards[index];

	if (ward->state == WARD_FREE || ward->dropped)
		return -EPROTO;
	ward->dropped = true;
	if (ward->state == WARD_DEAD) {
		ward_settle(ward);
		return 0;
	}
	ward_refuse(ward, -ECANCELED, "the rocker was dropped");
	return 0;
}

static struct ward *ordered(uint32_t index)
{
	struct ward *ward = &wards[index];

	return ward->state == WARD_FREE || ward->dropped ? NULL : ward;
}

static void done(const struct ward *ward, enum lm_order_type order, int rc, const char *what)
{
	struct lm_rocker_done reply = { .head = { LM_ROCKER_DONE, ward->index },
					.order = order,
					.rc = rc };

	if (rc == -EOPNOTSUPP)
		(void)snprintf(reply.sentence, sizeof reply.sentence,
			       "%s is not possible on this machine", what);
	else if (rc == -ESRCH)
		(void)snprintf(reply.sentence, sizeof reply.sentence, "the rocker does not run");
	else if (rc)
		(void)snprintf(reply.sentence, sizeof reply.sentence, "%s: %s", what,
			       strerror(-rc));
	launcher_say(&reply, sizeof reply);
}

int ward_limit(uint32_t index, const struct plan_limits *limits)
{
	struct ward *ward = ordered(index);
	const char *what = "limits";
	int rc = -ESRCH;

	if (!ward)
		return -EPROTO;
	struct plan_limits sum = ward_limits(ward, limits);
	if (ward->state != WARD_DEAD && ward->blank.has_group)
		rc = rocker_group_limit(&launcher.groups, &ward->blank.group, &sum, &what);
	done(ward, LM_ROCKER_LIMIT, rc, what);
	return 0;
}

int ward_freeze(uint32_t index, bool freeze)
{
	struct ward *ward = ordered(index);
	int rc = -ESRCH;

	if (!ward)
		return -EPROTO;
	if (ward->state == WARD_READY)
		rc = rocker_group_freeze(&launcher.groups, &ward->blank.group, freeze);
	done(ward, LM_ROCKER_FREEZE, rc, "freezing");
	return 0;
}

/* The pid namespace of a process that has not ended; 0: not known, as by every kernel before Linux 6.11. */
static ino_t pid_space(int pidfd)
{
	struct stat st;
	int space = ioctl(pidfd, PIDFD_PID_NAMESPACE, 0);
	bool known = space >= 0 && !fstat(space, &st);

	if (space >= 0)
		(void)close(space);
	return known ? st.st_ino : 0;
}

static ino_t guard_space(const struct ward *ward)
{
	if (ward->state != WARD_READY)
		return 0;
	if (ward->blank.is_adopted)
		return pid_space(ward->blank.watched);
	/* It is ours to reap, so its number stays its own. */
	int guard = (int)syscall(SYS_pidfd_open, ward->blank.pid, 0);
	ino_t space = pid_space(guard);
	if (guard >= 0)
		(void)close(guard);
	return space;
}

/* The descriptor is a guard's word: nobody outside of its rocker is signalled by that. */
int ward_signal(uint32_t index, int signal, int pidfd)
{
	struct ward *ward = ordered(index);

	if (!ward)
		return -EPROTO;
	ino_t space = guard_space(ward);
	if (space && pid_space(pidfd) == space)
		(void)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
	return 0;
}

/* Its guard's end is told as any other end is; before it was ready, by the answer to its making. */
int ward_kill(uint32_t index)
{
	struct ward *ward = ordered(index);

	if (!ward)
		return -EPROTO;
	bool runs = ward->state != WARD_DEAD;
	if (ward->state == WARD_READY)
		spare_end(&ward->blank);
	else if (runs)
		ward_refuse(ward, -ECANCELED, "the rocker was killed");
	done(ward, LM_ROCKER_KILL, runs ? 0 : -ESRCH, "");
	return 0;
}

/* ---- checks ------------------------------------------------------------------------------------ */

static void check_answer(uint32_t id, int rc, const char *sentence)
{
	struct lm_rocker_checked reply = { .head = { LM_ROCKER_CHECKED, id }, .rc = rc };

	(void)snprintf(reply.sentence, sizeof reply.sentence, "%s", sentence);
	launcher_say(&reply, sizeof reply);
}

static void check_end(struct check *check, int rc, const char *sentence)
{
	opening_end(&check->opening);
	check->used = check->opening.pid != 0;
	check->answered = true;
	check_answer(check->id, rc, sentence);
}

static void check_next(struct check *check)
{
	struct verdict why = { 0 };
	int more = opening_next(&check->opening, &why);

	if (more <= 0)
		check_end(check, more, why.sentence);
}

/* CHECKS_MAX: there is none for this user. */
static uint32_t free_check(uint32_t uid)
{
	uint32_t found = CHECKS_MAX, his = 0;

	for (uint32_t i = CHECKS_MAX; i-- > 0;) {
		his += checks[i].used && checks[i].uid == uid;
		if (!checks[i].used)
			found = i;
	}
	return his < CHECKS_OF_ONE ? found : CHECKS_MAX;
}

int ward_check(const struct lm_rocker_check *order)
{
	uint32_t uid = order->plan.nopeners ? order->plan.openers[0].uid : 0;
	uint32_t at = free_check(uid);

	if (at == CHECKS_MAX || launcher.rockers_error) {
		check_answer(order->head.jail, at == CHECKS_MAX ? -EAGAIN : -EOPNOTSUPP,
			     at == CHECKS_MAX ? "too many host paths are being tried at once"
					      : "rockers cannot be made here");
		return 0;
	}
	struct check *check = &checks[at];
	check->id = order->head.jail;
	int err = opening_start(&check->opening, &order->plan, LM_ROCKERS_MAX + at);
	if (err) {
		check_answer(check->id, err, "out of memory");
		return 0;
	}
	check->used = true;
	check->uid = uid;
	check->answered = false;
	check->opening.check_only = true;
	check->opening.job_uid = order->plan.uid;
	check->opening.job_gid = order->plan.gid;
	check_next(check);
	return 0;
}

void check_reaped(uint32_t number, const siginfo_t *how)
{
	struct check *check = &checks[number];
	struct verdict why = { 0 };

	int err = opening_reaped(&check->opening, how, &why);
	if (check->answered)
		check->used = false;
	else if (err)
		check_end(check, err, why.sentence);
	else
		check_next(check);
}

void check_opened(uint32_t number)
{
	if (opening_heard(&checks[number].opening))
		check_next(&checks[number]);
}

void check_late(uint32_t number)
{
	struct check *check = &checks[number];
	struct verdict why;

	if (!check->used || check->answered)
		return;
	opening_late(&check->opening, &why);
	check_end(check, why.err, why.sentence);
}
