/* SPDX-License-Identifier: MIT */
/*
 * The specification of a rocker: one value for each key, as text, as the files of the rocker show it.
 *
 * A struct rocker_spec never changes once others can see it, and is counted; NULL for a value means
 * the default. What is kept of a value is its canonical text: the words of the writer, judged, numbers
 * in bytes, quoted as a shell would where need be. The same text is shown, accepted, kept on disk, and
 * read again when the plan is made. Judging is a function of bytes and of who wrote them: it opens
 * nothing and asks nobody. Any thread.
 */
#ifndef ROCKER_SPEC_H
#define ROCKER_SPEC_H

#include <stdatomic.h>

#include "rockers.h"

/* Of plan->uid and plan->gid: the launcher takes one of the jail's range. */
#define ROCKER_ANY_ID UINT32_MAX

/* In the order in which a specification shows them. */
enum rocker_key {
	KEY_APP_ID,
	KEY_UID,
	KEY_GID,
	KEY_HOSTNAME,
	KEY_DOMAINNAME,
	KEY_PACKAGE,
	KEY_EXEC_DIR,
	KEY_DATA_DIR,
	KEY_OVERLAYS,
	KEY_BINDS,
	KEY_NETWORK,
	KEY_SECCOMP,
	KEY_MEMORY,
	KEY_PIDS,
	KEY_CPU,
	KEY_IO,
	KEY_DISK,
	KEY_TIME,
	KEY_ENV,
	KEY_CWD,
	KEY_PERSIST,
	KEY_LEAVE_EMPTY,
	ROCKER_KEYS,
};

enum {
	KEY_HOST = 1,  /* names paths of the host: opened with the rights of who wrote it */
	KEY_LIMIT = 2, /* can be changed while jobs run */
	KEY_JOBS = 4,  /* about jobs to come, not about what is built */
	KEY_LINES =
		8, /* one line for each item: in a file the key may stand there again and again */
	KEY_ADDS = 16, /* of those, one whose own file takes a line in addition to what is there */
};

struct rocker_spec {
	atomic_uint refs;
	char *values[ROCKER_KEYS];                /* owned */
	struct plan_opener *openers[ROCKER_KEYS]; /* owned; of values with KEY_HOST that are set */
	char *env;                                /* owned: words, each ending in NUL */
	unsigned nenv;
	char *cwd; /* owned; NULL: "/" */
	uint32_t time_ms;
	uint64_t disk_bytes;
};

/* Whose rocker it is: what defaults depend on. */
struct rocker_whose {
	const char *name; /* borrowed */
	uid_t uid;
	gid_t gid;
};

/* Who writes, and where. */
struct rocker_judge {
	struct rocker_whose whose;
	const struct plan_opener *by; /* borrowed */
	unsigned line;                /* in a file, from one; 0: a value of its own */
};

/* ---- the words of a value, quoted as a shell would: rocker_spec_words.c -------------------------- */

struct rocker_word {
	const char *text; /* ends in NUL */
	size_t len;
	const char *raw; /* as it was written */
	size_t raw_len;
};

struct rocker_words {
	struct rocker_word *words; /* owned */
	unsigned count;
	char *bytes; /* owned: the texts, one after the other, each ending in NUL */
};

/* 0; -EINVAL with *bad_out and *why_out; -ENOMEM. */
int rocker_words_split(const char *text, size_t len, struct rocker_words *out, const char **bad_out,
		       const char **why_out);
void rocker_words_free(struct rocker_words *words);
/* Such that it is read as this one word again, in a command line too. */
void rocker_word_quote(const char *word, struct sfs_buf *out);

const char *rocker_key_name(enum rocker_key key);
unsigned rocker_key_flags(enum rocker_key key);
/* It cannot be changed in one that is built (a limit of each process, not of a group): a change builds anew. */
void rocker_key_fix(enum rocker_key key);
enum rocker_key rocker_key_find(const char *name, size_t len); /* ROCKER_KEYS: none */

struct rocker_spec *rocker_spec_new(void); /* all defaults; NULL: out of memory */
struct rocker_spec *rocker_spec_get(struct rocker_spec *spec);
void rocker_spec_put(struct rocker_spec *spec); /* NULL allowed */

/*
 * One value by itself, judged: its canonical text in *out, owned by the caller; NULL there: it is
 * what is so by default. old: what it is now, NULL or a text (io.max changes one line of it). 0 or -errno
 * with sfs_fail_at for the word in text.
 */
int rocker_judge_value(const struct rocker_judge *judge, enum rocker_key key,
		       const struct sfs_cmd *cmd, const char *old, char **out);
/* A copy of spec with one value in the place of the old one; text is copied. NULL: out of memory. */
struct rocker_spec *rocker_spec_with(const struct rocker_spec *spec, enum rocker_key key,
				     const char *text, const struct plan_opener *by);
/* A whole file. NULL with *rc_out and sfs_fail_at. */
struct rocker_spec *rocker_spec_parse(const struct rocker_judge *judge, const char *text,
				      size_t size, int *rc_out);
/* The canonical text, the default's where there is none: appends it, without a newline at its end. */
void rocker_spec_value(const struct rocker_spec *spec, enum rocker_key key,
		       const struct rocker_whose *whose, struct sfs_buf *out);
/* As INI. whose NULL: only what is no default. */
void rocker_spec_show(const struct rocker_spec *spec, const struct rocker_whose *whose,
		      struct sfs_buf *out);
/* Is what is built of one what would be built of the other, limits apart? */
bool rocker_spec_same(const struct rocker_spec *a, const struct rocker_spec *b);

/* ---- judging one line: rocker_spec_keys.c ------------------------------------------------------ */

/* What there is to be judged: the words of one line. */
struct rocker_line {
	const struct rocker_judge *judge;
	enum rocker_key key;
	const char *text; /* the line, in what was written */
	size_t len;
	struct rocker_words words;
	const char *old; /* KEY_LINES: the lines there are so far, or NULL */
};

/* Appends the canonical text, of KEY_LINES all lines of it; nothing: the default. 0 or -errno with sfs_fail_at. */
int rocker_judge_line(struct rocker_line *line, struct sfs_buf *out);
/* A refusal of that part of the line, which is told with its number. Returns err. */
int rocker_refuse(const struct rocker_judge *judge, int err, const struct rocker_word *word,
		  const char *format, ...) __attribute__((format(printf, 4, 5)));

int rocker_refuse_all(const struct rocker_line *line, int err, const char *what);
/*
 * The only word of it; NULL with a refusal in *rc_out, or with 0 there when the line is empty or says none (NULL:
 * it must not be).
 */
const struct rocker_word *rocker_only(struct rocker_line *line, const char *none, int *rc_out);
/* rocker_spec_paths.c */
int rocker_judge_path(struct rocker_line *line, struct sfs_buf *out);
int rocker_judge_overlays(struct rocker_line *line, struct sfs_buf *out);
int rocker_judge_binds(struct rocker_line *line, struct sfs_buf *out);
int rocker_judge_env(struct rocker_line *line, struct sfs_buf *out);

/* ---- plans: rocker_spec_plan.c ---------------------------------------------------------------- */

/* 0, or -E2BIG or -EDQUOT with sfs_fail. */
int rocker_spec_plan(const struct rocker_spec *spec, const struct rocker_whose *whose,
		     struct rocker_plan *plan);
/* The number of its system call profile, or -1. */
int rocker_spec_profile(const struct rocker_spec *spec);
void rocker_spec_limits(const struct rocker_spec *spec, struct plan_limits *out);
/*
 * Of a new specification only the paths of the host that by wrote: what is to be checked. key
 * ROCKER_KEYS: all. True: there are some.
 */
bool rocker_spec_check_plan(const struct rocker_spec *spec, enum rocker_key key,
			    struct rocker_plan *plan);

/* ---- rules: rocker_spec_rules.c ----------------------------------------------------------------- */

/* Reads [rockers] ids and host_network. 0 or -errno with sfs_fail. */
int rocker_rules_start(void);
/* 0 may be everybody's: it is a name inside. */
bool rocker_may_uid(const struct plan_opener *by, uint64_t uid);
bool rocker_may_gid(const struct plan_opener *by, uint64_t gid);
bool rocker_may_host_network(const struct plan_opener *by);
/* Who a caller is, with all groups that /proc tells while it is still the same user's. */
void rocker_cred(const struct sfs_cred *who, struct plan_opener *out);
/* Who uid is by the user database. */
void rocker_cred_of(uid_t uid, struct plan_opener *out);

/* ---- numbers: rocker_spec_sizes.c ---------------------------------------------------------------- */

/* Bytes with a suffix K M G T, or "max". 0, -EINVAL, -ERANGE. */
int rocker_size(const char *text, size_t len, uint64_t *out);
/* "50000 100000", "max", "max 100000". 0, -EINVAL, -ERANGE. */
int rocker_cpu(const struct rocker_word *words, unsigned count, struct plan_limits *out);
/* "8:0 rbps=1M wiops=max". 0; -EINVAL or -ERANGE with the word in *bad_out. */
int rocker_io(const struct rocker_word *words, unsigned count, struct plan_device *out,
	      const struct rocker_word **bad_out);

#endif
