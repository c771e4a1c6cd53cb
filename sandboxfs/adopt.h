/* SPDX-License-Identifier: MIT */
/*
 * A daemon that replaces a dead one opens again what the kernel has open: rows anew, and files that
 * users bring where nothing is lost by it. What cannot be opened again is refused, with a sentence,
 * until it is released.
 */
#ifndef ADOPT_H
#define ADOPT_H

#include "dir.h"

struct file;

/* Everything is planted, and nobody is served yet. */
void adopt_all(void);
/* An open file that has none behind it: -errno, with a sentence that was noted. */
int adopt_refusal(uint64_t fh, const struct sfs_cred *who);
/* The same for a change that may have been made before the daemon died: -EAGAIN. */
int adopt_repeated(uint64_t dir, const char *name, const struct sfs_cred *who);
/* A command that was sent again: its open file has the sentence as its answer. */
int64_t adopt_command(struct file *file);

#endif
