/* SPDX-License-Identifier: MIT */
/*
 * The daemon's side of the launcher, inside; private to launch*.c.
 *
 * One struct launch_client, one lock over everything in it and over every zygote in the table,
 * never held across a callback or anything that waits. Messages are sent with the lock held,
 * without waiting, so that their order is that of the calls.
 */
#ifndef LAUNCH_STATE_H
#define LAUNCH_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "launcher.h"

#define EVENTS_CACHED 256

struct launch_zygote {
	uint32_t index;
	enum launch_kind kind;
	bool ready_pending, ready_ok;
	bool dropped;   /* by its owner: freed once nothing is pending */
	bool drop_owed; /* LM_DROP could not be sent yet */
	bool kill_owed; /* LM_KILL */
	void (*ready)(void *arg, struct launch_zygote *zygote, int rc, const char *sentence);
	void *ready_arg;
	uint64_t run; /* in flight; 0: none */
	void (*done)(void *arg, const struct launch_exit *how);
	void *done_arg;
};

struct event_fact {
	struct launch_event event;
	bool known;
	int32_t error;
};

struct launch_client {
	pthread_mutex_t lock;
	pthread_cond_t probed; /* with CLOCK_MONOTONIC */
	pthread_t thread;
	int channel;        /* borrowed from the core; set before the thread starts */
	int wake;           /* eventfd: something is owed */
	bool started, gone; /* gone: no launcher any more */
	bool deaf;          /* it has closed its end, and the thread is about to see that */
	uint64_t last_run;
	struct launch_zygote *zygotes[LM_JAILS_MAX]; /* owned */
	struct event_fact facts[EVENTS_CACHED];
	unsigned nfacts, next_fact;
	char machine[LM_MACHINE_TEXT]; /* constant after launch_start() */
};

#define LAUNCHER_GONE "the launcher is gone, and is being replaced: try again"

extern struct launch_client launch_client;

/* launch_wire.c */
/* Under the lock, without waiting: 0, -EAGAIN when the socket is full, -EIO when the launcher is gone. */
int launch_send(const void *message, size_t size, const int *fds, unsigned nfds);
void *launch_listen(void *unused); /* the launch thread */
/* The first message, within a deadline: 0 or -errno. */
int launch_hello(void);

/* launch_features.c: says which features there are, from lines of "key value". */
void launch_features(const char *facts);

/* launch_events.c; with the lock held */
void launch_event_learn(const struct lm_probed *probed);
void launch_event_ask_usual(void);

#endif
