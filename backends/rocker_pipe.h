/* SPDX-License-Identifier: MIT */
/*
 * Pipes for what a run writes: ends[0] is ours, from which a read never waits; ends[1] is the job's. Close-on-exec both.
 *
 * From any thread. A few are kept ready between rocker_pipes_start() and rocker_pipes_stop().
 */
#ifndef ROCKER_PIPE_H
#define ROCKER_PIPE_H

/* The caller's from now on. 0 or -errno. */
int rocker_pipe_take(int ends[2]);
/* One more is ready, if there are not enough; made is called with our end of it. */
void rocker_pipe_prepare(void (*made)(int fd));
void rocker_pipes_start(void);
void rocker_pipes_stop(void);

#endif
