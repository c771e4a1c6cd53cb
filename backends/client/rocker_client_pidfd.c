/* SPDX-License-Identifier: MIT */
/*
 * Processes and descriptors that cannot be mistaken: pidfds, and what an app shall inherit.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rocker_client.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static _Thread_local int kept[ROCKER_KEEP_FDS_MAX];
static _Thread_local size_t nkept;

static bool ended(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

/*
 * The number may change hands between any two calls, the descriptor does not: if its process is alive after the
 * name has been read, the name was that process's.
 */
int client_pidfd(int pid, const char name[CLIENT_NAME_SIZE])
{
	char now[CLIENT_NAME_SIZE];
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), err;

	if (pidfd < 0)
		return -errno;
	err = client_process_name(pid, now);
	if (!err && strncmp(now, name, sizeof(now)) == 0 && !ended(pidfd))
		return pidfd;
	close(pidfd);
	return -ESRCH;
}

int ROCKER_guard_pidfd(const RockerResult *result)
{
	int pidfd = !result || result->guard_pid <= 0 ? -EINVAL : client_pidfd(result->guard_pid, result->guard_pname);

	if (pidfd >= 0)
		return pidfd;
	errno = -pidfd;
	return -1;
}

/* A child keeps its number until its parent has waited for it: one that is a child is the app. */
int ROCKER_app_pidfd(const RockerResult *result)
{
	siginfo_t info = { .si_pid = 0 };
	int pidfd, saved;

	if (!result || result->app_pid <= 0) {
		errno = EINVAL;
		return -1;
	}
	pidfd = (int)syscall(SYS_pidfd_open, result->app_pid, 0);
	if (pidfd < 0)
		return -1;
	if (!waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT))
		return pidfd;
	saved = errno == ECHILD ? ESRCH : errno;
	close(pidfd);
	errno = saved;
	return -1;
}

static int ascending(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static int check_kept(int fd)
{
	struct stat st;

	if (fd < 0)
		return EBADF;
	if (fstat(fd, &st))
		return errno;
	return S_ISDIR(st.st_mode) ? EISDIR : 0;
}

int ROCKER_keep_fds(const int *fds, size_t count)
{
	int err = count > ROCKER_KEEP_FDS_MAX ? E2BIG : count && !fds ? EINVAL : 0;

	for (size_t i = 0; i < count && !err; i++)
		err = check_kept(fds[i]);
	if (err) {
		errno = err;
		return -1;
	}
	nkept = count;
	if (count) {
		memcpy(kept, fds, count * sizeof(*fds));
		qsort(kept, count, sizeof(*kept), ascending);
	}
	return 0;
}

size_t client_kept_fds(const int **fds_out)
{
	*fds_out = kept;
	return nkept;
}
