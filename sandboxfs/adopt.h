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
/*
 * Changes of names that were sent to the dead daemon. The kernel holds the directory locked until
 * they are answered, so that nobody else can have made, removed or renamed there meanwhile: what is
 * as they were to leave it was done by them, and is a success. Anything else is -EAGAIN, with a
 * sentence.
 */
int adopt_mkdir(const struct where *where, const struct sfs_cred *who, struct seen *out);
int adopt_remove(const struct where *where, const struct sfs_cred *who);
int adopt_rename(const struct where *from, const struct where *to, const struct sfs_cred *who);
/* For a name that is not there: -ENOENT; or, once, -EAGAIN with a sentence to who had staged it. */
int adopt_missing(const struct where *where, const struct sfs_cred *who);
/* A command that was sent again: its open file has the sentence as its answer. */
int64_t adopt_command(struct file *file);

#endif
