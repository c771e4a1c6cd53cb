/* SPDX-License-Identifier: MIT */
/* Refusals: the sentence of the calling thread, and the last one of each uid. */
#include "errors.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node.h"

#define OBJECT_UIDS_MAX 16   /* refusals kept for one object */
#define MOUNT_UIDS_MAX  1024 /* refusals kept for the mount */

struct refusal {
	struct refusal *next;
	uid_t uid;
	char *line; /* owned; without newline */
};

/* guards every list of refusals */
static pthread_mutex_t errors_lock = PTHREAD_MUTEX_INITIALIZER;
static struct refusal *mount_refusals;

static _Thread_local struct {
	int err;
	char text[SFS_SENTENCE_MAX];
} noted;

/* Bytes outside of the printable ones become \xNN: the sentence may quote what anybody wrote. */
static void escape(char *out, size_t room, const char *text)
{
	size_t n = 0;

	for (; *text && n + 5 <= room; text++) {
		if (*text >= ' ' && *text <= '~')
			out[n++] = *text;
		else
			n += (size_t)snprintf(out + n, room - n, "\\x%02X", (unsigned char)*text);
	}
	out[n] = '\0';
}

int sfs_fail(int err, const char *format, ...)
{
	char text[SFS_SENTENCE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	escape(noted.text, sizeof(noted.text), text);
	noted.err = err;
	return err;
}

const char *sfs_sentence(void)
{
	return noted.text;
}

const char *errors_name(int64_t err)
{
	const char *name = err < 0 && err > -4096 ? strerrorname_np((int)-err) : NULL;

	return name ?: "EIO";
}

const char *errors_sentence(int64_t err)
{
	const char *plain = err < 0 && err > -4096 ? strerrordesc_np((int)-err) : NULL;

	if (noted.err == err && noted.text[0])
		return noted.text;
	return plain ?: "unknown error";
}

static void refusal_free(struct refusal *refusal)
{
	free(refusal->line);
	free(refusal);
}

void errors_free_list(struct refusal *list)
{
	struct refusal *next;

	for (; list; list = next) {
		next = list->next;
		refusal_free(list);
	}
}

void errors_stop(void)
{
	pthread_mutex_lock(&errors_lock);
	errors_free_list(mount_refusals);
	mount_refusals = NULL;
	pthread_mutex_unlock(&errors_lock);
}

/*
 * Under errors_lock: takes uid's refusal out of the list, and the oldest if there are max others.
 */
static void forget(struct refusal **list, uid_t uid, unsigned max)
{
	struct refusal *refusal;
	unsigned kept = 0;

	while ((refusal = *list)) {
		if (refusal->uid != uid && kept < max) {
			list = &refusal->next;
			kept++;
			continue;
		}
		*list = refusal->next;
		refusal_free(refusal);
	}
}

static void remember(struct refusal **list, uid_t uid, unsigned max, const char *line)
{
	struct refusal *refusal = line ? calloc(1, sizeof(*refusal)) : NULL;

	if (refusal) {
		refusal->uid = uid;
		refusal->line = strdup(line);
	}
	pthread_mutex_lock(&errors_lock);
	forget(list, uid, max - 1);
	if (refusal && refusal->line) {
		refusal->next = *list;
		*list = refusal;
		refusal = NULL;
	}
	pthread_mutex_unlock(&errors_lock);
	if (refusal)
		refusal_free(refusal);
}

int64_t errors_note(struct sfs_obj *dir, const char *name, const struct sfs_cred *who, int64_t rc)
{
	char path[NODE_PATH_MAX], line[NODE_PATH_MAX + SFS_SENTENCE_MAX + 64], shown[NODE_PATH_MAX];
	const char *text = NULL;

	if (rc < 0) {
		node_path(dir, name, path, sizeof(path));
		escape(shown, sizeof(shown), path);
		snprintf(line, sizeof(line), "%s %s %s", shown, errors_name(rc),
			 errors_sentence(rc));
		text = line;
	}
	remember(node_refusals(dir), who->uid, OBJECT_UIDS_MAX, text);
	remember(&mount_refusals, who->uid, MOUNT_UIDS_MAX, text);
	return rc;
}

/* The reader's own; for root those of others follow, the last one first. */
static void show(struct refusal *const *list, uid_t uid, struct sfs_buf *out)
{
	const struct refusal *refusal;
	bool any = false;

	pthread_mutex_lock(&errors_lock);
	for (refusal = *list; refusal && refusal->uid != uid; refusal = refusal->next)
		;
	if (refusal) {
		sfs_put(out, "%s\n", refusal->line);
		any = true;
	}
	for (refusal = *list; refusal && uid == 0; refusal = refusal->next) {
		if (refusal->uid == 0)
			continue;
		sfs_put(out, "uid %u %s\n", refusal->uid, refusal->line);
		any = true;
	}
	if (!any)
		sfs_put(out, "ok\n");
	pthread_mutex_unlock(&errors_lock);
}

int sfs_error_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	show(node_refusals(dir), who->uid, out);
	return 0;
}

void errors_show(const struct sfs_cred *who, struct sfs_buf *out)
{
	show(&mount_refusals, who->uid, out);
}
