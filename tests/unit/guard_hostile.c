/* SPDX-License-Identifier: MIT */
/*
 * The guard and what is not as it should be: orders of a wrong form, jobs that attack it or flood its
 * namespace, filters that refuse, and when it ends by itself.
 * waits
 */
/* deadline: 400 */
/* single-threaded */
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "guard_play.h"

#include "guard_program.h"

#define WORDS(...)                                                                                 \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

static struct outcome outcome;

/* What is done to an order that was right. */
enum harm {
	NO_HARM,
	TOO_SHORT,
	TOO_LONG,
	TRUNCATED_HEAD,
	EMPTY,
	HUGE_TEXT,
	NO_TYPE,
	UNKNOWN_TYPE,
	NO_JOB,
	NO_WORDS,
	TOO_MANY_WORDS,
	ENV_OVERFLOW,
	ONE_WORD_MORE,
	ONE_WORD_LESS,
	NO_NUL,
	NO_TEXT,
	MANY_DESCRIPTORS,
	SIGNAL_WITH_DESCRIPTOR,
	SIGNAL_WITH_TEXT,
	SIGNAL_65,
	SIGNAL_NEGATIVE,
	END,
	HARMS
};

/* The number of bytes to send. */
static size_t harm_form(struct guard_order *order, enum harm harm)
{
	size_t size = guard_order_size(order);

	switch (harm) {
	case TOO_SHORT:
		return size - 1;
	case TOO_LONG:
		return size + 1;
	case TRUNCATED_HEAD:
		return 20;
	case EMPTY:
		return 0;
	case HUGE_TEXT:
		order->text_used = 0xfffffff0u;
		return size;
	case NO_TEXT:
		order->text_used = 0;
		return guard_order_size(order);
	case SIGNAL_WITH_TEXT:
	case SIGNAL_WITH_DESCRIPTOR:
		order->type = GUARD_SIGNAL;
		order->text_used = harm == SIGNAL_WITH_TEXT;
		return guard_order_size(order);
	case SIGNAL_65:
	case SIGNAL_NEGATIVE:
		*order = (struct guard_order){ .type = GUARD_SIGNAL,
					       .signal = harm == SIGNAL_65 ? 65 : -1 };
		return guard_order_size(order);
	case END:
		*order = (struct guard_order){ .type = GUARD_END };
		return guard_order_size(order);
	default:
		return size;
	}
}

static void harm_content(struct guard_order *order, enum harm harm)
{
	switch (harm) {
	case NO_TYPE:
		order->type = 0;
		break;
	case UNKNOWN_TYPE:
		order->type = 77;
		break;
	case NO_JOB:
		order->job = 0;
		break;
	case NO_WORDS:
		order->argc = 0;
		break;
	case TOO_MANY_WORDS:
		order->argc = GUARD_WORDS_MAX + 1;
		break;
	case ENV_OVERFLOW:
		order->envc = UINT32_MAX;
		break;
	case ONE_WORD_MORE:
		order->argc++;
		break;
	case ONE_WORD_LESS:
		order->argc--;
		break;
	case NO_NUL:
		order->text[order->text_used - 1] = 'x';
		break;
	default:
		break;
	}
}

/* With one that waits for its order. */
static bool make_spare(struct play *play)
{
	struct guard_order *order = play_order(1, WORDS(program, "x", "0"), NULL);

	order->spare = 1;
	return play_run(play, order, &outcome) && play_has_children(play, 1);
}

static void wrong_order(enum harm harm, bool spare)
{
	struct play play;
	struct guard_reply reply;
	int fds[GUARD_FDS_MAX + 1] = { 0 };
	unsigned nfds = harm == SIGNAL_WITH_DESCRIPTOR ? 1
			: harm == MANY_DESCRIPTORS     ? GUARD_FDS_MAX + 1
						       : 0;
	struct guard_order *order;

	REQUIRE(play_start(&play, &(struct play_spec){ .flags = "" }));
	REQUIRE(!spare || make_spare(&play));
	order = play_order(3, WORDS(program, "w", "x"), WORDS("A=1", "B=2"));
	harm_content(order, harm);
	CHECK(play_send(&play, order, harm_form(order, harm), fds, nfds));
	if (harm == NO_HARM)
		CHECK(play_reply(&play, &reply, NULL) && !reply.err);
	else
		CHECK_MSG(!play_reply(&play, &reply, NULL), "%d: reply %u", harm, reply.type);
	if (harm == NO_HARM) /* a number that is taken */
		CHECK(play_order_send(&play, order, NULL, 0));
	CHECK_MSG(!play_wait(&play), "%d: it does not end", harm);
	close(play.control);
}

static void wrong_orders(void)
{
	for (enum harm harm = NO_HARM; harm < HARMS; harm++)
		wrong_order(harm, false);
}

static void wrong_orders_to_a_spare(void)
{
	for (enum harm harm = NO_HARM; harm < HARMS; harm++)
		wrong_order(harm, true);
}

static void wrong_arguments(void)
{
	struct play play;

	CHECK(!play_start(&play, &(struct play_spec){ .flags = "", .uid_word = "12x" }));
	CHECK_INT(WEXITSTATUS(play_end(&play)), 2);
	CHECK(!play_start(&play, &(struct play_spec){ .flags = "", .uid_word = "" }));
	CHECK_INT(WEXITSTATUS(play_end(&play)), 2);
	CHECK(!play_start(&play, &(struct play_spec){ .flags = "", .uid_word = "4294967295" }));
	CHECK_INT(WEXITSTATUS(play_end(&play)), 2);
}

static void jobs_cannot_reach_it(void)
{
	struct play play;

	REQUIRE(play_start(&play, &(struct play_spec){ .flags = "" }));
	REQUIRE(play_run(&play, play_order(1, WORDS(program, "a"), NULL), &outcome));
	CHECK_STR(outcome.output, "attach -1\nseize -1\n/proc/1/mem 0\n/proc/1/environ 0\n"
				  "/proc/1/maps 0\nend\n");
	REQUIRE(play_run(&play, play_order(1, WORDS(program, "x", "4"), NULL), &outcome));
	CHECK_INT(outcome.exited.status, 4);
	CHECK_INT(play_end(&play), 0);
}

/* Bounded by the number of processes of its user; as many as that are killed at one blow. */
static void fork_bomb(void)
{
	struct play play;
	struct guard_reply reply;
	struct guard_order *order;
	int pair[2], pidfd = -1;
	char text[64] = "";

	REQUIRE(play_start(&play, &(struct play_spec){ .flags = "" }));
	REQUIRE(!pipe2(pair, O_CLOEXEC));
	order = play_order(1, WORDS(program, "b"), NULL);
	order->limits[1] = (struct guard_limit){ RLIMIT_NPROC, 1, 300 };
	REQUIRE(play_order_send(&play, order, (int[]){ pair[0], pair[1] }, 2));
	REQUIRE(play_reply(&play, &reply, &pidfd) && !reply.err);
	close(pair[1]);
	for (size_t used = 0; used < sizeof text - 1 && !strstr(text, "made"); used++) {
		struct pollfd from = { .fd = pair[0], .events = POLLIN };
		REQUIRE(poll(&from, 1, PATIENCE_S * 1000) == 1 &&
			read(pair[0], text + used, 1) == 1);
	}
	CHECK_HAS(text, "refused -11\n");
	if (play_is_root()) { /* else the limit is not looked at: ids do not change */
		order = play_order(2, WORDS(program, "x", "0"), NULL);
		order->limits[0] = (struct guard_limit){ RLIMIT_NPROC, 1, 200 };
		REQUIRE(play_run(&play, order, &outcome));
		CHECK_INT(outcome.err, -EAGAIN);
	}
	play_signal(&play, 1, SIGKILL, true);
	REQUIRE(play_reply(&play, &reply, NULL));
	CHECK_INT(reply.type, GUARD_EXITED);
	CHECK(play_gone(pidfd));
	CHECK(play_has_children(&play, 0));
	close(pair[0]);
	REQUIRE(play_run(&play, play_order(2, WORDS(program, "x", "4"), NULL), &outcome));
	CHECK_INT(outcome.exited.status, 4);
	CHECK_INT(play_end(&play), 0);
}

/* Nor can one that stops all others hold the guard up, wherever it meets a child of it. */
static void stopped_children(void)
{
	struct play play;
	struct guard_reply reply = { 0 };

	REQUIRE(play_start(&play, &(struct play_spec){ .flags = "" }));
	int pidfd = play_stay(&play, play_order(1, WORDS(program, "z"), NULL), 1);
	REQUIRE(pidfd >= 0);
	/* Until it has met one, as it does sooner or later. */
	for (uint32_t job = 2; job < 200 && reply.err != -ETIMEDOUT; job++) {
		REQUIRE(play_order_send(&play, play_order(job, WORDS(program, "w"), NULL), NULL,
					0));
		REQUIRE(play_reply(&play, &reply, NULL));
		CHECK_INT(reply.type, GUARD_STARTED);
		CHECK_INT(reply.job, job);
		CHECK_MSG(!reply.err || reply.err == -ETIMEDOUT, "%d", reply.err);
	}
	CHECK_INT(play_end(&play), 0);
	CHECK(play_gone(pidfd));
}

static void zombie_flood(void)
{
	struct play play;

	REQUIRE(play_start(&play, &(struct play_spec){ .flags = "" }));
	for (uint32_t i = 1; i <= 5; i++) {
		REQUIRE(play_run(&play, play_order(i, WORDS(program, "o", "1000"), NULL),
				 &outcome));
		CHECK_INT(outcome.err, 0);
	}
	CHECK(play_has_children(&play, 0));
	CHECK_INT(play_end(&play), 0);
}

static void ends_when_empty(void)
{
	struct play play;
	struct guard_reply reply;
	int pidfd;

	REQUIRE(play_start(&play, &(struct play_spec){ .flags = "e" }));
	pidfd = play_stay(&play, play_order(1, WORDS(program, "f"), NULL), 4);
	REQUIRE(pidfd >= 0);
	play_signal(&play, 1, SIGKILL, false);
	CHECK(play_reply(&play, &reply, NULL) && reply.type == GUARD_EXITED);
	CHECK(play_gone(pidfd));
	CHECK(play_has_children(&play, 1)); /* the session of its own */
	play_signal(&play, 0, SIGTERM, false);
	CHECK_INT(play_wait(&play), 0);
	close(play.control);
}

/* Somebody enters by setns, as only root can here, and is nobody's child. */
static void ends_when_left(void)
{
	struct play play;
	int status, up[2];
	char byte;

	REQUIRE(play_start(&play, &(struct play_spec){ .flags = "e" }));
	if (!play_is_root()) {
		CHECK_INT(play_end(&play), 0);
		return;
	}
	int guard = (int)syscall(SYS_pidfd_open, play.pid, 0);
	REQUIRE(guard >= 0 && !pipe2(up, O_CLOEXEC));
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		if (setns(guard, CLONE_NEWPID))
			_exit(1);
		pid_t inside = fork();
		if (!inside) { /* long enough to be seen */
			(void)!write(up[1], "", 1);
			usleep(500000);
			_exit(0);
		}
		_exit(waitpid(inside, &status, 0) != inside || status);
	}
	close(up[1]);
	CHECK(read(up[0], &byte, 1) == 1);
	CHECK_INT(waitpid(play.pid, &status, WNOHANG), 0);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK_INT(play_wait(&play), 0);
	close(guard), close(up[0]), close(play.control);
}

/* Under each profile it starts, serves and reaps; and a refused call is reported to the listener. */
static void below_filters(void)
{
	for (unsigned number = 0; number < seccomp_profile_count(); number++) {
		struct sock_fprog filter;
		struct play play;
		REQUIRE(!seccomp_profile_build(number, &filter));
		REQUIRE(play_start(&play, &(struct play_spec){ .flags = "e", .filter = &filter }));
		int pidfd = play_stay(&play, play_order(9, WORDS(program, "w"), NULL), 1);
		CHECK(pidfd >= 0);
		REQUIRE(play_run(&play, play_order(1, WORDS("job", "x", "5"), WORDS(program_path)),
				 &outcome));
		CHECK_INT(outcome.err, 0);
		CHECK_INT(outcome.exited.status, 5);
		REQUIRE(play_run(&play, play_order(2, WORDS(program, "s"), NULL), &outcome));
		CHECK_HAS(outcome.output, "end\n");
		play_signal(&play, 9, SIGKILL, true);
		CHECK(play_gone(pidfd));
		struct pollfd listener = { .fd = play.listener, .events = POLLIN };
		CHECK_MSG(poll(&listener, 1, 0) == 0 || !(listener.revents & POLLIN),
			  "the guard asked for what %s refuses", seccomp_profile_name(number));
		CHECK_INT(play_wait(&play), 0); /* it is empty */
		close(play.listener), close(play.control);
		free(filter.filter);
	}
}

static void refused_calls(void)
{
	char number[16], text[32] = "";
	struct sock_fprog filter;
	struct guard_reply reply;
	struct play play;
	int pair[2];

	REQUIRE(!seccomp_profile_build(0, &filter));
	REQUIRE(play_start(&play, &(struct play_spec){ .flags = "", .filter = &filter }));
	REQUIRE(!pipe2(pair, O_CLOEXEC));
	snprintf(number, sizeof number, "%d", SYS_bpf);
	REQUIRE(play_order_send(&play, play_order(1, WORDS(program, "c", number, "0"), NULL),
				(int[]){ pair[0], pair[1] }, 2));
	close(pair[1]);
	REQUIRE(play_reply(&play, &reply, NULL) && !reply.err);
	struct pollfd listener = { .fd = play.listener, .events = POLLIN };
	struct seccomp_notif ask = { 0 };
	REQUIRE(poll(&listener, 1, PATIENCE_S * 1000) == 1);
	REQUIRE(!ioctl(play.listener, SECCOMP_IOCTL_NOTIF_RECV, &ask));
	CHECK_INT(ask.data.nr, SYS_bpf);
	struct seccomp_notif_resp answer = { .id = ask.id, .error = -EPERM };
	CHECK(!ioctl(play.listener, SECCOMP_IOCTL_NOTIF_SEND, &answer));
	play_read(pair[0], text, sizeof text);
	CHECK_STR(text, "answer -1\n");
	CHECK(play_reply(&play, &reply, NULL) && reply.type == GUARD_EXITED);
	CHECK_INT(play_end(&play), 0);
	close(pair[0]);
	free(filter.filter);
}

static int tests(void)
{
	if (!program_make()) {
		printf("not ok guard_hostile: gcc made no program\n");
		return 1;
	}
	RUN(wrong_orders);
	RUN(wrong_orders_to_a_spare);
	RUN(wrong_arguments);
	RUN(jobs_cannot_reach_it);
	RUN(fork_bomb);
	RUN(stopped_children);
	RUN(zombie_flood);
	RUN(ends_when_empty);
	RUN(ends_when_left);
	RUN(below_filters);
	RUN(refused_calls);
	program_remove();
	return check_done();
}

int main(void)
{
	return play_as_both(tests);
}
