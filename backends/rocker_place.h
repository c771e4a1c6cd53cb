/* SPDX-License-Identifier: MIT */
/*
 * What kernels need of rockers: to run in one, under its limits. Any thread may call.
 */
#ifndef ROCKER_PLACE_H
#define ROCKER_PLACE_H

#include "launch.h"
#include "sandboxfs.h"

struct rocker;

/*
 * The rocker of that name, if who may write to its file run; counted. NULL with *rc_out: -ENOENT or -EACCES with
 * sfs_fail.
 */
struct rocker *rocker_find(const char *name, const struct sfs_cred *who, int *rc_out);
void rocker_put(struct rocker *rocker); /* NULL allowed */

/* As rockers.h has them: ready is called exactly once, and after a 0 rocker_release() is owed. */
typedef void rocker_ready(void *arg, int rc, const char *sentence);
void rocker_acquire(struct rocker *rocker, rocker_ready *ready, void *arg);
void rocker_release(struct rocker *rocker);
/* Where one is that has been acquired. */
struct launch_place rocker_place(struct rocker *rocker);

#endif
