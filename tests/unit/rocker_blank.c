/* SPDX-License-Identifier: MIT */
/*
 * Blanks, openers and leaf namespaces for real, with a guard that tells what it sees.
 * single-threaded
 */
#include "rocker_make.h"

#include <sys/mount.h>

static struct rocker_plan plan;

static void plain(void)
{
	plan_init(&plan);
	plan.uid = plan.gid = job_id();
}

static uint32_t word(const char *text)
{
	return plan_add(&plan, text, strlen(text));
}

/* ---- a rocker with nothing in it ------------------------------------------------------------------- */

static void test_identity(void)
{
	struct one one;
	char want[128];

	plain();
	plan.leave_empty = 1;
	begin(&one);
	CHECK_MSG(build(&one, &plan), "%s: %s", one.said.step, strerror(-one.said.err));
	snprintf(want, sizeof want, "%u %u 0 1", guard_id(), guard_id());
	ASK(&one, 0, "ids");
	if (jail.root)
		CHECK_STR(told, want);
	snprintf(want, sizeof want, "[guard][%u][%u][e][guard-of-test]", job_id(), job_id());
	ASK(&one, 0, "args");
	CHECK_STR(told, want);
	ASK(&one, 0, "fds");
	CHECK_STR(told, "3 ");
	ASK(&one, 0, "core");
	CHECK_STR(told, "1 1");
	ASK(&one, 0, "read /proc/self/status");
	/* Not in the bounding set: no exec of the jobs can bring them back. */
	const char *caps = jail.root ? "00000000000000e0" : "0000000000000000";
	for (const char *const *set = (const char *const[]){ "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", NULL }; *set; set++) {
		snprintf(want, sizeof want, "%s:\t%s\n", *set, strcmp(*set, "CapBnd") ? caps : "0000000000000000");
		CHECK_MSG(strstr(told, want), "%s is not there: %.900s", want, told);
	}
	CHECK(strstr(told, "NoNewPrivs:\t1\n"));
	end(&one);
}

static void test_empty(void)
{
	struct one one;

	plain();
	begin(&one);
	CHECK_MSG(build(&one, &plan), "%s: %s", one.said.step, strerror(-one.said.err));
	ASK(&one, ENOENT, "read /etc/passwd");
	ASK(&one, ENOENT, "list /usr");
	ASK(&one, 0, "up /tmp");
	CHECK_MSG(strstr(told, "tmp ") && !strstr(told, "etc ") && !strstr(told, "home "), "%s", told);
	ASK(&one, 0, "list /dev");
	for (const char *const *d = (const char *const[]){ "null ", "zero ", "full ", "random ", "urandom ", "shm ", "fd ", NULL }; *d; d++)
		CHECK_MSG(strstr(told, *d), "%s is not in %s", *d, told);
	ASK(&one, 0, "write /dev/null x");
	ASK(&one, ENOSPC, "write /dev/full x");
	ASK(&one, 0, "read /dev/zero");
	ASK(&one, 0, "write /tmp/file x");
	ASK(&one, 0, "write /dev/shm/other x");
	ASK(&one, 0, "mkdir /tmp/dir");
	ASK(&one, 0, "rename /tmp/file /tmp/dir/file");
	ASK(&one, 0, "list /proc");
	CHECK_MSG(!strstr(told, "kallsyms") && !strstr(told, "sys "), "%s", told);
	ASK(&one, ENOENT, "read /proc/sys/kernel/core_pattern");
	CHECK(ask(&one, NULL, "write /file x") == (jail.root ? EACCES : EROFS));
	CHECK(ask(&one, NULL, "mkdir /run/x") == (jail.root ? EACCES : EROFS));
	if (jail.root)
		ASK(&one, EACCES, "list /.rocker");
	ASK(&one, 0, "names");
	CHECK_STR(told, "sandbox.");
	end(&one);
}

static void test_no_way_out(void)
{
	struct one one;

	plain();
	begin(&one);
	CHECK_MSG(build(&one, &plan), "%s: %s", one.said.step, strerror(-one.said.err));
	ASK(&one, EPERM, "mount /tmp");
	ASK(&one, EPERM, "remount /");
	ASK(&one, EPERM, "umount /proc");
	ASK(&one, EPERM, "unshare 0x20000");
	/* one of users needs no right, and there can be none */
	CHECK(ask(&one, NULL, "unshare 0x10000000") == ENOSPC);
	CHECK(ask(&one, NULL, "setns /proc/self/ns/mnt") > 0);
	CHECK(ask(&one, NULL, "setns /proc/self/ns/net") > 0);
	CHECK(ask(&one, NULL, "mknod /tmp/null") > 0);
	ASK(&one, EPERM, "chroot /tmp");
	ASK(&one, EPERM, "pivot /tmp");
	CHECK(ask(&one, NULL, "loopback") > 0); /* lo is down */
	ASK(&one, jail.root ? EINVAL : EPERM, "become 0");
	ASK(&one, jail.root ? EINVAL : EPERM, "become 1000");
	if (jail.root)
		ASK(&one, 0, "become %u", JOB_ID);
	end(&one);
}

/* As kernels with any version of Landlock would have it, and with none: files can be moved under all of them. */
static void test_landlock_versions(void)
{
	const struct rocker_env whole = env;
	struct one one;

	for (int abi = -1; abi <= whole.landlock; abi++) {
		env.landlock = abi;
		plain();
		begin(&one);
		CHECK_MSG(build(&one, &plan), "version %d: %s: %s", abi, one.said.step, strerror(-one.said.err));
		ASK(&one, 0, "write /tmp/file x");
		ASK(&one, 0, "mkdir /tmp/dir");
		ASK(&one, 0, "rename /tmp/file /tmp/dir/file");
		CHECK(ask(&one, NULL, "mknod /tmp/null") > 0);
		end(&one);
	}
	env = whole;
}

static void test_names_and_network(void)
{
	struct one one;

	plain();
	plan.hostname = word("web-1");
	plan.domainname = word("example.org");
	plan.network = PLAN_NET_LOOPBACK;
	plan.limits.disk_bytes = 1u << 20;
	begin(&one);
	CHECK_MSG(build(&one, &plan), "%s: %s", one.said.step, strerror(-one.said.err));
	ASK(&one, 0, "names");
	CHECK_STR(told, "web-1.example.org");
	ASK(&one, 0, "loopback");
	ASK(&one, ENOSPC, "fill /tmp/big");
	CHECK_MSG(atol(told) > 500000 && atol(told) <= 1 << 20, "%s bytes", told);
	end(&one);
	plain();
	plan.network = PLAN_NET_HOST; /* and no namespace comes along */
	begin(&one);
	CHECK(!build(&one, &plan));
	CHECK(one.said.err == -EINVAL);
	CHECK_STR(one.said.step, "network");
	end(&one);
}

/* A blank that nobody wants ends by itself, and so does one that hears nonsense. */
static void test_unwanted(void)
{
	struct one one;

	begin(&one);
	end(&one);
	begin(&one);
	CHECK(send(one.control, "nonsense", 8, 0) == 8);
	one.said = hear_report(one.report);
	one.report = -1;
	CHECK_MSG(one.said.err == -EBADMSG, "%d %s", one.said.err, one.said.step);
	end(&one);
}

static ino_t network_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_ino;
}

/* One that is joined when the blank is made, and one when it is built. */
static void test_given_networks(void)
{
	char path[64];
	struct one one, holder;

	begin(&holder);
	snprintf(path, sizeof path, "/proc/%d/ns/net", holder.pid);
	int netns = open(path, O_RDONLY | O_CLOEXEC);
	ino_t wanted = network_of(path);
	REQUIRE(netns >= 0 && wanted);
	for (int late = 0; late < 2; late++) {
		plain();
		begin_with(&one, late ? -1 : netns);
		build_netns = late ? netns : -1;
		CHECK_MSG(build(&one, &plan), "%s: %s", one.said.step, strerror(-one.said.err));
		build_netns = -1;
		ASK(&one, 0, "net");
		CHECK(strtoul(told, NULL, 10) == wanted);
		end(&one);
	}
	close(netns);
	end(&holder);
}

/* Who waits for a plan does not outlive the launcher, also where somebody else has its socket's other end. */
static void launcher_dies(bool late)
{
	char root[64];
	struct stat st;
	int tube[2], said[2] = { -1, -1 }; /* the blank's pid, the socket's number */
	struct one one;

	REQUIRE(pipe2(tube, O_CLOEXEC) == 0);
	pid_t launcher = fork();
	if (!launcher) {
		begin(&one);
		said[0] = one.pid;
		said[1] = one.control;
		CHECK(write(tube[1], said, sizeof said) == sizeof said);
		for (;;)
			pause();
	}
	int launcher_fd = (int)syscall(SYS_pidfd_open, launcher, 0);
	CHECK(read(tube[0], said, sizeof said) == sizeof said);
	int control = (int)syscall(SYS_pidfd_getfd, launcher_fd, said[1], 0);
	int blank = (int)syscall(SYS_pidfd_open, said[0], 0);
	CHECK_MSG(control >= 0 && blank >= 0, "%s", strerror(errno));
	snprintf(root, sizeof root, "/proc/%d/root/.rocker", said[0]);
	for (int i = 0; late && i < check_patient(2000) && stat(root, &st); i++)
		usleep(10000);
	CHECK_MSG(!late || !stat(root, &st), "%s: %s", root, strerror(errno));
	kill(launcher, SIGKILL);
	waitpid(launcher, NULL, 0);
	struct pollfd p = { blank, POLLIN, 0 };
	CHECK_MSG(poll(&p, 1, ANSWER_MS) == 1, "the blank lives on");
	for (int *fd = (int[]){ blank, control, launcher_fd, tube[0], tube[1], -1 }; *fd >= 0; fd++)
		close(*fd);
}

static void test_launcher_dies(void)
{
	launcher_dies(false);
	launcher_dies(true);
}

static void test_leaf_of_root(void)
{
	const struct leaf_ids good = { guard_id(), guard_id(), job_id(), job_id(), 0, 0 };
	uint32_t of_host[4] = { good.guard_uid, good.guard_gid, good.uid, good.gid };

	if (!jail.root) {
		check_skip("an ordinary user's has one id");
		return;
	}
	for (int i = 0; i < 4; i++) {
		uint32_t *id = &of_host[i], was = *id;
		*id = 0;
		const struct leaf_ids bad = { of_host[0], of_host[1], of_host[2], of_host[3], 0, 0 };
		CHECK_INT(leaf_make(&jail, &bad), -EPERM);
		*id = was;
	}
	int fd = leaf_make(&jail, &good);
	CHECK(fd >= 0);
	close(fd);
}

/* Jobs are called root; the guard is called as on the host, or as the jobs where it is the same user. */
static void test_root_inside(void)
{
	struct one one;
	struct leaf_ids ids = { guard_id(), guard_id(), job_id(), job_id(), 0, 0 };
	int usual = leaf;
	char want[128];

	leaf = leaf_make(&jail, &ids);
	REQUIRE(leaf >= 0);
	plain();
	plan.inside_uid = plan.inside_gid = 0;
	begin(&one);
	CHECK_MSG(build(&one, &plan), "%s: %s", one.said.step, strerror(-one.said.err));
	ASK(&one, 0, "args");
	CHECK_STR(told, "[guard][0][0][][guard-of-test]");
	/* An ordinary user's would else be its jobs' to write to. */
	ASK(&one, jail.root ? 0 : EACCES, "read /proc/1/status");
	for (const char *const *map = (const char *const[]){ "uid_map", "gid_map", NULL }; *map && jail.root; map++) {
		ASK(&one, 0, "read /proc/self/%s", *map);
		snprintf(want, sizeof want, "%10u %10u %10u\n", 0, job_id(), 1);
		CHECK_MSG(strstr(told, want), "%s is not there: %s", want, told);
		snprintf(want, sizeof want, "%10u %10u %10u\n", guard_id(), guard_id(), 1);
		CHECK(strstr(told, want));
	}
	end(&one);
	close(leaf);
	leaf = usual;
}

/* Here there is no control group. */
static void test_limits_by_rlimit(void)
{
	struct one one;

	plain();
	plan.limits.pids = 5;
	plan.limits.memory_bytes = 32u << 20;
	begin(&one);
	CHECK_MSG(build(&one, &plan), "%s: %s", one.said.step, strerror(-one.said.err));
	if (jail.root)
		ASK(&one, 0, "become %u", JOB_ID);
	ASK(&one, ENOMEM, "maps");
	CHECK_MSG(atoi(told) > 20 && atoi(told) <= 32, "%s MiB", told);
	if (jail.limits_processes) {
		ASK(&one, EAGAIN, "forks");
		/* itself is one of them, in place of a guard */
		CHECK_MSG(atoi(told) >= 3 && atoi(told) <= 5, "%s processes", told);
	}
	end(&one);
}

/* An ordinary user's rockers are counted one by one, though they have the same id. */
static void test_limits_are_apart(void)
{
	struct one ones[2];

	if (jail.root || !jail.limits_processes) {
		check_skip("those of one leaf namespace are counted together");
		return;
	}
	plain();
	plan.limits.pids = 5;
	for (int i = 0; i < 2; i++) {
		begin(&ones[i]);
		CHECK_MSG(build(&ones[i], &plan), "%s: %s", ones[i].said.step, strerror(-ones[i].said.err));
		ASK(&ones[i], EAGAIN, "forks");
		CHECK_MSG(atoi(told) == 5, "%s processes", told);
		ASK(&ones[i], ENOSPC, "unshare 0x10000000");
		ASK(&ones[i], 0, "fds");
		CHECK_STR(told, "3 ");
	}
	end(&ones[0]);
	end(&ones[1]);
}

static void test_facts(void)
{
	char text[1024] = "before\n", small[24] = "";

	size_t n = rocker_facts(&env, text, sizeof text);
	CHECK(n && strlen(text) == strlen("before\n") + n && text[strlen(text) - 1] == '\n');
	CHECK(strstr(text, "\nrocker_guard yes\n"));
	CHECK_MSG(strstr(text, jail.root ? "\nrocker_ids two\n" : "\nrocker_ids one\n"), "%s", text);
	CHECK(rocker_facts(&env, small, sizeof small) < sizeof small && strcmp(small, "rocker_guard yes\n") == 0);
}

static void test_listener(void)
{
	struct guard_reply reply = { 0 };
	char space[CMSG_SPACE(sizeof(int))];
	struct iovec part = { &reply, sizeof reply };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space };
	struct pollfd p;
	struct one one;

	plain();
	plan.profile = 1;
	begin(&one);
	CHECK_MSG(build(&one, &plan), "%s: %s", one.said.step, strerror(-one.said.err));
	p = (struct pollfd){ one.control, POLLIN, 0 };
	CHECK(poll(&p, 1, ANSWER_MS) == 1);
	CHECK(recvmsg(one.control, &m, MSG_CMSG_CLOEXEC) == (ssize_t)sizeof reply);
	CHECK(reply.type == GUARD_LISTENER && CMSG_FIRSTHDR(&m));
	if (CMSG_FIRSTHDR(&m))
		close(*(int *)CMSG_DATA(CMSG_FIRSTHDR(&m)));
	ASK(&one, 0, "fds");
	CHECK_STR(told, "3 ");
	end(&one);
	plain();
	plan.profile = 2;
	begin(&one);
	CHECK(!build(&one, &plan));
	CHECK_STR(one.said.step, "seccomp profile");
	end(&one);
}

static void all(void)
{
	RUN_AS_ROLE(test_identity);
	RUN_AS_ROLE(test_empty);
	RUN_AS_ROLE(test_no_way_out);
	RUN_AS_ROLE(test_landlock_versions);
	RUN_AS_ROLE(test_names_and_network);
	RUN_AS_ROLE(test_unwanted);
	RUN_AS_ROLE(test_given_networks);
	RUN_AS_ROLE(test_launcher_dies);
	RUN_AS_ROLE(test_leaf_of_root);
	RUN_AS_ROLE(test_root_inside);
	RUN_AS_ROLE(test_limits_by_rlimit);
	RUN_AS_ROLE(test_limits_are_apart);
	RUN_AS_ROLE(test_facts);
	RUN_AS_ROLE(test_listener);
}

int main(void)
{
	return rocker_as(all);
}
