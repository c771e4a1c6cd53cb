/* SPDX-License-Identifier: MIT */
/*
 * A queue that goes round by uid: each user who waits has a turn before any has a second one.
 *
 * Among a user's own the order is that of their arrival. A turn lives inside the struct that waits
 * and belongs to the queue from turns_add() until it is taken or removed; all zeros is an empty
 * queue. Nothing here allocates or locks: every call is under a lock of the queue's owner. All but
 * turns_remove() cost as much as there are users in it, not as many as wait.
 */
#ifndef STORE_TURNS_H
#define STORE_TURNS_H

#include <stdbool.h>
#include <sys/types.h>

struct turn {
	uid_t uid;
	struct turn *next;   /* the next user's first; of each user's first only */
	struct turn *behind; /* the same user's next */
	struct turn *last;   /* the same user's last; of each user's first only */
};

struct turns {
	struct turn *first;
};

/* Behind what this uid has in the queue. */
void turns_add(struct turns *turns, struct turn *turn, uid_t uid);
/* Once more: before what its uid has in the queue, and its uid behind all other users. */
void turns_again(struct turns *turns, struct turn *turn);
/*
 * Takes out the next one, of a user who may (NULL: all may), and puts what that user has left
 * behind all other users. NULL: there is none.
 */
struct turn *turns_take(struct turns *turns, bool (*may)(uid_t uid));
/* Is there one to take? */
bool turns_any(const struct turns *turns, bool (*may)(uid_t uid));
/* Takes out this one. False: it was not there. */
bool turns_remove(struct turns *turns, struct turn *turn);

#endif
