/* SPDX-License-Identifier: MIT */
/*
 * What the launcher remembers of rockers; private to launcher*.c.
 *
 * A ward is one rocker, at the index that the daemon chose, from the order to make it until nothing
 * of it is left. It takes over a blank, a process in namespaces of its own that waits to be told what
 * to become: one made ahead where there is one. A blank is used once. As in launcher_state.h: one
 * thread, no lock, no memory from the heap; a plan is kept in pages of its own while it is being
 * carried out.
 */
#ifndef LAUNCHER_ROCKER_H
#define LAUNCHER_ROCKER_H

#include "launcher_state.h"

/* ---- blanks: launcher_rocker_blank.c ----------------------------------------------------------- */

enum blank_kind {
	BLANK_SHARES, /* it will be given the network namespace of its owner */
	BLANK_OWNS,   /* it has one of its own */
	BLANK_KINDS,
};

struct blank {
	pid_t pid; /* 0: none, or reaped */
	int pidfd;
	int control; /* our end, until the daemon has it */
	int report;  /* the read end; its end without a word: the guard is there */
	bool has_group;
	struct rocker_group group;
	bool is_adopted; /* no child of ours: signalled and awaited by watched, and never by pid */
	int watched;     /* its pidfd until it has ended, if so */
};

/* One made ahead, or else a new one. 0 or -errno with nothing made. */
int spare_take(enum blank_kind kind, struct blank *out);
/* Closes what is open; the process and the group stay. Idempotent. */
void spare_close(struct blank *blank);
void spare_end(struct blank *blank);                         /* and ends the process */
void spare_patient(const struct blank *blank, bool patient); /* others go first */
/* Removes the group: 0, or -EBUSY: try again. */
int spare_remove_group(struct blank *blank);
void spares_bury(struct rocker_group *group); /* likewise, by and by */
void spares_number_after(uint32_t number);    /* groups from now on */

/* The pool: how many are wanted there is told by the configuration. */
bool spares_lack(enum blank_kind kind);
bool spares_none(enum blank_kind kind);
void spares_fill(enum blank_kind kind); /* by one */
void spares_reaped(pid_t pid);
void spares_retry(void); /* groups of blanks that have died */
void spares_stop(void);
void spares_trust(void); /* a blank has become a rocker: those that failed say nothing any more */
bool spares_left(void);  /* processes of it */

/* ---- guards made ahead: launcher_rocker_made.c --------------------------------------------------- */

/*
 * Who makes a rocker soon makes another like it: so for the owners that have made some lately a few guards run
 * already, each in a rocker that is empty, has the same ids, limits, network and filter, and was never anybody
 * else's. What remains to be done for a plan is done by a fitter.
 */
struct ward;
bool made_take(struct ward *ward); /* its guard and a fitter; false: it is built as any other */
void made_remember(const struct ward *ward); /* it is ready, and there may be more like it */
bool made_lacks(void);                       /* one that can be begun now */
void made_fill(void);                        /* begins one */
void made_reported(uint32_t number);         /* the report pipe of one is readable or closed */
void made_reaped(uint32_t number);
void made_late(void);
void made_stop(void);
bool made_left(void);

/* ---- fitters: launcher_rocker_fit.c -------------------------------------------------------------- */

int fitter_take(void);         /* -1: none is at rest */
int fitter_socket(int fitter); /* stays its own */
void fitter_rest(int fitter);  /* it has said that it is done */
void fitter_end(int fitter);   /* nobody knows what it does */
bool fitters_lack(void);
void fitters_trust(void); /* a rocker was made: those that failed say nothing any more */
void fitters_fill(void);
void fitter_reaped(uint32_t number);
void fitters_stop(void);
bool fitters_left(void);

/* ---- namespaces kept: launcher_rocker_ns.c ------------------------------------------------------ */

/*
 * Each a descriptor that stays ours, or -errno. What has joined a namespace keeps it: so the one that was
 * used least lately makes room for a new one.
 */
#define NS_NOBODY UINT32_MAX    /* of blanks that have no owner yet: nothing runs there */
int ns_network(uint32_t owner); /* of all of this owner's rockers that have no other */
int ns_host_network(void);
/* Which one a rocker with that network joins; -1: it stays in the blank's own. And what kind of blank that has. */
int ns_join(uint32_t owner, enum plan_network network);
enum blank_kind ns_blank(enum plan_network network);
int ns_leaf(const struct leaf_ids *ids);
void ns_stop(void);

/* ---- which children and deadlines there are: launcher_rocker_index.c ------------------------------ */

/* What a child is to us, with the number of its ward, check or place in the pool. */
enum kin {
	KIN_NONE,
	KIN_GUARD,
	KIN_OPENER,
	KIN_SERVER,
	KIN_POOLED,
	KIN_MEASURE,
	KIN_RESIDENT,
	KIN_MADE,
	KIN_FITTER,
};

bool kin_known(pid_t pid);
void kin_add(pid_t pid, enum kin what, uint32_t number);
enum kin kin_remove(pid_t pid, uint32_t *number_out);

/* One deadline for each ward and, behind them, each check, and one for each of two pools; 0: none any more. */
#define CHECKS_MAX     64
#define TIMER_RESIDENT (LM_ROCKERS_MAX + CHECKS_MAX)
#define TIMER_MADE     (TIMER_RESIDENT + 1)
#define TIMERS_MAX     (TIMER_MADE + 1)
void timer_set(uint32_t timer, uint64_t when_ns);
uint64_t timer_next(void); /* the earliest; 0: there is none */
/* One that has passed, which is none any more; -1: there is none. */
int timer_passed(uint64_t now_ns);

/* ---- resident openers: launcher_rocker_resident.c ------------------------------------------------- */

#define RESIDENTS_MAX 4

/* One that is at rest and has that user's rights: its pid, or 0. */
pid_t resident_take(const struct plan_opener *user, int *report_out);
/* One is done, and rests. Takes report over. */
void resident_rest(pid_t pid, int report, const struct plan_opener *user);
/* One that was taken does not answer. */
void resident_end(pid_t pid, int report);
void resident_reaped(pid_t pid);
void residents_late(void); /* those that have rested for long end */
void residents_stop(void);
bool residents_left(void);

/* ---- openers: launcher_rocker_open.c ------------------------------------------------------------- */

/* A plan whose host paths are being opened, by one opener after the other. */
struct opening {
	struct rocker_plan *plan; /* owned; NULL: none */
	size_t size;
	uint32_t number; /* of its timer */
	unsigned next;   /* opener */
	pid_t pid;       /* of one that runs, 0: none */
	int report;      /* our end */
	bool check_only;
	int control;       /* borrowed */
	struct ward *ward; /* borrowed; NULL: a check */
	uint32_t job_uid, job_gid;
};

#define SENTENCE_MAX 400

/* What happened, and what is to be said of it. */
struct verdict {
	int err;
	char sentence[SENTENCE_MAX];
};

/* Keeps a copy of the plan. 0 or -errno. */
int opening_start(struct opening *opening, const struct rocker_plan *plan, uint32_t number);
/* Starts the next one: 1, it runs; 0: all have been; -errno with why. */
int opening_next(struct opening *opening, struct verdict *why);
/* The one that ran has ended: 0, or -errno with why. */
int opening_reaped(struct opening *opening, const siginfo_t *how, struct verdict *why);
/* The one that runs has said something: true, it is done, and rests; else its end will tell. */
bool opening_heard(struct opening *opening);
/* The one that runs does so for too long: ends the opening, with why. */
void opening_late(struct opening *opening, struct verdict *why);
void opening_end(
	struct opening
		*opening); /* the plan is let go; the process is killed, and still to be reaped */
/* A report as a sentence that quotes the plan's word. */
void report_judge(const struct rocker_plan *plan, struct rocker_report *report,
		  struct verdict *out);

/* ---- wards and checks: launcher_rocker.c, launcher_rocker_order.c --------------------------------- */

enum ward_state {
	WARD_FREE,
	WARD_OPENING,  /* openers are at work */
	WARD_BUILDING, /* the blank is becoming the guard */
	WARD_READY,
	WARD_DEAD, /* failed or ended; what is left of it is being cleared away */
};

/* A look at what it has written: launcher_rocker_disk.c. */
struct measure {
	bool owed; /* LM_ROCKER_MEASURED */
	pid_t pid; /* 0: none */
	int report;
};

struct ward {
	enum ward_state state;
	uint32_t index, owner;
	bool dropped;                          /* LM_ROCKER_GONE is owed */
	bool answered;                         /* LM_ROCKER_READY has been sent */
	bool is_kept;                          /* and left to the next launcher if this one ends */
	uint64_t persist;                      /* the plan's; 0: it ends with us */
	int guard_slot, job_slot, server_slot; /* of the id table; -1: none */
	uint32_t guard_uid, guard_gid, uid, gid;
	struct blank blank;
	struct opening opening;
	struct measure measure;
	int fitter;          /* that furnishes it; -1: none */
	bool packaged;       /* perhaps by a server */
	pid_t server;        /* of its image; 0: none, or reaped */
	const char *warning; /* a limit that this machine does not have; NULL */
	char name[ROCKER_NAME_SIZE];
};

extern struct ward wards[LM_ROCKERS_MAX];
extern unsigned wards_building; /* how many are on the way: then nothing is made ahead */

/* Orders: 0, or -EPROTO. */
int ward_new(const struct lm_rocker_new *order);
int ward_adopt(const struct lm_rocker_adopt *order);
int ward_drop(uint32_t index);
int ward_limit(uint32_t index, const struct plan_limits *limits);
int ward_freeze(uint32_t index, bool freeze);
int ward_kill(uint32_t index);
int ward_signal(uint32_t index, int signal, int pidfd);
int ward_check(const struct lm_rocker_check *order);
int ward_measure(uint32_t index, uint64_t limit_bytes);

/* launcher_rocker_id.c: finds its ids; false: refused. And "rk" with a number that no other guard has. */
bool ward_identify(struct ward *ward);
int ward_leaf(const struct ward *ward); /* ns_leaf() of those */
void ward_new_name(char out[ROCKER_NAME_SIZE]);

void ward_reported(uint32_t index); /* its report pipe is readable or closed */
void ward_opened(uint32_t index);   /* what its opener says can be heard */
void ward_late(struct ward *ward);
void ward_ended(struct ward *ward,
		const siginfo_t *how); /* its guard; how: 0 what nobody can tell */
void ward_adopted_ended(uint32_t index);
void ward_end(struct ward *ward); /* everything in it */
/* It cannot be made, or shall not be: says so, if that was not answered yet, and ends it. */
void ward_refuse(struct ward *ward, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void ward_answer(struct ward *ward, int rc, const char *sentence);
/* Clears away what is left of a dead one, as far as that is possible now. */
void ward_settle(struct ward *ward);
void check_reaped(uint32_t number, const siginfo_t *how);
void check_opened(uint32_t number); /* what its opener says can be heard */
void check_late(uint32_t number);
void measure_reaped(struct ward *ward);
void measure_late(struct ward *ward);
void measure_end(struct ward *ward); /* its rocker ends */

/* ---- servers of images: launcher_rocker_image.c --------------------------------------------------- */

/* One that waits at the socket whose other end is given out. 0 or -errno. */
int ward_server_start(struct ward *ward, int *socket_out);
void ward_server_end(const struct ward *ward);
/* Limits of the rocker's control group: with what a server takes, where there may be one. */
struct plan_limits ward_limits(const struct ward *ward, const struct plan_limits *limits);

/* ---- for the loop: launcher_rocker_loop.c --------------------------------------------------------- */

void wards_groups(void); /* finds the control groups, and clears those of the dead away */
void wards_start(void);  /* after jail_start() */
void wards_facts(char *text, size_t size); /* appends lines "key value" */
/* The next moment at which there is something to do; UINT64_MAX: none. */
uint64_t wards_next(void);
void wards_late(uint64_t now_ns);
/* There was an order: what is made ahead waits until it is quiet. */
void wards_busy(void);
void wards_opened(uint32_t timer); /* the opener of a ward or check */
/* A child that kin_known() tells of has ended and is reaped. */
void wards_reaped(pid_t pid, const siginfo_t *how);
void wards_drop_all(void);
bool wards_left(void);
void wards_stop(void);

#endif
