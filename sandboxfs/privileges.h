/* SPDX-License-Identifier: MIT */
/* Giving up what root has, for good. */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

/*
 * As root: the daemon's ids and nothing else. Everybody: no new privileges, no ptrace, no core. 0
 * or -errno.
 */
int privileges_drop(void);

#endif
