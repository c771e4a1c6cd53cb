/* SPDX-License-Identifier: MIT */
/*
 * The store's own thread: what may wait for a disk is done there, one job after the other.
 *
 * A job lives inside the struct that it works on and is forgotten before it runs, so that it may
 * free that struct.
 */
#ifndef STORE_WORK_H
#define STORE_WORK_H

#include <stdbool.h>

struct work {
	struct work *next;
	void (*run)(struct work *work);
};

int work_start(void); /* 0 or -errno */
/* false: the thread is not there, and the caller has to see to it. */
bool work_add(struct work *work, void (*run)(struct work *work));
/* Does what is queued and ends the thread. */
void work_stop(void);

#endif
