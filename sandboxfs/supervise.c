/* SPDX-License-Identifier: MIT */
/* The supervisor: one loop over the signals of its children and the word that the mount answers. */
#include "supervise.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon.h"
#include "detached.h"
#include "transport.h"
#include "log.h"
#include "perm.h"
#include "privileges.h"
#include "publish.h"
#include "unmount.h"

#define END_MS 5000 /* for a child to end by itself */

struct supervisor {
	const struct options *options;
	struct fuse_session *session;
	uint64_t mount_id;      /* 0: cannot be told */
	pid_t launcher, daemon; /* 0: not running */
	int daemon_status;      /* of waitpid(2) */
	int channel[2];         /* the daemon's end, the launcher's end; -1: closed here */
	int ready_fd;           /* read end; -1: closed */
	int signal_fd;
	struct detached detached;
	bool ending; /* what ends now was told to */
	int failed;
};

enum role { PARENT, CHILD, FAILED };

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void our_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGCHLD);
	sigaddset(set, SIGUSR2); /* the daemon's */
}

/*
 * What every child does first. Its own group: Ctrl-C is for the supervisor, which ends them in
 * order.
 */
static void be_child(struct supervisor *s, const char *name)
{
	close_fd(&s->signal_fd);
	if (s->options->told_fd >= 0)
		close(s->options->told_fd);
	setpgid(0, 0);
	prctl(PR_SET_NAME, name);
}

/* False: the parent is gone already, and its death will not be told. */
static bool die_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return getppid() == parent;
}

/* ---- the launcher ---------------------------------------------------------------------------- */

static int launcher_role(struct supervisor *s, pid_t parent)
{
	sigset_t none;

	be_child(s, sfs_privileged.name);
	close_fd(&s->channel[0]);
	if (!s->options->foreground)
		log_silence();
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (!die_with(parent))
		return EXIT_FAILURE;
	return sfs_privileged.main(sfs_config(), s->channel[1]);
}

static enum role start_launcher(struct supervisor *s, int *status)
{
	pid_t parent = getpid();

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s->channel))
		return FAILED;
	s->launcher = fork();
	if (s->launcher < 0) {
		s->launcher = 0;
		return FAILED;
	}
	if (s->launcher == 0) {
		*status = launcher_role(s, parent);
		return CHILD;
	}
	close_fd(&s->channel[1]);
	return PARENT;
}

/* ---- the daemon ------------------------------------------------------------------------------ */

static int daemon_role(struct supervisor *s, int ready_fd, pid_t parent)
{
	struct daemon_start start = {
		.session = s->session,
		.channel = s->channel[0],
		.ready_fd = ready_fd,
		.foreground = s->options->foreground,
		.uid = geteuid(),
		.gid = getegid(),
	};
	const struct publish_mount mount = {
		.tree = s->detached.tree,
		.place = s->options->place,
		.device = s->detached.device,
	};

	be_child(s, "daemon");
	close_fd(&s->ready_fd);
	close_fd(&s->detached.list_fd);
	if (privileges_drop_ids() || publish_create(&mount) || privileges_drop())
		return EXIT_FAILURE;
	/* After that, since a change of ids forgets it. */
	if (!die_with(parent))
		return EXIT_FAILURE;
	/*
	 * The session is not freed: the library ties part of that to unmounting, which is not the
	 * daemon's.
	 */
	return daemon_run(&start);
}

static enum role start_daemon(struct supervisor *s, int *status)
{
	int ready[2];
	pid_t parent = getpid();

	if (pipe2(ready, O_CLOEXEC))
		return FAILED;
	s->ready_fd = ready[0];
	s->daemon = fork();
	if (s->daemon == 0) {
		*status = daemon_role(s, ready[1], parent);
		return CHILD;
	}
	close(ready[1]);
	close_fd(&s->channel[0]);
	close_fd(&s->detached.tree);
	if (s->daemon > 0)
		return PARENT;
	s->daemon = 0;
	return FAILED;
}

/* ---- children that end ----------------------------------------------------------------------- */

static void log_end(const char *name, int status)
{
	if (WIFSIGNALED(status))
		sfs_log(SFS_ERROR, "the %s was ended by signal %d (%s)", name, WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	else
		sfs_log(SFS_ERROR, "the %s ended with status %d", name, WEXITSTATUS(status));
}

static void child_ended(struct supervisor *s, pid_t pid, int status)
{
	bool clean = WIFEXITED(status) && !WEXITSTATUS(status);

	if (pid == s->daemon) {
		s->daemon = 0;
		s->failed |= !clean;
		if (!clean)
			log_end("daemon", status);
	} else if (pid == s->launcher) {
		s->launcher = 0;
		/*
		 * Alone it has no reason to end; well it ends when the daemon, which is ending, has
		 * closed the channel.
		 */
		if (!s->ending && s->daemon && !clean) {
			s->failed = 1;
			log_end("launcher", status);
		}
	}
}

static void reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		child_ended(s, pid, status);
}

/* Waits at most timeout_ms for one signal, reaps; returns the signal, 0 for none. */
static int next_signal(struct supervisor *s, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = s->signal_fd, .events = POLLIN };
	struct signalfd_siginfo info = { 0 };

	if (poll(&poll_fd, 1, timeout_ms) <= 0)
		return 0;
	if (read(s->signal_fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	reap(s);
	return (int)info.ssi_signo;
}

static void end_child(struct supervisor *s, const pid_t *pid, int first_signal)
{
	uint64_t deadline_ns = sfs_now_ns() + END_MS * UINT64_C(1000000);

	if (*pid && first_signal)
		kill(*pid, first_signal);
	while (*pid && sfs_now_ns() < deadline_ns)
		next_signal(s, 100);
	if (!*pid)
		return;
	sfs_log(SFS_WARN, "process %d did not end in %d ms and is killed", (int)*pid, END_MS);
	kill(*pid, SIGKILL);
	while (*pid)
		next_signal(s, 100);
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* The daemon says that the mount answers: from now on nobody's terminal is ours. */
static void mount_answers(struct supervisor *s)
{
	char byte;
	ssize_t n = read(s->ready_fd, &byte, 1);

	close_fd(&s->ready_fd);
	if (n != 1)
		return;
	if (!s->options->foreground) {
		log_to_syslog();
		log_silence();
	}
	if (s->options->told_fd >= 0 && write(s->options->told_fd, &byte, 1) < 0)
		sfs_log(SFS_WARN, "nobody waits for the mount");
}

/* Once the mount is gone its copy, which the daemon holds, has to go too. */
static void mounts_changed(struct supervisor *s)
{
	if (!detached_left(&s->detached))
		return;
	detached_close(&s->detached);
	if (s->daemon)
		kill(s->daemon, SIGUSR2);
}

static void watch(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (s->daemon && s->launcher) {
		struct pollfd fds[3] = { { .fd = s->signal_fd, .events = POLLIN },
					 { .fd = s->ready_fd, .events = POLLIN },
					 { .fd = s->detached.list_fd, .events = POLLPRI } };

		if (poll(fds, 3, -1) < 0)
			continue;
		if (fds[1].revents)
			mount_answers(s);
		if (fds[2].revents)
			mounts_changed(s);
		if (!fds[0].revents || read(s->signal_fd, &info, sizeof(info)) != sizeof(info))
			continue;
		reap(s);
		if (info.ssi_signo != SIGCHLD)
			return;
	}
}

/*
 * A user's fusermount3 wants an /etc/mtab. Only what was ours a moment ago may be taken away: once
 * somebody has unmounted it there may be another mount at the place.
 */
static void unmount(struct supervisor *s)
{
	const char *place = s->options->place;
	uint64_t ours = s->mount_id && transport_mounted(s->session) ? s->mount_id : 0;

	if (mount_id(place) != ours)
		ours = 0;
	/* The library does not know of the copy, and would take away whatever is there now. */
	if (!s->detached.left || !transport_mounted(s->session))
		transport_unmount(s->session);
	if (!ours || mount_id(place) != ours || !unmount_place(place))
		return;
	sfs_log(SFS_ERROR,
		"the mount at %.200s stays: neither fusermount3 nor umount takes it away", place);
	s->failed = 1;
}

/*
 * In this order: nobody comes in any more, then the daemon ends, and the launcher when nobody
 * speaks to it.
 */
static void end_all(struct supervisor *s)
{
	s->ending = true;
	if (s->session)
		unmount(s);
	end_child(s, &s->daemon, SIGTERM);
	close_fd(&s->channel[0]);
	end_child(s, &s->launcher, 0);
	if (s->session)
		transport_free(s->session);
	detached_close(&s->detached);
	close_fd(&s->ready_fd);
	close_fd(&s->signal_fd);
}

/* What was written to a file that stood for standard error comes to the real one. */
static void replay(int fd)
{
	char text[1024];
	ssize_t n = pread(fd, text, sizeof(text), 0);

	if (n > 0 && write(STDERR_FILENO, text, (size_t)n) < 0)
		return;
}

/*
 * The helper that unmounts when we die outlives this call and keeps what it was given: were that
 * the caller's pipe, $(sandboxfs ...) would never end.
 */
static int mount_aside(struct supervisor *s)
{
	int aside = memfd_create("mount", MFD_CLOEXEC), err;
	int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3),
	    old = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

	if (aside >= 0) {
		dup2(aside, STDOUT_FILENO);
		dup2(aside, STDERR_FILENO);
	}
	err = transport_mount(s->session, s->options->place);
	if (out >= 0)
		dup2(out, STDOUT_FILENO);
	if (old >= 0)
		dup2(old, STDERR_FILENO);
	if (aside >= 0)
		replay(aside);
	close_fd(&aside);
	close_fd(&out);
	close_fd(&old);
	return err;
}

static enum role mount_and_start(struct supervisor *s, int *status)
{
	uint64_t below = mount_id(s->options->place);

	s->session = transport_new(s->options->fuse);
	if (!s->session || mount_aside(s))
		return FAILED;
	s->mount_id = mount_id(s->options->place);
	if (s->mount_id == below)
		s->mount_id = 0;
	detached_open(&s->detached, s->options->place);
	return start_daemon(s, status);
}

int supervise(const struct options *options)
{
	struct supervisor s = { .options = options, .channel = { -1, -1 }, .ready_fd = -1,
				.detached = { .tree = -1, .list_fd = -1 } };
	sigset_t set;
	enum role role;
	int status = EXIT_FAILURE;

	our_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN); /* whoever waited for us may be gone */
	s.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	perm_check_here(!strstr(options->fuse, "default_permissions"));
	if (strstr(options->fuse, "allow_other"))
		sfs_feature("other_users");
	role = s.signal_fd < 0 ? FAILED : start_launcher(&s, &status);
	if (role == PARENT)
		role = mount_and_start(&s, &status);
	if (role == CHILD)
		return status;
	if (role == PARENT)
		watch(&s);
	else
		s.failed = 1;
	end_all(&s);
	return s.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
