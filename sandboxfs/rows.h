/* SPDX-License-Identifier: MIT */
/*
 * What users changed of single files of an object (chmod, chown, chgrp, rm), kept in the state
 * directory: a mode that was narrowed must not be wide again after a restart.
 *
 * It is kept for objects directly under a directory at the top, and for the files at the top; what
 * is deeper (a run, a job) does not outlive the daemon anyway. It holds for an object of that name
 * that belongs to the same uid. All functions may be called from any thread.
 */
#ifndef ROWS_H
#define ROWS_H

#include "node.h"

/* Before anything is planted. 0, or -errno with a sentence. */
int rows_start(void);
/* After this the end of an object means nothing any more. */
void rows_stop(void);

/* obj is about to be linked: its files get what is kept for them. */
void rows_apply(struct sfs_obj *obj);
/* A row of obj changed, by who: keeps that. 0; -EDQUOT, -ENOSPC, -EIO with a sentence. */
int rows_keep(struct sfs_obj *obj, unsigned row, const struct sfs_cred *who);
/* obj has been removed. */
void rows_forget(struct sfs_obj *obj);

#endif
