/* SPDX-License-Identifier: MIT */
/*
 * Fitters: a rocker whose guard runs already gets what a plan asks for, and who brings it there keeps nothing.
 * single-threaded
 */
#include "rocker_plans.h"

static pid_t fitter;
static int fitter_end;

static void start_fitter(void)
{
	int pair[2], pidfd = -1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		abort();
	fitter = fitter_spawn(&env, pair[1], &pidfd);
	CHECK_MSG(fitter > 0, "fitter: %s", strerror(-fitter));
	close(pair[1]);
	if (pidfd >= 0)
		close(pidfd);
	fitter_end = pair[0];
}

static int stop_fitter(void)
{
	int status = -1;

	close(fitter_end);
	CHECK(waitpid(fitter, &status, 0) == fitter);
	return status;
}

/* An empty one. */
static void begin_empty(struct one *one)
{
	plain();
	begin(one);
	CHECK_MSG(build(one, &plan), "%s: %s", one->said.step, strerror(-one->said.err));
}

/* The global plan, there: what is said of it. */
static struct rocker_report furnish(const struct one *one)
{
	struct one as_blank = { .control = fitter_end };
	struct rocker_report said = { 0 };
	struct pollfd p = { fitter_end, POLLIN, 0 };

	CHECK(fitter_can(&plan));
	for (unsigned i = 0; i < plan.nopeners && !said.err; i++)
		said = open_for(&as_blank, &plan, i, false);
	if (said.err)
		return said;
	int err = fitter_order(fitter_end, &plan, one->pidfd);
	CHECK_MSG(!err, "%s", strerror(-err));
	said.err = -ETIMEDOUT;
	if (poll(&p, 1, ANSWER_MS) == 1 && recv(fitter_end, &said, sizeof said, 0) != (ssize_t)sizeof said)
		said.err = -EIO;
	return said;
}

static void namespace_of(pid_t pid, const char *kind, char out[64])
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%ld/ns/%s", (long)pid, kind);
	ssize_t n = readlink(path, out, 63);
	out[n > 0 ? n : 0] = '\0';
}

static void check_home(void)
{
	static const char *const kinds[] = { "mnt", "uts", "net", "pid", "user" };
	char ours[64], its[64], path[64], root[PATH_MAX];

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		namespace_of(getpid(), kinds[i], ours);
		namespace_of(fitter, kinds[i], its);
		CHECK_MSG(*its && !strcmp(ours, its), "%s: %s, not %s", kinds[i], its, ours);
	}
	snprintf(path, sizeof path, "/proc/%ld/root/etc/passwd", (long)fitter);
	CHECK(!access(path, F_OK));
	for (int fd = 0; fd < 64; fd++) { /* its socket, and the way home */
		snprintf(path, sizeof path, "/proc/%ld/fd/%d", (long)fitter, fd);
		ssize_t n = readlink(path, root, sizeof root - 1);
		root[n > 0 ? n : 0] = '\0';
		CHECK_MSG((n > 0) == (fd == 3 || fd == 4), "%d is %s", fd, root);
	}
}

static void test_furnish(void)
{
	struct one one;

	mkdir(below("tree"), 0755);
	mkdir(below("open"), 0777);
	chmod(below("open"), 0777);
	put("tree/file", "hello");
	start_fitter();
	begin_empty(&one);
	plain();
	plan.hostname = word("%s", "web-1");
	plan.domainname = word("%s", "example.org");
	plan.data_dir = word("%s", below("open"));
	plan.data_opener = self();
	bind_of(below("tree"), "/srv/app", false);
	bind_of(below("open"), "/var/lib/open", true);
	bind_of(below("tree/file"), "/etc/conf", false);
	struct rocker_report said = furnish(&one);
	CHECK_MSG(!said.err, "%s: %s", said.step, strerror(-said.err));
	check_home();
	ASK(&one, 0, "read /srv/app/file");
	CHECK_STR(told, "hello");
	ASK(&one, 0, "read /etc/conf");
	ASK(&one, EROFS, "write /srv/app/new x");
	ASK(&one, 0, "become %u", JOB_ID);
	ASK(&one, 0, "write /var/lib/open/new x");
	ASK(&one, 0, "write /data/other x");
	CHECK(access(below("open/new"), F_OK) == 0 && access(below("open/other"), F_OK) == 0);
	ASK(&one, EPERM, "umount /srv/app");
	ASK(&one, 0, "names");
	CHECK_STR(told, "web-1.example.org");
	ASK(&one, ENOENT, "read /srv/app/../../proc/1/root/etc/passwd");
	end(&one);
	CHECK(stop_fitter() == 0);
}

/* One after the other, and none has what is the other's. */
static void test_in_turn(void)
{
	struct one ones[3];
	char path[64], inside[72], name[16];

	start_fitter();
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof path, "own%d", i);
		mkdir(below(path), 0755);
		begin_empty(&ones[i]);
	}
	for (int i = 0; i < 3; i++) {
		plain();
		snprintf(name, sizeof name, "host%d", i);
		plan.hostname = word("%s", name);
		snprintf(path, sizeof path, "own%d", i);
		snprintf(inside, sizeof inside, "/%s", path);
		bind_of(below(path), inside, false);
		struct rocker_report said = furnish(&ones[i]);
		CHECK_MSG(!said.err, "%s: %s", said.step, strerror(-said.err));
		check_home();
	}
	for (int i = 0; i < 3; i++) {
		ASK(&ones[i], 0, "list /");
		snprintf(path, sizeof path, "own%d ", i);
		CHECK_MSG(strstr(told, path) && strstr(strstr(told, "own") + 3, "own") == NULL, "%s", told);
		ASK(&ones[i], 0, "names");
		snprintf(name, sizeof name, "host%d", i);
		CHECK_MSG(!strncmp(told, name, strlen(name)), "%s", told);
		end(&ones[i]);
	}
	CHECK(stop_fitter() == 0);
}

/* It says what was wrong, about which word, and ends: nobody has to find out what is half done there. */
static void refuses(int err, const char *step, const char *about)
{
	struct one one;
	struct rocker_plan asked = plan;

	start_fitter();
	begin_empty(&one);
	plan = asked;
	struct rocker_report said = furnish(&one);
	CHECK_MSG(said.err == -err, "%s: %s", said.step, strerror(-said.err));
	CHECK_STR(said.step, step);
	CHECK_MSG(!about || (said.text && !strcmp(plan_text(&plan, said.text), about)), "%u", said.text);
	CHECK(stop_fitter() != 0);
	end(&one);
}

static void test_refusals(void)
{
	plain();
	bind_of(work, "/", false);
	refuses(EINVAL, "mount point", "/");
	plain();
	bind_of(work, "/tmp/a/../b", false);
	refuses(EINVAL, "mount point", "/tmp/a/../b");
	mkdir(below("tree2"), 0755);
	plain();
	bind_of(below("tree2"), "/srv", true);
	bind_of(work, "/srv/made/there", false);
	refuses(ENOENT, "mount point", "/srv/made/there");
	CHECK(access(below("tree2/made"), F_OK) != 0);
	plain();
	bind_of(work, "/proc/self/root/x", false);
	refuses(ENOENT, "mount point", "/proc/self/root/x");
}

/* A guard that has ended has no namespaces that could be entered. */
static void test_dead(void)
{
	struct one one;

	start_fitter();
	begin_empty(&one);
	kill(one.pid, SIGKILL);
	siginfo_t how;
	CHECK(!waitid(P_PID, (id_t)one.pid, &how, WEXITED | WNOWAIT));
	plain();
	struct rocker_report said = furnish(&one);
	CHECK_MSG(said.err == -ESRCH, "%s: %s", said.step, strerror(-said.err));
	CHECK(stop_fitter() != 0);
	end(&one);
}

/* Its socket's end, and what is no order, end it. */
static void test_ends(void)
{
	start_fitter();
	CHECK(stop_fitter() == 0);
	start_fitter();
	CHECK(send(fitter_end, "rubbish", 7, MSG_NOSIGNAL) == 7);
	CHECK(stop_fitter() != 0);
}

static void test_cannot(void)
{
	plain();
	CHECK(fitter_can(&plan));
	plan.noverlays = 1;
	CHECK(!fitter_can(&plan));
	plain();
	plan.package = 1;
	CHECK(!fitter_can(&plan));
	plain();
	plan.persist = 1;
	CHECK(!fitter_can(&plan));
}

static void all(void)
{
	if (!jail.root)
		return; /* an ordinary user's rockers are built as they are asked for */
	RUN_AS_ROLE(test_furnish);
	RUN_AS_ROLE(test_in_turn);
	RUN_AS_ROLE(test_refusals);
	RUN_AS_ROLE(test_dead);
	RUN_AS_ROLE(test_ends);
	RUN_AS_ROLE(test_cannot);
}

int main(void)
{
	return plans_as_roles(all);
}
