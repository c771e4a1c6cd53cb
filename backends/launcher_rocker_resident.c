/* SPDX-License-Identifier: MIT */
/*
 * Openers at rest: each has the rights of one user, holds nothing open, and waits for that user's next plan.
 *
 * A few, and for a short time: who makes one rocker makes another soon or not for long. One that does not
 * answer is killed with its plan, as any other opener, and never comes back here.
 */
#include <signal.h>
#include <unistd.h>

#include "launcher_rocker.h"

#define NS_PER_MS UINT64_C(1000000)
#define REST_MS   5000

static struct resident {
	pid_t pid; /* 0: free */
	int report;
	uint64_t until_ns;
	struct plan_opener user;
} residents[RESIDENTS_MAX];

static unsigned alive; /* at rest or ending, and not reaped */

pid_t resident_take(const struct plan_opener *user, int *report_out)
{
	for (struct resident *r = residents; r < residents + RESIDENTS_MAX; r++) {
		if (!r->pid || !plan_same_opener(&r->user, user))
			continue;
		pid_t pid = r->pid;
		*report_out = r->report;
		r->pid = 0;
		alive--;
		return pid;
	}
	return 0;
}

static void set_timer(void)
{
	uint64_t next = 0;

	for (struct resident *r = residents; r < residents + RESIDENTS_MAX; r++)
		if (r->pid && (!next || r->until_ns < next))
			next = r->until_ns;
	timer_set(TIMER_RESIDENT, next);
}

/* It ends by itself when its socket does. */
static void dismiss(struct resident *r)
{
	if (r->pid)
		launcher_close(&r->report);
	r->pid = 0;
}

void resident_rest(pid_t pid, int report, const struct plan_opener *user)
{
	struct resident *place = residents;

	for (struct resident *r = residents; r < residents + RESIDENTS_MAX; r++)
		if (place->pid && (!r->pid || r->until_ns < place->until_ns))
			place = r;
	dismiss(place);
	*place = (struct resident){ pid, report, launcher_now() + REST_MS * NS_PER_MS, *user };
	kin_add(pid, KIN_RESIDENT, 0);
	alive++;
	set_timer();
}

void resident_end(pid_t pid, int report)
{
	(void)close(report);
	(void)kill(pid, SIGKILL); /* not reaped, so the number is still its own */
	alive++;
}

void resident_reaped(pid_t pid)
{
	alive--;
	for (struct resident *r = residents; r < residents + RESIDENTS_MAX; r++)
		if (r->pid == pid)
			dismiss(r);
}

void residents_late(void)
{
	uint64_t now = launcher_now();

	for (struct resident *r = residents; r < residents + RESIDENTS_MAX; r++)
		if (r->until_ns <= now)
			dismiss(r);
	set_timer();
}

void residents_stop(void)
{
	for (struct resident *r = residents; r < residents + RESIDENTS_MAX; r++)
		dismiss(r);
}

bool residents_left(void)
{
	return alive != 0;
}
