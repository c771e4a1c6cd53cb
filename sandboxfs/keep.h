/* SPDX-License-Identifier: MIT */
/*
 * The supervisor's side of what one privileged process leaves to the next. One thread; children inherit both ends.
 */
#ifndef KEEP_H
#define KEEP_H

int keep_start(void); /* once; 0 or -errno */
void keep_close(void); /* in a child that shall not have it */
void keep_end(void); /* says that there will be no next one: a message of one byte */

#endif
