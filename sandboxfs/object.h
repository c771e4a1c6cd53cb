/* SPDX-License-Identifier: MIT */
/* Making of nodes, between tree.c and object.c: what is made here is linked nowhere yet. */
#ifndef OBJECT_H
#define OBJECT_H

#include "node.h"

/* One reference, for the caller. Takes priv over: on failure (NULL) it has been released. */
struct sfs_obj *object_new(struct sfs_obj *parent, const char *name, const struct sfs_dirtype *type,
			   void *priv);
/* The part that directories and files share; name is NULL afterwards if memory is short. */
void object_init(struct node *node, enum node_kind kind, struct sfs_obj *dir, const char *name);
/* The number of the row called name, hidden or not, or -1. Any lock. */
int object_row(const struct sfs_obj *dir, const char *name);
/* Gives node a name in its directory. -EEXIST, -ENODEV, -ENOMEM. */
int node_link(struct node *node);

#endif
