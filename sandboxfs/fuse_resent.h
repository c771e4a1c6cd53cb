/* SPDX-License-Identifier: MIT */
/*
 * FUSE: how a mount goes on under another daemon.
 *
 * The kernel says once, in its INIT, what it can do; a successor is given those bytes again, and
 * the answer is swallowed. Then it asks for the requests that its predecessor had read and not
 * answered: they come again with a mark in their number.
 */
#ifndef FUSE_RESENT_H
#define FUSE_RESENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct fuse_session;

/* A request was read: notes its mark for this thread, and keeps an INIT. */
void resent_look(const void *request, size_t size);
/* The answer that goes out now is one that the kernel has had. */
bool resent_swallows(void);

/* Does the kernel that sent this INIT send requests again? Linux does since 6.9. */
bool resent_known(const void *init, size_t size);
/* There is a mount to be taken over. */
bool resent_begun(void);
/* Takes it over. 0, or -EOPNOTSUPP: this kernel sends nothing again. */
int resent_take_over(struct fuse_session *session);

#endif
