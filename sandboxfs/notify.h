/* SPDX-License-Identifier: MIT */
/*
 * News for the kernel: names that vanished and attributes that changed without its asking.
 *
 * Names are queued, from any thread and with locks held; one thread of their own sends them,
 * holding none, since the kernel takes the directory's lock, which may belong to a request that
 * waits for us; what notify_later() is told is done there as well. Attributes need no such lock and are sent at once, so that whoever asked for a
 * change sees it when he has his answer. Before notify_start() and after notify_stop() news are
 * dropped.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdint.h>

struct fuse_session;

int notify_start(struct fuse_session *session); /* 0 or -errno */
void notify_stop(void);

void notify_gone(uint64_t dir_id, const char *name); /* the entry is no longer what it was */
void notify_attr(uint64_t id);                       /* owner, mode or times */

/*
 * Runs call(id) on the thread that sends the news, in ten seconds or a little more (sooner where thousands wait for that),
 * unless that has ended before.
 */
void notify_later(void (*call)(uint64_t id), uint64_t id);

/* Runs call(arg) on the thread that sends the news, or at once where there is none. */
void notify_call(void (*call)(void *arg), void *arg);

/* Handles of poll(2), from the transport: wakes and frees; frees. NULL allowed. */
void notify_poll(void *handle);
void notify_poll_free(void *handle);

#endif
