/* SPDX-License-Identifier: MIT */
/*
 * Numbers of jobs: each is given once, by whatever daemon. A file holds the first that may not have been
 * given, in a line of constant length that is written over in place, a block of numbers ahead: one
 * short write to the page cache for so many jobs. It need not survive a loss of power, as no job does. A daemon
 * that is killed leaves the rest of its block unused.
 */
#include "rocker_number.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandboxfs.h"

#define BLOCK     1024
#define LINE_SIZE 21 /* as many digits as 64 bits have, and a newline */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t next, reserved; /* under lock, like all below */

/* Not kept open: a disk that is to be remounted read-only must have no writer. -1: errno. */
static int open_file(int flags)
{
	char path[sizeof(sfs_config()->state_dir) + 16];

	snprintf(path, sizeof(path), "%s/job_number", sfs_config()->state_dir);
	return open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
}

/* What is wrong stands in /status; numbers are given all the same. */
static void save(uint64_t number)
{
	char text[LINE_SIZE + 1];

	int file = open_file(O_WRONLY | O_CREAT);

	snprintf(text, sizeof(text), "%020llu\n", (unsigned long long)number);
	if (file >= 0 && pwrite(file, text, LINE_SIZE, 0) == LINE_SIZE)
		sfs_status("job numbers", NULL);
	else
		sfs_status("job numbers", "numbers of jobs in rockers may come again: %s",
			   strerror(errno));
	if (file >= 0)
		close(file);
}

static uint64_t load(void)
{
	char text[LINE_SIZE + 1] = "", *end = text;
	int file = open_file(O_RDONLY);
	ssize_t got = file >= 0 ? pread(file, text, LINE_SIZE, 0) : 0;
	uint64_t number = 0;

	if (file >= 0)
		close(file);
	if (!got)
		return 1;
	if (got == LINE_SIZE)
		number = strtoull(text, &end, 10);
	/* Damaged. Of more jobs than seconds no machine is capable for long. */
	if (!number || number >= INT64_MAX || strcmp(end, "\n"))
		number = sfs_wall_ns() / 1000000000u;
	return number;
}

void rocker_number_start(void)
{
	pthread_mutex_lock(&lock);
	next = load();
	reserved = next;
	pthread_mutex_unlock(&lock);
}

void rocker_number_stop(void)
{
	pthread_mutex_lock(&lock);
	if (reserved != next)
		save(next);
	pthread_mutex_unlock(&lock);
}

uint64_t rocker_number(void)
{
	uint64_t number;

	pthread_mutex_lock(&lock);
	number = next++;
	if (number >= reserved) {
		reserved = number + BLOCK;
		save(reserved);
	}
	pthread_mutex_unlock(&lock);
	return number;
}
