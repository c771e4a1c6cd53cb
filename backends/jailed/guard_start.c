/* SPDX-License-Identifier: MIT */
/* How the guard starts a job: a child that shares its memory until it executes something else. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include "guard_own.h"
#include "guard_sys.h"

#define PAGE       4096ul
#define KEPT_BYTES (2 * PAGE)
#define EXEC_MAX_S 5
#define HOME       "/"
#define FIXED_PATH "/usr/local/bin:/usr/bin:/bin"

/* The words of the text, argc and envc of them each ending in a NULL, then the directory. */
bool guard_split(struct guard *g)
{
	struct guard_order *order = &g->order;
	uint32_t words = order->argc + order->envc, found = 0, at = 0;

	g->directory = NULL;
	if (!order->text_used || order->text[order->text_used - 1])
		return false;
	g->words = (char **)(((uintptr_t)order->text + order->text_used + 7) & -8ul);
	while (at < order->text_used && found <= words) {
		char *word = order->text + at;
		if (found == words)
			g->directory = word;
		else
			g->words[found + (found >= order->argc)] = word;
		found++;
		while (order->text[at++])
			;
	}
	g->words[order->argc] = g->words[words + 1] = NULL;
	return at == order->text_used && found == words + 1;
}

int guard_take_limits(const struct guard_order *order)
{
	for (int i = 0; i < GUARD_LIMITS; i++) {
		const struct guard_limit *limit = &order->limits[i];
		struct rlimit both = { limit->value, limit->value };
		if (!limit->used)
			continue;
		long err = SYS_4(SYS_prlimit64, 0, limit->resource, &both, NULL);
		if (err)
			return (int)err;
	}
	return 0;
}

/*
 * To the job's ids with no capability left: none is inheritable, so that none stays ambient. A change
 * of ids makes memory dumpable where the host says so, and this is the guard's; capabilities go after
 * that, since until then no job may trace this process.
 */
static int take_ids(const struct guard *g)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { { 0 } };
	long err = 0;

	if (g->switches_ids) {
		err = SYS_3(SYS_setresgid, g->gid, g->gid, g->gid);
		err = err ?: SYS_3(SYS_setresuid, g->uid, g->uid, g->uid);
		err = err ?: SYS_5(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
	}
	if (!err && g->has_caps)
		err = SYS_2(SYS_capset, &head, none);
	return (int)err;
}

static const char *search_path(char *const *envp)
{
	for (; *envp; envp++) {
		const char *word = *envp;
		if (word[0] == 'P' && word[1] == 'A' && word[2] == 'T' && word[3] == 'H' &&
		    word[4] == '=')
			return word + 5;
	}
	return FIXED_PATH;
}

/* DIR/NAME, or NAME where dir is empty; false: it is too long. */
static bool join(struct guard *g, const char *dir, size_t dir_len, const char *name)
{
	char *to = g->path, *end = g->path + sizeof g->path;

	if (dir_len >= sizeof g->path - 1)
		return false;
	for (size_t i = 0; i < dir_len; i++)
		*to++ = dir[i];
	if (dir_len)
		*to++ = '/';
	do {
		if (to == end)
			return false;
	} while ((*to++ = *name++));
	return true;
}

/* As execvp(3): goes on where there is nothing, and remembers that there was something. */
static int execute_in_path(struct guard *g, char *const *argv, char *const *envp)
{
	bool denied = false;
	long err = -ENOENT;

	for (const char *dir = search_path(envp), *end;; dir = end + 1) {
		for (end = dir; *end && *end != ':'; end++)
			;
		err = join(g, dir, (size_t)(end - dir), argv[0])
			      ? SYS_3(SYS_execve, g->path, argv, envp)
			      : -ENAMETOOLONG;
		if (err == -EACCES)
			denied = true;
		else if (err != -ENOENT && err != -ENOTDIR && err != -ESTALE && err != -ENODEV &&
			 err != -ENAMETOOLONG)
			return (int)err;
		if (!*end)
			return denied ? -EACCES : (int)err;
	}
}

static int execute(struct guard *g)
{
	char *const *argv = g->words, *const *envp = g->words + g->order.argc + 1;
	const char *p = argv[0];

	if (!*p)
		return -ENOENT;
	while (*p && *p != '/')
		p++;
	if (*p)
		return (int)SYS_3(SYS_execve, argv[0], argv, envp);
	return execute_in_path(g, argv, envp);
}

static bool is_home(const char *directory)
{
	return directory[0] == HOME[0] && !directory[1];
}

/*
 * Runs in the child, which is a process of its own in all but its memory and, unless it is a spare, its descriptors; of
 * these its exec makes a copy of its own.
 */
static void become_job(void *arg)
{
	struct guard *g = arg;
	const uint64_t none = 0;
	bool waits = g->child_is_spare; /* whatever has come before its first instruction */
	long err = SYS_1(SYS_setsid, 0);

	err = err < 0 ? err : waits ? 0 : guard_take_limits(&g->order);
	err = err ?: take_ids(g);
	if (err && waits)
		sys_exit(127);
	if (waits) {
		err = SYS_1(SYS_chdir, HOME);
		guard_await_order(g);
		err = err ?: guard_take_limits(&g->order);
	}
	if (!waits || !is_home(g->directory))
		err = err ?: SYS_1(SYS_chdir, g->directory);
	err = err ?: SYS_4(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none);
	g->err = (int32_t)(err ?: execute(g));
	sys_exit(127);
}

static struct guard_job *free_place(struct guard *g)
{
	for (struct guard_job *job = g->jobs; job < g->jobs + GUARD_JOBS_MAX; job++)
		if (!job->job)
			return job;
	return NULL;
}

static bool is_known(const struct guard *g, uint32_t number)
{
	for (const struct guard_job *job = g->jobs; job < g->jobs + g->places; job++)
		if (job->job == number)
			return true;
	return false;
}

/*
 * Not by CLONE_VFORK: another job may stop the child as soon as it has their user id, and then the guard
 * would hang with it. Who does not get to its exec is killed. Its -errno; then it has been reaped.
 */
static int32_t await_exec(struct guard *g, pid_t pid)
{
	const struct timespec limit = { EXEC_MAX_S, 0 };
	const volatile uint32_t *shared = &g->shared;

	while (*shared) {
		long err = SYS_4(SYS_futex, &g->shared, FUTEX_WAIT, 1, &limit);
		if (err != -ETIMEDOUT)
			continue;
		g->err = -ETIMEDOUT;
		SYS_2(SYS_kill, pid, SIGKILL);
	}
	if (g->err)
		SYS_4(SYS_wait4, pid, NULL, 0, NULL);
	return g->err;
}

long guard_make_child(struct guard *g, bool waits)
{
	const struct sys_child child = { g->stack + sizeof g->stack, become_job, g, &g->shared };

	g->shared = 1;
	g->err = 0;
	g->child_is_spare = waits;
	g->spare_state = waits ? GUARD_SPARE_WAITS : GUARD_SPARE_GOES;
	return sys_spawn(GUARD_CLONE | (waits ? 0 : CLONE_FILES), &child);
}

/* A long order shall not cost its pages for ever. */
static void forget_order(struct guard *g)
{
	uintptr_t begin = ((uintptr_t)&g->order + PAGE - 1) & -PAGE;
	uintptr_t end = (uintptr_t)(g->words + g->order.argc + g->order.envc + 2);

	if (end > begin + KEPT_BYTES)
		SYS_3(SYS_madvise, begin, (end - begin + PAGE - 1) & -PAGE, MADV_DONTNEED);
}

/* The last descriptors go where no job sees them. */
static int hold(struct guard *g, const struct guard_job *place)
{
	uint32_t kept = g->order.kept, first = g->nfds - kept;

	for (uint32_t i = 0; i < kept; i++) {
		int to = GUARD_KEPT_FD(place - g->jobs, i);
		if (SYS_3(SYS_dup3, first + i, to, O_CLOEXEC) != to)
			return -EMFILE;
		SYS_1(SYS_close, first + i);
	}
	return 0;
}

/* Of a child that has not been reaped: so its pid is nobody else's. */
static int open_pidfd(pid_t pid)
{
	int pidfd = (int)SYS_2(SYS_pidfd_open, pid, 0);

	if (pidfd < 0)
		sys_exit(7);
	return pidfd;
}

/* What has become of the start of that child, or -errno of its making; then the order is done with. */
static void conclude(struct guard *g, long pid)
{
	struct guard_reply reply = { .type = GUARD_STARTED, .job = g->order.job };
	struct guard_job *place = g->place;
	int pidfd = -1;

	g->starting = 0;
	reply.err = pid < 0 ? (int32_t)pid : await_exec(g, (pid_t)pid);
	if (!reply.err) {
		reply.pid = (int32_t)pid;
		*place = (struct guard_job){ .job = g->order.job,
					     .pid = reply.pid,
					     .untold = g->order.whole,
					     .kept = (uint8_t)g->order.kept };
		reply.running = ++g->running;
		g->has_untold |= place->untold;
		g->spares = g->order.spare;
		g->saw_others = true;
		g->childless = false;
		if (!place->untold)
			pidfd = open_pidfd(reply.pid);
	} else if (place) {
		guard_let_go(g, place);
		place->kept = 0;
	}
	if (reply.err || !place->untold)
		guard_reply(g, &reply, &pidfd, !reply.err);
	if (pidfd >= 0 || !g->child_is_spare) /* which has the order's descriptors for itself */
		SYS_3(SYS_close_range, 0, GUARD_CTL_MOVED - 1, 0);
	forget_order(g);
}

bool guard_note_start(struct guard *g, long pid)
{
	struct guard_job *place = free_place(g);

	if (is_known(g, g->order.job) || (!place && pid > 0))
		return false;
	g->place = place;
	if (place == g->jobs + g->places)
		g->places++;
	if (place && !pid) {
		place->kept = (uint8_t)g->order.kept;
		pid = hold(g, place);
		pid = pid ?: guard_make_child(g, false);
	}
	if (!place)
		pid = -EAGAIN;
	if (pid > 0 && g->order.whole)
		g->starting = (pid_t)pid;
	else
		conclude(g, pid);
	return true;
}

bool guard_start(struct guard *g)
{
	return guard_split(g) && guard_note_start(g, 0);
}

void guard_settle(struct guard *g)
{
	if (g->starting)
		conclude(g, g->starting);
}

void guard_tell_started(struct guard *g)
{
	struct guard_reply reply = { .type = GUARD_STARTED };

	if (!g->has_untold)
		return;
	g->has_untold = false;
	for (struct guard_job *job = g->jobs; job < g->jobs + GUARD_JOBS_MAX; job++) {
		if (!job->job || !job->untold)
			continue;
		int pidfd = open_pidfd(job->pid);
		job->untold = false;
		reply.job = job->job;
		reply.pid = job->pid;
		reply.running = g->running;
		guard_reply(g, &reply, &pidfd, 1);
		SYS_1(SYS_close, pidfd);
	}
}
