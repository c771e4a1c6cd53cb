/* SPDX-License-Identifier: MIT */
/*
 * Inside of kernel*.c: a kernel and a run of it on its way.
 *
 * Lifetimes. A struct kernel is the private part of its directory and lives as long as the
 * directory's last reference; each run holds one. A struct run is counted: the request holds one
 * reference until sfs_req_done(), whoever works on it another. A struct outcome is counted and, but
 * for files rendered on demand under its own lock, never changes once it is published. A struct
 * template belongs to kernel_template.c, and to one run while it is lent.
 *
 * Locks, each a leaf: no other lock, no callback and no waiting system call under any of them. But
 * for one: kernel->keeping orders what is written to disk, as store.names does in the store.
 *
 * The way of a run (each arrow may change threads, none of them ever waits): kernel_run_store ->
 *   template_get -> kernel_run_got -> prepare -> launch_run -> ended -> judge -> publish -> sfs_req_done
 */
#ifndef KERNELS_H
#define KERNELS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "kernelspec.h"
#include "launch.h"
#include "measure.h"
#include "perf.h"
#include "sandboxfs.h"
#include "store.h"

#define KERNEL_EVENTS_MAX 16  /* clocks and counters of one run */
#define KERNEL_TEXT_MAX   512 /* bytes of a list of events */
#define KERNEL_VIEWS_MAX  64  /* uids whose last run one kernel remembers */
#define KERNEL_INLINE_MAX                                                                          \
	(64u << 10) /* bytes that are filled or checked on the spot, not on the pool */
#define KERNEL_INLINE_WORK (64u << 10) /* multiplications of a reference, likewise */
#define KERNEL_OUTPUT_MAX  (16u << 20) /* bytes of output buffers that are kept */
#define KERNEL_METRICS_MAX (SPEC_METRICS_MAX + 16)

/* ---- specification and directory ------------------------------------------------------------- */

struct kernel_spec { /* constant, counted */
	atomic_uint refs;
	struct spec *spec;     /* owned */
	struct sfs_blob *text; /* owned */
	struct spec_defaults defaults;
};
/* sfs_fail */
struct kernel_spec *kernel_spec_new(const char *text, size_t size, const char *name, int *err_out);
struct kernel_spec *kernel_spec_get(struct kernel_spec *spec);
void kernel_spec_put(struct kernel_spec *spec);

struct kernel_events {
	unsigned count;
	struct perf_name names[KERNEL_EVENTS_MAX];
};
/*
 * A list separated by commas, blanks, newlines or '|'; words "ok" are not skipped. 0 or -errno with
 * sfs_fail.
 */
int kernel_events_parse(const char *text, size_t len, struct kernel_events *out);
/* The configuration's; parsed once. */
const struct kernel_events *kernel_events_default(void);

struct outcome;

struct kernel {
	char name[SFS_NAME_MAX + 1];
	bool shipped;
	pthread_mutex_t keeping;           /* held while its file is written; taken before lock */
	pthread_mutex_t lock;              /* of all that follows but the atomics */
	uint64_t embedded;                 /* sequence of the codelet that brought it; 0: none */
	char brought_by[SFS_NAME_MAX + 1]; /* its name */
	struct kernel_spec *spec;          /* counted; NULL: empty */
	char codelet[SFS_NAME_MAX + 1];
	/* as chosen; "": the specification's, else the default */
	char events_text[KERNEL_TEXT_MAX];
	struct {
		uid_t uid;
		struct outcome *outcome; /* counted */
	} views[KERNEL_VIEWS_MAX];       /* the latest first */
	unsigned nviews;
	bool is_unseen;        /* and stays without any */
	bool gone;             /* its directory is being removed */
	struct run *in_flight; /* a list through next_run; each leaves it before it is freed */
	struct shelf *shelves; /* with the next kernel_history.c's own, under its lock */
	bool forgets;          /* no run is kept any more */
	unsigned keeping_runs; /* being kept at this moment */
	bool filed;            /* it may have a file on disk; keeping */
	unsigned made;         /* its line among those that have none, from one; 0: none; keeping */
	atomic_uint running;
	atomic_ullong runs, errors, timeouts, checks_failed, integrity_violations;
};

extern const struct sfs_backend kernels_backend;

extern const struct sfs_dirtype kernel_user_type, kernel_embedded_type, kernel_shipped_type;

/* 0, or -EPERM with sfs_fail: it goes with what brought it. dir's private part is the kernel. */
int kernel_removable(struct sfs_obj *dir);

struct kernel *kernel_new(const char *name);
void kernel_free(void *kernel);
struct kernel_spec *kernel_get_spec(struct kernel *kernel); /* counted; NULL */
/* The events that a run counts when its words say nothing. 0 or -errno with sfs_fail. */
int kernel_get_events(struct kernel *kernel, struct kernel_events *out);

/*
 * Adds the directory of a kernel, with runs and jobs in it; kernel is taken over, also on failure. 0
 * or -errno with sfs_fail.
 */
int kernel_plant(struct sfs_obj *parent, struct kernel *kernel, const struct sfs_dirtype *type,
		 const struct sfs_owner *owner);

/* ---- kernels that users made, on disk -------------------------------------------------------- */

int kernel_save_start(void); /* makes STATE/kernels; 0 or -errno with sfs_fail */
/*
 * What users choose of a kernel, as it is changed: swap exchanges it with what the kernel has, under
 * kernel->lock.
 */
struct kernel_choice {
	void (*swap)(struct kernel *kernel, struct kernel_choice *choice);
	struct kernel_spec *spec; /* counted */
	char text[KERNEL_TEXT_MAX];
};
/*
 * Changes a kernel and writes it to disk, one change after the other; what cannot be written is
 * taken back, since it would be another kernel after a restart. Then choice holds what is to be
 * freed. 0 or -errno with sfs_fail.
 */
int kernel_keep(struct sfs_obj *dir, struct kernel_choice *choice);
/* One that was just made, and most likely has nothing yet. 0 or -errno with sfs_fail. */
int kernel_keep_made(struct sfs_obj *dir);
/* Another owner or mode of its directory, kept likewise. */
int kernel_set_owner(struct sfs_obj *dir, uid_t uid, gid_t gid, mode_t mode);
/* Takes it off the disk, where nothing puts it back; no run begins any more. */
void kernel_unkeep(struct kernel *kernel);
int kernel_load_all(struct sfs_obj *parent); /* 0 or -errno with sfs_fail */

/*
 * One number beside them, in a file that survives a loss of power. 0 or -errno with sfs_fail;
 * *number_out stays as it is where nothing was saved yet.
 */
int kernel_save_number(uint64_t number);
int kernel_saved_number(uint64_t *number_out);

/* ---- work for other threads ------------------------------------------------------------------ */

struct pool_job {
	void (*work)(void *arg);
	void *arg;
	uid_t uid; /* whose work it is: one user never has all threads */
	struct pool_job *next;
};
int pool_start(void);
void pool_stop(void); /* finishes what is queued */
/* the job's memory belongs to the pool until work is called */
void pool_submit(struct pool_job *job);
unsigned pool_cores(void);

/* ---- templates ------------------------------------------------------------------------------- */

struct arena;

struct template_key {
	uid_t uid;
	unsigned char sha256[32];
	uint64_t memory_bytes, arena_bytes, stack_bytes;
	char allow[512];
};

#define TEMPLATE_BASES_MAX 32

struct kernel_usage {    /* what the kernel knows of a process */
	uint64_t cpu_ns; /* from the gate on */
	uint64_t minor_faults, major_faults;
};

struct template
{
	struct template_key key;
	struct launch_zygote *zygote;
	int plan_fd, claim_fd, link_fd; /* owned */
	struct wire_plan *plan;         /* ours to write while no run is in flight */
	struct wire_claim *claim;       /* the run's to write; stable once it has ended */
	const struct wire_link *link;   /* stable since the template is ready */
	/* owned: the buffers of the last run, for the next with the same binding */
	struct arena *arena;
	struct {
		struct launch_event event;
		uint64_t value;
	} bases[TEMPLATE_BASES_MAX]; /* what a run counts that calls an empty function */
	unsigned nbases;
	struct kernel_usage usage; /* the least that such a run used */
	unsigned empty_runs;       /* how many there were */
	uint64_t slowest_ns;       /* the most processor time of the first of them */
	/* Below: kernel_template.c's own, under its lock. */
	int state;
	bool forgotten; /* its codelet went away */
	uint64_t used_at;
	struct codelet *codelet; /* counted */
	int rc;
	char sentence[WIRE_TEXT_MAX];
	struct pool_job job;
	struct template *next;
};

struct template_wait {
	struct template_key key; /* the caller's, before template_get() */
	struct codelet *codelet; /* borrowed until got */
	void (*got)(struct template_wait *wait, struct template *template, int rc,
		    const char *sentence);
	bool queued;
	struct template_wait *next;
};

/*
 * got is called once, on any thread, perhaps before this returns; template NULL: rc and a sentence
 * say why.
 */
void template_get(struct template_wait *wait);
/* true: it was still waiting, and got will not be called. */
bool template_forget(struct template_wait *wait);
struct kernel_usage kernel_usage_of(const struct launch_exit *how);
/* What an empty run of it counts of this event, or NULL. */
uint64_t *template_base(struct template *template, const struct launch_event *event);
/* Gives it back; dead: it is of no use any more. */
void template_put(struct template *template, bool dead);
/* Drops the templates of this codelet, each as soon as nobody uses or awaits it. */
void template_forget_codelet(const struct codelet *codelet);
void template_stop(void);

/* ---- buffers --------------------------------------------------------------------------------- */

/*
 * The memory of one run as it lies in a memfd: for each set the buffers, with poison around the
 * data, and pristine copies for those that are refilled before each call.
 */
struct arena {
	int fd;              /* owned */
	uint8_t *map;        /* owned */
	uint64_t bytes;      /* of the memfd */
	uint64_t data_bytes; /* of all buffers in all sets */
	unsigned nbuffers, nsets;
	bool filled;
	struct wire_buffer buffers[WIRE_BUFFERS_MAX];
	uint8_t *copies[WIRE_BUFFERS_MAX]; /* owned: what a writable buffer held at first */
	/* counted: with words, the binding that it was made for */
	struct kernel_spec *spec;
	char words[1024];
};
/* Lays out and allocates; touches no data. NULL with *err_out and sfs_fail. */
struct arena *arena_new(const struct spec_bound *bound, unsigned nsets, int *err_out);
void arena_free(struct arena *arena); /* NULL allowed */
bool arena_fits(const struct arena *arena, const struct kernel_spec *spec, const char *words,
		unsigned nsets);
/*
 * Makes it as it must be before a run: all of it the first time, what may be written the other
 * times. 0, -errno with sfs_fail.
 */
int arena_fill(struct arena *arena, const struct spec_bound *bound);
uint64_t arena_bytes_needed(const struct spec_bound *bound, unsigned nsets);
/* Where the codelet wrote beside its data: a sentence in text, and true. */
bool arena_overrun(const struct arena *arena, const struct spec_bound *bound, char *text,
		   size_t size);

/* ---- a run ----------------------------------------------------------------------------------- */

enum run_check { RUN_CHECK_ON, RUN_CHECK_STRICT, RUN_CHECK_OFF };

struct run_options {
	char codelet[SFS_NAME_MAX + 1]; /* "": the kernel's choice */
	char function[128];
	struct kernel_events events;
	bool reps_given, warmup_given;
	uint32_t reps, warmup, timeout_ms, max_ms;
	int cpu; /* -1: any */
	enum wire_cache cache;
	bool cache_given;
	enum wire_mode mode;
	enum run_check check;
	char tag[SFS_NAME_MAX + 1];
};

struct run {
	atomic_uint refs;
	pthread_mutex_t lock;
	bool cancelled;      /* under lock */
	int64_t launched;    /* under lock; 0: not in flight */
	struct sfs_obj *dir; /* counted */
	struct kernel *kernel;
	struct run *next_run; /* under kernel->lock, with the next */
	bool orphaned;        /* its kernel was removed */
	struct sfs_req *req;  /* NULL: a job's */
	struct sfs_cred who;
	struct kernel_spec *spec; /* counted */
	struct codelet *codelet;  /* counted */
	bool is_bound;
	struct spec_bound bound;
	char words[1024]; /* the binding as text */
	struct run_options options;
	uint32_t nsets;
	bool is_large; /* filling and checking go to the pool */
	bool retried;
	unsigned calibrations; /* still to do */
	unsigned remeasured;   /* times that its claims did not hold */
	uint64_t disturbed_ns; /* the slowest empty run between those tries */
	struct template_wait wait;
	struct template *template; /* lent */
	struct pool_job job;
	struct launch_order order;
	int counter[KERNEL_EVENTS_MAX];      /* index among the counters of the order, or -1 */
	char refused[KERNEL_EVENTS_MAX][96]; /* why an event is not among them */
	struct launch_exit how;
	uint64_t started_at_ns;
	uint64_t number;
	char *line;             /* owned: its words, such that they say the same again */
	struct kernel_job *for_job; /* counted; NULL: somebody waits for req instead */
	bool is_published;
};

/* Words judged: a run that has not begun. NULL with *rc_out and sfs_fail. */
struct run *kernel_run_new(struct sfs_obj *dir, const struct sfs_cred *who, const char *text,
			   size_t len, int *rc_out);
void kernel_run_put(struct run *run); /* NULL allowed */
/*
 * Queues it. 0: the reference is taken over, and the run may have ended by now; -ENODEV with
 * sfs_fail: it is still the caller's.
 */
int kernel_run_begin(struct run *run);
void kernel_run_got(struct template_wait *wait, struct template *template, int rc,
		    const char *sentence);
void kernel_run_announce(const struct run *run);
/* Ends it, soon, wherever it is on its way; for the core too. The caller holds a reference. */
void kernel_run_cancel(void *run);
/* The row "run". */
int kernel_run_store(struct sfs_obj *dir, struct sfs_cmd *cmd);
/* Ends every run of a kernel that is being removed; none begins any more. */
void kernel_end_runs(struct kernel *kernel);
/* Takes the directories of its jobs away, whatever those still do. */
void kernel_jobs_end(struct sfs_obj *dir);
/* Words into options and binding: 0 or -errno with sfs_fail. */
int kernel_command_parse(struct run *run, const char *text, size_t len);
/* The refusal just noted is about the value of key, if the command has it. Returns rc. */
int kernel_blame_word(int rc, const char *text, size_t len, const char *key);
/* Picks the codelet and says why it cannot be used: 0 or -errno with sfs_fail. */
int kernel_choose_codelet(struct run *run, const char *chosen);
/* Writes the plan of this run, or of the empty one that calibrates. */
void kernel_plan(struct run *run, bool empty);
/* Which of the run's events are counted by descriptors. */
void kernel_plan_counters(struct run *run);

/* ---- jobs: runs that nobody waits for, jobs/N ------------------------------------------------- */

/* One job more of uid: 0, or err with sfs_fail when it would be too many. */
int kernel_quota_take(uid_t uid, int err);
void kernel_quota_give(uid_t uid);
void kernel_job_put(struct kernel_job *job); /* NULL allowed */
/* What its run tells on the way. */
void kernel_job_running(struct kernel_job *job);
void kernel_job_result(struct kernel_job *job, struct outcome *outcome);
void kernel_job_ended(struct kernel_job *job);
/* The rows "start" and "clone". */
int kernel_start_store(struct sfs_obj *dir, struct sfs_cmd *cmd);
int kernel_clone_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out);
int kernel_clone_store(struct sfs_obj *dir, struct sfs_cmd *cmd);
int kernel_clone_open(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_blob **text_out,
		      void **held_out);
void kernel_clone_close(struct sfs_obj *dir, void *held);

/* ---- the last runs, runs/N -------------------------------------------------------------------- */

/* Shows it as runs/N in the kernel's directory, and drops what is too old or too much by now. */
void kernel_history_add(struct sfs_obj *dir, struct outcome *outcome);
/*
 * Drops the oldest run of uid whose output takes room, if there is one besides those that are
 * somebody's last; that of kernel counts as replaced. False: there is none.
 */
bool kernel_history_make_room(uid_t uid, const struct kernel *kernel);
/* Drops all runs of a kernel that is being removed, and keeps none any more. */
void kernel_history_end(struct kernel *kernel);
void kernel_history_stop(void);

#endif
