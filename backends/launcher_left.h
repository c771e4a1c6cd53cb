/* SPDX-License-Identifier: MIT */
/*
 * Rockers with persist: what one launcher leaves to the next. Private to launcher*.c, and as everything there of one
 * thread and without memory from the heap.
 *
 * A guard that is left is nobody's child here: it is known by its pidfd alone, which waited with its message, so that
 * no number of a process is ever trusted.
 */
#ifndef LAUNCHER_LEFT_H
#define LAUNCHER_LEFT_H

#include "launcher_rocker.h"

/* What there is in that socket pair (-1: there is none): first of all, for its groups stay. */
void left_start(const int fds[2]);
pid_t left_home(void); /* after whom our control groups are named */
bool left_has_group(uint32_t number);
void left_hold_ids(void); /* after jail_start() */

/* A rocker that is ready is left to the next launcher from now on. 0 or -errno. */
int ward_keep(struct ward *ward);
void ward_forget(struct ward *ward); /* and not any more; before it is ended */
/*
 * A ward with owner and persist set becomes the one that was left under that number: 0, -ENOENT: there is none, or
 * -errno.
 */
int ward_take_over(struct ward *ward);
void ward_unwatch(struct ward *ward); /* its guard has ended, or is left; idempotent */
void left_settle(void); /* nobody asks for the others any more: ends them */

void left_say_last(void);
bool left_is_last(void); /* is there no launcher after this one? */

#endif
