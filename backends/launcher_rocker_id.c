/* SPDX-License-Identifier: MIT */
/* Under which ids a rocker's guard and its jobs run, and what its guard is called. */
#include "launcher_rocker.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sandboxfs.h"

#define NS_PER_MS UINT64_C(1000000)
#define DEFAULT   UINT32_MAX /* of a plan's ids */

static bool in_jail_range(uint32_t id)
{
	const struct sfs_config *c = launcher.config;

	return id >= c->jail_uid_base && id - c->jail_uid_base < c->jail_uid_count;
}

/* The group in which who makes the rocker opens files: of his that one is known. */
static uint32_t group_of_owner(const struct ward *ward)
{
	const struct rocker_plan *plan = ward->opening.plan;

	for (uint32_t i = 0; i < plan->nopeners; i++)
		if (plan->openers[i].uid == ward->owner && plan->openers[i].gid &&
		    !in_jail_range(plan->openers[i].gid))
			return plan->openers[i].gid;
	return ward->guard_gid; /* nothing on the host belongs to it */
}

static int take_guard_id(struct ward *ward)
{
	ward->guard_slot = id_take(ward->owner, LAUNCH_ROCKER);
	if (ward->guard_slot < 0)
		return ward->guard_slot;
	ward->guard_uid = id_uid(ward->guard_slot);
	ward->guard_gid = launcher.env.root ? ward->guard_uid : getegid();
	return 0;
}

/* Root's own jobs get an id that owns nothing, too, unless another one was asked for. */
static int take_job_id(struct ward *ward)
{
	const struct rocker_plan *plan = ward->opening.plan;

	ward->uid = plan->uid;
	ward->gid = plan->gid;
	if (ward->owner == 0 && launcher.env.root &&
	    (plan->uid == DEFAULT || plan->gid == DEFAULT)) {
		ward->job_slot = id_take(ward->owner, LAUNCH_ROCKER_JOB);
		if (ward->job_slot < 0)
			return ward->job_slot;
	}
	uint32_t own = ward->job_slot < 0 ? ward->owner : id_uid(ward->job_slot);
	if (plan->uid == DEFAULT)
		ward->uid = launcher.env.root ? own : geteuid();
	if (plan->gid == DEFAULT)
		ward->gid = !launcher.env.root   ? getegid()
			    : ward->job_slot < 0 ? group_of_owner(ward)
						 : own;
	return 0;
}

/*
 * Asked here again, whatever the daemon has judged: nobody gets root's ids, nobody those of
 * guards and jails, and an ordinary user's launcher has no other than his own.
 */
static bool may_have(const struct ward *ward)
{
	const struct rocker_plan *plan = ward->opening.plan;

	bool assigned = ward->job_slot >= 0 && plan->uid == DEFAULT;

	if (!launcher.env.root)
		return ward->uid == geteuid() && ward->gid == getegid();
	if (!ward->uid || !ward->gid)
		return false;
	if (ward->uid == DEFAULT || ward->gid == DEFAULT)
		return false;
	return (assigned || !in_jail_range(ward->uid)) &&
	       (plan->gid == DEFAULT || !in_jail_range(ward->gid));
}

bool ward_identify(struct ward *ward)
{
	int err = take_guard_id(ward);

	err = err ?: take_job_id(ward);
	if (err) {
		ward_refuse(ward, err, "all %u ids of [jail] uid_count are in use",
			    launcher.config->jail_uid_count);
		return false;
	}
	if (!may_have(ward)) {
		ward_refuse(ward, -EPERM, "jobs of uid %u must not run as %u:%u of the host",
			    (unsigned)ward->owner, (unsigned)ward->uid, (unsigned)ward->gid);
		return false;
	}
	ward->opening.plan->uid = ward->uid;
	ward->opening.plan->gid = ward->gid;
	return true;
}

int ward_leaf(const struct ward *ward)
{
	const struct rocker_plan *plan = ward->opening.plan;
	const struct leaf_ids ids = {
		.guard_uid = ward->guard_uid,
		.guard_gid = ward->guard_gid,
		.uid = ward->uid,
		.gid = ward->gid,
		.inside_uid = plan_inside_uid(plan),
		.inside_gid = plan_inside_gid(plan),
	};

	return ns_leaf(&ids);
}

/* "rk" and a number in base 36 that began with the time: no two guards have had the same. */
void ward_new_name(char out[ROCKER_NAME_SIZE])
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	static uint64_t counter;
	struct timespec t;

	if (!counter) {
		(void)clock_gettime(CLOCK_REALTIME, &t);
		counter = (uint64_t)t.tv_sec * 1000 * NS_PER_MS + (uint64_t)t.tv_nsec;
	}
	uint64_t n = ++counter;
	memcpy(out, "rk", 2);
	for (int i = ROCKER_NAME_SIZE - 2; i >= 2; i--, n /= 36)
		out[i] = digits[n % 36];
	out[ROCKER_NAME_SIZE - 1] = '\0';
}
