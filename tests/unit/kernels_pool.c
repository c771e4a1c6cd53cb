/* SPDX-License-Identifier: MIT */
/* Threads for long work: each job is done once, also at the end, and one user's jobs leave a thread to others. */
#include <semaphore.h>
#include <time.h>

#include "check.h"
#include "kernels.h"

#define JOBS 40

static sem_t begun, go_on, done_other;
static atomic_uint done;

static void wait_here(void *arg)
{
	(void)arg;
	sem_post(&begun);
	sem_wait(&go_on);
	atomic_fetch_add(&done, 1);
}

static void be_quick(void *arg)
{
	(void)arg;
	atomic_fetch_add(&done, 1);
	sem_post(&done_other);
}

static bool comes(sem_t *what)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	return sem_timedwait(what, &until) == 0;
}

static void one_user_leaves_a_thread(void)
{
	static struct pool_job jobs[JOBS], other = { .work = be_quick, .uid = 2 };

	atomic_store(&done, 0);
	CHECK_INT(pool_start(), 0);
	for (int i = 0; i < JOBS; i++) {
		jobs[i] = (struct pool_job){ .work = wait_here, .uid = 1 };
		pool_submit(&jobs[i]);
	}
	CHECK(comes(&begun));
	pool_submit(&other);
	CHECK(comes(&done_other));
	CHECK_INT(atomic_load(&done), 1);
	for (int i = 0; i < JOBS; i++)
		sem_post(&go_on);
	pool_stop();
	CHECK_INT(atomic_load(&done), JOBS + 1);
}

static void all_is_done_at_the_end(void)
{
	static struct pool_job jobs[JOBS];

	atomic_store(&done, 0);
	CHECK_INT(pool_start(), 0);
	for (int i = 0; i < JOBS; i++) {
		jobs[i] = (struct pool_job){ .work = be_quick, .uid = (uid_t)(i % 3) };
		pool_submit(&jobs[i]);
	}
	pool_stop();
	CHECK_INT(atomic_load(&done), JOBS);
}

int main(void)
{
	sem_init(&begun, 0, 0);
	sem_init(&go_on, 0, 0);
	sem_init(&done_other, 0, 0);
	RUN(one_user_leaves_a_thread);
	RUN(all_is_done_at_the_end);
	return check_done();
}
