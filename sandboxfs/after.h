/* SPDX-License-Identifier: MIT */
/*
 * What an operation leaves to be done once its caller has the answer: sfs_after(), by the thread that works on it.
 *
 * Between after_begin() and after_end() of a thread the calls are gathered; outside of that they are made at once.
 */
#ifndef AFTER_H
#define AFTER_H

#include <stdbool.h>

void after_begin(void);
/*
 * The caller has been answered: makes the calls, in their order. patient: nobody is going to wait for what they do, so
 * that the caller goes first where both want one processor; it may then be a time slice until they are made.
 */
void after_end(bool patient);

#endif
