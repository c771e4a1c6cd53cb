/* SPDX-License-Identifier: MIT */
/*
 * What a rocker sees of the host: binds, overlays and images, opened with the right of whom they name.
 * single-threaded
 */
#include "rocker_make.h"

#include <sys/mount.h>

static struct rocker_plan plan;
static char work[64]; /* a directory of the role's own */

static uint32_t word(const char *format, const char *a)
{
	char text[256];

	snprintf(text, sizeof text, format, a);
	return plan_add(&plan, text, strlen(text));
}

/* Host paths are opened as uid; an ordinary user has but his own. */
static uint32_t opener(uint32_t uid)
{
	const struct plan_opener user = { .uid = uid, .gid = uid };

	return (uint32_t)plan_add_opener(&plan, &user);
}

static uint32_t self(void)
{
	return opener(geteuid());
}

static void plain(void)
{
	plan_init(&plan);
	plan.uid = plan.gid = job_id();
}

static struct plan_bind *bind_of(const char *host, const char *inside, bool writable)
{
	struct plan_bind *b = &plan.binds[plan.nbinds++];

	b->host = word("%s", host);
	b->inside = word("%s", inside);
	b->opener = self();
	b->writable = writable;
	return b;
}

/* Valid for the next few calls. */
static char *below(const char *name)
{
	static char paths[8][128];
	static unsigned n;
	char *path = paths[n++ % 8];

	snprintf(path, sizeof *paths, "%s/%s", work, name);
	return path;
}

static void put(const char *name, const char *text)
{
	int fd = open(below(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static bool shell(const char *format, ...)
{
	char command[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof command, format, args);
	va_end(args);
	return system(command) == 0;
}

#define BUILD(one)                                                                                                     \
	do {                                                                                                           \
		begin(one);                                                                                            \
		CHECK_MSG(build(one, &plan), "%s '%s': %s", (one)->said.step, plan_text(&plan, (one)->said.text),        \
			  strerror(-(one)->said.err));                                                                 \
	} while (0)

/* It is refused by step, about that word. */
static void refused(int err, const char *step, const char *about)
{
	struct one one;

	begin(&one);
	CHECK(!build(&one, &plan));
	CHECK_MSG(one.said.err == -err, "%s, not %s", strerror(-one.said.err), strerror(err));
	CHECK_STR(one.said.step, step);
	CHECK_STR(plan_text(&plan, one.said.text), about);
	end(&one);
}

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

/* Of an image in the plan that others than root may change. */
static void untrusted(const char *file)
{
	struct one one;

	chmod(below(file), 0666);
	refused(EOPNOTSUPP, "image is neither root's nor of a listed hash", below(file));
	CHECK(!chown(below(file), NOBODY, NOBODY));
	chmod(below(file), 0644);
	refused(EOPNOTSUPP, "image is neither root's nor of a listed hash", below(file));
	/* but one whose hash is known is anybody's */
	char command[256], list[80];
	snprintf(command, sizeof command, "sha256sum <%s", below(file));
	FILE *p = popen(command, "r");
	CHECK(p && fscanf(p, "%64s", list) == 1);
	if (p)
		pclose(p);
	env.allowed_images = list;
	BUILD(&one);
	env.allowed_images = "";
	ASK(&one, 0, "read /opt/app/run");
	end(&one);
}

static void image(const char *make, const char *file)
{
	struct one one;

	mkdir(below("app"), 0755);
	put("app/run", "an app");
	if (!shell("cd %s && rm -f %s && %s >/dev/null 2>&1", work, file, make)) {
		check_skip("no tool to make one");
		return;
	}
	plain();
	plan.package = word("%s", below(file));
	plan.package_opener = self();
	plan.exec_dir = word("%s", "/opt/app");
	if (!jail.root) {
		refused(EOPNOTSUPP, "image: not without root", below(file));
		return;
	}
	chmod(below(file), 0644);
	BUILD(&one);
	ASK(&one, 0, "read /opt/app/run");
	CHECK_STR(told, "an app");
	ASK(&one, EROFS, "write /opt/app/new x");
	end(&one);
	untrusted(file);
}

static void test_squashfs(void)
{
	image("mksquashfs app image.squashfs -noappend", "image.squashfs");
}

static void test_erofs(void)
{
	image("mkfs.erofs image.erofs app", "image.erofs");
}

static int loops_in_use(void)
{
	FILE *p = popen("losetup -a 2>/dev/null | wc -l", "r");
	int n = -1;

	if (p && fscanf(p, "%d", &n) != 1)
		n = -1;
	if (p)
		pclose(p);
	return n;
}

/* The loop device goes with its rocker, a little later. */
static void test_loops_go(void)
{
	int before = loops_in_use(), now = -1;

	if (!jail.root) {
		check_skip("no loop devices without root");
		return;
	}
	test_squashfs();
	for (int i = 0; i < 100 && (now = loops_in_use()) > before; i++)
		usleep(100000);
	CHECK_MSG(now <= before, "%d loop devices, %d before", now, before);
}

static void test_no_package(void)
{
	plain();
	plan.package = word("%s", "/dev/null");
	plan.package_opener = self();
	plan.exec_dir = word("%s", "/opt/app");
	refused(EINVAL, "image is not a regular file", "/dev/null");
	put("text", "no image at all");
	plain();
	plan.package = word("%s", below("text"));
	plan.package_opener = self();
	plan.exec_dir = word("%s", "/opt/app");
	if (jail.root)
		refused(EINVAL, "image is neither squashfs nor erofs", below("text"));
}

static void all(void)
{
	snprintf(work, sizeof work, "/tmp/rocker-mounts-XXXXXX");
	if (!mkdtemp(work))
		abort();
	chmod(work, 0755);
	RUN_AS_ROLE(test_binds);
	RUN_AS_ROLE(test_later_mounts);
	RUN_AS_ROLE(test_refused_binds);
	RUN_AS_ROLE(test_rights);
	RUN_AS_ROLE(test_closed_overlays);
	RUN_AS_ROLE(test_passing_overlays);
	RUN_AS_ROLE(test_kept_overlays);
	RUN_AS_ROLE(test_squashfs);
	RUN_AS_ROLE(test_erofs);
	RUN_AS_ROLE(test_loops_go);
	RUN_AS_ROLE(test_no_package);
	CHECK(shell("chmod -R u+rwx %s; rm -rf %s", work, work));
}

int main(void)
{
	return rocker_as(all);
}
