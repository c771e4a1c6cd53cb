/* SPDX-License-Identifier: MIT */
/*
 * Finds things among thousands of rockers: whose child a process is, and what is due next.
 */
#include "launcher_rocker.h"

/* ---- children: a hash table with open addresses ------------------------------------------------ */

/* A guard, an opener and a server for each ward, an opener for each check, and the pool: never half full. */
#define KIN_BITS   15
#define KIN_PLACES (1u << KIN_BITS)
#define KIN_MASK   (KIN_PLACES - 1)

_Static_assert(2 * (3 * LM_ROCKERS_MAX + CHECKS_MAX) < KIN_PLACES, "probes stay short");

static struct kin_entry {
	pid_t pid; /* 0: free */
	enum kin what;
	uint32_t number;
} kin[KIN_PLACES];

static uint32_t home(pid_t pid)
{
	return ((uint32_t)pid * UINT32_C(2654435761)) >> (32 - KIN_BITS);
}

/* Where it is, or would be. */
static uint32_t find(pid_t pid)
{
	uint32_t at = home(pid);

	while (kin[at].pid && kin[at].pid != pid)
		at = (at + 1) & KIN_MASK;
	return at;
}

bool kin_known(pid_t pid)
{
	return kin[find(pid)].pid != 0;
}

void kin_add(pid_t pid, enum kin what, uint32_t number)
{
	kin[find(pid)] = (struct kin_entry){ pid, what, number };
}

/* Later entries of the same run move up, so that a search never stops early at the hole. */
static void close_gap(uint32_t hole)
{
	for (uint32_t at = (hole + 1) & KIN_MASK; kin[at].pid; at = (at + 1) & KIN_MASK) {
		uint32_t wanted = home(kin[at].pid);
		if (((at - wanted) & KIN_MASK) < ((at - hole) & KIN_MASK))
			continue;
		kin[hole] = kin[at];
		hole = at;
	}
	kin[hole].pid = 0;
}

enum kin kin_remove(pid_t pid, uint32_t *number_out)
{
	uint32_t at = find(pid);
	struct kin_entry entry = kin[at];

	if (!entry.pid)
		return KIN_NONE;
	close_gap(at);
	*number_out = entry.number;
	return entry.what;
}

/* ---- deadlines: a heap of timers, the earliest first --------------------------------------------- */

static uint32_t heap[TIMERS_MAX], heap_used;
static uint32_t place[TIMERS_MAX]; /* in the heap, plus 1; 0: not in it */
static uint64_t due[TIMERS_MAX];

static void put(uint32_t at, uint32_t timer)
{
	heap[at] = timer;
	place[timer] = at + 1;
}

static void rise(uint32_t at)
{
	uint32_t timer = heap[at];

	for (; at && due[heap[(at - 1) / 2]] > due[timer]; at = (at - 1) / 2)
		put(at, heap[(at - 1) / 2]);
	put(at, timer);
}

static void sink(uint32_t at)
{
	uint32_t timer = heap[at];

	for (uint32_t child; (child = 2 * at + 1) < heap_used; at = child) {
		if (child + 1 < heap_used && due[heap[child + 1]] < due[heap[child]])
			child++;
		if (due[heap[child]] >= due[timer])
			break;
		put(at, heap[child]);
	}
	put(at, timer);
}

static void remove_at(uint32_t at)
{
	uint32_t last = heap[--heap_used];

	place[heap[at]] = 0;
	if (at == heap_used)
		return;
	put(at, last);
	rise(at);
	sink(place[last] - 1);
}

void timer_set(uint32_t timer, uint64_t when_ns)
{
	if (place[timer])
		remove_at(place[timer] - 1);
	if (!when_ns)
		return;
	due[timer] = when_ns;
	put(heap_used, timer);
	rise(heap_used++);
}

uint64_t timer_next(void)
{
	return heap_used ? due[heap[0]] : 0;
}

int timer_passed(uint64_t now_ns)
{
	if (!heap_used || due[heap[0]] > now_ns)
		return -1;
	uint32_t timer = heap[0];
	remove_at(0);
	return (int)timer;
}
