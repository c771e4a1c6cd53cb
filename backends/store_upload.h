/* SPDX-License-Identifier: MIT */
/*
 * An upload between its arrival (store_load.c) and its place (store_place.c).
 *
 * It belongs to one piece of work or one inspection at a time, which needs no lock; only
 * store_load.c makes and frees it.
 */
#ifndef STORE_UPLOAD_H
#define STORE_UPLOAD_H

#include "store_inspect.h"
#include "store_priv.h"

struct upload {
	struct inspection inspection; /* elf_fd is owned */
	struct work work;
	struct sfs_req *req;       /* NULL: an object that is inspected again */
	struct store_entry *again; /* counted; NULL: an upload */
	char name[SFS_NAME_MAX + 1];
	struct sfs_cred who;
	size_t size;
	mode_t mode;
	struct hashing hashing;
	unsigned char sha256[SHA256_BYTES];
	int rc;                      /* of the inspection */
	struct store_table table;    /* owned */
	struct store_object *object; /* counted; NULL until it is on its way to the disk */
	struct store_copy copy;
	struct upload *next;
};

/*
 * On the store's thread. An upload that was accepted gets its name, or nothing changes: one piece
 * of that, 1 if another one is to come, 0, or -errno with a sentence.
 */
int place_upload(struct upload *u);
/* What was inspected again is shown again, if it is still wanted. 0 or -errno with a sentence. */
int place_again(struct upload *u);
/* Whatever became of it. */
void place_forget(struct upload *u);

#endif
