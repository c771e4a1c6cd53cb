/* SPDX-License-Identifier: MIT */
/*
 * The last refusals of each uid, for /errors: what was asked, a caret under the bad word, and why
 * not.
 *
 * Places of a fixed size, made once: a refusal costs a copy and no memory. Each uid has places of
 * its own, so that nobody pushes out what another has to read; when there are more uids than are
 * kept, the one that was refused last the longest ago gives way. Any thread may call.
 */
#ifndef HISTORY_H
#define HISTORY_H

#include "sandboxfs.h"

struct history_refusal { /* all borrowed for the call */
	const char *path; /* printable */
	uid_t uid;
	const char *name;     /* of the errno */
	const char *sentence; /* printable */
	const char *text;     /* the command, any bytes; NULL: there was none */
	size_t len;
	const char *word; /* in text; NULL or elsewhere: not known */
	size_t word_len;
};

void history_add(const struct history_refusal *refusal);
/* Those of who, the last one last; for root everybody's. */
void history_show(const struct sfs_cred *who, struct sfs_buf *out);

#endif
