/* SPDX-License-Identifier: MIT */
/*
 * Package images: whose the kernel mounts and whose a server reads, and that their loop devices go.
 * single-threaded
 */
#include "rocker_plans.h"

/* By a server where it can, by nobody where it cannot: the kernel has no part in it. */
static void not_by_kernel(const char *file)
{
	struct one one;

	if (strstr(file, "erofs")) {
		refused(EOPNOTSUPP,
			jail.root ? "erofs image is neither root's nor of a listed hash"
				  : "erofs image: the kernel mounts it for root alone",
			below(file));
		return;
	}
	if (access("/usr/bin/squashfuse_ll", X_OK)) {
		refused(EOPNOTSUPP, "image needs squashfuse, a package not installed here", below(file));
		return;
	}
	if (!jail.root && access("/dev/fuse", R_OK | W_OK)) {
		refused(EACCES, "image: /dev/fuse", below(file));
		return;
	}
	BUILD(&one);
	ASK(&one, 0, "read /opt/app/run");
	CHECK_STR(told, "an app");
	ASK(&one, EROFS, "write /opt/app/new x");
	ASK(&one, 0, "read /proc/self/mounts");
	CHECK_MSG(strstr(told, "/opt/app fuse ro,nosuid,nodev,"), "%s", told);
	end(&one);
}

/* Of an image in the plan that others than root may change. */
static void untrusted(const char *file)
{
	struct one one;

	chmod(below(file), 0666);
	not_by_kernel(file);
	CHECK(!chown(below(file), NOBODY, NOBODY));
	chmod(below(file), 0644);
	not_by_kernel(file);
	if (!strstr(file, "erofs") && !access("/usr/bin/squashfuse_ll", X_OK)) {
		chmod(below(file), 0600);
		plan.package_opener = opener(NOBODY);
		refused(EACCES, "image is read by nobody, so all must be able to", below(file));
		plan.package_opener = self();
		chmod(below(file), 0644);
	}
	/* but one whose hash is known is anybody's */
	char command[256], list[80];
	snprintf(command, sizeof command, "sha256sum <%s", below(file));
	FILE *p = popen(command, "r");
	CHECK(p && fscanf(p, "%64s", list) == 1);
	if (p)
		pclose(p);
	env.allowed_images = list;
	plan.package_opener = opener(NOBODY);
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
		not_by_kernel(file);
		return;
	}
	chmod(below(file), 0644);
	BUILD(&one);
	ASK(&one, 0, "read /opt/app/run");
	CHECK_STR(told, "an app");
	ASK(&one, EROFS, "write /opt/app/new x");
	end(&one);
	plan.package_opener = opener(NOBODY);
	BUILD(&one);
	ASK(&one, 0, "read /opt/app/run");
	end(&one);
	chmod(below(file), 0600);
	refused(EACCES, "open", below(file));
	plan.package_opener = self();
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

/* Devices that show the image. */
static int loops_of(const char *file)
{
	char command[256];
	int n = -1;

	snprintf(command, sizeof command, "losetup -j %s 2>/dev/null | wc -l", below(file));
	FILE *p = popen(command, "r");
	if (p && fscanf(p, "%d", &n) != 1)
		n = -1;
	if (p)
		pclose(p);
	return n;
}

/* One loop device for all, which goes with the last of them, a little later. */
static void test_loops_go(void)
{
	struct one one, two;
	int now = -1;

	if (!jail.root) {
		check_skip("no loop devices without root");
		return;
	}
	mkdir(below("app"), 0755);
	put("app/run", "an app");
	if (!shell("cd %s && rm -f once.img && mksquashfs app once.img -noappend >/dev/null 2>&1 && chmod 644 once.img", work)) {
		check_skip("no tool to make one");
		return;
	}
	plain();
	plan.package = word("%s", below("once.img"));
	plan.package_opener = self();
	plan.exec_dir = word("%s", "/opt/app");
	BUILD(&one);
	BUILD(&two);
	CHECK_MSG((now = loops_of("once.img")) == 1, "%d loop devices", now);
	end(&one);
	ASK(&two, 0, "read /opt/app/run");
	CHECK_STR(told, "an app");
	end(&two);
	for (int i = 0; i < 200 && (now = loops_of("once.img")); i++)
		usleep(100000);
	CHECK_MSG(!now, "%d loop devices are left", now);
}

/* Its server has rules of its own, which no kernel of an older Landlock must stop either. */
static void test_landlock_versions(void)
{
	const int whole = env.landlock;

	mkdir(below("app"), 0755);
	put("app/run", "an app");
	if (!shell("cd %s && rm -f old.squashfs && mksquashfs app old.squashfs -noappend >/dev/null 2>&1 && chmod 666 old.squashfs",
		   work)) {
		check_skip("no tool to make one");
		return;
	}
	for (int abi = -1; abi <= whole; abi++) {
		env.landlock = abi;
		plain();
		plan.package = word("%s", below("old.squashfs"));
		plan.package_opener = self();
		plan.exec_dir = word("%s", "/opt/app");
		not_by_kernel("old.squashfs");
	}
	env.landlock = whole;
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
	refused(EINVAL, "image is neither squashfs nor erofs", below("text"));
}

static void all(void)
{
	RUN_AS_ROLE(test_squashfs);
	RUN_AS_ROLE(test_erofs);
	RUN_AS_ROLE(test_loops_go);
	RUN_AS_ROLE(test_landlock_versions);
	RUN_AS_ROLE(test_no_package);
}

int main(void)
{
	return plans_as_roles(all);
}
