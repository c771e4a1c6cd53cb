/* SPDX-License-Identifier: MIT */
/* The store's own thread, for what may wait for a disk. */
#include "store_work.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t added = PTHREAD_COND_INITIALIZER;
static struct turns queue;     /* lock */
static bool running, stopping; /* lock */
static pthread_t thread;

static struct work *of_turn(struct turn *turn)
{
	return turn ? (struct work *)((char *)turn - offsetof(struct work, turn)) : NULL;
}

static void *serve(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	while (queue.first || !stopping) {
		struct work *work = of_turn(turns_take(&queue, NULL));
		bool more;

		if (!work) {
			pthread_cond_wait(&added, &lock);
			continue;
		}
		pthread_mutex_unlock(&lock);
		more = work->run(work);
		pthread_mutex_lock(&lock);
		if (more)
			turns_again(&queue, &work->turn);
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

static bool put(struct work *work, bool (*run)(struct work *work), uid_t uid, bool first)
{
	bool queued;

	work->run = run;
	work->turn.uid = uid;
	pthread_mutex_lock(&lock);
	queued = running;
	if (queued) {
		if (first)
			turns_again(&queue, &work->turn);
		else
			turns_add(&queue, &work->turn, uid);
		pthread_cond_signal(&added);
	}
	pthread_mutex_unlock(&lock);
	return queued;
}

bool work_add(struct work *work, uid_t uid, bool (*run)(struct work *work))
{
	return put(work, run, uid, false);
}

bool work_add_first(struct work *work, uid_t uid, bool (*run)(struct work *work))
{
	return put(work, run, uid, true);
}

void work_here(struct work *work, bool (*run)(struct work *work))
{
	work->run = run;
	while (work->run(work))
		;
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
