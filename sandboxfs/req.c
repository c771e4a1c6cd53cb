/* SPDX-License-Identifier: MIT */
/* Deferred answers: one table, one lock, exactly one outcome for each. */
#include "req.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "errors.h"

struct sfs_req {
	uint64_t id;
	struct sfs_req *next, *prev;
	struct req_reply reply;
	struct file *file; /* borrowed; compared only */
	req_finished_fn *finished;
	void *arg;
	/* All below under table.lock. */
	bool working;    /* between req_begin and the end of that piece of work */
	int why;         /* -errno of the first that gave the work up; 0: nobody did */
	bool cancelling; /* cancel is running */
	void (*cancel)(void *arg);
	void *cancel_arg;
	uint64_t deadline_ns;
	void (*step)(struct sfs_req *req); /* to be run by the core's thread */
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t work;    /* for the thread */
	pthread_cond_t settled; /* a cancel has returned, or a request has gone */
	struct sfs_req list;    /* head of a ring */
	uint64_t last_id;
	uint64_t sleeps_until_ns; /* the thread, while it waits for work */
	bool draining, stopping, running;
	pthread_t thread;
} table = { .lock = PTHREAD_MUTEX_INITIALIZER,
	    .list = { .next = &table.list, .prev = &table.list } };

struct sfs_req *req_new(const struct req_reply *reply, struct file *file)
{
	struct sfs_req *req = calloc(1, sizeof(*req));

	if (!req)
		return NULL;
	req->reply = *reply;
	req->file = file;
	pthread_mutex_lock(&table.lock);
	req->id = ++table.last_id;
	req->why = table.draining ? -EAGAIN : 0;
	req->next = &table.list;
	req->prev = table.list.prev;
	req->prev->next = req->next->prev = req;
	pthread_mutex_unlock(&table.lock);
	return req;
}

uint64_t req_id(const struct sfs_req *req)
{
	return req->id;
}

void *req_arg(const struct sfs_req *req)
{
	return req->arg;
}

/*
 * Under the lock. While anything is pending the thread looks again after the shortest of deadlines
 * at the latest, so a stream of short commands wakes it once in that time, not once for each
 * command.
 */
static void set_deadline(struct sfs_req *req, unsigned deadline_ms)
{
	req->deadline_ns =
		sfs_now_ns() + (deadline_ms ?: sfs_config()->request_ms) * UINT64_C(1000000);
	if (req->deadline_ns < table.sleeps_until_ns)
		pthread_cond_signal(&table.work);
}

void req_begin(struct sfs_req *req, req_finished_fn *finished, void *arg)
{
	pthread_mutex_lock(&table.lock);
	req->finished = finished;
	req->arg = arg;
	req->working = true;
	req->cancel = NULL;
	set_deadline(req, 0);
	pthread_mutex_unlock(&table.lock);
}

/*
 * Ends the piece of work under the lock: after this nothing can cancel it. Returns what came first.
 */
static int settle_locked(struct sfs_req *req, int rc)
{
	while (req->cancelling)
		pthread_cond_wait(&table.settled, &table.lock);
	req->working = false;
	req->cancel = NULL;
	return req->why ?: rc;
}

int req_settle(struct sfs_req *req, int rc)
{
	pthread_mutex_lock(&table.lock);
	rc = settle_locked(req, rc);
	pthread_mutex_unlock(&table.lock);
	return rc;
}

static const char *why_sentence(int why)
{
	switch (why) {
	case -EINTR:
		return "the caller gave up before the end";
	case -ETIMEDOUT:
		return "the deadline passed and the work was ended";
	default:
		return "the daemon is ending; nothing was done";
	}
}

void sfs_req_done(struct sfs_req *req, int rc, struct sfs_blob *answer)
{
	int outcome = req_settle(req, rc);

	if (outcome != rc) {
		sfs_blob_put(answer);
		answer = NULL;
		sfs_fail(outcome, "%s", why_sentence(outcome));
	}
	req->finished(req, outcome, answer);
}

static void req_unlink(struct sfs_req *req)
{
	pthread_mutex_lock(&table.lock);
	req->prev->next = req->next;
	req->next->prev = req->prev;
	pthread_cond_broadcast(&table.settled);
	pthread_mutex_unlock(&table.lock);
}

void req_free(struct sfs_req *req)
{
	req_unlink(req);
	free(req);
}

void req_answer(struct sfs_req *req, int64_t result)
{
	struct req_reply reply = req->reply;

	/*
	 * Out of the table before the reply: afterwards the file may be released on another thread.
	 */
	req_free(req);
	if (reply.send)
		reply.send(reply.token, result);
}

void req_detach(struct sfs_req *req, int64_t result)
{
	struct req_reply reply = req->reply;

	req->reply.send = NULL;
	reply.send(reply.token, result);
}

void req_continue(struct sfs_req *req, void (*step)(struct sfs_req *req))
{
	pthread_mutex_lock(&table.lock);
	req->step = step;
	pthread_cond_signal(&table.work);
	pthread_mutex_unlock(&table.lock);
}

/* ---- giving up ------------------------------------------------------------------------------- */

void sfs_req_on_cancel(struct sfs_req *req, void (*cancel)(void *arg), void *arg,
		       unsigned deadline_ms)
{
	bool now;

	pthread_mutex_lock(&table.lock);
	now = req->why != 0;
	if (!now) {
		req->cancel = cancel;
		req->cancel_arg = arg;
		set_deadline(req, deadline_ms);
	}
	pthread_mutex_unlock(&table.lock);
	if (now && cancel)
		cancel(arg);
}

bool sfs_req_cancelled(const struct sfs_req *req)
{
	bool cancelled;

	pthread_mutex_lock(&table.lock);
	cancelled = req->why != 0;
	pthread_mutex_unlock(&table.lock);
	return cancelled;
}

/* Under the lock. The first reason stays. */
static void give_up(struct sfs_req *req, int why)
{
	if (!req->why)
		req->why = why;
	pthread_cond_signal(&table.work);
}

void req_interrupt(uint64_t id)
{
	struct sfs_req *req;

	pthread_mutex_lock(&table.lock);
	for (req = table.list.next; req != &table.list; req = req->next)
		if (req->id == id)
			give_up(req, -EINTR);
	pthread_mutex_unlock(&table.lock);
}

void req_release(struct file *file)
{
	struct sfs_req *req;

	pthread_mutex_lock(&table.lock);
	for (req = table.list.next; req != &table.list; req = req->next)
		if (req->file == file)
			give_up(req, -EINTR);
	pthread_mutex_unlock(&table.lock);
}

bool req_drain(unsigned timeout_ms)
{
	struct timespec end;
	struct sfs_req *req;
	uint64_t end_ns = sfs_now_ns() + timeout_ms * UINT64_C(1000000);
	bool empty;

	end.tv_sec = (time_t)(end_ns / 1000000000u);
	end.tv_nsec = (long)(end_ns % 1000000000u);
	pthread_mutex_lock(&table.lock);
	table.draining = true;
	for (req = table.list.next; req != &table.list; req = req->next)
		give_up(req, -EAGAIN);
	while (table.list.next != &table.list)
		if (pthread_cond_timedwait(&table.settled, &table.lock, &end) == ETIMEDOUT)
			break;
	empty = table.list.next == &table.list;
	pthread_mutex_unlock(&table.lock);
	return empty;
}

/* ---- the thread ------------------------------------------------------------------------------ */

/*
 * Under the lock, which is dropped around the callback. True: the list may have changed, look
 * again.
 */
static bool attend(struct sfs_req *req)
{
	void (*cancel)(void *arg) = req->cancel;
	void (*step)(struct sfs_req * req) = req->step;

	if (step) {
		req->step = NULL;
		pthread_mutex_unlock(&table.lock);
		step(req); /* may free it */
		pthread_mutex_lock(&table.lock);
		return true;
	}
	if (!req->why || !cancel)
		return false;
	req->cancel = NULL;
	req->cancelling = true;
	pthread_mutex_unlock(&table.lock);
	cancel(req->cancel_arg);
	pthread_mutex_lock(&table.lock);
	req->cancelling = false;
	pthread_cond_broadcast(&table.settled);
	return true;
}

/*
 * Under the lock: attends to the first request in need. Returns the next deadline, or 0 to look
 * again.
 */
static uint64_t look_round(void)
{
	uint64_t now = sfs_now_ns(), next = UINT64_MAX,
		 soon = now + sfs_config()->request_ms * UINT64_C(1000000);
	struct sfs_req *req;

	for (req = table.list.next; req != &table.list; req = req->next) {
		if (req->working && !req->why && req->deadline_ns <= now)
			give_up(req, -ETIMEDOUT);
		if (attend(req))
			return 0;
		if (req->working && !req->why && req->deadline_ns < next)
			next = req->deadline_ns < soon ? req->deadline_ns : soon;
	}
	return next;
}

static void *keep_deadlines(void *unused)
{
	struct timespec until;
	uint64_t next;

	(void)unused;
	pthread_mutex_lock(&table.lock);
	while (!table.stopping) {
		next = look_round();
		if (!next)
			continue;
		table.sleeps_until_ns = next;
		if (next == UINT64_MAX) {
			pthread_cond_wait(&table.work, &table.lock);
			continue;
		}
		until.tv_sec = (time_t)(next / 1000000000u);
		until.tv_nsec = (long)(next % 1000000000u);
		pthread_cond_timedwait(&table.work, &table.lock, &until);
	}
	pthread_mutex_unlock(&table.lock);
	return NULL;
}

int req_start(void)
{
	pthread_condattr_t attr;
	int err;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&table.work, &attr);
	pthread_cond_init(&table.settled, &attr);
	pthread_condattr_destroy(&attr);
	table.draining = table.stopping = false;
	err = pthread_create(&table.thread, NULL, keep_deadlines, NULL);
	table.running = !err;
	return -err;
}

void req_stop(void)
{
	if (!table.running)
		return;
	pthread_mutex_lock(&table.lock);
	table.stopping = true;
	pthread_cond_signal(&table.work);
	pthread_mutex_unlock(&table.lock);
	pthread_join(table.thread, NULL);
	pthread_cond_destroy(&table.work);
	pthread_cond_destroy(&table.settled);
	table.running = false;
}
