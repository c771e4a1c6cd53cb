/* SPDX-License-Identifier: MIT */
/* Threads for work that is too long for a thread that answers requests. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "kernels.h"

#define THREADS_MAX 8

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;
static struct pool_job *first, **last = &first; /* under lock */
static bool stopping;                           /* under lock */
static pthread_t threads[THREADS_MAX];
static unsigned nthreads;

unsigned pool_cores(void)
{
	cpu_set_t set;
	int count = sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);

	return count < 1 ? 1 : (unsigned)count;
}

static void *serve(void *arg)
{
	pthread_mutex_lock(&lock);
	for (;;) {
		struct pool_job *job = first;

		if (!job && stopping)
			break;
		if (!job) {
			pthread_cond_wait(&news, &lock);
			continue;
		}
		first = job->next;
		if (!first)
			last = &first;
		pthread_mutex_unlock(&lock);
		job->work(job->arg);
		pthread_mutex_lock(&lock);
	}
	pthread_mutex_unlock(&lock);
	return arg;
}

void pool_submit(struct pool_job *job)
{
	job->next = NULL;
	pthread_mutex_lock(&lock);
	*last = job;
	last = &job->next;
	pthread_cond_signal(&news);
	pthread_mutex_unlock(&lock);
}

int pool_start(void)
{
	unsigned want = pool_cores() < 2 ? 2 : pool_cores();

	stopping = false;
	for (nthreads = 0; nthreads < want && nthreads < THREADS_MAX; nthreads++) {
		if (pthread_create(&threads[nthreads], NULL, serve, NULL))
			return nthreads ? 0
					: sfs_fail(-ENOMEM, "no thread for the work of kernels");
	}
	return 0;
}

void pool_stop(void)
{
	pthread_mutex_lock(&lock);
	stopping = true;
	pthread_cond_broadcast(&news);
	pthread_mutex_unlock(&lock);
	while (nthreads)
		pthread_join(threads[--nthreads], NULL);
}
