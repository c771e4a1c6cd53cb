/* SPDX-License-Identifier: MIT */
/*
 * The top directory: the rows of the core, those that backends bring, and what the daemon says of
 * itself.
 */
#ifndef TOP_H
#define TOP_H

#include "sandboxfs.h"

#ifndef SANDBOXFS_VERSION
#define SANDBOXFS_VERSION "0.1"
#endif

/*
 * The kind of directory that the root is. NULL: out of memory. Freed by top_free(), after the tree.
 */
const struct sfs_dirtype *top_type(void);
void top_free(void);

#endif
