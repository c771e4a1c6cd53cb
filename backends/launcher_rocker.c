/* SPDX-License-Identifier: MIT */
/*
 * One rocker from the order to make it until its guard runs, and what is left of it until nothing is.
 */
#include "launcher_left.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sandboxfs.h"

#define NS_PER_MS UINT64_C(1000000)
#define BUILD_MS  5000
#define RETRY_MS  5 /* until a control group is empty */
#define SETTLE_MS 1 /* before the groups of one that has ended are removed */

struct ward wards[LM_ROCKERS_MAX];
unsigned wards_building;

static bool is_building(const struct ward *ward)
{
	return ward->state == WARD_OPENING || ward->state == WARD_BUILDING;
}

/* ---- the end ----------------------------------------------------------------------------------- */

/* Gives back what is left as soon as its processes are gone, and its number once it was dropped. */
void ward_settle(struct ward *ward)
{
	struct lm_rocker_gone gone = { .head = { LM_ROCKER_GONE, ward->index } };

	if (ward->state != WARD_DEAD || ward->blank.pid || ward->opening.pid || ward->measure.pid ||
	    ward->server)
		return;
	if (spare_remove_group(&ward->blank)) {
		(void)rocker_group_kill(&launcher.groups, &ward->blank.group);
		timer_set(ward->index, launcher_now() + RETRY_MS * NS_PER_MS);
		return;
	}
	id_release(ward->guard_slot);
	id_release(ward->job_slot);
	id_release(ward->server_slot);
	ward->guard_slot = ward->job_slot = ward->server_slot = -1;
	if (!ward->dropped)
		return;
	ward->state = WARD_FREE;
	launcher_say(&gone, sizeof gone);
}

void ward_answer(struct ward *ward, int rc, const char *sentence)
{
	struct lm_rocker_ready ready = { .head = { LM_ROCKER_READY, ward->index },
					 .rc = rc,
					 .uid = ward->uid,
					 .gid = ward->gid,
					 .group = ward->blank.group.number };
	const int fds[2] = { ward->blank.pidfd, ward->blank.control };

	if (ward->answered)
		return;
	ward->answered = true;
	(void)snprintf(ready.sentence, sizeof ready.sentence, "%s", sentence);
	if (!rc) {
		ready.guard = (int32_t)ward->blank.pid;
		memcpy(ready.name, ward->name, sizeof ready.name);
	}
	launcher_say_with(&ready, sizeof ready, fds, rc ? 0 : 2);
}

void ward_end(struct ward *ward)
{
	if (ward->state == WARD_DEAD)
		return;
	wards_building -= is_building(ward);
	ward->state = WARD_DEAD;
	timer_set(ward->index, 0);
	opening_end(&ward->opening);
	measure_end(ward);
	if (ward->fitter >= 0)
		fitter_end(ward->fitter);
	ward->fitter = -1;
	ward_server_end(ward);
	ward_forget(ward);
	spare_end(&ward->blank);
	ward_settle(ward);
}

void ward_refuse(struct ward *ward, int err, const char *format, ...)
{
	char sentence[SFS_SENTENCE_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(sentence, sizeof sentence, format, args);
	va_end(args);
	ward_answer(ward, err, sentence);
	ward_end(ward);
}

/* ---- building ---------------------------------------------------------------------------------- */

/* Why its blank gave up, which is a better reason than that nobody takes what is sent to it. */
static bool blank_said(struct ward *ward)
{
	struct rocker_report report;
	struct verdict why;

	if (read(ward->blank.report, &report, sizeof report) != (ssize_t)sizeof report)
		return false;
	report_judge(ward->opening.plan, &report, &why);
	ward_refuse(ward, why.err, "%s", why.sentence);
	return true;
}

static void wait_for_it(struct ward *ward)
{
	ward->state = WARD_BUILDING;
	timer_set(ward->index, launcher_now() + BUILD_MS * NS_PER_MS);
}

/* Its guard runs. */
static void furnish(struct ward *ward)
{
	int socket = fitter_socket(ward->fitter);
	int err = fitter_order(socket, ward->opening.plan, ward->blank.pidfd);

	err = err ?: launcher_watch(socket, WATCH_WARD, ward->index, EPOLLIN);
	if (err)
		ward_refuse(ward, err, "the rocker cannot be furnished: %s", strerror(-err));
	else
		wait_for_it(ward);
}

static void build(struct ward *ward)
{
	struct blank_order order = { .plan = ward->opening.plan,
				     .guard_uid = ward->guard_uid,
				     .guard_gid = ward->guard_gid,
				     .netns = ns_join(ward->owner, ward->opening.plan->network),
				     .name = ward->name };

	if (order.netns < -1) {
		ward_refuse(ward, order.netns, "network: %s", strerror(-order.netns));
		return;
	}
	order.user_ns = ward_leaf(ward);
	if (order.user_ns < 0) {
		ward_refuse(ward, order.user_ns, "user namespace: %s", strerror(-order.user_ns));
		return;
	}
	ward_new_name(ward->name);
	int err = blank_build(ward->blank.control, &order);
	err = err ?: launcher_watch(ward->blank.report, WATCH_WARD, ward->index, EPOLLIN);
	if (err) {
		if (!blank_said(ward))
			ward_refuse(ward, err, "the rocker cannot be told what to become: %s",
				    strerror(-err));
		return;
	}
	wait_for_it(ward);
}

static void go_on(struct ward *ward)
{
	struct verdict why = { 0 };
	int more = opening_next(&ward->opening, &why);

	if (more < 0)
		ward_refuse(ward, more, "%s", why.sentence);
	else if (!more && ward->fitter >= 0)
		furnish(ward);
	else if (!more)
		build(ward);
}

/* What this machine cannot limit is told, and is no reason to build nothing. */
static int set_limits(struct ward *ward)
{
	struct plan_limits limits = ward_limits(ward, &ward->opening.plan->limits);
	int err = rocker_group_limit_new(&launcher.groups, &ward->blank.group, &limits,
					 &ward->warning);

	return err == -EOPNOTSUPP ? 0 : err;
}

static bool take_blank(struct ward *ward)
{
	int err = spare_take(ns_blank(ward->opening.plan->network), &ward->blank);

	if (err) {
		ward_refuse(ward, err, "namespaces: %s", strerror(-err));
		return false;
	}
	kin_add(ward->blank.pid, KIN_GUARD, ward->index);
	err = set_limits(ward);
	if (err)
		ward_refuse(ward, err, "%s: %s", ward->warning ?: "limits", strerror(-err));
	return !err;
}

static void begin(struct ward *ward)
{
	bool is_made = made_take(ward);

	if (!is_made && !take_blank(ward))
		return;
	ward->opening.control = is_made ? fitter_socket(ward->fitter) : ward->blank.control;
	ward->opening.ward = ward;
	ward->opening.job_uid = ward->uid;
	ward->opening.job_gid = ward->gid;
	go_on(ward);
}

int ward_new(const struct lm_rocker_new *order)
{
	struct ward *ward = &wards[order->head.jail];

	if (ward->state != WARD_FREE)
		return -EPROTO;
	*ward = (struct ward){ .state = WARD_OPENING,
			       .index = order->head.jail,
			       .owner = order->owner,
			       .persist = order->plan.persist,
			       .guard_slot = -1,
			       .job_slot = -1,
			       .measure = { .report = -1 },
			       .fitter = -1,
			       .server_slot = -1,
			       .packaged = order->plan.package != 0,
			       .blank = { .pidfd = -1, .control = -1, .report = -1 } };
	wards_building++;
	int err = opening_start(&ward->opening, &order->plan, ward->index);
	if (err)
		ward_refuse(ward, err, "out of memory");
	else if (launcher.rockers_error)
		ward_refuse(ward, -EOPNOTSUPP, "rockers cannot be made here: %s",
			    strerror(-launcher.rockers_error));
	else if (ward_identify(ward))
		begin(ward);
	return 0;
}

/* ---- what is heard of it ----------------------------------------------------------------------- */

static void ready(struct ward *ward)
{
	char sentence[64] = "";

	if (ward->warning)
		(void)snprintf(sentence, sizeof sentence, "%s cannot be limited on this machine",
			       ward->warning);
	int err = ward->persist ? ward_keep(ward) : 0;
	if (err) {
		ward_refuse(ward, err, "persist: %s", strerror(-err));
		return;
	}
	timer_set(ward->index, 0);
	made_remember(ward);
	opening_end(&ward->opening);
	ward->state = WARD_READY;
	wards_building--;
	ward_answer(ward, 0, sentence);
	spare_close(&ward->blank);
	spares_trust();
	fitters_trust();
	wards_busy();
}

/*
 * A process that ends has lost its memory before its descriptors are closed, and its program with that:
 * what closed the pipe was no exec then.
 */
static bool is_ending(pid_t pid)
{
	char path[32], program[8];

	(void)snprintf(path, sizeof path, "%ld/exe", (long)pid);
	return readlinkat(launcher.env.proc, path, program, sizeof program) < 0 && errno == ENOENT;
}

static void fitter_said(struct ward *ward)
{
	int socket = fitter_socket(ward->fitter);
	struct rocker_report report;
	struct verdict why;

	ssize_t n = recv(socket, &report, sizeof report, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	(void)epoll_ctl(launcher.epoll, EPOLL_CTL_DEL, socket, NULL);
	if (n == (ssize_t)sizeof report && !report.err) {
		fitter_rest(ward->fitter);
		ward->fitter = -1;
		ready(ward);
	} else if (n == (ssize_t)sizeof report) {
		report_judge(ward->opening.plan, &report, &why);
		ward_refuse(ward, why.err, "%s", why.sentence);
	} else {
		ward_refuse(ward, -EIO, "who furnishes the rocker ended before it was done");
	}
}

void ward_reported(uint32_t index)
{
	struct ward *ward = &wards[index];
	struct rocker_report report;
	struct verdict why;

	if (ward->state == WARD_BUILDING && ward->fitter >= 0)
		fitter_said(ward);
	if (ward->state != WARD_BUILDING || ward->blank.report < 0)
		return;
	ssize_t n = read(ward->blank.report, &report, sizeof report);
	if (n < 0)
		return;
	launcher_unwatch(&ward->blank.report);
	if (n == (ssize_t)sizeof report) {
		report_judge(ward->opening.plan, &report, &why);
		ward_refuse(ward, why.err, "%s", why.sentence);
	} else if (n) {
		ward_refuse(ward, -EIO, "the rocker said what cannot be understood");
	} else if (!is_ending(ward->blank.pid)) { /* else the wait tells more */
		ready(ward);
	}
}

static bool by_memory(const struct ward *ward, const siginfo_t *how)
{
	struct rocker_usage usage = { 0 };

	return how->si_code != CLD_EXITED && how->si_status == SIGKILL && ward->blank.has_group &&
	       !rocker_watch_usage(&launcher.groups.places, ward->blank.group.number, &usage) &&
	       usage.oom_kills;
}

void ward_ended(struct ward *ward, const siginfo_t *how)
{
	struct lm_rocker_ended ended = { .head = { LM_ROCKER_ENDED, ward->index },
					 .code = how->si_code,
					 .status = how->si_status };

	ward->blank.pid = 0;        /* first: nobody is killed by that number any more */
	ward_reported(ward->index); /* it may have said why */
	if (ward->state == WARD_OPENING)
		(void)blank_said(ward);
	if (ward->state != WARD_DEAD) {
		bool oom = by_memory(ward, how);
		ended.oom = oom;
		if (ward->state == WARD_READY)
			launcher_say(&ended, sizeof ended);
		else if (oom)
			ward_refuse(ward, -ENOMEM,
				    "memory.max is too small for the rocker's own guard");
		else
			ward_refuse(ward, -EIO, "the rocker ended before its guard began: %s %d",
				    how->si_code == CLD_EXITED ? "exit status" : "signal",
				    how->si_status);
		ward_end(ward);
	}
	/* not now: who has removed it waits for nothing but the processor that we have */
	timer_set(ward->index, launcher_now() + SETTLE_MS * NS_PER_MS);
}

static void opener_ended(struct ward *ward, const siginfo_t *how)
{
	struct verdict why = { 0 };
	int err = opening_reaped(&ward->opening, how, &why);

	if (ward->state == WARD_DEAD)
		ward_settle(ward);
	else if (!err)
		go_on(ward);
	else if (!blank_said(ward))
		ward_refuse(ward, err, "%s", why.sentence);
}

void ward_opened(uint32_t index)
{
	struct ward *ward = &wards[index];

	if (opening_heard(&ward->opening))
		go_on(ward);
}

void wards_reaped(pid_t pid, const siginfo_t *how)
{
	uint32_t number = 0;

	switch (kin_remove(pid, &number)) {
	case KIN_GUARD:
		ward_ended(&wards[number], how);
		break;
	case KIN_OPENER:
		if (number < LM_ROCKERS_MAX)
			opener_ended(&wards[number], how);
		else
			check_reaped(number - LM_ROCKERS_MAX, how);
		break;
	case KIN_MEASURE:
		measure_reaped(&wards[number]);
		break;
	case KIN_SERVER:
		wards[number].server = 0; /* nobody is killed by that number any more */
		ward_settle(&wards[number]);
		break;
	case KIN_POOLED:
		spares_reaped(pid);
		break;
	case KIN_RESIDENT:
		resident_reaped(pid);
		break;
	case KIN_MADE:
		made_reaped(number);
		break;
	case KIN_FITTER:
		fitter_reaped(number);
		break;
	case KIN_NONE:
		break;
	}
}

void ward_late(struct ward *ward)
{
	struct verdict why;

	if (ward->state == WARD_DEAD) {
		ward_settle(ward);
	} else if (ward->state == WARD_OPENING) {
		opening_late(&ward->opening, &why);
		ward_refuse(ward, why.err, "%s", why.sentence);
	} else if (ward->state == WARD_BUILDING) {
		ward_refuse(ward, -ETIMEDOUT, "building the rocker took longer than %d ms",
			    BUILD_MS);
	} else if (ward->state == WARD_READY) {
		measure_late(ward);
	}
}
