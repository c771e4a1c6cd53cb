/* SPDX-License-Identifier: MIT */
/*
 * What the files of the store know together: its index in memory, its files on disk.
 *
 * An entry is a name; what it holds at the moment is a load (one upload that was accepted); the
 * bytes of a load are an object, which several loads share when their bytes are equal. A codelet is
 * what others hold: made when somebody asks, from the table on disk, and kept in memory only where
 * its texts are short. All counts of references, and every field that is not constant, are under
 * store.lock, which is never held across a system call or a callback. store.names orders changes of
 * names: it is held while a record is written and the tree is changed, so that disk, index and tree
 * change in the same order; it is taken before store.lock and by no path that only looks.
 */
#ifndef STORE_PRIV_H
#define STORE_PRIV_H

#include <pthread.h>

#include "sha256.h"
#include "store.h"
#include "store_disk.h"
#include "store_map.h"
#include "store_record.h"
#include "store_table.h"
#include "store_work.h"

#define STORE_PIECE                                                                                \
	(1u << 20) /* bytes that the store's thread works on before others get their turn */

struct store_object {
	struct map_node node; /* in store.objects */
	struct work work;     /* its end */
	unsigned char sha256[SHA256_BYTES];
	uint64_t size;
	uid_t uid; /* who brought it first: on his account it ends */
	unsigned refs;
	bool verified; /* the file's bytes have been seen to have this hash */
	bool tabled;   /* the table stands beside it: written or read by this daemon */
};

struct store_export {
	struct map_node node;    /* in store.exports; the hash is of the symbol and the owner */
	struct store_load *load; /* borrowed: its load owns it */
};

struct store_load {
	unsigned refs;
	struct store_object *object; /* counted */
	struct store_entry *entry;   /* borrowed: whose it is now; NULL: replaced or removed */
	uid_t uid;
	gid_t gid;
	mode_t mode;
	uint64_t loaded_at_ns, mtime_ns, sequence;
	uint32_t type, machine, missing;
	bool has_spec;
	uint32_t nexports;
	struct store_export *exports; /* owned: nexports, and one more if there is just one */
	bool exported;                /* they are in store.exports */
	unsigned running;
	uint64_t runs, last_run_ns;
};

struct store_entry {
	struct map_node node; /* in store.entries */
	char name[SFS_NAME_MAX + 1];
	unsigned refs;
	struct store_load *load; /* counted; NULL: gone */
	/* the codelet as it was last handed out; counted if resident, else borrowed */
	struct store_held *held;
	bool resident;
	bool hidden;         /* on disk but not to be had: damaged, or being inspected again */
	bool unloading;      /* removed, but something still runs */
	uint64_t loads;      /* of this name, since the start */
	struct sfs_obj *dir; /* counted: codelets/NAME; NULL while hidden */
};

/* A codelet that somebody has. */
struct store_held {
	struct codelet codelet; /* first: they are the same pointer */
	unsigned refs;
	struct store_load *load; /* counted */
	int memfd;               /* its bytes, while others than its entry hold it; -1 */
};

/* What one uid has. */
struct store_usage {
	uid_t uid;
	uint32_t count;
	uint64_t bytes;
};

struct store {
	pthread_mutex_t names, lock;
	/* All below: lock, but for what is constant after the start. */
	struct map entries, objects, exports;
	struct store_usage *usage; /* owned */
	size_t nusage;
	uint64_t sequence;                            /* the last one given */
	const struct store_listener *listener;        /* borrowed */
	struct sfs_obj *dir, *codelets;               /* counted; constant */
	int root, objects_dir, tables_dir, names_dir; /* constant */
};
extern struct store store;

/* ---- store_index.c: all with store.lock held ------------------------------------------------- */

/* borrowed, or NULL */
struct store_object *object_find(const unsigned char sha256[SHA256_BYTES]);
/* The one with these bytes, made for uid if there is none; counted. NULL: out of memory. */
struct store_object *object_get(const unsigned char sha256[SHA256_BYTES], uint64_t size, uid_t uid);
/* NULL allowed. The last reference sends its files to be removed. */
void object_put(struct store_object *object);
/*
 * A load that is nobody's yet: takes the reference to object. table: NULL when not known yet. NULL:
 * out of memory.
 */
struct store_load *load_new(struct store_object *object, const struct store_record *record,
			    const struct store_table *table);
void load_put(struct store_load *load); /* NULL allowed */
void load_record(const struct store_load *load, struct store_record *out);

struct store_entry *entry_find(const char *name); /* borrowed; hidden and unloading ones too */
/* In the index, without a load; counted once for the index. NULL: out of memory. */
struct store_entry *entry_new(const char *name);
void entry_put(struct store_entry *entry); /* NULL allowed */
/*
 * Gives entry another load (the reference is taken over; NULL: none) and returns the former one,
 * with its reference. exported: it can be found by what it exports. The codelet that was last
 * handed out goes to held_out, counted.
 */
struct store_load *entry_set(struct store_entry *entry, struct store_load *load, bool exported,
			     struct store_held **held_out);
/* Out of the index; the caller keeps the reference that the index had. */
void entry_drop(struct store_entry *entry);
/* The newest load of uid that exports symbol and is older than sequence; borrowed. NULL: none. */
struct store_load *export_newest(const char *symbol, size_t len, uid_t uid, uint64_t sequence);
void load_unexport(struct store_load *load);
void load_export(struct store_load *load);
/* Another owner, and what follows from it. held_out as above. */
void entry_own(struct store_entry *entry, uid_t uid, gid_t gid, mode_t mode,
	       struct store_held **held_out);
/* No longer to be found, though it still runs. */
void entry_unload(struct store_entry *entry, struct store_held **held_out);
/* What uid has. */
struct store_usage usage_of(uid_t uid);
/* Everything goes, at the end. */
void index_free(void);

/* ---- store_codelet.c: codelets, with no lock held -------------------------------------------- */

/* The codelet of an entry: counted; NULL with *err_out. */
struct store_held *codelet_of(struct store_entry *entry, int *err_out);
/* A new one for load under that name, of nobody's yet. NULL: out of memory. */
struct store_held *codelet_new(const char *name, struct store_load *load,
			       const struct store_table *table);
/* Is it small enough to stay in memory with its entry? */
bool codelet_is_small(const struct store_held *held);
void held_put(struct store_held *held); /* NULL allowed */

/* ---- store_db.c: on disk. 0 or -errno with a sentence ---------------------------------------- */

/* sets the directories of store; -EBUSY: somebody else has it */
int db_open(const char *state_dir);
void db_close(void);
/* The bytes of memfd on their way to the disk. */
struct store_copy {
	struct store_object *object; /* borrowed */
	int memfd;                   /* borrowed */
	bool durable;
	/* Ours, zeros at first. */
	bool open;
	uint64_t done;
	struct disk_file file;
};
/*
 * Copies one piece: 1, another one is to come; 0, all is there under its name, as an object that is
 * verified is already. After a failure nothing is left.
 */
int db_put_object(struct store_copy *copy);
void db_abandon_object(struct store_copy *copy); /* whatever became of it */
int db_put_table(struct store_object *object, const struct store_table *table, bool durable);
int db_get_table(const unsigned char sha256[SHA256_BYTES], struct store_table *out);
/*
 * A descriptor of the object's file, its size right; and the hash too, if that has not been seen
 * yet. -EBADMSG: damaged.
 */
int db_open_object(struct store_object *object);
bool db_has_object(const struct store_object *object); /* a file of its size */
/* The same as a sealed memfd, always hashed. */
int db_load_object(struct store_object *object);
/* Removes object and table. */
void db_drop_object(const unsigned char sha256[SHA256_BYTES]);
/* The record in a file of its own, to be renamed or dropped. */
int db_prepare_name(const struct store_record *record, bool durable, char temp_out[32]);
int db_commit_name(const char *temp, const char *name, bool durable);
void db_abandon_name(const char *temp);
int db_put_name(const char *name, const struct store_record *record, bool durable);
int db_get_name(const char *name, struct store_record *out); /* -EBADMSG: damaged */
int db_rename_name(const char *from, const char *to);
int db_remove_name(const char *name);
/* A part of what db_sync() would do, beforehand. */
void db_flush_object(const struct store_object *object, uint64_t at, size_t size);
int db_sync(const char *name, const unsigned char sha256[SHA256_BYTES]);
/* Calls each for every name. */
int db_each_name(void (*each)(const char *name, void *arg), void *arg);
/*
 * Removes what nothing refers to; objects only if all is true, since a damaged record may need its
 * own.
 */
void db_sweep(bool all);

/* ---- store_policy.c -------------------------------------------------------------------------- */

int policy_start(void); /* resolves [store] loaders and allow: 0 or -EINVAL with a sentence */
/* What can be said of an upload before its bytes are looked at: name, loader, size, place. */
int policy_upload(const char *name, size_t size, const struct sfs_cred *who);
int policy_hash(const unsigned char sha256[SHA256_BYTES]);
/*
 * May who put size bytes under name? Rights and quotas; 0, or -errno with a sentence. record_out
 * gets whose it will be; its mode, from what the caller has set, stays.
 */
int policy_place(const char *name, uint64_t size, const struct sfs_cred *who,
		 struct store_record *record_out);

/* ---- store_load.c: from an upload to a codelet ----------------------------------------------- */

int load_commit(struct sfs_obj *dir, const char *name, int memfd, size_t size, mode_t mode,
		const struct sfs_cred *who, struct sfs_req *req);
/* Inspects an object again, since its table is damaged or of another inspector. */
int load_again(struct store_entry *entry);
/*
 * Makes the tree show what the entry holds; file: in /store too. store.names held, not store.lock.
 * 0 or -errno.
 */
int entry_show(struct store_entry *entry, bool file);
/* The directory of from becomes that of to, where to has none: one rename. 0 or -errno with sfs_fail. */
int entry_move(struct store_entry *from, struct store_entry *to);
/* Takes codelets/NAME away. */
void entry_hide(struct store_entry *entry);
/*
 * Lets the entry keep the codelet if it is small, or has a specification, whose end must be told.
 */
void entry_keep(struct store_entry *entry, struct store_held *held);
/* Its bytes turned out to be damaged: out of sight soon, with a line in /status. */
void entry_damaged(struct store_entry *entry);
void entry_status(const char *name, const char *why); /* NULL: all is well */
/* store_place.c: tells the listener, names held. */
int tell_loading(struct store_held *held);
void tell_gone(struct store_held *held); /* NULL allowed */

/* store_seal.c: 0 or -errno with a sentence; the policy on hashes is asked too. */
int upload_seal(int fd, size_t size);
/* Zeros at first. One piece: 1, another one is to come. */
struct hashing {
	struct sha256 sha256;
	size_t done;
};
int upload_hash(struct hashing *hashing, int fd, size_t size, unsigned char out[SHA256_BYTES]);

/* both directories are known: reads the disk. 0 or -errno with a sentence */
int store_begin(void);

/* ---- store.c and store_owner.c: what users do to files, no lock held -------------------------- */

/* An entry that the tree shows as a file; counted. NULL: none, with a sentence. */
struct store_entry *file_find(const char *name);
/* As in any directory with the sticky bit: the owner's, or root's. 0 or -EPERM with a sentence. */
int file_check_owner(const struct store_entry *entry, const struct sfs_cred *who);
/* As struct sfs_uploads says. */
int file_set_owner(struct sfs_obj *dir, const char *name, const struct sfs_owner *owner,
		   const struct sfs_cred *who);
int file_set_mtime(struct sfs_obj *dir, const char *name, uint64_t mtime_ns,
		   const struct sfs_cred *who);

/* ---- codelets.c ------------------------------------------------------------------------------ */

extern const struct sfs_dirtype codelet_dirtype; /* codelets/NAME; priv is the entry, counted */
mode_t codelet_dir_mode(mode_t mode);

#endif
