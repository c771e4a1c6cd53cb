/* SPDX-License-Identifier: MIT */
/*
 * What jobs in rockers stand on, for their tests: a core with directories that are names, requests that
 * remember their answers, a rocker that is always ready, and a specification of constants.
 */
#ifndef ROCKER_FAKE_H
#define ROCKER_FAKE_H

#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "rocker_spec.h"
#include "rocker_link.h"
#include "rocker_number.h"
#include "seccomp_profile.h"

#include "store_fake_text.h"

#ifndef PATIENCE_MS
#define PATIENCE_MS check_patient(20000)
#endif

/* ---- the core ------------------------------------------------------------------------------------------ */

int sfs_fail_at(int err, const char *word, size_t len, const char *format, ...)
{
	char text[SFS_SENTENCE_MAX];
	va_list args;

	(void)word;
	(void)len;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return sfs_fail(err, "%s", text);
}

struct sfs_buf *sfs_buf_new(void)
{
	return calloc(1, sizeof(struct sfs_buf));
}

struct sfs_blob *sfs_buf_finish(struct sfs_buf *buf)
{
	struct sfs_blob *blob = sfs_blob_new(buf->data, buf->size);

	free(buf->data);
	free(buf);
	return blob;
}

static struct sfs_config fake_config;

const struct sfs_config *sfs_config(void)
{
	return &fake_config;
}

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t sfs_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t sfs_wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

void sfs_status(const char *key, const char *format, ...)
{
	(void)key;
	(void)format;
}

int sfs_error_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	(void)dir;
	(void)who;
	(void)out;
	return 0;
}

/* One directory; those in it are a list. */
struct sfs_obj {
	atomic_uint refs;
	char name[SFS_NAME_MAX + 1];
	const struct sfs_dirtype *type;
	void *priv;
	struct sfs_obj *parent /* counted */, *next, *children;
	bool gone;
	atomic_uint changes;
};

static pthread_mutex_t fake_tree = PTHREAD_MUTEX_INITIALIZER;

struct sfs_obj *sfs_get(struct sfs_obj *dir)
{
	dir->refs++;
	return dir;
}

void sfs_put_obj(struct sfs_obj *dir)
{
	if (!dir || --dir->refs)
		return;
	if (dir->type && dir->type->release)
		dir->type->release(dir->priv);
	sfs_put_obj(dir->parent);
	free(dir);
}

int sfs_add_dir(struct sfs_obj *parent, const char *name, const struct sfs_dirtype *type, void *priv, uid_t uid,
		gid_t gid, mode_t mode)
{
	struct sfs_obj *dir = calloc(1, sizeof(*dir));
	bool gone;

	(void)uid;
	(void)gid;
	(void)mode;
	dir->refs = 1;
	snprintf(dir->name, sizeof(dir->name), "%s", name);
	dir->type = type;
	dir->priv = priv;
	dir->parent = sfs_get(parent);
	pthread_mutex_lock(&fake_tree);
	gone = dir->gone = parent->gone;
	if (!gone) {
		dir->next = parent->children;
		parent->children = dir;
	}
	pthread_mutex_unlock(&fake_tree); /* whoever finds it may let it go */
	if (!gone)
		return 0;
	sfs_put_obj(dir);
	return sfs_fail(-ENODEV, "it is gone");
}

struct sfs_obj *sfs_find(struct sfs_obj *parent, const char *name)
{
	struct sfs_obj *dir;

	pthread_mutex_lock(&fake_tree);
	for (dir = parent->children; dir && strcmp(dir->name, name); dir = dir->next)
		;
	if (dir)
		dir->refs++;
	pthread_mutex_unlock(&fake_tree);
	return dir;
}

void sfs_remove_dir(struct sfs_obj *dir)
{
	struct sfs_obj **at, *found, *child;

	do {
		pthread_mutex_lock(&fake_tree);
		dir->gone = true;
		child = dir->children;
		if (child)
			dir->children = child->next;
		pthread_mutex_unlock(&fake_tree);
		sfs_put_obj(child);
	} while (child);
	pthread_mutex_lock(&fake_tree);
	for (at = &dir->parent->children; *at && *at != dir; at = &(*at)->next)
		;
	found = *at;
	if (found)
		*at = found->next;
	pthread_mutex_unlock(&fake_tree);
	sfs_put_obj(found);
}

int sfs_each(struct sfs_obj *parent, int (*each)(struct sfs_obj *dir, void *arg), void *arg)
{
	return parent->children ? each(parent->children, arg) : 0;
}

void *sfs_priv(const struct sfs_obj *dir)
{
	return dir->priv;
}

const char *sfs_name(const struct sfs_obj *dir)
{
	return dir->name;
}

void sfs_owner(const struct sfs_obj *dir, uid_t *uid, gid_t *gid, mode_t *mode)
{
	(void)dir;
	*uid = 0;
	*gid = 0;
	*mode = 0755;
}

void sfs_changed_for(struct sfs_obj *dir, const char *attr, uid_t uid)
{
	(void)attr;
	(void)uid;
	dir->changes++;
}

void sfs_changed(struct sfs_obj *dir, const char *attr)
{
	sfs_changed_for(dir, attr, SFS_EVERYBODY);
}

/* One request. What the core does for it (deadlines, interruptions) the test does by itself. */
struct sfs_req {
	pthread_mutex_t lock;
	pthread_cond_t settled;
	void (*cancel)(void *arg);
	void *arg;
	bool done;
	int rc;
	char answer[4096];
	char sentence[SFS_SENTENCE_MAX];
};

static inline struct sfs_req *req_make(void)
{
	struct sfs_req *req = calloc(1, sizeof(*req));

	pthread_mutex_init(&req->lock, NULL);
	pthread_cond_init(&req->settled, NULL);
	return req;
}

void sfs_req_on_cancel(struct sfs_req *req, void (*cancel)(void *arg), void *arg, unsigned deadline_ms)
{
	(void)deadline_ms;
	pthread_mutex_lock(&req->lock);
	req->cancel = cancel;
	req->arg = arg;
	pthread_mutex_unlock(&req->lock);
}

void sfs_req_done(struct sfs_req *req, int rc, struct sfs_blob *answer)
{
	pthread_mutex_lock(&req->lock);
	CHECK(!req->done);
	req->done = true;
	req->rc = rc;
	req->cancel = NULL;
	if (answer)
		snprintf(req->answer, sizeof(req->answer), "%s", (const char *)sfs_blob_data(answer));
	if (rc)
		snprintf(req->sentence, sizeof(req->sentence), "%s", sfs_sentence());
	pthread_cond_broadcast(&req->settled);
	pthread_mutex_unlock(&req->lock);
	sfs_blob_put(answer);
}

static inline bool req_wait_ms(struct sfs_req *req, unsigned ms)
{
	struct timespec end;
	bool done;
	int err = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += ms / 1000;
	end.tv_nsec += ms % 1000 * 1000000;
	end.tv_sec += end.tv_nsec / 1000000000;
	end.tv_nsec %= 1000000000;
	pthread_mutex_lock(&req->lock);
	while (!req->done && !err)
		err = pthread_cond_timedwait(&req->settled, &req->lock, &end);
	done = req->done;
	pthread_mutex_unlock(&req->lock);
	return done;
}

/* The answer's rc; 1: none came. */
static inline int req_wait(struct sfs_req *req)
{
	return req_wait_ms(req, PATIENCE_MS) ? req->rc : 1;
}

static inline void req_free(struct sfs_req *req)
{
	free(req);
}

/* As the core does it: not once it is done. */
static inline void req_cancel(struct sfs_req *req)
{
	void (*cancel)(void *arg);

	pthread_mutex_lock(&req->lock);
	cancel = req->cancel;
	pthread_mutex_unlock(&req->lock);
	if (cancel)
		cancel(req->arg);
}

/* ---- rockers ------------------------------------------------------------------------------------------- */

static atomic_uint fake_uses, fake_rockers, fake_killed;
static atomic_int fake_ready_rc;
static atomic_uint_least64_t fake_oom_kills;
static uint32_t fake_time_ms;
static rocker_ready *fake_pending; /* with fake_ready_rc 1: asked for, and not ready */
static void *fake_pending_arg;

struct rocker *rocker_get(struct rocker *rocker)
{
	rocker->refs++;
	return rocker;
}

void rocker_put(struct rocker *rocker)
{
	if (!rocker || --rocker->refs)
		return;
	rocker_jobs_free(rocker->jobs);
	sfs_put_obj(rocker->dir);
	pthread_mutex_destroy(&rocker->lock);
	free(rocker);
	fake_rockers--;
}

void rocker_acquire(struct rocker *rocker, rocker_ready *ready, void *arg)
{
	(void)rocker;
	if (fake_ready_rc == 1) {
		fake_pending = ready;
		fake_pending_arg = arg;
		return;
	}
	fake_uses += !fake_ready_rc;
	ready(arg, fake_ready_rc, "the fake says no");
}

void rocker_release(struct rocker *rocker)
{
	(void)rocker;
	fake_uses--;
}

void rocker_count(struct rocker *rocker, enum rocker_count which, uint64_t n)
{
	rocker->counts[which] += n;
}

void rocker_count_quietly(struct rocker *rocker, enum rocker_count which)
{
	rocker->counts[which]++;
}

void rocker_jobs_changed(struct rocker *rocker)
{
	(void)rocker;
}

struct rocker_spec *rocker_spec_get(struct rocker_spec *spec)
{
	return spec;
}

void rocker_spec_put(struct rocker_spec *spec)
{
	(void)spec;
}

uint32_t rocker_spec_time_ms(const struct rocker_spec *spec)
{
	(void)spec;
	return fake_time_ms;
}

unsigned rocker_spec_env(const struct rocker_spec *spec, const char **words_out)
{
	(void)spec;
	*words_out = "A=1\0B=2";
	return 2;
}

const char *rocker_spec_cwd(const struct rocker_spec *spec)
{
	(void)spec;
	return "/tmp";
}

uint64_t rocker_spec_disk_bytes(const struct rocker_spec *spec)
{
	(void)spec;
	return 4096;
}

int launch_rocker_usage(const struct launch_rocker *rocker, struct rocker_usage *out)
{
	(void)rocker;
	*out = (struct rocker_usage){ .oom_kills = fake_oom_kills };
	return 0;
}

int launch_rocker_kill(struct launch_rocker *rocker, launch_rocker_done *done, void *arg)
{
	(void)rocker;
	fake_killed++;
	done(arg, 0, NULL);
	return 0;
}

static int fake_signal; /* the last that a process should get which its guard cannot send it */

void launch_rocker_signal(struct launch_rocker *rocker, int signal, int pidfd)
{
	(void)rocker;
	CHECK(pidfd >= 0);
	fake_signal = signal;
}

const char *launch_syscall_name(uint32_t arch, int64_t nr, char *buf, size_t size)
{
	(void)arch;
	snprintf(buf, size, "syscall_%lld", (long long)nr);
	return buf;
}

static bool fake_kills, fake_persists;

bool rocker_spec_persists(const struct rocker_spec *spec)
{
	(void)spec;
	return fake_persists;
}

bool seccomp_profile_kills(unsigned number)
{
	(void)number;
	return fake_kills;
}

int seccomp_profile_errno(unsigned number, int nr)
{
	(void)number;
	(void)nr;
	return EPERM;
}

#endif
