/* SPDX-License-Identifier: MIT */
/*
 * More about the clock behind perf_tsc_hz(). Measured once, at the first question, which takes some
 * 20 ms; constant from then on; any thread may ask.
 */
#ifndef PERF_CLOCK_H
#define PERF_CLOCK_H

#include <stdint.h>

#include "perf.h"

/* The steps in which it advances: what is below cannot be told. At least 1. */
uint64_t perf_tsc_step(void);
/* "cpuid" or "measured". */
const char *perf_tsc_source(void);

#endif
