/* SPDX-License-Identifier: MIT */
/*
 * Rockers in the daemon: what one is (rocker_spec*), its life (rocker_life*), and the jobs in it
 * (rocker_job*, rocker_link*); private to rocker*.c.
 *
 * A struct rocker is counted: its directory holds one reference, each job, each pending order to the
 * launcher and each link another. rocker->lock guards all that is not said to be constant or atomic; no
 * callback, no reply and nothing that waits happens under it. The order of locks: rocker->lock, then
 * a link's, then those of the core.
 */
#ifndef ROCKERS_H
#define ROCKERS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "launch_rocker.h"
#include "rocker_place.h"
#include "sandboxfs.h"

enum rocker_state {
	ROCKER_BUILDING,
	ROCKER_READY,
	ROCKER_RUNNING, /* shown so while jobs run */
	ROCKER_FROZEN,
	ROCKER_DEAD, /* could not be built, or its guard has ended: the next use builds anew */
};

/* Counted in activity. */
enum rocker_count {
	ROCKER_STARTS,
	ROCKER_EXITS,
	ROCKER_OOM_KILLS,
	ROCKER_TIMEOUTS,
	ROCKER_REFUSED_SYSCALLS,
	ROCKER_COUNTS,
};

struct rocker_spec; /* rocker_spec.h: immutable, counted */
struct rocker_link; /* rocker_link.h: the socket of one guard, and the jobs behind it */
struct rocker_jobs; /* rocker_job.h: the jobs that the directory shows */

/* What one that is built has written, where disk.max limits its data directory; all zero: it does not. rocker->lock. */
struct rocker_disk {
	uint64_t limit_bytes; /* 0: not watched */
	uint64_t bytes;       /* as they were last */
	bool known, full;     /* full: also when it cannot be measured */
	bool asked;           /* the launcher is at it */
	/* of the thread that watches: rocker_disk.c, under its lock */
	bool listed;
	uint64_t due_ns;
	TAILQ_ENTRY(rocker) in_list; /* counted */
};

struct rocker {
	atomic_uint refs;
	char name[SFS_NAME_MAX + 1]; /* constant */
	uid_t owner;                 /* constant */
	gid_t owner_gid;             /* constant: of its jobs when nothing is said */
	pthread_mutex_t keeping;     /* held while its file is written; taken before lock */
	bool filed;                  /* it may have a file on disk; keeping */
	unsigned made; /* its line among those that have none, from one; 0: none; keeping */
	unsigned text; /* the same among those that have a text, which a template said; keeping */
	pthread_mutex_t lock;
	struct sfs_obj *dir;       /* counted until the rocker is removed, then NULL */
	struct rocker_spec *spec;  /* counted; what the files show */
	struct rocker_spec *built; /* counted; what the running one was built from; NULL: none */
	bool gone;                 /* rmdir came */
	bool frozen;
	enum rocker_state state;
	unsigned uses;                /* jobs and commands that keep it from being rebuilt */
	struct rocker_wait *waiting;  /* owned: who asked for it while it is being built */
	struct launch_rocker *launch; /* NULL: none */
	struct rocker_order *order;   /* that of launch, which rocker_life.c counts by it */
	struct rocker_link *link;     /* counted; NULL: not ready */
	pid_t guard;                  /* 0: none */
	int guard_pidfd;              /* -1 */
	char guard_name[ROCKER_NAME_SIZE];
	uid_t job_uid; /* of the one that is built */
	gid_t job_gid;
	struct rocker_disk disk;
	struct rocker_jobs *jobs; /* owned; constant */
	atomic_uint_least64_t counts[ROCKER_COUNTS];
};

struct rocker *rocker_get(struct rocker *rocker);

/* ---- life: rocker_life.c ---------------------------------------------------------------------- */

/*
 * Asks for a rocker that is ready and as its files say: builds it anew if it is dead, or idle and its files
 * have changed. ready is called exactly once, perhaps before this returns, with 0 or -errno and a sentence
 * (-ENODEV it is removed, -EBUSY frozen, what the launcher says). After a 0 it stays as it is until rocker_release().
 */
/* rocker_acquire() and rocker_release() are declared in rocker_place.h. */

void rocker_count(struct rocker *rocker, enum rocker_count which,
		  uint64_t n); /* and tells watchers */
void rocker_count_quietly(struct rocker *rocker,
			  enum rocker_count which); /* one; its teller comes later */
/* How many jobs run has changed: state and activity follow. */
void rocker_jobs_changed(struct rocker *rocker);

/* ---- jobs: rocker_link.c, rocker_job.c ---------------------------------------------------------- */

/* One thread for all links, from rockers' init to stop. 0 or -errno. */
int rocker_links_start(void);
void rocker_links_stop(void);
/*
 * The socket of a guard that is ready (owned from here on). Its jobs are rocker's. NULL: out of memory. When it
 * is closed, or the guard ends, every job of it ends as killed.
 */
struct rocker_link *rocker_link_open(struct rocker *rocker, int control, unsigned profile);
void rocker_link_close(struct rocker_link *link); /* and drops the reference; NULL allowed */
/* To every process of the rocker but the guard. 0 or -errno. */
int rocker_link_signal(struct rocker_link *link, int signal);
/* The same with SIGKILL; why is what their results say. */
void rocker_link_overrun(struct rocker_link *link, const char *why);
unsigned rocker_link_running(struct rocker_link *link); /* jobs; 0 for NULL */
bool rocker_link_alive(struct rocker_link *link); /* does its guard take orders? NULL: no */

/* What jobs there are to show, and the directory jobs/ below dir. NULL: out of memory. */
struct rocker_jobs *rocker_jobs_new(struct rocker *rocker);
int rocker_jobs_plant(struct rocker_jobs *jobs, struct sfs_obj *dir);
/* The rocker is removed: nothing is shown any more, commands that wait are answered with -ENODEV. */
void rocker_jobs_end(struct rocker_jobs *jobs);
void rocker_jobs_free(struct rocker_jobs *jobs); /* NULL allowed */

/* The rows of a rocker that jobs are about: sfs_priv(dir) is the struct rocker. */
int rocker_run_store(struct sfs_obj *dir, struct sfs_cmd *cmd);   /* SFS_WAITS */
int rocker_start_store(struct sfs_obj *dir, struct sfs_cmd *cmd); /* SFS_WAITS */
int rocker_result_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out);
struct sfs_blob *rocker_output_blob(struct sfs_obj *dir, const struct sfs_cred *who);

/* What jobs read of the specification; rocker_spec.c. */
uint32_t rocker_spec_time_ms(const struct rocker_spec *spec); /* 0: the configuration's */
/* Words "KEY=VALUE" one after the other, each ending in NUL; how many. */
unsigned rocker_spec_env(const struct rocker_spec *spec, const char **words_out);
bool rocker_spec_persists(const struct rocker_spec *spec);
const char *rocker_spec_cwd(const struct rocker_spec *spec);     /* "/" by default */
uint64_t rocker_spec_disk_bytes(const struct rocker_spec *spec); /* PLAN_NO_LIMIT */

extern const struct sfs_backend rockers_backend;

#endif
