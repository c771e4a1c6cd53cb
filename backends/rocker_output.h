/* SPDX-License-Identifier: MIT */
/*
 * What a job has written: its standard output and error, and in which order they came.
 *
 * Of each as much is kept as the configuration says, and of all that one user's jobs wrote in all rockers
 * no more than [kernels] outputs_max_bytes; the rest is counted. Under the lock of the job whose it is.
 */
#ifndef ROCKER_OUTPUT_H
#define ROCKER_OUTPUT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sandboxfs.h"

enum output_which { OUTPUT_OUT, OUTPUT_ERR, OUTPUTS };

struct output_part {
	char *data; /* owned */
	size_t size, room;
};

struct rocker_output {
	uid_t uid; /* who is charged */
	struct output_part parts[OUTPUTS];
	uint32_t *pieces; /* owned: lengths in order; the upper bit: of standard error */
	unsigned npieces, pieces_room;
	uint64_t dropped; /* bytes */
	uint64_t charged;
	struct sfs_blob *whole; /* when it is closed: both as they came, in place of the parts' data */
};

void output_add(struct rocker_output *output, enum output_which which, const void *data,
		size_t size);
/* One of them, of what is not closed, or both as they came. NULL: out of memory. */
struct sfs_blob *output_part_blob(const struct rocker_output *output, enum output_which which);
struct sfs_blob *output_blob(const struct rocker_output *output);
/*
 * The same as output_blob(), which costs nothing from then on; what comes later is not kept. NULL: out of memory, and
 * it is not closed.
 */
struct sfs_blob *output_close(struct rocker_output *output);
/* What is empty again. */
void output_clear(struct rocker_output *output);

#endif
