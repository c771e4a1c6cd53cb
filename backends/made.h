/* SPDX-License-Identifier: MIT */
/*
 * Objects that have nothing but a name and an owner, or a short text besides, as lines of one file. Durable where the
 * store is.
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
	const char *file;  /* in that folder; with a dot: no object has such a name */
	size_t room_bytes; /* behind each line, for its text */
	pthread_mutex_t lock;
	int folder; /* borrowed; set before there are threads */
	/* All below under lock. */
	unsigned *free; /* owned: numbers of free lines */
	size_t nfree, nroom;
	unsigned lines; /* in the file */
};

/* Files of two kinds: lines alone, and with texts of up to MADE_TEXT_MAX bytes. */
#define MADE_TEXT_MAX 895
#define MADE_INIT(name)                                                                            \
	{                                                                                          \
		.where = (name), .file = ".made", .lock = PTHREAD_MUTEX_INITIALIZER, .folder = -1  \
	}
#define MADE_INIT_TEXTS(name)                                                                      \
	{                                                                                          \
		.where = (name), .file = ".texts", .room_bytes = MADE_TEXT_MAX + 1,                \
		.lock = PTHREAD_MUTEX_INITIALIZER, .folder = -1                                    \
	}

/* What stands behind a line: without NUL, borrowed; { 0 } where there are lines alone. */
struct made_text {
	const char *bytes;
	size_t size;
};

/* Adds a line; its number, from one, to *made_out. 0 or -errno; -E2BIG: the text is too long. */
int made_keep(struct made *made, const char *name, const struct sfs_owner *owner,
	      struct made_text text, unsigned *made_out);
/* *number becomes 0; of what has none already nothing happens. */
void made_drop(struct made *made, const char *name, unsigned *number);
/* What a line tells, which is number made. False: it tells nothing any more, and is cleared. */
typedef bool made_fn(struct sfs_obj *parent, const char *name, const struct sfs_owner *owner,
		     struct made_text text, unsigned made);
/* folder is borrowed for good. 0 or -errno with sfs_fail. */
int made_load(struct made *made, int folder, struct sfs_obj *parent, made_fn *each);

#endif
