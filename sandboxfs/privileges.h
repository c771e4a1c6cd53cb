/* SPDX-License-Identifier: MIT */
/* Giving up what root has, for good, in two steps. */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

/*
 * As root: the daemon's ids, and of the capabilities those that the publishing threads need.
 * Everybody: no new privileges, no ptrace, no core. 0 or -errno.
 */
int privileges_drop_ids(void);
/* Those too, of this thread and of all that it starts from then on. 0 or -errno. */
int privileges_drop(void);

#endif
