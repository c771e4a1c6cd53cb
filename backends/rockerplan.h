/* SPDX-License-Identifier: MIT */
/*
 * What one rocker is made of: the message that says so, from the daemon through the launcher to the
 * process that becomes the rocker's guard.
 *
 * One struct without pointers, followed by its texts. The daemon fills it in from a specification
 * that it has parsed; nobody behind it parses text again. A text is named by its offset in text[],
 * ends in NUL, and offset 0 is the empty one. A message holds text_used bytes of text[] and no more:
 * plan_size(). plan_ok() is asked by whoever receives one. Native byte order: all sides are of one
 * build.
 */
#ifndef ROCKERPLAN_H
#define ROCKERPLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAN_OVERLAYS_MAX 16
#define PLAN_BINDS_MAX    64
#define PLAN_OPENERS_MAX  8
#define PLAN_GROUPS_MAX   64
#define PLAN_DEVICES_MAX  8
#define PLAN_TEXT_MAX     32768 /* with the NULs; path names are below 4096 bytes each */
#define PLAN_NO_LIMIT     UINT64_MAX
#define PLAN_AS_HOST      UINT32_MAX

/*
 * With whose rights host paths are opened: those of who wrote them (of a template: of its file's
 * owner). Groups beyond PLAN_GROUPS_MAX are left out.
 */
struct plan_opener {
	uint32_t uid, gid, ngroups;
	uint32_t groups[PLAN_GROUPS_MAX];
};

enum plan_network {
	PLAN_NET_NONE,     /* a network namespace without any interface up */
	PLAN_NET_LOOPBACK, /* one of its own, lo is up */
	PLAN_NET_HOST,
};

struct plan_device {
	uint32_t major, minor;
	uint64_t rbps, wbps, riops, wiops; /* PLAN_NO_LIMIT: none */
};

/* PLAN_NO_LIMIT: none. What the rocker's own guard takes is added by whoever sets them. */
struct plan_limits {
	uint64_t memory_bytes;
	uint64_t pids;
	uint64_t cpu_quota_us; /* of each cpu_period_us, all processors together */
	uint64_t cpu_period_us;
	uint64_t disk_bytes; /* of the writable layers together */
	uint32_t ndevices;
	uint32_t reserved;
	struct plan_device devices[PLAN_DEVICES_MAX];
};

struct plan_bind {
	uint32_t host, inside; /* texts: absolute paths */
	uint32_t opener;
	uint32_t writable;
};

struct rocker_plan {
	uint32_t uid, gid; /* of its jobs, on the host: never 0 */
	/*
	 * What they are called inside: 0, which is no more than a name there, or PLAN_AS_HOST. All four together are
	 * the jobs' identity.
	 */
	uint32_t inside_uid, inside_gid;
	uint32_t network;     /* enum plan_network */
	uint32_t profile;     /* number of the seccomp profile */
	/*
	 * 0: ends with its daemon. Else what the next daemon finds it by: see plan_number().
	 */
	uint64_t persist;
	uint32_t leave_empty; /* 1: the guard ends when the last process but itself has ended */
	uint32_t reserved;
	struct plan_limits limits;
	/*
	 * Of a check: the thread that names host paths, which has to see the same root directory; 0: one that cannot be
	 * seen, -1: nobody is asked about.
	 */
	int32_t asker;
	/* texts; 0: none */
	uint32_t hostname, domainname;
	uint32_t package, package_opener, exec_dir; /* both or neither */
	uint32_t data_dir, data_opener; /* without it overlays are written to memory and vanish */
	uint32_t overlays_opener;
	uint32_t noverlays, nbinds, nopeners;
	uint32_t overlays[PLAN_OVERLAYS_MAX]; /* texts: "/usr"; directories of the host */
	struct plan_bind binds[PLAN_BINDS_MAX];
	struct plan_opener openers[PLAN_OPENERS_MAX];
	uint32_t text_used; /* at least 1: text[0] is NUL */
	char text[PLAN_TEXT_MAX];
};

static inline size_t plan_size(const struct rocker_plan *plan)
{
	return offsetof(struct rocker_plan, text) + plan->text_used;
}

static inline const char *plan_text(const struct rocker_plan *plan, uint32_t offset)
{
	return plan->text + offset;
}

static inline uint32_t plan_inside_uid(const struct rocker_plan *plan)
{
	return plan->inside_uid == PLAN_AS_HOST ? plan->uid : plan->inside_uid;
}

static inline uint32_t plan_inside_gid(const struct rocker_plan *plan)
{
	return plan->inside_gid == PLAN_AS_HOST ? plan->gid : plan->inside_gid;
}

/* Empty, with no limits, and ids inside as they are on the host. */
void plan_init(struct rocker_plan *plan);
/* Appends len bytes and a NUL; the offset, or 0: there is no room (an empty text is 0 too). */
uint32_t plan_add(struct rocker_plan *plan, const char *text, size_t len);
/* The same user in the same groups; and the number of an opener like that, added if need be; -EDQUOT: PLAN_OPENERS_MAX of them. */
bool plan_same_opener(const struct plan_opener *a, const struct plan_opener *b);
int plan_add_opener(struct rocker_plan *plan, const struct plan_opener *opener);
/*
 * Tells plans apart, and whose they are; the same from one daemon to the next, and whatever the limits are, which
 * can be set at any time. Never 0.
 */
uint64_t plan_number(const struct rocker_plan *plan, const char *name, uint32_t uid, uint32_t gid);
/* Is it a message of size bytes of which every count, offset and enumeration is in range? */
bool plan_ok(const struct rocker_plan *plan, size_t size);

#endif
