/* SPDX-License-Identifier: MIT */
/*
 * What /proc says about a run in its jail, seen from outside, and that nothing of it is left when the launcher has gone.
 *
 * Needs root for the looking; the launcher looked at is root's, then an ordinary user's.
 * waits
 */
#include "launch_common.h"

#include <dirent.h>
#include <ftw.h>
#include <sys/resource.h>

static char text[65536];

static const char *slurp(pid_t pid, const char *file)
{
	char path[80];

	snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, file);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* What follows "key:" in /proc/PID/status, without the white space before it. */
static const char *status(pid_t pid, const char *key)
{
	static char value[512];
	const char *p = strstr(slurp(pid, "status"), key);

	value[0] = '\0';
	if (p) {
		p += strlen(key) + 1;
		p += strspn(p, "\t ");
		snprintf(value, sizeof value, "%.*s", (int)strcspn(p, "\n"), p);
	}
	return value;
}

static unsigned children(pid_t *out, unsigned max)
{
	char path[48];
	unsigned n = 0;

	snprintf(path, sizeof path, "task/%ld/children", (long)test_launcher);
	const char *p = slurp(test_launcher, path);
	for (char *end; n < max && *p; p = end) {
		long pid = strtol(p, &end, 10);
		if (end == p)
			break;
		out[n++] = (pid_t)pid;
	}
	return n;
}

/* Under the same filters as its template, which waits; the last of init, template and run. */
static pid_t find_run(void)
{
	pid_t pids[16];

	for (int tries = 0; tries < 200; tries++) {
		unsigned n = children(pids, 16);
		if (n == 3 && !strcmp(status(pids[2], "\nSeccomp_filters"), "2") && *status(pids[2], "\nState") == 'R')
			return pids[2];
		usleep(5000);
	}
	return 0;
}

static void own_namespaces(pid_t pid)
{
	static const char *const names[] = { "user", "mnt", "pid", "net", "ipc", "uts", "cgroup" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char path[64], theirs[64] = "", launchers[64] = "";
		snprintf(path, sizeof path, "/proc/%ld/ns/%s", (long)pid, names[i]);
		CHECK(readlink(path, theirs, sizeof theirs - 1) > 0);
		snprintf(path, sizeof path, "/proc/%ld/ns/%s", (long)test_launcher, names[i]);
		CHECK(readlink(path, launchers, sizeof launchers - 1) > 0);
		CHECK_MSG(strcmp(theirs, launchers), "%s is shared with the launcher", theirs);
	}
}

static void no_rights(pid_t pid)
{
	static const char *const sets[] = { "\nCapInh", "\nCapPrm", "\nCapEff", "\nCapBnd", "\nCapAmb" };
	char expected[64];
	unsigned uid = test_drops ? NOBODY : test_config.jail_uid_base;

	for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
		CHECK_STR(status(pid, sets[i]), "0000000000000000");
	CHECK_STR(status(pid, "\nNoNewPrivs"), "1");
	CHECK_STR(status(pid, "\nSeccomp"), "2");
	CHECK_STR(status(pid, "\nSigBlk"), "0000000000000000");
	CHECK_STR(status(pid, "\nGroups"), "");
	snprintf(expected, sizeof expected, "%u\t%u\t%u\t%u", uid, uid, uid, uid);
	CHECK_STR(status(pid, "\nUid"), expected);
	CHECK_STR(status(pid, "\nGid"), expected);
	CHECK_HAS(slurp(pid, "limits"), "Max core file size        1                    1");
	CHECK_HAS(text, "Max open files            16                   16");
	CHECK_HAS(text, "Max file size             0                    0");
	CHECK_STR(slurp(pid, "environ"), "");
}

static int open_files(pid_t pid)
{
	char path[64];
	int fds = 0;

	snprintf(path, sizeof path, "/proc/%ld/fd", (long)pid);
	DIR *dir = opendir(path);
	if (!dir)
		return -1;
	for (struct dirent *e; (e = readdir(dir));)
		fds += e->d_name[0] != '.';
	closedir(dir);
	return fds;
}

static void nothing_of_the_host(pid_t pid)
{
	char path[64];
	struct stat st;
	int fds = -1;

	/* Until it is past its gate it reads what it was given: its arena, and a page of it. */
	for (int tries = 0; tries < 400 && fds; tries++) {
		fds = open_files(pid);
		if (fds)
			usleep(5000);
	}
	CHECK_INT(fds, 0);

	/* The one mapped file is the helper itself; one mount. */
	for (const char *p = slurp(pid, "maps"); (p = strchr(p, '/')); p++) {
		CHECK_MSG(!strncmp(p, "/memfd:helper (deleted)\n", 24), "mapped: %.40s", p);
		p = strchr(p, '\n');
	}
	slurp(pid, "mountinfo");
	CHECK_MSG(strchr(text, '\n') && !strchr(text, '\n')[1], "mounts: %.200s", text);
	CHECK_HAS(text, " - tmpfs jail ro");
	snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
	CHECK(!stat(path, &st));
	CHECK_MSG(st.st_uid == 0, "dumpable: its /proc belongs to %u", st.st_uid);
}

static void limits(pid_t pid)
{
	CHECK_STR(status(pid, "\nSigIgn"), "0000000000000000");
	int own = getpriority(PRIO_PROCESS, 0);
	CHECK_INT(getpriority(PRIO_PROCESS, (id_t)pid), test_drops && own > 0 ? own : 0);
	CHECK_STR(slurp(pid, "oom_score_adj"), "1000\n");
	if (!test_drops && !strstr(launch_machine(), "cgroup none"))
		CHECK_HAS(slurp(pid, "cgroup"), "/sandboxfs-");
}

static bool is_gone(const pid_t *pids, unsigned n)
{
	for (int tries = 0; tries < 300; tries++) {
		unsigned left = 0;
		for (unsigned i = 0; i < n; i++) {
			const char *state = status(pids[i], "\nState");
			left += *state && *state != 'Z';
		}
		if (!left)
			return true;
		usleep(10000);
	}
	return false;
}

static char wanted[64];
static int found;

static int look(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	found += !strcmp(path + at->base, wanted);
	return 0;
}

static int groups_left(pid_t launcher)
{
	snprintf(wanted, sizeof wanted, "sandboxfs-%ld", (long)launcher);
	found = 0;
	nftw("/sys/fs/cgroup", look, 32, FTW_PHYS);
	return found;
}

static struct launch_zygote *zygote;
static struct outcome out;
static pid_t procs[16];
static unsigned nprocs;

static void spin(void)
{
	static struct launch_order order;

	order = (struct launch_order){ .wall_ms = 20000 };
	start_launcher();
	REQUIRE(launch_start() == 0);
	zygote = make_runner();
	REQUIRE(zygote);
	begin_run(zygote, "spin", &order, &out);
	pid_t pid = find_run();
	REQUIRE(pid);
	nprocs = children(procs, 16);
	CHECK_INT(nprocs, 3);
}

static void run_seen_from_outside(void)
{
	pid_t pid = find_run();

	REQUIRE(pid);
	own_namespaces(pid);
	no_rights(pid);
	nothing_of_the_host(pid);
	limits(pid);
	for (unsigned i = 0; i < nprocs; i++) { /* the init and the zygote too */
		own_namespaces(procs[i]);
		no_rights(procs[i]);
	}
}

/* The daemon dies: its end of the channel closes. */
static void all_gone_with_the_daemon(void)
{
	pid_t launcher = test_launcher;

	slurp(getpid(), "mountinfo");
	char *mounts = strdup(text);
	launch_stop();
	close(test_channel);
	CHECK_INT(wait_launcher(), 0);
	CHECK(is_gone(procs, nprocs));
	CHECK_INT(groups_left(launcher), 0);
	CHECK_STR(slurp(getpid(), "mountinfo"), mounts);
	free(mounts);
	CHECK(out.how.cause == LAUNCH_FAILED || out.how.cause == LAUNCH_KILLED);
}

/* The launcher dies: its jails go with it, and its groups with the next launcher's start. */
static void all_gone_with_the_launcher(void)
{
	spin();
	pid_t launcher = test_launcher;
	kill(launcher, SIGKILL);
	waitpid(launcher, NULL, 0);
	CHECK(is_gone(procs, nprocs));
	launch_stop();
	close(test_channel);
	start_launcher();
	CHECK(launch_start() == 0);
	CHECK_INT(groups_left(launcher), 0);
	launch_stop();
	close(test_channel);
	CHECK_INT(wait_launcher(), 0);
}

static void tests(void)
{
	RUN_AS_ROLE(spin);
	RUN_AS_ROLE(run_seen_from_outside);
	RUN_AS_ROLE(all_gone_with_the_daemon);
	RUN_AS_ROLE(all_gone_with_the_launcher);
}

int main(void)
{
	if (geteuid()) {
		printf("skip launch_facts: looking into a jail needs root\n");
		return 0;
	}
	if (!build_helper()) {
		printf("skip launch_facts: no compiler or static libc for its helper\n");
		return 0;
	}
	test_role = "root";
	tests();
#ifdef __SANITIZE_THREAD__
	printf("skip launch_facts_as_user: its launcher is a child of the process that is looked at\n");
	return check_done();
#endif
	test_role = "user";
	test_drops = true;
	tests();
	free((void *)test_helper.bytes);
	return check_done();
}
