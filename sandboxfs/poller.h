/* SPDX-License-Identifier: MIT */
/*
 * poll(2) on rows, in the manner of sysfs: an open file has POLLPRI and POLLERR from a change of
 * its row until it is read from the beginning again.
 *
 * A poller is a part of an open file and is in the list of its directory while that is open. Its
 * handle is the kernel's, by which one waiting poll is woken once. Any thread.
 */
#ifndef POLLER_H
#define POLLER_H

#include "node.h"

struct poller {
	struct poller *next, *prev;
	struct row_node *row; /* borrowed from the open file */
	/* All below under the lock of poller.c. */
	bool changed; /* since it was last read */
	bool more;    /* of a stream: not read to the end */
	bool busy;    /* work in the background goes on: nothing is ready */
	void *handle; /* owned; NULL: nobody waits */
};

void poller_add(struct poller *poller, struct row_node *row);
void poller_remove(struct poller *poller);

/* Takes the handle over and says what is ready now: bits of poll(2). handle NULL: only asks. */
unsigned poller_arm(struct poller *poller, void *handle);
void poller_seen(struct poller *poller); /* it is read from the beginning */
void poller_set_changed(struct poller *poller);
/* A stream has been read, and not to its end. */
void poller_set_more(struct poller *poller, bool more);
/* Work in the background begins, and ends: that wakes. */
void poller_set_busy(struct poller *poller, bool busy);

/* A row changed, for uid alone or SFS_EVERYBODY: whoever polls it is woken. */
void poller_changed(struct sfs_obj *dir, unsigned row, uid_t uid);
void poller_gone(struct sfs_obj *dir); /* dir went: all are woken */

#endif
