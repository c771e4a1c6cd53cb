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

static bool no_spare(void)
{
	return spares_none(BLANK_SHARES) && spares_lack(BLANK_SHARES);
}

static bool lacks_sharing(void)
{
	return spares_lack(BLANK_SHARES);
}

static bool lacks_owning(void)
{
	return spares_lack(BLANK_OWNS);
}

static void fill_sharing(void)
{
	spares_fill(BLANK_SHARES);
}

static void fill_owning(void)
{
	spares_fill(BLANK_OWNS);
}

/*
 * How long nothing was asked for before something is made ahead: what has just become ready is used in the
 * next moment, on processors that the making would take from it, and an order that comes waits for it. The
 * kernel takes some milliseconds for a network namespace when others are being taken down. Where none is
 * left the next rocker needs one more than the last one needs peace. What needs less quiet goes first.
 */
static const struct pool {
	uint64_t quiet_ns;
	bool (*lacks)(void);
	void (*fill)(void); /* by one */
} pools[] = {
	{ 100000, no_spare, fill_sharing },     { 1000000, fitters_lack, fitters_fill },
	{ 1100000, made_lacks, made_fill },     { 1200000, lacks_sharing, fill_sharing },
	{ 2000000, lacks_owning, fill_owning }, { 0 },
};

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

/* The least quiet that something which lacks needs, which is then *fill_out; UINT64_MAX: nothing does. */
static uint64_t fill_at(const struct pool **fill_out)
{
	uint64_t quiet = UINT64_MAX;

	for (const struct pool *p = pools; p->lacks && !wards_building; p++)
		if (p->quiet_ns < quiet && p->lacks()) {
			quiet = p->quiet_ns;
			*fill_out = p;
		}
	return quiet == UINT64_MAX ? quiet : asked_ns + quiet;
}

uint64_t wards_next(void)
{
	const struct pool *pool;
	uint64_t next = timer_next() ?: UINT64_MAX, at = fill_at(&pool);

	return at < next ? at : next;
}

/* One at a time, so that an order that has come meanwhile waits for no more than that. */
void wards_late(uint64_t now_ns)
{
	const struct pool *pool;

	for (int timer; (timer = timer_passed(now_ns)) >= 0;)
		if (timer < LM_ROCKERS_MAX)
			ward_late(&wards[timer]);
		else if (timer == TIMER_RESIDENT)
			residents_late();
		else if (timer == TIMER_MADE)
			made_late();
		else
			check_late((uint32_t)timer - LM_ROCKERS_MAX);
	if (fill_at(&pool) > now_ns)
		return;
	spares_retry();
	pool->fill();
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

	made_stop();
	fitters_stop();
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
	return spares_left() || residents_left() || made_left() || fitters_left();
}

void wards_stop(void)
{
	spares_retry();
	ns_stop();
	if (!geteuid())
		rocker_groups_stop(&launcher.groups);
}
