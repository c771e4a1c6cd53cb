/* SPDX-License-Identifier: MIT */
/* How rockers come and go: by mkdir, from a template, from disk, by rmdir; and the backend /rockers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rocker_life.h"

static struct sfs_obj *rockers_dir; /* borrowed: the backend's own; set before there are threads */

static void release(void *priv)
{
	rocker_put(priv);
}

static int unmake(struct sfs_obj *dir, const struct sfs_cred *who)
{
	struct rocker *rocker = sfs_priv(dir);

	rocker_unkeep(rocker);
	rocker_remove(rocker);
	sfs_event(dir, who->uid, "remove", "%s", "");
	return 0;
}

/* Without any of its files a rocker has ended; what is in jobs/ goes now, so that rm -r gets through. */
static void emptied(struct sfs_obj *dir, const struct sfs_cred *who)
{
	(void)who;
	rocker_unkeep(sfs_priv(dir));
	rocker_remove(sfs_priv(dir));
}

static const struct sfs_dirtype rocker_type = {
	.attrs = rocker_rows,
	.unmake = unmake,
	.emptied = emptied,
	.set_owner = rocker_set_owner,
	.release = release,
};

/* Goes with its rocker, or after all files of that: rm -r comes here last. */
static int ns_removable(struct sfs_obj *dir)
{
	struct rocker *rocker = sfs_priv(dir);
	bool is_gone;

	pthread_mutex_lock(&rocker->lock);
	is_gone = rocker->gone;
	pthread_mutex_unlock(&rocker->lock);
	return is_gone ? 0 : sfs_fail(-EPERM, "ns goes with rocker '%s'", rocker->name);
}

static int ns_unmake(struct sfs_obj *dir, const struct sfs_cred *who)
{
	(void)who;
	return ns_removable(dir);
}

static const struct sfs_dirtype ns_type = {
	.attrs = rocker_ns_rows,
	.unmake = ns_unmake,
	.removable = ns_removable,
	.release = release,
};

/* With what stands in it; dir was just added. */
static int fill(struct sfs_obj *dir, struct rocker *rocker, const struct sfs_owner *owner)
{
	int rc;

	pthread_mutex_lock(&rocker->lock);
	if (!rocker->gone)
		rocker->dir = sfs_get(dir);
	pthread_mutex_unlock(&rocker->lock);
	rc = sfs_add_dir(dir, "ns", &ns_type, rocker_get(rocker), owner->uid, owner->gid, 0755);
	return rc ?: rocker_jobs_plant(rocker->jobs, dir);
}

int rocker_plant(struct sfs_obj *parent, struct rocker *rocker, const struct sfs_owner *owner)
{
	struct sfs_obj *dir;
	int rc;

	rocker_get(rocker); /* its name is needed below */
	rc = sfs_add_dir(parent, rocker->name, &rocker_type, rocker, owner->uid, owner->gid,
			 owner->mode);
	dir = rc ? NULL : sfs_find(parent, rocker->name);
	/* Another one of its name, once it is gone again. */
	if (dir && sfs_priv(dir) == rocker)
		rc = fill(dir, rocker, owner);
	if (rc && dir && rc != -ENODEV) {
		rocker_remove(rocker);
		sfs_remove_dir(dir);
	}
	rocker_put(rocker);
	sfs_put_obj(dir);
	return rc == -ENODEV ? 0 : rc;
}

static void begin_build(void *arg)
{
	rocker_begin(arg);
	rocker_put(arg);
}

/* Kept, and about to be built. */
static int begin(struct sfs_obj *dir, const struct sfs_cred *who)
{
	struct rocker *rocker = sfs_priv(dir);
	int rc = rocker_keep_made(dir);

	if (rc == -ENODEV)
		return 0; /* and gone again */
	if (rc) {
		rocker_remove(rocker);
		sfs_remove_dir(dir);
		return rc;
	}
	sfs_event(dir, who->uid, "make", "%s", "");
	rocker_promise(rocker);
	sfs_after(begin_build, rocker_get(rocker));
	return 0;
}

static int make(struct sfs_obj *parent, const char *name, mode_t mode, const struct sfs_cred *who)
{
	const struct sfs_owner owner = { who->uid, who->gid, mode };
	struct rocker_spec *spec;
	struct rocker *rocker;
	struct sfs_obj *dir;
	int rc;

	if (sfs_has_max(parent, &rocker_type, who->uid, sfs_config()->rockers_max))
		return sfs_fail(-EDQUOT, "rocker '%.64s' would be more than %u of one user", name,
				sfs_config()->rockers_max);
	spec = rocker_template(name, who, &rc);
	if (rc)
		return rc;
	rocker = rocker_new(name, &owner, spec);
	if (!rocker)
		return sfs_fail(-ENOMEM, "no memory for a rocker");
	rc = rocker_plant(parent, rocker, &owner);
	dir = rc ? NULL : sfs_find(parent, name);
	if (dir)
		rc = begin(dir, who);
	sfs_put_obj(dir);
	return rc;
}

/* ---- for kernels ------------------------------------------------------------------------------- */

struct rocker *rocker_find(const char *name, const struct sfs_cred *who, int *rc_out)
{
	struct sfs_obj *dir = rockers_dir ? sfs_find(rockers_dir, name) : NULL;
	struct rocker *rocker = NULL;

	if (!dir)
		*rc_out = sfs_fail(-ENOENT, "there is no rocker '%.64s'", name);
	else if (!sfs_may_open(who, dir, "run", W_OK))
		*rc_out = sfs_fail(-EACCES, "uid %u may not run anything in rocker '%.64s'",
				   who->uid, name);
	else
		rocker = rocker_get(sfs_priv(dir));
	sfs_put_obj(dir);
	return rocker;
}

/* ---- the backend --------------------------------------------------------------------------------- */

static int start(struct sfs_obj *dir)
{
	int rc = rocker_rules_start() ?: rocker_save_start();

	/* rlimits take their place */
	if (!launch_rocker_grouped(GROUP_MEMORY))
		rocker_key_fix(KEY_MEMORY);
	if (!launch_rocker_grouped(GROUP_PIDS))
		rocker_key_fix(KEY_PIDS);
	rc = rc ?: rocker_links_start();
	rc = rc ?: rocker_answers_start();
	rc = rc ?: rocker_disks_start();
	rc = rc ?: rocker_filters_start();
	if (rc)
		return rc;
	rockers_dir = sfs_get(dir);
	rc = rocker_load_all(dir);
	launch_rocker_settle();
	return rc;
}

static int end_one(struct sfs_obj *dir, void *arg)
{
	(void)arg;
	rocker_remove(sfs_priv(dir));
	return 0;
}

static void stop(void)
{
	if (!rockers_dir)
		return;
	(void)sfs_each(rockers_dir, end_one, NULL);
	rocker_filters_stop();
	rocker_disks_stop();
	rocker_answers_stop();
	rocker_links_stop();
	rocker_keep_stop();
	sfs_put_obj(rockers_dir);
	rockers_dir = NULL;
}

static const struct sfs_dirtype top_type = { .make = make, .templates = true };

const struct sfs_backend rockers_backend = {
	.name = "rockers",
	.type = &top_type,
	.mode = 01777,
	.init = start,
	.stop = stop,
	.patience_us = 2000,
};
