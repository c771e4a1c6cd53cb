/* SPDX-License-Identifier: MIT */
/*
 * The numbers of runs and jobs. From any thread, between start and stop; nothing here waits for the
 * disk unless half a block of numbers is given before a thread of the pool has reserved the next.
 */
#ifndef KERNEL_NUMBER_H
#define KERNEL_NUMBER_H

#include <stdint.h>

/* Before any run, once there are a pool and the folder of kernels. */
void kernel_number_start(void);
/* After all runs and the pool: what was not given will be. */
void kernel_number_stop(void);
/* Greater than all before it, also those of daemons before. */
uint64_t kernel_number(void);

#endif
