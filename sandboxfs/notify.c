/* SPDX-License-Identifier: MIT */
/* Invalidations: names from a thread of their own, now or later; attributes at once. */
#define FUSE_USE_VERSION 312
#include "notify.h"

#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sandboxfs.h"

#define LATER_S    10
#define TOGETHER_S 1    /* what is to be done later is done at times that are multiples of it */
#define LATER_MAX  8192 /* at most; where it is more than half of that the first is due at once */
#define NS         UINT64_C(1000000000)

struct news {
	struct news *next;
	void (*call)(void *arg); /* instead of a name */
	void *arg;
	uint64_t dir_id;
	char name[];
};

struct later {
	void (*call)(uint64_t id);
	uint64_t id, due_ns;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct news *first, **last;
	struct later later[LATER_MAX]; /* a ring */
	unsigned later_first, later_count;
	struct fuse_session *session; /* NULL: nobody to tell */
	pthread_t thread;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER, .last = &queue.first };

/* False: there is nobody to tell. */
static bool add_news(const struct news *what, const char *name)
{
	size_t size = strlen(name) + 1;
	struct news *news;

	pthread_mutex_lock(&queue.lock);
	news = queue.session ? malloc(sizeof(*news) + size) : NULL;
	if (news) {
		*news = *what;
		memcpy(news->name, name, size);
		*queue.last = news;
		queue.last = &news->next;
		pthread_cond_signal(&queue.more);
	}
	pthread_mutex_unlock(&queue.lock);
	return news;
}

void notify_gone(uint64_t dir_id, const char *name)
{
	(void)add_news(&(struct news){ .dir_id = dir_id }, name);
}

void notify_call(void (*call)(void *arg), void *arg)
{
	if (!add_news(&(struct news){ .call = call, .arg = arg }, ""))
		call(arg);
}

void notify_later(void (*call)(uint64_t id), uint64_t id)
{
	uint64_t due_ns = sfs_now_ns() + (LATER_S + TOGETHER_S) * NS;
	unsigned at;

	due_ns -= due_ns % (TOGETHER_S * NS);
	pthread_mutex_lock(&queue.lock);
	if (queue.session && queue.later_count < LATER_MAX) {
		at = (queue.later_first + queue.later_count++) % LATER_MAX;
		queue.later[at] = (struct later){ .call = call, .id = id, .due_ns = due_ns };
		if (queue.later_count == 1 || queue.later_count > LATER_MAX / 2)
			pthread_cond_signal(&queue.more);
	}
	pthread_mutex_unlock(&queue.lock);
}

void notify_attr(uint64_t id)
{
	struct fuse_session *session;

	pthread_mutex_lock(&queue.lock);
	session = queue.session;
	pthread_mutex_unlock(&queue.lock);
	/*
	 * The offset says: attributes alone, no pages. ENOENT, because the kernel knows nothing of
	 * it, is fine.
	 */
	if (session)
		fuse_lowlevel_notify_inval_inode(session, id, -1, 0);
}

/* Under the lock, which is dropped around the calls. */
static void call_due(void)
{
	uint64_t now = sfs_now_ns();
	struct later later;

	while (queue.later_count) {
		later = queue.later[queue.later_first];
		if (later.due_ns > now && queue.later_count <= LATER_MAX / 2)
			return;
		queue.later_first = (queue.later_first + 1) % LATER_MAX;
		queue.later_count--;
		pthread_mutex_unlock(&queue.lock);
		later.call(later.id);
		pthread_mutex_lock(&queue.lock);
	}
}

/* Under the lock: until there is news, or something is due. */
static void wait_for_news(void)
{
	uint64_t due_ns = queue.later[queue.later_first].due_ns;
	struct timespec until = { (time_t)(due_ns / NS), (long)(due_ns % NS) };

	if (queue.later_count)
		(void)pthread_cond_timedwait(&queue.more, &queue.lock, &until);
	else
		pthread_cond_wait(&queue.more, &queue.lock);
}

static struct news *next_news(void)
{
	struct news *news;

	pthread_mutex_lock(&queue.lock);
	call_due();
	while (queue.session && !queue.first) {
		wait_for_news();
		call_due();
	}
	news = queue.session ? queue.first : NULL;
	if (news) {
		queue.first = news->next;
		if (!queue.first)
			queue.last = &queue.first;
	}
	pthread_mutex_unlock(&queue.lock);
	return news;
}

static void *deliver(void *session)
{
	struct news *news;

	while ((news = next_news())) {
		if (news->call)
			news->call(news->arg);
		else
			fuse_lowlevel_notify_inval_entry(session, news->dir_id, news->name,
							 strlen(news->name));
		free(news);
	}
	return NULL;
}

int notify_start(struct fuse_session *session)
{
	pthread_condattr_t attr;
	int err;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&queue.more, &attr);
	pthread_condattr_destroy(&attr);
	queue.session = session;
	err = pthread_create(&queue.thread, NULL, deliver, session);
	if (err)
		queue.session = NULL;
	return -err;
}

void notify_stop(void)
{
	struct news *news;

	pthread_mutex_lock(&queue.lock);
	if (!queue.session) {
		pthread_mutex_unlock(&queue.lock);
		return;
	}
	queue.session = NULL;
	pthread_cond_signal(&queue.more);
	pthread_mutex_unlock(&queue.lock);
	pthread_join(queue.thread, NULL);
	while ((news = queue.first)) {
		queue.first = news->next;
		if (news->call)
			news->call(news->arg);
		free(news);
	}
	queue.last = &queue.first;
	queue.later_count = 0;
}

void notify_poll(void *handle)
{
	if (!handle)
		return;
	/* The kernel may know it no more: then nobody waits. */
	(void)fuse_lowlevel_notify_poll(handle);
	fuse_pollhandle_destroy(handle);
}

void notify_poll_free(void *handle)
{
	if (handle)
		fuse_pollhandle_destroy(handle);
}
