/* SPDX-License-Identifier: MIT */
/*
 * Guards made ahead for owners that have made rockers lately.
 *
 * Each is a rocker of an empty plan, with the ids, limits, network and filter of one that its owner had before, in
 * which nothing has run yet. A rocker that asks for the same takes it over whole: its processes, group and name.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "launcher_rocker.h"
#include "sandboxfs.h"

#define NS_PER_MS UINT64_C(1000000)
#define KINDS_MAX 4    /* remembered */
#define EACH_MAX  4    /* of one kind; or as many as [rockers] pool has */
#define REST_MS   5000 /* after the last rocker of its kind was made */
#define BUSY_MS   1000
#define BUILD_MS  5000

/* What cannot be changed any more once the guard runs. Compared as bytes. */
struct likeness {
	uint32_t owner, guard_uid, guard_gid;
	uint32_t uid, gid, inside_uid, inside_gid;
	uint32_t network, profile, leave_empty;
	struct plan_limits limits;
};

static struct kind {
	bool used;
	struct likeness like;
	uint64_t until_ns;
} kinds[KINDS_MAX];

enum made_state { MADE_FREE, MADE_BECOMES, MADE_RESTS, MADE_ENDS };

static struct made {
	enum made_state state;
	struct likeness like;
	int guard_slot, job_slot;
	uint64_t until_ns; /* to become one */
	struct blank blank;
	const char *warning;
	char name[ROCKER_NAME_SIZE];
} all[KINDS_MAX * EACH_MAX];

#define ALL_MAX (sizeof all / sizeof *all)

static bool stopped;

static bool is_like(const struct likeness *a, const struct likeness *b)
{
	return !memcmp(a, b, sizeof *a);
}

static bool describe(const struct ward *ward, struct likeness *like)
{
	const struct rocker_plan *plan = ward->opening.plan;

	if (!launcher.env.root || !plan || !fitter_can(plan))
		return false;
	memset(like, 0, sizeof *like);
	like->owner = ward->owner;
	like->guard_uid = ward->guard_uid;
	like->guard_gid = ward->guard_gid;
	like->uid = plan->uid;
	like->gid = plan->gid;
	like->inside_uid = plan->inside_uid;
	like->inside_gid = plan->inside_gid;
	like->network = plan->network;
	like->profile = plan->profile;
	like->leave_empty = plan->leave_empty;
	like->limits = ward_limits(ward, &plan->limits);
	return true;
}

/* ---- what is wanted ---------------------------------------------------------------------------- */

static void set_timer(void)
{
	uint64_t next = 0;

	for (unsigned i = 0; i < KINDS_MAX; i++)
		if (kinds[i].used && (!next || kinds[i].until_ns < next))
			next = kinds[i].until_ns;
	for (unsigned i = 0; i < ALL_MAX; i++)
		if (all[i].state == MADE_BECOMES && (!next || all[i].until_ns < next))
			next = all[i].until_ns;
	timer_set(TIMER_MADE, next);
}

static unsigned wanted_each(void)
{
	return launcher.config->rockers_pool < EACH_MAX ? launcher.config->rockers_pool : EACH_MAX;
}

static unsigned count_like(const struct likeness *like)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ALL_MAX; i++)
		n += (all[i].state == MADE_BECOMES || all[i].state == MADE_RESTS) &&
		     is_like(&all[i].like, like);
	return n;
}

static struct made *free_place(void)
{
	for (unsigned i = 0; i < ALL_MAX; i++)
		if (all[i].state == MADE_FREE)
			return &all[i];
	return NULL;
}

/* The kind that lacks most of all. */
static struct kind *lacking(void)
{
	struct kind *found = NULL;
	unsigned least = wanted_each();

	for (unsigned i = 0; i < KINDS_MAX; i++) {
		struct kind *k = &kinds[i];
		if (!k->used || spares_none(ns_blank(k->like.network)))
			continue;
		unsigned n = count_like(&k->like);
		if (n < least) {
			least = n;
			found = k;
		}
	}
	return found;
}

bool made_lacks(void)
{
	return !stopped && free_place() && lacking();
}

/* ---- the end of one ---------------------------------------------------------------------------- */

static void let_go(struct made *m)
{
	if (m->blank.has_group)
		spares_bury(&m->blank.group);
	m->blank.has_group = false;
	id_release(m->guard_slot);
	id_release(m->job_slot);
	m->guard_slot = m->job_slot = -1;
	m->state = MADE_FREE;
}

static void end(struct made *m)
{
	if (m->state != MADE_BECOMES && m->state != MADE_RESTS)
		return;
	m->state = MADE_ENDS;
	if (m->blank.report >= 0)
		launcher_unwatch(&m->blank.report);
	spare_end(&m->blank);
}

/* What cannot be made is not tried again, until its owner makes another. */
static void forget(struct kind *k)
{
	if (!k->used)
		return;
	k->used = false;
	for (unsigned i = 0; i < ALL_MAX; i++)
		if (is_like(&all[i].like, &k->like))
			end(&all[i]);
}

static void forget_like(const struct likeness *like)
{
	for (unsigned i = 0; i < KINDS_MAX; i++)
		if (kinds[i].used && is_like(&kinds[i].like, like))
			forget(&kinds[i]);
	set_timer();
}

void made_reaped(uint32_t number)
{
	struct made *m = &all[number];
	bool failed = m->state == MADE_BECOMES || m->state == MADE_RESTS;

	m->blank.pid = 0;
	if (failed)
		end(m);
	let_go(m);
	if (failed)
		forget_like(&m->like);
}

void made_late(void)
{
	uint64_t now = launcher_now();

	for (unsigned i = 0; i < KINDS_MAX; i++)
		if (kinds[i].until_ns <= now)
			forget(&kinds[i]);
	for (unsigned i = 0; i < ALL_MAX; i++)
		if (all[i].state == MADE_BECOMES && all[i].until_ns <= now)
			end(&all[i]);
	set_timer();
}

void made_stop(void)
{
	stopped = true;
	for (unsigned i = 0; i < KINDS_MAX; i++)
		forget(&kinds[i]);
	for (unsigned i = 0; i < ALL_MAX; i++)
		end(&all[i]);
	set_timer();
}

bool made_left(void)
{
	for (unsigned i = 0; i < ALL_MAX; i++)
		if (all[i].state != MADE_FREE)
			return true;
	return false;
}

/* ---- making ------------------------------------------------------------------------------------ */

void made_remember(const struct ward *ward)
{
	struct kind *place = &kinds[0];
	struct likeness like;

	if (stopped || !wanted_each() || !describe(ward, &like))
		return;
	for (unsigned i = 0; i < KINDS_MAX; i++) {
		struct kind *k = &kinds[i];
		if (k->used && is_like(&k->like, &like)) {
			place = k;
			break;
		}
		if (place->used && (!k->used || k->until_ns < place->until_ns))
			place = k;
	}
	if (place->used && !is_like(&place->like, &like)) {
		if (place->until_ns > launcher_now() + (REST_MS - BUSY_MS) * NS_PER_MS)
			return; /* all of them are in use: none would live to be taken */
		forget(place);
	}
	*place = (struct kind){ true, like, launcher_now() + REST_MS * NS_PER_MS };
	set_timer();
}

static int take_ids(struct made *m)
{
	m->job_slot = -1;
	m->guard_slot = id_take(m->like.owner, LAUNCH_ROCKER);
	if (m->guard_slot < 0)
		return m->guard_slot;
	if (!m->like.owner)
		m->job_slot = id_take(m->like.owner, LAUNCH_ROCKER_JOB);
	/* of an owner that has none left, the next one may be another */
	return id_uid(m->guard_slot) == m->like.guard_uid ? 0 : -ESTALE;
}

static void plan_like(const struct likeness *like, struct rocker_plan *plan)
{
	plan_init(plan);
	plan->uid = like->uid;
	plan->gid = like->gid;
	plan->inside_uid = like->inside_uid;
	plan->inside_gid = like->inside_gid;
	plan->network = like->network;
	plan->profile = like->profile;
	plan->leave_empty = like->leave_empty;
	plan->limits = like->limits;
}

static int order_guard(struct made *m)
{
	static struct rocker_plan plan;
	const struct likeness *like = &m->like;
	struct blank_order order = { .plan = &plan,
				     .guard_uid = like->guard_uid,
				     .guard_gid = like->guard_gid,
				     .netns = ns_join(like->owner, like->network),
				     .name = m->name };

	plan_like(like, &plan);
	const struct leaf_ids ids = { .guard_uid = like->guard_uid,
				      .guard_gid = like->guard_gid,
				      .uid = like->uid,
				      .gid = like->gid,
				      .inside_uid = plan_inside_uid(&plan),
				      .inside_gid = plan_inside_gid(&plan) };
	if (order.netns < -1)
		return order.netns;
	order.user_ns = ns_leaf(&ids);
	if (order.user_ns < 0)
		return order.user_ns;
	ward_new_name(m->name);
	return blank_build(m->blank.control, &order);
}

static int set_limits(struct made *m)
{
	int err = rocker_group_limit_new(&launcher.groups, &m->blank.group, &m->like.limits,
					 &m->warning);

	return err == -EOPNOTSUPP ? 0 : err;
}

void made_fill(void)
{
	struct kind *k = lacking();
	struct made *m = free_place();

	if (!k || !m)
		return;
	*m = (struct made){ .like = k->like,
			    .blank = { .pidfd = -1, .control = -1, .report = -1 } };
	int err = take_ids(m);
	err = err ?: spare_take(ns_blank(k->like.network), &m->blank);
	if (err) {
		let_go(m);
		forget_like(&k->like);
		return;
	}
	m->state = MADE_BECOMES;
	m->until_ns = launcher_now() + BUILD_MS * NS_PER_MS;
	uint32_t number = (uint32_t)(m - all);
	kin_add(m->blank.pid, KIN_MADE, number);
	spare_patient(&m->blank, true);
	err = set_limits(m);
	err = err ?: order_guard(m);
	err = err ?: launcher_watch(m->blank.report, WATCH_READY_MADE, number, EPOLLIN);
	if (err)
		forget_like(&k->like);
	set_timer();
}

/* The end of the pipe without a word: the guard is there, or its end is being told. */
void made_reported(uint32_t number)
{
	struct made *m = &all[number];
	struct rocker_report report;

	if (m->state != MADE_BECOMES || m->blank.report < 0)
		return;
	ssize_t n = read(m->blank.report, &report, sizeof report);
	if (n < 0)
		return;
	launcher_unwatch(&m->blank.report);
	if (n)
		forget_like(&m->like);
	else
		m->state = MADE_RESTS;
	set_timer();
}

/* ---- taking ------------------------------------------------------------------------------------ */

bool made_take(struct ward *ward)
{
	struct likeness like;
	struct made *m = NULL;
	uint32_t number;

	if (!describe(ward, &like))
		return false;
	for (unsigned i = 0; i < ALL_MAX && !m; i++)
		if (all[i].state == MADE_RESTS && is_like(&all[i].like, &like))
			m = &all[i];
	ward->fitter = m ? fitter_take() : -1;
	if (ward->fitter < 0)
		return false;
	ward->blank = m->blank;
	ward->warning = m->warning;
	memcpy(ward->name, m->name, sizeof ward->name);
	spare_patient(&ward->blank, false);
	(void)kin_remove(ward->blank.pid, &number);
	kin_add(ward->blank.pid, KIN_GUARD, ward->index);
	m->blank = (struct blank){ .pidfd = -1, .control = -1, .report = -1 };
	let_go(m); /* the ward has slots of its own, with the same ids */
	return true;
}
