/* SPDX-License-Identifier: MIT */
/*
 * Which id of the host a jail runs under: one for each owner and kind of helper, for as long as any
 * jail uses it.
 */
#include "launcher_state.h"

#include "sandboxfs.h"

#include <errno.h>
#include <unistd.h>

static uint32_t slots_usable(void)
{
	uint32_t configured = launcher.config->jail_uid_count;

	return configured < LM_JAILS_MAX ? configured : LM_JAILS_MAX;
}

int id_take(uint32_t owner, enum launch_kind kind)
{
	int vacant = -EDQUOT;

	if (!launcher.env.root)
		return 0; /* an ordinary user has one id, his own */
	for (uint32_t i = 0; i < slots_usable(); i++) {
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
