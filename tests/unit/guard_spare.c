/* SPDX-License-Identifier: MIT */
/* The process that a guard makes ahead: what it is, what it becomes, and who may do what to it meanwhile. */
/* deadline: 300 */
/* single-threaded */
#include "guard_play.h"

#include "guard_program.h"

#define TRIES 40 /* it goes by itself: on a machine that is busy before we have looked */

#define MOMENTS 3000
#define KILLS   200
#define SPINS   400000 /* from an order to the kill: some hundred microseconds at most */

#define WORDS(...)                                                                                 \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

static struct play play;
static struct outcome outcome;

static struct guard_order *with_spare(struct guard_order *order)
{
	order->spare = 1;
	return order;
}

static bool run(const char *what, const char *argument)
{
	struct guard_order *order = with_spare(play_order(7, WORDS(program, what, argument), NULL));

	return play_run(&play, order, &outcome) && !outcome.err;
}

/* The one child that there is; 0: none, or more. */
static pid_t only_child(void)
{
	char path[64], text[64] = "";
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", play.pid, play.pid);
	file = fopen(path, "re");
	text[file ? fread(text, 1, sizeof text - 1, file) : 0] = '\0';
	if (file)
		fclose(file);
	return text[0] && strchr(text, ' ') == text + strlen(text) - 1 ? atoi(text) : 0;
}

/* One that has just come, after a job; 0: none came. */
static pid_t spare(void)
{
	pid_t pid = 0;

	if (!run("x", "0"))
		return 0;
	for (int i = 0; i < 100 && !pid; i++) {
		usleep(5000);
		pid = only_child();
	}
	usleep(5000); /* it gives up what it has to */
	return pid;
}

static void begins(void)
{
	REQUIRE(play_start(&play, &(struct play_spec){ .flags = "" }));
	usleep(50000);
	CHECK_INT(play_children(&play), 0); /* before there was a job */
}

static bool read_status(pid_t pid, char *text, size_t size)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/status", pid);
	file = fopen(path, "re");
	text[file ? fread(text, 1, size - 1, file) : 0] = '\0';
	if (file)
		fclose(file);
	return strstr(text, "\nCapEff:");
}

/* Nothing is left to be taken from it but the guard's memory, into which nobody may look. */
static void is_a_job_without_work(void)
{
	char text[4096], path[64], line[64];
	bool found = false;

	snprintf(line, sizeof line, "\nUid:\t%u\t%u\t%u\t", play_job_uid(), play_job_uid(),
		 play_job_uid());
	for (int i = 0; i < TRIES && !found; i++) {
		pid_t pid = spare();
		found = pid && read_status(pid, text, sizeof text) &&
			strstr(text, "\nCapEff:\t0000000000000000\n") && strstr(text, line);
		snprintf(path, sizeof path, "/proc/%d/environ", pid);
		if (found && !play_is_root())
			CHECK(open(path, O_RDONLY | O_CLOEXEC) < 0);
	}
	CHECK_MSG(found, "%s", text);
	CHECK_HAS(text, "\nCapPrm:\t0000000000000000\n");
	CHECK_HAS(text, "\nCapAmb:\t0000000000000000\n");
}

static void goes_by_itself(void)
{
	REQUIRE(run("x", "0"));
	CHECK(play_has_children(&play, 0));
	usleep(50000);
	CHECK(play_has_children(&play, 0));
}

/* Until its exec a child has the guard's name. */
static bool is_spare(pid_t pid)
{
	char path[64], name[32] = "";
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/comm", pid);
	file = fopen(path, "re");
	name[file ? fread(name, 1, sizeof name - 1, file) : 0] = '\0';
	if (file)
		fclose(file);
	return !strcmp(name, "guard-of-test\n");
}

static void meets_none(void)
{
	char path[64], text[512];
	pid_t pid;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/task/%d/children", play.pid, play.pid);
	for (int i = 0; i < 60; i++) {
		file = fopen(path, "re");
		text[file ? fread(text, 1, sizeof text - 1, file) : 0] = '\0';
		if (file)
			fclose(file);
		for (char *at = text; (pid = (pid_t)strtol(at, &at, 10)) > 0;)
			CHECK_MSG(!is_spare(pid), "%s", text);
		usleep(5000);
	}
}

static void comes_only_if_told(void)
{
	REQUIRE(play_run(&play, play_order(7, WORDS(program, "x", "0"), NULL), &outcome));
	CHECK_INT(outcome.err, 0);
	meets_none();
}

static void becomes_the_next_job(void)
{
	bool same = false;

	for (int i = 0; i < TRIES && !same; i++) {
		pid_t pid = spare();
		int pidfd =
			play_stay(&play, with_spare(play_order(3, WORDS(program, "w"), NULL)), 1);
		REQUIRE(pidfd >= 0);
		same = pid && only_child() == pid;
		play_signal(&play, 3, SIGKILL, true);
		struct guard_reply reply;
		REQUIRE(play_reply(&play, &reply, NULL));
		CHECK_INT(reply.status, SIGKILL);
		CHECK(play_gone(pidfd));
	}
	CHECK(same);
}

/* As tests/unit/guard_jobs.c has it of one that is made when its order comes. */
static void has_what_any_job_has(void)
{
	char line[64];

	(void)spare();
	REQUIRE(play_run(&play, play_order_in("/tmp", 5, WORDS(program, "s"), WORDS("ONE=1")),
			 &outcome));
	REQUIRE(outcome.err == 0);
	snprintf(line, sizeof line, "\nuid %u\neuid %u\n", play_job_uid(), play_job_uid());
	CHECK_HAS(outcome.output, "\nenv ONE=1\nfd 0\nfd 1\nfd 2\nuid ");
	CHECK_HAS(outcome.output, line);
	CHECK_HAS(outcome.output, "\nleader 1\nparent 1\numask 18\nno_new_privs 1\ncwd /tmp\n"
				  "mask 0\nhandled 0\ncapabilities 0\nambient 0\nbounding ");
	(void)spare();
	CHECK(play_run(&play, play_order(5, WORDS("/nowhere/at/all"), NULL), &outcome));
	CHECK_INT(outcome.err, -ENOENT);
	(void)spare();
	struct guard_order *order = play_order(1, WORDS(program, "x", "0"), NULL);
	order->limits[0] = (struct guard_limit){ 99, 1, 1 };
	REQUIRE(play_run(&play, order, &outcome));
	CHECK_INT(outcome.err, -EINVAL);
}

/* Whatever it was sent, the job that it becomes has not seen. */
static void signals_are_not_the_jobs(void)
{
	int sent = 0;

	for (int i = 0; i < TRIES && sent < 3; i++) {
		pid_t pid = spare();
		sent += pid && !kill(pid, SIGTERM) && !kill(pid, SIGRTMIN) && !kill(pid, SIGRTMIN);
		REQUIRE(run("x", "6"));
		CHECK_INT(outcome.exited.code, CLD_EXITED);
		CHECK_INT(outcome.exited.status, 6);
	}
	CHECK_INT(sent, 3);
}

static void killed_it_is_made_anew(void)
{
	int sent = 0;

	for (int i = 0; i < TRIES && sent < 3; i++) {
		pid_t pid = spare();
		sent += pid && !kill(pid, SIGKILL);
		bool waits = i % 2; /* else it may still be dying, and the job is what was killed */
		if (waits)
			CHECK(play_has_children(&play, 0));
		REQUIRE(run("x", "6"));
		CHECK_MSG(outcome.exited.status == 6 ||
				  (!waits && outcome.exited.status == SIGKILL),
			  "%d", outcome.exited.status);
	}
	CHECK_INT(sent, 3);
}

static void stopped_it_holds_nobody_up(void)
{
	pid_t pid = 0;

	for (int i = 0; i < TRIES && !pid; i++) {
		pid = spare();
		pid = pid && !kill(pid, SIGSTOP) ? pid : 0;
	}
	REQUIRE(pid > 0);
	REQUIRE(play_run(&play, play_order(7, WORDS(program, "x", "6"), NULL), &outcome));
	CHECK_MSG(!outcome.err || outcome.err == -ETIMEDOUT, "%d", outcome.err);
	REQUIRE(run("x", "6"));
	CHECK_INT(outcome.exited.status, 6);
}

/* With everything else: nothing that was signalled is there any more. */
static void a_signal_to_all_ends_it(void)
{
	(void)spare();
	play_signal(&play, 0, SIGTERM, false);
	CHECK(play_has_children(&play, 0));
	REQUIRE(run("x", "6"));
	CHECK_INT(outcome.exited.status, 6);
}

/* Neither a job nor what it has left behind meets one. */
static void none_beside_others(void)
{
	struct guard_reply reply;
	int pidfd = play_stay(&play, with_spare(play_order(3, WORDS(program, "w"), NULL)), 1);

	REQUIRE(pidfd >= 0);
	REQUIRE(run("x", "0"));
	meets_none();
	play_signal(&play, 3, SIGKILL, false);
	REQUIRE(play_reply(&play, &reply, NULL));
	CHECK(play_gone(pidfd));
	pidfd = play_stay(&play, with_spare(play_order(3, WORDS(program, "f"), NULL)), 4);
	REQUIRE(pidfd >= 0);
	play_signal(&play, 3, SIGKILL, false);
	REQUIRE(play_reply(&play, &reply, NULL));
	CHECK(play_gone(pidfd));
	meets_none();
	CHECK(play_has_children(&play, 1)); /* who has a session of his own */
	play_signal(&play, 0, SIGKILL, false);
	CHECK(play_has_children(&play, 0));
}

/* Sends an order whose start may be told late, to run the program with these two words. */
static bool send_quietly(const char *what, const char *argument)
{
	struct guard_order *order = with_spare(play_order(9, WORDS(program, what, argument), NULL));
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fds[3] = { null, null, null };
	bool fine;

	order->whole = 1;
	fine = null >= 0 && play_order_send(&play, order, fds, 3);
	if (null >= 0)
		close(null);
	return fine;
}

/* The guard sleeps while it starts, and has to hear of it all the same. */
static void a_long_one_is_told_of(void)
{
	struct guard_reply reply;
	int pidfd = -1, same = 0;

	for (int i = 0; i < TRIES && same < 3; i++) {
		pid_t pid = spare();
		REQUIRE(send_quietly("w", "0"));
		REQUIRE(play_reply(&play, &reply, &pidfd));
		CHECK_INT(reply.type, GUARD_STARTED);
		CHECK(!reply.err && pidfd >= 0);
		same += pid && only_child() == pid;
		play_signal(&play, 9, SIGKILL, true);
		REQUIRE(play_reply(&play, &reply, NULL));
		CHECK_INT(reply.type, GUARD_EXITED);
		CHECK(play_gone(pidfd));
	}
	CHECK(same);
}

/* Before it is made, while it is, and when it waits. */
static void orders_come_at_any_moment(void)
{
	struct guard_reply reply;
	int fine = 0;

	for (int i = 0; i < MOMENTS; i++) {
		for (int spins = i % 100 * SPINS / 100; spins--;)
			__asm__ volatile("");
		REQUIRE(send_quietly("x", "6"));
		do
			REQUIRE(play_reply(&play, &reply, NULL));
		while (reply.type == GUARD_STARTED && !reply.err);
		fine += reply.type == GUARD_EXITED && reply.code == CLD_EXITED && reply.status == 6;
	}
	CHECK_INT(fine, MOMENTS);
}

/* While it waits, gets its order, or is about to go: what was sent is answered, once, and by what it asked for. */
static void killed_at_any_moment(void)
{
	unsigned lives = 0, deaths = 0;
	struct guard_reply reply;

	for (int i = 0; i < KILLS; i++) {
		pid_t pid = spare();
		if (pid && i % 8 == 0)
			CHECK(!kill(pid, SIGKILL));
		REQUIRE(send_quietly("x", "6"));
		for (int spins = i * SPINS / KILLS; spins--;)
			__asm__ volatile("");
		if (pid && i % 8)
			(void)kill(pid, SIGKILL);
		do
			REQUIRE(play_reply(&play, &reply, NULL));
		while (reply.type == GUARD_STARTED && !reply.err);
		CHECK_INT(reply.type, GUARD_EXITED);
		CHECK_INT(reply.job, 9);
		if (reply.code == CLD_EXITED) {
			CHECK_INT(reply.status, 6);
			lives++;
		} else {
			CHECK_INT(reply.status, SIGKILL);
			deaths++;
		}
	}
	printf("# %u ran, %u died\n", lives, deaths);
	CHECK(lives);
}

/* Whatever comes while it waits is the guard's, in the order in which it came. */
static void other_orders_pass_it(void)
{
	struct guard_order order = { .type = GUARD_KEEP };
	struct guard_reply reply;
	int pair[2];

	(void)spare();
	REQUIRE(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	CHECK(play_order_send(&play, &order, pair, 1));
	close(pair[0]);
	REQUIRE(send_quietly("w", "0"));
	play_signal(&play, 9, SIGKILL, true);
	do
		REQUIRE(play_reply(&play, &reply, NULL));
	while (reply.type == GUARD_STARTED && !reply.err);
	CHECK_INT(reply.type, GUARD_EXITED);
	CHECK_INT(reply.status, SIGKILL);
	/* One that is kept: what comes by the second socket finds a spare as well. */
	(void)spare();
	int own[2];
	REQUIRE(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, own));
	order.type = GUARD_ADOPT;
	struct play keeper = { .control = pair[1] };
	CHECK(play_order_send(&keeper, &order, own, 1));
	close(own[0]);
	close(play.control);
	play.control = own[1];
	REQUIRE(play_reply(&play, &reply, NULL));
	CHECK_INT(reply.type, GUARD_READY);
	REQUIRE(run("x", "6"));
	CHECK_INT(outcome.exited.status, 6);
	close(pair[1]); /* it ends with that */
}

static void ends_with_the_guard(void)
{
	pid_t pid = spare();
	int pidfd = pid ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;

	CHECK_INT(play_end(&play), 0);
	CHECK(pidfd < 0 || play_gone(pidfd));
}

static int tests(void)
{
	if (!program_make()) {
		printf("not ok guard_spare: gcc made no program\n");
		return 1;
	}
	RUN(begins);
	RUN(is_a_job_without_work);
	RUN(goes_by_itself);
	RUN(comes_only_if_told);
	RUN(becomes_the_next_job);
	RUN(has_what_any_job_has);
	RUN(signals_are_not_the_jobs);
	RUN(killed_it_is_made_anew);
	RUN(stopped_it_holds_nobody_up);
	RUN(a_signal_to_all_ends_it);
	RUN(none_beside_others);
	RUN(a_long_one_is_told_of);
	RUN(orders_come_at_any_moment);
	RUN(killed_at_any_moment);
	RUN(ends_with_the_guard);
	RUN(begins);
	RUN(other_orders_pass_it);
	CHECK_INT(play_end(&play), 0);
	program_remove();
	return check_done();
}

int main(void)
{
	return play_as_both(tests);
}
