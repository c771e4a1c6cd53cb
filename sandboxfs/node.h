/* SPDX-License-Identifier: MIT */
/*
 * The tree: directories (objects), the rows in them, and the files that users bring.
 *
 * Every node is counted; the tree holds one reference to a node that is linked, the kernel together
 * holds one while it has looked the node up, and each holder of a pointer has its own. One lock,
 * tree_lock, guards names, owners, modes, sizes, times and lookup counts; no callback runs and
 * nothing waits under it. Node ids are derived from names by hashing, so that they do not depend on
 * the order of events; a row that waits gets another id at each lookup, with the same inode number.
 */
#ifndef NODE_H
#define NODE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "sandboxfs.h"

#define NODE_ROOT_ID     1
#define NODE_PATH_MAX    1024
#define NODE_STAGING_MAX 255 /* bytes of a staging name (leading dot) */

enum node_kind { NODE_DIR, NODE_ROW, NODE_FILE };

struct poller;
struct refusal;
struct stage;

struct node {
	enum node_kind kind;
	uint64_t id, ino, generation;
	atomic_uint refs;
	uint64_t lookups;     /* by the kernel; tree_lock */
	struct node *next_id; /* tree_lock */
	struct sfs_obj *dir;  /* counted: the directory it is in; NULL for the root */
	/* Directories and files, under tree_lock. */
	char *name; /* owned; constant for a directory */
	struct node *next_name;
	uint64_t cookie; /* of readdir: unique within the directory, grows */
	bool linked;
	uid_t uid;
	gid_t gid;
	mode_t mode;
	uint64_t mtime_ns, ctime_ns;
};

/* What one row of one object has of its own. tree_lock. */
struct row_state {
	mode_t mode;
	bool owned;  /* chown was called: uid and gid below; else those of the object */
	bool hidden; /* rm: until the object goes */
	uid_t uid;
	gid_t gid;
	uint64_t mtime_ns;
};

struct sfs_obj {
	struct node node;
	const struct sfs_dirtype *type;
	void *priv;             /* owned, by type->release */
	struct row_state *rows; /* owned, as many as type->attrs */
	unsigned nrows;
	struct node **children; /* owned array of counted nodes, by cookie; tree_lock */
	size_t nchildren, room;
	uint64_t last_cookie;
	/* anything in it changed: what was rendered before is old; tree_lock */
	uint64_t changes;
	unsigned ndirs;            /* children that are directories; tree_lock */
	bool gone;                 /* tree_lock */
	bool unannounced;          /* its mkdir of the publisher is still to come; tree_lock */
	struct refusal *refusals;  /* owned; the lock of errors.c */
	struct row_node *personal; /* rows that have an inode for each uid; tree_lock */
	struct poller *pollers;    /* the lock of poller.c */
};

/*
 * A row as the kernel knows it: one for each uid if SFS_PER_UID, one for each lookup if SFS_WAITS.
 */
struct row_node {
	struct node node;
	unsigned row;
	uid_t for_uid;                  /* SFS_PER_UID: whose */
	struct row_node *next_personal; /* SFS_PER_UID without SFS_WAITS; tree_lock */
	/* what LOOKUP or GETATTR rendered last; counted; tree_lock */
	struct sfs_blob *measured;
	uint64_t measured_ns, measured_changes;
};

struct file_node {
	struct node node;
	uint64_t size; /* committed; tree_lock */
	/* else it is staging: seen by its owner alone, under a plain name by nobody; tree_lock */
	bool committed;
	bool exclusive;          /* made with O_EXCL; constant */
	struct stage *stage;     /* counted; staging only; tree_lock */
	uint32_t noted;          /* a staging name's place in the ledger; 0: none; tree_lock */
	uint64_t asked_mtime_ns; /* utimens(2) came before the commit; 0: not; tree_lock */
};

extern pthread_mutex_t tree_lock;

/* The root, made once by node_start() with rows. 0 or -errno. */
int node_start(const struct sfs_dirtype *type);
struct sfs_obj *node_root(void); /* borrowed */
/* After the loop: forgets the kernel's lookups and unlinks everything, so that all is freed. */
void node_stop(void);

struct node *node_get(struct node *node);
void node_put(struct node *node);    /* NULL allowed; never under tree_lock */
struct node *node_find(uint64_t id); /* counted; NULL: unknown, ESTALE */

/* The kernel was (is about to be) told of node; and forgets n of that. */
void node_lend(struct node *node);
void node_forget(uint64_t id, uint64_t n);

/*
 * For tree.c: gives node its id, under tree_lock; and drops what the kernel holds, after the loop.
 */
void node_number(struct node *node, const char *name);
void node_forget_all(void);

/* The node of a row for who: made when there is none. Counted. NULL: out of memory. */
struct row_node *node_row(struct sfs_obj *dir, unsigned row, const struct sfs_cred *who);
/* The number of the row with that name, or -1. Hidden ones are not found. */
int node_row_number(struct sfs_obj *dir, const char *name);
/* Is it the name of a row whose every lookup is an inode of its own (SFS_WAITS)? dir is an id, known or not. */
bool node_name_waits(uint64_t dir, const char *name);
/* The id of its directory if node is such a row, else 0. */
uint64_t node_waits_in(const struct node *node);
/* As node_row(), under the id that the kernel knows from a daemon before this one. NULL: it is taken. */
struct row_node *node_adopt_row(struct sfs_obj *dir, unsigned row, uid_t for_uid, uint64_t id);
uint64_t node_row_ino(const struct sfs_obj *dir, unsigned row);

/*
 * A directory or file in dir by name; counted, or NULL. Files that are staged are seen by uid
 * alone, and root.
 */
struct node *node_child(struct sfs_obj *dir, const char *name, const struct sfs_cred *who);
/* A new file, staged by who, that no name leads to yet. Counted. NULL: -errno in *err. */
struct file_node *node_new_file(struct sfs_obj *dir, const char *name, mode_t mode,
				const struct sfs_cred *who, int *err);
/*
 * Gives the name of a file that is to be committed to it, unless somebody else's file has it: what
 * is committed then becomes that one's content. -EEXIST for an exclusive one, -ENODEV, -ENOMEM.
 */
int node_claim(struct file_node *file);
/* Takes a name away. notify: the kernel does not know yet. Idempotent. */
void node_unlink(struct node *node, bool notify);
/* The same, unless it has been committed: then false, and it stays. */
bool node_unlink_staged(struct file_node *file, bool notify);
/* Renames a file within its directory, replacing any of that name. 0 or -ENOMEM. */
int node_rename(struct file_node *file, const char *name);

bool node_gone(const struct sfs_obj *dir);
/* Whose inodes of a SFS_PER_UID row the kernel knows; how many, at most max. */
unsigned node_row_uids(struct sfs_obj *dir, unsigned row, uid_t *uids, unsigned max);
/* 0, or -ENODEV with a sentence: what descriptors of an object that is gone answer. */
int node_check(const struct sfs_obj *dir);
/*
 * dir was written to or changed: what was rendered before is old. row: its time changes too; -1:
 * none.
 */
void node_touch(struct sfs_obj *dir, int row);
/* Time, size 0, modes and owners of anything; st_size of rows is the caller's to measure. */
void node_stat(struct node *node, struct stat *st);
void node_path(struct sfs_obj *dir, const char *name, char *out, size_t room);
struct refusal **node_refusals(struct sfs_obj *dir);

/* Names: what users may create; a staging name; what a backend may publish. */
bool node_name_ok(const char *name, bool templates); /* templates: one '@' in it, not the first */
bool node_name_staging(const char *name);

/* One entry after cookie: 0 begins. */
struct node_entry {
	uint64_t cookie, ino;
	mode_t mode; /* the type bits */
	char name[NODE_STAGING_MAX + 1];
	struct node *node; /* counted; NULL for rows, "." and ".." */
};
bool node_next(struct sfs_obj *dir, uint64_t cookie, const struct sfs_cred *who,
	       struct node_entry *out);

static inline struct sfs_obj *node_obj(struct node *node)
{
	return (struct sfs_obj *)node;
}

static inline struct row_node *node_as_row(struct node *node)
{
	return (struct row_node *)node;
}

static inline struct file_node *node_as_file(struct node *node)
{
	return (struct file_node *)node;
}

static inline const struct sfs_attr *node_attr(const struct row_node *row)
{
	return &row->node.dir->type->attrs[row->row];
}

#endif
