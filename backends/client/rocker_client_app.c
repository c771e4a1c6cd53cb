/* SPDX-License-Identifier: MIT */
/*
 * Between fork and the app's function: the helper that enters the rocker, and the app's process that gives
 * everything up.
 *
 * Only system calls here, since the caller may have had threads. setns(2) moves the helper itself
 * into all namespaces but that of processes, into which its children are born: so it makes the app's
 * process as its sibling, with CLONE_PARENT, reports, and ends. The app's process is a child of the
 * caller, whose own namespaces have not changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../landlock_rules.h"
#include "rocker_client.h"

#define CAPS_MAX                64
#define NO_ROOT                 3 /* SECBIT_NOROOT and its lock: a libc may not come with the kernel's headers */
#define SECCOMP_SET_MODE_FILTER 1 /* <linux/seccomp.h>, likewise */

/* In the order of entering: the user namespace last, since with it goes the right to enter the others. */
const char *const client_space_names[CLIENT_SPACES] = { "cgroup", "ipc", "uts", "net", "pid", "mnt", "user" };
static const int space_flags[CLIENT_SPACES] = { 0x02000000 /* CLONE_NEWCGROUP */, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWNET,
						CLONE_NEWPID, CLONE_NEWNS, CLONE_NEWUSER };

static void report(const struct client_entry *entry, enum client_stage stage, int pid, const char *step)
{
	struct client_report message = { .stage = (int32_t)stage, .err = errno, .pid = pid };

	for (size_t i = 0; step && step[i] && i < sizeof(message.step) - 1; i++)
		message.step[i] = step[i];
	while (write(entry->report, &message, sizeof(message)) < 0 && errno == EINTR)
		;
}

/* ---- the app's process gives up what it has ---------------------------------------------------- */

/* A terminal that the app inherits shall not take input from it. */
static int own_session(const struct client_entry *entry)
{
	(void)entry;
	return setsid() < 0 ? -1 : 0;
}

/*
 * The guard ends with the last process beside it, once it has seen one. An app that is here only for a moment it
 * could miss: so it gets a grandchild of the app's to wait for. Failing that, it sees most apps.
 */
static int knock(const struct client_entry *entry)
{
	long child = syscall(SYS_clone, 0, 0, 0, 0, 0);

	(void)entry;
	if (!child) {
		(void)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
		_exit(0);
	}
	while (child > 0 && waitpid((pid_t)child, NULL, __WALL) < 0 && errno == EINTR)
		;
	return 0;
}

static int no_new_privileges(const struct client_entry *entry)
{
	(void)entry;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* While this process may still do so; the kernel says EINVAL behind the last capability. */
static int bounding_set(const struct client_entry *entry)
{
	(void)entry;
	for (int cap = 0; cap < CAPS_MAX; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0))
			return errno == EINVAL && cap ? 0 : -1;
	return 0;
}

/* In the rocker's user namespace 0 may be an id of the app: it shall not be one that gets capabilities by an exec. */
static int no_root(const struct client_entry *entry)
{
	(void)entry;
	long bits = prctl(PR_GET_SECUREBITS, 0, 0, 0, 0);

	return bits < 0 ? -1 : prctl(PR_SET_SECUREBITS, bits | NO_ROOT, 0, 0, 0);
}

/*
 * The system calls themselves, since libc's functions would tell other threads, of which it thinks there may
 * still be some. The helper has dropped the groups: in here they may be nobody's to set.
 */
static int ids(const struct client_entry *entry)
{
	errno = EPERM;
	if (getgroups(0, NULL) || syscall(SYS_setresgid, entry->gid, entry->gid, entry->gid) ||
	    syscall(SYS_setresuid, entry->uid, entry->uid, entry->uid))
		return -1;
	return 0;
}

/* Set, then read back: the ids inside of the rocker may well have none of the meanings that ids have outside. */
static int no_capabilities(const struct client_entry *entry)
{
	struct {
		uint32_t version;
		int pid;
	} head = { 0x20080522, 0 };
	uint32_t sets[6] = { 0 }; /* effective, permitted, inheritable; twice */
	uint32_t any = 0;

	(void)entry;
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* what is not permitted cannot be ambient */
	if (syscall(SYS_capset, &head, sets) || syscall(SYS_capget, &head, sets))
		return -1;
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		any |= sets[i];
	errno = EPERM;
	return any ? -1 : 0;
}

static int close_from(unsigned first, unsigned last)
{
	struct rlimit limit;

	if (first > last)
		return 0;
#ifdef SYS_close_range
	if (!syscall(SYS_close_range, first, last, 0))
		return 0;
#endif
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return -1;
	for (unsigned fd = first; fd <= last && fd < limit.rlim_max && fd < (1U << 20); fd++)
		close((int)fd);
	return 0;
}

/* A number that was kept may have become one of these since. */
static void close_ways_in(const struct client_entry *entry)
{
	for (int i = 0; i < CLIENT_SPACES; i++)
		if (entry->spaces[i] >= 0)
			close(entry->spaces[i]);
	for (size_t i = 0; i < entry->ngroups; i++)
		close(entry->groups[i]);
}

static bool is_directory(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISDIR(st.st_mode);
}

/*
 * All but those kept and the pipe, and no directory: ".." in one leads out. A number that was kept may have become
 * one since; of 0 to 2 something has to be there.
 */
static int descriptors(const struct client_entry *entry)
{
	unsigned next = 3, pipe = (unsigned)entry->report;

	close_ways_in(entry);

	for (size_t i = 0; i <= entry->nkept; i++) {
		unsigned keep = i < entry->nkept ? (unsigned)entry->kept[i] : UINT_MAX;

		if (next <= pipe && pipe < keep) {
			if (close_from(next, pipe - 1))
				return -1;
			next = pipe + 1;
		}
		if (keep < next)
			continue;
		if (close_from(next, keep == UINT_MAX ? keep : keep - 1))
			return -1;
		next = keep == UINT_MAX ? keep : keep + 1;
	}
	for (size_t i = 0; i < entry->nkept; i++)
		if (entry->kept[i] > 2 && is_directory(entry->kept[i]))
			close(entry->kept[i]);
	for (int fd = 0; fd < 3; fd++)
		if (is_directory(fd) && !close(fd))
			(void)open("/dev/null", O_RDWR);
	return 0;
}

static int environment(const struct client_entry *entry)
{
	static char *none[] = { NULL };

	(void)entry;
	environ = none;
	return chdir("/");
}

/* Both, so that none of them can be raised again. The caller's own stay where they are lower. */
static int limits(const struct client_entry *entry)
{
	struct rlimit limit;

	for (int i = 0; i < CLIENT_LIMITS; i++) {
		int number = client_limit_numbers[i];

		if (getrlimit(number, &limit))
			return -1;
		if (entry->rules.limits[i] < limit.rlim_max)
			limit.rlim_max = entry->rules.limits[i];
		if (limit.rlim_cur > limit.rlim_max)
			limit.rlim_cur = limit.rlim_max;
		if (setrlimit(number, &limit))
			return -1;
	}
	return 0;
}

/* The guard has the same rules in a domain of its own, which nobody can join. */
static int landlock(const struct client_entry *entry)
{
	int root, rules, err;

	if (entry->rules.landlock < LANDLOCK_WITH_REFER)
		return 0;
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -1;
	rules = landlock_rocker_rules(entry->rules.landlock, root);
	err = rules < 0 ? -rules : syscall(SYS_landlock_restrict_self, rules, 0) ? errno : 0;
	close(root);
	if (rules >= 0)
		close(rules);
	errno = err;
	return err ? -1 : 0;
}

/*
 * Every profile allows what comes after it, since it allows what a guard does. (The structure is that of
 * struct sock_fprog.)
 */
static int seccomp(const struct client_entry *entry)
{
	struct {
		unsigned short length;
		struct client_instruction *filter;
	} program = { entry->rules.length, entry->rules.filter };

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) ? -1 : 0;
}

/* Undumpable since the helper began, so that nobody in the rocker could take what it still held. */
static int dumpable(const struct client_entry *entry)
{
	return entry->dumpable ? prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) : 0;
}

/* Handlers of the caller's are from here on the app's, under the filter. */
static int signals(const struct client_entry *entry)
{
	return sigprocmask(SIG_SETMASK, &entry->signals, NULL);
}

static const struct {
	const char *name;
	int (*take)(const struct client_entry *entry);
} steps[] = {
	{ "guard", knock },
	{ "setsid", own_session },
	{ "no_new_privs", no_new_privileges },
	{ "bounding set", bounding_set },
	{ "securebits", no_root },
	{ "ids", ids },
	{ "capabilities", no_capabilities },
	{ "limits", limits },
	{ "landlock", landlock },
	{ "descriptors", descriptors },
	{ "environment", environment },
	{ "seccomp", seccomp },
	{ "dumpable", dumpable },
	{ "signals", signals },
	{ NULL, NULL },
};

static _Noreturn void app_process(const struct client_entry *entry)
{
	for (size_t i = 0; steps[i].take; i++)
		if (steps[i].take(entry) < 0) {
			report(entry, CLIENT_PREPARE, 0, steps[i].name);
			_exit(127);
		}
	report(entry, CLIENT_READY, 0, NULL);
	close(entry->report);
	_exit(entry->app(entry->arg));
}

/* ---- the helper -------------------------------------------------------------------------------- */

/* With "0" the writer means itself; what it clones is born there. */
static int join_groups(const struct client_entry *entry)
{
	for (size_t i = 0; i < entry->ngroups; i++)
		if (write(entry->groups[i], "0", 1) != 1)
			return -1;
	return 0;
}

static const char *enter(const struct client_entry *entry)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return "undumpable";
	if (join_groups(entry))
		return "control groups";
	if (syscall(SYS_setgroups, 0, NULL))
		return "no groups";
	for (int i = 0; i < CLIENT_SPACES; i++)
		if (entry->spaces[i] >= 0 && setns(entry->spaces[i], space_flags[i]))
			return client_space_names[i];
	return NULL;
}

_Noreturn void client_helper(const struct client_entry *entry)
{
	const char *step = enter(entry);
	long pid;

	if (step) {
		report(entry, CLIENT_ENTER, 0, step);
		_exit(1);
	}
	/* Not fork: libc's cannot make a sibling. Its end signal is the helper's own. */
	pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
	if (!pid)
		app_process(entry);
	report(entry, pid < 0 ? CLIENT_CLONE : CLIENT_PID, (int)pid, pid < 0 ? "clone" : NULL);
	_exit(pid < 0);
}
