/* SPDX-License-Identifier: MIT */
/*
 * What an operation leaves to be done once its caller has the answer: sfs_after(), by the thread that works on it.
 *
 * Between after_begin() and after_end() of a thread the calls are gathered; outside of that they are made at once.
 */
#ifndef AFTER_H
#define AFTER_H

void after_begin(void);
/* The caller has been answered: makes the calls, in their order. */
void after_end(void);

#endif
