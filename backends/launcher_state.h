/* SPDX-License-Identifier: MIT */
/*
 * What the launcher remembers; private to launcher*.c.
 *
 * One thread, one static struct launcher, no lock. A cell is one jail, at the index that the daemon
 * chose. Every wait of it is a state with a deadline; the loop in launcher.c wakes at the nearest.
 * Nothing here allocates memory after the start.
 */
#ifndef LAUNCHER_STATE_H
#define LAUNCHER_STATE_H

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "launcher.h"

enum cell_state {
	CELL_FREE,
	CELL_INIT,   /* its init is on the way to its exec */
	CELL_ZYGOTE, /* its zygote is */
	CELL_START,  /* WIRE_READY is awaited */
	CELL_SETUP,  /* WIRE_SETUP_DONE is */
	CELL_FILTER, /* it has said so; its listener is wanted, then its first call */
	CELL_IDLE,   /* ready; a run may be in flight */
	/* failed or died; its processes are being reaped, or are gone. why says why */
	CELL_DEAD,
};

enum run_state {
	RUN_NONE,
	RUN_ORDERED, /* the template has not come back from the last fork yet */
	RUN_FORKED,  /* a runner's child shall call, an inspector's child shall end */
	RUN_ARMED,   /* its pid is known; the gate's call is awaited */
	RUN_GOING,   /* it was told to go */
	RUN_FAILED,  /* a child said that it cannot begin; its end is awaited */
};

struct run {
	enum run_state state;
	uint64_t id;
	uint32_t seq;             /* of the WIRE_FORK */
	pid_t pid;                /* 0: not known */
	int arena;                /* for the child's first call; -1: none, or it has it */
	char text[WIRE_TEXT_MAX]; /* of a sentence, as far as it has been told */
	unsigned text_used;
	int counters[LAUNCH_EVENTS_MAX];
	unsigned ncounters;
	struct launch_event events[LAUNCH_EVENTS_MAX];
	unsigned wall_ms;
	uint64_t deadline_ns; /* 0: none */
	uint64_t retry_ns;    /* a kill that has found nobody yet: try again then; 0: no */
	uint64_t go_ns;
	uint64_t gate_ip;
	bool killed; /* it shall end, and how.cause says why */
	bool ending; /* SIGKILL has been sent, or its receiver is being looked for */
	struct launch_exit how;
};

struct cell {
	enum cell_state state;
	enum launch_kind kind;
	uint32_t index;
	bool dropped;         /* LM_GONE is owed */
	bool answered;        /* LM_READY has been sent */
	int slot;             /* of the id table; -1: none */
	uint64_t deadline_ns; /* of the state; 0: none */
	pid_t init, zygote;   /* not yet reaped; 0: none */
	int init_pidfd;
	int init_control;    /* our end; its end tells the init to go */
	int control;         /* the zygote's */
	int report;          /* the read end */
	int zygote_pidfd;    /* a runner's, until the listener is here */
	int listener;        /* of a runner and of its runs */
	uint64_t retry_ns;   /* CELL_FILTER: ask for the listener again then; 0: no */
	uint64_t fork_id;    /* the template's pending call to fork */
	bool fork_waits;     /* there is one */
	pid_t process_group; /* the zygote's and its children's; 0: none, or all gone */
	uint64_t memory_bytes;
	uint32_t pids;
	struct launch_place place; /* of a rocker, or none */
	bool has_group;
	struct cgroup group;
	uint64_t oom_kills; /* seen so far */
	bool has_setup;
	struct wire_order setup;
	int setup_fds[WIRE_FDS_MAX];
	unsigned setup_nfds;
	int why; /* -errno, and its sentence */
	char sentence[WIRE_TEXT_MAX];
	struct run run;
};

/* An id of the host, for all jails of one owner and kind. */
struct slot {
	uint32_t users; /* 0: free */
	uint32_t owner;
	enum launch_kind kind;
};

struct launcher {
	const struct sfs_config *config; /* borrowed */
	int channel, epoll, signals;
	bool broken;     /* the channel has ended, or shall */
	int start_error; /* -errno of jail_start(): no jail can be made */
	struct jail_env env;
	struct cgroup_tree cgroups;
	int cgroup_error;
	struct rocker_env rockers;
	struct rocker_groups groups;
	int rockers_error;   /* -errno: no rocker can be made */
	uint32_t cells_used; /* no cell at or above is in use */
	struct cell cells[LM_JAILS_MAX];
	struct slot slots[LM_JAILS_MAX];
};

extern struct launcher launcher;

#if defined __x86_64__
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined __aarch64__
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#endif

enum watch {
	WATCH_CHANNEL,
	WATCH_SIGNALS,
	WATCH_REPORT,
	WATCH_CONTROL,
	WATCH_LISTENER,
	WATCH_WARD,
	WATCH_OPENER,
	WATCH_KEPT, /* the pidfd of a guard that is no child */
	WATCH_READY_MADE,
};

/* launcher.c */
int launcher_watch(int fd, enum watch what, uint32_t index, uint32_t events);
uint64_t launcher_now(void);  /* CLOCK_MONOTONIC, ns */
void launcher_close(int *fd); /* and sets it to -1 */
/*
 * The same for what is watched: a child that has just been forked may still have it open, and what only was
 * closed would be told of, without an end, until that child has closed it too.
 */
void launcher_unwatch(int *fd);

/* launcher_order.c */
/* to the daemon, within a second or the launcher ends */
void launcher_say(const void *message, size_t size);
void launcher_say_with(const void *message, size_t size, const int *fds, unsigned nfds);
void order_take(void); /* one, of the daemon's */

/* launcher_cell.c: birth and death of jails */
void cell_new(struct cell *cell, const struct lm_new *order, const int *fds, unsigned nfds);
void cell_drop(struct cell *cell);
void cell_reported(struct cell *cell); /* the report pipe is readable or closed */
void cell_idle(struct cell *cell);     /* set up, and ready for runs */
/* takes one message of the control socket; false: there was none */
bool cell_heard(struct cell *cell);
void cell_late(struct cell *cell, uint64_t now);
void cell_fail(struct cell *cell, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/*
 * A child of the launcher has ended, is reaped, and belonged to this cell: which one it was is for
 * the cell to know.
 */
void cell_reaped(struct cell *cell, pid_t pid, const siginfo_t *how, const struct rusage *usage);
/* 0 or -errno: an order of the runner's protocol, with descriptors. */
int cell_send(const struct cell *cell, const struct wire_order *order, const int *fds,
	      unsigned nfds);

/* launcher_place.c: of jails that are in a rocker */
bool place_ok(const struct lm_new *order);
/* That rocker's guard, to be joined as if it were the jail's init; a pidfd. 0 or -errno. */
int place_join(const struct cell *cell, int *init_pidfd_out);
void place_spec(const struct cell *cell, struct jail_spec *spec); /* adds what is the rocker's, if any */
uint64_t place_oom_kills(const struct cell *cell); /* of the group that limits it; 0: not known */

/* launcher_id.c */
int id_take(uint32_t owner, enum launch_kind kind); /* a slot, or -EDQUOT */
/* one that was taken already, by an earlier launcher */
void id_hold(int slot, uint32_t owner, enum launch_kind kind);
void id_release(int slot);
uid_t id_uid(int slot);

/* launcher_notify.c: the calls of a template and of its runs */
/* takes the listener of a template that installs its filter */
void notify_begin(struct cell *cell);
void notify_take(struct cell *cell); /* or tries again */
void notify_read(struct cell *cell); /* the listener is readable */
void notify_mute(struct cell *cell); /* nothing is answered any more */
int notify_fork(struct cell *cell);  /* lets the waiting template fork: 0 or -errno */
int notify_answer(const struct cell *cell, uint64_t id); /* in place of making the call */
int notify_pass(const struct cell *cell, uint64_t id);   /* the call is made */

/* launcher_run.c: one run from its fork to its end */
void run_start(struct cell *cell, const struct lm_run *order, const int *fds, unsigned nfds);
void run_kill(struct cell *cell, uint64_t id);
/* an inspector's */
void run_report(struct cell *cell, const struct wire_report *report, pid_t from);
/* the template waits for it */
void run_fork(struct cell *cell);
void run_told(struct cell *cell, const struct seccomp_notif *call); /* one part of a sentence */
/* so says the template */
void run_fork_failed(struct cell *cell, const struct seccomp_notif *call);
/* by another than the template */
void run_notified(struct cell *cell, const struct seccomp_notif *call);
void run_late(struct cell *cell, uint64_t now);
void run_reaped(struct cell *cell, pid_t pid, const siginfo_t *how, const struct rusage *usage);
void run_abandon(struct cell *cell); /* every process of the jail is gone */

/* launcher_child.c: which children are whose */
void child_reap(void); /* all that have ended */
/* Sends SIGKILL to children of the cell's process group other than its zygote; how many. */
unsigned child_kill_unknown(const struct cell *cell);

/* launcher_count.c: perf events on a run */
void count_start(void);
/* a descriptor, disabled, or -errno */
int count_open(const struct launch_event *event, pid_t pid);
void count_enable(int fd);
int count_read(int fd, struct launch_count *out);

/* launcher_facts.c: what works on this machine */
void facts_write(char *text, size_t size);

/* launcher_text.c: what came out of a jail, made fit for eyes */
void text_escape(const char *hostile, size_t hostile_size, char *out, size_t size);

#endif
