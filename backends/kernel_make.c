/* SPDX-License-Identifier: MIT */
/*
 * How kernels come and go: with the program, by mkdir, with a codelet that brings its
 * specification.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_number.h"
#include "kernel_outcome.h"
#include "kernels.h"
#include "parse.h"

/* borrowed: the backend's own; set before there are threads */
static struct sfs_obj *kernels_dir;

/* ---- specifications, counted ----------------------------------------------------------------- */

/* The refusal just noted is about that line of text, from one; 0: about none. */
static void blame_line(int rc, const char *text, size_t size, int line)
{
	const char *end = text + size, *stop = text;

	for (int i = 1; i < line && stop; i++) {
		stop = memchr(text, '\n', (size_t)(end - text));
		text = stop ? stop + 1 : end;
	}
	if (line < 1 || text == end)
		return;
	stop = memchr(text, '\n', (size_t)(end - text));
	size = (size_t)((stop ?: end) - text);
	parse_trim(&text, &size);
	(void)sfs_blame(rc, text, size);
}

struct kernel_spec *kernel_spec_new(const char *text, size_t size, const char *name, int *err_out)
{
	struct kernel_spec *spec = calloc(1, sizeof(*spec));
	struct spec_error err = { 0 };

	*err_out = -ENOMEM;
	if (!spec)
		return NULL;
	atomic_init(&spec->refs, 1);
	spec->spec = spec_parse(text, size, name, &err);
	spec->text = spec->spec ? sfs_blob_new(text, size) : NULL;
	if (!spec->text) {
		*err_out = spec->spec ? -ENOMEM : err.err ? err.err : -EINVAL;
		sfs_fail(*err_out, "%s", spec->spec ? "no memory for the specification" : err.text);
		if (!spec->spec)
			blame_line(*err_out, text, size, err.line);
		kernel_spec_put(spec);
		return NULL;
	}
	spec_defaults(spec->spec, &spec->defaults);
	*err_out = 0;
	return spec;
}

struct kernel_spec *kernel_spec_get(struct kernel_spec *spec)
{
	if (spec)
		atomic_fetch_add(&spec->refs, 1);
	return spec;
}

void kernel_spec_put(struct kernel_spec *spec)
{
	if (!spec || atomic_fetch_sub(&spec->refs, 1) != 1)
		return;
	spec_free(spec->spec);
	sfs_blob_put(spec->text);
	free(spec);
}

/* ---- kernels --------------------------------------------------------------------------------- */

struct kernel *kernel_new(const char *name)
{
	struct kernel *kernel = calloc(1, sizeof(*kernel));

	if (!kernel)
		return NULL;
	pthread_mutex_init(&kernel->keeping, NULL);
	pthread_mutex_init(&kernel->lock, NULL);
	snprintf(kernel->name, sizeof(kernel->name), "%s", name);
	snprintf(kernel->codelet, sizeof(kernel->codelet), "auto");
	return kernel;
}

void kernel_free(void *priv)
{
	struct kernel *kernel = priv;

	if (!kernel)
		return;
	kernel_publish_end(kernel);
	kernel_spec_put(kernel->spec);
	pthread_mutex_destroy(&kernel->keeping);
	pthread_mutex_destroy(&kernel->lock);
	free(kernel);
}

struct kernel_spec *kernel_get_spec(struct kernel *kernel)
{
	struct kernel_spec *spec;

	pthread_mutex_lock(&kernel->lock);
	spec = kernel_spec_get(kernel->spec);
	pthread_mutex_unlock(&kernel->lock);
	return spec;
}

int kernel_get_events(struct kernel *kernel, struct kernel_events *out)
{
	char text[KERNEL_TEXT_MAX];

	pthread_mutex_lock(&kernel->lock);
	memcpy(text, kernel->events_text, sizeof(text));
	if (!text[0] && kernel->spec)
		snprintf(text, sizeof(text), "%s", kernel->spec->defaults.events);
	pthread_mutex_unlock(&kernel->lock);
	if (text[0])
		return kernel_events_parse(text, strlen(text), out);
	*out = *kernel_events_default();
	return 0;
}

/* ---- made by users --------------------------------------------------------------------------- */

static int add(struct kernel *kernel, const struct sfs_dirtype *type, uid_t uid, gid_t gid,
	       mode_t mode)
{
	if (!kernel)
		return sfs_fail(-ENOMEM, "no memory for a kernel");
	return kernel_plant(kernels_dir, kernel, type, &(struct sfs_owner){ uid, gid, mode });
}

static int make(struct sfs_obj *parent, const char *name, mode_t mode, const struct sfs_cred *who)
{
	struct sfs_obj *dir;
	int rc;

	if (sfs_has_max(parent, &kernel_user_type, who->uid, sfs_config()->kernels_max))
		return sfs_fail(-EDQUOT, "kernel '%.64s' would be more than %u of one user", name,
				sfs_config()->kernels_max);
	rc = add(kernel_new(name), &kernel_user_type, who->uid, who->gid, mode);
	if (rc)
		return rc;
	dir = sfs_find(parent, name);
	if (!dir)
		return 0; /* and gone again */
	rc = kernel_keep_made(dir);
	if (rc)
		sfs_remove_dir(dir);
	else
		sfs_event(dir, who->uid, "make", "%s", "");
	sfs_put_obj(dir);
	return rc;
}

/* ---- shipped --------------------------------------------------------------------------------- */

static void add_shipped(const struct shipped_spec *shipped, uid_t uid, gid_t gid)
{
	struct kernel *kernel = kernel_new(shipped->name);
	int rc = -ENOMEM;

	if (kernel) {
		kernel->shipped = true;
		kernel->spec = kernel_spec_new(shipped->text, shipped->size, shipped->name, &rc);
	}
	if (kernel && kernel->spec) {
		rc = add(kernel, &kernel_shipped_type, uid, gid, 0755);
		kernel = NULL; /* taken over, also on failure */
	}
	if (rc)
		sfs_status(shipped->name, "kernel %s: %s", shipped->name, sfs_sentence());
	kernel_free(kernel);
}

/* ---- embedded in codelets -------------------------------------------------------------------- */

/*
 * The same codelet in a new version brings the same kernel again; anybody else's kernel stays what
 * it is.
 */
static int renew(struct sfs_obj *dir, struct codelet *codelet, struct kernel_spec *spec)
{
	struct kernel *kernel = sfs_priv(dir);
	struct kernel_spec *old = spec;
	uid_t uid;
	gid_t gid;
	mode_t mode;
	int rc = 0;

	sfs_owner(dir, &uid, &gid, &mode);
	pthread_mutex_lock(&kernel->lock);
	if (!kernel->embedded || strcmp(kernel->brought_by, codelet->name) || uid != codelet->uid) {
		rc = -EEXIST;
	} else {
		old = kernel->spec;
		kernel->spec = spec;
		kernel->embedded = codelet->sequence;
	}
	pthread_mutex_unlock(&kernel->lock);
	kernel_spec_put(old);
	if (rc)
		return sfs_fail(rc, "the codelet brings a kernel '%.64s', which there is already",
				sfs_name(dir));
	sfs_changed(dir, "spec");
	sfs_changed(dir, "params");
	return 0;
}

static int loading(struct codelet *codelet)
{
	int rc;
	struct kernel_spec *spec = kernel_spec_new(sfs_blob_data(codelet->spec),
						   sfs_blob_size(codelet->spec), NULL, &rc);
	char name[SFS_NAME_MAX + 1];
	struct kernel *kernel;
	struct sfs_obj *dir;

	if (!spec)
		return rc;
	snprintf(name, sizeof(name), "%s", spec_name(spec->spec));
	dir = sfs_find(kernels_dir, name);
	if (dir) {
		rc = renew(dir, codelet, spec);
		sfs_put_obj(dir);
		return rc;
	}
	kernel = kernel_new(name);
	if (kernel) {
		kernel->spec = spec;
		kernel->embedded = codelet->sequence;
		memcpy(kernel->codelet, codelet->name, sizeof(kernel->codelet));
		memcpy(kernel->brought_by, codelet->name, sizeof(kernel->brought_by));
	} else {
		kernel_spec_put(spec);
	}
	rc = add(kernel, &kernel_embedded_type, codelet->uid, codelet->gid, 0755);
	dir = rc ? NULL : sfs_find(kernels_dir, name);
	if (dir)
		sfs_event(dir, codelet->uid, "make", "by %s", codelet->name);
	sfs_put_obj(dir);
	return rc;
}

static void gone(struct codelet *codelet)
{
	struct spec_error err = { 0 };
	struct spec *spec = codelet->spec ? spec_parse(sfs_blob_data(codelet->spec),
						       sfs_blob_size(codelet->spec), NULL, &err)
					  : NULL;
	struct sfs_obj *dir = spec ? sfs_find(kernels_dir, spec_name(spec)) : NULL;
	struct kernel *kernel = dir ? sfs_priv(dir) : NULL;
	bool is_its_own = false;

	if (kernel) {
		pthread_mutex_lock(&kernel->lock);
		is_its_own = kernel->embedded && kernel->embedded == codelet->sequence;
		pthread_mutex_unlock(&kernel->lock);
	}
	if (is_its_own) {
		kernel_history_end(kernel);
		sfs_remove_dir(dir);
		sfs_event(dir, codelet->uid, "remove", "by %s", codelet->name);
	}
	sfs_put_obj(dir);
	spec_free(spec);
	template_forget_codelet(codelet);
}

static const struct store_listener listener = { .loading = loading, .gone = gone };

/* ---- the backend ----------------------------------------------------------------------------- */

static int start(struct sfs_obj *dir)
{
	uid_t uid;
	gid_t gid;
	mode_t mode;
	int rc = launch_start();

	rc = rc ? rc : perf_start();
	rc = rc ? rc : pool_start();
	rc = rc ? rc : kernel_save_start();
	if (rc)
		return rc;
	kernels_dir = dir;
	sfs_owner(dir, &uid, &gid, &mode);
	for (const struct shipped_spec *shipped = shipped_specs; shipped->name; shipped++)
		add_shipped(shipped, uid, gid);
	rc = kernel_load_all(dir);
	if (rc)
		return rc;
	kernel_number_start();
	store_listen(&listener);
	(void)perf_tsc_hz(); /* measured now, and not during somebody's first run */
	return 0;
}

static void stop(void)
{
	template_stop();
	/* whatever was in flight ends now, and goes to the pool to be answered */
	launch_stop();
	pool_stop();
	kernel_number_stop();
	kernel_history_stop();
}

static const struct sfs_dirtype top_type = { .make = make };

const struct sfs_backend kernels_backend = {
	.name = "kernels",
	.type = &top_type,
	.mode = 01777,
	.init = start,
	.stop = stop,
};
