/* SPDX-License-Identifier: MIT */
/* The small parts of the core: text and blobs, refusals, accounts, staged bytes, permission bits. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "account.h"
#include "check.h"
#include "config.h"
#include "errors.h"
#include "stage.h"
#include "stats.h"

/* ---- text ------------------------------------------------------------------------------------ */

static void text_grows(void)
{
	struct sfs_buf *buf = sfs_buf_new();
	struct sfs_blob *blob;
	int i;

	for (i = 0; i < 10000; i++)
		sfs_put(buf, "%04d\n", i);
	sfs_put_bytes(buf, "\0x", 2);
	blob = sfs_buf_finish(buf);
	REQUIRE(blob);
	CHECK_INT(sfs_blob_size(blob), 50002);
	CHECK_MEM((const char *)sfs_blob_data(blob) + 49995, "9999\n\0x\0", 8);
	sfs_blob_put(sfs_blob_get(blob));
	sfs_blob_put(blob);
}

static void nothing_is_text_too(void)
{
	struct sfs_blob *blob = sfs_buf_finish(sfs_buf_new());

	REQUIRE(blob);
	CHECK_INT(sfs_blob_size(blob), 0);
	CHECK_STR(sfs_blob_data(blob), "");
	sfs_blob_put(blob);
	blob = sfs_blob_new("abc", 3);
	CHECK_STR(sfs_blob_data(blob), "abc");
	sfs_blob_put(blob);
}

static void failed_text_stays_failed(void)
{
	struct sfs_buf *buf = sfs_buf_new();
	char *large = malloc((size_t)300 << 20);

	sfs_put(buf, "before");
	sfs_put_bytes(buf, large, (size_t)300 << 20);
	sfs_put(buf, "after");
	CHECK(!sfs_buf_finish(buf));
	CHECK(!sfs_buf_finish(NULL));
	sfs_put(NULL, "nowhere");
	sfs_buf_free(NULL);
	sfs_blob_put(NULL);
	CHECK(!sfs_blob_get(NULL));
	CHECK(!sfs_blob_new(large, (size_t)300 << 20));
	free(large);
}

static void counts_have_one_length(void)
{
	struct sfs_buf *buf = sfs_buf_new();
	struct sfs_blob *blob;

	sfs_put_count(buf, "n", 7);
	sfs_put_count(buf, "n", UINT64_MAX);
	blob = sfs_buf_finish(buf);
	REQUIRE(blob);
	CHECK_STR(sfs_blob_data(blob), "n 7                   \nn 18446744073709551615\n");
	sfs_blob_put(blob);
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void sentences_are_escaped_and_bounded(void)
{
	char long_text[2000];

	memset(long_text, '\x01', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	CHECK_INT(sfs_fail(-EINVAL, "a '%s'", "x\n\x1b[0m\xff"), -EINVAL);
	CHECK_STR(sfs_sentence(), "a 'x\\x0A\\x1B[0m\\xFF'");
	CHECK_STR(errors_sentence(-EINVAL), sfs_sentence());
	CHECK_STR(errors_sentence(-ENOENT), "No such file or directory");
	CHECK_STR(errors_name(-EKEYREJECTED), "EKEYREJECTED");
	CHECK_STR(errors_name(-4000), "EIO");
	sfs_fail(-EINVAL, "%s", long_text);
	CHECK(strlen(sfs_sentence()) < SFS_SENTENCE_MAX);
}

static void *other_thread(void *sentence)
{
	snprintf(sentence, SFS_SENTENCE_MAX, "%s", sfs_sentence());
	return NULL;
}

static void sentences_belong_to_their_thread(void)
{
	char theirs[SFS_SENTENCE_MAX] = "?";
	pthread_t thread;

	sfs_fail(-EINVAL, "mine");
	pthread_create(&thread, NULL, other_thread, theirs);
	pthread_join(thread, NULL);
	CHECK_STR(theirs, "");
	CHECK_STR(sfs_sentence(), "mine");
}

/* ---- accounts and staged bytes --------------------------------------------------------------- */

static void open_files_have_a_limit(void)
{
	unsigned i;

	config_defaults();
	CHECK_INT(config_set("limits", "opens_max", "8"), 0);
	for (i = 0; i < 8; i++)
		CHECK_INT(account_open(7, false), 0);
	CHECK_INT(account_open(7, false), -EDQUOT);
	CHECK_HAS(sfs_sentence(), "8 files open");
	for (i = 0; i < 8; i++)
		CHECK_INT(account_open(7, true), 0);
	CHECK_INT(account_open(7, true), -EDQUOT);
	for (i = 0; i < 8; i++)
		account_close(7);
	CHECK_INT(account_open(7, false), -EDQUOT);
	CHECK_INT(account_open(8, false), 0);
	account_close(7);
	CHECK_INT(account_open(7, false), 0);
	for (i = 0; i < 8; i++)
		account_close(7);
	account_close(8);
	config_defaults();
}

static void texts_of_open_files_have_a_limit(void)
{
	uint64_t mib = 1 << 20;

	CHECK_INT(account_hold(7, 200 * mib), 0);
	CHECK_INT(account_hold(7, 57 * mib), -EDQUOT);
	CHECK_HAS(sfs_sentence(), "268435456 bytes");
	CHECK_INT(account_hold(8, 256 * mib), 0);
	CHECK_INT(account_hold(7, UINT64_MAX), -EDQUOT);
	account_unhold(7, 200 * mib);
	CHECK_INT(account_hold(7, 256 * mib), 0);
	account_unhold(7, 256 * mib);
	account_unhold(8, 256 * mib);
}

static void staged_bytes_have_limits(void)
{
	char block[4096] = "x";
	struct stage *a, *b;
	int err;

	config_defaults();
	CHECK_INT(config_set("limits", "staging_max_bytes", "8192"), 0);
	a = stage_new(7, 6000, &err);
	b = stage_new(7, 100000, &err);
	REQUIRE(a && b);
	CHECK_INT(stage_write(a, block, 4096, 0), 4096);
	CHECK_INT(stage_write(a, block, 4096, 0), 4096);
	CHECK_INT(stage_write(a, block, 4096, 2000), -EFBIG);
	CHECK_INT(stage_write(a, block, 1, INT64_MAX - 1), -EFBIG);
	CHECK_INT(stage_write(b, block, 4096, 0), 4096);
	CHECK_INT(stage_write(b, block, 1, -1), -EDQUOT);
	stage_put(a);
	CHECK_INT(stage_write(b, block, 1, -1), 1);
	CHECK_INT(stage_size(b), 4097);
	stage_put(b);
	config_defaults();
}

static void staged_files_have_limits(void)
{
	struct stage *a, *b;
	int err;

	config_defaults();
	CHECK_INT(config_set("limits", "staging_max_files", "2"), 0);
	a = stage_new(7, 6000, &err);
	b = stage_new(7, 6000, &err);
	REQUIRE(a && b);
	CHECK(!stage_new(7, 6000, &err));
	CHECK_INT(err, -EDQUOT);
	stage_put(stage_new(8, 6000, &err));
	CHECK_INT(err, 0);
	stage_put(a);
	a = stage_new(7, 6000, &err);
	CHECK(a);
	stage_put(a);
	stage_put(b);
	config_defaults();
}

static void what_was_handed_over_is_left_alone(void)
{
	struct stage *stage;
	char text[8] = "";
	size_t size;
	int err, fd;

	stage = stage_new(7, 100, &err);
	REQUIRE(stage);
	CHECK(!stage_dirty(stage));
	CHECK_INT(stage_write(stage, "abc", 3, 0), 3);
	CHECK(stage_dirty(stage));
	fd = stage_hand_over(stage, &size);
	CHECK_INT(size, 3);
	CHECK(!stage_dirty(stage));
	CHECK_INT(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	CHECK_INT(stage_write(stage, "X", 1, 1), 1);
	CHECK_INT(stage_read(stage, text, 8, 0), 3);
	CHECK_STR(text, "aXc");
	CHECK_INT(pread(fd, text, 8, 0), 3);
	CHECK_STR(text, "abc");
	CHECK_INT(stage_truncate(stage, 1), 0);
	CHECK_INT(stage_size(stage), 1);
	CHECK_INT(stage_truncate(stage, 0), 0);
	CHECK(!stage_dirty(stage));
	CHECK_INT(stage_truncate(stage, 101), -EFBIG);
	close(fd);
	stage_put(stage);
}

/* ---- permission bits ------------------------------------------------------------------------- */

static void modes_are_judged_as_open_does(void)
{
	struct sfs_cred root = { 0, 0, 0 }, ann = { 1000, 1000, 0 }, bob = { 1001, 1000, 0 };

	CHECK(sfs_may(&root, 1000, 1000, 0, R_OK | W_OK | X_OK));
	CHECK(sfs_may(&ann, 1000, 1000, 0600, R_OK | W_OK));
	CHECK(!sfs_may(&ann, 1000, 1000, 0066, R_OK)); /* the owner's bits are all that count for him */
	CHECK(sfs_may(&bob, 1000, 1000, 0640, R_OK));
	CHECK(!sfs_may(&bob, 1000, 1000, 0640, W_OK));
	CHECK(!sfs_may(&bob, 1000, 1000, 0604, R_OK));
	CHECK(sfs_may(&bob, 1000, 2000, 0604, R_OK));
	CHECK(!sfs_may(&bob, 1000, 2000, 0640, R_OK));
}

static void supplementary_groups_count(void)
{
	struct sfs_cred who = { geteuid(), 54320, getpid() }, other = { 1001, 54320, getpid() };
	gid_t groups[64];
	int n = getgroups(64, groups);

	if (n < 1 || !geteuid()) {
		check_skip("needs an ordinary user with supplementary groups");
		return;
	}
	CHECK(sfs_may(&who, 1000, groups[n - 1], 0640, R_OK));
	CHECK(!sfs_may(&who, 1000, 54321, 0640, R_OK));
	CHECK(!sfs_may(&other, 1000, groups[n - 1], 0640, R_OK));
}

/* ---- counters -------------------------------------------------------------------------------- */

static void latencies_fall_into_their_buckets(void)
{
	struct sfs_buf *buf = sfs_buf_new();
	struct sfs_blob *blob;

	stats_begin(OP_READ);
	stats_end(false);
	stats_begin(OP_READ);
	stats_end(true);
	sfs_stat_add(SFS_LOADS, 3);
	stats_show(buf);
	blob = sfs_buf_finish(buf);
	REQUIRE(blob);
	CHECK_HAS(sfs_blob_data(blob), "operations 2 ");
	CHECK_HAS(sfs_blob_data(blob), "op_read 2 ");
	CHECK_HAS(sfs_blob_data(blob), "operations_failed 1 ");
	CHECK_HAS(sfs_blob_data(blob), "loads 3 ");
	CHECK(!strstr(sfs_blob_data(blob), "latency_max_ns 0 "));
	CHECK(!strstr(sfs_blob_data(blob), "latency_read_max_ns 0 "));
	CHECK_HAS(sfs_blob_data(blob), "latency_write_max_ns 0 ");
	sfs_blob_put(blob);
}

int main(void)
{
	RUN(text_grows);
	RUN(nothing_is_text_too);
	RUN(failed_text_stays_failed);
	RUN(counts_have_one_length);
	RUN(sentences_are_escaped_and_bounded);
	RUN(sentences_belong_to_their_thread);
	RUN(open_files_have_a_limit);
	RUN(texts_of_open_files_have_a_limit);
	RUN(staged_bytes_have_limits);
	RUN(staged_files_have_limits);
	RUN(what_was_handed_over_is_left_alone);
	RUN(modes_are_judged_as_open_does);
	RUN(supplementary_groups_count);
	RUN(latencies_fall_into_their_buckets);
	return check_done();
}
