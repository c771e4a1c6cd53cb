/* SPDX-License-Identifier: MIT */
/*
 * The last refusal of each uid: of one object, and of the whole mount.
 *
 * Lists of refusals are bounded: when one is full the oldest goes. All functions may be called from
 * any thread.
 */
#ifndef ERRORS_H
#define ERRORS_H

#include "sandboxfs.h"

struct refusal;

/*
 * Notes how something that who asked of name in dir (NULL name: of dir itself) ended: rc of 0 or
 * more is a success. The sentence is this thread's, if it was noted for rc. Returns rc.
 */
int64_t errors_note(struct sfs_obj *dir, const char *name, const struct sfs_cred *who, int64_t rc);

/* The sentence for a refusal: the one noted by this thread for err, else a plain one. */
const char *errors_sentence(int64_t err);

/* "EINVAL" for -EINVAL. */
const char *errors_name(int64_t err);

/*
 * /error for who: "ok" or "path ERRNO sentence"; for root also a line "uid N path ERRNO sentence"
 * for each other uid whose last call here was refused.
 */
void errors_show(const struct sfs_cred *who, struct sfs_buf *out);

void errors_free_list(struct refusal *list); /* of an object that ends */
void errors_stop(void);                      /* frees the mount's own list */

#endif
