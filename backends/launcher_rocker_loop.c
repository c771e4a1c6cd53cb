/* SPDX-License-Identifier: MIT */
/* What the launcher's loop asks of all rockers together, and what it makes while nobody asks. */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "launcher_left.h"
#include "sandboxfs.h"

/*
 * How long nothing was asked for before a blank is made ahead: what has just become ready is used in the
 * next moment, on processors that the making would take from it, and an order that comes waits for it. The
 * kernel takes some milliseconds for a network namespace when others are being taken down. Where none is
 * left the next rocker needs one more than the last one needs peace.
 */
static const uint64_t quiet_ns[BLANK_KINDS] = { [BLANK_SHARES] = 1000000, [BLANK_OWNS] = 2000000 };
#define QUIET_NONE_LEFT_NS 100000

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

/*
 * Libraries of which no child calls anything: their pages would be copied by each fork, and let go of while
 * somebody waits for the guard's exec. (All of our symbols are bound at the start, so nobody searches them.)
 */
static const char *const ours_alone[] = { "/libpfm.", "/libfuse3.", "/libseccomp.", "/libinih.",
					  "/libm." };

static int keep_from_children(struct dl_phdr_info *info, size_t size, void *arg)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	bool is_ours = false;

	(void)size;
	(void)arg;
	for (size_t i = 0; i < sizeof ours_alone / sizeof *ours_alone; i++)
		is_ours = is_ours || strstr(info->dlpi_name, ours_alone[i]);
	for (int i = 0; is_ours && i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t begin = (info->dlpi_addr + p->p_vaddr) & ~(page - 1);
		uintptr_t end = info->dlpi_addr + p->p_vaddr + p->p_memsz;
		if (p->p_type == PT_LOAD)
			(void)madvise((void *)begin, end - begin, MADV_DONTFORK);
	}
	return 0;
}

void wards_start(void)
{
	(void)dl_iterate_phdr(keep_from_children, NULL);
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

/* A kernel may be built without it, or told at its start to do without. */
static bool has_pressure(void)
{
	const struct rocker_groups *groups = &launcher.groups;

	return groups->places.version[GROUP_CORE] &&
	       !faccessat(groups->dirs[GROUP_CORE], "cpu.pressure", F_OK, 0);
}

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
	(void)fprintf(out, "rocker_pressure %s\n", has_pressure() ? "yes" : "no");
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

	for (int i = 0; i < BLANK_KINDS && !wards_building; i++) {
		enum blank_kind kind = (enum blank_kind)i;
		bool none_left = kind == BLANK_SHARES && spares_none(kind);
		uint64_t when = asked_ns + (none_left ? QUIET_NONE_LEFT_NS : quiet_ns[i]);
		if (spares_lack(kind) && when < at) {
			at = when;
			*kind_out = kind;
		}
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
		else if (timer == TIMER_RESIDENT)
			residents_late();
		else
			check_late((uint32_t)timer - LM_ROCKERS_MAX);
	if (fill_at(&kind) > now_ns)
		return;
	spares_retry();
	spares_fill(kind);
}

void wards_opened(uint32_t timer)
{
	if (timer < LM_ROCKERS_MAX)
		ward_opened(timer);
	else
		check_opened(timer - LM_ROCKERS_MAX);
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
	residents_stop();
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
	return spares_left() || residents_left();
}

void wards_stop(void)
{
	spares_retry();
	ns_stop();
	if (!geteuid())
		rocker_groups_stop(&launcher.groups);
}
