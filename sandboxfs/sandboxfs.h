/* SPDX-License-Identifier: MIT */
/*
 * The one interface between the core of the file system and the backends that say what its files
 * mean.
 *
 * The core owns names, numbers, opens, snapshots, lengths, waiting, errors and permissions. A
 * backend owns meaning: it fills in rows (struct sfs_attr) and adds directories (sfs_add_dir).
 * Callbacks run on any thread, several at once, with no lock of the core held and with a counted
 * reference to every object they are given; a callback never blocks for longer than a memory copy
 * (files that have to wait use struct sfs_req) and never touches the mount itself.
 */
#ifndef SANDBOXFS_H
#define SANDBOXFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SFS_NAME_MAX     64    /* bytes of a name, without the NUL */
#define SFS_COMMAND_MAX  65536 /* bytes of one write to a control file, and of one spec */
#define SFS_SENTENCE_MAX 512   /* bytes of one refusal's sentence, with the NUL */
#define SFS_LATER        1     /* "the answer comes by sfs_req_done()" */

struct sfs_obj;  /* a directory of the tree: an object, counted, opaque */
struct sfs_req;  /* an answer that is put off, opaque */
struct sfs_buf;  /* text under construction: fails once and stays failed */
struct sfs_blob; /* bytes that never change, counted */

/* Who asks. Ids are those of the mount's user namespace. */
struct sfs_cred {
	uid_t uid;
	gid_t gid;
	pid_t pid; /* the thread that called; 0 when the kernel does not say */
};

/* Whose something is, and its permission bits. */
struct sfs_owner {
	uid_t uid;
	gid_t gid;
	mode_t mode;
};

/* ---- refusals -------------------------------------------------------------------------------- */

/*
 * Notes the sentence of a refusal for the thread that calls and returns err unchanged, so that
 * "return sfs_fail(-EINVAL, "unknown key '%.40s'", word);" is one line. err is -errno from the
 * closed table of sandboxfs(5). The core stores the sentence where the caller can read it once the
 * callback, or sfs_req_done(), has passed the number on. Non-printing bytes are shown as \xNN. A
 * nested sfs_fail replaces the sentence.
 */
int sfs_fail(int err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * The same for a word of a command: /errors shows a caret under it. word points into cmd->text (one
 * that does not is ignored; it is compared, never read) and has len bytes; 0: something is missing
 * there.
 */
int sfs_fail_at(int err, const char *word, size_t len, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* The same for what this thread has just noted, err with a sentence. Returns err. */
int sfs_blame(int err, const char *word, size_t len);

/*
 * The sentence last noted by this thread, "" when there is none. Valid until its next sfs_fail().
 */
const char *sfs_sentence(void);

/* ---- text ------------------------------------------------------------------------------------ */

void sfs_put(struct sfs_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sfs_put_bytes(struct sfs_buf *buf, const void *data, size_t size);
/*
 * A number that changes by itself: left-justified in 20 columns, so that the file's length stays.
 */
void sfs_put_count(struct sfs_buf *buf, const char *key, uint64_t value);

/* NULL: out of memory; sfs_put on NULL does nothing */
struct sfs_buf *sfs_buf_new(void);
void sfs_buf_free(struct sfs_buf *buf); /* NULL allowed */
/* frees buf; the blob, or NULL if buf failed */
struct sfs_blob *sfs_buf_finish(struct sfs_buf *buf);

struct sfs_blob *sfs_blob_new(const void *data, size_t size); /* copies; NULL: out of memory */
/* one reference more; NULL gives NULL */
struct sfs_blob *sfs_blob_get(struct sfs_blob *blob);
void sfs_blob_put(struct sfs_blob *blob);               /* one less; NULL allowed */
const void *sfs_blob_data(const struct sfs_blob *blob); /* followed by a NUL byte */
size_t sfs_blob_size(const struct sfs_blob *blob);

/* ---- a file is a row ------------------------------------------------------------------------- */

/*
 * One command: one line of a write (without its newline), or with SFS_WHOLE all that was written.
 * The text is NUL-terminated, holds no other NUL, and lives until the callback returns (for a
 * waiting row: until sfs_req_done()).
 */
struct sfs_cmd {
	const char *text;
	size_t len;
	struct sfs_cred who;
	bool nonblocking;    /* SFS_RAW rows: opened with O_NONBLOCK */
	struct sfs_req *req; /* SFS_WAITS rows only, else NULL */
	/* what a read on the same open file gives after this command; not for SFS_WAITS */
	struct sfs_buf *answer;
};

enum {
	SFS_PER_UID = 1, /* show and blob depend on who asks: one inode for each uid */
	SFS_WAITS = 2,   /* store may return SFS_LATER; each lookup is an inode of its own */
	/* a spec: many writes, judged together at each flush that brought new data */
	SFS_WHOLE = 4,
	/*
	 * grows at its end: after a read has met the end, the next one gives what came since, and
	 * poll(2) waits for that
	 */
	SFS_STREAM = 8,
	/*
	 * Takes any bytes: each write is one command as it came, of whatever size the kernel sends, with NUL bytes in
	 * it perhaps
	 */
	SFS_RAW = 16,
};

struct sfs_attr {
	const char *name;
	mode_t mode;
	/* Renders the file. 0 or -errno. Must not change anything. */
	int (*show)(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out);
	/*
	 * In place of show where the bytes exist already: a reference that the core drops; NULL is
	 * an empty file.
	 */
	struct sfs_blob *(*blob)(struct sfs_obj *dir, const struct sfs_cred *who);
	/*
	 * Runs one command. 0, -errno, or SFS_LATER (SFS_WAITS rows only). NULL: the file cannot be
	 * written.
	 */
	int (*store)(struct sfs_obj *dir, struct sfs_cmd *cmd);
	/*
	 * SFS_WHOLE rows: judges at each write the whole lines that have come so far, and changes nothing. 0 or
	 * -errno, with which that write is refused and forgotten. NULL: only store can tell.
	 */
	int (*check)(struct sfs_obj *dir, const struct sfs_cmd *cmd);
	unsigned flags;
	const char *help; /* one line; the mount's README and sandboxfs(5) are made from it */
	/*
	 * For a row each open(2) of which makes something that goes with it. open gives what reads
	 * of this open file give (a reference that the core drops; as long as what show renders) and
	 * what close gets, once, after the last use, dir being gone perhaps (NULL: not called). 0 or -errno. Both are
	 * set, or neither.
	 */
	int (*open)(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_blob **text_out,
		    void **held_out);
	void (*close)(struct sfs_obj *dir, void *held);
	/*
	 * It was opened for writing (+1), or the last use of such an open has ended (-1), dir being gone perhaps. NULL:
	 * nobody counts.
	 */
	void (*writers)(struct sfs_obj *dir, int change);
	/*
	 * In place of show: the row is a symbolic link (its mode 0777), and this renders where it leads, without a
	 * newline. 0 or -errno, which readlink(2) answers.
	 */
	int (*link)(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out);
};

/* The row "error" of an object: { "error", 0444, sfs_error_show, .flags = SFS_PER_UID, ... }. */
int sfs_error_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out);

/* ---- a kind of directory --------------------------------------------------------------------- */

/*
 * Files that users bring (store/). The core stages the bytes in a memfd that belongs to the open
 * file and asks the backend at each flush that brought new data, and at the rename of a staged name
 * (leading dot).
 */
struct sfs_uploads {
	size_t (*max_bytes)(void); /* EFBIG above */
	/*
	 * Judges and publishes. memfd (owned by the callee from here on) holds size bytes and can
	 * still be sealed. By the time of sfs_req_done(req, 0, NULL) the callee has called
	 * sfs_set_file(); on refusal nothing has changed. 0, -errno or SFS_LATER.
	 */
	int (*commit)(struct sfs_obj *dir, const char *name, int memfd, size_t size, mode_t mode,
		      const struct sfs_cred *who, struct sfs_req *req);
	/* a descriptor for pread(2), or -errno */
	int (*open)(struct sfs_obj *dir, const char *name);
	/*
	 * A user's mv and rm. By the time of their 0 the callee has called sfs_move_file() or
	 * sfs_forget_file(), in the order in which it decides: commits come meanwhile.
	 */
	int (*rename)(struct sfs_obj *dir, const char *from, const char *to, bool replace,
		      const struct sfs_cred *who);
	int (*remove)(struct sfs_obj *dir, const char *name, const struct sfs_cred *who);
	/*
	 * chmod, chown, chgrp; makes it durable. The kernel has judged it for the file that it
	 * knows, but the name may be another's by now: -EPERM unless who is its owner or root. 0 or
	 * -errno.
	 */
	int (*set_owner)(struct sfs_obj *dir, const char *name, const struct sfs_owner *owner,
			 const struct sfs_cred *who);
	/*
	 * utimens(2), likewise, and of an upload after it has been committed: what sfs_set_file()
	 * is told after a restart. NULL: nobody remembers it.
	 */
	int (*set_mtime)(struct sfs_obj *dir, const char *name, uint64_t mtime_ns,
			 const struct sfs_cred *who);
	/*
	 * fsync(2), after new data has been committed: name survives a loss of power once this has
	 * succeeded. NULL: nothing to do. 0, -errno or SFS_LATER.
	 */
	int (*sync)(struct sfs_obj *dir, const char *name, struct sfs_req *req);
};

struct sfs_dirtype {
	const struct sfs_attr *attrs; /* ends with { 0 }; NULL: none */
	/*
	 * mkdir by a user inside a directory of this type: calls sfs_add_dir() itself. NULL: not
	 * possible here. rmdir by a user of a directory of this type, its files with it: 0 lets the
	 * core unlink it, -errno refuses.
	 */
	int (*make)(struct sfs_obj *parent, const char *name, mode_t mode,
		    const struct sfs_cred *who);
	int (*unmake)(struct sfs_obj *dir, const struct sfs_cred *who);
	/* May unmake() be asked at all? Else its files stay too. 0 or -errno; NULL: yes. */
	int (*removable)(struct sfs_obj *dir);
	/*
	 * The last of its files was removed, by its owner or root: rm -r goes on to the directories
	 * in it, and finds empty what this has emptied. NULL: nothing to do.
	 */
	void (*emptied)(struct sfs_obj *dir, const struct sfs_cred *who);
	/*
	 * chmod, chown, chgrp of such a directory, already judged: calls sfs_set_owner() and makes
	 * it durable. 0, or -errno and nothing has changed. NULL: nobody remembers it.
	 */
	int (*set_owner)(struct sfs_obj *dir, uid_t uid, gid_t gid, mode_t mode);
	const struct sfs_uploads *uploads; /* NULL: users create no files here */
	/*
	 * Such go by themselves and come again under the same name, and sfs_move_dir() is for them:
	 * the kernel asks for the name each time.
	 */
	bool moves;
	/* Names that users make here may hold one '@', behind the name of a template. */
	bool templates;
	/* the last reference is gone; NULL: nothing to free */
	void (*release)(void *priv);
};

/*
 * Adds a directory, whole, under parent; it is visible when this returns. priv is handed to
 * release() when the last reference goes, at once on failure. mode holds permission bits. -EEXIST,
 * -ENAMETOOLONG, -EINVAL, -ENOMEM.
 */
int sfs_add_dir(struct sfs_obj *parent, const char *name, const struct sfs_dirtype *type,
		void *priv, uid_t uid, gid_t gid, mode_t mode);
/*
 * Adds a directory under another name in the same parent, of the type (which moves), owner and
 * mode of old, in place of old, which is removed; watchers see a rename. priv and errors as with
 * sfs_add_dir(); on failure old stays.
 */
int sfs_move_dir(struct sfs_obj *old, const char *name, void *priv);
/* Hides dir and everything in it. Descriptors still open answer ENODEV from now on. Idempotent. */
void sfs_remove_dir(struct sfs_obj *dir);

/*
 * Publishes a user's file (name new or replaced, atomically) in a directory with uploads; or drops
 * it.
 */
int sfs_set_file(struct sfs_obj *dir, const char *name, uint64_t size, uid_t uid, gid_t gid,
		 mode_t mode, uint64_t mtime_ns);
void sfs_drop_file(struct sfs_obj *dir, const char *name);
/* The same for what a user does: the kernel knows already. move replaces; 0 or -ENOMEM. */
int sfs_move_file(struct sfs_obj *dir, const char *from, const char *to);
void sfs_forget_file(struct sfs_obj *dir, const char *name);

void *sfs_priv(const struct sfs_obj *dir);
/* "/" for the top; valid while the reference is held */
const char *sfs_name(const struct sfs_obj *dir);
struct sfs_obj *sfs_get(struct sfs_obj *dir);
void sfs_put_obj(struct sfs_obj *dir); /* NULL allowed */
/* counted; NULL: no such directory */
struct sfs_obj *sfs_find(struct sfs_obj *parent, const char *name);
/*
 * Calls each() for every directory in parent, from a snapshot, until it returns non-zero; returns
 * that.
 */
int sfs_each(struct sfs_obj *parent, int (*each)(struct sfs_obj *dir, void *arg), void *arg);
/* Does uid have max directories with the rows of that type, or more, in parent? */
bool sfs_has_max(const struct sfs_obj *parent, const struct sfs_dirtype *type, uid_t uid,
		 unsigned max);
void sfs_owner(const struct sfs_obj *dir, uid_t *uid, gid_t *gid, mode_t *mode);
void sfs_set_owner(struct sfs_obj *dir, uid_t uid, gid_t gid, mode_t mode);
/* May who open the row called attr of dir for want (R_OK, W_OK), dir itself being searched on the way? */
bool sfs_may_open(const struct sfs_cred *who, struct sfs_obj *dir, const char *attr, int want);
/*
 * May who do this (R_OK, W_OK, X_OK) to something with this owner and mode? As open(2) would judge;
 * root always.
 */
bool sfs_may(const struct sfs_cred *who, uid_t uid, gid_t gid, mode_t mode, int want);

/*
 * Says that the row called attr changed by itself: mtime, and everybody who watches (inotify,
 * poll). Never waits. sfs_changed_for: of a SFS_PER_UID row, as uid sees it.
 */
#define SFS_EVERYBODY ((uid_t)-1)
void sfs_changed(struct sfs_obj *dir, const char *attr);
void sfs_changed_for(struct sfs_obj *dir, const char *attr, uid_t uid);

/* ---- answers that are put off ---------------------------------------------------------------- */

/*
 * A callback that returned SFS_LATER owes exactly one sfs_req_done(), from any thread. rc is 0 or
 * -errno (with the calling thread's sfs_sentence()); answer is what a read on the same open file
 * gives next (the reference is taken over; NULL: rc's sentence, or nothing).
 *
 * cancel, when set, is called at most once, from a thread of the core, when the caller gave up, the
 * deadline passed or the daemon drains; it starts the ending of the work and returns at once; it
 * does not call sfs_req_done(). The core then answers EINTR or ETIMEDOUT whatever rc says, but
 * still waits for sfs_req_done(). After sfs_req_done() has returned, cancel neither runs nor will.
 * sfs_req_on_cancel() on a request that was cancelled already calls it at once. deadline_ms counts
 * from this call; 0: the core's own (config, [limits] request_ms).
 */
void sfs_req_on_cancel(struct sfs_req *req, void (*cancel)(void *arg), void *arg,
		       unsigned deadline_ms);
bool sfs_req_cancelled(const struct sfs_req *req);
void sfs_req_done(struct sfs_req *req, int rc, struct sfs_blob *answer);

/* ---- the daemon at large --------------------------------------------------------------------- */

/*
 * A line in /status for as long as something is wrong: key names it; format NULL takes it away
 * again.
 */
void sfs_status(const char *key, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * A line in /log: obj, whose uid it concerns (he and root may read it; what concerns uid 0 is for
 * everybody), a word for what happened, and the rest of the line, "" for none. What is not
 * printable is escaped, what is too long is cut. Cheap: a copy under a lock of its own, so that it
 * may be called under any other; when what it tells of can be seen already.
 */
void sfs_event(struct sfs_obj *obj, uid_t uid, const char *event, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * Something optional is there on this machine: a line in /features. word is a constant; saying it
 * again does nothing. While the daemon starts.
 */
void sfs_feature(const char *word);

enum sfs_stat { SFS_RUNS, SFS_RUNS_FAILED, SFS_LOADS, SFS_LOADS_FAILED, SFS_STATS };
void sfs_stat_add(enum sfs_stat which, uint64_t n);

enum sfs_level { SFS_DEBUG, SFS_INFO, SFS_WARN, SFS_ERROR };
/* One line to standard error (-f) or syslog. Not for what untrusted bytes say: escape those. */
void sfs_log(enum sfs_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

uint64_t sfs_now_ns(void);  /* CLOCK_MONOTONIC */
uint64_t sfs_wall_ns(void); /* CLOCK_REALTIME */

/*
 * The configuration: read from INI before anything is forked, constant afterwards. Each field is a
 * row in
 * config.c with section, key, unit, default, bounds and one line of help; /config shows it.
 */
struct sfs_config {
	/* [daemon] */
	char state_dir[4096]; /* where the store lives; --state wins */
	uid_t daemon_uid;     /* account of the daemon when started by root */
	gid_t daemon_gid;
	uint32_t threads;  /* FUSE worker threads, at least 2 */
	bool daemon_adopt; /* a successor takes over the mount, else it mounts anew */
	/* [users] */
	char users_group[256]; /* name or gid: who may make objects; empty: everybody */
	/* [store] */
	uint64_t store_max_bytes;       /* of one codelet */
	uint32_t store_max_codelets;    /* of one uid */
	uint64_t store_max_total_bytes; /* of one uid */
	bool store_durable;             /* fsync before close(2) of an upload returns */
	char store_allow[4096];         /* sha256 hashes, comma separated; empty: all */
	/* users and @groups who may load, comma separated; empty: all */
	char store_loaders[1024];
	/* [jail] */
	uid_t jail_uid_base;
	uint32_t jail_uid_count;
	uint64_t jail_memory_bytes; /* of one run, at most */
	uint32_t jail_pids;
	/* [kernels] */
	uint32_t kernels_max;   /* of one uid */
	uint32_t templates_max; /* warm templates of one uid */
	uint32_t templates_total;
	uint32_t run_wall_ms; /* default limit of one run */
	uint32_t run_wall_ms_max;
	uint32_t samples; /* default number of samples */
	uint32_t samples_max;
	uint64_t outputs_max_bytes; /* of the last runs of one uid, in all kernels */
	uint32_t runs_kept;         /* of one uid in one kernel */
	uint64_t runs_max_bytes;    /* of one uid, without outputs */
	uint32_t jobs_max;          /* of one uid: started, or held open */
	char events[512];           /* default events, comma separated */
	/* [rockers] */
	uint32_t rockers_max;         /* of one uid */
	uint32_t rockers_pool;        /* namespaces made ahead */
	uint64_t rocker_memory_bytes; /* memory.max that a new one has */
	uint32_t rocker_pids;         /* pids.max */
	uint64_t rocker_memory_max_bytes; /* what others than root may say for those two */
	uint32_t rocker_pids_max;
	uint64_t rocker_tmp_bytes;    /* what it may write to memory without disk.max */
	uint32_t rocker_time_ms;      /* time.max_ms of a job, when nothing is said */
	uint32_t rocker_time_ms_max;  /* and what may be said */
	uint32_t rocker_jobs_max;     /* jobs of one rocker that run */
	uint32_t rocker_jobs_kept;    /* ended ones that it shows */
	uint64_t rocker_output_bytes; /* kept of one job's standard output, and of its error */
	char rocker_seccomp[64];      /* profile that a new one has */
	char rocker_ids
		[1024]; /* "FIRST-LAST": ids that everybody may give to a rocker, comma separated */
	char rocker_host_network[1024]; /* users and @groups who may have network = host */
	char rocker_images[4096];       /* sha256 of images that the kernel mounts for everybody */
	char rocker_templates[4096];    /* directory of NAME.ini */
	/* [limits] */
	/* deadline of an answer that is put off and sets none */
	uint32_t request_ms;
	uint32_t opens_max;         /* open files of one uid */
	uint32_t staging_max_files; /* uploads of one uid that are not committed */
	uint64_t staging_max_bytes; /* bytes in them */
};
const struct sfs_config *sfs_config(void);

/* Everything under one name at the top of the mount. */
struct sfs_backend {
	const char *name;
	const struct sfs_dirtype *type;
	mode_t mode; /* of the directory, 01777 or 0555 */
	/*
	 * Called once, in the daemon, before the first request; 0 or -errno with a sentence, which
	 * ends the start.
	 */
	int (*init)(struct sfs_obj *dir);
	/* the loop has ended: stop threads, drop references; NULL allowed */
	void (*stop)(void);
	/*
	 * How long watchers wait for a change at first, so that who waits for the work that has just changed
	 * something goes before them on the same processor.
	 */
	unsigned patience_us;
};
extern const struct sfs_backend *const sfs_backends[]; /* ends with NULL */

/*
 * Rows at the top that backends bring (machine, ...): a NULL-terminated list of attribute tables,
 * like the tables of a directory. dir is the root.
 */
extern const struct sfs_attr *const sfs_top_attrs[];

/*
 * With what README begins: a session of one screen. Lines that begin with "  $ " are typed where
 * the tree is mounted; those that are to be refused say "refused" in a comment.
 */
extern const char sfs_session[];

/*
 * The one process that keeps its privileges: forked first in main(), before any thread and any
 * input, with one end of a SOCK_SEQPACKET pair. main runs in that process and returns its exit
 * status. The daemon's end is sfs_privileged_fd(). It gets the configuration and the uid and gid
 * under which the daemon will run.
 *
 * What shall outlive it, it sends with descriptors by sfs_privileged_kept(1), and the next one receives by
 * sfs_privileged_kept(0): a SOCK_SEQPACKET pair of which the supervisor holds both ends. A message of one byte is
 * the supervisor's: there will be no next one. -1: there is none.
 */
struct sfs_privileged {
	const char *name;
	int (*main)(const struct sfs_config *config, int channel);
};
extern const struct sfs_privileged sfs_privileged;
int sfs_privileged_fd(void);
int sfs_privileged_kept(int end);

#endif
