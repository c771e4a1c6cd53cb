/* SPDX-License-Identifier: MIT */
/* What is optional and there. */
#include "feature.h"

#include <pthread.h>
#include <string.h>

#define FEATURES_MAX 64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *words[FEATURES_MAX]; /* sorted; under the lock, like the next */
static unsigned count;

void sfs_feature(const char *word)
{
	unsigned at = 0;

	pthread_mutex_lock(&lock);
	while (at < count && strcmp(words[at], word) < 0)
		at++;
	if (count < FEATURES_MAX && (at == count || strcmp(words[at], word) != 0)) {
		memmove(&words[at + 1], &words[at], (count - at) * sizeof(words[0]));
		words[at] = word;
		count++;
	}
	pthread_mutex_unlock(&lock);
}

void feature_show(struct sfs_buf *out)
{
	unsigned i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < count; i++)
		sfs_put(out, "%s\n", words[i]);
	pthread_mutex_unlock(&lock);
}
