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

/* ---- text and refusals ---------------------------------------------------------------------------- */

static _Thread_local char fake_sentence[SFS_SENTENCE_MAX];

int sfs_fail(int err, const char *format, ...)
{
	char text[SFS_SENTENCE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	memcpy(fake_sentence, text, sizeof(text));
	return err;
}

const char *sfs_sentence(void)
{
	return fake_sentence;
}

struct sfs_blob {
	atomic_uint refs;
	size_t size;
	char data[];
};

struct sfs_blob *sfs_blob_new(const void *data, size_t size)
{
	struct sfs_blob *blob = malloc(sizeof(*blob) + size + 1);

	blob->refs = 1;
	blob->size = size;
	if (size)
		memcpy(blob->data, data, size);
	blob->data[size] = '\0';
	return blob;
}

struct sfs_blob *sfs_blob_get(struct sfs_blob *blob)
{
	if (blob)
		blob->refs++;
	return blob;
}

void sfs_blob_put(struct sfs_blob *blob)
{
	if (blob && --blob->refs == 0)
		free(blob);
}

const void *sfs_blob_data(const struct sfs_blob *blob)
{
	return blob->data;
}

size_t sfs_blob_size(const struct sfs_blob *blob)
{
	return blob->size;
}

struct sfs_buf {
	char *data;
	size_t size;
};

void sfs_put_bytes(struct sfs_buf *buf, const void *data, size_t size)
{
	buf->data = realloc(buf->data, buf->size + size + 1);
	if (size)
		memcpy(buf->data + buf->size, data, size);
	buf->size += size;
	buf->data[buf->size] = '\0';
}

void sfs_put(struct sfs_buf *buf, const char *format, ...)
{
	char text[1024];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	sfs_put_bytes(buf, text, (size_t)n);
}

void sfs_put_count(struct sfs_buf *buf, const char *key, uint64_t value)
{
	sfs_put(buf, "%s %-20llu\n", key, (unsigned long long)value);
}

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
	pthread_mutex_lock(&req->lock);
	while (!req->done)
		pthread_cond_wait(&req->ended, &req->lock);
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

/* ---- launcher -------------------------------------------------------------------------------------------- */

enum fake_inspector { FAKE_HONEST, FAKE_CRASH, FAKE_SPIN, FAKE_SILENT, FAKE_LIE, FAKE_DEAD, FAKE_NEVER_STARTS };

static _Atomic enum fake_inspector fake_inspector;
static void (*fake_lie)(struct wire_table *table);
static atomic_int fake_zygotes, fake_inspections, fake_pending;
static atomic_int_least64_t fake_killed;

struct launch_zygote {
	bool dead;
};

struct fake_event {
	void (*ready)(void *arg, struct launch_zygote *zygote, int rc, const char *sentence);
	void (*done)(void *arg, const struct launch_exit *how);
	void *arg;
	struct launch_zygote *zygote;
	struct launch_order order;
	int64_t id;
};

static void fake_inspect(struct fake_event *event)
{
	struct wire_table *table =
		mmap(NULL, WIRE_TABLE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, event->order.fds[1], 0);
	off_t size = lseek(event->order.fds[0], 0, SEEK_END);
	char *file = malloc((size_t)size + 1);

	if (fake_inspector == FAKE_LIE) {
		fake_lie(table);
	} else if (pread(event->order.fds[0], file, (size_t)size, 0) == size) {
		elf_inspect(file, (size_t)size, table);
		table->done = 1;
	}
	free(file);
	munmap(table, WIRE_TABLE_BYTES);
}

static void fake_run(struct fake_event *event)
{
	struct launch_exit how = { .cause = LAUNCH_EXITED };

	fake_inspections++;
	switch (fake_inspector) {
	case FAKE_CRASH:
		how.cause = LAUNCH_SIGNALED;
		how.status = SIGSEGV;
		break;
	case FAKE_SPIN:
		how.cause = LAUNCH_TIMEOUT;
		for (uint32_t ms = 0; ms < event->order.wall_ms && how.cause == LAUNCH_TIMEOUT; ms++) {
			usleep(1000);
			if (fake_killed == event->id)
				how.cause = LAUNCH_KILLED;
		}
		break;
	case FAKE_SILENT:
		break;
	default:
		fake_inspect(event);
	}
	close(event->order.fds[0]);
	close(event->order.fds[1]);
	event->done(event->arg, &how);
}

static void *fake_thread(void *arg)
{
	struct fake_event *event = arg;

	if (event->ready)
		event->ready(event->arg, event->zygote, fake_inspector == FAKE_NEVER_STARTS ? -EPERM : 0, "no jail");
	else
		fake_run(event);
	free(event);
	fake_pending--;
	return NULL;
}

static void fake_start(struct fake_event event)
{
	struct fake_event *copy = malloc(sizeof(event));
	pthread_t thread;

	*copy = event;
	fake_pending++;
	pthread_create(&thread, NULL, fake_thread, copy);
	pthread_detach(thread);
}

struct launch_zygote *launch_zygote_new(enum launch_kind kind, uid_t owner, const struct launch_limits *limits,
					const struct wire_order *setup, const int *fds, unsigned nfds,
					void (*ready)(void *arg, struct launch_zygote *zygote, int rc,
						      const char *sentence),
					void *arg)
{
	struct launch_zygote *zygote = calloc(1, sizeof(*zygote));

	(void)kind, (void)owner, (void)limits, (void)setup, (void)fds, (void)nfds;
	fake_zygotes++;
	fake_start((struct fake_event){ .ready = ready, .arg = arg, .zygote = zygote });
	return zygote;
}

void launch_zygote_drop(struct launch_zygote *zygote)
{
	fake_zygotes--;
	free(zygote);
}

int64_t launch_run(struct launch_zygote *zygote, const struct launch_order *order,
		   void (*done)(void *arg, const struct launch_exit *how), void *arg)
{
	static atomic_int_least64_t ids;
	struct fake_event event = { .done = done, .arg = arg, .zygote = zygote, .order = *order, .id = ++ids };

	if (fake_inspector == FAKE_DEAD) {
		fake_inspector = FAKE_HONEST;
		return sfs_fail(-ESRCH, "it died");
	}
	for (int i = 0; i < 2; i++)
		event.order.fds[i] = fcntl(order->fds[i], F_DUPFD_CLOEXEC, 3);
	fake_start(event);
	return event.id;
}

void launch_kill(int64_t run)
{
	fake_killed = run;
}

const char *launch_syscall_name(uint32_t arch, int64_t nr, char *buf, size_t size)
{
	(void)arch;
	snprintf(buf, size, "syscall_%lld", (long long)nr);
	return buf;
}

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
