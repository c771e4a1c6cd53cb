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

/* node is unlinked and had that name; the kernel does not know. */
void announce_gone(struct node *node, const char *name);
/* The same where no watcher is to hear of it. */
void announce_lost(struct node *node, const char *name);

#endif
