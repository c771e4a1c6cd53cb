/* SPDX-License-Identifier: MIT */
/* The configuration: what is accepted, what is refused and where, and that what is shown is accepted. */
#include <errno.h>
#include <stdlib.h>

#include "check.h"
#include "config.h"

static const char *shown(void)
{
	static struct sfs_blob *blob;
	struct sfs_buf *buf = sfs_buf_new();

	sfs_blob_put(blob);
	config_show(buf);
	blob = sfs_buf_finish(buf);
	return blob ? sfs_blob_data(blob) : "";
}

static void defaults_are_whole(void)
{
	config_defaults();
	CHECK_INT(sfs_config()->threads, 4);
	CHECK_INT(sfs_config()->request_ms, 1000);
	CHECK_INT(sfs_config()->daemon_uid, 64800);
	CHECK(sfs_config()->store_max_bytes > 0);
	CHECK_HAS(sfs_config()->events, ",");
	CHECK(!sfs_config()->store_durable);
}

static void files_set_keys(void)
{
	config_defaults();
	CHECK_INT(config_parse("x", "# comment\n[daemon]\nthreads = 7\nstate_dir = /tmp/a b\n\n[store]\ndurable=yes\n"), 0);
	CHECK_INT(sfs_config()->threads, 7);
	CHECK_STR(sfs_config()->state_dir, "/tmp/a b");
	CHECK(sfs_config()->store_durable);
}

static void bad_lines_are_named(void)
{
	static const struct {
		const char *text;
		int err;
		const char *why;
	} bad[] = {
		{ "[daemon]\nthreds = 4\n", -EINVAL, "x:2: unknown key 'threds' in section [daemon]" },
		{ "[nothing]\na = 4\n", -EINVAL, "x:2: unknown key 'a' in section [nothing]" },
		{ "threads = 4\n", -EINVAL, "x:1: unknown key 'threads' in section []" },
		{ "[daemon]\nthreads = 1\n", -ERANGE, "x:2: threads: 1 is not between 2 and 64" },
		{ "[daemon]\nthreads = 99999999999999999999\n", -ERANGE, "x:2: threads" },
		{ "[daemon]\nthreads = 4x\n", -EINVAL, "x:2: threads: '4x' is no number" },
		{ "[daemon]\nthreads = -4\n", -EINVAL, "is no number" },
		{ "[daemon]\nthreads =\n", -EINVAL, "is no number" },
		{ "[daemon]\nthreads = 4\nthreads = 5\n", -EINVAL, "x:3: threads is given twice" },
		{ "[store]\n\ndurable = true\n", -EINVAL, "x:3: durable: 'true' is neither yes nor no" },
		{ "[daemon]\nwhat\n", -EINVAL, "x:2: neither a section nor key = value" },
		{ "[daemon\nthreads = 4\n", -EINVAL, "x:1: neither" },
	};
	unsigned i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		config_defaults();
		CHECK_INT(config_parse("x", bad[i].text), bad[i].err);
		CHECK_HAS(sfs_sentence(), bad[i].why);
	}
}

static void long_lines_are_refused_not_cut(void)
{
	char text[700] = "[store]\nallow = ";

	memset(text + strlen(text), 'a', 300);
	strcat(text, "\n");
	config_defaults();
	CHECK_INT(config_parse("x", text), -E2BIG);
	CHECK_HAS(sfs_sentence(), "x:2: a line has at most");
}

static void what_is_shown_is_accepted(void)
{
	char text[4096] = "[store]\nloaders = ann, @users ,bob\nallow =", before[8192];
	unsigned i;

	for (i = 0; i < 40; i++)
		sprintf(text + strlen(text), "%s%064x\n", i ? "\t" : " ", i);
	config_defaults();
	CHECK_INT(config_parse("x", text), 0);
	CHECK_STR(sfs_config()->store_loaders, "ann,@users,bob");
	CHECK_INT(strlen(sfs_config()->store_allow), 40 * 65 - 1);
	snprintf(before, sizeof(before), "%s", shown());
	config_defaults();
	CHECK_INT(config_parse("/config", before), 0);
	CHECK_STR(shown(), before);
	CHECK_INT(strlen(sfs_config()->store_allow), 40 * 65 - 1);
}

static void lists_have_an_end(void)
{
	char text[20000] = "[store]\nallow = x";
	unsigned i;

	for (i = 0; i < 70; i++)
		sprintf(text + strlen(text), "\n\t%064x", i);
	config_defaults();
	CHECK_INT(config_parse("x", text), -E2BIG);
	CHECK_HAS(sfs_sentence(), "allow: at most 4095 bytes");
}

int main(void)
{
	RUN(defaults_are_whole);
	RUN(files_set_keys);
	RUN(bad_lines_are_named);
	RUN(long_lines_are_refused_not_cut);
	RUN(what_is_shown_is_accepted);
	RUN(lists_have_an_end);
	return check_done();
}
