/* SPDX-License-Identifier: MIT */
/*
 * How the launcher finds children and deadlines among thousands: against tables that are searched from one end to the other.
 * single-threaded
 */
#include <stdlib.h>

#include "check.h"
#include "launcher_rocker.h"

#define PIDS  3000
#define TURNS 200000

static uint32_t state = 1;

static uint32_t any(uint32_t below)
{
	state = state * 1664525 + 1013904223;
	return (state >> 8) % below;
}

/* Pids that collide are among them: they lie close together, and far apart in steps of a power of two. */
static pid_t pid_of(uint32_t i)
{
	return (pid_t)(i % 2 ? 1 + i : 1 + i * 32768);
}

static void children(void)
{
	static bool there[PIDS];
	uint32_t number;

	for (int turn = 0; turn < TURNS; turn++) {
		uint32_t i = any(PIDS);
		REQUIRE(kin_known(pid_of(i)) == there[i]);
		if (there[i]) {
			number = 0;
			REQUIRE(kin_remove(pid_of(i), &number) == (i % 3 ? KIN_GUARD : KIN_OPENER));
			REQUIRE(number == i);
		} else {
			kin_add(pid_of(i), i % 3 ? KIN_GUARD : KIN_OPENER, i);
		}
		there[i] = !there[i];
	}
	for (uint32_t i = 0; i < PIDS; i++) {
		REQUIRE(kin_known(pid_of(i)) == there[i]);
		REQUIRE((kin_remove(pid_of(i), &number) != KIN_NONE) == there[i]);
	}
}

static void deadlines(void)
{
	static uint64_t due[TIMERS_MAX];
	uint64_t now = 1;

	for (int turn = 0; turn < 20000; turn++) {
		uint32_t i = any(any(2) ? 50 : TIMERS_MAX);
		due[i] = any(3) ? now + any(1000) + 1 : 0;
		timer_set(i, due[i]);
		now += any(5);
		for (int passed; (passed = timer_passed(now)) >= 0;) {
			REQUIRE(due[passed] && due[passed] <= now);
			due[passed] = 0;
		}
		uint64_t first = 0;
		for (uint32_t k = 0; k < TIMERS_MAX; k++)
			if (due[k] && (!first || due[k] < first))
				first = due[k];
		REQUIRE(timer_next() == first);
		REQUIRE(!first || first > now);
	}
	for (uint32_t k = 0; k < TIMERS_MAX; k++)
		timer_set(k, 0);
	CHECK(timer_next() == 0 && timer_passed(UINT64_MAX) == -1);
}

int main(void)
{
	RUN(children);
	RUN(deadlines);
	return check_done();
}
