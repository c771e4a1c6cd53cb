/* SPDX-License-Identifier: MIT */
/*
 * Small files, the clock and names of processes, for the rest of librocker_client.
 *
 * sandboxfs lets a signal end what waits for it. Reading begins again then; what changes something is not
 * disturbed, since nobody could say afterwards whether it has been done.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "rocker_client.h"

int client_open(const char *path, int flags)
{
	int low, fd;

	do
		low = open(path, flags | O_CLOEXEC);
	while (low < 0 && errno == EINTR);
	if (low < 0 || low > 2)
		return low;
	fd = fcntl(low, F_DUPFD_CLOEXEC, 3);
	client_close(&low);
	return fd;
}

int client_stat(const char *path, struct stat *out)
{
	int rc;

	do
		rc = stat(path, out);
	while (rc && errno == EINTR);
	return rc;
}

void client_hold_signals(sigset_t *was)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, was);
}

void client_let_signals(const sigset_t *was)
{
	int saved = errno;

	pthread_sigmask(SIG_SETMASK, was, NULL);
	errno = saved;
}

int client_mkdir(const char *path, mode_t mode)
{
	sigset_t was;
	int rc;

	client_hold_signals(&was);
	rc = mkdir(path, mode);
	client_let_signals(&was);
	return rc;
}

int client_rmdir(const char *path)
{
	sigset_t was;
	int rc;

	client_hold_signals(&was);
	rc = rmdir(path);
	client_let_signals(&was);
	return rc;
}

ssize_t client_read(const char *path, char *text, size_t size)
{
	int fd = client_open(path, O_RDONLY);
	size_t len = 0;
	ssize_t got = 1;

	if (fd < 0)
		return -errno;
	while (len < size - 1 && got > 0) {
		got = read(fd, text + len, size - 1 - len);
		if (got < 0 && errno == EINTR)
			got = 1;
		else if (got > 0)
			len += (size_t)got;
	}
	if (got < 0) {
		int err = errno;

		close(fd);
		return -err;
	}
	close(fd);
	text[len] = '\0';
	return (ssize_t)len;
}

int64_t client_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void client_sleep_ms(unsigned ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&time, NULL); /* waiters look at the clock themselves */
}

/* The name stands in parentheses and may hold any byte but NUL: it ends at the last one. */
int client_process_name(int pid, char name[CLIENT_NAME_SIZE])
{
	char path[64], text[512];
	ssize_t len;

	if (pid <= 0)
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	len = client_read(path, text, sizeof(text));
	if (len < 0)
		return len == -ENOENT ? -ESRCH : (int)len;

	char *begin = strchr(text, '('), *end = strrchr(text, ')');

	if (!begin || !end || end < begin)
		return -EIO;
	begin++;
	size_t size = (size_t)(end - begin);
	if (size > CLIENT_NAME_SIZE - 1)
		size = CLIENT_NAME_SIZE - 1;
	memcpy(name, begin, size);
	memset(name + size, 0, CLIENT_NAME_SIZE - size);
	return 0;
}

void client_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}
