/* SPDX-License-Identifier: MIT */
/*
 * Inside of kernel_job*.c: a job. It is counted: by its directory, by its run while that is on its
 * way, by the open file. It holds its own directory and its run, and lets go of both when it ends.
 */
#ifndef KERNEL_JOB_H
#define KERNEL_JOB_H

#include "kernels.h"

enum job_state { JOB_READY, JOB_QUEUED, JOB_RUNNING, JOB_DONE };

struct kernel_job {
	atomic_uint refs;
	struct sfs_obj *parent; /* counted: the kernel's directory */
	struct sfs_cred who;    /* whose it is, and its runs */
	uint64_t number;
	bool is_clone;
	pthread_mutex_t lock; /* of all that follows */
	enum job_state state;
	bool closed;             /* no run begins any more */
	bool has_run;            /* its number is a run's already */
	struct sfs_obj *self;    /* counted: jobs/N */
	struct run *run;         /* counted: on its way */
	struct outcome *outcome; /* counted: of its last run */
	char *line;              /* owned */
};

struct kernel_job *kernel_job_new(struct sfs_obj *parent, const struct sfs_cred *who,
				  uint64_t number); /* NULL: no memory */
struct kernel_job *kernel_job_get(struct kernel_job *job);
void kernel_job_release(void *job);
/* Makes its directory: 0 or -errno with sfs_fail. */
int kernel_job_show(struct kernel_job *job, const struct sfs_dirtype *type);
/* Takes it away. */
void kernel_job_hide(struct kernel_job *job);
/* The run gets its job, the job its run; both hold each other until the run ends. */
void kernel_job_join(struct kernel_job *job, struct run *run);
/* The run has not begun, and will not. */
void kernel_job_part(struct kernel_job *job);
/* close: no other one is to begin. False: there is none. */
bool kernel_job_end_run(struct kernel_job *job, bool close);
bool kernel_job_closed(struct kernel_job *job);

#endif
