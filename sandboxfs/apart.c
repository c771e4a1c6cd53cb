/* SPDX-License-Identifier: MIT */
/* Threads with a table of descriptors of their own. */
#include "apart.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* The log's: the library would replace it by another number, for all threads, if it were closed. */
static bool is_log(int fd)
{
	int type = 0;
	socklen_t size = sizeof(type);

	return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) && type == SOCK_DGRAM;
}

int thread_apart(void)
{
	struct dirent *entry;
	DIR *dir;
	int fd;

	if (unshare(CLONE_FILES))
		return -errno;
	dir = opendir("/proc/thread-self/fd");
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		fd = atoi(entry->d_name); /* 0 for "." and ".." */
		if (fd > STDERR_FILENO && fd != dirfd(dir) && !is_log(fd))
			close(fd);
	}
	closedir(dir);
	return 0;
}
