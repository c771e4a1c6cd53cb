/* SPDX-License-Identifier: MIT */
/*
 * The directory /events. Comes after the kernels in the table of backends: it uses their pool, and
 * stops before them.
 */
#ifndef EVENTS_H
#define EVENTS_H

#include "sandboxfs.h"

extern const struct sfs_backend events_backend;

#endif
