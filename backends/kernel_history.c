/* SPDX-License-Identifier: MIT */
/*
 * The last runs of each user, a directory runs/N each: so many in a kernel, so many bytes in all,
 * the oldest dropped first.
 *
 * A run is in two lists, that of its user and that of its user in its kernel, both in the order in
 * which runs ended, so that keeping one and dropping one cost the same however many there were.
 * Directories are made before the lock and removed after it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "kernel_outcome.h"
#include "kernels.h"

#define PAST_BYTES 2048 /* about what a directory costs besides its run */

struct past {
	TAILQ_ENTRY(past) of_uid; /* also of those that are thrown away */
	TAILQ_ENTRY(past) on_shelf;
	struct outcome *outcome; /* counted */
	struct sfs_obj *dir;     /* counted: runs/N */
	struct owner *owner;
	struct shelf *shelf;
	uint64_t bytes;
};
TAILQ_HEAD(past_list, past);

/* The runs of one user, in all kernels; a user without any has none. */
struct owner {
	struct owner *next;
	uid_t uid;
	uint64_t bytes;
	struct past_list runs;
};

/* The runs of one user in one kernel; likewise. */
struct shelf {
	struct shelf *next;
	struct kernel *kernel;
	uid_t uid;
	unsigned count;
	struct past_list runs;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct owner *owners; /* under lock, like all that they lead to, and kernel->shelves */
static bool stopped;         /* under lock */
/* of lock: kernel->keeping_runs fell */
static pthread_cond_t kept = PTHREAD_COND_INITIALIZER;

/* ---- the rows of runs/N ---------------------------------------------------------------------- */

static struct sfs_blob *counters_blob(struct sfs_obj *dir, const struct sfs_cred *who)
{
	(void)who;
	return outcome_file(sfs_priv(dir), OUT_COUNTERS);
}

static struct sfs_blob *result_blob(struct sfs_obj *dir, const struct sfs_cred *who)
{
	(void)who;
	return outcome_file(sfs_priv(dir), OUT_RESULT);
}

static struct sfs_blob *distribution_blob(struct sfs_obj *dir, const struct sfs_cred *who)
{
	(void)who;
	return outcome_file(sfs_priv(dir), OUT_DISTRIBUTION);
}

static struct sfs_blob *samples_blob(struct sfs_obj *dir, const struct sfs_cred *who)
{
	(void)who;
	return outcome_file(sfs_priv(dir), OUT_SAMPLES);
}

static struct sfs_blob *json_blob(struct sfs_obj *dir, const struct sfs_cred *who)
{
	(void)who;
	return outcome_file(sfs_priv(dir), OUT_JSON);
}

static struct sfs_blob *output_blob(struct sfs_obj *dir, const struct sfs_cred *who)
{
	(void)who;
	return outcome_file(sfs_priv(dir), OUT_OUTPUT);
}

static int params_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	const struct outcome *outcome = sfs_priv(dir);

	(void)who;
	sfs_put(out, "%s\n", outcome->line);
	return 0;
}

static int state_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	(void)dir;
	(void)who;
	sfs_put(out, "%-20s\n", "done");
	return 0;
}

static const struct sfs_attr past_rows[] = {
	{ .name = "params", .mode = 0444, .show = params_show, .help = "what the run was given" },
	{ .name = "state", .mode = 0444, .show = state_show, .help = "done" },
	{ .name = "counters", .mode = 0444, .blob = counters_blob, .help = "of this run" },
	{ .name = "result", .mode = 0444, .blob = result_blob, .help = "of this run" },
	{ .name = "distribution", .mode = 0444, .blob = distribution_blob, .help = "of this run" },
	{ .name = "samples.csv", .mode = 0444, .blob = samples_blob, .help = "of this run" },
	{ .name = "result.json", .mode = 0444, .blob = json_blob, .help = "of this run" },
	{ .name = "output", .mode = 0444, .blob = output_blob, .help = "of this run" },
	{ .name = "error",
	  .mode = 0444,
	  .show = sfs_error_show,
	  .flags = SFS_PER_UID,
	  .help = "the reader's last refusal here, or ok" },
	{ 0 },
};

static int past_unmake(struct sfs_obj *dir, const struct sfs_cred *who);

static void past_release(void *outcome)
{
	outcome_put(outcome);
}

static const struct sfs_dirtype past_type = { .attrs = past_rows,
					      .unmake = past_unmake,
					      .release = past_release };

/* ---- birth and death, without the lock ------------------------------------------------------- */

static void past_free(struct past *past)
{
	if (past->dir)
		sfs_remove_dir(past->dir);
	sfs_put_obj(past->dir);
	outcome_let_go(past->outcome);
	free(past);
}

static void free_all(struct past_list *list)
{
	struct past *past;

	while ((past = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, past, of_uid);
		past_free(past);
	}
}

/* runs/N, counted; NULL: runs is not there any more, or there is no memory. */
static struct sfs_obj *make_dir(struct sfs_obj *kernel_dir, struct outcome *out)
{
	struct sfs_obj *runs = sfs_find(kernel_dir, "runs"), *dir = NULL;
	char name[24];

	snprintf(name, sizeof(name), "%llu", (unsigned long long)out->number);
	if (runs &&
	    !sfs_add_dir(runs, name, &past_type, outcome_get(out), out->uid, out->gid, 0500))
		dir = sfs_find(runs, name);
	sfs_put_obj(runs);
	return dir;
}

static struct past *past_new(struct sfs_obj *kernel_dir, struct outcome *out)
{
	struct past *past = calloc(1, sizeof(*past));

	if (!past)
		return NULL;
	past->dir = make_dir(kernel_dir, out);
	if (!past->dir) {
		free(past);
		return NULL;
	}
	past->outcome = outcome_keep(out);
	past->bytes =
		sizeof(*out) + sizeof(*out->ticks) * out->samples + strlen(out->line) + PAST_BYTES;
	return past;
}

/* ---- the lists, under the lock --------------------------------------------------------------- */

/* NULL: he has none, or with make no memory. */
static struct owner *find_owner(uid_t uid, bool make)
{
	struct owner *owner = owners;

	while (owner && owner->uid != uid)
		owner = owner->next;
	if (owner || !make)
		return owner;
	owner = calloc(1, sizeof(*owner));
	if (!owner)
		return NULL;
	owner->uid = uid;
	TAILQ_INIT(&owner->runs);
	owner->next = owners;
	owners = owner;
	return owner;
}

static struct shelf *find_shelf(struct kernel *kernel, uid_t uid)
{
	struct shelf *shelf = kernel->shelves;

	while (shelf && shelf->uid != uid)
		shelf = shelf->next;
	if (shelf)
		return shelf;
	shelf = calloc(1, sizeof(*shelf));
	if (!shelf)
		return NULL;
	shelf->kernel = kernel;
	shelf->uid = uid;
	TAILQ_INIT(&shelf->runs);
	shelf->next = kernel->shelves;
	kernel->shelves = shelf;
	return shelf;
}

static void drop_owner(struct owner *owner)
{
	struct owner **at = &owners;

	while (*at != owner)
		at = &(*at)->next;
	*at = owner->next;
	free(owner);
}

static void drop_shelf(struct shelf *shelf)
{
	struct shelf **at = &shelf->kernel->shelves;

	while (*at != shelf)
		at = &(*at)->next;
	*at = shelf->next;
	free(shelf);
}

static bool insert(struct kernel *kernel, struct past *past)
{
	struct owner *owner = find_owner(past->outcome->uid, true);
	struct shelf *shelf = owner ? find_shelf(kernel, owner->uid) : NULL;

	if (!shelf) {
		if (owner && TAILQ_EMPTY(&owner->runs))
			drop_owner(owner);
		return false;
	}
	past->owner = owner;
	past->shelf = shelf;
	owner->bytes += past->bytes;
	shelf->count++;
	TAILQ_INSERT_TAIL(&owner->runs, past, of_uid);
	TAILQ_INSERT_TAIL(&shelf->runs, past, on_shelf);
	return true;
}

static void take_out(struct past *past, struct past_list *dropped)
{
	struct owner *owner = past->owner;
	struct shelf *shelf = past->shelf;

	TAILQ_REMOVE(&owner->runs, past, of_uid);
	TAILQ_REMOVE(&shelf->runs, past, on_shelf);
	owner->bytes -= past->bytes;
	if (!--shelf->count)
		drop_shelf(shelf);
	if (TAILQ_EMPTY(&owner->runs))
		drop_owner(owner);
	TAILQ_INSERT_TAIL(dropped, past, of_uid);
}

/* What is too much now that past has come; that may be past itself. */
static void prune(struct past *past, struct past_list *dropped)
{
	struct owner *owner = past->owner;
	uint64_t max = sfs_config()->runs_max_bytes;

	while (past->shelf->count > 1 && past->shelf->count > sfs_config()->runs_kept)
		take_out(TAILQ_FIRST(&past->shelf->runs), dropped);
	while (owner->bytes > max && TAILQ_FIRST(&owner->runs) != past)
		take_out(TAILQ_FIRST(&owner->runs), dropped);
	if (owner->bytes > max || past->shelf->count > sfs_config()->runs_kept)
		take_out(past, dropped);
}

/* ---- for runs and kernels -------------------------------------------------------------------- */

void kernel_history_add(struct sfs_obj *dir, struct outcome *out)
{
	struct kernel *kernel = sfs_priv(dir);
	struct past_list dropped = TAILQ_HEAD_INITIALIZER(dropped);
	struct past *past;
	bool keeps;

	pthread_mutex_lock(&lock);
	keeps = !stopped && !kernel->forgets;
	kernel->keeping_runs += keeps;
	pthread_mutex_unlock(&lock);
	if (!keeps)
		return;
	past = past_new(dir, out);
	pthread_mutex_lock(&lock);
	if (past && !stopped && insert(kernel, past))
		prune(past, &dropped);
	else if (past)
		TAILQ_INSERT_TAIL(&dropped, past, of_uid);
	if (!--kernel->keeping_runs)
		pthread_cond_broadcast(&kept);
	pthread_mutex_unlock(&lock);
	free_all(&dropped);
}

/*
 * The newest in a kernel is what its user sees there as his last: to drop it would free nothing,
 * but in the kernel where a newer one comes now.
 */
static struct past *oldest_with_output(const struct owner *owner, const struct kernel *kernel)
{
	struct past *past;

	TAILQ_FOREACH(past, &owner->runs, of_uid)
	{
		if (past->outcome->charged &&
		    (past->shelf->kernel == kernel || TAILQ_NEXT(past, on_shelf)))
			return past;
	}
	return NULL;
}

bool kernel_history_make_room(uid_t uid, const struct kernel *kernel)
{
	struct past_list dropped = TAILQ_HEAD_INITIALIZER(dropped);
	struct past *past = NULL;
	struct owner *owner;

	pthread_mutex_lock(&lock);
	owner = find_owner(uid, false);
	if (owner)
		past = oldest_with_output(owner, kernel);
	if (past)
		take_out(past, &dropped);
	pthread_mutex_unlock(&lock);
	free_all(&dropped);
	return past;
}

/* rmdir runs/N: by root, since nobody else may write in runs. The core unlinks it. */
static int past_unmake(struct sfs_obj *dir, const struct sfs_cred *who)
{
	const struct outcome *out = sfs_priv(dir);
	struct past_list dropped = TAILQ_HEAD_INITIALIZER(dropped);
	struct owner *owner;
	struct past *past = NULL;

	(void)who;
	pthread_mutex_lock(&lock);
	owner = find_owner(out->uid, false);
	if (owner)
		past = TAILQ_FIRST(&owner->runs);
	while (past && past->outcome != out)
		past = TAILQ_NEXT(past, of_uid);
	if (past)
		take_out(past, &dropped);
	pthread_mutex_unlock(&lock);
	if (past) { /* the name is the core's to take away, the kernel waits for it */
		sfs_put_obj(past->dir);
		past->dir = NULL;
	}
	free_all(&dropped);
	return 0;
}

void kernel_history_end(struct kernel *kernel)
{
	struct past_list dropped = TAILQ_HEAD_INITIALIZER(dropped);

	pthread_mutex_lock(&lock);
	kernel->forgets = true;
	while (kernel->keeping_runs)
		pthread_cond_wait(&kept, &lock);
	while (kernel->shelves)
		take_out(TAILQ_FIRST(&kernel->shelves->runs), &dropped);
	pthread_mutex_unlock(&lock);
	free_all(&dropped);
	kernel_publish_end(kernel);
}

void kernel_history_stop(void)
{
	struct past_list dropped = TAILQ_HEAD_INITIALIZER(dropped);

	pthread_mutex_lock(&lock);
	stopped = true;
	while (owners)
		take_out(TAILQ_FIRST(&owners->runs), &dropped);
	pthread_mutex_unlock(&lock);
	free_all(&dropped);
}

/* ---- the directories of a kernel ------------------------------------------------------------- */

static int is_there(struct sfs_obj *dir, void *arg)
{
	(void)dir;
	(void)arg;
	return 1;
}

/* For rm -rf of a kernel: only what is empty. */
static int folder_unmake(struct sfs_obj *dir, const struct sfs_cred *who)
{
	int rc = kernel_removable(dir);

	(void)who;
	if (!rc && sfs_each(dir, is_there, NULL))
		rc = sfs_fail(-ENOTEMPTY, "'%.64s' is not empty", sfs_name(dir));
	return rc;
}

/* Its private part is its kernel, which lives longer. */
static const struct sfs_dirtype folder_type = { .unmake = folder_unmake,
						.removable = kernel_removable };

int kernel_plant(struct sfs_obj *parent, struct kernel *kernel, const struct sfs_dirtype *type,
		 const struct sfs_owner *owner)
{
	char name[sizeof(kernel->name)];
	struct sfs_obj *dir;
	int rc;

	memcpy(name, kernel->name, sizeof(name));
	rc = sfs_add_dir(parent, name, type, kernel, owner->uid, owner->gid, owner->mode);
	dir = rc ? NULL : sfs_find(parent, name);
	if (!dir)
		return rc; /* or gone again */
	rc = sfs_add_dir(dir, "runs", &folder_type, kernel, owner->uid, owner->gid, 0555);
	rc = rc ?: sfs_add_dir(dir, "jobs", &folder_type, kernel, owner->uid, owner->gid, 0555);
	if (rc == -ENODEV || rc == -EEXIST)
		rc = 0;
	if (rc)
		sfs_remove_dir(dir);
	sfs_put_obj(dir);
	return rc;
}
