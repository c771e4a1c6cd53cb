/* SPDX-License-Identifier: MIT */
/* Refusals: the sentence of the calling thread, and the last one of each uid. */
#include "errors.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"
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
	const char *word; /* borrowed, perhaps dead: to be compared only; NULL: none */
	size_t word_len;
	char text[SFS_SENTENCE_MAX];
} noted;

void errors_escape(char *out, size_t room, const char *text)
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

static void note(int err, const char *format, va_list args)
{
	char text[SFS_SENTENCE_MAX];

	vsnprintf(text, sizeof(text), format, args);
	errors_escape(noted.text, sizeof(noted.text), text);
	noted.err = err;
	noted.word = NULL;
}

int sfs_fail(int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	note(err, format, args);
	va_end(args);
	return err;
}

int sfs_fail_at(int err, const char *word, size_t len, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	note(err, format, args);
	va_end(args);
	return sfs_blame(err, word, len);
}

int sfs_blame(int err, const char *word, size_t len)
{
	if (noted.err == err) {
		noted.word = word;
		noted.word_len = len;
	}
	return err;
}

void errors_begin(void)
{
	noted.err = 0;
	noted.word = NULL;
	noted.text[0] = '\0';
}

void errors_in_line(int64_t err, unsigned line)
{
	char text[SFS_SENTENCE_MAX];
	const char *word = noted.err == err ? noted.word : NULL;

	snprintf(text, sizeof(text), "%s", errors_sentence(err));
	(void)sfs_fail((int)err, "line %u: %s", line, text);
	noted.word = word;
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
 * True: there was something to take.
 */
static bool forget(struct refusal **list, uid_t uid, unsigned max)
{
	struct refusal *refusal;
	bool taken = false;
	unsigned kept = 0;

	while ((refusal = *list)) {
		if (refusal->uid != uid && kept < max) {
			list = &refusal->next;
			kept++;
			continue;
		}
		*list = refusal->next;
		refusal_free(refusal);
		taken = true;
	}
	return taken;
}

/* True: what is shown is different now. */
static bool remember(struct refusal **list, uid_t uid, unsigned max, const char *line)
{
	struct refusal *refusal = line ? calloc(1, sizeof(*refusal)) : NULL;
	bool changed;

	if (refusal) {
		refusal->uid = uid;
		refusal->line = strdup(line);
	}
	pthread_mutex_lock(&errors_lock);
	changed = forget(list, uid, max - 1) || line;
	if (refusal && refusal->line) {
		refusal->next = *list;
		*list = refusal;
		refusal = NULL;
	}
	pthread_mutex_unlock(&errors_lock);
	if (refusal)
		refusal_free(refusal);
	return changed;
}

/* The user whose refusal it was, and root, who is shown those of others. */
static void tell(struct sfs_obj *dir, const char *row, uid_t uid)
{
	sfs_changed_for(dir, row, uid);
	if (uid != 0)
		sfs_changed_for(dir, row, 0);
}

/* What is told in /errors besides. */
static void note_history(const char *path, const struct sfs_cred *who, int64_t rc,
			 const struct sfs_cmd *cmd)
{
	struct history_refusal refusal = {
		.path = path,
		.uid = who->uid,
		.name = errors_name(rc),
		.sentence = errors_sentence(rc),
	};

	if (cmd) {
		refusal.text = cmd->text;
		refusal.len = cmd->len;
	}
	if (noted.err == rc) {
		refusal.word = noted.word;
		refusal.word_len = noted.word_len;
	}
	history_add(&refusal);
	noted.word = NULL;
}

int64_t errors_note(struct sfs_obj *dir, const char *name, const struct sfs_cred *who, int64_t rc)
{
	return errors_note_command(dir, name, who, rc, NULL);
}

void sfs_failed(struct sfs_obj *dir, uid_t uid, int err)
{
	(void)errors_note(dir, NULL, &(struct sfs_cred){ .uid = uid }, err);
}

int64_t errors_note_command(struct sfs_obj *dir, const char *name, const struct sfs_cred *who,
			    int64_t rc, const struct sfs_cmd *cmd)
{
	char path[NODE_PATH_MAX], line[NODE_PATH_MAX + SFS_SENTENCE_MAX + 64], shown[NODE_PATH_MAX];
	const char *text = NULL;

	if (rc < 0) {
		node_path(dir, name, path, sizeof(path));
		errors_escape(shown, sizeof(shown), path);
		snprintf(line, sizeof(line), "%s %s %s", shown, errors_name(rc),
			 errors_sentence(rc));
		text = line;
		note_history(shown, who, rc, cmd);
	}
	if (remember(node_refusals(dir), who->uid, OBJECT_UIDS_MAX, text) && dir != node_root())
		tell(dir, "error", who->uid);
	if (remember(&mount_refusals, who->uid, MOUNT_UIDS_MAX, text))
		tell(node_root(), "error", who->uid);
	if (rc < 0)
		tell(node_root(), "errors", who->uid);
	return rc;
}

/* Under the lock: uid's own, or NULL. */
static const struct refusal *own_refusal(struct refusal *const *list, uid_t uid)
{
	const struct refusal *refusal;

	for (refusal = *list; refusal && refusal->uid != uid; refusal = refusal->next)
		;
	return refusal;
}

/* Does uid's refusal in that list begin with that path? */
static bool is_about(struct refusal *const *list, uid_t uid, const char *path)
{
	const struct refusal *refusal;
	size_t len = strlen(path);
	bool about;

	pthread_mutex_lock(&errors_lock);
	refusal = own_refusal(list, uid);
	about = refusal && !strncmp(refusal->line, path, len) && refusal->line[len] == ' ';
	pthread_mutex_unlock(&errors_lock);
	return about;
}

void errors_settle(struct sfs_obj *dir, const char *name, const struct sfs_cred *who)
{
	char path[NODE_PATH_MAX], shown[NODE_PATH_MAX];

	node_path(dir, name, path, sizeof(path));
	errors_escape(shown, sizeof(shown), path);
	if (is_about(node_refusals(dir), who->uid, shown) &&
	    remember(node_refusals(dir), who->uid, OBJECT_UIDS_MAX, NULL))
		tell(dir, "error", who->uid);
	if (is_about(&mount_refusals, who->uid, shown) &&
	    remember(&mount_refusals, who->uid, MOUNT_UIDS_MAX, NULL))
		tell(node_root(), "error", who->uid);
}

/* The reader's own; for root those of others follow, the last one first. */
static void show(struct refusal *const *list, uid_t uid, struct sfs_buf *out)
{
	const struct refusal *refusal;
	bool any = false;

	pthread_mutex_lock(&errors_lock);
	refusal = own_refusal(list, uid);
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
