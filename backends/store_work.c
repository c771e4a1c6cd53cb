/* SPDX-License-Identifier: MIT */
/* The store's own thread, for what may wait for a disk. */
#include "store_work.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t added = PTHREAD_COND_INITIALIZER;
static struct work *first, **last = &first; /* lock */
static bool running, stopping;              /* lock */
static pthread_t thread;

static void *serve(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	while (first || !stopping) {
		struct work *work = first;

		if (!work) {
			pthread_cond_wait(&added, &lock);
			continue;
		}
		first = work->next;
		if (!first)
			last = &first;
		pthread_mutex_unlock(&lock);
		work->run(work);
		pthread_mutex_lock(&lock);
	}
	running = false;
	pthread_mutex_unlock(&lock);
	return NULL;
}

int work_start(void)
{
	int err;

	stopping = false;
	running = true;
	err = pthread_create(&thread, NULL, serve, NULL);
	if (err)
		running = false;
	else
		(void)pthread_setname_np(thread, "store");
	return -err;
}

bool work_add(struct work *work, void (*run)(struct work *work))
{
	bool queued;

	work->next = NULL;
	work->run = run;
	pthread_mutex_lock(&lock);
	queued = running;
	if (queued) {
		*last = work;
		last = &work->next;
		pthread_cond_signal(&added);
	}
	pthread_mutex_unlock(&lock);
	return queued;
}

void work_stop(void)
{
	bool was_running;

	pthread_mutex_lock(&lock);
	was_running = running;
	stopping = true;
	pthread_cond_signal(&added);
	pthread_mutex_unlock(&lock);
	if (was_running)
		pthread_join(thread, NULL);
}
