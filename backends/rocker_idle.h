/* SPDX-License-Identifier: MIT */
/* Whether there is a processor that nobody else wants now, so that it costs nobody anything to wait for something awake. */
#ifndef ROCKER_IDLE_H
#define ROCKER_IDLE_H

#include <stdbool.h>

void rocker_idle_start(void); /* without it, or where the kernel does not tell, there is none */
void rocker_idle_stop(void);
/* The calling thread may run on more than one: else there is never one left beside whom it waits for. */
bool rocker_idle_possible(void);
/* Each that runs now, the caller among them, has one for itself. */
bool rocker_idle(void);

#endif
