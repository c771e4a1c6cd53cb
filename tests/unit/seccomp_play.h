/* SPDX-License-Identifier: MIT */
/* A child under a profile of rockers, and the listener that answers it. */
#ifndef SECCOMP_PLAY_H
#define SECCOMP_PLAY_H

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "seccomp_profile_own.h"

#define PROFILES 3
#define PATIENCE check_patient(30000) /* ms */

enum { DEFAULT, OPEN, STRICT }; /* in order of their names */
static struct sock_fprog programs[PROFILES];

static inline int send_listener(int socket, int fd)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} rights = { { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec piece = { "", 1 };
	struct msghdr message = { NULL, 0, &piece, 1, &rights, sizeof rights, 0 };

	memcpy(CMSG_DATA(&rights.head), &fd, sizeof fd);
	return sendmsg(socket, &message, 0) == 1 ? 0 : -1;
}

static inline int receive_listener(int socket)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} rights;
	char byte;
	struct iovec piece = { &byte, 1 };
	struct msghdr message = { NULL, 0, &piece, 1, &rights, sizeof rights, 0 };
	int fd = -1;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&message))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
	return fd;
}

/* One call that asks; whether it was answered. */
static inline int answer_one(int listener, void (*told)(const struct seccomp_notif *, void *), void *arg)
{
	struct seccomp_notif ask = { 0 };

	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &ask))
		return 0;
	struct seccomp_notif_resp response = { .id = ask.id, .error = -EPERM };
	told(&ask, arg);
	return !ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

/*
 * Answers until the child has ended or nobody is left to ask, which before Linux 6.11 is told only when the child has been waited
 * for; the number of calls answered.
 */
static inline int answer(int listener, pid_t child, void (*told)(const struct seccomp_notif *, void *), void *arg)
{
	struct pollfd fds[2] = { { .fd = listener, .events = POLLIN },
				 { .fd = (int)syscall(SYS_pidfd_open, child, 0), .events = POLLIN } };
	int answered = 0;

	while (poll(fds, 2, PATIENCE) > 0 && (fds[0].revents & POLLIN))
		answered += answer_one(listener, told, arg);
	close(fds[1].fd);
	return answered;
}

/* A child under that profile, stopped before run(arg) until its listener is here. */
static inline pid_t start(unsigned number, int *listener_out, void (*run)(void *), void *arg)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -1;
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		char byte;
		int listener = -1;
		close(pair[0]); /* so that its end shows */
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
		    (listener = seccomp_profile_install(&programs[number], true)) < 0 ||
		    send_listener(pair[1], listener) || read(pair[1], &byte, 1) < 0)
			syscall(SYS_exit_group, 99);
		close(listener);
		run(arg);
	}
	close(pair[1]);
	*listener_out = receive_listener(pair[0]);
	close(pair[0]); /* go */
	return pid;
}

#endif
