/* SPDX-License-Identifier: MIT */
/* The clock that a run reads by itself: how fast it ticks here and in which steps. */
#include <cpuid.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

#include "perf_clock.h"
#include "sandboxfs.h"

#define MEASURE_NS  20000000u
#define STEP_TRIES  2000
#define STEP_REPEAT 32

static pthread_once_t once = PTHREAD_ONCE_INIT;
static double hz;
static uint64_t step;
static const char *source;

static uint64_t ticks_now(void)
{
	unsigned cpu;
	uint64_t now = __rdtscp(&cpu);

	_mm_lfence();
	return now;
}

static uint64_t raw_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The two clocks read as near to each other as one undisturbed try of several allows. */
static void read_pair(uint64_t *ticks, uint64_t *ns)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < STEP_REPEAT; i++) {
		uint64_t before = ticks_now(), now = raw_ns(), after = ticks_now();

		if (after - before < best) {
			best = after - before;
			*ticks = before + (after - before) / 2;
			*ns = now;
		}
	}
}

static double measured_hz(void)
{
	struct timespec wait = { .tv_nsec = MEASURE_NS };
	uint64_t t0 = 0, n0 = 0, t1 = 0, n1 = 0;

	read_pair(&t0, &n0);
	nanosleep(&wait, NULL);
	read_pair(&t1, &n1);
	return n1 > n0 ? (double)(t1 - t0) * 1e9 / (double)(n1 - n0) : 0;
}

/* Leaf 0x15: the ratio to a crystal whose rate is given (Intel SDM, volume 2, CPUID). */
static double cpuid_hz(void)
{
	unsigned a, b, c, d;

	if (!__get_cpuid_count(0x15, 0, &a, &b, &c, &d) || !a || !b || !c)
		return 0;
	return (double)c * b / a;
}

static int compare_ticks(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/*
 * Readings lie on a grid when the clock advances in steps: the least distance between durations
 * that are seen often. Rare ones, and those that differ by 1 where two readings fall into one step,
 * say nothing.
 */
static uint64_t measured_step(void)
{
	uint64_t seen[STEP_TRIES], smallest = UINT64_MAX, last = UINT64_MAX;

	for (int i = 0; i < STEP_TRIES; i++) {
		uint64_t before = ticks_now();

		seen[i] = ticks_now() - before;
	}
	qsort(seen, STEP_TRIES, sizeof(*seen), compare_ticks);
	for (int i = 0, run = 1; i < STEP_TRIES; i += run, run = 1) {
		while (i + run < STEP_TRIES && seen[i + run] == seen[i])
			run++;
		if (run < STEP_TRIES / 100 || (last != UINT64_MAX && seen[i] - last < 2))
			continue;
		if (last != UINT64_MAX && seen[i] - last < smallest)
			smallest = seen[i] - last;
		last = seen[i];
	}
	return smallest == UINT64_MAX ? 1 : smallest;
}

/*
 * A rate that the processor gives is taken when it agrees with what is measured; a hypervisor may
 * have scaled the clock.
 */
static void find_out(void)
{
	double told = cpuid_hz(), found = measured_hz();

	hz = found;
	source = "measured";
	if (told > 0 && found > 0 && told / found > 0.999 && told / found < 1.001) {
		hz = told;
		source = "cpuid";
	}
	step = measured_step();
}

double perf_tsc_hz(void)
{
	pthread_once(&once, find_out);
	return hz;
}

uint64_t perf_tsc_step(void)
{
	pthread_once(&once, find_out);
	return step;
}

const char *perf_tsc_source(void)
{
	pthread_once(&once, find_out);
	return source;
}
