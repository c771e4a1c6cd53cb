/* SPDX-License-Identifier: MIT */
/*
 * The directory of a rocker: made, filled in, waited for, removed.
 *
 * Directories are named lib-PID-NUMBER after the process that made them. One that has died, because its
 * last process ended or its guard was killed, is removed by the next call of the process that made it, or,
 * when that has ended, of any process of the same user: what its maker is still waiting for is left alone.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rocker_client.h"

#define READY_MS     5000
#define NAMES_TRIED  1000
#define ENTERED_MAX  1024 /* remembered; older ones are removed by others */
#define TEXT_SIZE    512

static atomic_uint last_number;

static pthread_mutex_t entered_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned entered[ENTERED_MAX]; /* entered_lock: numbers, 0: none */
static unsigned entered_next;         /* entered_lock */

/* One of the rocker's files, without the newline and the blanks that fill its last line. */
static ssize_t read_file(const struct client_rocker *rocker, const char *name, char *text, size_t size)
{
	char path[PATH_MAX + 16];
	ssize_t len;

	snprintf(path, sizeof(path), "%s/%s", rocker->path, name);
	len = client_read(path, text, size);
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
		text[--len] = '\0';
	return len;
}

/* Is sandboxfs itself the trouble? */
static bool lost(int err)
{
	return err == ENOTCONN || err == ECONNABORTED || err == EIO || err == ENODEV || err == ESTALE;
}

/* err 0: it has ended, and nothing of ours was refused. */
static const char *why(const struct client_rocker *rocker, int err, char text[TEXT_SIZE])
{
	ssize_t len = read_file(rocker, "error", text, TEXT_SIZE);

	if (len > 0 && strcmp(text, "ok"))
		return text;
	return err ? strerror(err) : "the rocker has ended";
}

static ROCKER_ERR make_directory(const char *mount, struct client_rocker *rocker)
{
	int err = EEXIST;

	for (int i = 0; i < NAMES_TRIED && err == EEXIST; i++) {
		rocker->number = atomic_fetch_add(&last_number, 1) + 1;
		snprintf(rocker->path, sizeof(rocker->path), "%.*s/rockers/lib-%d-%u", (int)(sizeof(rocker->path) - 64), mount,
			 (int)getpid(), rocker->number);
		err = client_mkdir(rocker->path, 0755) ? errno : 0;
	}
	if (!err)
		return ROCKER_ERR_success;
	if (err == ETIMEDOUT || err == EINTR)
		(void)client_rmdir(rocker->path); /* it may have come nevertheless */
	if (lost(err))
		return client_fail(ROCKER_ERR_send_req_failed, "mkdir %.200s: %s", rocker->path, strerror(err));
	return client_fail(ROCKER_ERR_gen_local_addr_failed, "mkdir %.200s: %s", rocker->path, strerror(err));
}

/* One write, so that the whole is judged at once; the verdict is that of close. 0 or errno. */
static int write_spec(const char *path, const char *spec)
{
	size_t len = strlen(spec);
	int fd = client_open(path, O_WRONLY | O_TRUNC), err = 0;
	sigset_t was;
	ssize_t done;

	if (fd < 0)
		return errno;
	client_hold_signals(&was);
	done = write(fd, spec, len);
	if (done < 0)
		err = errno;
	else if ((size_t)done != len)
		err = EIO;
	if (close(fd) && !err)
		err = errno;
	client_let_signals(&was);
	return err;
}

/* A rocker that is still being built with the defaults may be busy for a moment. */
static ROCKER_ERR send_spec(const struct client_rocker *rocker, const char *spec, int64_t deadline)
{
	char path[PATH_MAX + 16], text[TEXT_SIZE];
	int err;

	snprintf(path, sizeof(path), "%s/spec", rocker->path);
	while ((err = write_spec(path, spec)) && (err == EBUSY || err == EAGAIN || err == EINTR) && client_now_ms() < deadline)
		client_sleep_ms(2);
	if (!err)
		return ROCKER_ERR_success;
	if (lost(err) || err == ENOENT)
		return client_fail(ROCKER_ERR_send_req_failed, "%.200s: %s", path, strerror(err));
	return client_fail(ROCKER_ERR_build_rocker_failed, "%.300s", why(rocker, err, text));
}

/* Its state as an error; -EAGAIN in *rc: not decided yet. */
static ROCKER_ERR judge_state(const struct client_rocker *rocker, int *rc)
{
	char state[64], text[TEXT_SIZE];
	ssize_t len = read_file(rocker, "state", state, sizeof(state));

	*rc = 0;
	if (len < 0)
		return client_fail(ROCKER_ERR_recv_resp_failed, "state of %.200s: %s", rocker->path, strerror((int)-len));
	if (!strcmp(state, "ready") || !strcmp(state, "running"))
		return ROCKER_ERR_success;
	if (!strcmp(state, "dead"))
		return client_fail(ROCKER_ERR_build_rocker_failed, "%.300s", why(rocker, 0, text));
	if (strcmp(state, "building"))
		return client_fail(ROCKER_ERR_unknown, "the state of %.200s is '%s'", rocker->path, state);
	*rc = -EAGAIN;
	return ROCKER_ERR_success;
}

static ROCKER_ERR wait_ready(const struct client_rocker *rocker, int64_t deadline)
{
	unsigned pause_ms = 1;
	ROCKER_ERR err;
	int rc;

	while (!(err = judge_state(rocker, &rc)) && rc == -EAGAIN) {
		if (client_now_ms() >= deadline)
			return client_fail(ROCKER_ERR_recv_resp_failed, "%.200s is not ready after %d s", rocker->path,
					   READY_MS / 1000);
		client_sleep_ms(pause_ms);
		pause_ms = pause_ms < 16 ? 2 * pause_ms : pause_ms;
	}
	return err;
}

/* The value of a key in flat keyed text, without the blanks that may fill its line. */
static bool value_of(const char *text, const char *key, char *value, size_t size)
{
	size_t len = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		if (strncmp(line, key, len) || line[len] != ' ')
			continue;
		line += len + strspn(line + len, " ");
		len = strcspn(line, "\n");
		while (len && line[len - 1] == ' ')
			len--;
		if (!len || len >= size)
			return false;
		memcpy(value, line, len);
		memset(value + len, 0, size - len);
		return true;
	}
	return false;
}

static ROCKER_ERR read_guard(struct client_rocker *rocker)
{
	char text[TEXT_SIZE], pid[16], *end;
	ssize_t len = read_file(rocker, "guard", text, sizeof(text));

	if (len < 0)
		return client_fail(ROCKER_ERR_recv_resp_failed, "guard of %.200s: %s", rocker->path, strerror((int)-len));
	if (value_of(text, "pid", pid, sizeof(pid)) && value_of(text, "name", rocker->name, sizeof(rocker->name))) {
		long number = strtol(pid, &end, 10);

		rocker->guard = (int)number;
		if (!*end && number > 1 && number <= INT_MAX)
			return ROCKER_ERR_success;
	}
	return client_fail(ROCKER_ERR_unknown, "the guard of %.200s is said to be '%.80s'", rocker->path, text);
}

ROCKER_ERR client_make(const char *mount, const RockerRequest *req, struct client_rocker *out)
{
	int64_t deadline = client_now_ms() + READY_MS;
	struct client_rocker rocker = { .guard = 0 };
	char *spec = NULL;
	ROCKER_ERR err;

	err = client_spec(req, &spec) ?: make_directory(mount, &rocker);
	if (!err) {
		err = send_spec(&rocker, spec, deadline);
		err = err ?: wait_ready(&rocker, deadline);
		err = err ?: read_guard(&rocker);
		if (err)
			(void)client_rmdir(rocker.path);
		else
			*out = rocker;
	}
	free(spec);
	return err;
}

void client_entered(const struct client_rocker *rocker)
{
	pthread_mutex_lock(&entered_lock);
	entered[entered_next++ % ENTERED_MAX] = rocker->number;
	pthread_mutex_unlock(&entered_lock);
}

/* Takes a number out of those entered; false: it is none of them. */
static bool forget(unsigned number)
{
	bool found = false;

	pthread_mutex_lock(&entered_lock);
	for (unsigned i = 0; i < ENTERED_MAX && !found; i++)
		if (entered[i] == number) {
			entered[i] = 0;
			found = true;
		}
	pthread_mutex_unlock(&entered_lock);
	return found;
}

static bool was_entered(unsigned number)
{
	bool found = false;

	pthread_mutex_lock(&entered_lock);
	for (unsigned i = 0; i < ENTERED_MAX && !found; i++)
		found = entered[i] == number;
	pthread_mutex_unlock(&entered_lock);
	return found;
}

/* Is one of this name nobody's any more, if it is dead? */
static bool abandoned(int pid, unsigned number)
{
	return pid == getpid() ? was_entered(number) : kill(pid, 0) && errno == ESRCH;
}

static struct dirent *next_entry(DIR *folder, int *err)
{
	struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(folder);
	} while (!entry && errno == EINTR);
	*err = errno;
	return entry;
}

/* Calls what for each rocker that this library made for this user, until it returns false. 0, or errno: not all are known. */
static int each_rocker(const char *mount, bool (*what)(const struct client_rocker *, int pid, void *), void *arg)
{
	struct client_rocker rocker = { .guard = 0 };
	struct dirent *entry;
	struct stat st;
	DIR *folder;
	bool more = true;
	int pid, end, fd, err = 0;

	snprintf(rocker.path, sizeof(rocker.path), "%.*s/rockers", (int)(sizeof(rocker.path) - 64), mount);
	fd = client_open(rocker.path, O_RDONLY | O_DIRECTORY);
	folder = fd < 0 ? NULL : fdopendir(fd);
	if (!folder) {
		err = errno;
		client_close(&fd);
		return err;
	}
	while (more && (entry = next_entry(folder, &err))) {
		if (sscanf(entry->d_name, "lib-%9d-%9u%n", &pid, &rocker.number, &end) != 2 || entry->d_name[end])
			continue;
		snprintf(rocker.path, sizeof(rocker.path), "%.*s/rockers/%.48s", (int)(sizeof(rocker.path) - 64), mount, entry->d_name);
		if (!client_stat(rocker.path, &st) && st.st_uid == geteuid())
			more = what(&rocker, pid, arg);
	}
	closedir(folder);
	return err;
}

static bool sweep_one(const struct client_rocker *rocker, int pid, void *arg)
{
	char state[64];

	(void)arg;
	if (abandoned(pid, rocker->number) && read_file(rocker, "state", state, sizeof(state)) > 0 && !strcmp(state, "dead") &&
	    !client_rmdir(rocker->path) && pid == getpid())
		forget(rocker->number);
	return true;
}

void client_sweep(const char *mount)
{
	(void)each_rocker(mount, sweep_one, NULL);
}

struct removal {
	const RockerResult *of;
	bool found;
	int err; /* of the one that was found, or of one that may have been it */
};

static bool remove_one(const struct client_rocker *found, int pid, void *arg)
{
	struct client_rocker rocker = *found;
	struct removal *removal = arg;
	char text[TEXT_SIZE], name[CLIENT_NAME_SIZE];
	ssize_t len = read_file(&rocker, "guard", text, sizeof(text));

	if (len < 0 && len != -ENOENT && len != -ENODEV && len != -ESTALE)
		removal->err = (int)-len;
	if (len <= 0 || !value_of(text, "name", name, sizeof(name)) || memcmp(name, removal->of->guard_pname, sizeof(name)) != 0)
		return true;
	removal->found = true;
	removal->err = client_rmdir(rocker.path) && errno != ENOENT ? errno : 0;
	if (!removal->err && pid == getpid())
		forget(rocker.number);
	return false;
}

/* One whose guard has ended does not show its name any more: it is swept. */
int ROCKER_remove(const RockerResult *result)
{
	struct removal removal = { .of = result };
	char mount[PATH_MAX];
	int err;

	client_succeed();
	if (!result || result->guard_pid <= 0) {
		errno = EINVAL;
		return -1;
	}
	if (client_find_mount(mount, sizeof(mount))) {
		errno = ENODEV;
		return -1;
	}
	err = each_rocker(mount, remove_one, &removal);
	client_sweep(mount);
	err = removal.found ? removal.err : removal.err ?: err;
	if (!err)
		return 0;
	(void)client_fail(ROCKER_ERR_sys, "the rocker of guard %d cannot be removed: %s", result->guard_pid, strerror(err));
	errno = err;
	return -1;
}
