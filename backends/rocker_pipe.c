/* SPDX-License-Identifier: MIT */
/*
 * Pipes made ahead, for the output of runs: the thread of links makes one after the end of each job, when nobody waits for it.
 * Each is used once, since a job's end of it may have gone anywhere.
 */
#include "rocker_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

#define PIPES 4

static struct {
	pthread_mutex_t lock;
	bool stopped;
	unsigned count;
	int ends[PIPES][2];
} ready = { .lock = PTHREAD_MUTEX_INITIALIZER, .stopped = true };

static int make(int ends[2])
{
	int err;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	if (!fcntl(ends[0], F_SETFL, O_NONBLOCK))
		return 0;
	err = errno;
	close(ends[0]);
	close(ends[1]);
	return -err;
}

static bool take(int ends[2])
{
	bool found;

	pthread_mutex_lock(&ready.lock);
	found = ready.count;
	if (found) {
		ready.count--;
		ends[0] = ready.ends[ready.count][0];
		ends[1] = ready.ends[ready.count][1];
	}
	pthread_mutex_unlock(&ready.lock);
	return found;
}

int rocker_pipe_take(int ends[2])
{
	return take(ends) ? 0 : make(ends);
}

static bool put(const int ends[2])
{
	bool fits;

	pthread_mutex_lock(&ready.lock);
	fits = !ready.stopped && ready.count < PIPES;
	if (fits) {
		ready.ends[ready.count][0] = ends[0];
		ready.ends[ready.count][1] = ends[1];
		ready.count++;
	}
	pthread_mutex_unlock(&ready.lock);
	return fits;
}

static void drop(const int ends[2])
{
	close(ends[0]);
	close(ends[1]);
}

static bool is_full(void)
{
	bool full;

	pthread_mutex_lock(&ready.lock);
	full = ready.stopped || ready.count == PIPES;
	pthread_mutex_unlock(&ready.lock);
	return full;
}

void rocker_pipe_prepare(void (*made)(int fd))
{
	int ends[2];

	if (is_full() || make(ends))
		return;
	made(ends[0]);
	if (!put(ends))
		drop(ends);
}

void rocker_pipes_start(void)
{
	pthread_mutex_lock(&ready.lock);
	ready.stopped = false;
	pthread_mutex_unlock(&ready.lock);
}

void rocker_pipes_stop(void)
{
	int ends[2];

	pthread_mutex_lock(&ready.lock);
	ready.stopped = true;
	pthread_mutex_unlock(&ready.lock);
	while (take(ends))
		drop(ends);
}
