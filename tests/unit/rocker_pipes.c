/* SPDX-License-Identifier: MIT */
/* What jobs read and write: input until its last writer, output within its limits. */
#include "rocker_stage.h"

/* ---- input --------------------------------------------------------------------------------------------------- */

static struct sfs_req *feed(struct sfs_obj *dir, const char *text, size_t len, bool nonblocking)
{
	struct sfs_cmd cmd = { .text = text, .len = len, .req = req_make(), .nonblocking = nonblocking };

	CHECK_INT(row_of("stdin")->store(dir, &cmd), SFS_LATER);
	return cmd.req;
}

static void input_ends_with_its_last_writer(void)
{
	static char big[200000], got[sizeof(big)];
	struct stage stage;
	struct sfs_req *req, *small, *large, *third;
	struct sfs_obj *dir;
	size_t have = 0;
	ssize_t n;

	stage_set(&stage);
	say_ready(&stage);
	req = start(&stage, "p");
	CHECK(take_order(&stage));
	say_started(&stage);
	CHECK_INT(req_wait(req), 0);
	dir = job_dir(&stage, req->answer);
	REQUIRE(dir);
	rocker_stdin_writers(dir, 1);
	rocker_stdin_writers(dir, 1);
	small = feed(dir, "a\0b", 3, false);
	CHECK_INT(req_wait(small), 0);
	CHECK_INT(read(stage.fds[0], got, sizeof(got)), 3);
	CHECK_MEM(got, "a\0b", 3);
	rocker_stdin_writers(dir, -1);
	memset(big, 'x', sizeof(big));
	large = feed(dir, big, sizeof(big), false);
	CHECK(!req_wait_ms(large, 20));
	third = feed(dir, "end", 3, false);
	CHECK(!req_wait_ms(third, 20));
	while (have < sizeof(big) + 3 && (n = read(stage.fds[0], got, sizeof(got))) > 0)
		have += (size_t)n;
	CHECK_INT(have, sizeof(big) + 3);
	CHECK_INT(req_wait(large), 0);
	CHECK_INT(req_wait(third), 0);
	rocker_stdin_writers(dir, -1);
	CHECK_INT(read(stage.fds[0], got, 1), 0);
	req_free(small);
	rocker_stdin_writers(dir, 1);
	small = feed(dir, "late", 4, false);
	CHECK_INT(req_wait(small), -ESRCH);
	rocker_stdin_writers(dir, -1);
	sfs_put_obj(dir);
	req_free(small), req_free(large), req_free(third), req_free(req);
	stage_strike(&stage);
}

static void writers_that_give_up_or_outlive_the_job(void)
{
	static char big[100000];
	struct stage stage;
	struct sfs_req *req, *first, *second, *none;
	struct sfs_obj *dir;

	stage_set(&stage);
	say_ready(&stage);
	req = start(&stage, "p");
	CHECK(take_order(&stage));
	say_started(&stage);
	CHECK_INT(req_wait(req), 0);
	dir = job_dir(&stage, req->answer);
	REQUIRE(dir);
	rocker_stdin_writers(dir, 1);
	first = feed(dir, big, sizeof(big), false);
	second = feed(dir, big, sizeof(big), false);
	none = feed(dir, big, 10, true);
	CHECK_INT(req_wait(none), -EAGAIN);
	req_cancel(second);
	CHECK_INT(req_wait(second), -EINTR);
	CHECK(!first->done);
	say_exited(&stage, stage.order.job, CLD_EXITED, 0);
	CHECK_INT(req_wait(first), -ESRCH);
	rocker_stdin_writers(dir, -1);
	sfs_put_obj(dir);
	req_free(first), req_free(second), req_free(none), req_free(req);
	stage_strike(&stage);
}

/* ---- output without end -------------------------------------------------------------------------------------- */

static void output_has_a_limit_and_is_read_all_the_same(void)
{
	static char block[4096];
	struct stage stage;
	struct sfs_req *req;

	stage_set(&stage);
	say_ready(&stage);
	req = run(&stage, "p");
	CHECK(take_order(&stage));
	say_started(&stage);
	memset(block, 'y', sizeof(block));
	for (int i = 0; i < 256; i++)
		CHECK_INT(write(stage.fds[1], block, sizeof(block)), sizeof(block));
	say_exited(&stage, stage.order.job, CLD_EXITED, 0);
	CHECK_INT(req_wait(req), 0);
	CHECK_HAS(result(&stage, 7), "output_bytes 65536\ndropped_bytes 983040\n");
	req_free(req);
	stage_strike(&stage);
}

static void a_user_keeps_so_much_and_no_more(void)
{
	struct rocker_output outputs[3] = { { .uid = 5 }, { .uid = 5 }, { .uid = 6 } };
	static char block[40000];
	struct sfs_blob *blob;

	fake_config.rocker_output_bytes = 1 << 20;
	fake_config.outputs_max_bytes = 100000;
	for (int i = 0; i < 3; i++)
		output_add(&outputs[i], OUTPUT_OUT, block, sizeof(block));
	CHECK_INT(outputs[0].parts[0].size, 40000);
	CHECK(outputs[1].dropped > 0);
	CHECK_INT(outputs[2].parts[0].size, 40000);
	output_clear(&outputs[0]);
	output_add(&outputs[1], OUTPUT_OUT, block, 20000);
	CHECK(outputs[1].parts[0].size >= 20000);
	for (int i = 1; i < 3; i++)
		output_clear(&outputs[i]);
	for (int i = 0; i < 40000; i++) /* more pieces than are noted */
		output_add(&outputs[0], i & 1, i & 1 ? "e" : "o", 1);
	CHECK(outputs[0].parts[0].size + outputs[0].parts[1].size + outputs[0].dropped == 40000);
	blob = output_blob(&outputs[0]);
	CHECK_INT(sfs_blob_size(blob), outputs[0].parts[0].size + outputs[0].parts[1].size);
	CHECK_MEM(sfs_blob_data(blob), "oeoeoe", 6);
	sfs_blob_put(blob);
	output_clear(&outputs[0]);
}

static void what_is_closed_is_one_text_and_stays_charged(void)
{
	struct rocker_output first = { .uid = 5 }, second = { .uid = 5 };
	static char block[60000];
	struct sfs_blob *blob, *again;

	fake_config.rocker_output_bytes = 1 << 20;
	fake_config.outputs_max_bytes = 100000;
	output_add(&first, OUTPUT_OUT, "a", 1);
	output_add(&first, OUTPUT_ERR, "b", 1);
	output_add(&first, OUTPUT_OUT, block, sizeof(block));
	blob = output_close(&first);
	CHECK_INT(sfs_blob_size(blob), 2 + sizeof(block));
	CHECK_MEM(sfs_blob_data(blob), "ab\0", 3);
	output_add(&first, OUTPUT_OUT, "late", 4);
	again = output_blob(&first);
	CHECK(again == blob);
	CHECK_INT(first.parts[OUTPUT_OUT].size, 1 + sizeof(block));
	CHECK_INT(first.dropped, 0);
	output_add(&second, OUTPUT_OUT, block, sizeof(block));
	CHECK(second.dropped > 0);
	output_clear(&first);
	output_add(&second, OUTPUT_OUT, block, 20000);
	CHECK_INT(sfs_blob_size(blob), 2 + sizeof(block)); /* the reader's own, still */
	sfs_blob_put(blob);
	sfs_blob_put(again);
	CHECK(!first.whole);
	blob = output_close(&first);
	CHECK_INT(sfs_blob_size(blob), 0);
	sfs_blob_put(blob);
	output_clear(&first);
	output_clear(&second);
}

int main(void)
{
	if (!stage_begin())
		return 1;
	RUN(input_ends_with_its_last_writer);
	RUN(writers_that_give_up_or_outlive_the_job);
	RUN(output_has_a_limit_and_is_read_all_the_same);
	RUN(a_user_keeps_so_much_and_no_more);
	RUN(what_is_closed_is_one_text_and_stays_charged);
	return stage_done();
}
