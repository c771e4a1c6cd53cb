/* SPDX-License-Identifier: MIT */
/* What is optional and there, for /features: words that sfs_feature() of sandboxfs.h adds. Any thread. */
#ifndef FEATURE_H
#define FEATURE_H

#include "sandboxfs.h"

/* A word a line, sorted. */
void feature_show(struct sfs_buf *out);

#endif
