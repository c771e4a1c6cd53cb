/* SPDX-License-Identifier: MIT */
/* Which rockers are being built, or removed, for longer than anybody should wait: lines of /status. */
#include <stdio.h>

#include "rocker_life.h"

#define SLOW_NS UINT64_C(5000000000)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rocker_slow *all; /* lock, with the structs in it */

void rocker_slow_begin(struct rocker_slow *slow, const char *name, const char *what)
{
	pthread_mutex_lock(&lock);
	snprintf(slow->key, sizeof(slow->key), "rockers/%s", name);
	slow->what = what;
	slow->since_ns = sfs_now_ns();
	slow->told = false;
	slow->next = all;
	slow->link = &all;
	if (all)
		all->link = &slow->next;
	all = slow;
	pthread_mutex_unlock(&lock);
}

void rocker_slow_end(struct rocker_slow *slow)
{
	pthread_mutex_lock(&lock);
	if (slow->link) {
		*slow->link = slow->next;
		if (slow->next)
			slow->next->link = slow->link;
		slow->link = NULL;
		if (slow->told)
			sfs_status(slow->key, NULL);
	}
	pthread_mutex_unlock(&lock);
}

bool rocker_slow_look(void)
{
	uint64_t now_ns = sfs_now_ns();
	bool some;

	pthread_mutex_lock(&lock);
	for (struct rocker_slow *slow = all; slow; slow = slow->next) {
		if (slow->told || now_ns - slow->since_ns < SLOW_NS)
			continue;
		slow->told = true;
		sfs_status(slow->key, "%s for more than 5 s", slow->what);
	}
	some = all;
	pthread_mutex_unlock(&lock);
	return some;
}
