/* SPDX-License-Identifier: MIT */
/* How many jobs each user has. */
#include <errno.h>
#include <stdlib.h>

#include "kernels.h"

struct quota { /* a user without jobs has none */
	struct quota *next;
	uid_t uid;
	unsigned jobs;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct quota *quotas; /* lock */

/* Under lock: the link to that of uid, or to the end. */
static struct quota **quota_of(uid_t uid)
{
	struct quota **link = &quotas;

	while (*link && (*link)->uid != uid)
		link = &(*link)->next;
	return link;
}

int kernel_quota_take(uid_t uid, int err)
{
	struct quota **link;
	unsigned jobs = 0;
	bool made;

	pthread_mutex_lock(&lock);
	link = quota_of(uid);
	if (!*link)
		*link = calloc(1, sizeof(**link));
	made = *link;
	if (made) {
		(*link)->uid = uid;
		jobs = (*link)->jobs;
		(*link)->jobs += jobs < sfs_config()->jobs_max;
	}
	pthread_mutex_unlock(&lock);
	if (jobs >= sfs_config()->jobs_max)
		return sfs_fail(err, "uid %u has %u jobs already, started or held open", uid, jobs);
	return made ? 0 : sfs_fail(-ENOMEM, "no memory for a job");
}

void kernel_quota_give(uid_t uid)
{
	struct quota **link, *quota;

	pthread_mutex_lock(&lock);
	link = quota_of(uid);
	quota = *link;
	if (--quota->jobs)
		quota = NULL;
	else
		*link = quota->next;
	pthread_mutex_unlock(&lock);
	free(quota);
}
