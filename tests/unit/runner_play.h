/* SPDX-License-Identifier: MIT */
/*
 * Plays launcher and daemon to a runner without a jail: starts the embedded helper, sets a codelet
 * up, lets it fork runs, answers their calls and notes how they end. For tests of the runner; one template
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
	int control, listener;
	uint64_t fork_id; /* of its pending call */
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
	unsigned text_used;
	bool syscall;
	struct seccomp_data call;
	bool timeout;
	int status;   /* of wait(2) */
	bool claimed; /* the claim holds the nonce */
	struct rusage usage;
	uint64_t fork_to_exit_ns;
	uint64_t gate_ip;
	unsigned marks; /* at the gate once more, before the samples */
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

static inline bool next_call(int listener, struct seccomp_notif *out)
{
	struct pollfd wait = { .fd = listener, .events = POLLIN };

	memset(out, 0, sizeof(*out));
	return poll(&wait, 1, 10000) == 1 && (wait.revents & POLLIN) &&
	       ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, out) == 0;
}

static inline bool answer_call(int listener, uint64_t id, uint32_t flags)
{
	struct seccomp_notif_resp answer = { .id = id, .flags = flags };

	return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0;
}

/* The filter is there in a moment after the setup; then the template closes the listener and waits. */
static inline int take_listener(pid_t pid)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0), fd = -1;

	for (unsigned i = 0; i < 100000 && fd < 0; i++) {
		fd = syscall(SYS_pidfd_getfd, pidfd, WIRE_LISTENER_FD, 0);
		if (fd < 0 && errno != EBADF)
			break;
		sched_yield();
	}
	close(pidfd);
	return fd;
}

/* Until the template waits to fork. */
static inline void enclose(struct template *t)
{
	struct seccomp_notif call;

	t->listener = take_listener(t->pid);
	CHECK_MSG(t->listener >= 0, "no listener: %s", strerror(errno));
	CHECK(next_call(t->listener, &call) && call.data.nr == SYS_close);
	answer_call(t->listener, call.id, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
	CHECK(next_call(t->listener, &call) && call.data.nr == SYS_clone &&
	      call.data.args[0] == WIRE_CLONE_FLAGS);
	t->fork_id = call.id;
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
	t->listener = -1;
	if (t->setup.rc == 0)
		enclose(t);
	for (unsigned i = 0; i < 4; i++)
		close(fds[i]);
	return t;
}

static inline void template_drop(struct template *t)
{
	int status = -1;

	close(t->control);
	if (t->listener >= 0)
		close(t->listener);
	CHECK_INT(waitpid(t->pid, &status, 0), t->pid);
	if (t->listener >= 0)
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

static inline int count_faults(pid_t pid)
{
	struct perf_event_attr attr = { .size = sizeof(attr),
					.type = PERF_TYPE_SOFTWARE,
					.config = PERF_COUNT_SW_PAGE_FAULTS,
					.exclude_kernel = 1 };

	return syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static inline void note_refusal(struct ending *out, const struct seccomp_data *call)
{
	if (call->nr == WIRE_CALL_FAILED) {
		out->refusal.type = WIRE_FORK_FAILED;
		out->refusal.rc = (int)call->args[0];
	} else if (out->text_used + 48 <= sizeof(out->refusal.text)) {
		memcpy(out->refusal.text + out->text_used, call->args, 48);
		out->text_used += 48;
	}
}

static inline void hand_over(struct template *t, uint64_t id, int *arena)
{
	struct seccomp_notif_addfd add = { .id = id,
					   .flags = SECCOMP_ADDFD_FLAG_SETFD,
					   .srcfd = *arena,
					   .newfd = WIRE_ARENA_FD };

	if (*arena >= 0)
		CHECK(ioctl(t->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add) >= 0);
	*arena = -1;
}

/* Its pid, or that of the template when there is none; -1: neither says anything. */
static inline pid_t to_the_gate(struct template *t, int arena, struct ending *out, int *counter)
{
	struct seccomp_notif call;
	pid_t pid = -1;

	while (!out->armed && out->refusal.type != WIRE_FORK_FAILED) {
		if (!next_call(t->listener, &call))
			return -1;
		if (call.pid == (uint32_t)t->pid && call.data.nr == SYS_clone) {
			t->fork_id = call.id;
			continue;
		}
		pid = call.pid;
		if (call.data.nr == SYS_getppid) {
			*counter = t->count_faults ? count_faults(pid) : -1;
			out->gate_ip = call.data.instruction_pointer;
			out->armed = answer_call(t->listener, call.id, 0);
		} else if (call.data.nr == WIRE_CALL_TEXT || call.data.nr == WIRE_CALL_FAILED) {
			note_refusal(out, &call.data);
			answer_call(t->listener, call.id, 0);
		} else {
			hand_over(t, call.id, &arena);
			answer_call(t->listener, call.id, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
		}
	}
	return pid;
}

/* Until its end, or its first call. */
static inline void watch(struct template *t, pid_t pid, int timeout_ms, struct ending *out)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	struct pollfd waits[] = { { .fd = pidfd, .events = POLLIN },
				  { .fd = t->listener, .events = POLLIN } };
	uint64_t until = now_ns() + timeout_ms * 1000000ull;
	struct seccomp_notif call;

	while (!out->timeout && !out->syscall && !(waits[0].revents & POLLIN)) {
		uint64_t now = now_ns();

		if (poll(waits, 2, now < until ? (until - now) / 1000000 + 1 : 0) == 0) {
			out->timeout = true;
		} else if ((waits[1].revents & POLLIN) && next_call(t->listener, &call)) {
			if (call.pid == (uint32_t)t->pid) {
				t->fork_id = call.id;
			} else if (call.data.nr == SYS_getppid && !out->marks &&
				   call.data.instruction_pointer == out->gate_ip) {
				out->marks++;
				answer_call(t->listener, call.id, 0);
			} else {
				out->syscall = true;
				out->call = call.data;
			}
		}
	}
	if (!(waits[0].revents & POLLIN))
		kill(pid, SIGKILL);
	close(pidfd);
}

/* Forks a run of the plan, says go, waits for its end. arena: a descriptor, or -1. */
static inline struct ending play(struct template *t, int arena, int timeout_ms)
{
	struct ending out = { .status = -1, .faults = -1 };
	uint64_t begin = now_ns(), id = t->fork_id;
	struct seccomp_notif call;
	int counter = -1;
	pid_t pid;

	t->fork_id = 0;
	CHECK(answer_call(t->listener, id, SECCOMP_USER_NOTIF_FLAG_CONTINUE));
	pid = to_the_gate(t, arena, &out, &counter);
	CHECK(pid > 0);
	if (pid <= 0)
		return out;
	if (out.armed)
		watch(t, pid, timeout_ms, &out);
	if (pid != t->pid)
		CHECK_INT(wait4(pid, &out.status, 0, &out.usage), pid);
	out.fork_to_exit_ns = now_ns() - begin;
	if (counter >= 0 &&
	    (read(counter, &out.faults, sizeof(out.faults)) < 0 || close(counter) < 0))
		out.faults = -1;
	out.claimed = t->claim->nonce == t->plan->nonce;
	if (!t->fork_id && next_call(t->listener, &call))
		t->fork_id = call.id;
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
