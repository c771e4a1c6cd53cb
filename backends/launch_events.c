/* SPDX-License-Identifier: MIT */
/*
 * Which events can be counted here: the launcher tries each once, the answers are kept.
 */
#include "launch_state.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define ANSWER_NS 100000000L /* a FUSE thread waits no longer for one event */

/* What most runs ask for; tried at the start, so that nobody waits for these. */
static const struct launch_event usual[] = {
	{ .type = PERF_TYPE_SOFTWARE, .exclude_kernel = 1, .config = PERF_COUNT_SW_TASK_CLOCK },
	{ .type = PERF_TYPE_SOFTWARE, .exclude_kernel = 0, .config = PERF_COUNT_SW_TASK_CLOCK },
	{ .type = PERF_TYPE_SOFTWARE, .exclude_kernel = 1, .config = PERF_COUNT_SW_PAGE_FAULTS },
	{ .type = PERF_TYPE_SOFTWARE, .exclude_kernel = 0, .config = PERF_COUNT_SW_PAGE_FAULTS },
	{ .type = PERF_TYPE_SOFTWARE,
	  .exclude_kernel = 0,
	  .config = PERF_COUNT_SW_CONTEXT_SWITCHES },
	{ .type = PERF_TYPE_HARDWARE, .exclude_kernel = 1, .config = PERF_COUNT_HW_CPU_CYCLES },
	{ .type = PERF_TYPE_HARDWARE, .exclude_kernel = 1, .config = PERF_COUNT_HW_INSTRUCTIONS },
	{ .type = PERF_TYPE_HARDWARE, .exclude_kernel = 1, .config = PERF_COUNT_HW_CACHE_MISSES },
	{ .type = PERF_TYPE_HARDWARE, .exclude_kernel = 1, .config = PERF_COUNT_HW_BRANCH_MISSES },
};

static bool same(const struct launch_event *a, const struct launch_event *b)
{
	return a->type == b->type && a->exclude_kernel == b->exclude_kernel &&
	       a->config == b->config && a->config1 == b->config1 && a->config2 == b->config2;
}

static struct event_fact *find(const struct launch_event *event)
{
	for (unsigned i = 0; i < launch_client.nfacts; i++)
		if (same(&launch_client.facts[i].event, event))
			return &launch_client.facts[i];
	return NULL;
}

/* A place for it, the oldest one's when all are taken; and the question. */
static void ask(const struct launch_event *event)
{
	struct launch_client *c = &launch_client;
	struct lm_probe order = { .head = { LM_PROBE, 0 }, .event = *event };

	if (c->gone || launch_send(&order, sizeof order, NULL, 0))
		return;
	unsigned at = c->nfacts < EVENTS_CACHED ? c->nfacts++ : c->next_fact++ % EVENTS_CACHED;
	c->facts[at] = (struct event_fact){ .event = *event };
}

void launch_event_ask_usual(void)
{
	for (unsigned i = 0; i < sizeof usual / sizeof *usual; i++)
		ask(&usual[i]);
}

void launch_event_learn(const struct lm_probed *probed)
{
	struct event_fact *fact = find(&probed->event);

	if (fact) {
		fact->known = true;
		fact->error = probed->error;
	}
	(void)pthread_cond_broadcast(&launch_client.probed);
}

static struct timespec soon(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += ANSWER_NS;
	if (t.tv_nsec >= 1000000000L) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000L;
	}
	return t;
}

bool launch_event_works(const struct launch_event *event, int *error_out)
{
	struct launch_client *c = &launch_client;
	struct timespec until = soon();
	const struct event_fact *fact;
	int error = -EIO;

	(void)pthread_mutex_lock(&c->lock);
	if (c->started && !find(event))
		ask(event);
	while ((fact = find(event)) && !fact->known && !c->gone)
		if (pthread_cond_timedwait(&c->probed, &c->lock, &until)) {
			error = -EAGAIN; /* the answer will be kept for the next who asks */
			break;
		}
	if (fact && fact->known)
		error = fact->error;
	(void)pthread_mutex_unlock(&c->lock);
	*error_out = error;
	return !error;
}
