/* SPDX-License-Identifier: MIT */
/*
 * What the files of the guard share: its state, all of it, in memory that is zero when it starts.
 *
 * One thread owns it. While a job is spawned the child reads it too, on a stack of its own, and writes
 * err alone. No file has static data besides: nothing is relocated, and what is not used is never
 * a page.
 */
#ifndef GUARD_OWN_H
#define GUARD_OWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "guard.h"

/*
 * Where the control socket moves to, so that the descriptors that come with an order are 0, 1, 2, ...
 * by themselves, as the job shall have them.
 */
#define GUARD_CTL_MOVED (GUARD_FDS_MAX + 8)
#define GUARD_KEEP_MOVED (GUARD_CTL_MOVED + 1) /* the second socket */
#define GUARD_KEPT_FD(place, i) (GUARD_CTL_MOVED + 2 + GUARD_KEPT_MAX * (int)(place) + (int)(i))
#define GUARD_SCAN_MS   50
#define GUARD_LATE_MS           1 /* what GUARD_STARTED may come late where it may, twice at most */
#define GUARD_PAUSE_US          100  /* without an order, then a spare is made */
#define GUARD_SPARE_MS          1000 /* without an order, then it goes again */

struct guard_job {
	uint32_t job; /* 0: this place is free */
	pid_t pid;
	bool untold; /* that it has started */
	bool over;   /* it has ended while nobody listened: see ends */
	uint8_t kept; /* descriptors */
};

/*
 * The order of members is that of pages: what an ordinary job needs, the top of the child's stack, the
 * jobs and an order of a few hundred bytes, lies in one.
 */
struct guard {
	union {
		char entries[1024]; /* of /proc */
		char path[4096];    /* tried by a child */
	};
	char stack[4096 + 1024] __attribute__((aligned(16))); /* of the child */
	uint32_t uid, gid;                                    /* of jobs */
	bool switches_ids;                                    /* CAP_SETUID is there */
	bool has_caps;         /* anything at all to be taken from jobs */
	bool leaves_empty;     /* flag e */
	bool saw_others;       /* there was another process in this namespace */
	bool childless;        /* none was left at the last look; else their end is a signal */
	bool has_untold;   /* a job is untold, or was */
	bool is_kept;      /* there is a second socket */
	bool is_deaf;      /* and the first one is gone */
	bool spares;       /* the latest job's order said so */
	bool wants_spare;  /* a job has run since there was one */
	uint32_t running;      /* jobs */
	uint32_t places;       /* of jobs that were used so far: the first ones */
	uint32_t nfds;         /* came with the order at hand: 0 .. nfds - 1 */
	pid_t starting;        /* a child whose exec was not looked at yet; 0: none */
	struct guard_job *place; /* of that; NULL: none is free */
	pid_t spare;             /* a child that waits for its order; 0: there is none */
	uint32_t shared;  /* the child that is being spawned, or spare, still uses this memory */
	uint32_t ordered; /* and may read the order */
	bool child_is_spare; /* it began without one */
	int32_t err;           /* written by that child */
	const char *directory; /* of the order at hand, like words */
	char **words;          /* argv, NULL, envp, NULL: behind the order's text */
	struct guard_job jobs[GUARD_JOBS_MAX];
	struct guard_order order;
	char words_room[(GUARD_WORDS_MAX + 3) * sizeof(char *)];
	struct guard_reply ends[GUARD_JOBS_MAX]; /* of jobs that are over, by their places */
} __attribute__((aligned(4096)));

_Noreturn void guard_main(long *stack);

/* The order that waits on that socket; false: the other end is closed, or does not speak as it should. */
bool guard_receive(struct guard *g, int socket);
/* With so many descriptors. Where nobody listens a guard ends, or becomes deaf if it is kept. */
void guard_reply(struct guard *g, const struct guard_reply *reply, const int *fds, unsigned nfds);
/* The control socket is gone, or of no use: ends the guard unless it is kept. */
void guard_lose(struct guard *g);

/* guard_keep.c: orders, each false if it is none. */
bool guard_keep(struct guard *g);
bool guard_adopt(struct guard *g);
void guard_let_go(struct guard *g, const struct guard_job *job); /* what is held for it */

/*
 * Runs the order that was received; false: it is none. Who may be told late is not waited for: most are over by the
 * time that anything else is to be done, and to be woken by their exec would be one switch more. Until guard_settle()
 * the child may use the order and its descriptors.
 */
bool guard_start(struct guard *g);
void guard_settle(struct guard *g);
void guard_tell_started(struct guard *g); /* what is untold */
/*
 * The next job's process, made ahead: with its ids and without capabilities, it waits for the order. Only where
 * there is no other process, so that none is stopped by a limit for its sake, and no job meets it.
 */
void guard_make_spare(struct guard *g);
void guard_drop_spare(struct guard *g);
bool guard_signal(struct guard *g);

/* The processes in this pid namespace besides the guard, or -1: there is no /proc to tell. */
int guard_others(struct guard *g);

#endif
