/* SPDX-License-Identifier: MIT */
/*
 * A gate before the names whose every lookup is an inode of its own (SFS_WAITS).
 *
 * The kernel keeps one entry for a name. Whoever finds it there has it checked by a LOOKUP, is told
 * of another inode, throws the entry away and looks up anew, while all others who want the name
 * wait for that, find the new entry and have it checked in turn: of N threads that open one such
 * file at once each sends about N LOOKUPs before it gets there, and a user who opens it once draws
 * lots with a thousand threads of another. So only a few threads of a user are let into that race
 * for the names of one directory at a time; the others' LOOKUPs are answered when those have opened
 * their file. Users have gates of their own and never wait for each other at one.
 *
 * Whoever opens with O_CREAT, which mostly comes with O_TRUNC, looks up while it has the lock of the
 * directory: there is no race among those, and to hold one up would hold up all. So the gate is open
 * while that is what is seen.
 *
 * One of those who wait may be the one whose entry the others wait for, and some never open what
 * they look up: after a moment without an open those who came last are let through, each time twice
 * as many. All functions may be called from any thread; go is called with no lock held.
 */
#ifndef GATE_H
#define GATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct gate_guest {
	uint64_t dir; /* the directory's id */
	uid_t uid;
	pid_t pid; /* of the thread; 0: not known, and it does not wait */
	void (*go)(struct gate_guest *guest);
	/* Ours. */
	struct gate_guest *next, *before;
};

/* Nobody waits before this, nor after gate_stop(), which lets all go. */
int gate_start(void); /* 0 or -errno */
void gate_stop(void);

/* A LOOKUP: true, go on. False: it has to wait with gate_wait(). */
bool gate_pass(const struct gate_guest *guest);
/* guest->go is called once, perhaps before this returns. */
void gate_wait(struct gate_guest *guest);
/* An OPEN, with O_TRUNC or not, was answered: this one is through, and another may come. */
void gate_leave(uint64_t dir, uid_t uid, pid_t pid, bool truncates);

#endif
