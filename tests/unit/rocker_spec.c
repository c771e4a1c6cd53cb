/* SPDX-License-Identifier: MIT */
/* The specification of a rocker: what each key takes, what it refuses and with which words, and that what is shown is accepted. */
/* single-threaded */
#include "check.h"

#include <errno.h>
#include <stdlib.h>

#include "rocker_spec.h"

static struct plan_opener root, user = { .uid = 1000, .gid = 1000, .ngroups = 1, .groups = { 27 } };

static struct rocker_judge judge_of(bool is_root)
{
	return (struct rocker_judge){ .whose = { "a", is_root ? 0 : 1000, is_root ? 0 : 1000 },
				      .by = is_root ? &root : &user };
}

/* The canonical text in a static buffer; "default" for none; "" with *rc_out. */
static const char *value_of(const struct rocker_judge *judge, const char *key, const char *text, const char *old, int *rc_out)
{
	static char canonical[4096];
	struct sfs_cmd cmd = { .text = text, .len = strlen(text) };
	char *out = NULL;

	*rc_out = rocker_judge_value(judge, rocker_key_find(key, strlen(key)), &cmd, old, &out);
	snprintf(canonical, sizeof(canonical), "%s", *rc_out ? "" : out ?: "default");
	free(out);
	return canonical;
}

/* ---- good values ------------------------------------------------------------------------------- */

static const struct {
	const char *key, *text, *canonical;
} good[] = {
	{ "app_id", "org.example.app", "org.example.app" },
	{ "app_id", "a", "default" },
	{ "uid", "1000", "default" },
	{ "uid", "auto", "default" },
	{ "gid", "27", "27" },
	{ "gid", "0x1b", "27" },
	{ "hostname", "'web'", "web" },
	{ "hostname", "web@1", "web@1" },
	{ "domainname", "none", "default" },
	{ "domainname", "example.org", "example.org" },
	{ "package", "none", "default" },
	{ "package", "", "default" },
	{ "package", "/srv/app.sqfs", "/srv/app.sqfs" },
	{ "package", "\"/srv/my app\"", "'/srv/my app'" },
	{ "package", "/srv/it\\'s", "'/srv/it'\\''s'" },
	{ "package", "/srv/\xc3\xa4", "'/srv/\xc3\xa4'" },
	{ "exec_dir", "/opt/x", "/opt/x" },
	{ "exec_dir", "/app", "default" },
	{ "data_dir", "/var/lib/x", "/var/lib/x" },
	{ "overlays", "/usr   /etc", "/usr /etc" },
	{ "overlays", "none", "default" },
	{ "binds", "/a /b ro\n'/c d' /e rw", "/a /b ro\n'/c d' /e rw" },
	{ "binds", "", "default" },
	{ "network", "loopback", "loopback" },
	{ "network", "none", "default" },
	{ "seccomp", "default", "default" },
	{ "memory.max", "64M", "67108864" },
	{ "memory.max", "1g", "1073741824" },
	{ "memory.max", "8G", "8589934592" },
	{ "memory.max", "512M", "default" },
	{ "pids.max", "5", "5" },
	{ "pids.max", "4096", "4096" },
	{ "cpu.max", "50000", "50000 100000" },
	{ "cpu.max", "50000 20000", "50000 20000" },
	{ "cpu.max", "max", "default" },
	{ "cpu.max", "max 50000", "max 50000" },
	{ "io.max", "8:0 rbps=1M", "8:0 rbps=1048576 wbps=max riops=max wiops=max" },
	{ "io.max", "8:0 rbps=max", "default" },
	{ "disk.max", "100K", "102400" },
	{ "time.max_ms", "500", "500" },
	{ "env", "A=1 'B=x y'", "A=1\n'B=x y'" },
	{ "cwd", "/tmp", "/tmp" },
	{ "persist", "yes", "yes" },
	{ "persist", "0", "default" },
	{ "leave_empty", "true", "yes" },
};

static void values(void)
{
	const struct rocker_judge judge = judge_of(false);

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		int rc;
		const char *is = value_of(&judge, good[i].key, good[i].text, NULL, &rc);

		CHECK_MSG(!rc && !strcmp(is, good[i].canonical), "%s '%s' is %d '%s' %s", good[i].key, good[i].text, rc, is,
			  rc ? sfs_sentence() : "");
	}
}

/* What is shown is accepted, and then shown again. */
static void canonical_again(void)
{
	const struct rocker_judge judge = judge_of(false);

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char *first = strdup(good[i].canonical);
		int rc;

		if (strcmp(first, "default"))
			CHECK_STR(value_of(&judge, good[i].key, first, NULL, &rc), first);
		free(first);
	}
}

/* ---- bad values -------------------------------------------------------------------------------- */

static const struct {
	const char *key, *text;
	int code;
	const char *sentence;
} bad[] = {
	{ "app_id", "", -EINVAL, "takes one word" },
	{ "app_id", "a b", -EINVAL, "takes one word" },
	{ "app_id", "a/b", -EINVAL, "'a/b' is no app_id" },
	{ "hostname", "0123456789012345678901234567890123456789012345678901234567890123456789", -ENAMETOOLONG, "64 bytes" },
	{ "memory.max", "8193M", -EDQUOT, "memory_max_bytes allows: 8589934592" },
	{ "memory.max", "max", -EDQUOT, "memory_max_bytes" },
	{ "pids.max", "4097", -EDQUOT, "pids_max allows: 4096" },
	{ "pids.max", "max", -EDQUOT, "pids_max" },
	{ "uid", "1001", -EPERM, "not uid 1000's to give" },
	{ "uid", "-1", -ERANGE, "-1 is not between" },
	{ "uid", "4294967295", -ERANGE, "is not between" },
	{ "uid", "root", -EINVAL, "'root' is no number" },
	{ "gid", "28", -EPERM, "not uid 1000's" },
	{ "package", "app", -EINVAL, "does not begin with '/'" },
	{ "package", "/a/../b", -EINVAL, "'..' in" },
	{ "package", "/a/..", -EINVAL, "'..' in" },
	{ "package", "'/a", -EINVAL, "a single quote has no end" },
	{ "package", "/a\\", -EINVAL, "a backslash stands before nothing" },
	{ "package", "/a\x01", -EINVAL, "UTF-8" },
	{ "package", "/\xff", -EINVAL, "UTF-8" },
	{ "exec_dir", "/", -EINVAL, "nothing can be put on" },
	{ "exec_dir", "/proc/1", -EINVAL, "nothing can be put on" },
	{ "exec_dir", "//dev", -EINVAL, "nothing can be put on" },
	{ "exec_dir", "none", -EINVAL, "does not begin with" },
	{ "overlays", "/usr /usr", -EINVAL, "stands there twice" },
	{ "overlays", "/usr/lib", -EINVAL, "no directory at the top" },
	{ "overlays", "/proc", -EINVAL, "nothing can be put on" },
	{ "overlays", "/a /b /c /d /e /f /g /h /i /j /k /l /m /n /o /p /q", -EDQUOT, "at most 16" },
	{ "binds", "/a /b", -EINVAL, "takes lines" },
	{ "binds", "/a /b rx", -EINVAL, "takes lines" },
	{ "binds", "/a /b ro\n/c /b ro", -EINVAL, "'/b' stands there twice" },
	{ "binds", "/a b ro", -EINVAL, "'b' does not begin" },
	{ "network", "all", -EINVAL, "none, loopback, host" },
	{ "network", "host", -EPERM, "host_network" },
	{ "seccomp", "nope", -ENOENT, "there are: " },
	{ "memory.max", "64X", -EINVAL, "'64X' is no number" },
	{ "memory.max", "1K", -ERANGE, "is not between 1048576" },
	{ "memory.max", "16777216T", -ERANGE, "is not between" },
	{ "memory.max", "99999999999999999999", -ERANGE, "is not between" },
	{ "memory.max", "-1", -ERANGE, "is not between" },
	{ "memory.max", "M", -EINVAL, "is no number" },
	{ "pids.max", "0", -ERANGE, "is not between 1 " },
	{ "pids.max", "1K", -EINVAL, "is no number, nor max" },
	{ "cpu.max", "10", -ERANGE, "1000 us" },
	{ "cpu.max", "max 10", -ERANGE, "1000 us" },
	{ "cpu.max", "1000 1000 1000", -EINVAL, "QUOTA PERIOD" },
	{ "cpu.max", "x", -EINVAL, "QUOTA PERIOD" },
	{ "io.max", "8 rbps=1", -EINVAL, "'8' is none of" },
	{ "io.max", "8:0 xbps=1", -EINVAL, "'xbps=1' is none of" },
	{ "io.max", "8:0 rbps=0", -ERANGE, "'rbps=0' is out of range" },
	{ "io.max", "8:9999999", -ERANGE, "out of range" },
	{ "io.max", "", -EINVAL, "takes MAJ:MIN" },
	{ "disk.max", "1", -ERANGE, "is not between 65536" },
	{ "time.max_ms", "max", -EINVAL, "is no number" },
	{ "time.max_ms", "0", -ERANGE, "is not between 1 and" },
	{ "env", "A", -EINVAL, "'A' is not KEY=VALUE" },
	{ "env", "=A", -EINVAL, "is not KEY=VALUE" },
	{ "cwd", "tmp", -EINVAL, "does not begin" },
	{ "persist", "maybe", -EINVAL, "neither yes nor no" },
};

static void refusals(void)
{
	const struct rocker_judge judge = judge_of(false);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int rc;

		(void)value_of(&judge, bad[i].key, bad[i].text, NULL, &rc);
		CHECK_MSG(rc == bad[i].code && strstr(sfs_sentence(), bad[i].sentence), "%s '%s' is %d: %s", bad[i].key, bad[i].text,
			  rc, rc ? sfs_sentence() : "accepted");
	}
}

static void root_may(void)
{
	struct rocker_judge judge = judge_of(true);
	int rc;

	CHECK_STR(value_of(&judge, "uid", "33", NULL, &rc), "33");
	CHECK_STR(value_of(&judge, "uid", "0", NULL, &rc), "0");
	CHECK_STR(value_of(&judge, "gid", "000", NULL, &rc), "0");
	CHECK_STR(value_of(&judge, "memory.max", "max", NULL, &rc), "max");
	CHECK_STR(value_of(&judge, "pids.max", "max", NULL, &rc), "max");
	CHECK_STR(value_of(&judge, "memory.max", "16G", NULL, &rc), "17179869184");
	CHECK_STR(value_of(&judge, "gid", "1234", NULL, &rc), "1234");
	CHECK_STR(value_of(&judge, "network", "host", NULL, &rc), "host");
	judge.whose = (struct rocker_whose){ "a", 1000, 1000 };
	CHECK_STR(value_of(&judge, "uid", "0", NULL, &rc), "0");
	CHECK_STR(value_of(&judge, "uid", "5", NULL, &rc), "5");
}

/* One line of io.max is one device; the others stay. */
static void io_lines(void)
{
	const struct rocker_judge judge = judge_of(true);
	const char *old = "8:0 rbps=1 wbps=max riops=max wiops=max\n8:16 rbps=2 wbps=max riops=max wiops=max";
	int rc;

	CHECK_STR(value_of(&judge, "io.max", "8:0 wiops=9", old, &rc),
		  "8:16 rbps=2 wbps=max riops=max wiops=max\n8:0 rbps=max wbps=max riops=max wiops=9");
	CHECK_STR(value_of(&judge, "io.max", "8:0", old, &rc), "8:16 rbps=2 wbps=max riops=max wiops=max");
	CHECK_STR(value_of(&judge, "io.max", "8:1 rbps=1", "8:16 rbps=2 wbps=max riops=max wiops=max", &rc),
		  "8:16 rbps=2 wbps=max riops=max wiops=max\n8:1 rbps=1 wbps=max riops=max wiops=max");
}

/* ---- whole files ------------------------------------------------------------------------------- */

static const char whole[] = "# all of it\n"
			    "[rocker]\n"
			    "app_id = org.example\n"
			    "gid=27\n"
			    "  hostname = web\n"
			    "package = '/srv/my app.sqfs'\n"
			    "exec_dir = /opt\n"
			    "data_dir = /var/x\n"
			    "overlays = /usr /etc\n"
			    "binds = /a /b ro\n"
			    "binds = /c /d rw\n"
			    "network = loopback\n"
			    "memory.max = 1G\n"
			    "pids.max = 7\n"
			    "cpu.max = 5000 10000\n"
			    "io.max = 8:0 rbps=1\n"
			    "io.max = 8:1 wbps=2\n"
			    "disk.max = 1M\n"
			    "time.max_ms = 77\n"
			    "env = A=1 B=2\n"
			    "env = 'C=x y'\n"
			    "cwd = /tmp\n"
			    "; the end\n"
			    "persist = yes";

static char *shown(const struct rocker_spec *spec, const struct rocker_whose *whose)
{
	struct sfs_buf *buf = sfs_buf_new();
	struct sfs_blob *blob;
	char *text;

	rocker_spec_show(spec, whose, buf);
	blob = sfs_buf_finish(buf);
	text = strdup(sfs_blob_data(blob));
	sfs_blob_put(blob);
	return text;
}

static void a_file(void)
{
	const struct rocker_judge judge = judge_of(false);
	int rc;
	struct rocker_spec *spec = rocker_spec_parse(&judge, whole, strlen(whole), &rc);
	const char *env;

	CHECK_MSG(spec, "%d: %s", rc, sfs_sentence());
	REQUIRE(spec);
	CHECK_STR(spec->values[KEY_BINDS], "/a /b ro\n/c /d rw");
	CHECK_STR(spec->values[KEY_PACKAGE], "'/srv/my app.sqfs'");
	CHECK(!spec->values[KEY_UID]);
	CHECK_INT(rocker_spec_time_ms(spec), 77);
	CHECK_INT(rocker_spec_env(spec, &env), 3);
	CHECK_MEM(env, "A=1\0B=2\0C=x y", 14);
	CHECK_STR(rocker_spec_cwd(spec), "/tmp");
	CHECK_INT(rocker_spec_disk_bytes(spec), 1 << 20);
	CHECK_INT(spec->openers[KEY_BINDS]->groups[0], 27);
	CHECK(!spec->openers[KEY_CWD]);
	rocker_spec_put(spec);
}

/* Both forms of showing are read back to the same. */
static void a_file_again(void)
{
	const struct rocker_judge judge = judge_of(false);
	int rc;
	struct rocker_spec *spec = rocker_spec_parse(&judge, whole, strlen(whole), &rc), *again;
	const struct rocker_whose *forms[] = { NULL, &judge.whose };

	REQUIRE(spec);
	for (int i = 0; i < 2; i++) {
		char *text = shown(spec, forms[i]), *second;

		again = rocker_spec_parse(&judge, text, strlen(text), &rc);
		CHECK_MSG(again, "%s: %s", sfs_sentence(), text);
		REQUIRE(again);
		CHECK(rocker_spec_same(spec, again));
		second = shown(again, forms[i]);
		CHECK_STR(second, text);
		free(second);
		free(text);
		rocker_spec_put(again);
	}
	rocker_spec_put(spec);
}

static const struct {
	const char *text;
	int code;
	const char *sentence;
} files[] = {
	{ "uid = 1\n", -EINVAL, "line 1: 'uid = 1' stands before the section" },
	{ "[rocker\n", -EINVAL, "line 1: '[rocker' is no section" },
	{ "[rocker]\n[binds]\n", -EINVAL, "line 2: '[binds]' is no section" },
	{ "[rocker]\nuid\n", -EINVAL, "line 2: 'uid' is neither" },
	{ "[rocker]\nsize = 1\n", -EINVAL, "line 2: 'size' is no key" },
	{ "[rocker]\n= 1\n", -EINVAL, "line 2: '' is no key" },
	{ "[rocker]\n\n\nuid = 1000\nuid = 1000\n", -EINVAL, "line 5: 'uid' is given twice" },
	{ "[rocker]\nbinds = /a /b ro\nbinds = /c /b ro\n", -EINVAL, "line 3: '/b' stands there twice" },
	{ "[rocker]\nmemory.max = 1\n", -ERANGE, "line 2: 1 is not between" },
	{ "[rocker]\nuid = 1\n", -EPERM, "line 2: uid 1 is not uid 1000's to give" },
	{ "[rocker]\npackage = '/x\n", -EINVAL, "line 2: package: a single quote has no end" },
};

static void files_refused(void)
{
	const struct rocker_judge judge = judge_of(false);

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int rc = 0;
		struct rocker_spec *spec = rocker_spec_parse(&judge, files[i].text, strlen(files[i].text), &rc);

		CHECK_MSG(!spec && rc == files[i].code && strstr(sfs_sentence(), files[i].sentence), "%s is %d: %s", files[i].text,
			  rc, rc ? sfs_sentence() : "accepted");
		rocker_spec_put(spec);
	}
}

/* ---- plans ------------------------------------------------------------------------------------- */

static void a_plan(void)
{
	static struct rocker_plan plan;
	const struct rocker_judge judge = judge_of(false);
	int rc;
	struct rocker_spec *spec = rocker_spec_parse(&judge, whole, strlen(whole), &rc);

	REQUIRE(spec);
	CHECK_INT(rocker_spec_plan(spec, &judge.whose, &plan), 0);
	CHECK(plan_ok(&plan, plan_size(&plan)));
	CHECK_INT(plan.uid, 1000);
	CHECK_INT(plan.gid, 27);
	CHECK_STR(plan_text(&plan, plan.package), "/srv/my app.sqfs");
	CHECK_STR(plan_text(&plan, plan.exec_dir), "/opt");
	CHECK_STR(plan_text(&plan, plan.binds[1].inside), "/d");
	CHECK_INT(plan.binds[1].writable, 1);
	CHECK_STR(plan_text(&plan, plan.overlays[1]), "/etc");
	CHECK_INT(plan.nopeners, 1);
	CHECK_INT(plan.limits.memory_bytes, 1 << 30);
	CHECK_INT(plan.limits.pids, 7);
	CHECK_INT(plan.limits.cpu_quota_us, 5000);
	CHECK_INT(plan.limits.cpu_period_us, 10000);
	CHECK_INT(plan.limits.ndevices, 2);
	CHECK_INT(plan.limits.devices[1].wbps, 2);
	CHECK_INT(plan.network, PLAN_NET_LOOPBACK);
	CHECK(plan.persist && !plan.leave_empty);
	CHECK(rocker_spec_check_plan(spec, KEY_DATA_DIR, &plan));
	CHECK(plan_ok(&plan, plan_size(&plan)) && plan.data_dir && !plan.package && !plan.nbinds);
	CHECK(rocker_spec_check_plan(spec, KEY_PACKAGE, &plan));
	CHECK(plan_ok(&plan, plan_size(&plan)));
	rocker_spec_put(spec);
}

static void plans_of_defaults(void)
{
	static struct rocker_plan plan;
	struct rocker_spec *spec = rocker_spec_new();
	const struct rocker_whose users = { "a", 1000, 1001 }, roots = { "a", 0, 0 };

	CHECK_INT(rocker_spec_plan(spec, &users, &plan), 0);
	CHECK(plan_ok(&plan, plan_size(&plan)));
	CHECK_INT(plan.uid, 1000);
	CHECK_INT(plan.gid, 1001);
	CHECK_STR(plan_text(&plan, plan.hostname), "a");
	CHECK(!plan.domainname && !plan.package && !plan.exec_dir);
	CHECK(!rocker_spec_check_plan(spec, ROCKER_KEYS, &plan));
	CHECK_INT(rocker_spec_plan(spec, &roots, &plan), 0);
	CHECK(plan.uid == ROCKER_ANY_ID && plan.gid == ROCKER_ANY_ID);
	CHECK(plan.inside_uid == PLAN_AS_HOST && plan.inside_gid == PLAN_AS_HOST);
	rocker_spec_put(spec);
}

/* Root inside is on the host who it would be without that; either id by itself. */
static void plans_of_root_inside(void)
{
	static struct rocker_plan plan;
	const struct {
		const char *text;
		uint32_t owner, uid, gid, inside_uid, inside_gid;
	} rows[] = {
		{ "uid = 0\ngid = 0\n", 1000, 1000, 1001, 0, 0 },
		{ "uid = 0\n", 1000, 1000, 1001, 0, PLAN_AS_HOST },
		{ "gid = 0\n", 1000, 1000, 1001, PLAN_AS_HOST, 0 },
		{ "uid = 0\ngid = 0\n", 0, ROCKER_ANY_ID, ROCKER_ANY_ID, 0, 0 },
		{ "uid = 0\ngid = 27\n", 0, ROCKER_ANY_ID, 27, 0, PLAN_AS_HOST },
		{ "uid = 33\ngid = 0\n", 0, 33, ROCKER_ANY_ID, PLAN_AS_HOST, 0 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct rocker_judge judge = judge_of(!rows[i].owner);
		char text[64];
		int rc;

		judge.whose = (struct rocker_whose){ "a", rows[i].owner, rows[i].owner ? 1001 : 0 };
		snprintf(text, sizeof(text), "[rocker]\n%s", rows[i].text);
		struct rocker_spec *spec = rocker_spec_parse(&judge, text, strlen(text), &rc);
		REQUIRE(spec);
		CHECK_INT(rocker_spec_plan(spec, &judge.whose, &plan), 0);
		CHECK(plan_ok(&plan, plan_size(&plan)));
		CHECK_INT(plan.uid, rows[i].uid);
		CHECK_INT(plan.gid, rows[i].gid);
		CHECK_INT(plan.inside_uid, rows[i].inside_uid);
		CHECK_INT(plan.inside_gid, rows[i].inside_gid);
		rocker_spec_put(spec);
	}
}

/* More text than a plan holds is refused, not cut. */
static void too_long(void)
{
	static struct rocker_plan plan;
	const struct rocker_judge judge = judge_of(false);
	struct sfs_buf *buf = sfs_buf_new();
	struct sfs_blob *blob;
	struct rocker_spec *spec;
	int rc;

	sfs_put(buf, "[rocker]\n");
	for (int i = 0; i < 12; i++)
		sfs_put(buf, "binds = /%03000d /b%d ro\n", i, i);
	blob = sfs_buf_finish(buf);
	spec = rocker_spec_parse(&judge, sfs_blob_data(blob), sfs_blob_size(blob), &rc);
	CHECK(spec);
	if (spec)
		CHECK_INT(rocker_spec_plan(spec, &judge.whose, &plan), -E2BIG);
	rocker_spec_put(spec);
	sfs_blob_put(blob);
}

static void what_is_the_same(void)
{
	struct rocker_spec *spec = rocker_spec_new(), *limit = rocker_spec_with(spec, KEY_MEMORY, "max", &user);
	struct rocker_spec *net = rocker_spec_with(spec, KEY_NETWORK, "loopback", &user);
	struct rocker_spec *mine = rocker_spec_with(spec, KEY_BINDS, "/a /b ro", &user);
	struct rocker_spec *roots = rocker_spec_with(spec, KEY_BINDS, "/a /b ro", &root);

	CHECK(rocker_spec_same(spec, limit));
	CHECK(!rocker_spec_same(spec, net));
	CHECK(!rocker_spec_same(mine, roots));
	rocker_spec_put(spec);
	rocker_spec_put(limit);
	rocker_spec_put(net);
	rocker_spec_put(mine);
	rocker_spec_put(roots);
}

int main(void)
{
	RUN(values);
	RUN(canonical_again);
	RUN(refusals);
	RUN(root_may);
	RUN(io_lines);
	RUN(a_file);
	RUN(a_file_again);
	RUN(files_refused);
	RUN(a_plan);
	RUN(plans_of_defaults);
	RUN(plans_of_root_inside);
	RUN(too_long);
	RUN(what_is_the_same);
	return check_done();
}
