/* SPDX-License-Identifier: MIT */
/*
 * Bytes on their way into the store: a memfd that belongs to an open file, or to a staged name.
 *
 * Counted. Its own lock makes reads, writes and hand-overs whole. What it holds is charged to the
 * uid that made it until it is freed, and so is the descriptor that it takes.
 */
#ifndef STAGE_H
#define STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct stage;

/* Empty. limit_bytes: EFBIG above. NULL with *err: -errno. */
struct stage *stage_new(uid_t uid, size_t limit_bytes, int *err);
struct stage *stage_get(struct stage *stage);
void stage_put(struct stage *stage); /* NULL allowed */

/* Begins with a copy of the bytes of fd. 0, or -errno with a sentence. */
int stage_copy(struct stage *stage, int fd);
/* offset -1 appends. The count, or -errno with a sentence. */
ssize_t stage_write(struct stage *stage, const void *data, size_t size, off_t offset);
ssize_t stage_read(struct stage *stage, void *data, size_t size, off_t offset);
int stage_truncate(struct stage *stage, off_t size);
off_t stage_size(struct stage *stage);
/* Something came since the last hand-over. */
bool stage_dirty(struct stage *stage);

/*
 * A descriptor of the bytes as they are now, to be owned and sealed by the callee; a later write
 * goes to a copy. The size goes to *size. -errno otherwise.
 */
int stage_hand_over(struct stage *stage, size_t *size);

#endif
