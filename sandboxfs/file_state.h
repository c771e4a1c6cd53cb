/* SPDX-License-Identifier: MIT */
/* An open file as the files that make up file.h see it. */
#ifndef FILE_STATE_H
#define FILE_STATE_H

#include "file.h"

struct file {
	atomic_uint refs;
	struct node *node;        /* counted */
	int flags;                /* of open(2) */
	struct sfs_cred who;      /* who opened it: asks, commands and pays */
	struct upload *upload;    /* owned; NULL for rows */
	pthread_mutex_t lock;
	/* All below under lock. */
	struct sfs_blob *text; /* counted: what reads give; NULL: to be rendered */
	uint64_t held;         /* bytes of text that are charged to who.uid */
	off_t base;            /* the offset at which text begins */
	bool unread;           /* text was made by open(2) and not read yet */
	/* text is the answer of a command: reading again gives it again */
	bool answered;
	bool restart; /* a command came: the next read begins, wherever it is */
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

/* Pays for an open file, makes it, and opens it by that call. 0 or -errno. */
int file_open_by(struct node *node, int flags, const struct sfs_cred *who,
		 int (*open)(struct file *file), struct file **out);

#endif
