/* SPDX-License-Identifier: MIT */
/*
 * The start of a jailed helper, its control socket, and its forks.
 */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

_Noreturn void helper_exit(int status)
{
	for (;;)
		syscall(SYS_exit_group, status);
}

/*
 * PID 1 of a jail: with SIGCHLD ignored the kernel reaps whatever is left to it. It ends with its
 * socket, and the kernel ends everything else in the namespace then.
 */
static _Noreturn void helper_init(void)
{
	struct pollfd control = { .fd = WIRE_CTL_FD, .events = POLLIN | POLLRDHUP };
	char rest[64];

	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (poll(&control, 1, -1) < 0)
			continue;
		if (control.revents & (POLLHUP | POLLRDHUP | POLLERR | POLLNVAL))
			helper_exit(0);
		if (recv(WIRE_CTL_FD, rest, sizeof(rest), MSG_DONTWAIT) == 0)
			helper_exit(0);
	}
}

void helper_start(char **argv)
{
	sigset_t none;

	if (argv[0] && !strcmp(argv[0], "init"))
		helper_init();
	/* A blocked SIGSEGV would end a run without its handler; whoever started us may have
	 * blocked all. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGCHLD, SIG_DFL);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 1, 0, 0,
	      0); /* a launcher without privilege takes the listener by it */
	helper_report(WIRE_READY, 0, 0, NULL);
}

/* Takes the descriptors out of msg; anything but one SCM_RIGHTS is malformed. */
static void take_fds(struct msghdr *msg, struct helper_order *out)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);

	if (!c)
		return;
	if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || CMSG_NXTHDR(msg, c))
		helper_exit(HELPER_CONFUSED);
	out->nfds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	if (out->nfds > WIRE_FDS_MAX)
		helper_exit(HELPER_CONFUSED);
	memcpy(out->fds, CMSG_DATA(c), out->nfds * sizeof(int));
}

void helper_receive(struct helper_order *out)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(WIRE_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = &out->order, .iov_len = sizeof(out->order) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	out->nfds = 0;
	do
		n = recvmsg(WIRE_CTL_FD, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		helper_exit(0);
	if (n != sizeof(out->order) || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		helper_exit(HELPER_CONFUSED);
	take_fds(&msg, out);
}

void helper_close(struct helper_order *order)
{
	for (unsigned i = 0; i < order->nfds; i++)
		close(order->fds[i]);
	order->nfds = 0;
}

void helper_report(enum wire_report_type type, uint32_t seq, int rc, const char *text)
{
	struct wire_report report;
	ssize_t n;

	memset(&report, 0, sizeof(report));
	report.type = type;
	report.seq = seq;
	report.rc = rc;
	if (text)
		memcpy(report.text, text, strnlen(text, sizeof(report.text) - 1));
	do
		n = send(WIRE_CTL_FD, &report, sizeof(report), MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n != sizeof(report))
		helper_exit(HELPER_CONFUSED);
}

void helper_call_failed(int rc, const char *text)
{
	uint64_t words[WIRE_TEXT_MAX / sizeof(uint64_t)] = { 0 };

	memcpy(words, text, strnlen(text, sizeof(words)));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i += 6)
		syscall(WIRE_CALL_TEXT, words[i], words[i + 1], words[i + 2], words[i + 3],
			words[i + 4], words[i + 5]);
	syscall(WIRE_CALL_FAILED, rc);
}

static pid_t raw_fork(unsigned long flags)
{
	long pid = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);

	return pid < 0 ? -errno : (pid_t)pid;
}

pid_t helper_fork_sibling(void)
{
	return raw_fork(CLONE_PARENT);
}

pid_t helper_fork_child(void)
{
	return raw_fork(0);
}

int64_t helper_size(int fd)
{
	struct stat st;

	/* The call itself: what glibc makes of fstat(3) takes a path. */
	if (syscall(SYS_fstat, fd, &st) < 0)
		return -errno;
	return st.st_size;
}

void *helper_copy(int fd, size_t max, size_t *size_out)
{
	int64_t size = helper_size(fd);
	unsigned char *copy;
	size_t done = 0;

	if (size <= 0 || (uint64_t)size > max)
		return NULL;
	copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (copy == MAP_FAILED)
		return NULL;
	while (done < (size_t)size) {
		ssize_t n = pread(fd, copy + done, size - done, done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			munmap(copy, size);
			return NULL;
		}
		done += n;
	}
	*size_out = size;
	return copy;
}

void *helper_own(int fd, size_t max, size_t *size_out)
{
	const int constant = F_SEAL_WRITE | F_SEAL_SHRINK;
	int64_t size = helper_size(fd);
	int seals = fcntl(fd, F_GET_SEALS);
	void *map;

	if (size <= 0 || (uint64_t)size > max)
		return NULL;
	if (seals < 0 || (seals & constant) != constant)
		return helper_copy(fd, max, size_out);
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return NULL;
	*size_out = size;
	return map;
}
