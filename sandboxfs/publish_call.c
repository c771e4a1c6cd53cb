/* SPDX-License-Identifier: MIT */
/* Real system calls on our own mount, and their requests seen from the other side. */
#include "publish_call.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "announce.h"

#ifdef __SANITIZE_THREAD__
#include <sanitizer/common_interface_defs.h>
#endif

#define LANES_MAX 16
#define FIRST_FD  3       /* after the standard ones */
#define LEASE_NS  1000000 /* that a truncate(2) waits for who holds a lease, more or less */

/* What each thread is doing. The number is 0 until the thread runs. */
static struct {
	atomic_int tid;
	struct call call; /* call_lock */
	timer_t timer;    /* the thread's own */
} lanes[LANES_MAX];
static pthread_mutex_t call_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- on the publishing thread ---------------------------------------------------------------- */

/*
 * The numbers of this thread's descriptors are its own, which ThreadSanitizer does not know: it must
 * not see them.
 */
static int own_open(int at, const char *path, int flags)
{
	return (int)syscall(SYS_openat, at, path, flags | O_CLOEXEC);
}

static void own_close(int fd)
{
	(void)syscall(SYS_close, fd);
}

/* The caller's output is let go of here too. */
static void own_silence(void)
{
	int null = own_open(AT_FDCWD, "/dev/null", O_RDWR), fd;

	for (fd = STDIN_FILENO; null >= 0 && fd < FIRST_FD; fd++)
		(void)syscall(SYS_dup3, null, fd, 0);
	if (null >= FIRST_FD)
		own_close(null);
}

/*
 * Descriptors of its own, none but that of the copy: were the daemon killed while this thread waits
 * in the kernel for an answer of the daemon, the transport's would keep it waiting for ever.
 */
static bool own_table(int tree)
{
	if (unshare(CLONE_FILES))
		return false;
	if (tree >= 0 && tree != FIRST_FD && syscall(SYS_dup3, tree, FIRST_FD, O_CLOEXEC) < 0)
		return false;
	return !close_range(FIRST_FD + (tree >= 0), UINT_MAX, 0);
}

/*
 * A working directory of its own, within the detached copy, where it hinders nobody. Only then may
 * it be entered: the daemon is asked for that.
 */
static bool stand_alone(const struct publish_mount *mount)
{
	if (!own_table(mount->tree))
		return false;
	if (!mount->foreground)
		own_silence();
	if (mount->tree < 0)
		return true;
	if (unshare(CLONE_FS) || fchdir(FIRST_FD))
		return false;
	own_close(FIRST_FD);
	return true;
}

static void wake(int signal)
{
	(void)signal; /* it ends a wait of this thread: that is all */
}

/*
 * Whoever owns a file may hold a lease on it (fcntl(2)), and truncate(2) waits for him as long as
 * /proc/sys/fs/lease-break-time says: all that others watch for would wait as well. A signal ends
 * that wait, and only that: what the daemon has been asked is waited for to its end.
 */
static bool take_timer(unsigned lane)
{
	struct sigaction action = { .sa_handler = wake }; /* no SA_RESTART */
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM };
	sigset_t alarm;

	event._sigev_un._tid = gettid();
	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	return !sigaction(SIGALRM, &action, NULL) &&
	       !timer_create(CLOCK_MONOTONIC, &event, &lanes[lane].timer) &&
	       !pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
}

/* Again and again, since the first may come just before the wait begins; 0: no more. */
static void set_timer(unsigned lane, long ns)
{
	const struct itimerspec every = { { 0, ns }, { 0, ns } };

	(void)timer_settime(lanes[lane].timer, 0, &every, NULL);
}

/*
 * ThreadSanitizer opens what it needs for its first report by names relative to the working
 * directory, "linux-vdso.so.1" among them: in one within our mount the report would wait for
 * threads that wait for the report.
 */
void call_prepare(void)
{
#ifdef __SANITIZE_THREAD__
	char drop[64];

	__sanitizer_symbolize_pc((void *)call_prepare, "%f", drop, sizeof(drop));
#endif
}

void call_thread(unsigned lane, const struct publish_mount *mount)
{
	if (stand_alone(mount) && take_timer(lane))
		atomic_store(&lanes[lane].tid, gettid());
	else
		sfs_log(SFS_WARN, "a publisher cannot stand alone: no events of inotify");
}

/* The mount, opened by its path; -errno, also when something else is there. */
static int open_place(const struct publish_mount *mount)
{
	int fd = own_open(AT_FDCWD, mount->place, O_PATH | O_DIRECTORY);
	struct statx st;

	if (fd < 0)
		return -errno;
	if (!statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) &&
	    makedev(st.stx_dev_major, st.stx_dev_minor) == mount->device)
		return fd;
	own_close(fd);
	return -ENODEV;
}

/*
 * truncate(2) goes by path only: through a descriptor, where one leads to the mount. It is in the
 * table of this thread alone.
 */
static int truncate_at(int at, const char *path)
{
	char own[64];
	int fd, rc;

	if (at == AT_FDCWD)
		return truncate(path, 0);
	fd = own_open(at, path, O_PATH | O_NOFOLLOW);
	if (fd < 0)
		return -1;
	snprintf(own, sizeof(own), "/proc/thread-self/fd/%d", fd);
	rc = truncate(own, 0);
	own_close(fd);
	return rc;
}

static int rename_at(int at, const struct call *call, const char *path)
{
	char to[NODE_PATH_MAX];

	node_path(call->to->dir, call->to->name, to, sizeof(to));
	return renameat(at, path, at, to);
}

static int act(int at, const struct call *call, const char *path)
{
	struct stat st;
	int rc;

	switch (call->kind) {
	case CALL_TRUNCATE:
		rc = truncate_at(at, path);
		break;
	case CALL_MKDIR:
		rc = mkdirat(at, path, 0755);
		break;
	case CALL_LOOK:
		rc = fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW);
		break;
	case CALL_RENAME:
		rc = rename_at(at, call, path);
		break;
	case CALL_RMDIR:
		rc = unlinkat(at, path, AT_REMOVEDIR);
		break;
	default:
		rc = unlinkat(at, path, 0);
	}
	return rc ? -errno : 0;
}

static struct sfs_obj *parent_of(const struct call *call)
{
	return call->kind == CALL_TRUNCATE ? node_obj(call->node) : call->node->dir;
}

static void set_call(unsigned lane, const struct call *call)
{
	pthread_mutex_lock(&call_lock);
	lanes[lane].call = *call;
	pthread_mutex_unlock(&call_lock);
}

int call_make(unsigned lane, const struct publish_mount *mount, const struct call *call)
{
	static const struct call none = { .kind = CALL_NONE };
	char path[NODE_PATH_MAX];
	int at = AT_FDCWD, rc;

	if (!atomic_load(&lanes[lane].tid))
		return -EOPNOTSUPP;
	node_path(parent_of(call), call->name, path, sizeof(path));
	if (mount->tree < 0)
		at = open_place(mount);
	if (at < 0 && at != AT_FDCWD)
		return at;
	set_call(lane, call);
	if (call->kind == CALL_TRUNCATE)
		set_timer(lane, LEASE_NS);
	rc = act(at, call, path);
	if (call->kind == CALL_TRUNCATE)
		set_timer(lane, 0);
	set_call(lane, &none);
	if (at >= 0)
		own_close(at);
	return rc;
}

/* ---- on the serving threads ------------------------------------------------------------------ */

/* What the thread of that number is doing; its nodes are counted. False: it is none of ours. */
static bool call_of(pid_t pid, struct call *out)
{
	unsigned i;

	for (i = 0; i < LANES_MAX && atomic_load(&lanes[i].tid) != pid; i++)
		;
	if (!pid || i == LANES_MAX)
		return false;
	pthread_mutex_lock(&call_lock);
	*out = lanes[i].call;
	node_get(out->node);
	node_get(out->to);
	pthread_mutex_unlock(&call_lock);
	return true;
}

static void drop(struct call *call)
{
	node_put(call->node);
	node_put(call->to);
}

static bool is_target(const struct call *call, const struct where *where)
{
	return call->kind != CALL_NONE && parent_of(call)->node.id == where->dir &&
	       !strcmp(call->name, where->name);
}

/* The name that a rename leads to; the name of a directory never changes. */
static bool is_destination(const struct call *call, const struct where *where)
{
	return call->kind == CALL_RENAME && call->to->dir->node.id == where->dir &&
	       !strcmp(call->to->name, where->name);
}

static bool shows_what_went(enum call_kind kind)
{
	return kind == CALL_RMDIR || kind == CALL_UNLINK || kind == CALL_RENAME;
}

bool call_looks_up(const struct where *where, pid_t pid, struct call_lookup *out)
{
	struct call call;
	bool ours = call_of(pid, &call);

	if (!ours)
		return false;
	ours = is_target(&call, where);
	*out = (struct call_lookup){ .as_uid = call.uid };
	if (ours && call.kind == CALL_MKDIR)
		out->result = -ENOENT;
	if (ours && shows_what_went(call.kind))
		out->node = node_get(call.node);
	if (is_destination(&call, where)) {
		out->result = -ENOENT;
		ours = true;
	}
	drop(&call);
	return ours;
}

bool call_makes(const struct where *where, pid_t pid, struct node **out)
{
	struct call call;
	bool ours = call_of(pid, &call);

	if (!ours)
		return false;
	ours = call.kind == CALL_MKDIR && is_target(&call, where);
	if (ours)
		*out = announce_known(node_obj(call.node)) ? node_get(call.node) : NULL;
	drop(&call);
	return ours;
}

bool call_removes(const struct where *where, pid_t pid)
{
	struct call call;
	bool ours = call_of(pid, &call);

	if (!ours)
		return false;
	ours = (call.kind == CALL_RMDIR || call.kind == CALL_UNLINK) && is_target(&call, where);
	drop(&call);
	return ours;
}

bool call_truncates(pid_t pid)
{
	struct call call;

	if (!call_of(pid, &call))
		return false;
	drop(&call);
	return call.kind == CALL_TRUNCATE;
}

bool call_renames(const struct where *from, const struct where *to, pid_t pid, int *err_out)
{
	struct call call;
	bool ours = call_of(pid, &call);

	if (!ours)
		return false;
	ours = call.kind == CALL_RENAME && is_target(&call, from) && is_destination(&call, to);
	if (ours)
		*err_out = announce_known(node_obj(call.to)) ? 0 : -ENOENT;
	drop(&call);
	return ours;
}
