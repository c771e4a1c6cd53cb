/* SPDX-License-Identifier: MIT */
/* The numbers of jobs in rockers. From any thread, between start and stop. */
#ifndef ROCKER_NUMBER_H
#define ROCKER_NUMBER_H

#include <stdint.h>

/* Takes up where the daemon before ended. */
void rocker_number_start(void);
void rocker_number_stop(void);
/* Greater than all before it, also those of daemons before. */
uint64_t rocker_number(void);

#endif
