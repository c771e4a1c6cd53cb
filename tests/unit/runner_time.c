/* SPDX-License-Identifier: MIT */
/*
 * What a run measures, and how long it takes to begin.
 */
#include "runner_codelet.h"

/* ---- time -------------------------------------------------------------------------- */

static double median_ticks(uint64_t n, uint32_t batch)
{
	struct ending e;
	uint64_t best = UINT64_MAX;

	plan_for(codelet, "work");
	plan_arg(codelet, WIRE_INT, 0, n);
	codelet->plan->samples = 200;
	codelet->plan->warmup = 2;
	codelet->plan->batch = batch;
	codelet->plan->batch_max = 1024;
	codelet->plan->batch_ticks = 20000;
	codelet->plan->overhead_samples = 21;
	e = play(codelet, -1, 5000);
	CHECK_ENDED_WELL(codelet, e);
	for (unsigned i = 0; i < codelet->claim->samples; i++)
		if (codelet->claim->ticks[i] < best)
			best = codelet->claim->ticks[i];
	return ((double)best - codelet->claim->overhead_ticks) / codelet->claim->batch;
}

static void measures_twice_the_work(void)
{
	double ratio = 0, once = 0;

	for (unsigned i = 0; i < 25 && !(ratio > 1.5 && ratio < 2.6 && codelet->claim->batch > 1); i++) {
		once = median_ticks(1000, 0);
		ratio = median_ticks(2000, 0) / once;
	}
	printf("# 1000 multiplications: %.1f ticks, batch %u, overhead %llu; 2000: %.3f times "
	       "that\n",
	       once, codelet->claim->batch, (unsigned long long)codelet->claim->overhead_ticks,
	       ratio);
	CHECK_MSG(ratio > 1.5 && ratio < 2.6, "ratio %g", ratio);
	CHECK(codelet->claim->batch > 1);
}

static void measures_itself(void)
{
	struct ending e;

	plan_for(codelet, "work");
	codelet->plan->empty = 1;
	codelet->plan->samples = 101;
	codelet->plan->batch = 16;
	codelet->plan->overhead_samples = 101;
	for (unsigned mode = WIRE_THROUGHPUT; mode <= WIRE_LATENCY; mode++) {
		codelet->plan->mode = mode;
		e = play(codelet, -1, 5000);
		CHECK_ENDED_WELL(codelet, e);
		CHECK_INT(codelet->claim->samples, 101);
		printf("# 16 empty calls, %s: first %llu ticks, overhead %llu, template %llu\n",
		       mode ? "latency" : "throughput",
		       (unsigned long long)codelet->claim->ticks[50],
		       (unsigned long long)codelet->claim->overhead_ticks,
		       (unsigned long long)codelet->link->overheads[mode][4]);
	}
	codelet->plan->stop_ticks = 1;
	e = play(codelet, -1, 5000);
	CHECK_ENDED_WELL(codelet, e);
	CHECK_INT(codelet->claim->samples, 1);
}

/* The first touch of a line that was evicted takes longer than of one that was not. */
static uint64_t least_ticks(enum wire_cache cache)
{
	uint64_t least = UINT64_MAX;
	struct ending e;
	void *map;
	int arena = memory_file(64 * 4096, &map);

	plan_for(codelet, "sum");
	codelet->plan->nbuffers = 1;
	codelet->plan->buffers[0] = (struct wire_buffer){ .map_bytes = 64 * 4096,
							  .data_bytes = 64 * 4096,
							  .pristine_offset = UINT64_MAX };
	plan_arg(codelet, WIRE_PTR, 0, 0);
	plan_arg(codelet, WIRE_INT, 0, 16);
	codelet->plan->cache = cache;
	codelet->plan->warmup = 5;
	codelet->plan->samples = 300;
	codelet->plan->batch_max = 64;
	codelet->plan->batch = cache == WIRE_HOT ? 1 : 0; /* found to be 1 */
	e = play(codelet, arena, 5000);
	CHECK_ENDED_WELL(codelet, e);
	CHECK_INT(codelet->claim->batch, 1);
	for (unsigned i = 0; i < codelet->claim->samples; i++)
		if (codelet->claim->ticks[i] < least)
			least = codelet->claim->ticks[i];
	munmap(map, 64 * 4096);
	close(arena);
	return least;
}

static void evicts_buffers(void)
{
	uint64_t hot = least_ticks(WIRE_HOT), cold = least_ticks(WIRE_FLUSH);

	printf("# sum of 16: hot %llu ticks, flushed %llu\n", (unsigned long long)hot,
	       (unsigned long long)cold);
	CHECK(cold > hot + 50);
}

static void counts_the_faults_of_the_codelet(void)
{
	struct ending e[2];

	codelet->count_faults = true;
	for (unsigned i = 0; i < 2; i++) {
		plan_for(codelet, "fill");
		plan_arg(codelet, WIRE_INT, 0, i ? 80 << 12 : 4);
		codelet->plan->samples = 200;
		codelet->plan->batch = 1;
		codelet->plan->overhead_samples = 100;
		e[i] = play(codelet, -1, 2000);
		CHECK_ENDED_WELL(codelet, e[i]);
	}
	codelet->count_faults = false;
	if (e[0].faults < 0) {
		check_skip("page faults cannot be counted here");
		return;
	}
	printf("# page faults: %lld, with 80 pages more %lld\n", (long long)e[0].faults,
	       (long long)e[1].faults);
	CHECK(e[0].faults < 16);
	CHECK_INT((e[1].faults - e[0].faults + 4) / 8, 10);
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void begins_quickly(void)
{
	uint64_t times[200];
	struct ending e = { .status = -1 };
	cpu_set_t one, before;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_getaffinity(0, sizeof(before), &before);
	sched_setaffinity(0, sizeof(one), &one);
	plan_for(codelet, "call0");
	codelet->plan->cpu = 0;
	for (unsigned i = 0; i < 200; i++) {
		e = play(codelet, -1, 2000);
		CHECK_ENDED_WELL(codelet, e);
		times[i] = e.fork_to_exit_ns;
	}
	sched_setaffinity(0, sizeof(before), &before);
	qsort(times, 200, sizeof(times[0]), by_size);
	printf("# from WIRE_FORK to exit: p10 %llu us, median %llu us, p90 %llu us; %ld minor "
	       "faults\n",
	       (unsigned long long)times[20] / 1000, (unsigned long long)times[100] / 1000,
	       (unsigned long long)times[180] / 1000, e.usage.ru_minflt);
}

int main(void)
{
	if (!codelet_start())
		return 1;
	RUN(measures_twice_the_work);
	RUN(measures_itself);
	RUN(evicts_buffers);
	RUN(counts_the_faults_of_the_codelet);
	RUN(begins_quickly);
	return codelet_stop();
}
