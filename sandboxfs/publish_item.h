/* SPDX-License-Identifier: MIT */
/* What publishing threads have to announce, and the queues in which it stands. */
#ifndef PUBLISH_ITEM_H
#define PUBLISH_ITEM_H

#include "publish_call.h"

/* Something to announce: a row, for as long as it rests after that; or a name, once. */
struct item {
	struct item *next;      /* in a queue */
	struct item *next_slot; /* rows only */
	struct call call;       /* its node is counted */
	unsigned row, rest;     /* which queue it rests in */
	bool dirty;             /* it changed since it was announced */
	uint64_t due_ns;        /* while it rests */
};

struct queue {
	struct item *first, **last;
};

static inline void item_put(struct queue *queue, struct item *item)
{
	item->next = NULL;
	*queue->last = item;
	queue->last = &item->next;
}

static inline struct item *item_take(struct queue *queue)
{
	struct item *item = queue->first;

	if (!item)
		return NULL;
	queue->first = item->next;
	if (!queue->first)
		queue->last = &queue->first;
	return item;
}

#endif
