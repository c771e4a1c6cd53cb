/* SPDX-License-Identifier: MIT */
/* A guard that is kept: without a daemon, with another one, and what it tells that one of the jobs that it has. */
/* deadline: 400 */
/* single-threaded */
#include "guard_play.h"

#include "guard_program.h"

#define WORDS(...)                                                                                 \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}
#define FDS (GUARD_KEPT_MAX + 1)

static struct play play;
static int keeper; /* our end of its second socket */

struct told {
	struct guard_reply reply;
	int fds[FDS];
	unsigned nfds;
};

/* Within the test's patience; false: the end, or nothing came. */
static bool hear(struct told *told)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(FDS * sizeof(int))];
	} rights;
	struct iovec piece = { &told->reply, sizeof told->reply };
	struct msghdr message = { NULL, 0, &piece, 1, &rights, sizeof rights, 0 };
	struct pollfd control = { .fd = play.control, .events = POLLIN };

	*told = (struct told){ .nfds = 0 };
	if (poll(&control, 1, PATIENCE_S * 1000) != 1 ||
	    recvmsg(play.control, &message, MSG_CMSG_CLOEXEC) != sizeof told->reply)
		return false;
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	if (head) {
		told->nfds = (unsigned)((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(told->fds, CMSG_DATA(head), told->nfds * sizeof(int));
	}
	return !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC));
}

static bool hear_of(enum guard_reply_type type, uint32_t job, unsigned nfds, struct told *told)
{
	bool fine = hear(told) && told->reply.type == type && told->reply.job == job &&
		    told->nfds == nfds;

	if (!fine)
		printf("# type %u job %u with %u descriptors\n", told->reply.type, told->reply.job,
		       told->nfds);
	return fine;
}

static void forget(struct told *told)
{
	while (told->nfds)
		close(told->fds[--told->nfds]);
}

static bool order_with(int socket, enum guard_order_type type, int fd)
{
	const struct guard_order order = { .type = type };
	const struct play to = { .control = socket };

	return play_order_send(&to, &order, &fd, fd >= 0);
}

static bool begin(void)
{
	int pair[2];

	if (!play_start(&play, &(struct play_spec){ .flags = "" }) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return false;
	keeper = pair[0];
	bool fine = order_with(play.control, GUARD_KEEP, pair[1]);
	close(pair[1]);
	return fine;
}

/* Another daemon's socket. */
static bool adopt(void)
{
	struct told told;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return false;
	bool fine = order_with(keeper, GUARD_ADOPT, pair[1]);
	close(pair[1]);
	if (play.control >= 0)
		close(play.control);
	play.control = pair[0];
	return fine && hear_of(GUARD_READY, 0, 0, &told);
}

static void lose(void)
{
	close(play.control);
	play.control = -1;
}

static int end(void)
{
	if (play.control >= 0)
		close(play.control);
	close(keeper);
	return play_wait(&play);
}

/* With a pipe as its output, of which the guard holds the read end, and a record; the write end is closed here. */
static bool start_kept(uint32_t job, const char *const *words, struct told *told)
{
	int pair[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int record = memfd_create("record", MFD_CLOEXEC);
	struct guard_order *order = play_order(job, words, NULL);

	if (null < 0 || pipe2(pair, O_CLOEXEC) || write(record, &job, sizeof job) != sizeof job)
		return false;
	order->kept = 2;
	bool fine = play_order_send(&play, order, (int[]){ null, pair[1], null, record, pair[0] }, 5);
	close(pair[0]), close(pair[1]), close(null), close(record);
	return fine && hear_of(GUARD_STARTED, job, 1, told) && !told->reply.err;
}

/* Descriptors 0 and 1 of what is told are the record and the pipe of that job. */
static bool are_its(const struct told *told, uint32_t job, const char *text)
{
	struct pollfd from = { .fd = told->fds[1], .events = POLLIN };
	char got[64] = "";
	uint32_t number = 0;

	return pread(told->fds[0], &number, sizeof number, 0) == sizeof number && number == job &&
	       poll(&from, 1, PATIENCE_S * 1000) == 1 && read(told->fds[1], got, sizeof got - 1) >= 0 &&
	       !strncmp(got, text, strlen(text));
}

static void goes_on_without(void)
{
	struct told told, kept;

	REQUIRE(begin());
	REQUIRE(start_kept(1, WORDS(program, "w"), &told));
	pid_t pid = told.reply.pid;
	lose();
	usleep(100000); /* it would end within that time, and need not be slower for this to be right */
	CHECK(play_has_children(&play, 1));
	REQUIRE(adopt());
	REQUIRE(hear_of(GUARD_KEPT, 1, 3, &kept));
	CHECK_INT(kept.reply.pid, pid);
	CHECK_INT(kept.reply.kept, 2);
	CHECK_INT(kept.reply.running, 1);
	CHECK(are_its(&kept, 1, "up\n"));
	play_signal(&play, 1, SIGKILL, true);
	CHECK(play_gone(dup(kept.fds[2])));
	forget(&told), forget(&kept);
	CHECK(hear_of(GUARD_EXITED, 1, 0, &told) && told.reply.status == SIGKILL);
	CHECK_INT(end(), 0);
}

static void tells_what_ended(void)
{
	struct told first, second, kept;

	REQUIRE(begin());
	REQUIRE(start_kept(1, WORDS(program, "w"), &first));
	REQUIRE(start_kept(2, WORDS(program, "w"), &second));
	REQUIRE(adopt() && hear_of(GUARD_KEPT, 1, 3, &kept)); /* it has been executed, and says so */
	CHECK(are_its(&kept, 1, "up\n"));
	forget(&kept);
	REQUIRE(hear_of(GUARD_KEPT, 2, 3, &kept));
	lose();
	forget(&kept);
	CHECK(!syscall(SYS_pidfd_send_signal, first.fds[0], SIGTERM, NULL, 0));
	CHECK(play_gone(dup(first.fds[0])) && play_has_children(&play, 1));
	forget(&first), forget(&second);
	REQUIRE(adopt() && hear_of(GUARD_KEPT, 1, 2, &kept));
	forget(&kept);
	CHECK(hear_of(GUARD_EXITED, 1, 0, &kept) && kept.reply.status == SIGTERM &&
	      kept.reply.code == CLD_KILLED && kept.reply.running == 1);
	REQUIRE(hear_of(GUARD_KEPT, 2, 3, &kept));
	forget(&kept);
	REQUIRE(start_kept(1, WORDS(program, "w"), &first)); /* its number is free again */
	forget(&first);
	lose();
	REQUIRE(adopt() && hear_of(GUARD_KEPT, 1, 3, &first) && hear_of(GUARD_KEPT, 2, 3, &second));
	forget(&first), forget(&second);
	CHECK_INT(end(), 0);
}

/* As the second of two, while the first one still has its socket; and jobs of which nothing is held are forgotten. */
static void takes_another(void)
{
	struct told told;
	int first;

	REQUIRE(begin());
	int pidfd = play_stay(&play, play_order(5, WORDS(program, "w"), NULL), 1);
	CHECK(pidfd >= 0);
	first = dup(play.control);
	REQUIRE(adopt());
	struct pollfd old = { .fd = first, .events = POLLIN };
	CHECK(poll(&old, 1, PATIENCE_S * 1000) == 1 && recv(first, &told, sizeof told, 0) == 0);
	REQUIRE(start_kept(5, WORDS(program, "w"), &told)); /* or its number would be known */
	forget(&told);
	play_signal(&play, 0, SIGKILL, false);
	CHECK(play_gone(pidfd));
	CHECK(hear_of(GUARD_EXITED, 5, 0, &told));
	close(first);
	CHECK_INT(end(), 0);
}

static void ends_with_its_keeper(void)
{
	struct told told;

	REQUIRE(begin() && start_kept(1, WORDS(program, "w"), &told));
	close(keeper);
	CHECK_INT(play_wait(&play), 0); /* though its daemon is there */
	CHECK(play_gone(told.fds[0]));
	lose();
	REQUIRE(begin());
	lose();
	CHECK_INT(end(), 0);
}

/* What a job sees: its own, and nothing of what is held. */
static void jobs_see_nothing(void)
{
	struct told told;
	char text[256];

	REQUIRE(begin());
	int pair[2], record = memfd_create("record", MFD_CLOEXEC);
	REQUIRE(!pipe2(pair, O_CLOEXEC));
	struct guard_order *order = play_order(
		3, WORDS("/bin/sh", "-c", "for i in 3 4 5 6 24 25 26 27 28 29 30 31 32; do "
					  "[ ! -e /proc/self/fd/$i ] || echo $i; done; echo end"),
		NULL);
	order->kept = 2;
	REQUIRE(play_order_send(&play, order,
				(int[]){ pair[0], pair[1], pair[1], record, pair[0] }, 5));
	close(pair[1]), close(record);
	REQUIRE(hear_of(GUARD_STARTED, 3, 1, &told) && !told.reply.err);
	forget(&told);
	CHECK(hear_of(GUARD_EXITED, 3, 0, &told));
	play_read(pair[0], text, sizeof text); /* and its end: no write end is held either */
	CHECK_STR(text, "end\n");
	close(pair[0]);
	CHECK_INT(end(), 0);
}

/* Each ends it. */
static void wrong_orders(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	REQUIRE(begin());
	CHECK(order_with(play.control, GUARD_KEEP, null)); /* twice */
	CHECK(WIFEXITED(play_wait(&play)));
	close(play.control), close(keeper);
	REQUIRE(begin());
	CHECK(order_with(play.control, GUARD_ADOPT, null)); /* on the first socket */
	CHECK(WIFEXITED(play_wait(&play)));
	close(play.control), close(keeper);
	for (enum guard_order_type type = 1; type < GUARD_ADOPT; type++) {
		REQUIRE(begin());
		CHECK(order_with(keeper, type, type == GUARD_KEEP ? null : -1));
		CHECK(WIFEXITED(play_wait(&play)));
		close(play.control), close(keeper);
	}
	/* To one that is not kept: nothing may be held. */
	REQUIRE(play_start(&play, &(struct play_spec){ .flags = "" }));
	struct guard_order *order = play_order(1, WORDS(program, "w"), NULL);
	order->kept = 1;
	CHECK(play_order_send(&play, order, &null, 1));
	CHECK(WIFEXITED(play_wait(&play)));
	close(play.control);
	/* More than came. */
	REQUIRE(begin());
	order = play_order(1, WORDS(program, "w"), NULL);
	order->kept = 2;
	CHECK(play_order_send(&play, order, &null, 1));
	lose(); /* which is how it takes that */
	CHECK_INT(end(), 0);
	close(null);
}

static int tests(void)
{
	if (!program_make()) {
		printf("not ok guard_kept: gcc made no program\n");
		return 1;
	}
	RUN(goes_on_without);
	RUN(tells_what_ended);
	RUN(takes_another);
	RUN(ends_with_its_keeper);
	RUN(jobs_see_nothing);
	RUN(wrong_orders);
	program_remove();
	return check_done();
}

int main(void)
{
	return play_as_both(tests);
}
