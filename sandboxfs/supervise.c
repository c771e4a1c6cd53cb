/* SPDX-License-Identifier: MIT */
/* The supervisor: one loop over the signals of its children and what they say by their pipes. */
#include "supervise.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon.h"
#include "detached.h"
#include "keep.h"
#include "ledger.h"
#include "log.h"
#include "mounting.h"
#include "perm.h"
#include "privileges.h"
#include "publish.h"

#define END_MS           5000 /* for a child to end by itself */
#define LAUNCHER_MS      1000 /* the same where clients wait for a successor */
#define REAP_MS          200  /* between the end of a process and its being told */
#define REPLACEMENTS_MAX 5    /* within REPLACEMENTS_NS: more are a loop that has to end */
#define REPLACEMENTS_NS  UINT64_C(10000000000)
#define LINGERING_MAX    16

struct supervisor {
	const struct options *options;
	struct mounting mounting;
	pid_t launcher, daemon; /* 0: not running */
	int channel[2];         /* the daemon's end, the launcher's end; -1: closed here */
	int ready_fd;           /* read end; -1: closed */
	int life_fd;            /* read end of a pipe that the daemon alone holds; -1: closed */
	int signal_fd;
	struct detached detached;
	bool answers;  /* the mount did so once */
	bool told;     /* a signal says that all has to end */
	bool broken;   /* launcher or daemon ended without being told to */
	bool stranded; /* no daemon can go on where another one died */
	bool ending;   /* what ends now was told to */
	int failed;
	uint64_t replaced_ns[REPLACEMENTS_MAX]; /* the last ones */
	unsigned nreplaced;
	/* daemons that are dead and hang in the kernel until somebody serves their own calls */
	pid_t lingering[LINGERING_MAX];
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
	close_fd(&s->life_fd);
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

static int daemon_role(struct supervisor *s, const int told[2], pid_t parent)
{
	struct daemon_start start = {
		.session = s->mounting.session,
		.channel = s->channel[0],
		.ready_fd = told[0],
		.life_fd = told[1],
		.foreground = s->options->foreground,
		.uid = geteuid(),
		.gid = getegid(),
	};
	const struct publish_mount mount = {
		.tree = s->detached.tree,
		.place = s->options->place,
		.device = s->detached.device,
		.foreground = s->options->foreground,
	};

	be_child(s, "daemon");
	close_fd(&s->ready_fd);
	close_fd(&s->life_fd);
	close_fd(&s->detached.list_fd);
	keep_close();
	if (privileges_drop_ids() || publish_create(&mount) || privileges_drop())
		return EXIT_FAILURE;
	/* After that, since a change of ids forgets it. */
	if (!die_with(parent))
		return EXIT_FAILURE;
	/* The session is not freed: the library ties part of that to unmounting, which is not ours. */
	return daemon_run(&start);
}

static enum role start_daemon(struct supervisor *s, int *status)
{
	int ready[2] = { -1, -1 }, life[2] = { -1, -1 };
	pid_t parent = getpid();

	s->daemon = -1;
	detached_close(&s->detached);
	if (mounting_in_place(&s->mounting))
		detached_open(&s->detached, s->options->place);
	if (!pipe2(ready, O_CLOEXEC) && !pipe2(life, O_CLOEXEC)) {
		s->ready_fd = ready[0];
		s->life_fd = life[0];
		s->daemon = fork();
	}
	if (s->daemon == 0) {
		*status = daemon_role(s, (int[2]){ ready[1], life[1] }, parent);
		return CHILD;
	}
	close_fd(&ready[1]);
	close_fd(&life[1]);
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

/* Any other child's end but that of one which was told to, or of a mount that was taken away. */
static void child_ended(struct supervisor *s, pid_t pid, int status)
{
	bool clean = WIFEXITED(status) && !WEXITSTATUS(status);
	unsigned i;

	for (i = 0; i < LINGERING_MAX; i++)
		if (s->lingering[i] == pid)
			s->lingering[i] = 0;
	if (pid != s->daemon && pid != s->launcher)
		return;
	if (!clean && !s->ending) {
		log_end(pid == s->daemon ? "daemon" : "launcher", status);
		s->broken = true;
	}
	if (pid == s->daemon) {
		s->daemon = 0;
		s->failed |= !clean && s->ending;
		s->stranded |= WIFEXITED(status) && WEXITSTATUS(status) == DAEMON_STRANDED;
	} else {
		s->launcher = 0;
	}
}

static void reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		child_ended(s, pid, status);
}

/* Takes a signal that is there; SIGCHLD is the only one that does not end all. */
static void take_signal(struct supervisor *s)
{
	struct signalfd_siginfo info;

	if (read(s->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	s->told |= info.ssi_signo != SIGCHLD;
	reap(s);
}

/* True: it has ended within that time. */
static bool await_end(struct supervisor *s, const pid_t *pid, unsigned timeout_ms)
{
	struct pollfd poll_fd = { .fd = s->signal_fd, .events = POLLIN };
	uint64_t now_ns = sfs_now_ns(), end_ns = now_ns + timeout_ms * UINT64_C(1000000);

	for (; *pid && now_ns < end_ns; now_ns = sfs_now_ns())
		if (poll(&poll_fd, 1, (int)((end_ns - now_ns) / 1000000) + 1) > 0)
			take_signal(s);
	return !*pid;
}

/* It ends by itself when nobody has the other end of its channel any more. */
static void end_launcher(struct supervisor *s, unsigned timeout_ms)
{
	if (await_end(s, &s->launcher, timeout_ms))
		return;
	sfs_log(SFS_WARN, "the launcher did not end in %u ms and is killed", timeout_ms);
	kill(s->launcher, SIGKILL);
	while (!await_end(s, &s->launcher, END_MS))
		;
}

/* A thread of it that waits in the kernel for an answer of this very mount ends when it gets one. */
static void let_linger(struct supervisor *s)
{
	unsigned i;

	sfs_log(SFS_WARN, "the daemon is dead, and a thread of it waits in the kernel");
	kill(s->daemon, SIGKILL);
	for (i = 0; i < LINGERING_MAX && s->lingering[i]; i++)
		;
	if (i < LINGERING_MAX)
		s->lingering[i] = s->daemon;
	s->daemon = 0;
	s->broken = true;
}

/* The daemon's descriptors are closed: usually its end is told at once. */
static void daemon_closed(struct supervisor *s)
{
	close_fd(&s->life_fd);
	if (s->daemon && !await_end(s, &s->daemon, REAP_MS))
		let_linger(s);
}

/* Ends what is left of it; clients wait. */
static void kill_daemon(struct supervisor *s)
{
	struct pollfd closed = { .fd = s->life_fd, .events = POLLIN };

	if (!s->daemon)
		return;
	kill(s->daemon, SIGKILL);
	if (!await_end(s, &s->daemon, REAP_MS) && poll(&closed, 1, END_MS) > 0)
		daemon_closed(s);
	if (s->daemon && !await_end(s, &s->daemon, REAP_MS))
		let_linger(s);
}

/* ---- watching and ending ---------------------------------------------------------------------- */

/* The daemon says that the mount answers: from now on nobody's terminal is ours. */
static void mount_answers(struct supervisor *s)
{
	char byte;
	ssize_t n = read(s->ready_fd, &byte, 1);

	close_fd(&s->ready_fd);
	if (n != 1 || s->answers)
		return;
	s->answers = true;
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

/* Until a signal says so, or a child has ended. */
static void watch(struct supervisor *s)
{
	while (!s->told && s->daemon && s->launcher) {
		struct pollfd fds[4] = { { .fd = s->signal_fd, .events = POLLIN },
					 { .fd = s->ready_fd, .events = POLLIN },
					 { .fd = s->life_fd, .events = POLLIN },
					 { .fd = s->detached.list_fd, .events = POLLPRI } };

		if (poll(fds, 4, -1) < 0)
			continue;
		if (fds[1].revents)
			mount_answers(s);
		if (fds[0].revents)
			take_signal(s);
		if (fds[2].revents)
			daemon_closed(s);
		if (fds[3].revents)
			mounts_changed(s);
	}
}

/*
 * In this order: nobody comes in any more, then the daemon ends, and the launcher when nobody
 * speaks to it.
 */
static void end_all(struct supervisor *s)
{
	unsigned i;

	s->ending = true;
	keep_end();
	if (s->mounting.session && mounting_end(&s->mounting))
		s->failed = 1;
	if (s->daemon)
		kill(s->daemon, SIGTERM);
	if (!await_end(s, &s->daemon, END_MS)) {
		sfs_log(SFS_WARN, "the daemon did not end in %d ms and is killed", END_MS);
		kill_daemon(s);
	}
	close_fd(&s->channel[0]);
	end_launcher(s, END_MS);
	detached_close(&s->detached);
	mounting_free(&s->mounting);
	for (i = 0; i < LINGERING_MAX; i++)
		(void)await_end(s, &s->lingering[i], END_MS);
	close_fd(&s->ready_fd);
	close_fd(&s->life_fd);
	close_fd(&s->signal_fd);
}

/* ---- replacing ------------------------------------------------------------------------------- */

static bool too_often(struct supervisor *s)
{
	uint64_t *oldest_ns = &s->replaced_ns[s->nreplaced % REPLACEMENTS_MAX];
	uint64_t now_ns = sfs_now_ns();

	if (s->nreplaced >= REPLACEMENTS_MAX && now_ns - *oldest_ns < REPLACEMENTS_NS)
		return true;
	*oldest_ns = now_ns;
	s->nreplaced++;
	return false;
}

/* What waits for an answer hears that there is none; descriptors are dead. */
static int mount_anew(struct supervisor *s)
{
	int err = mounting_end(&s->mounting);

	mounting_free(&s->mounting);
	ledger_clear();
	return err ?: mounting_begin(&s->mounting, s->options->fuse, s->options->place);
}

/*
 * Both go, whichever is broken: each knows what it has asked of the other. Jails go along.
 */
static enum role replace(struct supervisor *s, int *status)
{
	enum role role;

	s->ending = true;
	kill_daemon(s);
	end_launcher(s, LAUNCHER_MS);
	s->ending = s->broken = false;
	s->failed = 0;
	close_fd(&s->ready_fd);
	close_fd(&s->life_fd);
	ledger_count_replacement();
	role = start_launcher(s, status);
	if (role == PARENT && (s->stranded || !sfs_config()->daemon_adopt) && mount_anew(s))
		role = FAILED;
	return role == PARENT ? start_daemon(s, status) : role;
}

/*
 * One of the two has ended. Well, when the mount was taken away: then the other one follows, in
 * either order, and nobody waits.
 */
static bool has_to_be_replaced(struct supervisor *s)
{
	unsigned patience_ms = mounting_lives(&s->mounting) ? REAP_MS : END_MS;

	if (!s->told && !s->broken && s->daemon && !await_end(s, &s->daemon, patience_ms))
		s->broken = true;
	if (s->told || !s->broken)
		return false;
	s->failed = 1;
	if (!s->answers || !mounting_lives(&s->mounting))
		return false;
	if (too_often(s)) {
		sfs_log(SFS_ERROR, "more than %d replacements in %d s: the mount is given up",
			REPLACEMENTS_MAX, (int)(REPLACEMENTS_NS / 1000000000u));
		return false;
	}
	sfs_log(SFS_WARN, "launcher and daemon are replaced");
	return true;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static enum role start(struct supervisor *s, int *status)
{
	bool able = s->signal_fd >= 0 && !ledger_start() && !keep_start();
	enum role role = able ? start_launcher(s, status) : FAILED;

	if (role == PARENT && mounting_begin(&s->mounting, s->options->fuse, s->options->place))
		role = FAILED;
	return role == PARENT ? start_daemon(s, status) : role;
}

int supervise(const struct options *options)
{
	/* Static: leak checkers of a child look for what it holds there, after this has returned. */
	static struct supervisor s = { .channel = { -1, -1 }, .ready_fd = -1, .life_fd = -1,
				       .detached = { .tree = -1, .list_fd = -1 } };
	sigset_t set;
	enum role role;
	int status = EXIT_FAILURE;

	s.options = options;
	our_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN); /* whoever waited for us may be gone */
	s.signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	perm_check_here(!strstr(options->fuse, "default_permissions"));
	if (strstr(options->fuse, "allow_other"))
		sfs_feature("other_users");
	for (role = start(&s, &status); role == PARENT; role = replace(&s, &status)) {
		watch(&s);
		if (!has_to_be_replaced(&s))
			break;
	}
	if (role == CHILD)
		return status;
	if (role == FAILED)
		s.failed = 1;
	end_all(&s);
	return s.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
