/* SPDX-License-Identifier: MIT */
/*
 * Which id of the host a jail runs under: one for each owner and kind of helper, for as long as any
 * jail uses it.
 */
#include "launcher_state.h"

#include "sandboxfs.h"

#include <errno.h>
#include <unistd.h>

#define FIXED_FROM 16

static uint32_t slots_usable(void)
{
	uint32_t configured = launcher.config->jail_uid_count;

	return configured < LM_JAILS_MAX ? configured : LM_JAILS_MAX;
}

/*
 * What jobs of root's rockers write to a data directory is to be their own in another life of ours, too: so their id
 * is always the last one, and nobody else's. Where there are few it is any.
 */
static bool has_fixed(void)
{
	return slots_usable() >= FIXED_FROM;
}

static int take_fixed(uint32_t owner, enum launch_kind kind)
{
	uint32_t last = slots_usable() - 1;

	launcher.slots[last] = (struct slot){ launcher.slots[last].users + 1, owner, kind };
	return (int)last;
}

int id_take(uint32_t owner, enum launch_kind kind)
{
	int vacant = -EDQUOT;

	if (!launcher.env.root)
		return 0; /* an ordinary user has one id, his own */
	if (kind == LAUNCH_ROCKER_JOB && has_fixed())
		return take_fixed(owner, kind);
	for (uint32_t i = 0; i < slots_usable() - has_fixed(); i++) {
		struct slot *s = &launcher.slots[i];
		if (s->users && s->owner == owner && s->kind == kind) {
			s->users++;
			return (int)i;
		}
		if (!s->users && vacant < 0)
			vacant = (int)i;
	}
	if (vacant >= 0)
		launcher.slots[vacant] = (struct slot){ 1, owner, kind };
	return vacant;
}

void id_hold(int slot, uint32_t owner, enum launch_kind kind)
{
	if (!launcher.env.root || slot < 0 || (uint32_t)slot >= LM_JAILS_MAX)
		return;
	launcher.slots[slot].users++;
	launcher.slots[slot].owner = owner;
	launcher.slots[slot].kind = kind;
}

void id_release(int slot)
{
	if (launcher.env.root && slot >= 0)
		launcher.slots[slot].users--;
}

uid_t id_uid(int slot)
{
	return launcher.env.root ? launcher.config->jail_uid_base + (uid_t)slot : geteuid();
}
