/* SPDX-License-Identifier: MIT */
/*
 * The mount as the supervisor holds it: made, kept while daemons come and go, and taken away.
 *
 * The supervisor has one thread and never serves the mount; it asks nothing that a daemon would
 * have to answer.
 */
#ifndef MOUNTING_H
#define MOUNTING_H

#include <stdbool.h>
#include <stdint.h>

struct fuse_session;

struct mounting {
	struct fuse_session *session; /* owned; NULL: there is no mount */
	uint64_t id;                  /* of the mount; 0: cannot be told */
	const char *place;            /* borrowed */
};

/* options are those of -o. 0 or -EIO; the reason is on standard error. */
int mounting_begin(struct mounting *mounting, const char *options, const char *place);
/* It is what is mounted at its place, as far as can be told. */
bool mounting_in_place(const struct mounting *mounting);
/* Nobody has taken it away yet. */
bool mounting_lives(const struct mounting *mounting);
/*
 * Takes the mount away, and then, with mounting_free(), the connection: whoever serves it still or
 * waits for an answer hears of it. 0, or -EBUSY: it stays, and that was logged.
 */
int mounting_end(const struct mounting *mounting);
void mounting_free(struct mounting *mounting);

#endif
