/* SPDX-License-Identifier: MIT */
/* single-threaded */
/*
 * librocker_client in namespaces that the test has made itself: what an app sees and has, and the errors
 * of entering. As root; nobody else can enter.
 * waits
 */
#include <poll.h>
#include <sys/sysmacros.h>

#include "client_request.h"
#include "landlock_rules.h"

/* What the app sees, in memory that it shares with the test. */
struct facts {
	uid_t ids[6];
	int refused, device, groups, pid, ppid, sid_is_pid, no_new_privs, bounding, fds, arg, keeps;
	unsigned caps;
	rlim_t core, memory;
	bool environment;
	mode_t input;
	char cwd[64];
	volatile int go;
};

static struct facts *facts;
static char device[64]; /* of which Landlock says EACCES, and else the lack of CAP_MKNOD EPERM */

static rlim_t hard_limit(int number)
{
	struct rlimit limit;

	return getrlimit(number, &limit) ? 0 : limit.rlim_max;
}

static void look_at_rights(struct facts *f)
{
	unsigned head[2] = { 0x20080522, 0 }, sets[6] = { 0 };

	getresuid(&f->ids[0], &f->ids[1], &f->ids[2]);
	getresgid(&f->ids[3], &f->ids[4], &f->ids[5]);
	f->groups = getgroups(0, NULL);
	syscall(SYS_capget, head, sets);
	for (int i = 0; i < 6; i++)
		f->caps |= sets[i];
	f->no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	for (int cap = 0; cap < 41; cap++)
		f->bounding += prctl(PR_CAPBSET_READ, cap, 0, 0, 0) > 0;
}

static int app(void *arg)
{
	struct facts *f = facts;
	struct stat st;

	look_at_rights(f);
	f->core = hard_limit(RLIMIT_CORE);
	f->memory = hard_limit(RLIMIT_DATA);
	f->device = mknod(device, S_IFCHR | 0600, makedev(1, 3)) ? errno : 0;
	f->refused = syscall(SYS_getpriority, 0, 0) < 0 ? errno : 0;
	f->arg = *(int *)arg;
	f->pid = getpid();
	f->ppid = getppid();
	f->sid_is_pid = getsid(0) == getpid();
	for (int fd = 0; fd < 4096; fd++)
		f->fds += fd > 2 && fcntl(fd, F_GETFD) >= 0;
	f->environment = environ && *environ;
	f->input = fstat(0, &st) ? 0 : st.st_mode;
	if (!getcwd(f->cwd, sizeof(f->cwd)))
		f->cwd[0] = '?';
	while (!f->go)
		usleep(1000);
	return 42;
}

static void read_space(pid_t pid, const char *name, char out[64])
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name);
	memset(out, 0, 64);
	CHECK(readlink(path, out, 63) > 0);
}

static void check_facts(const struct facts *f)
{
	for (int i = 0; i < 6; i++)
		CHECK_INT(f->ids[i], FAKE_UID);
	CHECK_INT(f->groups, 0);
	CHECK_INT(f->caps, 0);
	CHECK_INT(f->bounding, 0);
	CHECK_INT(f->no_new_privs, 1);
	CHECK_INT(f->refused, EXDEV);
	CHECK(f->core <= 1);
	CHECK_INT(f->memory, FAKE_DATA);
	CHECK_INT(f->device, landlock_version() < LANDLOCK_WITH_REFER ? EPERM : EACCES);
	CHECK_INT(f->fds, 0);
	CHECK(!f->environment);
	CHECK_STR(f->cwd, "/");
	CHECK_INT(f->arg, 7);
	CHECK_INT(f->ppid, 0);
	CHECK(f->sid_is_pid && f->pid > 1);
}

static void app_is_inside_and_harmless(void)
{
	int arg = 7, leaked, inside, status;
	RockerRequest req = request();
	char own[7][64], now[64], theirs[64];
	RockerResult result;

	if (!can_hold())
		return;
	fake_start();
	memset(facts, 0, sizeof(*facts));
	for (int i = 0; fake_spaces[i]; i++)
		read_space(getpid(), fake_spaces[i], own[i]);
	leaked = open("/etc/passwd", O_RDONLY);
	inside = open("/", O_RDONLY);
	result = ROCKER_enter_rocker(&req, app, &arg);
	close(leaked);
	close(inside);
	CHECK_STR(ROCKER_error(), "");
	CHECK_INT(result.err_no, ROCKER_ERR_success);
	CHECK_INT(result.guard_pid, fake.holder);
	CHECK_STR(result.guard_pname, fake.holder_name);
	CHECK_STR(ROCKER_get_guardname(result.guard_pid).guard_pname, result.guard_pname);
	REQUIRE(result.app_pid > 0);
	for (int i = 0; fake_spaces[i]; i++) {
		read_space(getpid(), fake_spaces[i], now);
		CHECK_STR(now, own[i]);
		read_space(result.app_pid, fake_spaces[i], now);
		read_space(fake.holder, fake_spaces[i], theirs);
		CHECK_STR(now, theirs);
	}
	facts->go = 1;
	status = status_of(result.app_pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
	check_facts(facts);
	CHECK_INT(waitpid(-1, NULL, WNOHANG), 0); /* the holder alone: the helper is no zombie */
}

static void app_gets_what_is_kept(void)
{
	int ends[2], arg = 7;
	RockerRequest req = request();
	RockerResult result;

	if (!can_hold())
		return;
	fake_start();
	memset(facts, 0, sizeof(*facts));
	facts->go = 1;
	REQUIRE(!pipe2(ends, O_CLOEXEC));
	CHECK_INT(ROCKER_keep_fds(&ends[1], 1), 0);
	result = ROCKER_enter_rocker(&req, app, &arg);
	CHECK_INT(ROCKER_keep_fds(NULL, 0), 0);
	CHECK_INT(result.err_no, ROCKER_ERR_success);
	REQUIRE(result.app_pid > 0);
	status_of(result.app_pid);
	CHECK_INT(facts->fds, 1);
	close(ends[0]);
	close(ends[1]);
}

/* ".." in a directory that was open before leads to where it was opened. */
static void standard_descriptors_are_no_directories(void)
{
	int was = fcntl(0, F_DUPFD_CLOEXEC, 3), arg = 7;
	RockerRequest req = request();
	RockerResult result;

	if (!can_hold())
		return;
	fake_start();
	memset(facts, 0, sizeof(*facts));
	facts->go = 1;
	close(0);
	CHECK_INT(open("/", O_RDONLY), 0);
	result = ROCKER_enter_rocker(&req, app, &arg);
	close(0);
	if (was >= 0)
		CHECK_INT(dup2(was, 0), 0);
	close(was);
	REQUIRE(result.app_pid > 0);
	status_of(result.app_pid);
	CHECK(S_ISCHR(facts->input));
}

static void pidfds_of_an_app(void)
{
	struct pollfd p = { .events = POLLIN };
	int arg = 7, guard;
	RockerRequest req = request();
	RockerResult result;

	if (!can_hold())
		return;
	fake_start();
	memset(facts, 0, sizeof(*facts));
	result = ROCKER_enter_rocker(&req, app, &arg);
	REQUIRE(result.app_pid > 0);
	guard = ROCKER_guard_pidfd(&result);
	p.fd = ROCKER_app_pidfd(&result);
	CHECK(guard >= 0 && p.fd >= 0);
	CHECK_INT(poll(&p, 1, 0), 0);
	CHECK_INT(syscall(SYS_pidfd_send_signal, p.fd, SIGKILL, NULL, 0), 0);
	CHECK_INT(poll(&p, 1, 20000), 1);
	CHECK(WIFSIGNALED(status_of(result.app_pid)));
	CHECK_INT(ROCKER_app_pidfd(&result), -1);
	CHECK_INT(errno, ESRCH);
	close(guard);
	close(p.fd);
}

static void ways_that_are_barred_are_enter(void)
{
	if (!can_hold())
		return;
	fake_start();
	fake.broken = "uts";
	CHECK_ERR(enter(), ROCKER_ERR_enter_rocker_failed, "ns/uts");
	fake_start();
	fake.link = "/dev/null";
	CHECK_ERR(enter(), ROCKER_ERR_enter_rocker_failed, "pid cannot be entered");
	fake_start();
	fake.guard = "pid 2\nname not-the-guard\n";
	CHECK_ERR(enter(), ROCKER_ERR_enter_rocker_failed, "not-the-guard");
	CHECK_INT(waitpid(-1, NULL, WNOHANG), 0);
}

/* A namespace of processes whose first one has ended takes no more. */
static void dead_processes_are_exec(void)
{
	char link[64];
	int ready[2];
	pid_t pid;
	char byte;

	if (!can_hold())
		return;
	fake_start();
	REQUIRE(!pipe2(ready, O_CLOEXEC));
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWPID))
			_exit(1);
		pid_t first = fork();

		if (!first)
			_exit(0);
		waitpid(first, NULL, 0);
		(void)!write(ready[1], "", 1);
		for (;;)
			pause();
	}
	close(ready[1]);
	CHECK_INT(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	snprintf(link, sizeof(link), "/proc/%d/ns/pid_for_children", (int)pid);
	fake.link = link;
	CHECK_ERR(enter(), ROCKER_ERR_app_exec_failed, "the app's process");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* An id that does not exist inside: no app, rather than one that is still root. */
static void unmapped_ids_are_exec(void)
{
	RockerRequest req = request();

	if (!can_hold())
		return;
	fake_start();
	req.uid = FAKE_UID + 1;
	CHECK_ERR(ROCKER_enter_rocker(&req, nothing, NULL), ROCKER_ERR_app_exec_failed, "the app's ids");
	CHECK_INT(waitpid(-1, NULL, WNOHANG), 0);
}

static void dead_rockers_are_swept(void)
{
	char first[128];
	RockerResult result;

	if (!can_hold())
		return;
	fake_start();
	result = enter();
	CHECK_INT(result.err_no, ROCKER_ERR_success);
	REQUIRE(result.app_pid > 0);
	status_of(result.app_pid);
	strcpy(first, fake.last);
	fake_file(first, "state", "dead    \n");
	result = enter();
	REQUIRE(result.app_pid > 0);
	status_of(result.app_pid);
	CHECK_INT(access(first, F_OK), -1);
	CHECK_INT(fake_rockers(), 1);
	CHECK_INT(ROCKER_remove(&result), 0);
	CHECK_INT(fake_rockers(), 0);
	CHECK_INT(ROCKER_remove(&result), 0);
}

/* A guard that looks around now and then must not miss an app that is gone at once. */
static void guard_hears_of_the_briefest_app(void)
{
	RockerResult result;

	if (!can_hold())
		return;
	fake_start();
	result = enter();
	REQUIRE(result.app_pid > 0);
	status_of(result.app_pid);
	for (int i = 0; i < 20000 && !atomic_load(fake_reaped); i++)
		usleep(1000);
	CHECK_INT(atomic_load(fake_reaped), 1);
}

/* ---- control groups ---------------------------------------------------------------------------- */

#define GROUPS_MAX 32

static char groups[GROUPS_MAX][160];
static unsigned ngroups;

/* One of the guard's own in each hierarchy that takes it. */
static void make_groups(void)
{
	char point[128], type[32], line[1024], pid[16];
	FILE *f = fopen("/proc/self/mounts", "re");

	snprintf(pid, sizeof(pid), "%d", (int)fake.holder);
	while (f && fgets(line, sizeof(line), f) && ngroups < GROUPS_MAX) {
		int fd;

		if (sscanf(line, "%*s %127s %31s", point, type) != 2 || strncmp(type, "cgroup", 6) != 0)
			continue;
		snprintf(groups[ngroups], sizeof(groups[0]), "%s/sfs-client-%s", point, pid);
		if (mkdir(groups[ngroups], 0755))
			continue;
		snprintf(line, sizeof(line), "%s/cgroup.procs", groups[ngroups]);
		fd = open(line, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, pid, strlen(pid)) < 0)
			rmdir(groups[ngroups]);
		else
			ngroups++;
		close(fd);
	}
	if (f)
		fclose(f);
}

static void remove_groups(void)
{
	for (unsigned i = 0; i < ngroups; i++)
		for (int tries = 0; rmdir(groups[i]) && errno == EBUSY && tries < 10000; tries++)
			usleep(1000);
}

static void read_groups(pid_t pid, char text[4096])
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	memset(text, 0, 4096);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0 && read(fd, text, 4095) > 0);
	close(fd);
}

static void app_joins_the_guards_groups(void)
{
	char own[4096], now[4096], theirs[4096];
	int arg = 7;
	RockerRequest req = request();
	RockerResult result;

	if (!can_hold())
		return;
	make_groups();
	if (!ngroups) {
		check_skip("no control group can be made here");
		return;
	}
	fake_start();
	memset(facts, 0, sizeof(*facts));
	read_groups(getpid(), own);
	result = ROCKER_enter_rocker(&req, app, &arg);
	CHECK_STR(ROCKER_error(), "");
	REQUIRE(result.app_pid > 0);
	read_groups(fake.holder, theirs);
	read_groups(result.app_pid, now);
	CHECK_STR(now, theirs);
	read_groups(getpid(), now);
	CHECK_STR(now, own);
	CHECK(strcmp(own, theirs));
	facts->go = 1;
	status_of(result.app_pid);
}

static void abort_ends_the_app_by_signal(void)
{
	RockerRequest req = request();
	RockerResult result;
	int status;

	if (!can_hold())
		return;
	fake_start();
	result = ROCKER_enter_rocker(&req, (int (*)(void *))(void *)abort, NULL);
	REQUIRE(result.app_pid > 0);
	status = status_of(result.app_pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static int ask_for_death(void *arg)
{
	(void)arg;
	(void)syscall(SYS_setpriority, 0, 0, 0);
	return 0;
}

static void filter_kills(void)
{
	RockerRequest req = request();
	RockerResult result;
	int status;

	if (!can_hold())
		return;
	fake_start();
	result = ROCKER_enter_rocker(&req, ask_for_death, NULL);
	REQUIRE(result.app_pid > 0);
	status = status_of(result.app_pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

/* A mount that is older has none; and half of one is none. */
static void no_app_without_its_filter(void)
{
	if (!can_hold())
		return;
	fake_start();
	fake.filter_size = 0;
	CHECK_ERR(enter(), ROCKER_ERR_enter_rocker_failed, "seccomp.bpf: No such file");
	fake_start();
	fake.filter_size = sizeof(fake_filter) - 1;
	CHECK_ERR(enter(), ROCKER_ERR_unknown, "is no filter");
	fake_start();
	fake.filter_size = sizeof(fake_filter[0]); /* it does not end */
	CHECK_ERR(enter(), ROCKER_ERR_app_exec_failed, "the app's seccomp: Invalid argument");
	CHECK_INT(waitpid(-1, NULL, WNOHANG), 0);
}

int main(void)
{
	facts = mmap(NULL, sizeof(*facts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	request_start();
	snprintf(device, sizeof(device), "/tmp/sfs-client-device-%d", (int)getpid());
	if (geteuid() == 0)
		RUN(fake_hold);
	RUN(guard_hears_of_the_briefest_app); /* before others: it counts */
	RUN(app_is_inside_and_harmless);
	RUN(app_gets_what_is_kept);
	RUN(standard_descriptors_are_no_directories);
	RUN(pidfds_of_an_app);
	RUN(ways_that_are_barred_are_enter);
	RUN(dead_processes_are_exec);
	RUN(unmapped_ids_are_exec);
	RUN(filter_kills);
	RUN(no_app_without_its_filter);
	RUN(dead_rockers_are_swept);
	RUN(abort_ends_the_app_by_signal);
	RUN(app_joins_the_guards_groups);
	fake_stop();
	unlink(device);
	remove_groups();
	return check_done();
}
