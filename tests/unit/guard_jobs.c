/* SPDX-License-Identifier: MIT */
/*
 * The guard and its jobs: starting, ending, what a job is given, and what it cannot do to the guard.
 */
/* deadline: 300 */
/* single-threaded */
#include "guard_play.h"

#include "guard_program.h"

static struct play play;

static void begins(void)
{
	REQUIRE(play_start(&play, &(struct play_spec){ .flags = "" }));
}

static void a_job_runs(void)
{
	const char *argv[] = { program, "x", "7", NULL };
	struct guard_reply reply;
	int pidfd = -1;

	REQUIRE(play_order_send(&play, play_order(11, argv, NULL), NULL, 0));
	REQUIRE(play_reply(&play, &reply, &pidfd));
	CHECK_INT(reply.type, GUARD_STARTED);
	CHECK_INT(reply.job, 11);
	CHECK_INT(reply.err, 0);
	CHECK(reply.pid > 1);
	CHECK(pidfd >= 0);
	CHECK_INT(reply.running, 1);
	struct pollfd gone = { .fd = pidfd, .events = POLLIN };
	CHECK_INT(poll(&gone, 1, PATIENCE_S * 1000), 1);
	close(pidfd);
	pid_t pid = reply.pid;
	REQUIRE(play_reply(&play, &reply, NULL));
	CHECK_INT(reply.type, GUARD_EXITED);
	CHECK_INT(reply.job, 11);
	CHECK_INT(reply.pid, pid);
	CHECK_INT(reply.code, CLD_EXITED);
	CHECK_INT(reply.status, 7);
	CHECK_INT(reply.running, 0);
}

static void ends_with_its_socket(void)
{
	CHECK_INT(play_end(&play), 0);
}

int main(void)
{
	if (!program_make()) {
		printf("not ok guard_jobs: gcc made no program\n");
		return 1;
	}
	RUN(begins);
	RUN(a_job_runs);
	RUN(ends_with_its_socket);
	program_remove();
	return check_done();
}
