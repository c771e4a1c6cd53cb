/* SPDX-License-Identifier: MIT */
/* Threads for work that is too long for a thread that answers requests. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "kernels.h"

#define THREADS_MAX 16

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t news = PTHREAD_COND_INITIALIZER;
static struct pool_job *first, **last = &first; /* under lock */
static bool stopping;                           /* under lock */
static struct worker {
	pthread_t thread;
	bool is_busy; /* under lock, with the next */
	uid_t uid;    /* of the job at hand */
} workers[THREADS_MAX];
static unsigned nthreads; /* under lock while there are threads */

unsigned pool_cores(void)
{
	cpu_set_t set;
	int count = sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);

	return count < 1 ? 1 : (unsigned)count;
}

/* One user's work leaves a thread to others, however much of it there is. */
static bool has_share(uid_t uid)
{
	unsigned busy = 0;

	for (unsigned i = 0; i < nthreads; i++)
		busy += workers[i].is_busy && workers[i].uid == uid;
	return busy + 1 >= nthreads && busy;
}

/* The first whose user has a thread to come by. Under lock. */
static struct pool_job *take_job(void)
{
	for (struct pool_job **at = &first; *at; at = &(*at)->next) {
		struct pool_job *job = *at;

		if (has_share(job->uid))
			continue;
		*at = job->next;
		if (!*at)
			last = at;
		return job;
	}
	return NULL;
}

static void *serve(void *arg)
{
	struct worker *own = arg;

	pthread_mutex_lock(&lock);
	for (;;) {
		struct pool_job *job = take_job();

		if (!job && !first && stopping)
			break;
		if (!job) {
			pthread_cond_wait(&news, &lock);
			continue;
		}
		own->is_busy = true;
		own->uid = job->uid;
		pthread_mutex_unlock(&lock);
		job->work(job->arg);
		pthread_mutex_lock(&lock);
		own->is_busy = false;
		if (stopping) /* who had to leave a job to this thread */
			pthread_cond_broadcast(&news);
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
	/* More than cores: a template is to be built also beside long checks of the same user. */
	unsigned want = pool_cores() + 2;

	stopping = false;
	pthread_mutex_lock(&lock);
	for (nthreads = 0; nthreads < want && nthreads < THREADS_MAX; nthreads++) {
		struct worker *worker = &workers[nthreads];

		worker->is_busy = false;
		if (pthread_create(&worker->thread, NULL, serve, worker))
			break;
	}
	pthread_mutex_unlock(&lock);
	return nthreads ? 0 : sfs_fail(-ENOMEM, "no thread for the work of kernels");
}

void pool_stop(void)
{
	pthread_mutex_lock(&lock);
	stopping = true;
	pthread_cond_broadcast(&news);
	pthread_mutex_unlock(&lock);
	for (unsigned i = 0; i < nthreads; i++)
		pthread_join(workers[i].thread, NULL);
	nthreads = 0;
}
