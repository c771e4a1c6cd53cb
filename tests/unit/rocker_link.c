/* SPDX-License-Identifier: MIT */
/* The thread of links, with guards that lie in every field, flood, and go away at any moment. */
#include "rocker_stage.h"

/* ---- lies ------------------------------------------------------------------------------------------------------ */

struct lie {
	const char *what;
	struct guard_reply reply;
	bool pidfd, file; /* goes along */
	bool early;       /* told before the job has started */
};

static const struct lie lies[] = {
	{ "no type", { .type = 0 }, .early = true },
	{ "an unknown type", { .type = 99 }, .early = true },
	{ "a job kept with nothing", { .type = GUARD_KEPT, .job = 2 }, .early = true },
	{ "a job kept with a record that is none", { .type = GUARD_KEPT, .job = 2, .kept = 1 }, .file = true },
	{ "a job kept with less than it says", { .type = GUARD_KEPT, .job = 2, .kept = 2 }, .file = true },
	{ "a job kept with wild numbers", { .type = GUARD_KEPT, .job = 2, .kept = UINT32_MAX }, .pidfd = true },
	{ "a process apart without a descriptor", { .type = GUARD_APART, .status = SIGTERM }, .early = true },
	{ "a process apart that is a file", { .type = GUARD_APART, .status = SIGTERM }, .file = true, .early = true },
	{ "no signal for a process apart", { .type = GUARD_APART, .status = 0 }, .pidfd = true, .early = true },
	{ "a wild signal for a process apart", { .type = GUARD_APART, .status = 65 }, .pidfd = true, .early = true },
	{ "ready again", { .type = GUARD_READY }, .early = false },
	{ "a listener late", { .type = GUARD_LISTENER }, .pidfd = true },
	{ "started without a descriptor", { .type = GUARD_STARTED, .job = 1 }, .early = true },
	{ "started with a file", { .type = GUARD_STARTED, .job = 1 }, .file = true, .early = true },
	{ "failed with a descriptor", { .type = GUARD_STARTED, .job = 1, .err = -2 }, .pidfd = true, .early = true },
	{ "failed with no errno", { .type = GUARD_STARTED, .job = 1, .err = 1 }, .early = true },
	{ "failed with a wild errno", { .type = GUARD_STARTED, .job = 1, .err = INT32_MIN }, .early = true },
	{ "another job started", { .type = GUARD_STARTED, .job = 2 }, .pidfd = true, .early = true },
	{ "job 0 started", { .type = GUARD_STARTED, .job = 0 }, .pidfd = true, .early = true },
	{ "started twice", { .type = GUARD_STARTED, .job = 1 }, .pidfd = true },
	
	{ "another job ended", { .type = GUARD_EXITED, .job = 9, .code = CLD_EXITED }, .early = false },
	{ "ended in no way", { .type = GUARD_EXITED, .job = 1, .code = 0 }, .early = false },
	{ "stopped", { .type = GUARD_EXITED, .job = 1, .code = CLD_STOPPED, .status = SIGSTOP }, .early = false },
	{ "a status of 256", { .type = GUARD_EXITED, .job = 1, .code = CLD_EXITED, .status = 256 }, .early = false },
	{ "a status of -1", { .type = GUARD_EXITED, .job = 1, .code = CLD_EXITED, .status = -1 }, .early = false },
	{ "signal 0", { .type = GUARD_EXITED, .job = 1, .code = CLD_KILLED, .status = 0 }, .early = false },
	{ "signal 65", { .type = GUARD_EXITED, .job = 1, .code = CLD_DUMPED, .status = 65 }, .early = false },
	{ "endless time", { .type = GUARD_EXITED, .job = 1, .code = CLD_EXITED, .user_ns = UINT64_MAX }, .early = false },
	{ "ended with a descriptor", { .type = GUARD_EXITED, .job = 1, .code = CLD_EXITED }, .file = true },
};

/* What every lie has as its end: the link is broken, the run answered, what is left of the rocker killed. */
static void ends_in_disgrace(struct stage *stage, struct sfs_req *req, const char *what)
{
	struct pollfd end = { .fd = stage->guard, .events = POLLIN };
	char byte;

	if (req_wait(req) != -ECANCELED) { /* somebody may still answer it */
		CHECK_MSG(false, "%s: the run has %d", what, req->rc);
		return;
	}
	while (poll(&end, 1, PATIENCE_MS) == 1 && recv(stage->guard, &byte, 1, 0) > 0)
		;
	for (int i = 0; i < PATIENCE_MS && !fake_killed; i++)
		usleep(1000);
	CHECK_MSG(fake_killed == 1, "%s: killed %u times", what, fake_killed);
	req_free(req);
}

static void every_lie_ends_the_rocker(void)
{
	struct stage stage;
	struct sfs_req *req;

	for (unsigned i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
		const struct lie *lie = &lies[i];
		int fd = -1;

		stage_set(&stage);
		say_ready(&stage);
		req = run(&stage, "p");
		CHECK(take_order(&stage));
		if (!lie->early)
			say_started(&stage);
		if (lie->pidfd)
			fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
		else if (lie->file)
			fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		reply_with(&stage, &lie->reply, fd);
		if (fd >= 0)
			close(fd);
		ends_in_disgrace(&stage, req, lie->what);
		stage_strike(&stage);
	}
}

static void sizes_and_descriptors_that_are_wrong(void)
{
	char big[4096] = { GUARD_READY };
	struct stage stage;
	struct sfs_req *req;
	int fds[8];

	for (unsigned i = 0; i < 4; i++) {
		stage_set(&stage);
		if (i > 1) /* else the first word of its guard is of a wrong size */
			say_ready(&stage);
		req = run(&stage, "p");
		CHECK(take_order(&stage));
		for (unsigned n = 0; n < 8; n++)
			fds[n] = (int)syscall(SYS_pidfd_open, getpid(), 0);
		if (i == 0)
			reply_bytes(&stage, big, sizeof(struct guard_reply) - 1, NULL, 0);
		else if (i == 1)
			reply_bytes(&stage, big, sizeof(big), NULL, 0);
		else if (i == 2)
			reply_bytes(&stage, big, 1, fds, 8);
		else
			reply_bytes(&stage,
				    &(struct guard_reply){ .type = GUARD_STARTED, .job = stage.order.job },
				    sizeof(struct guard_reply), fds, 2);
		for (unsigned n = 0; n < 8; n++)
			close(fds[n]);
		ends_in_disgrace(&stage, req, "a size");
		stage_strike(&stage);
	}
}

static void before_it_is_ready_nothing_is_believed(void)
{
	struct stage stage;
	struct sfs_req *req;

	stage_set(&stage);
	req = run(&stage, "p");
	CHECK(take_order(&stage));
	say_started(&stage);
	ends_in_disgrace(&stage, req, "started before ready");
	stage_strike(&stage);
	stage_set(&stage);
	req = run(&stage, "p");
	CHECK(take_order(&stage));
	reply_with(&stage, &(struct guard_reply){ .type = GUARD_LISTENER }, stage.fds[0]);
	ends_in_disgrace(&stage, req, "a listener that is a pipe");
	stage_strike(&stage);
	stage_set(&stage);
	say_ready(&stage);
	req = start(&stage, "p"); /* only of a run may the end alone be told */
	CHECK(take_order(&stage));
	CHECK_INT(stage.order.whole, 0);
	say_exited(&stage, stage.order.job, CLD_EXITED, 0);
	ends_in_disgrace(&stage, req, "ended before it started");
	stage_strike(&stage);
}

/* Whom a guard cannot signal the launcher can, and the link goes on. */
static void processes_apart_are_handed_on(void)
{
	struct stage stage;
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	fake_signal = 0;
	stage_set(&stage);
	say_ready(&stage);
	struct sfs_req *req = run(&stage, "p");
	CHECK(take_order(&stage));
	reply_with(&stage, &(struct guard_reply){ .type = GUARD_APART, .status = SIGUSR1 }, pidfd);
	say_started(&stage);
	say_exited(&stage, stage.order.job, CLD_EXITED, 0);
	CHECK_INT(req_wait(req), 0);
	CHECK_INT(fake_signal, SIGUSR1);
	req_free(req);
	stage_strike(&stage);
	close(pidfd);
}

/* A flood of nonsense, or of orders that nobody reads: the thread serves others meanwhile. */
static void floods(void)
{
	struct stage stage, other;
	struct guard_reply nonsense = { .type = GUARD_EXITED, .job = 77 };
	struct sfs_req *req;

	stage_set(&stage);
	say_ready(&stage);
	while (reply(&stage, &nonsense))
		;
	stage_set(&other);
	say_ready(&other);
	req = run(&other, "p");
	CHECK(take_order(&other));
	say_started(&other);
	say_exited(&other, 1, CLD_EXITED, 0);
	CHECK_INT(req_wait(req), 0);
	req_free(req);
	for (int i = 0; i < 100000 && !rocker_link_signal(other.rocker->link, SIGKILL); i++)
		;
	CHECK_INT(rocker_link_signal(other.rocker->link, SIGKILL), -ECANCELED);
	stage_end(&stage);
	stage_strike(&other);
}

static void closing_at_any_moment(void)
{
	struct stage stage;
	struct sfs_req *req;

	for (int i = 0; i < 300; i++) {
		stage_set(&stage);
		if (i % 3)
			say_ready(&stage);
		req = command_by(&stage, "p", i % 2, 7);
		if (i % 5 > 1 && take_order(&stage) && i % 3)
			say_started(&stage);
		if (i % 7 > 3)
			req_cancel(req);
		if (i % 11 > 5)
			close(stage.guard), stage.guard = -1;
		stage_strike(&stage);
		CHECK(req_wait(req) <= 0);
		req_free(req);
	}
}

static void the_thread_ends_with_jobs_in_it(void)
{
	struct stage stage;
	struct sfs_req *req;

	stage_set(&stage);
	say_ready(&stage);
	req = run(&stage, "p");
	CHECK(take_order(&stage));
	say_started(&stage);
	rocker_links_stop();
	CHECK_INT(req_wait(req), -ECANCELED);
	req_free(req);
	req = run(&stage, "p");
	CHECK_INT(req_wait(req), -ECANCELED);
	req_free(req);
	stage_strike(&stage);
	CHECK_INT(rocker_links_start(), 0);
}

int main(void)
{
	if (!stage_begin())
		return 1;
	RUN(every_lie_ends_the_rocker);
	RUN(sizes_and_descriptors_that_are_wrong);
	RUN(before_it_is_ready_nothing_is_believed);
	RUN(processes_apart_are_handed_on);
	RUN(floods);
	RUN(closing_at_any_moment);
	RUN(the_thread_ends_with_jobs_in_it);
	return stage_done();
}
