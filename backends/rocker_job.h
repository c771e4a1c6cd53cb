/* SPDX-License-Identifier: MIT */
/*
 * Inside of rocker_job*.c and rocker_link*.c: a job, from its command line to what is kept of it.
 *
 * A job is counted: by its link while it runs, by its directory, by whoever shows it as somebody's last, by the command
 * that waits for it. Its lock guards all that is not said to be constant or another's. The order of locks: rocker->lock,
 * link->lock or that of rocker_jobs, job->lock; none of them is held across a callback, an answer or a change that the core is told.
 */
#ifndef ROCKER_JOB_H
#define ROCKER_JOB_H

#include <sys/queue.h>

#include "rocker_output.h"
#include "rockers.h"

#define JOB_LASTS_MAX 64 /* users whose last job a rocker knows */

enum job_state { JOB_STARTING, JOB_RUNNING, JOB_EXITED };

enum job_status {
	JOB_OK,
	JOB_EXIT,
	JOB_SIGNAL,
	JOB_SYSCALL,
	JOB_TIMEOUT,
	JOB_OOM,
	JOB_KILLED,
};

/* What the thread of links waits for. */
enum source_kind {
	SOURCE_KICK,
	SOURCE_CONTROL,
	SOURCE_LISTENER,
	SOURCE_OUT,
	SOURCE_ERR,
	SOURCE_IN,
	SOURCE_END /* of the output of any run */
};

struct source {
	enum source_kind kind; /* constant */
	int fd;                /* -1: none */
	void *owner;           /* the job or the link; constant */
	bool shared;           /* a guard has it, too: to close ours does not end the watch */
};

/* A write to stdin that the job has not taken yet. */
struct stdin_write {
	STAILQ_ENTRY(stdin_write) next;
	struct rocker_job *job; /* counted */
	struct sfs_req *req;
	const char *text; /* the request's */
	size_t len, done;
	bool cancelled;
};
STAILQ_HEAD(stdin_writes, stdin_write);

/* How it ended; constant once it has. */
struct job_end {
	enum job_status status;
	int exit_code, signal; /* -1, 0: none */
	uint64_t wall_ns, user_ns, system_ns, memory_peak_bytes;
	uint64_t voluntary_switches, forced_switches, oom_kills;
	char message[160];
};

/* What a job that has ended still holds; the references are counted. */
struct job_left {
	struct rocker *rocker; /* NULL: nothing is left to be done */
	struct rocker_link *link;
	struct rocker_job *before; /* its user's last one until now */
	bool had_begun;
};

struct rocker_job {
	atomic_uint refs;
	uint64_t number;     /* constant */
	struct sfs_cred who; /* constant */
	bool starts;         /* nobody waits for its end, and it has a directory; constant */
	unsigned argc;       /* constant, as words */
	size_t words_size;
	pthread_mutex_t lock;
	enum job_state state;
	struct rocker *rocker;    /* counted; NULL once it has ended */
	struct rocker_link *link; /* counted; NULL before it has begun and once it has ended */
	struct sfs_obj *dir;      /* counted: jobs/N; NULL: none */
	struct sfs_req *req;      /* of the command that waits; NULL: nobody */
	bool acquired;            /* the rocker is ours until it ends */
	bool cancelled;           /* the command gave up */
	bool timed_out;
	bool is_quiet;               /* the guard may tell of its end alone */
	bool refused_fatally;        /* a system call ends it */
	uint64_t sent;               /* bit N: we have sent it signal N */
	uint32_t limit_ms;           /* constant */
	uint64_t begun_ns, limit_ns; /* when it was sent off; when its time is over */
	uint64_t
		answer_ns; /* when the command that gave up is answered whatever the job does; 0: not */
	pid_t pid;         /* as the daemon sees it; 0: not asked yet; -1: not known */
	int pidfd;
	char overrun[160]; /* why everything in the rocker was killed; "" */
	char syscall[32]; /* the first one that was refused; "" */
	struct rocker_output output;
	bool changed[OUTPUTS]; /* watchers are to be told */
	unsigned writers;      /* of stdin */
	struct stdin_writes writes;
	bool in_watched;
	struct source in, out[OUTPUTS]; /* our ends */
	struct job_end end;
	/* of who ends it, then of the thread of links */
	bool ends_quietly; /* what is left may wait: nothing else of it is looked at any more */
	struct job_left left;
	/* of the thread of links */
	bool is_changed;
	TAILQ_ENTRY(rocker_job) in_changed; /* counted */
	uint32_t id;                        /* in the link */
	/* of link->lock; once it is in no list there, of the thread */
	TAILQ_ENTRY(rocker_job) of_link;
	/* of the lock of what is to be attended to */
	bool is_kicked;
	STAILQ_ENTRY(rocker_job) in_kicked; /* counted */
	/* of the lock of rocker_jobs */
	TAILQ_ENTRY(rocker_job) in_shown; /* counted */
	char words[];                     /* each ending in NUL; constant */
};

/* ---- rocker_job.c: birth, death, what is kept ---------------------------------------------------- */

/* 0 or -errno with sfs_fail_at. */
int rocker_job_new(struct rocker *rocker, const struct sfs_cmd *cmd, bool starts,
		   struct rocker_job **out);
/* With room for its words and nothing else; NULL: out of memory. */
struct rocker_job *rocker_job_make(struct rocker *rocker, const struct sfs_cred *who, size_t room);
struct rocker_job *rocker_job_get(struct rocker_job *job);
void rocker_job_put(struct rocker_job *job); /* NULL allowed */
/*
 * It has ended, or never began (rc and sfs_sentence() say why): how is what came of it, NULL: nothing worth
 * keeping. Answers whoever waits. Once; not under any lock. Of one that ends quietly the rest is left to
 * rocker_job_finish(): so its caller goes on first.
 */
void rocker_job_end(struct rocker_job *job, const struct job_end *how, int rc);
/* What need not be done before the answer: watchers are told, what it held is closed. Any number of times. */
void rocker_job_finish(struct rocker_job *job);
/* Answers whoever waits, and he only. False: nobody does. */
bool rocker_job_answer(struct rocker_job *job, int rc, struct sfs_blob *answer);
/* The row of its directory has changed. */
void rocker_job_changed(struct rocker_job *job, const char *row);
void rocker_job_release(void *job); /* of its directory */
/* Closes one of our ends; under its lock. */
void rocker_job_close(struct source *source);

/* ---- rocker_jobs.c: those that a rocker shows ------------------------------------------------------ */

/* Makes jobs/N. 0 or -errno with sfs_fail. */
int rocker_jobs_show(struct rocker_jobs *jobs, struct rocker_job *job);
/* It is its user's last that has ended. That before it, counted; or NULL. */
struct rocker_job *rocker_jobs_keep(struct rocker_jobs *jobs, struct rocker_job *job);
/* One has ended: the oldest of those may have to go. */
void rocker_jobs_prune(struct rocker_jobs *jobs);
extern const struct sfs_dirtype rocker_job_type;
/* Counted; NULL: he has none. */
struct rocker_job *rocker_jobs_last(struct rocker_jobs *jobs, uid_t uid);

/* ---- rocker_job_begin.c: what a job is given, and how it is sent off --------------------------- */

/* Counted by the caller; ready of rocker_acquire(). */
void rocker_job_begin(void *job, int rc, const char *sentence);

/* ---- rocker_job_stdin.c ---------------------------------------------------------------------------- */

int rocker_stdin_store(struct sfs_obj *dir, struct sfs_cmd *cmd);
void rocker_stdin_writers(struct sfs_obj *dir, int change);
/* The job may read, or writes were cancelled: from the thread of links. */
void rocker_stdin_go_on(struct rocker_job *job);
/* The job has ended: nobody waits any more. */
void rocker_stdin_end(struct rocker_job *job);

/* ---- rocker_job_rows.c ------------------------------------------------------------------------------ */

extern const struct sfs_attr rocker_job_rows[];
void rocker_job_put_result(const struct rocker_job *job, struct sfs_buf *out); /* under its lock */
/* 1 to 64, or -EINVAL, -ERANGE with sfs_fail_at. */
int rocker_signal_number(const struct sfs_cmd *cmd);
const char *rocker_signal_name(int number, char *buf, size_t size);

#endif
