/* SPDX-License-Identifier: MIT */
/* The row README at the top. */
#ifndef README_H
#define README_H

#include "sandboxfs.h"

/* dir is the root. */
int readme_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out);

#endif
