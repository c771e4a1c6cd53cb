/* SPDX-License-Identifier: MIT */
/* Jobs in rockers, with an honest guard and a slow one: what commands are answered, and what the files show. */
#include "rocker_stage.h"

/* ---- honest ------------------------------------------------------------------------------------------------ */

static void a_run_is_answered_with_its_output(void)
{
	struct stage stage;
	struct sfs_req *req;
	struct stat st;

	stage_set(&stage);
	say_ready(&stage);
	req = run(&stage, "prog 'a b' c");
	CHECK(take_order(&stage));
	CHECK_INT(stage.order.type, GUARD_START);
	CHECK_INT(stage.order.argc, 3);
	CHECK_INT(stage.order.envc, 2);
	CHECK_MEM(stage.order.text, "prog\0a b\0c\0A=1\0B=2\0/tmp", 24);
	CHECK_INT(stage.order.text_used, 24);
	CHECK_INT(stage.order.limits[0].used, 1);
	CHECK_INT(read(stage.fds[0], &st, 1), 0); /* at its end from the beginning */
	say_started(&stage);
	CHECK_INT(write(stage.fds[1], "out\n", 4), 4);
	CHECK_INT(write(stage.fds[2], "err\n", 4), 4);
	CHECK_INT(write(stage.fds[1], "out2\n", 5), 5);
	say_exited(&stage, stage.order.job, CLD_EXITED, 3);
	CHECK_INT(req_wait(req), 0);
	CHECK_STR(req->answer, "out\nerr\nout2\n");
	CHECK_HAS(result(&stage, 7), "status exit\nexit_code 3\nsignal -\nsyscall -\nwall_ns ");
	CHECK_HAS(result(&stage, 7), "user_ns 1000\nsystem_ns 2000\nmemory_peak_bytes 4096\n");
	CHECK_HAS(result(&stage, 7), "output_bytes 13\ndropped_bytes 0\n");
	CHECK_STR(result(&stage, 8), "");
	CHECK_STR(shown(rocker_output_blob(stage.dir, &(struct sfs_cred){ .uid = 7 })), "out\nerr\nout2\n");
	CHECK(!rocker_output_blob(stage.dir, &(struct sfs_cred){ .uid = 8 }));
	CHECK_INT(stage.rocker->counts[ROCKER_STARTS], 1);
	CHECK_INT(stage.rocker->counts[ROCKER_EXITS], 1);
	req_free(req);
	stage_strike(&stage);
}

static void a_short_run_costs_one_message(void)
{
	struct stage stage;
	struct sfs_req *req;

	stage_set(&stage);
	say_ready(&stage);
	req = run(&stage, "p");
	CHECK(take_order(&stage));
	CHECK_INT(stage.order.whole, 1);
	CHECK_INT(write(stage.fds[1], "all", 3), 3);
	say_exited(&stage, stage.order.job, CLD_EXITED, 0);
	CHECK_INT(req_wait(req), 0);
	CHECK_STR(req->answer, "all");
	CHECK_INT(stage.rocker->counts[ROCKER_STARTS], 1);
	req_free(req);
	fake_kills = true; /* whose a call is has to be known */
	req = run(&stage, "p");
	CHECK(take_order(&stage));
	CHECK_INT(stage.order.whole, 0);
	say_started(&stage);
	say_exited(&stage, stage.order.job, CLD_EXITED, 0);
	CHECK_INT(req_wait(req), 0);
	req_free(req);
	stage_strike(&stage);
}

static void users_have_last_jobs_of_their_own(void)
{
	struct stage stage;

	stage_set(&stage);
	say_ready(&stage);
	for (uid_t uid = 1; uid <= JOB_LASTS_MAX + 1; uid++) {
		struct sfs_req *req = command_by(&stage, "p", false, uid);

		CHECK(take_order(&stage));
		say_started(&stage);
		say_exited(&stage, stage.order.job, CLD_EXITED, (int)uid);
		CHECK_INT(req_wait(req), 0);
		req_free(req);
	}
	CHECK_HAS(result(&stage, 2), "exit_code 2\n");
	CHECK_HAS(result(&stage, JOB_LASTS_MAX + 1), "exit_code 65\n");
	CHECK_STR(result(&stage, 1), "");
	stage_strike(&stage);
}

static void a_program_that_is_not_there(void)
{
	static const int pairs[][2] = { { -ENOENT, -ENOENT },	{ -EACCES, -EACCES }, { -ENOEXEC, -ENOEXEC },
					{ -ENOTDIR, -ENOENT }, { -EFAULT, -EIO } };
	struct stage stage;

	stage_set(&stage);
	say_ready(&stage);
	for (unsigned i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		struct sfs_req *req = command_by(&stage, "prog", i & 1, 7);

		CHECK(take_order(&stage));
		reply(&stage, &(struct guard_reply){ .type = GUARD_STARTED, .job = stage.order.job, .err = pairs[i][0] });
		CHECK_INT(req_wait(req), pairs[i][1]);
		CHECK_HAS(req->sentence, "'prog' cannot be started: ");
		req_free(req);
	}
	CHECK_STR(result(&stage, 7), "");
	CHECK_INT(rocker_link_running(stage.rocker->link), 0);
	stage_strike(&stage);
}

static void lines_that_are_no_commands(void)
{
	static const char *const lines[] = { "", "  ", "''", "a | b", "a 'b" };
	struct stage stage;

	stage_set(&stage);
	for (unsigned i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct sfs_req *req = run(&stage, lines[i]);

		CHECK_INT(req_wait(req), -EINVAL);
		req_free(req);
	}
	stage_strike(&stage);
}

static void a_rocker_that_is_not_ready(void)
{
	struct stage stage;
	struct sfs_req *req;

	stage_set(&stage);
	fake_ready_rc = -EBUSY;
	req = run(&stage, "p");
	CHECK_INT(req_wait(req), -EBUSY);
	CHECK_STR(req->sentence, "the fake says no");
	req_free(req);
	fake_ready_rc = 1;
	req = run(&stage, "p");
	CHECK(!req_wait_ms(req, 50));
	req_cancel(req);
	CHECK_INT(req_wait(req), -EINTR);
	req_free(req);
	fake_uses++;
	fake_pending(fake_pending_arg, 0, NULL);
	CHECK_INT(fake_uses, 0);
	stage_strike(&stage);
}

static void a_started_job_is_shown(void)
{
	struct stage stage;
	struct sfs_req *req;
	struct sfs_obj *dir;
	char pid[32];

	stage_set(&stage);
	say_ready(&stage);
	req = start(&stage, "cat 'x y'");
	CHECK(take_order(&stage));
	CHECK(!req_wait_ms(req, 20));
	say_started(&stage);
	CHECK_INT(req_wait(req), 0);
	dir = job_dir(&stage, req->answer);
	REQUIRE(dir);
	CHECK_STR(file_of(dir, "argv"), "cat 'x y'\n");
	CHECK_HAS(file_of(dir, "state"), "running ");
	CHECK_HAS(file_of(dir, "exit"), "- ");
	snprintf(pid, sizeof(pid), "%d ", getpid());
	CHECK_HAS(file_of(dir, "pid"), pid);
	CHECK_INT(write(stage.fds[1], "one", 3), 3);
	CHECK(comes_to(dir, "stdout", "one"));
	CHECK_INT(write(stage.fds[2], "two", 3), 3);
	CHECK(comes_to(dir, "stderr", "two"));
	CHECK_INT(write(stage.fds[1], "three", 5), 5);
	say_exited(&stage, stage.order.job, CLD_KILLED, SIGSEGV);
	CHECK(comes_to(dir, "state", "exited"));
	CHECK_HAS(file_of(dir, "exit"), "SIGSEGV ");
	CHECK_STR(file_of(dir, "stdout"), "onethree");
	CHECK_STR(shown(rocker_output_blob(stage.dir, &(struct sfs_cred){ .uid = 7 })), "onetwothree");
	CHECK_HAS(result(&stage, 7), "status signal\nexit_code -\nsignal SIGSEGV\n");
	CHECK_HAS(file_of(dir, "usage"), "dropped_bytes 0 ");
	sfs_put_obj(dir);
	req_free(req);
	stage_strike(&stage);
}

static void ended_jobs_go_in_turn(void)
{
	struct stage stage;
	struct sfs_req *reqs[4];
	struct sfs_obj *dir;

	stage_set(&stage);
	say_ready(&stage);
	for (int i = 0; i < 4; i++) {
		reqs[i] = start(&stage, "p");
		CHECK(take_order(&stage));
		say_started(&stage);
		CHECK_INT(req_wait(reqs[i]), 0);
		dir = job_dir(&stage, reqs[i]->answer);
		REQUIRE(dir);
		say_exited(&stage, stage.order.job, CLD_EXITED, 0);
		CHECK(comes_to(dir, "state", "exited"));
		sfs_put_obj(dir);
	}
	for (int i = 0; i < 4; i++) {
		for (int n = 0; n < PATIENCE_MS && i < 2 && (dir = job_dir(&stage, reqs[i]->answer)); n++) {
			sfs_put_obj(dir);
			usleep(1000);
		}
		dir = job_dir(&stage, reqs[i]->answer);
		CHECK_INT(dir != NULL, i >= 2);
		sfs_put_obj(dir);
		req_free(reqs[i]);
	}
	stage_strike(&stage);
}

static void more_jobs_than_may_run(void)
{
	struct stage stage;
	struct sfs_req *reqs[5];

	stage_set(&stage);
	say_ready(&stage);
	for (int i = 0; i < 4; i++) {
		reqs[i] = run(&stage, "p");
		CHECK(take_order(&stage));
		say_started(&stage);
	}
	reqs[4] = run(&stage, "p");
	CHECK_INT(req_wait(reqs[4]), -EAGAIN);
	CHECK_HAS(reqs[4]->sentence, "4 jobs run");
	CHECK_INT(rocker_link_running(stage.rocker->link), 4);
	close(stage.guard);
	stage.guard = -1;
	for (int i = 0; i < 4; i++)
		CHECK_INT(req_wait(reqs[i]), -ECANCELED);
	CHECK_HAS(result(&stage, 7), "status killed\n");
	for (int i = 0; i < 5; i++)
		req_free(reqs[i]);
	stage_strike(&stage);
}

/* ---- ended by somebody ----------------------------------------------------------------------------------------- */

static void time_that_is_over(void)
{
	struct stage stage;
	struct sfs_req *req;

	stage_set(&stage);
	fake_time_ms = 50;
	say_ready(&stage);
	req = run(&stage, "p");
	CHECK(take_order(&stage));
	say_started(&stage);
	CHECK(take_order(&stage));
	CHECK_INT(stage.order.type, GUARD_SIGNAL);
	CHECK_INT(stage.order.signal, SIGKILL);
	CHECK_INT(stage.order.whole, 1);
	say_exited(&stage, stage.order.job, CLD_KILLED, SIGKILL);
	CHECK_INT(req_wait(req), -ETIMEDOUT);
	CHECK_HAS(req->sentence, "50 ms");
	CHECK_HAS(result(&stage, 7), "status timeout\n");
	CHECK_INT(stage.rocker->counts[ROCKER_TIMEOUTS], 1);
	req_free(req);
	/* a guard that does not tell its end */
	req = run(&stage, "p");
	CHECK(take_order(&stage));
	say_started(&stage);
	CHECK_INT(req_wait(req), -ETIMEDOUT);
	req_free(req);
	stage_strike(&stage);
}

static void a_writer_that_gives_up(void)
{
	struct stage stage;
	struct sfs_req *req;
	uint64_t begun;

	stage_set(&stage);
	say_ready(&stage);
	req = run(&stage, "p");
	CHECK(take_order(&stage));
	say_started(&stage);
	req_cancel(req);
	CHECK(take_order(&stage));
	CHECK_INT(stage.order.type, GUARD_SIGNAL);
	CHECK_INT(stage.order.signal, SIGKILL);
	say_exited(&stage, stage.order.job, CLD_KILLED, SIGKILL);
	CHECK_INT(req_wait(req), -ECANCELED); /* the core makes it EINTR */
	req_free(req);
	req = run(&stage, "p");
	CHECK(take_order(&stage));
	begun = sfs_now_ns();
	req_cancel(req); /* and the guard never answers */
	CHECK_INT(req_wait(req), -EINTR);
	CHECK(sfs_now_ns() - begun < 10 * UINT64_C(1000000000));
	req_free(req);
	stage_strike(&stage);
}

static void signals_that_were_sent(void)
{
	struct stage stage;
	struct sfs_req *req, *killer;
	struct sfs_obj *dir;

	stage_set(&stage);
	say_ready(&stage);
	req = start(&stage, "p");
	CHECK(take_order(&stage));
	say_started(&stage);
	CHECK_INT(req_wait(req), 0);
	dir = job_dir(&stage, req->answer);
	REQUIRE(dir);
	for (int i = 0; i < 3; i++) {
		static const char *const words[] = { "SIGTERM", "TERM", "15" };
		struct sfs_cmd cmd = { .text = words[i], .len = strlen(words[i]) };

		CHECK_INT(row_of("kill")->store(dir, &cmd), 0);
		CHECK(take_order(&stage));
		CHECK_INT(stage.order.signal, SIGTERM);
		CHECK_INT(stage.order.whole, 0);
	}
	CHECK_INT(row_of("kill")->store(dir, &(struct sfs_cmd){ .text = "0", .len = 1 }), -ERANGE);
	CHECK_INT(row_of("kill")->store(dir, &(struct sfs_cmd){ .text = "65", .len = 2 }), -ERANGE);
	CHECK_INT(row_of("kill")->store(dir, &(struct sfs_cmd){ .text = "NONE", .len = 4 }), -EINVAL);
	say_exited(&stage, stage.order.job, CLD_KILLED, SIGTERM);
	CHECK(comes_to(dir, "state", "exited"));
	CHECK_HAS(result(&stage, 7), "status killed\nexit_code -\nsignal SIGTERM\n");
	CHECK_INT(row_of("kill")->store(dir, &(struct sfs_cmd){ .text = "9", .len = 1 }), -ESRCH);
	sfs_put_obj(dir);
	killer = run(&stage, "p");
	CHECK(take_order(&stage));
	say_started(&stage);
	CHECK_INT(rocker_link_signal(stage.rocker->link, SIGINT), 0);
	CHECK(take_order(&stage));
	CHECK_INT(stage.order.job, 0);
	say_exited(&stage, 2, CLD_KILLED, SIGINT);
	CHECK_INT(req_wait(killer), -ECANCELED);
	req_free(req), req_free(killer);
	stage_strike(&stage);
}

static void memory_that_was_full(void)
{
	struct stage stage;
	struct sfs_req *req;

	stage_set(&stage);
	say_ready(&stage);
	req = run(&stage, "p");
	CHECK(take_order(&stage));
	say_started(&stage);
	fake_oom_kills = 2;
	say_exited(&stage, stage.order.job, CLD_KILLED, SIGKILL);
	CHECK_INT(req_wait(req), 0);
	CHECK_HAS(result(&stage, 7), "status oom\n");
	CHECK_HAS(result(&stage, 7), "oom_kills 2\n");
	CHECK_INT(stage.rocker->counts[ROCKER_OOM_KILLS], 2);
	req_free(req);
	req = run(&stage, "p"); /* nothing new */
	CHECK(take_order(&stage));
	say_started(&stage);
	say_exited(&stage, stage.order.job, CLD_KILLED, SIGKILL);
	CHECK_INT(req_wait(req), 0);
	CHECK_HAS(result(&stage, 7), "status signal\n");
	req_free(req);
	stage_strike(&stage);
}

/* ---- numbers --------------------------------------------------------------------------------------------------- */

static void numbers_never_come_again(void)
{
	uint64_t last = rocker_number(), next;
	char path[sizeof(fake_config.state_dir) + 16];
	FILE *file;

	for (int i = 0; i < 3000; i++) {
		next = rocker_number();
		CHECK(next > last);
		last = next;
	}
	rocker_number_stop();
	rocker_number_start();
	next = rocker_number();
	CHECK_INT(next, last + 1);
	/* as if killed: nothing is told at its end */
	rocker_number_start();
	CHECK(rocker_number() > next);
	rocker_number_stop();
	snprintf(path, sizeof(path), "%s/job_number", fake_config.state_dir);
	file = fopen(path, "w");
	REQUIRE(file);
	fputs("rubbish", file);
	fclose(file);
	rocker_number_start();
	CHECK(rocker_number() > 1000000000);
}

int main(void)
{
	if (!stage_begin())
		return 1;
	RUN(a_run_is_answered_with_its_output);
	RUN(a_short_run_costs_one_message);
	RUN(users_have_last_jobs_of_their_own);
	RUN(a_program_that_is_not_there);
	RUN(lines_that_are_no_commands);
	RUN(a_rocker_that_is_not_ready);
	RUN(a_started_job_is_shown);
	RUN(ended_jobs_go_in_turn);
	RUN(more_jobs_than_may_run);
	RUN(time_that_is_over);
	RUN(a_writer_that_gives_up);
	RUN(signals_that_were_sent);
	RUN(memory_that_was_full);
	RUN(numbers_never_come_again);
	return stage_done();
}
