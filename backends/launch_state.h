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

#include "launch_rocker.h"
#include "launcher.h"

#define EVENTS_CACHED 256

struct launch_zygote {
	uint32_t index;
	enum launch_kind kind;
	bool ready_pending, ready_ok;
	bool dropped;   /* by its owner: freed once nothing is pending */
	bool drop_owed; /* LM_DROP could not be sent yet */
	bool kill_owed; /* LM_KILL */
	struct launch_place place; /* constant */
	pid_t group;               /* of its processes, once it is ready; 0 */
	void (*ready)(void *arg, struct launch_zygote *zygote, int rc, const char *sentence);
	void *ready_arg;
	uint64_t run; /* in flight; 0: none */
	void (*done)(void *arg, const struct launch_exit *how);
	void *done_arg;
};

/* What was asked of a rocker and is not done yet; answered in the order of asking. */
struct rocker_wait {
	struct rocker_wait *next;
	uint32_t order;
	launch_rocker_done *done;
	void *arg;
};

/*
 * A user's share of the launcher, which serves one after the other: so many orders of his to make a rocker are
 * under way there, and so many rockers being cleared away, as others may have to wait for. The rest waits here,
 * and costs nothing if it is dropped before its turn. Users whose uids differ by SHARES have theirs together.
 */
#define SHARES       1024
#define BUILDING_MAX 8
#define LEAVING_MAX  64

enum share_part {
	SHARE_NONE,
	SHARE_WAITING,
	SHARE_BUILDING,
	SHARE_LEAVING,
	SHARE_PARTS,
};

struct launch_rocker {
	uint32_t index;
	uint32_t owner;
	enum share_part part;
	struct launch_rocker_calls calls;
	void *arg;
	bool ready_pending, ready_ok, ended;
	bool lost;    /* its guard's descriptors found no room here: it counts as one that failed */
	bool burying; /* the launch thread is telling it that the launcher is gone */
	bool dropped; /* by its owner: freed once all has been said */
	bool drop_owed; /* LM_ROCKER_DROP could not be sent yet */
	_Atomic uint32_t group;
	_Atomic pid_t guard;
	struct rocker_wait *waits, **waits_end;
	launch_rocker_measured *measured; /* NULL: nobody asked */
	void *measured_arg;
	struct lm_rocker_new *owed; /* owned: not sent yet: no room in the socket, or not its turn */
};

/* Host paths that are being tried. */
struct rocker_trial {
	struct rocker_trial *next;
	uint32_t id;
	launch_rocker_done *done;
	void *arg;
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
	struct launch_zygote *zygotes[LM_JAILS_MAX];   /* owned */
	struct launch_rocker *rockers[LM_ROCKERS_MAX]; /* owned */
	uint32_t next_rocker;                          /* where a free number is looked for */
	uint32_t shares[SHARES][SHARE_PARTS];          /* rockers of those users */
	unsigned waiting;                              /* of all shares */
	struct rocker_trial *trials;                   /* owned */
	uint32_t last_trial;
	struct group_places places; /* constant after launch_start() */
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

void launch_wake(void); /* the launch thread pays what is owed */

/*
 * launch_rocker_wire.c: each is called without the lock, and returns false for what no honest launcher
 * says. fds: what came along; who keeps one puts -1 in its place.
 */
#define ROCKER_FDS 2 /* of LM_ROCKER_READY */
union reply;
bool on_rocker_ready(union reply *reply, int *fds);
bool on_rocker_ended(union reply *reply, int *fds);
bool on_rocker_gone(union reply *reply, int *fds);
bool on_rocker_done(union reply *reply, int *fds);
bool on_rocker_measured(union reply *reply, int *fds);
bool on_rocker_checked(union reply *reply, int *fds);
bool launch_rockers_pay(void); /* under the lock; true: something is still owed for want of room */
/* Under the lock. */
void launch_rocker_share(struct launch_rocker *rocker, enum share_part part);
bool launch_rocker_may(uint32_t owner); /* is it his turn? */
void launch_rocker_forget(struct launch_rocker *rocker); /* out of the table */
void launch_rockers_bury(void);
void launch_rocker_free(struct launch_rocker *rocker);

union reply {
	struct lm_head head;
	struct lm_machine machine;
	struct lm_ready ready;
	struct lm_exit exit;
	struct lm_gone gone;
	struct lm_probed probed;
	struct lm_rocker_ready rocker_ready;
	struct lm_rocker_ended rocker_ended;
	struct lm_rocker_gone rocker_gone;
	struct lm_rocker_done rocker_done;
	struct lm_rocker_checked rocker_checked;
	struct lm_rocker_measured rocker_measured;
};

/* launch_features.c: says which features there are, from lines of "key value". */
void launch_features(const char *facts);

/* launch_events.c; with the lock held */
void launch_event_learn(const struct lm_probed *probed);
void launch_event_ask_usual(void);

#endif
