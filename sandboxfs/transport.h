/* SPDX-License-Identifier: MIT */
/*
 * The transport: everything that the rest of the core knows about FUSE.
 *
 * A session is made and mounted by the supervisor, which never serves it; the daemon is a fork that
 * serves it once, and another one after that has died.
 */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include <stdbool.h>

struct fuse_session;

/* options are those of -o, or NULL. NULL: they are bad, and the reason is on standard error. */
struct fuse_session *transport_new(const char *options);
/* 0 or -EIO; the reason is on stderr */
int transport_mount(struct fuse_session *session, const char *mountpoint);
/* Is it mounted and connected still? */
bool transport_mounted(struct fuse_session *session);
/* The usual way, which may fail and does not say so. */
void transport_unmount(struct fuse_session *session);
void transport_free(struct fuse_session *session);

/*
 * Before anything is made that would be served: 0, or -EOPNOTSUPP, if somebody served it before, and this kernel does
 * not let anybody go on.
 */
int transport_begin(void);
/*
 * Serves until the mount is gone or transport_stop(). ready is called when the kernel has been
 * answered. -EOPNOTSUPP: as above.
 */
int transport_serve(struct fuse_session *session, unsigned threads, void (*ready)(void));
/* From any thread: makes transport_serve() return. */
void transport_stop(struct fuse_session *session);

const char *transport_version(void); /* of the library */

#endif
