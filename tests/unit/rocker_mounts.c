/* SPDX-License-Identifier: MIT */
/*
 * What a rocker sees of the host: binds and overlays, opened with the right of whom they name.
 * single-threaded
 */
#include "rocker_plans.h"

#include <sys/mount.h>

static void test_binds(void)
{
	struct one one;

	mkdir(below("tree"), 0755);
	mkdir(below("tree/deep"), 0755);
	mkdir(below("open"), 0777);
	chmod(below("open"), 0777);
	put("tree/deep/file", "hello");
	put("secret", "secret");
	plain();
	bind_of(below("tree"), "/srv/app", false);
	bind_of(below("open"), "/var/lib/open/", true);
	bind_of(below("tree/deep/file"), "/etc/conf", false);
	bind_of("/dev/null", "/mnt/null", true);
	BUILD(&one);
	ASK(&one, 0, "read /srv/app/deep/file");
	CHECK_STR(told, "hello");
	ASK(&one, 0, "read /etc/conf");
	CHECK_STR(told, "hello");
	ASK(&one, EROFS, "write /srv/app/new x");
	CHECK(ask(&one, NULL, "write /etc/conf x") == (jail.root ? EACCES : EROFS));
	ASK(&one, EPERM, "remount /srv/app");
	ASK(&one, EPERM, "umount /srv/app");
	if (jail.root)
		ASK(&one, 0, "become %u", JOB_ID);
	ASK(&one, 0, "write /var/lib/open/new x");
	CHECK(access(below("open/new"), F_OK) == 0);
	ASK(&one, 0, "mkdir /var/lib/open/sub");
	ASK(&one, 0, "rename /var/lib/open/new /var/lib/open/sub/new");
	ASK(&one, EACCES, "write /mnt/null x"); /* no device of the host works */
	ASK(&one, 0, "up /srv/app/deep");
	CHECK_MSG(strstr(told, "srv ") && !strstr(told, "home ") && !strstr(told, "secret"), "%s", told);
	ASK(&one, ENOENT, "read /srv/app/../secret");
	ASK(&one, 0, "list /srv");
	CHECK_STR(told, "app ");
	ASK(&one, 0, "read /proc/self/mountinfo");
	CHECK_MSG(strstr(told, " /srv/app ro,nosuid,nodev"), "%s", told);
	end(&one);
}

/* Mounts of the host that come later do not show: nothing propagates. */
static void test_later_mounts(void)
{
	struct one one;

	if (!jail.root) {
		check_skip("only root mounts");
		return;
	}
	mkdir(below("shared"), 0755);
	mkdir(below("shared/sub"), 0755);
	CHECK(!mount(below("shared"), below("shared"), NULL, MS_BIND, NULL));
	CHECK(!mount(NULL, below("shared"), NULL, MS_SHARED, NULL));
	plain();
	bind_of(below("shared"), "/srv", false);
	BUILD(&one);
	CHECK(!mount("later", below("shared/sub"), "tmpfs", 0, NULL));
	put("shared/sub/file", "x");
	ASK(&one, ENOENT, "read /srv/sub/file");
	end(&one);
	umount2(below("shared/sub"), MNT_DETACH);
	umount2(below("shared"), MNT_DETACH);
}

static void test_refused_binds(void)
{
	plain();
	bind_of(below("missing"), "/srv", false);
	refused(ENOENT, "open", below("missing"));
	plain();
	bind_of("/proc/self/root", "/srv", false);
	refused(ELOOP, "open", "/proc/self/root");
	plain();
	bind_of(work, "/", false);
	refused(EINVAL, "mount point", "/");
	plain();
	bind_of(work, "/tmp/a/../b", false);
	refused(EINVAL, "mount point", "/tmp/a/../b");
	/* a place in a bind is not made: that would be on the host, with root's rights */
	mkdir(below("tree"), 0755);
	plain();
	bind_of(below("tree"), "/srv", true);
	bind_of(work, "/srv/made/there", false);
	refused(ENOENT, "mount point", "/srv/made/there");
	CHECK(access(below("tree/made"), F_OK) != 0);
	/* a link of the host leads to no place outside */
	CHECK(!symlink("/../../../../etc", below("tree/link")));
	plain();
	bind_of(below("tree"), "/srv", true);
	bind_of(work, "/srv/link", false);
	struct one one;
	begin(&one);
	if (build(&one, &plan))
		ASK(&one, 0, "list /etc");
	end(&one);
	CHECK(access("/etc/passwd", F_OK) == 0);
	unlink(below("tree/link"));
}

/* An opener has the rights of its user and no others. */
static void test_rights(void)
{
	struct rocker_report said;

	if (!jail.root) {
		check_skip("there is but one user");
		return;
	}
	mkdir(below("private"), 0700);
	put("private/file", "x");
	plain();
	bind_of(below("private/file"), "/srv/file", false)->opener = opener(NOBODY);
	plan.binds[0].opener = opener(NOBODY);
	for (int check = 0; check < 2; check++) {
		struct one one;
		begin(&one);
		said = open_for(&one, &plan, plan.binds[0].opener, check);
		CHECK_MSG(said.err == -EACCES, "%d %s", said.err, said.step);
		CHECK_STR(plan_text(&plan, said.text), below("private/file"));
		end(&one);
	}
	CHECK(!chown(below("private"), NOBODY, NOBODY));
	said = open_for(NULL, &plan, plan.binds[0].opener, true);
	CHECK_MSG(said.err == 0, "%d %s", said.err, said.step);
	/* groups count as well, and the launcher's own do not */
	CHECK(!chown(below("private"), 0, 4242));
	chmod(below("private"), 0750);
	said = open_for(NULL, &plan, plan.binds[0].opener, true);
	CHECK_MSG(said.err == -EACCES, "%d %s", said.err, said.step);
	plan.openers[plan.binds[0].opener].ngroups = 1;
	plan.openers[plan.binds[0].opener].groups[0] = 4242;
	said = open_for(NULL, &plan, plan.binds[0].opener, true);
	CHECK_MSG(said.err == 0, "%d %s", said.err, said.step);
}

/* What a resident opener answers: an error, or 1 that it has ended without one. */
static int resident_answer(int report)
{
	struct rocker_report said = { 0 };
	struct pollfd p = { report, POLLIN, 0 };

	if (poll(&p, 1, ANSWER_MS) != 1)
		return -ETIMEDOUT;
	return read(report, &said, sizeof said) == (ssize_t)sizeof said ? said.err : 1;
}

/* One that has just sent a mount has no more rights for the next plan than for the first, and serves no other user. */
static void test_resident(void)
{
	int pair[2], pidfd = -1;
	struct one one;

	if (!jail.root) {
		check_skip("an ordinary user's openers do not stay");
		return;
	}
	mkdir(below("kept"), 0700);
	put("kept/file", "x");
	mkdir(below("open"), 0755);
	plain();
	bind_of(below("open"), "/srv/open", false)->opener = opener(NOBODY);
	plan.binds[0].opener = opener(NOBODY);
	begin(&one);
	CHECK(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	struct opener_spec spec = { .plan = &plan, .opener = plan.binds[0].opener, .control = one.control,
				    .report = pair[1], .resident = true };
	pid_t pid = opener_spawn(&env, &spec, &pidfd);
	close(pair[1]);
	CHECK_INT(resident_answer(pair[0]), 0);
	spec.check_only = true;
	CHECK_INT(opener_order(pair[0], &spec), 0);
	CHECK_INT(resident_answer(pair[0]), 0);
	plan.binds[0].host = word("%s", below("kept/file"));
	CHECK_INT(opener_order(pair[0], &spec), 0);
	CHECK_INT(resident_answer(pair[0]), -EACCES);
	CHECK_INT(resident_answer(pair[0]), 1);
	CHECK(waitpid(pid, NULL, 0) == pid);
	close(pair[0]);
	close(pidfd);
	end(&one);
}

static void test_resident_of_another(void)
{
	int pair[2], pidfd = -1;

	if (!jail.root) {
		check_skip("an ordinary user's openers do not stay");
		return;
	}
	plain();
	bind_of(work, "/srv", false)->opener = opener(0);
	plan.binds[0].opener = opener(0);
	CHECK(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	struct opener_spec spec = { .plan = &plan, .opener = plan.binds[0].opener, .control = -1, .report = pair[1],
				    .check_only = true, .resident = true };
	pid_t pid = opener_spawn(&env, &spec, &pidfd);
	close(pair[1]);
	CHECK_INT(resident_answer(pair[0]), 0);
	plan.openers[spec.opener].uid = NOBODY;
	CHECK_INT(opener_order(pair[0], &spec), 0);
	CHECK_INT(resident_answer(pair[0]), 1);
	CHECK(waitpid(pid, NULL, 0) == pid);
	close(pair[0]);
	close(pidfd);
}

/* Of a directory that is closed to him nobody gets a view with another mode. */
static void test_closed_overlays(void)
{
	struct rocker_report said;

	mkdir(below("closed"), 0700);
	if (!jail.root) {
		CHECK(!chmod(below("closed"), 0));
		plain();
		plan.overlays_opener = self();
		plan.overlays[plan.noverlays++] = word("%s", below("closed"));
		refused(EACCES, "open", below("closed"));
		return;
	}
	for (int check = 0; check < 2; check++)
		for (int mode = 0700; mode <= 0704; mode++) {
			CHECK(!chmod(below("closed"), (mode_t)mode));
			plain();
			plan.overlays_opener = opener(NOBODY);
			plan.overlays[plan.noverlays++] = word("%s", below("closed"));
			struct one one;
			begin(&one);
			said = open_for(&one, &plan, 0, check);
			CHECK_MSG(said.err == -EACCES, "mode %o: %d %s", (unsigned)mode, said.err, said.step);
			end(&one);
		}
	CHECK(!chmod(below("closed"), 0705));
	said = open_for(NULL, &plan, 0, true);
	CHECK_MSG(said.err == 0, "%d %s", said.err, said.step);
}

static void test_passing_overlays(void)
{
	struct one one;

	plain();
	plan.overlays_opener = self();
	plan.overlays[plan.noverlays++] = word("%s", "/usr");
	plan.overlays[plan.noverlays++] = word("%s", "/etc");
	mkdir(below("tree"), 0755);
	put("tree/file", "hello");
	bind_of(below("tree"), "/usr/made", false);
	BUILD(&one);
	if (jail.root)
		ASK(&one, 0, "become %u", JOB_ID);
	ASK(&one, 0, "read /etc/passwd");
	ASK(&one, 0, "read /usr/made/file");
	ASK(&one, 0, "kind /usr");
	CHECK_STR(told, "0x794c7630");
	ASK(&one, 0, "list /bin");
	CHECK(strstr(told, "sh "));
	ASK(&one, 0, "write /usr/a_fake_file x");
	ASK(&one, 0, "read /usr/a_fake_file");
	CHECK_STR(told, "x");
	ASK(&one, 0, "mkdir /usr/a_fake_dir");
	ASK(&one, 0, "rename /usr/a_fake_file /usr/a_fake_dir/file");
	CHECK(access("/usr/a_fake_file", F_OK) != 0);
	CHECK(ask(&one, NULL, "write /etc/passwd x") == EACCES);
	ASK(&one, 0, "read /proc/self/mountinfo");
	CHECK_MSG(strstr(told, " /usr rw,nosuid,nodev"), "%s", told);
	end(&one);
}

/* Two lives with the same data directory. */
static void test_kept_overlays(void)
{
	struct one one;
	struct stat st;

	mkdir(below("data"), 0755);
	for (int life = 0; life < 2; life++) {
		plain();
		plan.overlays_opener = self();
		plan.overlays[plan.noverlays++] = word("%s", "/usr");
		plan.data_dir = word("%s", below("data"));
		plan.data_opener = self();
		BUILD(&one);
		if (jail.root)
			ASK(&one, 0, "become %u", JOB_ID);
		ASK(&one, life ? 0 : ENOENT, "read /usr/kept");
		CHECK_STR(told, life ? "first" : "");
		ASK(&one, 0, "write /usr/kept first");
		ASK(&one, 0, "list /data");
		CHECK(strstr(told, ".upperdir____usr ") && strstr(told, ".workdir____usr "));
		end(&one);
		CHECK(access(below("data/.upperdir____usr/kept"), F_OK) == 0);
	}
	CHECK(!stat(below("data/.upperdir____usr"), &st) && st.st_uid == job_id());
	/* a link in its place is no layer */
	CHECK(shell("mv %s/data/.upperdir____usr %s/moved && ln -s %s/moved %s/data/.upperdir____usr", work, work, work, work));
	plain();
	plan.overlays_opener = self();
	plan.overlays[plan.noverlays++] = word("%s", "/usr");
	plan.data_dir = word("%s", below("data"));
	plan.data_opener = self();
	refused(ELOOP, "layers in the data directory", below("data"));
}

/* The machine's own root may be an overlay, as in a container. */
static void test_layers_on_an_overlay(void)
{
	if (!jail.root) {
		check_skip("only root mounts");
		return;
	}
	for (const char *const *name = (const char *const[]){ "under", "upper", "store", "layered", NULL }; *name; name++)
		mkdir(below(*name), 0755);
	REQUIRE(shell("mount -t overlay -o lowerdir=%s/under,upperdir=%s/upper,workdir=%s/store none %s/layered", work, work, work,
		      work));
	plain();
	plan.overlays_opener = plan.data_opener = self();
	plan.overlays[plan.noverlays++] = word("%s", "/usr");
	plan.data_dir = word("%s", below("layered"));
	refused(EINVAL, "file system that keeps no overlay", below("layered"));
	CHECK(!umount2(below("layered"), MNT_DETACH));
}

/* Words of a plan are never options of a mount. */
static void test_odd_names(void)
{
	static const char odd[] = "od:d,lowerdir=\\x";
	char inside[128];
	struct one one;

	mkdir(below(odd), 0755);
	mkdir(below("store,of:odd"), 0755);
	for (int kept = 0; kept < 2; kept++) {
		plain();
		plan.overlays_opener = plan.data_opener = self();
		plan.overlays[plan.noverlays++] = word("%s", below(odd));
		if (kept)
			plan.data_dir = word("%s", below("store,of:odd"));
		BUILD(&one);
		if (jail.root)
			ASK(&one, 0, "become %u", JOB_ID);
		snprintf(inside, sizeof inside, "%s/file", below(odd));
		ASK(&one, 0, "write %s x", inside);
		CHECK(access(inside, F_OK) != 0);
		end(&one);
	}
}

/* As many as a plan can name; the blank takes them one after the other. */
static void test_many_binds(void)
{
	char inside[64];
	struct one one;

	mkdir(below("tree"), 0755);
	put("tree/file", "hello");
	plain();
	for (int i = 0; i < PLAN_BINDS_MAX; i++) {
		snprintf(inside, sizeof inside, "/srv/%d", i);
		bind_of(below("tree"), inside, false);
	}
	begin(&one);
	/* also where the blank is not there yet */
	kill(one.pid, SIGSTOP);
	struct rocker_report said = open_for(&one, &plan, 0, false);
	kill(one.pid, SIGCONT);
	CHECK_MSG(said.err == 0, "%s: %s", said.step, strerror(-said.err));
	order_build(&one, &plan);
	one.said = hear_report(one.report);
	one.report = -1;
	CHECK_MSG(!one.said.err, "%s: %s", one.said.step, strerror(-one.said.err));
	ASK(&one, 0, "read /srv/63/file");
	CHECK_STR(told, "hello");
	ASK(&one, 0, "fds");
	CHECK_STR(told, "3 ");
	end(&one);
}

static void all(void)
{
	RUN_AS_ROLE(test_binds);
	RUN_AS_ROLE(test_later_mounts);
	RUN_AS_ROLE(test_refused_binds);
	RUN_AS_ROLE(test_rights);
	RUN_AS_ROLE(test_resident);
	RUN_AS_ROLE(test_resident_of_another);
	RUN_AS_ROLE(test_closed_overlays);
	RUN_AS_ROLE(test_passing_overlays);
	RUN_AS_ROLE(test_kept_overlays);
	RUN_AS_ROLE(test_layers_on_an_overlay);
	RUN_AS_ROLE(test_odd_names);
	RUN_AS_ROLE(test_many_binds);
}

int main(void)
{
	return plans_as_roles(all);
}
