/* SPDX-License-Identifier: MIT */
/*
 * The one table of answers that are put off.
 *
 * A request is made before its work starts and lives until req_answer(), which sends its one reply
 * and frees it. In between, completion, interruption, release of the file, the deadline and the
 * drain of the daemon race for it under one lock: whichever is noted first decides what the caller
 * hears, but the reply always waits for the work to have ended. All functions may be called from
 * any thread; callbacks run with no lock held.
 */
#ifndef REQ_H
#define REQ_H

#include "sandboxfs.h"

#define REQ_LATER INT64_MIN /* returned instead of a result: req_answer() sends it */

struct file;

/* What is owed to the kernel. token belongs to whoever set send, which is called once. */
struct req_reply {
	void (*send)(void *token, int64_t result); /* NULL: nobody waits */
	void *token;
};

/*
 * The work has ended. rc is final: 0 or -errno, -EINTR and -ETIMEDOUT included; answer is taken
 * over.
 */
typedef void req_finished_fn(struct sfs_req *req, int rc, struct sfs_blob *answer);

/*
 * Enters the table. Counts no reference to file, which release takes away with req_release(). NULL:
 * ENOMEM.
 */
struct sfs_req *req_new(const struct req_reply *reply, struct file *file);
uint64_t req_id(const struct sfs_req *req);

/* One piece of work begins, with the default deadline; finished and arg are for its end. */
void req_begin(struct sfs_req *req, req_finished_fn *finished, void *arg);
void *req_arg(const struct sfs_req *req);

/*
 * The callback that was given the request has answered at once, with rc: no cancel runs after this.
 * Returns rc, or what came first.
 */
int req_settle(struct sfs_req *req, int rc);

/* The caller has his answer already (O_NONBLOCK): sends result now, the work goes on. */
void req_detach(struct sfs_req *req, int64_t result);

/* Sends the reply and frees the request. */
void req_answer(struct sfs_req *req, int64_t result);
/* Frees it unsent: the result goes back by return value. */
void req_free(struct sfs_req *req);

/* Continues on the core's own thread: for what a completing backend must not be made to run. */
void req_continue(struct sfs_req *req, void (*step)(struct sfs_req *req));

/* the caller gave up; an unknown id has been answered already */
void req_interrupt(uint64_t id);
void req_release(struct file *file); /* the last descriptor is closed */

int req_start(void); /* the thread that keeps deadlines; 0 or -errno */
/* Cancels everything and waits until all has ended or timeout_ms passed. True: nothing is left. */
bool req_drain(unsigned timeout_ms);
void req_stop(void);

#endif
