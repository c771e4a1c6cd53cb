/* SPDX-License-Identifier: MIT */
/*
 * Answers to commands that the launcher has a part in, on a thread of their own.
 *
 * The launcher's answers come on its thread, which may not wait for a disk, and who gave up is answered at once,
 * whatever the launcher still does: the first of the two makes this thread answer.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "rocker_life.h"

static struct {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct rocker_answer *first, **last; /* lock */
	bool looks; /* by itself, before long; lock */
	bool stopping;
	pthread_t thread;
} answers = { .lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER };

void rocker_answer_put(struct rocker_answer *answer)
{
	if (atomic_fetch_sub(&answer->refs, 1) == 1)
		answer->release(answer);
}

/* Under the lock, once for each. */
static void enqueue(struct rocker_answer *answer)
{
	answer->queued = true;
	answer->next = NULL;
	*answers.last = answer;
	answers.last = &answer->next;
	pthread_cond_signal(&answers.work);
}

static void cancel(void *arg)
{
	struct rocker_answer *answer = arg;

	pthread_mutex_lock(&answers.lock);
	if (!answer->queued)
		enqueue(answer);
	pthread_mutex_unlock(&answers.lock);
}

void rocker_answer_expect(struct rocker_answer *answer)
{
	atomic_fetch_add(&answer->refs, 1);
	sfs_req_on_cancel(answer->req, cancel, answer, 0);
}

void rocker_answer_came(void *arg, int rc, const char *sentence)
{
	struct rocker_answer *answer = arg;

	pthread_mutex_lock(&answers.lock);
	if (!answer->queued) {
		answer->rc = rc;
		snprintf(answer->sentence, sizeof(answer->sentence), "%s", sentence ?: "");
		enqueue(answer);
	}
	pthread_mutex_unlock(&answers.lock);
	rocker_answer_put(answer);
}

/* Under the lock, which is given back meanwhile. While something is under way the time matters. */
static void wait_for_work(void)
{
	struct timespec until;

	if (!rocker_slow_look()) {
		pthread_cond_wait(&answers.work, &answers.lock);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	answers.looks = true;
	(void)pthread_cond_timedwait(&answers.work, &answers.lock, &until);
	answers.looks = false;
}

/* Not each time, where rockers come and go: it would run in the place of who makes them. */
void rocker_answers_wake(void)
{
	bool looks;

	pthread_mutex_lock(&answers.lock);
	looks = answers.looks;
	pthread_mutex_unlock(&answers.lock);
	if (!looks)
		pthread_cond_signal(&answers.work);
}

static struct rocker_answer *next_answer(void)
{
	struct rocker_answer *answer;

	pthread_mutex_lock(&answers.lock);
	while (!answers.first && !answers.stopping)
		wait_for_work();
	answer = answers.first;
	if (answer) {
		answers.first = answer->next;
		if (!answers.first)
			answers.last = &answers.first;
	}
	pthread_mutex_unlock(&answers.lock);
	return answer;
}

static void finish(struct rocker_answer *answer)
{
	int rc = answer->rc;

	if (rc) {
		rc = sfs_fail(launch_answer(rc), "%s", answer->sentence);
		(void)sfs_blame(rc, answer->written, answer->written_len);
	} else if (answer->keep && !sfs_req_cancelled(answer->req)) {
		rc = answer->keep(answer);
	}
	sfs_req_done(answer->req, rc, NULL);
	rocker_answer_put(answer);
}

static void *work(void *arg)
{
	struct rocker_answer *answer;

	while ((answer = next_answer()))
		finish(answer);
	return arg;
}

int rocker_answers_start(void)
{
	int rc;

	answers.last = &answers.first;
	answers.stopping = false;
	rc = pthread_create(&answers.thread, NULL, work, NULL);
	return rc ? sfs_fail(-ENOMEM, "no thread for changes of rockers: %s", strerror(rc)) : 0;
}

void rocker_answers_stop(void)
{
	pthread_mutex_lock(&answers.lock);
	answers.stopping = true;
	pthread_cond_signal(&answers.work);
	pthread_mutex_unlock(&answers.lock);
	pthread_join(answers.thread, NULL);
}
