/* SPDX-License-Identifier: MIT */
/*
 * The store's own thread: what may wait for a disk is done there, one piece after the other.
 *
 * It goes round by uid, so that a user waits for one piece of each other user's work, not for all
 * that they have brought; a user's own work is done in the order of its arrival. A piece is to be
 * as short as it can be made: what takes long is done in several. A job lives inside the struct
 * that it works on and is forgotten before its last piece runs, so that this may free that struct.
 */
#ifndef STORE_WORK_H
#define STORE_WORK_H

#include <stdbool.h>

#include "store_turns.h"

struct work {
	struct turn turn;
	/* Does one piece. True: another one is to come, of what run is by then. */
	bool (*run)(struct work *work);
};

int work_start(void); /* 0 or -errno */
/* On account of uid. false: the thread is not there, and the caller has to see to it. */
bool work_add(struct work *work, uid_t uid, bool (*run)(struct work *work));
/* The same, before what waits of that uid: what has come a long way is to end. */
bool work_add_first(struct work *work, uid_t uid, bool (*run)(struct work *work));
/* All pieces, here and now. */
void work_here(struct work *work, bool (*run)(struct work *work));
/* Does what is queued and ends the thread. */
void work_stop(void);

#endif
