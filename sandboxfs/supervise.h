/* SPDX-License-Identifier: MIT */
/*
 * The process that mounts, starts the two others, and ends with them.
 *
 * It has one thread and reads no input. Its children are the launcher, which keeps the privileges,
 * and the daemon, which gives them up; both get SIGKILL from the kernel should it die first.
 */
#ifndef SUPERVISE_H
#define SUPERVISE_H

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>

#define OPTIONS_MAX 2048

struct options {
	bool foreground;
	const char *state, *config, *mountpoint; /* as given; NULL: not */
	char fuse[OPTIONS_MAX];                  /* of -o, separated by commas */
	char place[PATH_MAX];                    /* mountpoint, absolute */
	/* gets one byte when the mount answers; -1: nobody waits */
	int told_fd;
};

int options_add(struct options *options, const char *more); /* 0 or -E2BIG with a sentence */

/* State directory, accounts, a dead mount in the way. 0, or -errno with a sentence. */
int prepare(struct options *options);

/* Returns the exit status, in the supervisor and in each of its children. */
int supervise(const struct options *options);

#endif
