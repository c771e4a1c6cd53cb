/* SPDX-License-Identifier: MIT */
/*
 * What the daemon and a rocker's guard say to each other.
 *
 * The guard is PID 1 of its rocker. It is execveat'ed, inside of all of the rocker's namespaces,
 * under a user id of its own that no job has, with no capability but CAP_SETUID, CAP_SETGID and
 * CAP_KILL over its leaf user namespace (an ordinary user's has none, and the one id of its jobs),
 * with the filter of the rocker's profile installed, and with nothing open but GUARD_CTL_FD, a
 * SOCK_SEQPACKET. argv: "guard", uid and gid of the jobs in decimal as they are inside, flags (letters: "e" ends when the
 * last other process has ended), the guard's unique name. The other end of the socket is the
 * daemon's; when that is closed the guard ends at once, and the kernel ends all else with it. A guard that
 * was given a second socket by GUARD_KEEP outlives the first one: it ends with the second, from which
 * GUARD_ADOPT brings another daemon's control socket. Until that comes it goes on reaping, remembers how its jobs
 * ended, and holds the descriptors that came with each job for whoever adopts it. It
 * makes itself undumpable, takes its name (prctl PR_SET_NAME), says GUARD_READY, and then serves
 * orders, reaping whatever ends.
 *
 * An order is a struct guard_order of exactly the size that guard_order_size() tells; a reply is a
 * struct guard_reply of fixed size. The daemon believes replies no further than their ranges. Native
 * byte order: both sides are of one build.
 */
#ifndef GUARD_H
#define GUARD_H

#include <stddef.h>
#include <stdint.h>

#define GUARD_CTL_FD    3
#define GUARD_FDS_MAX   16    /* of one job */
#define GUARD_TEXT_MAX  98304 /* words of one job, its environment and its directory */
#define GUARD_WORDS_MAX 4096
#define GUARD_SIGNALS   64
#define GUARD_JOBS_MAX  256 /* of one rocker at a time */
#define GUARD_LIMITS    4
#define GUARD_KEPT_MAX  3 /* descriptors of one job that are held for its next daemon */

/* The flags of clone(2) by which a guard starts a job, with CLONE_FILES or without: a filter may allow these and no others. */
#define GUARD_CLONE (CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD)

enum guard_order_type {
	/*
	 * Descriptors: what become 0, 1, 2, ... of the job. text: argc words, envc words "KEY=VALUE",
	 * and the working directory, each ending in NUL. A first word without a slash is looked for in the
	 * PATH of that environment, else in /usr/local/bin:/usr/bin:/bin. Answered by GUARD_STARTED, and
	 * if that says 0 by one GUARD_EXITED later. The job leads a session of its own. whole: that it has started may be
	 * told a little later, and need not be if it has ended by then, so that a short job costs one message.
	 */
	GUARD_START = 1,
	/*
	 * job 0: signal goes to every process of the rocker but the guard. Else to the processes of the job's
	 * session, and with whole set to everything where no other job is running. Answered by a GUARD_APART for each
	 * process that the guard may not signal.
	 */
	GUARD_SIGNAL,
	GUARD_END, /* ends */
	/* One descriptor, the second socket. At most once, on the first one; not answered. */
	GUARD_KEEP,
	/*
	 * One descriptor: the control socket from now on, in place of any that there was. On the second socket only.
	 * Answered on the new one by GUARD_READY, and GUARD_KEPT for each job that has kept descriptors.
	 */
	GUARD_ADOPT,
};

/*
 * GUARD_LISTENER comes first, from the process that becomes the guard: the descriptor with which
 * refused system calls are answered, where the profile's filter has one. GUARD_READY follows.
 */
enum guard_reply_type {
	GUARD_LISTENER = 1,
	GUARD_READY,
	GUARD_STARTED,
	GUARD_EXITED,
	/* A job of an earlier daemon: what that had kept, and a pidfd unless GUARD_EXITED follows at once. */
	GUARD_KEPT,
	/* A pidfd of a process of the rocker that the guard may not signal, and the signal that it should get. */
	GUARD_APART,
};

struct guard_limit {
	uint32_t resource; /* RLIMIT_*; soft and hard */
	uint32_t used;     /* 0: this entry says nothing */
	uint64_t value;
};

struct guard_order {
	uint32_t type; /* enum guard_order_type */
	uint32_t job;  /* never 0 for GUARD_START */
	int32_t signal;
	uint32_t whole;
	struct guard_limit limits[GUARD_LIMITS];
	uint32_t argc, envc;
	uint32_t kept; /* GUARD_START: the last so many descriptors are not the job's, but held */
	uint32_t
		spare; /* GUARD_START: when all is over a process may be made ahead for the next one */
	uint32_t text_used; /* GUARD_START only */
	char text[GUARD_TEXT_MAX];
};

/* An order before its text, which is sent from where it is. */
struct guard_order_head {
	uint32_t type, job;
	int32_t signal;
	uint32_t whole;
	struct guard_limit limits[GUARD_LIMITS];
	uint32_t argc, envc, kept, spare, text_used;
};
#define GUARD_HEAD_SIZE offsetof(struct guard_order, text)
_Static_assert(offsetof(struct guard_order_head, limits) == offsetof(struct guard_order, limits) &&
		       offsetof(struct guard_order_head, text_used) ==
			       offsetof(struct guard_order, text_used) &&
		       GUARD_HEAD_SIZE <= sizeof(struct guard_order_head),
	       "the head of an order is laid out as the order");

struct guard_reply {
	uint32_t type; /* enum guard_reply_type */
	uint32_t job;
	int32_t err; /* GUARD_STARTED: 0 (a pidfd of the job comes along), or the -errno of its exec */
	int32_t pid;                 /* GUARD_STARTED: as seen inside */
	int32_t code;                /* GUARD_EXITED: CLD_EXITED, CLD_KILLED or CLD_DUMPED */
	int32_t status;              /* exit status or signal; GUARD_APART: the signal */
	uint64_t user_ns, system_ns; /* of the job and of what it has waited for */
	uint64_t max_rss_bytes;
	uint64_t minor_faults, major_faults, voluntary_switches, forced_switches;
	uint32_t running; /* jobs that are left */
	uint32_t kept;    /* GUARD_KEPT: descriptors that had been kept; they come first */
};

static inline size_t guard_order_size(const struct guard_order *order)
{
	return offsetof(struct guard_order, text) + order->text_used;
}

#endif
