/* SPDX-License-Identifier: MIT */
/* Whether a processor is left: not while more run than there are, nor where there is one, and else sometimes. */
/* single-threaded */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "rocker_idle.h"

#define PROCESSES_MAX 512
#define LOOKS         20
#define SPIN_MAX_S    60
#define QUIET         100 /* moments without others, in which it would have to say so */
#define PATIENCE_MS   60000

static int processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 0 : CPU_COUNT(&set);
}

static int running(void)
{
	FILE *file = fopen("/proc/loadavg", "re");
	int count = 0;

	if (!file || fscanf(file, "%*f %*f %*f %d/", &count) != 1)
		count = 0;
	if (file)
		fclose(file);
	return count;
}

static void unknown_is_busy(void)
{
	CHECK(!rocker_idle());
	CHECK(!rocker_idle_possible());
}

static void one_is_none(void)
{
	cpu_set_t all, one;

	rocker_idle_start();
	REQUIRE(!sched_getaffinity(0, sizeof(all), &all));
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &one);
	REQUIRE(!sched_setaffinity(0, sizeof(one), &one));
	CHECK(!rocker_idle_possible());
	REQUIRE(!sched_setaffinity(0, sizeof(all), &all));
	CHECK_INT(rocker_idle_possible(), CPU_COUNT(&all) > 1);
	rocker_idle_stop();
}

/* Until it is killed, or nobody is left to do that. */
static _Noreturn void spin(void)
{
	alarm(SPIN_MAX_S);
	for (;;)
		;
}

static void more_than_there_are(void)
{
	pid_t pids[PROCESSES_MAX];
	int count = processors() + 1;

	REQUIRE(count > 1 && count <= PROCESSES_MAX);
	rocker_idle_start();
	for (int i = 0; i < count; i++) {
		pids[i] = fork();
		if (!pids[i])
			spin();
	}
	for (int i = 0; i < LOOKS; i++) {
		CHECK(!rocker_idle());
		usleep(1000);
	}
	for (int i = 0; i < count; i++)
		if (pids[i] > 0 && !kill(pids[i], SIGKILL))
			waitpid(pids[i], NULL, 0);
	rocker_idle_stop();
}

static void sometimes_there_is_one(void)
{
	int quiet = 0, idle = 0;

	rocker_idle_start();
	for (int i = 0; i < PATIENCE_MS && quiet < QUIET && !idle; i++) {
		quiet += running() <= processors();
		idle += rocker_idle();
		usleep(1000);
	}
	CHECK_MSG(idle || quiet < QUIET, "never in %d quiet moments", quiet);
	rocker_idle_stop();
}

int main(void)
{
	RUN(unknown_is_busy);
	RUN(one_is_none);
	RUN(more_than_there_are);
	RUN(sometimes_there_is_one);
	return check_done();
}
