/* SPDX-License-Identifier: MIT */
/*
 * What the files of librocker_client say to each other.
 *
 * All but rocker_client_app.c runs in the calling process, on the calling thread, and may allocate;
 * that file's functions run between fork and the app's function and do system calls only. Every
 * function that returns a ROCKER_ERR has told client_fail() why.
 */
#ifndef ROCKER_CLIENT_H
#define ROCKER_CLIENT_H

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "rocker.h"

#define CLIENT_SPACES     7 /* namespaces of a rocker that are entered */
#define CLIENT_GROUPS_MAX 32
#define CLIENT_NAME_SIZE  16
#define CLIENT_LIMITS     3

/* ---- rocker_client_log.c: why something failed ------------------------------------------------- */

/* Remembers the sentence for ROCKER_error() and the log; the error again, to be returned. errno stays. */
__attribute__((format(printf, 2, 3))) ROCKER_ERR client_fail(ROCKER_ERR err, const char *format, ...);
void client_succeed(void);

/* ---- rocker_client_file.c: small files --------------------------------------------------------- */

/* As open(2), close-on-exec, and never in the place of a standard descriptor that the caller has closed. */
int client_open(const char *path, int flags);
int client_stat(const char *path, struct stat *out);
/* What no signal may interrupt stands between these two; errno stays. */
void client_hold_signals(sigset_t *was);
void client_let_signals(const sigset_t *was);
int client_mkdir(const char *path, mode_t mode);
int client_rmdir(const char *path);
/* The beginning of a file as text, at most size - 1 bytes. Its length, or -errno. */
ssize_t client_read(const char *path, char *text, size_t size);
/* A monotonic clock in ms. */
int64_t client_now_ms(void);
void client_sleep_ms(unsigned ms);
/* The comm of a process, from /proc. 0 or -errno. */
int client_process_name(int pid, char name[CLIENT_NAME_SIZE]);
/* Closes it, and sets it to -1; errno stays. */
void client_close(int *fd);

/* ---- rocker_client_mount.c --------------------------------------------------------------------- */

/* Where sandboxfs is mounted. */
ROCKER_ERR client_find_mount(char *path, size_t size);

/* ---- rocker_client_spec.c ---------------------------------------------------------------------- */

/* Checks a request, makes the directories that it names, and writes it as INI. *text_out: owned. */
ROCKER_ERR client_spec(const RockerRequest *req, char **text_out);

/* ---- rocker_client_make.c ---------------------------------------------------------------------- */

struct client_rocker {
	char path[PATH_MAX]; /* of its directory */
	unsigned number;
	int guard;
	char name[CLIENT_NAME_SIZE]; /* of the guard */
};

/* Makes a rocker and waits until it is ready. After a failure nothing of it is left. */
ROCKER_ERR client_make(const char *mount, const RockerRequest *req, struct client_rocker *out);
/* The app is in it: from now on it may be removed as soon as it is dead. */
void client_entered(const struct client_rocker *rocker);
/* Removes rockers that calls of this library made, that are dead and that nobody waits for. */
void client_sweep(const char *mount);

/* ---- rocker_client_pidfd.c --------------------------------------------------------------------- */

/* Of a process that has this name, checked without a race. The descriptor, or -errno. */
int client_pidfd(int pid, const char name[CLIENT_NAME_SIZE]);
/* What ROCKER_keep_fds() was told by this thread, in ascending order. */
size_t client_kept_fds(const int **fds_out);

/* ---- rocker_client_groups.c -------------------------------------------------------------------- */

/*
 * Opens cgroup.procs of every control group in which the guard is and this process is not, as far as its
 * hierarchy is mounted here.
 */
ROCKER_ERR client_groups(int guard, int fds[CLIENT_GROUPS_MAX], size_t *count_out);

/* ---- rocker_client_rules.c: what a rocker forbids its processes -------------------------------- */

/* As struct sock_filter and struct sock_fprog, whose header not every libc comes with. */
struct client_instruction {
	uint16_t code;
	uint8_t yes, no;
	uint32_t k;
};

struct client_rules {
	unsigned short length;
	struct client_instruction *filter; /* owned */
	int landlock;                      /* the ABI version; below 1: none here */
	rlim_t limits[CLIENT_LIMITS];      /* of the guard: what stands in for control groups where there are none */
};

extern const int client_limit_numbers[CLIENT_LIMITS]; /* RLIMIT_* */

/* All or nothing. What it has made is for client_rules_free(). */
ROCKER_ERR client_rules(const struct client_rocker *rocker, struct client_rules *out);
void client_rules_free(struct client_rules *rules); /* may be repeated */

/* ---- rocker_client_app.c: between fork and the app's function --------------------------------- */

struct client_entry {
	int spaces[CLIENT_SPACES]; /* -1: this one is the caller's own */
	int groups[CLIENT_GROUPS_MAX];
	size_t ngroups;
	const int *kept; /* in ascending order */
	size_t nkept;
	struct client_rules rules;
	uid_t uid;
	gid_t gid;
	int (*app)(void *);
	void *arg;
	sigset_t signals; /* the app's mask */
	bool dumpable;    /* so is the caller, whose memory it is */
	int report;       /* write end of a pipe, above 2 */
};

enum client_stage {
	CLIENT_ENTER,   /* the helper could not enter the rocker */
	CLIENT_CLONE,   /* it could not make the app's process */
	CLIENT_PID,     /* it could: pid */
	CLIENT_PREPARE, /* the app's process could not be made harmless */
	CLIENT_READY,   /* it calls the function now */
};

struct client_report {
	int32_t stage;
	int32_t err; /* errno */
	int32_t pid;
	char step[20];
};

extern const char *const client_space_names[CLIENT_SPACES];

/* The helper: enters, makes the app's process as its sibling, tells, and exits. */
_Noreturn void client_helper(const struct client_entry *entry);

/* ---- rocker_client_enter.c --------------------------------------------------------------------- */

/* Begins the app in a rocker; report[] is a pipe whose ends are the caller's. */
ROCKER_ERR client_enter(const struct client_rocker *rocker, struct client_entry *entry, int report, int *pid_out);

#endif
