/* SPDX-License-Identifier: MIT */
/*
 * Objects that have nothing but a name and an owner, as lines of one file. Durable where the store is.
 *
 * One struct made for each kind, static and from MADE_INIT; any thread, but of one object one at a time. It is
 * loaded first, before there are threads.
 */
#ifndef MADE_H
#define MADE_H

#include <pthread.h>

#include "sandboxfs.h"

struct made {
	const char *where; /* the folder's name, for sentences */
	pthread_mutex_t lock;
	int folder; /* borrowed; set before there are threads */
	/* All below under lock. */
	unsigned *free; /* owned: numbers of free lines */
	size_t nfree, room;
	unsigned lines; /* in the file */
};

#define MADE_INIT(name)                                                                            \
	{                                                                                          \
		.where = (name), .lock = PTHREAD_MUTEX_INITIALIZER, .folder = -1                   \
	}

/* Adds a line; its number, from one, to *made_out. 0 or -errno. */
int made_keep(struct made *made, const char *name, const struct sfs_owner *owner,
	      unsigned *made_out);
/* *number becomes 0; of what has none already nothing happens. */
void made_drop(struct made *made, const char *name, unsigned *number);
/* What a line tells, which is number made. False: it tells nothing any more, and is cleared. */
typedef bool made_fn(struct sfs_obj *parent, const char *name, const struct sfs_owner *owner,
		     unsigned made);
/* folder is borrowed for good. 0 or -errno with sfs_fail. */
int made_load(struct made *made, int folder, struct sfs_obj *parent, made_fn *each);

#endif
