/* SPDX-License-Identifier: MIT */
/*
 * A thread of the daemon that calls into the mount itself.
 *
 * Should the daemon die while it waits there, it ends only when a successor answers, or when the
 * mount ends, and until then it keeps open what it has open: the pipe by which the supervisor sees
 * that the daemon is dead, the state directory's lock, the connection.
 */
#ifndef APART_H
#define APART_H

/*
 * Called by such a thread, first of all: its own table of descriptors, with nothing in it but
 * standard ones and the log's. 0 or -errno.
 */
int thread_apart(void);

#endif
