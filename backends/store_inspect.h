/* SPDX-License-Identifier: MIT */
/*
 * Inspections: one ELF each, judged by a jailed inspector that is forked from a warm one.
 *
 * One warm inspector is kept; more are made while several users load at once. No uid has two
 * inspections at the same time, so that files on which an inspector spins hold up nobody but their
 * owner, and those who wait for one have it in turn. An inspector in which anything but a clean end was seen is thrown away with its jail.
 */
#ifndef STORE_INSPECT_H
#define STORE_INSPECT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sandboxfs.h"
#include "store_turns.h"

struct inspection {
	/* The caller's. */
	uid_t uid;
	int elf_fd; /* sealed; borrowed until done */
	/*
	 * Called once, on any thread, with no lock held, and must be brief. rc 0: the table is
	 * there to be taken. -ENOEXEC: the file made the inspector fail; -EINTR: cancelled; -EIO,
	 * -EAGAIN: ours. Then sentence says why.
	 */
	void (*done)(struct inspection *inspection, int rc);
	/*
	 * Ours, zeros before inspect_add(); table_fd and sentence are for done to use, which closes
	 * table_fd.
	 */
	int table_fd; /* owned; -1: none */
	char sentence[SFS_SENTENCE_MAX];
	struct turn turn;
	int64_t run;
	bool cancelled, retried;
};

/*
 * Makes the first inspector; when that is not possible yet it is tried again with the first
 * inspection.
 */
void inspect_start(void);
void inspect_add(struct inspection *inspection);
/* done comes soon, also if it came already. */
void inspect_cancel(struct inspection *inspection);
/* Every inspection ends now; later ones fail. */
void inspect_stop(void);

/* What judges: the hash of the inspector's program. */
const unsigned char *inspect_program(void);

#endif
