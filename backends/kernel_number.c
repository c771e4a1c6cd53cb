/* SPDX-License-Identifier: MIT */
/*
 * Numbers of runs and jobs: each is given once, by whatever daemon. A file holds the first that may
 * not have been given; it is moved on by a block before a number of that block is, on a thread of
 * the pool long before that is needed, so that no run waits for the disk. A daemon that is killed
 * leaves the rest of its block unused.
 */
#include <errno.h>
#include <stdlib.h>

#include "kernel_number.h"
#include "kernels.h"

#define BLOCK 1024

static atomic_ullong next;     /* the number that is given next */
static atomic_ullong reserved; /* those below are this daemon's to give; grows under lock */
static atomic_bool refilling;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * Numbers of a file that cannot be written are given all the same: what is wrong stands in /status.
 */
static void reserve(uint64_t above)
{
	int rc;

	pthread_mutex_lock(&lock);
	if (atomic_load(&reserved) < above + BLOCK / 2) {
		rc = kernel_save_number(above + BLOCK);
		if (rc)
			sfs_status("run numbers", "numbers of runs may come again: %s",
				   sfs_sentence());
		else
			sfs_status("run numbers", NULL);
		atomic_store(&reserved, above + BLOCK);
	}
	pthread_mutex_unlock(&lock);
}

static void refill(void *job)
{
	free(job);
	reserve(atomic_load(&next));
	atomic_store(&refilling, false);
}

/* Half of the block is left to give meanwhile. */
static void refill_soon(void)
{
	struct pool_job *job;

	if (atomic_exchange(&refilling, true))
		return;
	job = malloc(sizeof(*job));
	if (!job) {
		atomic_store(&refilling, false);
		return;
	}
	*job = (struct pool_job){ .work = refill, .arg = job };
	pool_submit(job);
}

uint64_t kernel_number(void)
{
	uint64_t number = atomic_fetch_add(&next, 1);

	if (number + BLOCK / 2 >= atomic_load(&reserved))
		refill_soon();
	if (number >= atomic_load(&reserved))
		reserve(number + 1);
	return number;
}

void kernel_number_start(void)
{
	uint64_t first = 1;

	/* Of more runs than seconds no machine is capable for long. */
	if (kernel_saved_number(&first))
		first = sfs_wall_ns() / 1000000000u;
	atomic_store(&next, first);
	atomic_store(&reserved, 0);
	atomic_store(&refilling, false);
	reserve(first);
}

void kernel_number_stop(void)
{
	if (atomic_load(&next)) /* it has begun */
		(void)kernel_save_number(atomic_load(&next));
}
