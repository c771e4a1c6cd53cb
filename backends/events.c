/* SPDX-License-Identifier: MIT */
/*
 * The directory /events: a directory for each PMU, in it one for each event, made once at the
 * start.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "events.h"
#include "kernels.h"
#include "perf_pmu.h"

struct event {
	char pmu[SFS_NAME_MAX + 1], name[SFS_NAME_MAX + 1];
	char spelling[160];
	char *description; /* owned */
};

/* borrowed; set before there are threads */
static struct sfs_obj *top;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sfs_blob *available; /* under lock; NULL: still being tried */
static struct pool_job trial;

/* ---- the rows of an event -------------------------------------------------------------------- */

static int description_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	const struct event *event = sfs_priv(dir);

	(void)who;
	sfs_put(out, "%s\n", event->description);
	return 0;
}

static int umasks_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	const struct event *event = sfs_priv(dir);

	(void)who;
	perf_umasks(event->pmu, event->name, out);
	return 0;
}

static int encoding_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	const struct event *event = sfs_priv(dir);
	struct perf_name name;
	char text[200];

	(void)who;
	sfs_put(out, "name %s\n", event->spelling);
	if (perf_resolve(event->spelling, strlen(event->spelling), &name, text, sizeof(text))) {
		sfs_put(out, "error %s\n", text);
		return 0;
	}
	sfs_put(out, "type %u\nconfig 0x%llx\nconfig1 0x%llx\nconfig2 0x%llx\nexclude_kernel %u\n",
		name.event.type, (unsigned long long)name.event.config,
		(unsigned long long)name.event.config1, (unsigned long long)name.event.config2,
		name.event.exclude_kernel);
	return 0;
}

static int state_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	const struct event *event = sfs_priv(dir);
	struct perf_name name;
	char text[200];
	bool works;

	(void)who;
	if (perf_resolve(event->spelling, strlen(event->spelling), &name, text, sizeof(text)))
		sfs_put(out, "%s\n", text);
	else
		sfs_put(out, "%s\n", perf_works(&name, &works));
	return 0;
}

static const struct sfs_attr event_rows[] = {
	{ .name = "description",
	  .mode = 0444,
	  .show = description_show,
	  .help = "what the event counts" },
	{ .name = "umasks",
	  .mode = 0444,
	  .show = umasks_show,
	  .help = "its umasks and modifiers, one per line" },
	{ .name = "encoding",
	  .mode = 0444,
	  .show = encoding_show,
	  .help = "its name in full, type and config" },
	{ .name = "state",
	  .mode = 0444,
	  .show = state_show,
	  .help = "ok, or why this machine cannot count it now" },
	{ 0 }
};

static void event_free(void *priv)
{
	struct event *event = priv;

	free(event->description);
	free(event);
}

static const struct sfs_dirtype event_type = { .attrs = event_rows, .release = event_free };
static const struct sfs_dirtype pmu_type = { 0 };

/* ---- making them ----------------------------------------------------------------------------- */

static int add_pmu(void *arg, const char *name, const char *description, unsigned events)
{
	struct sfs_obj *there = sfs_find(top, name);

	(void)arg;
	(void)description;
	(void)events;
	if (there) {
		sfs_put_obj(there);
		return 0;
	}
	return sfs_add_dir(top, name, &pmu_type, NULL, 0, 0, 0555);
}

/* An event whose name is no file name is left out: it can still be counted by its name. */
static int add_event(void *arg, const char *pmu, const char *name, const char *spelling,
		     const char *description)
{
	struct sfs_obj *dir = sfs_find(top, pmu);
	struct event *event = calloc(1, sizeof(*event));

	(void)arg;
	if (!dir || !event || strlen(name) > SFS_NAME_MAX ||
	    !(event->description = strdup(description))) {
		sfs_put_obj(dir);
		free(event);
		return dir ? 0 : -ENOMEM;
	}
	snprintf(event->pmu, sizeof(event->pmu), "%s", pmu);
	snprintf(event->name, sizeof(event->name), "%s", name);
	snprintf(event->spelling, sizeof(event->spelling), "%s", spelling);
	(void)sfs_add_dir(dir, name, &event_type, event, 0, 0, 0555);
	sfs_put_obj(dir);
	return 0;
}

/* ---- what can be opened ---------------------------------------------------------------------- */

static void try_one(struct sfs_buf *buf, const char *spelling)
{
	struct perf_name name;
	char text[200];
	bool works = false;

	if (!perf_resolve(spelling, strlen(spelling), &name, text, sizeof(text)))
		(void)perf_works(&name, &works);
	if (works)
		sfs_put(buf, "%s\n", spelling);
}

static int try_event(struct sfs_obj *dir, void *arg)
{
	const struct event *event = sfs_priv(dir);

	try_one(arg, event->spelling);
	return 0;
}

static int try_pmu(struct sfs_obj *dir, void *arg)
{
	return sfs_each(dir, try_event, arg);
}

/* On the pool, since each trial asks the launcher. */
static void try_all(void *arg)
{
	static const char *const names[] = { "tsc",
					     "time_ns",
					     "task-clock",
					     "cpu-clock",
					     "page-faults",
					     "minor-faults",
					     "major-faults",
					     "context-switches",
					     "cpu-migrations",
					     "cycles",
					     "instructions",
					     "ref-cycles",
					     "branches",
					     "branch-misses",
					     "cache-misses",
					     "cache-references",
					     "alignment-faults",
					     "emulation-faults",
					     NULL };
	struct sfs_buf *buf = sfs_buf_new();

	(void)arg;
	for (unsigned i = 0; names[i]; i++)
		try_one(buf, names[i]);
	(void)sfs_each(top, try_pmu, buf);
	pthread_mutex_lock(&lock);
	available = sfs_buf_finish(buf);
	pthread_mutex_unlock(&lock);
	sfs_changed(top, "available");
}

static struct sfs_blob *available_blob(struct sfs_obj *dir, const struct sfs_cred *who)
{
	struct sfs_blob *blob;

	(void)dir;
	(void)who;
	pthread_mutex_lock(&lock);
	blob = sfs_blob_get(available);
	pthread_mutex_unlock(&lock);
	return blob;
}

/* ---- the backend ----------------------------------------------------------------------------- */

static int start(struct sfs_obj *dir)
{
	struct perf_visitor visitor = { .pmu = add_pmu, .event = add_event };
	int rc;

	top = dir;
	rc = perf_walk(&visitor);
	rc = rc ? rc : perf_sysfs_walk(PERF_SYSFS, &visitor);
	if (rc)
		return sfs_fail(rc, "the list of events cannot be made");
	trial = (struct pool_job){ .work = try_all, .uid = (uid_t)-1 };
	pool_submit(&trial);
	return 0;
}

static void stop(void)
{
	pthread_mutex_lock(&lock);
	sfs_blob_put(available);
	available = NULL;
	pthread_mutex_unlock(&lock);
}

static const struct sfs_attr top_rows[] = {
	{ .name = "available",
	  .mode = 0444,
	  .blob = available_blob,
	  .help = "what can be opened here, one name per line" },
	{ 0 }
};

static const struct sfs_dirtype top_type = { .attrs = top_rows };

const struct sfs_backend events_backend = {
	.name = "events",
	.type = &top_type,
	.mode = 0555,
	.init = start,
	.stop = stop,
};
