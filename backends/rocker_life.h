/* SPDX-License-Identifier: MIT */
/*
 * Inside of the rockers' own files: how one comes, changes and goes, beside what jobs know of that (rockers.h).
 */
#ifndef ROCKER_LIFE_H
#define ROCKER_LIFE_H

#include "rocker_spec.h"
#include "rockers.h"

/* With one reference, which a directory takes over. spec is taken over, NULL: out of memory. */
struct rocker *rocker_new(const char *name, const struct sfs_owner *owner,
			  struct rocker_spec *spec);
struct rocker_whose rocker_whose(const struct rocker *rocker);
struct rocker_spec *rocker_get_spec(struct rocker *rocker); /* counted */

/* Builds it, anew if it is idle and differs from its specification. Refusals are seen in its state. */
void rocker_build(struct rocker *rocker);
/*
 * One that was just made will be built: it is BUILDING, and who uses it waits for that. Then builds it, unless it
 * is being built already.
 */
void rocker_promise(struct rocker *rocker);
void rocker_begin(struct rocker *rocker);
/* At the start: one that persists and was left by an earlier daemon is this rocker's again. */
void rocker_adopt(struct rocker *rocker);
/* Its directory goes: ends all of it, and answers who waits, once who removes it has the answer. May be repeated. */
void rocker_remove(struct rocker *rocker);
/* Its guard is there, and can be spoken to. Under its lock. */
bool rocker_is_live(const struct rocker *rocker);
/* Refuses with -EBUSY what would end what runs. what: a word for the sentence. */
int rocker_check_idle(struct rocker *rocker, const char *what);
/*
 * For what a command does to one that is built, under its lock: the launcher's, or NULL with -ESRCH and
 * sfs_fail, and the lock given back.
 */
struct launch_rocker *rocker_lock_launch(struct rocker *rocker, int *rc_out);
void rocker_unlock(struct rocker *rocker);

/* ---- what takes long: rocker_slow.c ------------------------------------------------------------ */

/*
 * Something that the launcher does for a rocker; /status names it when it takes more than 5 s. One struct at a
 * time for one thing; what is a constant.
 */
struct rocker_slow {
	struct rocker_slow *next, **link; /* NULL: it is not under way */
	uint64_t since_ns;
	const char *what;
	bool told;
	char key[SFS_NAME_MAX + 16];
};
void rocker_slow_begin(struct rocker_slow *slow, const char *name, const char *what);
void rocker_slow_end(struct rocker_slow *slow); /* idempotent */
/* Tells of what is slow by now; false: nothing is under way. */
bool rocker_slow_look(void);

/* ---- what it lets go of: rocker_leave.c --------------------------------------------------------- */

/* Who waits for it to be there. */
struct rocker_wait {
	rocker_ready *ready;
	void *arg;
	struct rocker_wait *next;
};

/* One that the launcher was asked for, until nothing is left of it. */
struct rocker_order {
	struct rocker *rocker; /* counted */
	struct rocker_slow slow;
	bool adopts; /* constant: it is not made, but was left by another daemon */
	bool unasked; /* nobody's use of it: its owner is told why it did not come; the rocker's lock */
};

/* What is let go of, and told, once the lock has been given back. */
struct rocker_leaving {
	struct rocker_link *link;
	struct launch_rocker *launch;
	struct rocker_order *order; /* that of launch */
	struct rocker_spec *built;
	int pidfd;
	struct rocker_wait *waiting;
	int rc; /* for those */
	char sentence[SFS_SENTENCE_MAX];
};
extern const struct rocker_leaving rocker_leaves_nothing;

/* Under its lock: watchers of that row are told; what is built is not this rocker's any more; who waits will hear. */
void rocker_changed(struct rocker *rocker, const char *attr);
void rocker_detach(struct rocker *rocker, struct rocker_leaving *out);
void rocker_fail_waiting(struct rocker *rocker, struct rocker_leaving *out, int rc,
			 const char *sentence);
/* Without it. */
void rocker_let_go(struct rocker_leaving *leaving);

/* ---- answers: rocker_answer.c -------------------------------------------------------------------- */

/*
 * A command whose answer is put off until the launcher's came, or until its caller gave up; part of a struct of
 * whoever makes it, zeroed but for what is said here. Counted: by its request, which is answered by a thread of
 * these, and by what the launcher still owes.
 */
struct rocker_answer {
	atomic_uint refs;                    /* 1 at first */
	struct sfs_req *req;                 /* constant */
	const char *written;                 /* constant: what a refusal is about, the request's */
	size_t written_len;                  /* constant */
	int (*keep)(struct rocker_answer *); /* constant: after a 0, unless it was given up; NULL */
	void (*release)(struct rocker_answer *); /* constant: nobody has it any more */
	/* The rest is rocker_answer.c's. */
	bool queued;
	int rc;
	char sentence[SFS_SENTENCE_MAX];
	struct rocker_answer *next;
};
/* Before the launcher is asked: from now on SFS_LATER is to be returned. */
void rocker_answer_expect(struct rocker_answer *answer);
/* Owed once after that: a launch_rocker_done. */
void rocker_answer_came(void *answer, int rc, const char *sentence);
void rocker_answer_put(struct rocker_answer *answer);

int rocker_answers_start(void);
void rocker_answers_stop(void); /* answers what is queued */
void rocker_answers_wake(void); /* something slow may have begun */

/* ---- what it has written: rocker_disk.c ---------------------------------------------------------- */

int rocker_disks_start(void); /* 0 or -errno with sfs_fail */
void rocker_disks_stop(void);
/* It is built anew; under its lock, as the next two. */
void rocker_disk_begin(struct rocker *rocker);
/*
 * May it be used now? 0; SFS_LATER: it was full, or nobody has looked yet, and rocker_go_on() comes; -errno with
 * sfs_fail.
 */
int rocker_disk_ask(struct rocker *rocker);
/* Somebody uses it: it is looked at until nobody does. */
void rocker_disk_used(struct rocker *rocker);
/* Those that wait for that may use it, or are refused; rocker_life.c. */
void rocker_go_on(struct rocker *rocker, const struct launch_rocker *launched, int rc,
		  const char *sentence);

/* ---- changes: rocker_change.c ------------------------------------------------------------------ */

/* The rows that take values. */
int rocker_value_store(struct sfs_obj *dir, struct sfs_cmd *cmd, enum rocker_key key);
int rocker_value_check(struct sfs_obj *dir, const struct sfs_cmd *cmd, enum rocker_key key);
int rocker_spec_store(struct sfs_obj *dir, struct sfs_cmd *cmd);
int rocker_spec_check(struct sfs_obj *dir, const struct sfs_cmd *cmd);

/* The rows freeze and kill: rocker_command.c. */
int rocker_freeze_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out);
int rocker_freeze_store(struct sfs_obj *dir, struct sfs_cmd *cmd);
int rocker_kill_store(struct sfs_obj *dir, struct sfs_cmd *cmd);

/* ---- on disk: rocker_save.c -------------------------------------------------------------------- */

int rocker_save_start(void); /* makes STATE/rockers; 0 or -errno with sfs_fail */
/* What there is to change: a whole specification, or one value of it. */
struct rocker_choice {
	struct rocker_spec *spec; /* counted; NULL: one value */
	enum rocker_key key;
	const char *text; /* NULL: the default */
	const struct plan_opener *by;
};
/* Changes it and writes it to disk, one change after the other; or nothing. 0 or -errno with sfs_fail. */
int rocker_keep(struct rocker *rocker, const struct rocker_choice *choice);
/* One that was just made. */
int rocker_keep_made(struct sfs_obj *dir);
/* Nothing is written any more. */
void rocker_keep_stop(void);
/* Another group or mode of its directory. */
int rocker_set_owner(struct sfs_obj *dir, uid_t uid, gid_t gid, mode_t mode);
void rocker_unkeep(struct rocker *rocker);
int rocker_load_all(struct sfs_obj *parent); /* 0 or -errno with sfs_fail */

/* ---- filters: rocker_filter.c ------------------------------------------------------------------ */

int rocker_filters_start(void); /* 0 or -errno with sfs_fail */
void rocker_filters_stop(void);
/* The row seccomp.bpf. */
struct sfs_blob *rocker_filter_blob(struct sfs_obj *dir, const struct sfs_cred *who);

/* ---- directories: rockers.c ---------------------------------------------------------------------- */

/* Adds the directory of a rocker, which is taken over, also on failure. 0 or -errno with sfs_fail. */
int rocker_plant(struct sfs_obj *parent, struct rocker *rocker, const struct sfs_owner *owner);
/* What the template of a name says: rocker_template.c. NULL with *rc_out and sfs_fail. */
struct rocker_spec *rocker_template(const char *name, const struct sfs_cred *who, int *rc_out);

extern const struct sfs_attr rocker_rows[], rocker_ns_rows[];

#endif
