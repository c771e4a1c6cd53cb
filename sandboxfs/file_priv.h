/* SPDX-License-Identifier: MIT */
/* One open(2), between file.c, which opens, reads and closes, and file_write.c. */
#ifndef FILE_PRIV_H
#define FILE_PRIV_H

#include "file.h"
#include "poller.h"

struct file {
	atomic_uint refs;
	struct node *node;        /* counted */
	int flags;                /* of open(2) */
	struct sfs_cred who;      /* who opened it: asks, commands and pays */
	struct upload *upload;    /* owned; NULL for rows */
	struct poller poller;     /* of a row */
	void *made;               /* by the row's open(), for its close() */
	bool counted;             /* by the row's writers() */
	pthread_mutex_t lock;
	/* All below under lock. */
	struct sfs_blob *text; /* counted: what reads give; NULL: to be rendered */
	uint64_t held;         /* bytes of text that are charged to who.uid */
	off_t base;            /* the offset at which text begins */
	bool unread;           /* text was made by open(2) and not read yet */
	/* text is the answer of a command: reading again gives it again */
	bool answered;
	bool restart; /* a command came: the next read begins, wherever it is */
	bool ended;   /* SFS_STREAM: a read has met the end of text */
	bool claimed; /* a command runs in the background */
	size_t cut;   /* bytes of a line that was cut and may be sent again */
	char *spec;   /* owned: what was written, SFS_WHOLE */
	size_t spec_size;
	bool spec_dirty;
};

static inline struct row_node *row_of(const struct file *file)
{
	return node_as_row(file->node);
}

/*
 * Under the lock, or before others know of the file. Takes the reference; 0, or -EDQUOT with a
 * sentence.
 */
int file_set_text(struct file *file, struct sfs_blob *text, bool answered);
/* Pays for an open file, makes it, and opens it by that call. 0 or -errno. */
int file_open_by(struct node *node, int flags, const struct sfs_cred *who,
		 int (*open)(struct file *file), struct file **out);
/* For what has no open file to read the sentence from, or none of the kind that gives it. */
void file_note_refusal(struct node *node, const struct sfs_cred *who, int err);

#endif
