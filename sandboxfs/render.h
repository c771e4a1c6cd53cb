/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a row.
 *
 * A lookup renders a row to know its exact size; what it measured is kept with the node for a
 * second, unless something in the object changes, so that the open and the fstat(2) which follow
 * tell and give the same. Any thread, no lock held.
 */
#ifndef RENDER_H
#define RENDER_H

#include "node.h"

/* Counted. NULL with *err: -errno. */
struct sfs_blob *render_row(struct row_node *row, const struct sfs_cred *who, int *err);
/* The same; fresh: what was measured before does not do. */
struct sfs_blob *render_measured(struct row_node *row, const struct sfs_cred *who, bool fresh,
				 int *err);

#endif
