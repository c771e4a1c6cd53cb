/* SPDX-License-Identifier: MIT */
/*
 * The real guard in fresh namespaces, from its bytes in this program: as root with an id of its own
 * beside its jobs', as an ordinary user with the one id there is; and a libc-free program for its jobs.
 */
#ifndef GUARD_PLAY_H
#define GUARD_PLAY_H

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "jailed/guard.h"
#include "seccomp_profile.h"

#define GUARD_UID  70001
#define JOB_UID    70002
#define ORDINARY   65534
#define PATIENCE_S check_patient(30)

extern const unsigned char jailed_guard[];
extern const size_t jailed_guard_size;

struct play {
	pid_t pid;
	int control;  /* the daemon's end */
	int listener; /* of its filter; -1 */
};

struct play_spec {
	const char *flags;
	const struct sock_fprog *filter; /* NULL: none */
	const char *uid_word;            /* instead of the right one */
};

/* Of jobs. */
struct play_ids {
	uid_t uid;
	gid_t gid;
};

/* Asked for before the first clone: who has no map yet is nobody. */
static inline bool play_is_root(void)
{
	static int root = -1;

	if (root < 0)
		root = geteuid() == 0;
	return root;
}

static inline uid_t play_job_uid(void)
{
	return play_is_root() ? JOB_UID : geteuid();
}

static inline bool play_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool fine = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return fine;
}

/* The child's side of what the launcher and the blank do. */
static inline int play_take_ids(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	uint32_t caps = 1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_KILL;
	struct __user_cap_data_struct data[2] = { { caps, caps, caps }, { 0 } };

	if (!play_is_root()) {
		memset(data, 0, sizeof data);
		return syscall(SYS_capset, &head, data) != 0;
	}
	prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
	if (syscall(SYS_setgroups, 0, NULL) ||
	    syscall(SYS_setresgid, GUARD_UID, GUARD_UID, GUARD_UID) ||
	    syscall(SYS_setresuid, GUARD_UID, GUARD_UID, GUARD_UID))
		return 1;
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (!(caps & (cap < 32 ? 1u << cap : 0)))
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (syscall(SYS_capset, &head, data))
		return 1;
	for (int cap = 0; cap < 32; cap++)
		if (caps & 1u << cap)
			prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0);
	return 0;
}

static inline void play_become_guard(const struct play_spec *spec, const struct play_ids *ids,
				     const int fds[3])
{
	char uid[16], gid[16], byte;
	char *argv[] = { "guard", uid, gid, (char *)(uintptr_t)spec->flags, "guard-of-test", NULL };
	char *envp[] = { NULL };

	snprintf(uid, sizeof uid, "%u", ids->uid);
	if (spec->uid_word)
		snprintf(uid, sizeof uid, "%s", spec->uid_word);
	snprintf(gid, sizeof gid, "%u", ids->gid);
	if (read(fds[2], &byte, 1) != 1)
		_exit(90);
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "subset=pid"))
		_exit(91);
	if (play_take_ids() || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		_exit(92);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of ids clears it */
	if (dup2(fds[0], 100) != 100 || dup2(fds[1], GUARD_CTL_FD) != GUARD_CTL_FD)
		_exit(93);
	fcntl(100, F_SETFD, FD_CLOEXEC);
	if (spec->filter) {
		struct guard_reply hello = { .type = GUARD_LISTENER };
		int listener = seccomp_profile_install(spec->filter, true);
		union {
			struct cmsghdr head;
			char bytes[CMSG_SPACE(sizeof(int))];
		} rights = { { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
		struct iovec piece = { &hello, sizeof hello };
		struct msghdr message = { NULL, 0, &piece, 1, &rights, sizeof rights, 0 };
		if (listener < 0)
			_exit(94);
		memcpy(CMSG_DATA(&rights.head), &listener, sizeof listener);
		if (sendmsg(GUARD_CTL_FD, &message, 0) != sizeof hello)
			_exit(95);
	}
	syscall(SYS_execveat, 100, "", argv, envp, AT_EMPTY_PATH);
	_exit(96);
}

static inline bool play_maps(pid_t pid)
{
	char path[64], text[96];
	bool root = play_is_root();

	if (!root) {
		snprintf(path, sizeof path, "/proc/%d/setgroups", pid);
		if (!play_write(path, "deny"))
			return false;
	}
	for (int gid = 0; gid < 2; gid++) {
		unsigned own = gid ? getegid() : geteuid();
		snprintf(path, sizeof path, "/proc/%d/%s", pid, gid ? "gid_map" : "uid_map");
		if (root)
			snprintf(text, sizeof text, "%u %u 1\n%u %u 1\n", GUARD_UID, GUARD_UID,
				 JOB_UID, JOB_UID);
		else
			snprintf(text, sizeof text, "%u %u 1\n", own, own);
		if (!play_write(path, text))
			return false;
	}
	return true;
}

/* One reply within the test's patience; false: the socket's end, or nothing came. */
static inline bool play_reply(const struct play *play, struct guard_reply *reply, int *fd_out)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} rights;
	struct iovec piece = { reply, sizeof *reply };
	struct msghdr message = { NULL, 0, &piece, 1, &rights, sizeof rights, 0 };
	struct pollfd control = { .fd = play->control, .events = POLLIN };
	int fd = -1;

	memset(reply, 0, sizeof *reply);
	if (poll(&control, 1, PATIENCE_S * 1000) != 1 ||
	    recvmsg(play->control, &message, MSG_CMSG_CLOEXEC) != sizeof *reply)
		return false;
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	if (head && head->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(head), sizeof fd);
	if (fd_out)
		*fd_out = fd;
	else if (fd >= 0)
		close(fd);
	return true;
}

static inline bool play_start(struct play *play, const struct play_spec *spec)
{
	int helper = memfd_create("guard", MFD_CLOEXEC), go[2], pair[2];
	const struct play_ids ids = { play_job_uid(), play_is_root() ? JOB_UID : getegid() };
	struct guard_reply reply;

	if (write(helper, jailed_guard, jailed_guard_size) != (ssize_t)jailed_guard_size ||
	    pipe2(go, O_CLOEXEC) || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return false;
	fflush(stdout);
	play->listener = -1;
	play->control = pair[0];
	play->pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | SIGCHLD,
				   0, 0, 0, 0);
	if (!play->pid)
		play_become_guard(spec, &ids, (int[]){ helper, pair[1], go[0] });
	bool fine = play->pid > 0 && play_maps(play->pid) && write(go[1], "", 1) == 1;
	close(helper), close(go[0]), close(go[1]), close(pair[1]);
	if (fine && spec->filter)
		fine = play_reply(play, &reply, &play->listener) && reply.type == GUARD_LISTENER;
	return fine && play_reply(play, &reply, NULL) && reply.type == GUARD_READY;
}

/* How the guard ended, as waitpid(2) tells; -1: it does not end. */
static inline int play_wait(const struct play *play)
{
	int status = -1;

	for (int i = 0; i < PATIENCE_S * 100; i++) {
		if (waitpid(play->pid, &status, WNOHANG) == play->pid)
			return status;
		usleep(10000);
	}
	kill(play->pid, SIGKILL);
	waitpid(play->pid, &status, 0);
	return -1;
}

/* Ends it by closing its socket. */
static inline int play_end(struct play *play)
{
	if (play->control >= 0)
		close(play->control);
	if (play->listener >= 0)
		close(play->listener);
	return play_wait(play);
}

static inline bool play_send(const struct play *play, const void *bytes, size_t size,
			     const int *fds, unsigned nfds)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(32 * sizeof(int))];
	} rights;
	struct iovec piece = { (void *)(uintptr_t)bytes, size };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };

	if (nfds) {
		message.msg_control = &rights;
		message.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		rights.head =
			(struct cmsghdr){ CMSG_LEN(nfds * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(&rights.head), fds, nfds * sizeof(int));
	}
	return sendmsg(play->control, &message, MSG_NOSIGNAL) == (ssize_t)size;
}

static inline void play_text(struct guard_order *order, const char *word)
{
	size_t size = strlen(word) + 1;

	memcpy(order->text + order->text_used, word, size);
	order->text_used += (uint32_t)size;
}

/* The order that runs these words in that directory; lists end in NULL. */
static inline struct guard_order *play_order_in(const char *directory, uint32_t job,
						const char *const *argv, const char *const *envp)
{
	static struct guard_order order;

	memset(&order, 0, sizeof order);
	order.type = GUARD_START;
	order.job = job;
	for (; *argv; argv++, order.argc++)
		play_text(&order, *argv);
	for (; envp && *envp; envp++, order.envc++)
		play_text(&order, *envp);
	play_text(&order, directory);
	return &order;
}

static inline struct guard_order *play_order(uint32_t job, const char *const *argv,
					     const char *const *envp)
{
	return play_order_in("/", job, argv, envp);
}

static inline bool play_order_send(const struct play *play, const struct guard_order *order,
				   const int *fds, unsigned nfds)
{
	return play_send(play, order, guard_order_size(order), fds, nfds);
}

static inline void play_signal(const struct play *play, uint32_t job, int signal, bool whole)
{
	struct guard_order order = {
		.type = GUARD_SIGNAL, .job = job, .signal = signal, .whole = whole
	};

	CHECK(play_order_send(play, &order, NULL, 0));
}

/* What one job did: its output, and how it ended. */
struct outcome {
	int err; /* GUARD_STARTED's */
	char output[131072];
	struct guard_reply exited;
};

static inline void play_read(int fd, char *text, size_t size)
{
	struct pollfd from = { .fd = fd, .events = POLLIN };
	size_t used = 0;
	ssize_t n = 1;

	while (n > 0 && used < size - 1 && poll(&from, 1, PATIENCE_S * 1000) == 1) {
		n = read(fd, text + used, size - 1 - used);
		used += n > 0 ? (size_t)n : 0;
	}
	text[used] = '\0';
}

/* Runs it to its end, its input and errors being /dev/null. False: the guard does not answer. */
static inline bool play_run(const struct play *play, const struct guard_order *order,
			    struct outcome *out)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), pair[2];
	struct guard_reply reply;

	memset(out, 0, sizeof *out);
	if (null < 0 || pipe2(pair, O_CLOEXEC))
		return false;
	int fds[3] = { null, pair[1], null };
	bool fine = play_order_send(play, order, fds, 3);
	close(pair[1]), close(null);
	fine = fine && play_reply(play, &reply, NULL) && reply.type == GUARD_STARTED &&
	       reply.job == order->job;
	out->err = reply.err;
	if (fine && !reply.err) {
		play_read(pair[0], out->output, sizeof out->output);
		fine = play_reply(play, &out->exited, NULL) && out->exited.type == GUARD_EXITED &&
		       out->exited.job == order->job;
	}
	close(pair[0]);
	return fine;
}

/* Starts one that stays, when it has said "up" ups times; the pidfd, or -1. */
static inline int play_stay(const struct play *play, const struct guard_order *order, int ups)
{
	struct guard_reply reply;
	int pair[2], pidfd = -1, fds[2];
	char text[3];

	if (pipe2(pair, O_CLOEXEC))
		return -1;
	fds[0] = pair[0], fds[1] = pair[1];
	bool fine = play_order_send(play, order, fds, 2) && play_reply(play, &reply, &pidfd) &&
		    reply.type == GUARD_STARTED && !reply.err;
	close(pair[1]);
	struct pollfd from = { .fd = pair[0], .events = POLLIN };
	while (fine && ups--)
		fine = poll(&from, 1, PATIENCE_S * 1000) == 1 && read(pair[0], text, 3) == 3;
	close(pair[0]);
	if (!fine && pidfd >= 0)
		close(pidfd), pidfd = -1;
	return pidfd;
}

static inline bool play_gone(int pidfd)
{
	struct pollfd process = { .fd = pidfd, .events = POLLIN };
	bool gone = poll(&process, 1, PATIENCE_S * 1000) == 1;

	close(pidfd);
	return gone;
}

/* The children of the guard, zombies too; -1: nobody can tell. */
static inline int play_children(const struct play *play)
{
	char path[64], text[65536];
	int count = 0;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", play->pid, play->pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	play_read(fd, text, sizeof text);
	close(fd);
	for (const char *p = text; *p; p++)
		count += *p == ' ';
	return count;
}

/* Waits until it has so many. */
static inline bool play_has_children(const struct play *play, int count)
{
	for (int i = 0; i < PATIENCE_S * 200; i++) {
		if (play_children(play) == count)
			return true;
		usleep(5000);
	}
	return false;
}

/* Runs the tests as who we are; root runs them as an ordinary user first. What main() returns. */
static inline int play_as_both(int (*tests)(void))
{
	int status = 0;

	if (geteuid() == 0) {
		fflush(stdout);
		pid_t pid = fork();
		if (!pid) {
			printf("# as an ordinary user\n");
			if (setgroups(0, NULL) || setresgid(ORDINARY, ORDINARY, ORDINARY) ||
			    setresuid(ORDINARY, ORDINARY, ORDINARY) ||
			    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
				exit(1);
			exit(tests());
		}
		if (waitpid(pid, &status, 0) != pid || status)
			printf("not ok ordinary_user: status %#x\n", status);
		printf("# as root\n");
	}
	return tests() || status;
}

#endif
