/* SPDX-License-Identifier: MIT */
/* The rows at the top: README, status, error, config, stats, version. */
#include "top.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "config.h"
#include "errors.h"
#include "feature.h"
#include "history.h"
#include "journal.h"
#include "transport.h"
#include "node.h"
#include "publish.h"
#include "readme.h"
#include "stats.h"

#define STATUS_MAX       64 /* lines of status */
#define STATUS_LINE_MAX  256

/* ---- status ---------------------------------------------------------------------------------- */

struct trouble {
	struct trouble *next;
	char key[64];
	char text[STATUS_LINE_MAX];
};

static pthread_mutex_t status_lock = PTHREAD_MUTEX_INITIALIZER;
static struct trouble *troubles; /* status_lock */
static unsigned ntroubles;

/* Under the lock. */
static struct trouble **trouble_named(const char *key)
{
	struct trouble **link = &troubles;

	while (*link && strcmp((*link)->key, key) != 0)
		link = &(*link)->next;
	return link;
}

static void trouble_end(struct trouble **link)
{
	struct trouble *gone = *link;

	if (!gone)
		return;
	*link = gone->next;
	ntroubles--;
	free(gone);
}

static struct trouble *trouble_new(struct trouble **link, const char *key)
{
	struct trouble *trouble = ntroubles < STATUS_MAX ? calloc(1, sizeof(*trouble)) : NULL;

	if (!trouble)
		return NULL;
	snprintf(trouble->key, sizeof(trouble->key), "%s", key);
	*link = trouble;
	ntroubles++;
	return trouble;
}

void sfs_status(const char *key, const char *format, ...)
{
	char short_key[64];
	struct trouble **link, *trouble;
	va_list args;

	snprintf(short_key, sizeof(short_key), "%s", key);
	pthread_mutex_lock(&status_lock);
	link = trouble_named(short_key);
	if (format) {
		trouble = *link ?: trouble_new(link, short_key);
		va_start(args, format);
		if (trouble)
			vsnprintf(trouble->text, sizeof(trouble->text), format, args);
		va_end(args);
	} else {
		trouble_end(link);
	}
	pthread_mutex_unlock(&status_lock);
	if (node_root())
		sfs_changed(node_root(), "status");
}

static int status_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	const struct trouble *trouble;
	bool any = false;

	(void)dir, (void)who;
	publish_show_stuck(out, &any);
	pthread_mutex_lock(&status_lock);
	for (trouble = troubles; trouble; trouble = trouble->next)
		sfs_put(out, "%s: %s\n", trouble->key, trouble->text);
	if (!troubles && !any)
		sfs_put(out, "ok\n");
	pthread_mutex_unlock(&status_lock);
	return 0;
}

/* ---- the small ones -------------------------------------------------------------------------- */

static int error_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	(void)dir;
	errors_show(who, out);
	return 0;
}

static int errors_row_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	(void)dir;
	history_show(who, out);
	return 0;
}

static int log_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	(void)dir;
	journal_show(who, out);
	return 0;
}

static int features_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	(void)dir, (void)who;
	feature_show(out);
	return 0;
}

static int conf_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	(void)dir, (void)who;
	config_show(out);
	return 0;
}

static int counters_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	(void)dir, (void)who;
	stats_show(out);
	return 0;
}

static int version_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	struct utsname name;

	(void)dir, (void)who;
	sfs_put(out, "release %s\nlibfuse %s\n", SANDBOXFS_VERSION, transport_version());
	if (!uname(&name))
		sfs_put(out, "kernel %s\nmachine %s\n", name.release, name.machine);
	return 0;
}

/* ---- the kind of the root -------------------------------------------------------------------- */

static const struct sfs_attr core_rows[] = {
	{ "README", 0444, readme_show, .help = "this page" },
	{ "status", 0444, status_show, .help = "ok, or one line for each check that fails" },
	{ "error", 0444, error_show, .flags = SFS_PER_UID,
	  .help = "the reader's last refusal: path, errno and sentence; ok after a success" },
	{ "errors", 0444, errors_row_show, .flags = SFS_PER_UID,
	  .help = "the reader's last refusals: the command, a caret under the bad word, the sentence" },
	{ "log", 0444, log_show, .flags = SFS_PER_UID | SFS_STREAM,
	  .help = "what happened to the reader's objects, and to root's; grows, for tail -f" },
	{ "config", 0444, conf_show,
	  .help = "the configuration in effect, as the INI that sets it" },
	{ "stats", 0444, counters_show,
	  .help = "operations, runs, loads, failures since the start; latencies in ns" },
	{ "features", 0444, features_show,
	  .help = "a word for each optional feature that is there on this machine" },
	{ "version", 0444, version_show, .help = "release, library and kernel" },
	{ 0 },
};

static struct sfs_dirtype type;
static struct sfs_attr *all_rows; /* owned */

static size_t count(const struct sfs_attr *attr)
{
	size_t n = 0;

	while (attr[n].name)
		n++;
	return n;
}

const struct sfs_dirtype *top_type(void)
{
	size_t n = count(core_rows), at = 0, i;

	for (i = 0; sfs_top_attrs[i]; i++)
		n += count(sfs_top_attrs[i]);
	all_rows = calloc(n + 1, sizeof(*all_rows));
	if (!all_rows)
		return NULL;
	memcpy(all_rows, core_rows, sizeof(core_rows));
	at = count(core_rows);
	for (i = 0; sfs_top_attrs[i]; i++) {
		memcpy(all_rows + at, sfs_top_attrs[i],
		       count(sfs_top_attrs[i]) * sizeof(*all_rows));
		at += count(sfs_top_attrs[i]);
	}
	type = (struct sfs_dirtype){ .attrs = all_rows };
	return &type;
}

void top_free(void)
{
	pthread_mutex_lock(&status_lock);
	while (troubles)
		trouble_end(&troubles);
	pthread_mutex_unlock(&status_lock);
	free(all_rows);
	all_rows = NULL;
}
