/* SPDX-License-Identifier: MIT */
/*
 * Who must be told of what: between the tree, which changes, and those who wake and publish.
 *
 * Nothing is announced in a directory that the kernel never looked up, since nobody can watch it.
 */
#ifndef ANNOUNCE_H
#define ANNOUNCE_H

#include "node.h"

/* Set while a user's mkdir(2) in that directory runs on this thread: the kernel knows what comes. */
extern _Thread_local const struct sfs_obj *announce_not_in;

/* Set while sfs_move_dir() links on this thread: announce_moved() follows. */
extern _Thread_local bool announce_later;

/* Before dir is linked; and when it is. */
void announce_begin(struct sfs_obj *dir);
void announce_made(struct sfs_obj *dir);
/* The publisher has made it known, or nobody will. */
void announce_done(struct sfs_obj *dir);
/* Under tree_lock: it is there, and the publisher's mkdir is to come. */
static inline bool announce_pending(const struct sfs_obj *dir)
{
	return dir->unannounced;
}

/* The publisher comes for it: is it there still? Then it is known, and its end is to be announced. */
bool announce_known(struct sfs_obj *dir);

/* node is unlinked and had that name; the kernel does not know. */
void announce_gone(struct node *node, const char *name);
/* The same where no watcher is to hear of it. */
void announce_lost(struct node *node, const char *name);
/* The same, and fresh, linked with announce_later, is what old was. */
void announce_moved(struct sfs_obj *old, struct sfs_obj *fresh);
/*
 * dir has gone, with all that was in it. A name in it that was in use at that moment would stay in the kernel's cache
 * when it no longer is, and dir with it, until memory is short: ten seconds later the kernel is told of them all. It
 * takes the lock of dir for that, and who removed dir by a call has that lock until he is answered: were the daemon killed
 * while it waits for him, it could not end. So the seconds begin when the operation that this thread works on has ended.
 */
void announce_buried(struct sfs_obj *dir);

#endif
