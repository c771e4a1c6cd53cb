/* SPDX-License-Identifier: MIT */
/*
 * Writes as commands: one line is one command; several run in order and stop at the first that is
 * refused.
 */
#ifndef COMMAND_H
#define COMMAND_H

#include "file.h"

/*
 * The lines of one write. req: for rows that wait, else NULL. The count of bytes done, -errno or
 * REQ_LATER.
 */
int64_t command_lines(struct file *file, const struct file_bytes *bytes, struct sfs_req *req);
/* All of it as one command, of any bytes; the same. */
int64_t command_raw(struct file *file, const struct file_bytes *bytes, struct sfs_req *req);
/* The whole of a spec as one command. 0, -errno or REQ_LATER. */
int64_t command_whole(struct file *file, const struct file_bytes *bytes, struct sfs_req *req);

#endif
