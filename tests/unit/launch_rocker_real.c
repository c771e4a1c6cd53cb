/* SPDX-License-Identifier: MIT */
/*
 * Whole rockers, guard and all, by way of the launcher: that they are ready, run a job, and leave nothing behind.
 * deadline: 240
 * waits
 */
#include "launch_rocker.h"

#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>

#include "jailed/guard.h"

/* Named, so that the linker brings the guard along. */
extern const unsigned char jailed_guard[];
static const unsigned char *const volatile brought = jailed_guard;

/* The guard's next reply of that type, and a descriptor that came with it; false: none within 20 s. */
static bool guard_says(int control, uint32_t type, struct guard_reply *out, int *fd_out)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} space;

	for (;;) {
		struct iovec part = { out, sizeof *out };
		struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &space, .msg_controllen = sizeof space };
		struct pollfd p = { .fd = control, .events = POLLIN };
		int fd = -1;

		if (poll(&p, 1, 20000) != 1 || recvmsg(control, &m, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof *out)
			return false;
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		if (c && c->cmsg_type == SCM_RIGHTS)
			memcpy(&fd, CMSG_DATA(c), sizeof fd);
		if (out->type == type) {
			if (fd_out)
				*fd_out = fd;
			else if (fd >= 0)
				close(fd);
			return true;
		}
		if (fd >= 0)
			close(fd);
	}
}

static bool send_job(int control, const char *word, int out)
{
	static struct guard_order order;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(3 * sizeof(int))];
	} space = { 0 };
	const int fds[3] = { out, out, out };

	memset(&order, 0, offsetof(struct guard_order, text));
	order.type = GUARD_START;
	order.job = 1;
	order.argc = 1;
	order.text_used = (uint32_t)snprintf(order.text, sizeof order.text, "%s%c/", word, 0) + 1;
	struct iovec part = { &order, guard_order_size(&order) };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &space, .msg_controllen = sizeof space };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof fds);
	memcpy(CMSG_DATA(c), fds, sizeof fds);
	return sendmsg(control, &m, MSG_NOSIGNAL) == (ssize_t)guard_order_size(&order);
}

static struct rocker_plan *empty_plan(void)
{
	plan_init(&test_plan);
	test_plan.uid = test_plan.gid = UINT32_MAX;
	return &test_plan;
}

/* Sees /usr of the host. */
static struct rocker_plan *usual_plan(void)
{
	struct plan_opener opener = { .uid = an_owner(), .gid = geteuid() ? getegid() : 1234 };
	struct rocker_plan *plan = empty_plan();

	plan->nbinds = 1;
	plan->binds[0].host = plan->binds[0].inside = plan_add(plan, "/usr", 4);
	plan->binds[0].opener = (uint32_t)plan_add_opener(plan, &opener);
	return plan;
}

static void an_empty_one(void)
{
	struct life l;
	struct guard_reply reply;

	REQUIRE(life_new(&l, empty_plan(), an_owner()));
	CHECK_MSG(!l.rc, "%d %s", l.rc, l.sentence);
	REQUIRE(!l.rc);
	CHECK(guard_says(l.control, GUARD_READY, &reply, NULL));
	char path[48], name[32] = "";
	snprintf(path, sizeof path, "/proc/%ld/comm", (long)l.guard);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(read(fd, name, sizeof name - 1) > 0);
	close(fd);
	name[strcspn(name, "\n")] = '\0';
	CHECK_STR(name, l.name);
	life_end(&l);
	CHECK(groups_left() <= 0);
}

static void runs_a_job(void)
{
	struct life l;
	struct guard_reply reply;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	REQUIRE(life_new(&l, usual_plan(), an_owner()));
	CHECK_MSG(!l.rc, "%d %s", l.rc, l.sentence);
	REQUIRE(!l.rc);
	CHECK(guard_says(l.control, GUARD_READY, &reply, NULL));
	CHECK(send_job(l.control, "/usr/bin/true", null));
	CHECK(guard_says(l.control, GUARD_STARTED, &reply, NULL));
	CHECK_INT(reply.err, 0);
	CHECK(guard_says(l.control, GUARD_EXITED, &reply, NULL));
	CHECK_INT(reply.code, CLD_EXITED);
	CHECK_INT(reply.status, 0);
	CHECK(send_job(l.control, "/usr/bin/nothing-like-that", null));
	CHECK(guard_says(l.control, GUARD_STARTED, &reply, NULL));
	CHECK_INT(reply.err, -ENOENT);
	close(l.control);
	l.control = -1;
	REQUIRE(await(&l.ended, 20)); /* with its socket */
	life_end(&l);
	close(null);
}

/* Since when the kernel tells in whose pid namespace the process of a pidfd is. */
static bool spaces_are_told(void)
{
	int own = (int)syscall(SYS_pidfd_open, getpid(), 0), space = ioctl(own, _IO(0xff, 5), 0);

	close(own);
	if (space >= 0)
		close(space);
	return space >= 0;
}

static void nobody_outside_is_signalled(struct life *l)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t child = fork();

	if (!child) {
		pause();
		_exit(0);
	}
	int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
	launch_rocker_signal(l->rocker, SIGKILL, pidfd);
	launch_rocker_signal(l->rocker, SIGKILL, null);
	CHECK_INT(launch_rocker_freeze(l->rocker, false, on_done, l), 0);
	REQUIRE(await(&l->done, 20)); /* in their order */
	struct pollfd end = { .fd = pidfd, .events = POLLIN };
	CHECK_INT(poll(&end, 1, 200), 0);
	kill(child, SIGKILL);
	CHECK(waitpid(child, NULL, 0) == child);
	close(pidfd);
	close(null);
}

static void signals_stay_inside(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), job = -1;
	struct guard_reply reply;
	struct life l;

	REQUIRE(life_new(&l, usual_plan(), an_owner()));
	CHECK_MSG(!l.rc, "%d %s", l.rc, l.sentence);
	REQUIRE(!l.rc);
	nobody_outside_is_signalled(&l);
	CHECK(guard_says(l.control, GUARD_READY, &reply, NULL));
	CHECK(send_job(l.control, "/usr/bin/yes", null));
	CHECK(guard_says(l.control, GUARD_STARTED, &reply, &job));
	if (spaces_are_told()) {
		launch_rocker_signal(l.rocker, SIGTERM, job);
		CHECK(guard_says(l.control, GUARD_EXITED, &reply, NULL));
		CHECK_INT(reply.code, CLD_KILLED);
		CHECK_INT(reply.status, SIGTERM);
	}
	close(job);
	close(null);
	life_end(&l);
}

static void missing_path(void)
{
	struct rocker_plan *plan = usual_plan();
	struct life l;

	plan->binds[0].host = plan_add(plan, "/nothing\n/here", 14);
	REQUIRE(life_new(&l, plan, an_owner()));
	CHECK_INT(l.rc, -ENOENT);
	CHECK_HAS(l.sentence, "'/nothing\\x0a/here'");
	printf("# %s\n", l.sentence);
	life_end(&l);
	life_init(&l);
	CHECK_INT(launch_rocker_check(plan, on_done, &l), 0);
	REQUIRE(await(&l.done, 20));
	CHECK_INT(l.done_rc, -ENOENT);
	life_init(&l);
	CHECK_INT(launch_rocker_check(usual_plan(), on_done, &l), 0);
	REQUIRE(await(&l.done, 20));
	CHECK_MSG(!l.done_rc, "%s", l.sentence);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) /* which times are nobody's */
#define TIMES 20
#define CROWD 200
#else
#define TIMES 100
#define CROWD 1000
#endif

/* Builds and drops so many, a pause between them or none. */
static void price(const char *what, const struct rocker_plan *plan, useconds_t pause_us)
{
	static uint64_t took[TIMES], gone[TIMES];
	int n = check_fewer(TIMES);

	for (int i = 0; i < n; i++) {
		struct life l;
		uint64_t begin = now_us();
		REQUIRE(life_new(&l, plan, an_owner()));
		REQUIRE(!l.rc);
		took[i] = now_us() - begin;
		begin = now_us();
		life_end(&l);
		gone[i] = now_us() - begin;
		usleep(pause_us);
	}
	qsort(took, (size_t)n, sizeof *took, by_size);
	qsort(gone, (size_t)n, sizeof *gone, by_size);
	printf("# %s, %s: ready after %" PRIu64 " us (p10 %" PRIu64 ", p90 %" PRIu64 "), gone after %" PRIu64 " us\n", test_role,
	       what, took[n / 2], took[n / 10], took[n * 9 / 10], gone[n / 2]);
}

static void count_lines(const char *path, unsigned *out)
{
	static char text[1 << 18];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	*out = 0;
	while (fd >= 0 && (n = read(fd, text, sizeof text)) > 0)
		for (ssize_t i = 0; i < n; i++)
			*out += text[i] == '\n';
	if (fd >= 0)
		close(fd);
}

/* An opener rests for five seconds before it ends. */
static bool no_more_than(unsigned kids)
{
	for (int tries = 0; children(test_launcher) > kids && tries < check_patient(1000); tries++)
		(void)usleep(20000);
	return children(test_launcher) <= kids;
}

static void leaves_nothing(void)
{
	unsigned mounts, mounts_then, kids = children(test_launcher);

	count_lines("/proc/self/mounts", &mounts);
	price("empty, no pool", empty_plan(), 0);
	price("with /usr, no pool", usual_plan(), 0);
	count_lines("/proc/self/mounts", &mounts_then);
	CHECK_INT(mounts_then, mounts);
	CHECK(no_more_than(kids));
	CHECK(groups_left() <= 0);
}

static void pooled(void)
{
	price("empty, pool of 4", empty_plan(), 5000);
	price("with /usr, pool of 4", usual_plan(), 5000);
	price("empty, pool of 4, no pause", empty_plan(), 0);
	struct rocker_plan *plan = empty_plan();
	plan->network = PLAN_NET_LOOPBACK;
	price("loopback, pool of 4", plan, 5000);
}

static void crowd(void)
{
	static struct life lives[CROWD];
	struct sysinfo before, after;
	int n = check_fewer(geteuid() ? CROWD / 10 : CROWD);
	unsigned kids = children(test_launcher);
	uint64_t begin;

	sysinfo(&before);
	begin = now_us();
	for (int i = 0; i < n; i++)
		REQUIRE(life_begin(&lives[i], empty_plan(), an_owner()));
	for (int i = 0; i < n; i++) {
		REQUIRE(await(&lives[i].ready, 60));
		CHECK_MSG(!lives[i].rc, "%s", lives[i].sentence);
	}
	uint64_t built = now_us() - begin;
	sysinfo(&after);
	struct life one;
	begin = now_us();
	REQUIRE(life_new(&one, empty_plan(), an_owner()));
	uint64_t single = now_us() - begin;
	life_end(&one);
	begin = now_us();
	for (int i = 0; i < n; i++)
		launch_rocker_drop(lives[i].rocker);
	for (int i = 0; i < n; i++) {
		REQUIRE(await(&lives[i].gone, 60));
		life_close(&lives[i]);
	}
	printf("# %s, %d at once: built in %" PRIu64 " us each, %ld KiB each, one more in %" PRIu64 " us, gone in %" PRIu64
	       " us each\n", test_role, n, built / (unsigned)n,
	       ((long)before.freeram - (long)after.freeram) * (long)before.mem_unit / 1024 / n, single,
	       (now_us() - begin) / (unsigned)n);
	CHECK(groups_left() <= 0);
	CHECK(no_more_than(kids));
}

static bool all_dead(const struct life *lives, int n)
{
	for (int tries = 0; tries < check_patient(2000); tries++) {
		int dead = 0;
		for (int i = 0; i < n; i++)
			dead += kill(lives[i].guard, 0) && errno == ESRCH;
		if (dead == n)
			return true;
		usleep(10000);
	}
	return false;
}

#define FEW 3

static bool a_few(struct life lives[FEW])
{
	for (int i = 0; i < FEW; i++) {
		if (!life_new(&lives[i], empty_plan(), an_owner()) || lives[i].rc)
			return false;
	}
	if (groups_left() > 0) { /* one of them cannot see for itself that its socket has closed */
		CHECK_INT(launch_rocker_freeze(lives[0].rocker, true, on_done, &lives[0]), 0);
		return await(&lives[0].done, 20);
	}
	return true;
}

/* The daemon goes without a word: its launcher takes everything down. */
static void daemon_gone(void)
{
	static struct life lives[FEW];
	struct group_places places;

	start(4);
	REQUIRE(a_few(lives));
	places = launch_client.places;
	stop();
	CHECK(all_dead(lives, FEW));
	for (int i = 0; i < GROUP_PARTS; i++)
		CHECK(!places.version[i] || access(places.path[i], F_OK));
	for (int i = 0; i < FEW; i++)
		life_close(&lives[i]);
}

/* The launcher is killed: its rockers end with their sockets, and the next launcher clears their groups away. */
static void launcher_killed(void)
{
	static struct life lives[FEW];
	struct group_places places;

	start(4);
	REQUIRE(a_few(lives));
	places = launch_client.places;
	kill(test_launcher, SIGKILL);
	CHECK(wait_launcher() > 0);
	for (int i = 0; i < FEW; i++) {
		CHECK(await(&lives[i].ended, 20));
		life_end(&lives[i]);
	}
	launch_stop();
	close(test_channel);
	start(0);
	CHECK(all_dead(lives, FEW));
	for (int i = 0; i < GROUP_PARTS; i++)
		CHECK(!places.version[i] || access(places.path[i], F_OK));
	stop();
}

static void tests(void)
{
	CHECK(brought);
	start(0);
	printf("# %s", strstr(launch_machine(), "rockers ") ?: "?\n");
	RUN_AS_ROLE(an_empty_one);
	RUN_AS_ROLE(runs_a_job);
	RUN_AS_ROLE(signals_stay_inside);
	RUN_AS_ROLE(missing_path);
	RUN_AS_ROLE(leaves_nothing);
	RUN_AS_ROLE(crowd);
	stop();
	start(4);
	RUN_AS_ROLE(pooled);
	stop();
	RUN_AS_ROLE(daemon_gone);
	RUN_AS_ROLE(launcher_killed);
}

/* A thousand rockers are two thousand descriptors. */
static void raise_files(void)
{
	struct rlimit files;

	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

int main(void)
{
	raise_files();
	/* Others' mounts come and go. */
	if (!geteuid() && (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)))
		return 1;
	return in_roles(tests);
}
