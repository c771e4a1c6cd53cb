/* SPDX-License-Identifier: MIT */
/*
 * The last refusal of each uid: of one object, and of the whole mount; history.h keeps more of them.
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
/* The same for a command, which /errors quotes; NULL: there was none. */
int64_t errors_note_command(struct sfs_obj *dir, const char *name, const struct sfs_cred *who,
			    int64_t rc, const struct sfs_cmd *cmd);

/*
 * The same for a success that a mere look brings about: takes back a refusal of that name alone, since
 * what a search through all files finds must not depend on the order in which it reads them.
 */
void errors_settle(struct sfs_obj *dir, const char *name, const struct sfs_cred *who);

/*
 * The same for what an open(2) for reading alone has made: takes back a refusal of that file, and no
 * other one, which grep -r would wipe away before it comes to "error".
 */
void errors_settle(struct sfs_obj *dir, const char *name, const struct sfs_cred *who);

/* An operation or a command begins: a sentence that this thread noted before is not about it. */
void errors_begin(void);
/* Puts "line N: " before the sentence for err. */
void errors_in_line(int64_t err, unsigned line);

/*
 * Bytes outside of the printable ones become \xNN, since text may be what anybody wrote. room: of out, with the NUL.
 */
void errors_escape(char *out, size_t room, const char *text);

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
