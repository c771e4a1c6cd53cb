/* SPDX-License-Identifier: MIT */
/*
 * What the files of the guard share: its state, all of it, in memory that is zero when it starts.
 *
 * One thread owns it. While a job is spawned the child reads it too, on a stack of its own, and writes
 * err alone; a spare also writes what it receives (see guard_spare.c). No file has static data besides: nothing is relocated, and what is not used is never
 * a page.
 */
#ifndef GUARD_OWN_H
#define GUARD_OWN_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "guard.h"

/*
 * Where the control socket moves to, so that the descriptors that come with an order are 0, 1, 2, ...
 * by themselves, as the job shall have them.
 */
#define GUARD_CTL_MOVED (GUARD_FDS_MAX + 8)
#define GUARD_KEEP_MOVED (GUARD_CTL_MOVED + 1) /* the second socket */
#define GUARD_TIMER_FD   (GUARD_CTL_MOVED + 2) /* set off by a spare that goes */
#define GUARD_SPARE_FD   (GUARD_CTL_MOVED + 3) /* a pidfd */
#define GUARD_KEPT_FD(place, i) (GUARD_CTL_MOVED + 4 + GUARD_KEPT_MAX * (int)(place) + (int)(i))
#define GUARD_SCAN_MS   50
#define GUARD_LATE_MS           1 /* what GUARD_STARTED may come late where it may, twice at most */
#define GUARD_PAUSE_US          100  /* without an order, then a spare is made */
#define GUARD_SPARE_MS          1000 /* without an order, then it goes again */

/* Of the process that is made ahead. It reads the control socket in the guard's place. */
enum guard_spare_state {
	GUARD_SPARE_WAITS,    /* for an order */
	GUARD_SPARE_TAKES,    /* one that is for it: it has read that, or is about to */
	GUARD_SPARE_GOES,     /* it becomes that job */
	GUARD_SPARE_SPOILT,   /* what it took is no order */
	GUARD_SPARE_RETURNS,  /* what has come is for the guard, and still there: it ends */
	GUARD_SPARE_RECALLED, /* by the guard: it is not to go any more */
};

struct guard_job {
	uint32_t job; /* 0: this place is free */
	pid_t pid;
	bool untold; /* that it has started */
	bool over;   /* it has ended while nobody listened: see ends */
	uint8_t kept; /* descriptors */
};

/* How an order comes; here, so that it can be looked at when who read it is dead. */
struct guard_letter {
	char control[CMSG_SPACE(GUARD_FDS_MAX * sizeof(int))]
		__attribute__((aligned(__alignof__(struct cmsghdr))));
	struct iovec piece;
	struct msghdr message;
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
	bool has_timer;
	bool sees_spare; /* its end by GUARD_SPARE_FD; else by a signal, as of any child */
	pid_t starting;        /* a child whose exec was not looked at yet; 0: none */
	struct guard_job *place; /* of that; NULL: none is free */
	pid_t spare;             /* a child that waits for its order; 0: there is none */
	uint32_t shared;  /* the child that is being spawned, or spare, still uses this memory */
	uint32_t spare_state; /* enum guard_spare_state; from WAITS changed by whoever is first, else by the spare */
	bool child_is_spare;  /* it began without an order; constant while it lives */
	int32_t err;           /* written by that child */
	const char *directory; /* of the order at hand, like words */
	char **words;          /* argv, NULL, envp, NULL: behind the order's text */
	struct guard_job jobs[GUARD_JOBS_MAX];
	struct guard_letter letter;
	struct guard_order order;
	char words_room[(GUARD_WORDS_MAX + 3) * sizeof(char *)];
	struct guard_reply ends[GUARD_JOBS_MAX]; /* of jobs that are over, by their places */
} __attribute__((aligned(4096)));

_Noreturn void guard_main(long *stack);

/* The order that waits on that socket; false: the other end is closed, or does not speak as it should. */
bool guard_receive(struct guard *g, int socket);
/* The same of what somebody has received who is dead. */
bool guard_salvage(struct guard *g);
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
bool guard_split(struct guard *g); /* the order's text, into words and directory */
int guard_take_limits(const struct guard_order *order); /* of the process that asks: 0 or -errno */
/* Begun or, where the spare has become the job, looked at: for guard_settle(). False: it is no order. */
bool guard_note_start(struct guard *g, long pid);
/* A child that becomes the job at hand, or waits for one: its pid, or -errno. */
long guard_make_child(struct guard *g, bool waits);

/*
 * guard_spare.c: the next job's process, made ahead: with its ids and without capabilities, it waits for the order. Only where
 * there is no other process, so that none is stopped by a limit for its sake, and no job meets it. While it waits the
 * socket is its own: the guard sleeps, and does not wake up for a job that is over soon.
 */
void guard_make_spare(struct guard *g);
void guard_drop_spare(struct guard *g); /* then there is none, but one that was stopped and is about to die */
/* What it does, before anything else is looked at. */
void guard_attend_spare(struct guard *g);
bool guard_bury_spare(struct guard *g); /* it is dead; true: with an order, which is done with by that */
void guard_stop_timer(void);
/* In the spare: returns with the order of the job that it is to become. */
void guard_await_order(struct guard *g);
bool guard_signal(struct guard *g);

/* The processes in this pid namespace besides the guard, or -1: there is no /proc to tell. */
int guard_others(struct guard *g);

#endif
