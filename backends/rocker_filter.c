/* SPDX-License-Identifier: MIT */
/*
 * The file seccomp.bpf: the filter of a rocker for a process that enters it from outside, where root puts it there
 * itself. Nobody listens for its calls, so the refusals are in the filter.
 */
#include <errno.h>
#include <stdlib.h>

#include "rocker_life.h"
#include "seccomp_profile.h"

/* One for each profile; made before there are threads and constant then. */
static struct sfs_blob **filters; /* owned */
static unsigned count;

static struct sfs_blob *compiled(unsigned number)
{
	struct sock_fprog program;
	struct sfs_blob *blob;

	if (seccomp_profile_build_unheard(number, &program))
		return NULL;
	blob = sfs_blob_new(program.filter, program.len * sizeof(*program.filter));
	free(program.filter);
	return blob;
}

int rocker_filters_start(void)
{
	filters = calloc(seccomp_profile_count() ?: 1, sizeof(*filters));
	if (!filters)
		return sfs_fail(-ENOMEM, "no memory for the filters of rockers");
	for (; count < seccomp_profile_count(); count++) {
		filters[count] = compiled(count);
		if (!filters[count])
			return sfs_fail(-EIO, "the profile '%s' cannot be compiled",
					seccomp_profile_name(count));
	}
	return 0;
}

void rocker_filters_stop(void)
{
	while (count)
		sfs_blob_put(filters[--count]);
	free(filters);
	filters = NULL;
}

/* Of the guard that is there; where there is none, the one that the next would get. */
struct sfs_blob *rocker_filter_blob(struct sfs_obj *dir, const struct sfs_cred *who)
{
	struct rocker *rocker = sfs_priv(dir);
	int profile;

	(void)who;
	pthread_mutex_lock(&rocker->lock);
	profile = rocker_spec_profile(rocker->link && rocker->built ? rocker->built : rocker->spec);
	pthread_mutex_unlock(&rocker->lock);
	return profile < 0 || (unsigned)profile >= count ? NULL : sfs_blob_get(filters[profile]);
}
