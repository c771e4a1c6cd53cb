/* SPDX-License-Identifier: MIT */
/*
 * What the topics of the escape suite share: an attempt is a row, and the function that tries it.
 *
 * A function returns 0 when it got what it was after, else the errno that refused it. It runs in a
 * process of its own, so it may ruin that. What it needs to know of the world outside (a pid, a port,
 * a path) are words KEY=VALUE of the command line, asked for with option().
 */
#ifndef ATTEMPT_H
#define ATTEMPT_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum attempt_flags {
	A_SYSCALL = 1, /* the call alone matters: tried in a kernel run, too */
	A_CANNOT = 2, /* this machine's kernel cannot do it, for anybody: nothing to compare with */
	A_ROOT = 4,   /* needs files that only root can lay out */
	A_ENDS = 8,   /* success ends the process that tried, and its pid namespace */
	A_ALLOWED = 16, /* must work; shown to be harmless */
	A_APART = 32,   /* the harness calls it by name, with something prepared */
	A_OWN = 128,    /* may work for an ordinary user, whose guard has his own id */
	A_GATE = 64, /* success would hurt: it asks for what cannot be, past the permission check */
};

struct attempt {
	const char *name;
	int want;      /* errno in a rocker of root's */
	int user_want; /* of an ordinary user's; 0: the same */
	unsigned flags;
	long nr; /* of the system call that A_SYSCALL is about */
	int (*go)(void);
	const char *what;
};

extern const struct attempt file_attempts[], proc_attempts[], process_attempts[], mount_attempts[],
	namespace_attempts[], kernel_attempts[], network_attempts[], right_attempts[],
	overlay_attempts[];

/* The value of the word KEY=..., or the default. */
const char *option(const char *key, const char *otherwise);
/* Of a call: 0 or its errno. */
static inline int tried(long rc)
{
	return rc < 0 ? errno : 0;
}
/* Opens and closes. */
int try_open(const char *path, int flags);
/* Can the host's secret be read at path, or at path relative to a directory? */
int try_secret(int dir, const char *path);
/* A child that sleeps. */
pid_t sleeper(void);
/* Writes text to a file that is there. */
int try_write(const char *path, const char *text);

int bomb(const char *name);
/* 42: it has an effective id of root's or a capability; else 0. */
int powers(const char *uid, const char *gid);

#endif
