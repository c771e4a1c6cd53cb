/* SPDX-License-Identifier: MIT */
/*
 * Plays launcher and daemon to a runner without a jail: starts the embedded helper, sets a codelet
 * up, forks runs, answers their gate and notes how they end. For tests of the runner; one template
 * at a time.
 */
#ifndef RUNNER_PLAY_H
#define RUNNER_PLAY_H

#include "check.h"

#include "jailed/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/perf_event.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern const unsigned char jailed_runner[], jailed_inspector[];
extern const size_t jailed_runner_size, jailed_inspector_size;

struct template
{
	pid_t pid;
	int control;
	int plan_fd, claim_fd;
	struct wire_plan *plan;
	struct wire_claim *claim;
	struct wire_link *link;
	struct wire_report setup; /* its answer */
	bool count_faults;
};

struct ending {
	bool armed;
	struct wire_report refusal; /* when not armed */
	bool syscall;
	struct seccomp_data call;
	bool timeout;
	int status;   /* of wait(2) */
	bool claimed; /* the claim holds the nonce */
	struct rusage usage;
	uint64_t fork_to_exit_ns;
	int64_t faults; /* from the gate to the end; -1: cannot be counted here */
};

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline int memory_file(uint64_t bytes, void **map_out)
{
	int fd = memfd_create("play", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, bytes) < 0)
		abort();
	if (map_out)
		*map_out = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return fd;
}

static inline void exec_helper(const unsigned char *bytes, size_t size, const char *name,
			       int control)
{
	char *argv[] = { (char *)name, NULL }, *envp[] = { NULL };
	int fd = memfd_create("helper", MFD_CLOEXEC);

	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
		_exit(99);
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	if (dup2(control, 9) < 0 || dup2(9, WIRE_CTL_FD) < 0)
		_exit(99);
	close_range(0, WIRE_CTL_FD - 1, 0);
	close_range(WIRE_CTL_FD + 1, fd - 1, 0);
	close_range(fd + 1, ~0u, 0);
	syscall(SYS_execveat, fd, "", argv, envp, AT_EMPTY_PATH);
	_exit(98);
}

/* The helper's end of the socket goes with it. */
static inline pid_t start_helper(const unsigned char *bytes, size_t size, const char *name,
				 int *control_out)
{
	int pair[2], one = 1;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one));
	pid = fork();
	if (pid == 0)
		exec_helper(bytes, size, name, pair[1]);
	close(pair[1]);
	*control_out = pair[0];
	return pid;
}

static inline bool send_order(int control, const struct wire_order *order, const int *fds,
			      unsigned nfds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(WIRE_FDS_MAX * sizeof(int))];
	} rights = { .bytes = { 0 } };
	struct iovec iov = { .iov_base = (void *)order, .iov_len = sizeof(*order) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nfds) {
		msg.msg_control = &rights;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		*CMSG_FIRSTHDR(&msg) = (struct cmsghdr){ .cmsg_len = CMSG_LEN(nfds * sizeof(int)),
							 .cmsg_level = SOL_SOCKET,
							 .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, nfds * sizeof(int));
	}
	return sendmsg(control, &msg, MSG_NOSIGNAL) == sizeof(*order);
}

/* Pid of the sender, or -1 after ten seconds or at the end of the socket. */
static inline pid_t get_report(int control, struct wire_report *out)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
	} credentials;
	struct iovec iov = { .iov_base = out, .iov_len = sizeof(*out) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &credentials,
			      .msg_controllen = sizeof(credentials) };
	struct pollfd wait = { .fd = control, .events = POLLIN };
	struct ucred from;

	if (poll(&wait, 1, 10000) != 1 || recvmsg(control, &msg, 0) != sizeof(*out) ||
	    !CMSG_FIRSTHDR(&msg))
		return -1;
	memcpy(&from, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(from));
	return from.pid;
}

static inline int file_of(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		abort();
	return fd;
}

/* Starts a template and has it link the object at path. */
static inline struct template *template_new(const char *path, uint64_t arena_bytes,
					    const char *allow)
{
	struct wire_order order = {
		.type = WIRE_SETUP, .seq = 7, .arena_bytes = arena_bytes, .stack_bytes = 256 << 10
	};
	struct template *t = calloc(1, sizeof(*t));
	struct wire_report ready;
	void *map;
	int fds[4];

	t->pid = start_helper(jailed_runner, jailed_runner_size, "runner", &t->control);
	snprintf(order.allow, sizeof(order.allow), "%s", allow);
	fds[0] = file_of(path);
	fds[1] = memory_file(WIRE_LINK_BYTES, &map);
	t->link = map;
	fds[2] = t->plan_fd = memory_file(WIRE_PLAN_BYTES, &map);
	t->plan = map;
	fds[3] = t->claim_fd = memory_file(WIRE_CLAIM_BYTES, &map);
	t->claim = map;
	t->setup.rc = -EIO;
	CHECK(get_report(t->control, &ready) == t->pid && ready.type == WIRE_READY);
	CHECK(send_order(t->control, &order, fds, 4));
	CHECK(get_report(t->control, &t->setup) == t->pid && t->setup.type == WIRE_SETUP_DONE &&
	      t->setup.seq == 7);
	for (unsigned i = 0; i < 4; i++)
		close(fds[i]);
	return t;
}

static inline void template_drop(struct template *t)
{
	int status = -1;

	close(t->control);
	CHECK_INT(waitpid(t->pid, &status, 0), t->pid);
	CHECK_INT(status, 0);
	munmap(t->plan, WIRE_PLAN_BYTES);
	munmap(t->claim, WIRE_CLAIM_BYTES);
	munmap(t->link, WIRE_LINK_BYTES);
	free(t);
}

/* A plan without arguments and buffers: one checked call. */
static inline void plan_for(struct template *t, const char *function)
{
	static uint64_t nonce = 0x1234567;

	memset(t->plan, 0, sizeof(*t->plan));
	t->plan->nonce = nonce += 0x9e3779b97f4a7c15;
	snprintf(t->plan->function, sizeof(t->plan->function), "%s", function);
	t->plan->ret = WIRE_RET_INT;
	t->plan->nsets = 1;
	t->plan->cpu = -1;
}

static inline void plan_arg(struct template *t, enum wire_arg_class class, uint32_t buffer,
			    uint64_t value)
{
	t->plan->args[t->plan->nargs++] =
		(struct wire_arg){ .class = class, .buffer = buffer, .value = value };
}

/* The listener of a run that is arming. */
static inline int take_listener(int pidfd)
{
	for (unsigned i = 0; i < 100000; i++) {
		int fd = syscall(SYS_pidfd_getfd, pidfd, WIRE_LISTENER_FD, 0);

		if (fd >= 0 || errno != EBADF)
			return fd;
		sched_yield();
	}
	return -1;
}

static inline int count_faults(pid_t pid)
{
	struct perf_event_attr attr = { .size = sizeof(attr),
					.type = PERF_TYPE_SOFTWARE,
					.config = PERF_COUNT_SW_PAGE_FAULTS,
					.exclude_kernel = 1 };

	return syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static inline void answer_gate(int listener, struct ending *out)
{
	struct seccomp_notif notif = { 0 };
	struct seccomp_notif_resp answer = { 0 };

	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notif) < 0)
		return;
	CHECK_INT(notif.data.nr, SYS_getppid);
	answer.id = notif.id;
	out->armed = ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0;
}

static inline void watch(pid_t pid, int pidfd, int listener, int timeout_ms, struct ending *out)
{
	struct pollfd waits[] = { { .fd = pidfd, .events = POLLIN },
				  { .fd = listener, .events = POLLIN } };
	struct seccomp_notif notif = { 0 };

	if (poll(waits, 2, timeout_ms) == 0) {
		out->timeout = true;
		kill(pid, SIGKILL);
	} else if ((waits[1].revents & POLLIN) &&
		   ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notif) == 0) {
		out->syscall = true;
		out->call = notif.data;
		kill(pid, SIGKILL);
	}
}

/* Forks a run of the plan, says go, waits for its end. arena: a descriptor, or -1. */
static inline struct ending play(struct template *t, int arena, int timeout_ms)
{
	struct wire_order order = { .type = WIRE_FORK, .seq = 8 };
	struct ending out = { .status = -1, .faults = -1 };
	uint64_t begin = now_ns();
	int pidfd, listener, counter = -1;
	pid_t pid;

	CHECK(send_order(t->control, &order, &arena, arena >= 0));
	pid = get_report(t->control, &out.refusal);
	CHECK(pid > 0 && out.refusal.seq == 8);
	if (pid <= 0)
		return out;
	if (out.refusal.type == WIRE_ARMING) {
		pidfd = syscall(SYS_pidfd_open, pid, 0);
		listener = take_listener(pidfd);
		CHECK_MSG(listener >= 0, "no listener: %s", strerror(errno));
		counter = t->count_faults ? count_faults(pid) : -1;
		answer_gate(listener, &out);
		watch(pid, pidfd, listener, timeout_ms, &out);
		close(listener);
		close(pidfd);
	}
	if (pid != t->pid)
		CHECK_INT(wait4(pid, &out.status, 0, &out.usage), pid);
	out.fork_to_exit_ns = now_ns() - begin;
	if (counter >= 0 &&
	    (read(counter, &out.faults, sizeof(out.faults)) < 0 || close(counter) < 0))
		out.faults = -1;
	out.claimed = t->claim->nonce == t->plan->nonce;
	return out;
}

#define CHECK_ENDED_WELL(t, ending)                                                                \
	CHECK_(WIFEXITED((ending).status) && WEXITSTATUS((ending).status) == 0 &&                  \
		       (ending).claimed,                                                           \
	       (void)0,                                                                            \
	       "status %d, claimed %d, syscall %d %d, signal %u code %u at %llx ip %llx %s; %s",   \
	       (ending).status, (ending).claimed, (ending).syscall, (ending).call.nr,              \
	       (t)->claim->fault_signal, (t)->claim->fault_code,                                   \
	       (unsigned long long)(t)->claim->fault_address,                                      \
	       (unsigned long long)(t)->claim->fault_ip, (t)->claim->fault_name,                   \
	       (ending).refusal.text)

#endif
