/* SPDX-License-Identifier: MIT */
/*
 * The last events, for /log: a line each, in places of a fixed size that are made once.
 *
 * sfs_event() of sandboxfs.h adds one. A line that is there never changes; when all places are taken
 * the oldest thousand leave at once, so that whoever follows the file by its size sees it shrink
 * seldom and by much. Any thread may call.
 */
#ifndef JOURNAL_H
#define JOURNAL_H

#include "sandboxfs.h"

/* The lines that who may see: his own, root's and the daemon's; for root all. */
void journal_show(const struct sfs_cred *who, struct sfs_buf *out);

#endif
