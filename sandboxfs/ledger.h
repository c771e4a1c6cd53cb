/* SPDX-License-Identifier: MIT */
/*
 * The ledger: what a daemon that replaces a dead one has to know of the mount that it takes over.
 *
 * It lies in memory that the supervisor maps before its first fork and all daemons share, one after
 * the other; the supervisor writes to it and believes nothing that it says. A slot for each open
 * file: the kernel knows the file by slot and generation, and each daemon keeps its own pointer
 * beside the slot. A slot is valid from the moment it is marked used, the last thing that is
 * written, so that a daemon may die anywhere. Slots are taken and put under a lock of the daemon's;
 * a file is looked up without, since the kernel releases it after everything else that it asks.
 */
#ifndef LEDGER_H
#define LEDGER_H

#include "sandboxfs.h"

#define LEDGER_FILE      UINT32_MAX /* instead of a row: a file that a user brought */
#define LEDGER_NAME_MAX  255
#define LEDGER_INIT_MAX  256

struct file;

/* One open file, as it can be opened again. */
struct ledger_open {
	uint64_t node, dir; /* ids */
	uint64_t asked_by;  /* the number of the request that opened it */
	uint64_t ino, size; /* of the bytes that a reader has open; 0: none */
	uint32_t row;       /* or LEDGER_FILE */
	uid_t for_uid;
	int flags; /* of open(2) */
	struct sfs_cred who;
	bool flushes; /* what is written is judged at a flush */
	bool fresh;   /* nothing was committed under its name */
	char name[LEDGER_NAME_MAX + 1];
};

/* In the supervisor, once; daemons of tests, which have none, make theirs in ledger_begin(). */
int ledger_start(void);
/* A new mount, of which nothing is known yet. */
void ledger_clear(void);
void ledger_count_replacement(void);
uint64_t ledger_replacements(void);

/* In each daemon, first of all: finds the slots that are free. 0 or -errno. */
int ledger_begin(void);

/* The kernel's first request, to be read again by a successor; NULL: there was none yet. */
void ledger_keep_init(const void *bytes, size_t size);
const void *ledger_init(size_t *size);
/* Never the same twice while the mount lives. */
uint64_t ledger_rotation(void);

/* A slot for file, which it borrows; -EMFILE with a sentence. */
int ledger_take(const struct ledger_open *open, struct file *file, uint64_t *fh_out);
/* Frees the slot; gives the file that was in it, or NULL. */
struct file *ledger_put(uint64_t fh);
struct file *ledger_put_any(void);
/* The file; NULL: it could not be opened again, or there is no such slot. */
struct file *ledger_file(uint64_t fh);
/* The slot that the request of that number took; 0: none. */
uint64_t ledger_asked_by(uint64_t number);

/* What was written to a file that flushes, and how much of that a flush has accepted. */
void ledger_wrote(uint64_t fh);
uint32_t ledger_written(uint64_t fh);
void ledger_saved(uint64_t fh, uint32_t written);
bool ledger_unsaved(uint64_t fh);

/*
 * The names of staged files: their bytes die with the daemon, and who comes back for them is told. A
 * place, or 0: there is none left; 0 may be given to the other two.
 */
uint32_t ledger_stage(uint64_t dir, const char *name, uid_t uid);
void ledger_restage(uint32_t place, const char *name);
void ledger_unstage(uint32_t place);
/*
 * Had who staged it when a daemon died? That is told once; or twice, to one thread, since the kernel
 * asks again within the same call when it had known the name.
 */
bool ledger_lost(uint64_t dir, const char *name, const struct sfs_cred *who);
/* He hears of it otherwise. */
void ledger_lost_is_told(uint64_t dir, const char *name, const struct sfs_cred *who);

/*
 * The id of a directory that was removed while the kernel perhaps still knows it, until it forgets it: to the kernel it
 * is a dead one, and a new one that a successor made under that id would be dead from its birth. Under tree_lock.
 */
void ledger_bury(uint64_t id);
void ledger_unbury(uint64_t id);
bool ledger_buried(uint64_t id);

/* Somebody waits in poll(2) for that file; what a successor has to wake. */
void ledger_poll(uint64_t fh, uint64_t number);
void ledger_each_polled(void (*each)(uint64_t number, void *arg), void *arg);

/* What a successor finds: calls each() for every slot in use. */
void ledger_each(void (*each)(uint64_t fh, const struct ledger_open *open));
void ledger_reopened(uint64_t fh, struct file *file);
/* Why it could not be opened again: -errno. */
void ledger_refused(uint64_t fh, int err);
/* NULL: no such slot. */
const struct ledger_open *ledger_opened(uint64_t fh, int *refused);

#endif
