/* SPDX-License-Identifier: MIT */
/*
 * Taking a mount away when the usual way does not work, in the supervisor, which has one thread.
 *
 * A mount is known by its id: what else may be mounted at the same place is none of ours.
 */
#ifndef UNMOUNT_H
#define UNMOUNT_H

#include <stdint.h>

/* Of what is mounted at place; asks nobody who serves it. 0: cannot be told. */
uint64_t mount_id(const char *place);

/*
 * Detaches what is mounted at place, by ourselves or by a helper that may. 0 or -EBUSY. Whoever
 * uses it keeps it until he is done.
 */
int unmount_place(const char *place);

#endif
