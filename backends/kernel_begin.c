/* SPDX-License-Identifier: MIT */
/* How a run begins: its words are judged, its codelet is chosen, and it queues for a template. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_number.h"
#include "kernels.h"

#define QUEUE_MS 10000 /* that a writer may wait for a template, on top of the run's own time */

static int accept(struct run *run, const char *text, size_t len)
{
	char chosen[SFS_NAME_MAX + 1];
	int rc;

	if (!run->spec)
		return sfs_fail(-EINVAL,
				"kernel '%s' has no specification yet: write its file spec",
				run->kernel->name);
	pthread_mutex_lock(&run->kernel->lock);
	memcpy(chosen, run->kernel->codelet, sizeof(chosen));
	pthread_mutex_unlock(&run->kernel->lock);
	rc = kernel_command_parse(run, text, len);
	if (rc)
		return rc;
	rc = kernel_choose_codelet(run, chosen);
	return rc ? kernel_blame_word(rc, text, len, run->options.codelet[0] ? "codelet" : "symbol")
		  : 0;
}

struct run *kernel_run_new(struct sfs_obj *dir, const struct sfs_cred *who, const char *text,
			   size_t len, int *rc_out)
{
	struct run *run = calloc(1, sizeof(*run));
	int rc;

	if (!run) {
		*rc_out = sfs_fail(-ENOMEM, "no memory for a run");
		return NULL;
	}
	atomic_init(&run->refs, 1);
	pthread_mutex_init(&run->lock, NULL);
	run->dir = sfs_get(dir);
	run->kernel = sfs_priv(dir);
	run->who = *who;
	run->spec = kernel_get_spec(run->kernel);
	run->started_at_ns = sfs_wall_ns();
	rc = accept(run, text, len);
	if (!rc) {
		run->number = kernel_number();
		return run;
	}
	*rc_out = rc;
	atomic_fetch_add(&run->kernel->errors, 1);
	sfs_changed(dir, "activity");
	kernel_run_put(run);
	return NULL;
}

void kernel_run_put(struct run *run)
{
	if (!run || atomic_fetch_sub(&run->refs, 1) != 1)
		return;
	if (run->is_bound)
		spec_unbind(&run->bound);
	free(run->line);
	if (run->is_placed)
		rocker_release(run->options.rocker);
	rocker_put(run->options.rocker);
	kernel_job_put(run->for_job);
	kernel_spec_put(run->spec);
	store_put(run->codelet);
	sfs_put_obj(run->dir);
	pthread_mutex_destroy(&run->lock);
	free(run);
}

/* False: the kernel is going away. */
static bool enlist(struct run *run)
{
	struct kernel *kernel = run->kernel;
	bool gone;

	pthread_mutex_lock(&kernel->lock);
	gone = kernel->gone;
	if (!gone) {
		run->next_run = kernel->in_flight;
		kernel->in_flight = run;
	}
	pthread_mutex_unlock(&kernel->lock);
	return !gone;
}

void kernel_run_announce(const struct run *run)
{
	sfs_changed(run->dir, "state");
	sfs_changed(run->dir, "activity");
}

/* Its rocker is ready, or will not be. */
static void placed(void *arg, int rc, const char *sentence)
{
	struct run *run = arg;

	if (rc) {
		kernel_run_got(&run->wait, NULL, rc, sentence);
		return;
	}
	run->is_placed = true;
	run->wait.key.place = rocker_place(run->options.rocker);
	template_get(&run->wait);
}

int kernel_run_begin(struct run *run)
{
	if (!enlist(run))
		return sfs_fail(-ENODEV, "the kernel is being removed");
	kernel_plan_counters(run);
	run->wait.got = kernel_run_got;
	store_running(run->codelet, 1);
	atomic_fetch_add(&run->kernel->runs, 1);
	atomic_fetch_add(&run->kernel->running, 1);
	kernel_run_announce(run);
	if (run->req)
		sfs_req_on_cancel(run->req, kernel_run_cancel, run,
				  run->options.timeout_ms + QUEUE_MS);
	if (run->options.rocker)
		rocker_acquire(run->options.rocker, placed, run);
	else
		template_get(&run->wait);
	return 0;
}

int kernel_run_store(struct sfs_obj *dir, struct sfs_cmd *cmd)
{
	int rc = 0;
	struct run *run = kernel_run_new(dir, &cmd->who, cmd->text, cmd->len, &rc);

	if (!run)
		return rc;
	run->req = cmd->req;
	rc = kernel_run_begin(run);
	if (!rc)
		return SFS_LATER;
	kernel_run_put(run);
	return rc;
}
