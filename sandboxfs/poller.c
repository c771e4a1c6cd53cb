/* SPDX-License-Identifier: MIT */
/* Who has which row open, and who of them waits for a change of it. */
#include "poller.h"

#include <limits.h>
#include <poll.h>

#include "notify.h"

static pthread_mutex_t poll_lock = PTHREAD_MUTEX_INITIALIZER;

void poller_add(struct poller *poller, struct row_node *row)
{
	struct poller **list = &row->node.dir->pollers;

	pthread_mutex_lock(&poll_lock);
	poller->row = row;
	poller->more = true;
	poller->prev = NULL;
	poller->next = *list;
	if (poller->next)
		poller->next->prev = poller;
	*list = poller;
	pthread_mutex_unlock(&poll_lock);
}

/* The handle, no longer the poller's. */
static void *take_handle(struct poller *poller)
{
	void *handle = poller->handle;

	poller->handle = NULL;
	return handle;
}

void poller_remove(struct poller *poller)
{
	void *handle;

	if (!poller->row)
		return;
	pthread_mutex_lock(&poll_lock);
	if (poller->prev)
		poller->prev->next = poller->next;
	else
		poller->row->node.dir->pollers = poller->next;
	if (poller->next)
		poller->next->prev = poller->prev;
	handle = take_handle(poller);
	pthread_mutex_unlock(&poll_lock);
	notify_poll_free(handle);
}

/* A stream has something to read or not; anything else can always be read, and may have changed. */
static unsigned ready(const struct poller *poller)
{
	bool stream = node_attr(poller->row)->flags & SFS_STREAM;

	if (poller->busy)
		return 0;
	if (stream)
		return poller->changed || poller->more ? POLLIN | POLLRDNORM : 0;
	return POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM |
	       (poller->changed ? POLLPRI | POLLERR : 0);
}

unsigned poller_arm(struct poller *poller, void *handle)
{
	unsigned events;
	void *old = NULL;

	pthread_mutex_lock(&poll_lock);
	if (handle) {
		old = take_handle(poller);
		poller->handle = handle;
	}
	events = ready(poller);
	pthread_mutex_unlock(&poll_lock);
	notify_poll_free(old);
	return events;
}

void poller_seen(struct poller *poller)
{
	pthread_mutex_lock(&poll_lock);
	poller->changed = false;
	pthread_mutex_unlock(&poll_lock);
}

void poller_set_changed(struct poller *poller)
{
	pthread_mutex_lock(&poll_lock);
	poller->changed = true;
	pthread_mutex_unlock(&poll_lock);
}

void poller_set_more(struct poller *poller, bool more)
{
	pthread_mutex_lock(&poll_lock);
	poller->more = more;
	pthread_mutex_unlock(&poll_lock);
}

void poller_set_busy(struct poller *poller, bool busy)
{
	void *handle = NULL;

	pthread_mutex_lock(&poll_lock);
	poller->busy = busy;
	if (!busy)
		handle = take_handle(poller);
	pthread_mutex_unlock(&poll_lock);
	notify_poll(handle);
}

#define EVERY_ROW UINT_MAX

/* Under the lock. */
static bool concerns(const struct poller *poller, unsigned row, uid_t uid)
{
	if (row == EVERY_ROW)
		return true;
	return poller->row->row == row &&
	       (uid == SFS_EVERYBODY || !(node_attr(poller->row)->flags & SFS_PER_UID) ||
		poller->row->for_uid == uid);
}

void poller_changed(struct sfs_obj *dir, unsigned row, uid_t uid)
{
	struct poller *poller;
	void *handle;

	/* One by one, since none is woken under the lock; who is woken has no handle any more. */
	do {
		handle = NULL;
		pthread_mutex_lock(&poll_lock);
		for (poller = dir->pollers; poller && !handle; poller = poller->next) {
			if (!concerns(poller, row, uid))
				continue;
			poller->changed = true;
			handle = take_handle(poller);
		}
		pthread_mutex_unlock(&poll_lock);
		notify_poll(handle);
	} while (handle);
}

void poller_gone(struct sfs_obj *dir)
{
	poller_changed(dir, EVERY_ROW, SFS_EVERYBODY);
}
