/* SPDX-License-Identifier: MIT */
/*
 * What the two jailed helpers share: the start of the process, the control socket, forking,
 * filters.
 *
 * A helper is single-threaded, owns nothing but WIRE_CTL_FD, and ends when that socket does.
 * Nothing here allocates, and nothing here is believed by those outside of the jail. A failure that
 * leaves nobody to tell it to ends the process.
 */
#ifndef HELPER_H
#define HELPER_H

#include "wire.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Exit statuses of helpers and of children that never began; a run that ends well exits with 0. */
enum helper_status {
	HELPER_CONFUSED = 121, /* an order was malformed, or the socket failed */
	HELPER_FAILED = 122,   /* a WIRE_FORK_FAILED tells why */
	HELPER_REFUSED = 123,  /* the gate was answered with an error */
};

struct helper_order {
	struct wire_order order;
	unsigned nfds;
	int fds[WIRE_FDS_MAX]; /* owned by the receiver */
};

/*
 * First call of main(). With argv[0] "init" it is the PID 1 of a jail and never returns. Otherwise
 * it makes signals and privileges what a helper needs them to be, and announces WIRE_READY.
 */
void helper_start(char **argv);
/* Waits for an order. The end of the socket ends the process. */
void helper_receive(struct helper_order *out);
void helper_close(struct helper_order *order);
/* text may be NULL. */
void helper_report(enum wire_report_type type, uint32_t seq, int rc, const char *text);
/* The same by notified calls, of a process that has the filter of runs. */
void helper_call_failed(int rc, const char *text);
/* A child of the parent of this process, without the handlers of fork(3). 0 in the child, its pid,
 * or -errno. */
pid_t helper_fork_sibling(void);
/* A child of this process. */
pid_t helper_fork_child(void);
_Noreturn void helper_exit(int status);

/* Length of a file, or -errno. */
int64_t helper_size(int fd);
/* An anonymous copy of a whole file, which nobody else can change: NULL: not possible, or empty, or
 * more than max. */
void *helper_copy(int fd, size_t max, size_t *size_out);
/*
 * The same where a few pages are looked at: of a file that is sealed against writing and shrinking
 * only the pages that this process writes are copied.
 */
void *helper_own(int fd, size_t max, size_t *size_out);

/*
 * Filters, for good. All allow exit_group(2). run: everything else notifies the returned
 * descriptor, or -errno. child: everything else kills. inspect: besides, memory without execution
 * is allowed, everything else kills.
 */
int helper_filter_run(void);
int helper_filter_child(void);
int helper_filter_inspect(void);

#endif
