/* SPDX-License-Identifier: MIT */
/* What a job by the guard costs beside a bare posix_spawn of the same program, and its memory. Only printed. */
/* single-threaded */
/* plain-only */
#include <spawn.h>

#include "guard_play.h"

#include "guard_program.h"

#define ROUNDS 2000

static struct play play;
static uint64_t took[3][ROUNDS];

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int later(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static bool bare(void)
{
	char *argv[] = { program, NULL }, *envp[] = { NULL };
	pid_t pid;
	int status;

	return !posix_spawn(&pid, program, NULL, NULL, argv, envp) &&
	       waitpid(pid, &status, 0) == pid && !status;
}

static bool by_guard(uint32_t job)
{
	static struct guard_order order = { .type = GUARD_START, .argc = 1 };
	struct guard_reply started, exited;
	int pidfd = -1;

	order.job = job;
	order.text_used = 0;
	play_text(&order, program);
	play_text(&order, "/");
	if (!play_order_send(&play, &order, NULL, 0) || !play_reply(&play, &started, &pidfd))
		return false;
	close(pidfd);
	return play_reply(&play, &exited, NULL) && exited.type == GUARD_EXITED && !exited.status;
}

static uint64_t median(int what)
{
	qsort(took[what], ROUNDS, sizeof(uint64_t), later);
	return took[what][ROUNDS / 2];
}

/* Interleaved, so that what else the machine does meets both. */
static void compare(const char *where)
{
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t begin = now_ns();
		REQUIRE(bare());
		uint64_t middle = now_ns();
		REQUIRE(by_guard((uint32_t)i + 1));
		took[1][i] = now_ns() - middle;
		took[0][i] = middle - begin;
	}
	uint64_t spawned = median(0), guarded = median(1);
	printf("# %s: posix_spawn and waitpid %llu ns, by the guard %llu ns, ratio %.3f\n", where,
	       (unsigned long long)spawned, (unsigned long long)guarded,
	       (double)guarded / (double)spawned);
}

static void begins(void)
{
	REQUIRE(play_start(&play, &(struct play_spec){ .flags = "" }));
}

static void memory(void)
{
	char path[64], line[128];

	snprintf(path, sizeof path, "/proc/%d/smaps_rollup", play.pid);
	FILE *file = fopen(path, "r");
	while (file && fgets(line, sizeof line, file))
		if (!strncmp(line, "Rss", 3) || !strncmp(line, "Pss:", 4) ||
		    !strncmp(line, "Private", 7))
			printf("# %s", line);
	if (file)
		fclose(file);
}

static void one_processor(void)
{
	cpu_set_t set, before;

	sched_getaffinity(0, sizeof before, &before);
	CPU_ZERO(&set);
	for (int cpu = 0; cpu < CPU_SETSIZE && !CPU_COUNT(&set); cpu++)
		if (CPU_ISSET(cpu, &before))
			CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof set, &set);
	sched_setaffinity(play.pid, sizeof set, &set);
	compare("one processor");
	sched_setaffinity(0, sizeof before, &before);
	sched_setaffinity(play.pid, sizeof before, &before);
}

static void all_processors(void)
{
	compare("all processors");
}

static void ends(void)
{
	CHECK_INT(play_end(&play), 0);
}

int main(void)
{
	if (!program_make()) {
		printf("not ok guard_time: gcc made no program\n");
		return 1;
	}
	RUN(begins);
	RUN(memory);
	RUN(one_processor);
	RUN(all_processors);
	RUN(memory);
	RUN(ends);
	program_remove();
	return check_done();
}
