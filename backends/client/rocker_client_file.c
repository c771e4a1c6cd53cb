/* SPDX-License-Identifier: MIT */
/*
 * Small files, the clock and names of processes, for the rest of librocker_client.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rocker_client.h"

ssize_t client_read(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
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
