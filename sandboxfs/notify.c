/* SPDX-License-Identifier: MIT */
/* Invalidations, sent to the kernel from a thread of their own. */
#define FUSE_USE_VERSION 312
#include "notify.h"

#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "sandboxfs.h"

struct news {
	struct news *next;
	uint64_t id;
	char name[]; /* empty: attributes of id */
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct news *first, **last;
	struct fuse_session *session; /* NULL: nobody to tell */
	pthread_t thread;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER, .last = &queue.first };

static void enqueue(uint64_t id, const char *name)
{
	size_t size = strlen(name) + 1;
	struct news *news;

	pthread_mutex_lock(&queue.lock);
	news = queue.session ? malloc(sizeof(*news) + size) : NULL;
	if (news) {
		news->next = NULL;
		news->id = id;
		memcpy(news->name, name, size);
		*queue.last = news;
		queue.last = &news->next;
		pthread_cond_signal(&queue.more);
	}
	pthread_mutex_unlock(&queue.lock);
}

void notify_gone(uint64_t dir_id, const char *name)
{
	enqueue(dir_id, name);
}

void notify_attr(uint64_t id)
{
	enqueue(id, "");
}

static void send_news(struct fuse_session *session, const struct news *news)
{
	/* The kernel answers ENOENT when it knows nothing of it: that is fine. */
	if (news->name[0])
		fuse_lowlevel_notify_inval_entry(session, news->id, news->name, strlen(news->name));
	else
		fuse_lowlevel_notify_inval_inode(session, news->id, -1, 0);
}

static struct news *next_news(void)
{
	struct news *news;

	pthread_mutex_lock(&queue.lock);
	while (queue.session && !queue.first)
		pthread_cond_wait(&queue.more, &queue.lock);
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
		send_news(session, news);
		free(news);
	}
	return NULL;
}

int notify_start(struct fuse_session *session)
{
	int err;

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
		free(news);
	}
	queue.last = &queue.first;
}
