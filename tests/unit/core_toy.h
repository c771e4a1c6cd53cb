/* SPDX-License-Identifier: MIT */
/*
 * A small backend for the tests of the core: objects with one row of each kind, and a box that files are copied into.
 *
 * toys/NAME: value (one number), run (waits: "ms=N", "never", "sync", "refuse"), mine (per uid), spec (whole), long, error.
 * box/: uploads; what begins with "bad" is refused, what begins with "late" is judged from another thread.
 */
#ifndef CORE_TOY_H
#define CORE_TOY_H

#include "sandboxfs.h"

extern const struct sfs_backend toy_backend; /* toys/ */
extern const struct sfs_backend box_backend; /* box/ */
extern const struct sfs_dirtype toy_type;    /* one toy */

/* What the backend was made to do, since the start of the program. */
int toy_released(void);
int toy_cancelled(void);
int toy_judged(void);

#endif
