/* SPDX-License-Identifier: MIT */
/*
 * A run on its way: template, calibration, buffers, launch, judgement, answer; each step begins
 * where the last one ended.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_outcome.h"
#include "kernels.h"

#define CALIBRATIONS     3
#define CALIBRATION_MS   2000
#define REMEASURE_MAX    8           /* times that a run whose claims do not hold is made again */
#define DISTURBED_MAX_NS 1000000     /* of an empty run, however much this machine stalls */
#define ARENA_KEEP_BYTES (16u << 20) /* larger buffers are not kept for the next run */

static void prepare(void *arg);
static void judge(void *arg);

/* ---- the end of each ------------------------------------------------------------------------- */

/* True: its kernel went away meanwhile. */
static bool delist(struct run *run)
{
	struct run **at = &run->kernel->in_flight;

	pthread_mutex_lock(&run->kernel->lock);
	while (*at != run)
		at = &(*at)->next_run;
	*at = run->next_run;
	pthread_mutex_unlock(&run->kernel->lock);
	return run->orphaned;
}

static void publish(struct run *run, struct outcome *out)
{
	static const char *const files[] = { "counters",    "result",      "distribution",
					     "samples.csv", "result.json", "output",
					     NULL };

	atomic_fetch_add(&run->kernel->checks_failed, out->check == CHECK_FAILED);
	atomic_fetch_add(&run->kernel->integrity_violations, out->is_violated);
	kernel_publish(run->kernel, out);
	kernel_history_add(run->dir, out);
	if (run->for_job)
		kernel_job_result(run->for_job, out);
	for (unsigned i = 0; files[i]; i++)
		sfs_changed_for(run->dir, files[i], run->who.uid);
	sfs_event(run->dir, run->who.uid, "run", "%llu %s", (unsigned long long)out->number,
		  outcome_status(out));
	run->is_published = true;
}

/* Nobody waits for a job's answer: what became of it is told where its result would be. */
static void publish_failure(struct run *run, int rc)
{
	struct outcome *out = outcome_new(run);

	if (!out)
		return;
	out->status = rc == -ECANCELED ? RUN_KILLED : RUN_FAILED;
	out->rc = rc;
	snprintf(out->cause, sizeof(out->cause), "%.480s", sfs_sentence());
	snprintf(out->integrity, sizeof(out->integrity), "not judged");
	publish(run, out);
	outcome_let_go(out);
}

/* The one end of every accepted run. rc's sentence has been noted by this thread. */
static void finish(struct run *run, int rc, struct sfs_blob *answer)
{
	if (delist(run) && rc)
		rc = sfs_fail(-ENODEV, "kernel '%s' was removed, and its run ended",
			      run->kernel->name);
	if (run->for_job && !run->is_published)
		publish_failure(run, rc);
	store_running(run->codelet, -1);
	atomic_fetch_sub(&run->kernel->running, 1);
	atomic_fetch_add(&run->kernel->errors, rc != 0);
	atomic_fetch_add(&run->kernel->timeouts, rc == -ETIMEDOUT);
	sfs_stat_add(rc ? SFS_RUNS_FAILED : SFS_RUNS, 1);
	kernel_run_announce(run);
	if (run->for_job)
		kernel_job_ended(run->for_job);
	if (run->req)
		sfs_req_done(run->req, rc, answer);
	else
		sfs_blob_put(answer);
	kernel_run_put(run);
}

static void give_template_back(struct run *run, bool dead)
{
	struct template *template = run->template;

	run->template = NULL;
	if (template->arena && template->arena->bytes > ARENA_KEEP_BYTES) {
		arena_free(template->arena);
		template->arena = NULL;
	}
	template_put(template, dead);
}

/* ---- giving up ------------------------------------------------------------------------------- */

static void finish_cancelled(void *arg)
{
	finish(arg, sfs_fail(-ECANCELED, "the run was given up before it began"), NULL);
}

static bool is_cancelled(struct run *run)
{
	bool cancelled;

	pthread_mutex_lock(&run->lock);
	cancelled = run->cancelled;
	pthread_mutex_unlock(&run->lock);
	return cancelled;
}

/*
 * From a thread of the core, which must not be answered here: the pool does that for a run that has
 * not begun.
 */
void kernel_run_cancel(void *arg)
{
	struct run *run = arg;
	int64_t launched;

	pthread_mutex_lock(&run->lock);
	run->cancelled = true;
	launched = run->launched;
	pthread_mutex_unlock(&run->lock);
	if (launched > 0)
		launch_kill(launched);
	if (template_forget(&run->wait)) {
		run->job = (struct pool_job){ finish_cancelled, run, run->who.uid, NULL };
		pool_submit(&run->job);
	}
}

/* One at a time, since no lock may be held while it is cancelled. */
void kernel_end_runs(struct kernel *kernel)
{
	struct run *run;

	do {
		pthread_mutex_lock(&kernel->lock);
		kernel->gone = true;
		for (run = kernel->in_flight; run && run->orphaned; run = run->next_run)
			;
		if (run) {
			run->orphaned = true;
			atomic_fetch_add(&run->refs, 1);
		}
		pthread_mutex_unlock(&kernel->lock);
		if (run) {
			kernel_run_cancel(run);
			kernel_run_put(run);
		}
	} while (run);
}

/* ---- launching ------------------------------------------------------------------------------- */

/* The run may end, and be freed by whoever answers it, before launch_run() has returned here. */
static void launch(struct run *run, void (*done)(void *arg, const struct launch_exit *how))
{
	bool cancelled;
	int64_t id;

	atomic_fetch_add(&run->refs, 1);
	id = launch_run(run->template->zygote, &run->order, done, run);
	if (id < 0) {
		struct launch_exit failed = { .cause = LAUNCH_FAILED, .rc = (int32_t)id };

		snprintf(failed.sentence, sizeof(failed.sentence), "%s", sfs_sentence());
		done(run, &failed);
		kernel_run_put(run);
		return;
	}
	pthread_mutex_lock(&run->lock);
	/* It may have ended, and its next launch be in flight: numbers grow. */
	if (id > run->launched)
		run->launched = id;
	cancelled = run->cancelled;
	pthread_mutex_unlock(&run->lock);
	if (cancelled)
		launch_kill(id);
	kernel_run_put(run);
}

static void on_pool_when_large(struct run *run, void (*work)(void *arg))
{
	if (!run->is_large) {
		work(run);
		return;
	}
	run->job = (struct pool_job){ work, run, run->who.uid, NULL };
	pool_submit(&run->job);
}

static void ended(void *arg, const struct launch_exit *how)
{
	struct run *run = arg;

	run->how = *how;
	if (how->cause == LAUNCH_FAILED && how->rc == -ESRCH && !run->retried &&
	    !is_cancelled(run)) {
		run->retried = true; /* the template died unseen: a fresh one, once */
		give_template_back(run, true);
		template_get(&run->wait);
		return;
	}
	on_pool_when_large(run, judge);
}

static int take_arena(struct run *run)
{
	struct template *template = run->template;
	int rc = 0;

	if (!arena_fits(template->arena, run->spec, run->words, run->nsets)) {
		arena_free(template->arena);
		template->arena = arena_new(&run->bound, run->nsets, &rc);
		if (!template->arena)
			return rc;
		template->arena->spec = kernel_spec_get(run->spec);
		memcpy(template->arena->words, run->words, sizeof(run->words));
	}
	return arena_fill(template->arena, &run->bound);
}

static void prepare(void *arg)
{
	struct run *run = arg;
	int rc = take_arena(run);

	if (!rc && is_cancelled(run))
		rc = sfs_fail(-ECANCELED, "the run was given up before it began");
	if (rc) {
		char sentence[SFS_SENTENCE_MAX];

		snprintf(sentence, sizeof(sentence), "%s", sfs_sentence());
		give_template_back(run, false);
		finish(run, sfs_fail(rc, "%s", sentence), NULL);
		return;
	}
	kernel_plan(run, false);
	run->order.wall_ms = run->options.timeout_ms;
	run->order.nfds = run->template->arena->bytes ? 1 : 0;
	run->order.fds[0] = run->template->arena->fd;
	launch(run, ended);
}

/* ---- what a run costs by itself -------------------------------------------------------------- */

uint64_t *template_base(struct template *t, const struct launch_event *event)
{
	for (unsigned i = 0; i < t->nbases; i++) {
		if (!memcmp(&t->bases[i].event, event, sizeof(*event)))
			return &t->bases[i].value;
	}
	return NULL;
}

/* The least of several: what disturbs a run only ever adds to its counts. */
static void note_base(struct template *t, const struct launch_event *event, uint64_t value)
{
	uint64_t *base = template_base(t, event);

	if (base && value < *base)
		*base = value;
	if (base || t->nbases == TEMPLATE_BASES_MAX)
		return;
	t->bases[t->nbases].event = *event;
	t->bases[t->nbases++].value = value;
}

struct kernel_usage kernel_usage_of(const struct launch_exit *how)
{
	uint64_t all_ns = how->user_ns + how->system_ns, begin_ns = how->gate_cpu_ns;

	return (struct kernel_usage){ all_ns > begin_ns ? all_ns - begin_ns : 0, how->minor_faults,
				      how->major_faults };
}

static void least(uint64_t *value, uint64_t other)
{
	if (other < *value)
		*value = other;
}

static void note_usage(struct template *t, const struct launch_exit *how)
{
	struct kernel_usage usage = kernel_usage_of(how);

	if (!t->empty_runs)
		t->usage = usage;
	least(&t->usage.cpu_ns, usage.cpu_ns);
	least(&t->usage.minor_faults, usage.minor_faults);
	least(&t->usage.major_faults, usage.major_faults);
	/* Not of all: with enough of them it is only a matter of time until one is slow. */
	if (t->empty_runs++ < CALIBRATIONS && usage.cpu_ns > t->slowest_ns)
		t->slowest_ns = usage.cpu_ns;
}

static bool knows_bases(const struct run *run)
{
	if (!run->template->empty_runs)
		return false;
	for (unsigned i = 0; i < run->order.nevents; i++) {
		if (!template_base(run->template, &run->order.events[i]))
			return false;
	}
	return true;
}

/*
 * What this machine does to a process that does nothing, at this moment. It widens what the claims of
 * this one run may lack, and its result says by how much.
 */
static void note_disturbance(struct run *run, const struct launch_exit *how)
{
	uint64_t ns = kernel_usage_of(how).cpu_ns;

	if (ns > run->disturbed_ns)
		run->disturbed_ns = ns < DISTURBED_MAX_NS ? ns : DISTURBED_MAX_NS;
}

static void calibrated(void *arg, const struct launch_exit *how);

static void calibrate(struct run *run)
{
	kernel_plan(run, true);
	run->order.wall_ms = CALIBRATION_MS;
	run->order.nfds = 0;
	launch(run, calibrated);
}

/*
 * An empty run that does not end well leaves nothing to subtract; the real one will say what is
 * wrong.
 */
static void calibrated(void *arg, const struct launch_exit *how)
{
	struct run *run = arg;

	if (how->cause == LAUNCH_FAILED) {
		ended(run, how);
		return;
	}
	for (unsigned i = 0; i < run->order.nevents; i++) {
		bool counted =
			how->cause == LAUNCH_EXITED && i < how->nevents && !how->counts[i].error;

		note_base(run->template, &run->order.events[i], counted ? how->counts[i].value : 0);
	}
	note_usage(run->template, how);
	if (run->remeasured)
		note_disturbance(run, how);
	if (run->calibrations && --run->calibrations && how->cause == LAUNCH_EXITED)
		calibrate(run);
	else
		on_pool_when_large(run, prepare);
}

void kernel_run_got(struct template_wait *wait, struct template *template, int rc,
		    const char *sentence)
{
	struct run *run = (struct run *)((char *)wait - offsetof(struct run, wait));

	run->template = template;
	if (run->for_job && template)
		kernel_job_running(run->for_job);
	if (!template) {
		finish(run, sfs_fail(rc, "%s", sentence), NULL);
	} else if (is_cancelled(run)) {
		give_template_back(run, false);
		finish_cancelled(run);
	} else if (!knows_bases(run)) {
		run->calibrations = CALIBRATIONS;
		calibrate(run);
	} else {
		on_pool_when_large(run, prepare);
	}
}

/* ---- judging ---------------------------------------------------------------------------------- */

/*
 * A machine that stalls makes honest claims look false, though seldom twice in a row, and an empty
 * run before each new try shows how it stalls; those of a forger are false each time.
 */
static bool measure_again(struct run *run, struct outcome *out)
{
	if (out->status != RUN_KILLED || !out->is_violated || run->remeasured == REMEASURE_MAX ||
	    is_cancelled(run))
		return false;
	run->remeasured++;
	outcome_let_go(out);
	run->calibrations = 1;
	calibrate(run);
	return true;
}

static void judge(void *arg)
{
	struct run *run = arg;
	struct outcome *out = outcome_new(run);
	bool dead =
		run->how.cause == LAUNCH_FAILED && (run->how.rc == -ESRCH || run->how.rc == -EIO);
	char sentence[SFS_SENTENCE_MAX] = "no memory for the result";
	struct sfs_blob *answer = NULL;
	int rc = -ENOMEM;

	if (out) {
		rc = kernel_judge(run, out);
		snprintf(sentence, sizeof(sentence), "%s", rc ? sfs_sentence() : "");
		if (rc && measure_again(run, out))
			return;
	}
	give_template_back(run, dead);
	if (out) {
		publish(run, out);
		answer = rc ? NULL : outcome_file(out, OUT_COUNTERS);
		outcome_let_go(out);
	}
	finish(run, rc ? sfs_fail(rc, "%s", sentence) : 0, answer);
}
