/* SPDX-License-Identifier: MIT */
/* What the launcher's loop asks of all rockers together, and what it makes while nobody asks. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "launcher_left.h"
#include "sandboxfs.h"

/*
 * How long nothing was asked for before a blank is made ahead, since an order that comes then waits for
 * it: the kernel takes some milliseconds for a network namespace when others are being taken down.
 */
static const uint64_t quiet_ns[BLANK_KINDS] = { [BLANK_SHARES] = 100000, [BLANK_OWNS] = 2000000 };

extern const unsigned char jailed_guard[] __attribute__((weak));
extern const size_t jailed_guard_size __attribute__((weak));

static uint64_t asked_ns; /* when something last was */

void wards_groups(void)
{
	for (int i = 0; i < GROUP_PARTS; i++)
		launcher.groups.dirs[i] = -1;
	if (!geteuid()) {
		(void)rocker_groups_start_at(&launcher.groups, left_home());
		rocker_groups_clear(&launcher.groups, left_has_group);
	}
}

void wards_start(void)
{
	const struct jail_helper guard = { jailed_guard,
					   &jailed_guard_size ? jailed_guard_size : 0 };

	left_hold_ids();
	launcher.rockers_error =
		launcher.start_error
			?: rocker_env_start(&launcher.rockers, &launcher.env, &guard,
					    launcher.config->rocker_images);
}

static const struct {
	enum group_part part;
	const char *name;
} limits[] = { { GROUP_MEMORY, " memory.max" },
	       { GROUP_PIDS, " pids.max" },
	       { GROUP_CPU, " cpu.max" },
	       { GROUP_IO, " io.max" } };

void wards_facts(char *text, size_t size)
{
	const uint8_t *version = launcher.groups.places.version;
	size_t used = strlen(text);
	FILE *out = used < size ? fmemopen(text + used, size - used, "w") : NULL;
	bool any = false;

	if (!out)
		return;
	if (launcher.rockers_error)
		(void)fprintf(out, "rockers no (%s)\n",
			      strerrorname_np(-launcher.rockers_error) ?: "?");
	else
		(void)fprintf(out, "rockers yes\n");
	(void)fprintf(out, "rocker_limits");
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
		if (version[limits[i].part]) {
			(void)fprintf(out, "%s", limits[i].name);
			any = true;
		}
	(void)fprintf(out, "%s\n", any ? "" : " none");
	(void)fprintf(out, "rocker_freeze %s\n",
		      version[GROUP_CORE] || version[GROUP_FREEZER] ? "yes" : "no");
	(void)fprintf(out, "rocker_pressure %s\n", version[GROUP_CORE] ? "yes" : "no");
	(void)fclose(out);
	if (!launcher.rockers_error) {
		used = strlen(text);
		(void)rocker_facts(&launcher.rockers, text + used, size - used);
	}
}

void wards_busy(void)
{
	asked_ns = launcher_now();
}

/* When the next blank shall be made, and of which kind; UINT64_MAX: none. */
static uint64_t fill_at(enum blank_kind *kind_out)
{
	uint64_t at = UINT64_MAX;

	for (int i = 0; i < BLANK_KINDS && !wards_building; i++)
		if (spares_lack((enum blank_kind)i) && asked_ns + quiet_ns[i] < at) {
			at = asked_ns + quiet_ns[i];
			*kind_out = (enum blank_kind)i;
		}
	return at;
}

uint64_t wards_next(void)
{
	enum blank_kind kind;
	uint64_t next = timer_next() ?: UINT64_MAX, at = fill_at(&kind);

	return at < next ? at : next;
}

/* One at a time, so that an order that has come meanwhile waits for no more than that. */
void wards_late(uint64_t now_ns)
{
	enum blank_kind kind;

	for (int timer; (timer = timer_passed(now_ns)) >= 0;)
		if (timer < LM_ROCKERS_MAX)
			ward_late(&wards[timer]);
		else
			check_late((uint32_t)timer - LM_ROCKERS_MAX);
	if (fill_at(&kind) > now_ns)
		return;
	spares_retry();
	spares_fill(kind);
}

/* The next launcher finds it where ward_keep() has put it. */
static void leave(struct ward *ward)
{
	ward_unwatch(ward);
	ward->state = WARD_FREE;
}

void wards_drop_all(void)
{
	bool is_last = left_is_last();

	spares_stop();
	if (is_last)
		left_settle();
	for (uint32_t i = 0; i < LM_ROCKERS_MAX; i++)
		if (wards[i].state == WARD_READY && wards[i].is_kept && !is_last)
			leave(&wards[i]);
		else if (wards[i].state != WARD_FREE && !wards[i].dropped)
			(void)ward_drop(i);
}

bool wards_left(void)
{
	for (uint32_t i = 0; i < LM_ROCKERS_MAX; i++)
		if (wards[i].state != WARD_FREE)
			return true;
	return spares_left();
}

void wards_stop(void)
{
	spares_retry();
	ns_stop();
	if (!geteuid())
		rocker_groups_stop(&launcher.groups);
}
