/* SPDX-License-Identifier: MIT */
/* The message that says what a rocker is made of: filling it in, and judging one that came. */
#include "rockerplan.h"

#include <errno.h>
#include <string.h>

void plan_init(struct rocker_plan *plan)
{
	memset(plan, 0, offsetof(struct rocker_plan, text) + 1);
	plan->text_used = 1;
	plan->asker = -1;
	plan->inside_uid = plan->inside_gid = PLAN_AS_HOST;
	plan->limits.memory_bytes = plan->limits.pids = plan->limits.disk_bytes = PLAN_NO_LIMIT;
	plan->limits.cpu_quota_us = PLAN_NO_LIMIT;
	plan->limits.cpu_period_us = 100000;
}

uint32_t plan_add(struct rocker_plan *plan, const char *text, size_t len)
{
	uint32_t offset = plan->text_used;

	if (!len || len >= PLAN_TEXT_MAX - offset)
		return 0;
	memcpy(plan->text + offset, text, len);
	plan->text[offset + len] = '\0';
	plan->text_used += (uint32_t)len + 1;
	return offset;
}

/* FNV-1a: nobody gains by two of his own plans that have the same. */
static void mix(uint64_t *number, const void *data, size_t size)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size; i++)
		*number = (*number ^ bytes[i]) * UINT64_C(0x100000001b3);
}

uint64_t plan_number(const struct rocker_plan *plan, const char *name, uint32_t uid, uint32_t gid)
{
	const uint32_t head[] = { uid,
				  gid,
				  plan->uid,
				  plan->gid,
				  plan->inside_uid,
				  plan->inside_gid,
				  plan->network,
				  plan->profile,
				  plan->leave_empty,
				  plan->text_used };
	size_t hosts = offsetof(struct rocker_plan, hostname);
	uint64_t number = UINT64_C(0xcbf29ce484222325);

	mix(&number, name, strlen(name) + 1);
	mix(&number, head, sizeof head);
	mix(&number, &plan->hostname, offsetof(struct rocker_plan, openers) - hosts);
	/* Of groups only those that count: the rest may be anything. */
	for (uint32_t i = 0; i < plan->nopeners; i++)
		mix(&number, &plan->openers[i],
		    offsetof(struct plan_opener, groups) +
			    plan->openers[i].ngroups * sizeof *plan->openers[i].groups);
	mix(&number, plan->text, plan->text_used);
	return number ? number : 1;
}

bool plan_same_opener(const struct plan_opener *a, const struct plan_opener *b)
{
	return a->uid == b->uid && a->gid == b->gid && a->ngroups == b->ngroups &&
	       !memcmp(a->groups, b->groups, a->ngroups * sizeof *a->groups);
}

int plan_add_opener(struct rocker_plan *plan, const struct plan_opener *opener)
{
	for (uint32_t i = 0; i < plan->nopeners; i++)
		if (plan_same_opener(&plan->openers[i], opener))
			return (int)i;
	if (plan->nopeners == PLAN_OPENERS_MAX)
		return -EDQUOT;
	plan->openers[plan->nopeners] = *opener;
	return (int)plan->nopeners++;
}

/* Offsets point behind the NUL that a text ends in, so that each names a text within the message. */
static bool text_ok(const struct rocker_plan *plan, uint32_t offset)
{
	return !offset || (offset < plan->text_used && !plan->text[offset - 1]);
}

/* A host path, or none of it where it may be missing. */
static bool path_ok(const struct rocker_plan *plan, uint32_t offset, uint32_t opener)
{
	return text_ok(plan, offset) && (!offset || opener < plan->nopeners);
}

/* Of ids inside there is root's, and no other that is not the host's. */
static bool inside_ok(uint32_t id)
{
	return !id || id == PLAN_AS_HOST;
}

static bool counts_ok(const struct rocker_plan *plan)
{
	if (plan->noverlays > PLAN_OVERLAYS_MAX || plan->nbinds > PLAN_BINDS_MAX ||
	    plan->nopeners > PLAN_OPENERS_MAX || plan->limits.ndevices > PLAN_DEVICES_MAX ||
	    plan->network > PLAN_NET_HOST || plan->leave_empty > 1 ||
	    !inside_ok(plan->inside_uid) || !inside_ok(plan->inside_gid))
		return false;
	for (uint32_t i = 0; i < plan->nopeners; i++)
		if (plan->openers[i].ngroups > PLAN_GROUPS_MAX)
			return false;
	return true;
}

bool plan_ok(const struct rocker_plan *plan, size_t size)
{
	if (size <= offsetof(struct rocker_plan, text) || size > sizeof *plan ||
	    plan->text_used > PLAN_TEXT_MAX || size != plan_size(plan) || !counts_ok(plan))
		return false;
	if (plan->text[0] || plan->text[plan->text_used - 1] || !text_ok(plan, plan->hostname) ||
	    !text_ok(plan, plan->domainname) || !text_ok(plan, plan->exec_dir) ||
	    !path_ok(plan, plan->package, plan->package_opener) ||
	    !plan->package != !plan->exec_dir || !path_ok(plan, plan->data_dir, plan->data_opener))
		return false;
	for (uint32_t i = 0; i < plan->noverlays; i++)
		if (!plan->overlays[i] || !path_ok(plan, plan->overlays[i], plan->overlays_opener))
			return false;
	for (uint32_t i = 0; i < plan->nbinds; i++)
		if (!plan->binds[i].host || !plan->binds[i].inside || plan->binds[i].writable > 1 ||
		    !path_ok(plan, plan->binds[i].host, plan->binds[i].opener) ||
		    !text_ok(plan, plan->binds[i].inside))
			return false;
	return true;
}
