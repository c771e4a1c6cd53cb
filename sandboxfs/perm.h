/* SPDX-License-Identifier: MIT */
/*
 * May somebody do this? The kernel asks for itself under default_permissions; otherwise the core
 * must.
 */
#ifndef PERM_H
#define PERM_H

#include <sys/stat.h>

#include "sandboxfs.h"

/* Set once, before any thread: the kernel does not check modes. */
void perm_check_here(bool here);

/* 0, or -EACCES with a sentence; always 0 where the kernel checks. want: R_OK, W_OK, X_OK. */
int perm_access(const struct sfs_cred *who, const struct stat *st, int want);
/* Who may change modes and times of st: 0 or -EPERM. */
int perm_owner(const struct sfs_cred *who, const struct stat *st);
/* To which group an owner may give what is his: 0 or -EPERM. */
int perm_give(const struct sfs_cred *who, gid_t gid);

#endif
