/* SPDX-License-Identifier: MIT */
/*
 * A core and a launcher of a few lines, for tests of the store alone: directories and files are lists, answers are waited for,
 * inspections run on a thread of this process.
 */
#ifndef STORE_FAKE_H
#define STORE_FAKE_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "elf.h"
#include "launch.h"
#include "sandboxfs.h"
#include "store.h"

#include "store_fake_text.h"

/* ---- tree ------------------------------------------------------------------------------------------ */

struct sfs_obj {
	char name[SFS_NAME_MAX + 1];
	const struct sfs_dirtype *type;
	void *priv;
	atomic_uint refs;
	uid_t uid;
	gid_t gid;
	mode_t mode;
	bool gone;
	struct sfs_obj *next; /* in fake_dirs */
};

struct fake_file {
	char name[SFS_NAME_MAX + 1];
	uint64_t size;
	uid_t uid;
	mode_t mode;
	struct fake_file *next;
};

static pthread_mutex_t fake_lock = PTHREAD_MUTEX_INITIALIZER;
static struct sfs_obj fake_store = { .name = "store", .refs = 1 }, fake_codelets = { .name = "codelets", .refs = 1 };
static struct sfs_obj *fake_dirs;
static struct fake_file *fake_files;
static int fake_dir_error, fake_file_error; /* what the next add gives */

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
	free(dir);
}

void *sfs_priv(const struct sfs_obj *dir)
{
	return dir->priv;
}

const char *sfs_name(const struct sfs_obj *dir)
{
	return dir->name;
}

struct sfs_obj *sfs_find(struct sfs_obj *parent, const char *name)
{
	struct sfs_obj *dir = NULL;

	(void)parent;
	pthread_mutex_lock(&fake_lock);
	for (dir = fake_dirs; dir && strcmp(dir->name, name); dir = dir->next)
		;
	if (dir)
		dir->refs++;
	pthread_mutex_unlock(&fake_lock);
	return dir;
}

int sfs_add_dir(struct sfs_obj *parent, const char *name, const struct sfs_dirtype *type, void *priv, uid_t uid,
		gid_t gid, mode_t mode)
{
	struct sfs_obj *there = sfs_find(parent, name), *dir;
	int err = there ? -EEXIST : fake_dir_error;

	fake_dir_error = 0;
	sfs_put_obj(there);
	if (err) {
		type->release(priv);
		return err;
	}
	dir = calloc(1, sizeof(*dir));
	strcpy(dir->name, name);
	dir->type = type;
	dir->priv = priv;
	dir->refs = 1;
	dir->uid = uid;
	dir->gid = gid;
	dir->mode = mode;
	pthread_mutex_lock(&fake_lock);
	dir->next = fake_dirs;
	fake_dirs = dir;
	pthread_mutex_unlock(&fake_lock);
	return 0;
}

#include "store_fake_move.h"

void sfs_remove_dir(struct sfs_obj *dir)
{
	struct sfs_obj **at;
	bool was;

	pthread_mutex_lock(&fake_lock);
	was = !dir->gone;
	dir->gone = true;
	for (at = &fake_dirs; *at && *at != dir; at = &(*at)->next)
		;
	if (*at)
		*at = dir->next;
	pthread_mutex_unlock(&fake_lock);
	if (was)
		sfs_put_obj(dir);
}

void sfs_set_owner(struct sfs_obj *dir, uid_t uid, gid_t gid, mode_t mode)
{
	pthread_mutex_lock(&fake_lock);
	dir->uid = uid;
	dir->gid = gid;
	dir->mode = mode;
	pthread_mutex_unlock(&fake_lock);
}

static struct fake_file *fake_file_of(const char *name)
{
	struct fake_file *file = fake_files;

	while (file && strcmp(file->name, name))
		file = file->next;
	return file;
}

int sfs_set_file(struct sfs_obj *dir, const char *name, uint64_t size, uid_t uid, gid_t gid, mode_t mode,
		 uint64_t mtime_ns)
{
	struct fake_file *file;
	int err = fake_file_error;

	(void)dir, (void)gid, (void)mtime_ns;
	fake_file_error = 0;
	if (err)
		return err;
	pthread_mutex_lock(&fake_lock);
	file = fake_file_of(name);
	if (!file) {
		file = calloc(1, sizeof(*file));
		strcpy(file->name, name);
		file->next = fake_files;
		fake_files = file;
	}
	file->size = size;
	file->uid = uid;
	file->mode = mode;
	pthread_mutex_unlock(&fake_lock);
	return 0;
}

void sfs_drop_file(struct sfs_obj *dir, const char *name)
{
	struct fake_file **at, *file;

	(void)dir;
	pthread_mutex_lock(&fake_lock);
	for (at = &fake_files; *at && strcmp((*at)->name, name); at = &(*at)->next)
		;
	file = *at;
	if (file)
		*at = file->next;
	pthread_mutex_unlock(&fake_lock);
	free(file);
}

void sfs_forget_file(struct sfs_obj *dir, const char *name)
{
	sfs_drop_file(dir, name);
}

int sfs_move_file(struct sfs_obj *dir, const char *from, const char *to)
{
	struct fake_file *file;

	sfs_drop_file(dir, to);
	pthread_mutex_lock(&fake_lock);
	file = fake_file_of(from);
	if (file)
		strcpy(file->name, to);
	pthread_mutex_unlock(&fake_lock);
	return 0;
}

/* -1: no such file. */
__attribute__((unused)) static int64_t fake_size(const char *name)
{
	struct fake_file *file;
	int64_t size;

	pthread_mutex_lock(&fake_lock);
	file = fake_file_of(name);
	size = file ? (int64_t)file->size : -1;
	pthread_mutex_unlock(&fake_lock);
	return size;
}

bool sfs_may(const struct sfs_cred *who, uid_t uid, gid_t gid, mode_t mode, int want)
{
	mode_t bits = who->uid == uid ? mode >> 6 : who->gid == gid ? mode >> 3 : mode;

	return who->uid == 0 || ((bits & 7) & (mode_t)want) == (mode_t)want;
}

void sfs_changed(struct sfs_obj *dir, const char *attr)
{
	(void)dir, (void)attr;
}

int sfs_error_show(struct sfs_obj *dir, const struct sfs_cred *who, struct sfs_buf *out)
{
	(void)dir, (void)who;
	sfs_put(out, "ok\n");
	return 0;
}

#define FAKE_WAIT_S 60 /* longer than anything takes; a test that hangs is to say where */

/* ---- answers ----------------------------------------------------------------------------------------- */

struct sfs_req {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool done, cancelled;
	int rc;
	char sentence[SFS_SENTENCE_MAX];
	void (*cancel)(void *arg);
	void *arg;
};

#define FAKE_REQ { .lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER }

void sfs_req_on_cancel(struct sfs_req *req, void (*cancel)(void *arg), void *arg, unsigned deadline_ms)
{
	bool now;

	(void)deadline_ms;
	pthread_mutex_lock(&req->lock);
	now = req->cancelled;
	if (!now) {
		req->cancel = cancel;
		req->arg = arg;
	}
	pthread_mutex_unlock(&req->lock);
	if (now)
		cancel(arg);
}

bool sfs_req_cancelled(const struct sfs_req *req)
{
	struct sfs_req *r = (struct sfs_req *)req;
	bool cancelled;

	pthread_mutex_lock(&r->lock);
	cancelled = r->cancelled;
	pthread_mutex_unlock(&r->lock);
	return cancelled;
}

void sfs_req_done(struct sfs_req *req, int rc, struct sfs_blob *answer)
{
	sfs_blob_put(answer);
	pthread_mutex_lock(&req->lock);
	req->rc = rc;
	if (rc)
		strcpy(req->sentence, fake_sentence);
	req->done = true;
	pthread_cond_signal(&req->ended);
	pthread_mutex_unlock(&req->lock);
}

static int fake_wait(struct sfs_req *req)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += FAKE_WAIT_S;
	pthread_mutex_lock(&req->lock);
	while (!req->done)
		if (pthread_cond_timedwait(&req->ended, &req->lock, &end) == ETIMEDOUT) {
			puts("not ok fake_wait: a request was never answered");
			abort();
		}
	pthread_mutex_unlock(&req->lock);
	if (req->rc)
		sfs_fail(req->rc, "%s", req->sentence);
	return req->rc;
}

__attribute__((unused)) static void fake_cancel(struct sfs_req *req)
{
	pthread_mutex_lock(&req->lock);
	/* Under the lock, so that done waits for it; the store calls nothing of ours from cancel. */
	req->cancelled = true;
	if (req->cancel && !req->done)
		req->cancel(req->arg);
	pthread_mutex_unlock(&req->lock);
}

/* ---- the daemon at large ------------------------------------------------------------------------------ */

static struct sfs_config fake_config = {
	.store_max_bytes = 16 << 20,
	.store_max_codelets = 20000,
	.store_max_total_bytes = 1 << 30,
	.request_ms = 1000,
};
static char fake_status[65536];
static atomic_ulong fake_stats[SFS_STATS];

const struct sfs_config *sfs_config(void)
{
	return &fake_config;
}

/* Keeps "key: sentence" lines. */
void sfs_status(const char *key, const char *format, ...)
{
	char head[128], text[512], *line;
	va_list args;

	snprintf(head, sizeof(head), "%s: ", key);
	pthread_mutex_lock(&fake_lock);
	line = strstr(fake_status, head);
	if (line) {
		char *end = strchr(line, '\n') + 1;

		memmove(line, end, strlen(end) + 1);
	}
	if (format && strlen(fake_status) + 1024 < sizeof(fake_status)) {
		va_start(args, format);
		vsnprintf(text, sizeof(text), format, args);
		va_end(args);
		sprintf(fake_status + strlen(fake_status), "%s%s\n", head, text);
	}
	pthread_mutex_unlock(&fake_lock);
}

void sfs_event(struct sfs_obj *obj, uid_t uid, const char *event, const char *format, ...)
{
	(void)obj, (void)uid, (void)event, (void)format;
}

void sfs_stat_add(enum sfs_stat which, uint64_t n)
{
	fake_stats[which] += n;
}

void sfs_log(enum sfs_level level, const char *format, ...)
{
	(void)level, (void)format;
}

uint64_t sfs_wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

__attribute__((unused)) static uint64_t fake_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

#include "store_fake_launch.h"

/* ---- what tests do --------------------------------------------------------------------------------------- */

static const struct sfs_cred fake_root = { .uid = 0 }, fake_alice = { .uid = 1001, .gid = 1001 },
			     fake_bob = { .uid = 1002, .gid = 1002 };

static int fake_memfd(const void *data, size_t size)
{
	int fd = memfd_create("upload", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (size && pwrite(fd, data, size, 0) != (ssize_t)size)
		return -1;
	return fd;
}

__attribute__((unused)) static int fake_upload(const char *name, const void *data, size_t size, mode_t mode,
					       const struct sfs_cred *who)
{
	struct sfs_req req = FAKE_REQ;
	int rc = store_backend.type->uploads->commit(&fake_store, name, fake_memfd(data, size), size, mode, who, &req);

	return rc == SFS_LATER ? fake_wait(&req) : rc;
}

/* A file's bytes as cat would give them, or -errno. */
__attribute__((unused)) static ssize_t fake_read(const char *name, void *out, size_t room)
{
	int fd = store_backend.type->uploads->open(&fake_store, name);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = pread(fd, out, room, 0);
	close(fd);
	return n;
}

/* The row of codelets/NAME: to be freed; NULL: no such directory. */
__attribute__((unused)) static char *fake_show(const char *name, const char *row)
{
	struct sfs_obj *dir = sfs_find(&fake_codelets, name);
	struct sfs_buf buf = { NULL, 0 };

	if (!dir)
		return NULL;
	sfs_put_bytes(&buf, "", 0);
	for (const struct sfs_attr *a = dir->type->attrs; a->name; a++)
		if (!strcmp(a->name, row) && a->show(dir, &fake_root, &buf))
			sfs_put(&buf, "ERROR %s", sfs_sentence());
	sfs_put_obj(dir);
	return buf.data;
}

static void fake_clear(void)
{
	while (fake_files)
		sfs_drop_file(&fake_store, fake_files->name);
	while (fake_dirs)
		sfs_remove_dir(fake_dirs);
}

__attribute__((unused)) static int fake_begin(const char *state)
{
	snprintf(fake_config.state_dir, sizeof(fake_config.state_dir), "%s", state);
	return store_backend.init(&fake_store) ?: codelets_backend.init(&fake_codelets);
}

__attribute__((unused)) static void fake_end(void)
{
	store_backend.stop();
	/* Callbacks that are still owed come after the stop, as they do when the launcher is stopped last. */
	while (fake_pending)
		usleep(100);
	fake_join();
	fake_clear();
}

__attribute__((unused)) static void fake_state(char *out, size_t size)
{
	snprintf(out, size, "%s/sfs-store-XXXXXX", getenv("TMPDIR") ?: "/tmp");
	if (!mkdtemp(out))
		out[0] = '\0';
}

__attribute__((unused)) static void fake_wipe(const char *state)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -rf '%s'", state);
	if (system(command))
		printf("# %s remains\n", state);
}

#endif
