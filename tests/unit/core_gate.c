/* SPDX-License-Identifier: MIT */
/* The gate before names whose every lookup is an inode of its own: who passes, who waits, and for what. */
#include "check.h"
#include "gate.h"

#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#define DIR    42
#define A      1001
#define B      1002
#define GUESTS 100
#define WAIT_S 10

static struct gate_guest guests[GUESTS];
static atomic_int gone, order[GUESTS];

static void go(struct gate_guest *guest)
{
	atomic_store(&order[guest - guests], atomic_fetch_add(&gone, 1) + 1);
}

/* A LOOKUP of thread pid: true, it may go on; else it waits, as guests[n]. */
static bool look_up(int n, uid_t uid, pid_t pid)
{
	guests[n] = (struct gate_guest){ .dir = DIR, .uid = uid, .pid = pid, .go = go };
	atomic_store(&order[n], 0);
	if (gate_pass(&guests[n]))
		return true;
	gate_wait(&guests[n]);
	return false;
}

static bool all_gone(int n)
{
	for (int i = 0; i < WAIT_S * 1000 && atomic_load(&gone) < n; i++)
		usleep(1000);
	return atomic_load(&gone) == n;
}

/* Lets threads 1, 2, 3... of A in until one has to wait: how many were let in. */
static int fill(void)
{
	int n = 0;

	while (n < GUESTS && look_up(n, A, n + 1))
		n++;
	return n;
}

static void begin(void)
{
	atomic_store(&gone, 0);
	REQUIRE(gate_start() == 0);
}

static void empty(int n)
{
	for (int pid = 1; pid <= n; pid++)
		gate_leave(DIR, A, pid, false);
	gate_stop();
}

static void a_crowd_waits_and_others_do_not(void)
{
	int n;

	begin();
	n = fill();
	CHECK(n > 1 && n < 10);
	/* Who is in stays in, whatever he looks up; and so does whoever cannot be told from others. */
	CHECK(look_up(n + 1, A, 1));
	CHECK(look_up(n + 1, A, 0));
	CHECK(look_up(n + 1, B, 1));
	empty(n + 2);
	CHECK_INT(atomic_load(&gone), 1);
}

static void an_open_lets_the_next_one_in(void)
{
	begin();
	(void)fill();
	gate_leave(DIR, A, 1, false);
	CHECK(all_gone(1));
	empty(GUESTS);
}

/* What is looked up is not always opened. */
static void none_waits_for_ever(void)
{
	int n, wait = 1;

	begin();
	n = fill();
	for (int i = n + 1; i < GUESTS; i++)
		wait += !look_up(i, A, i + 1);
	CHECK(all_gone(wait));
	gate_stop();
}

static void it_is_open_for_those_who_truncate(void)
{
	int n;

	begin();
	n = fill();
	gate_leave(DIR, A, 1, true);
	CHECK(all_gone(1));
	for (int i = n + 1; i < GUESTS; i++)
		CHECK(look_up(i, A, i + 1));
	gate_leave(DIR, A, 2, false);
	empty(GUESTS);
}

static void its_end_lets_all_go(void)
{
	int n;

	begin();
	n = fill();
	gate_stop();
	CHECK_INT(atomic_load(&gone), 1);
	CHECK(look_up(n + 1, A, n + 2));
	empty(GUESTS);
}

int main(void)
{
	RUN(a_crowd_waits_and_others_do_not);
	RUN(an_open_lets_the_next_one_in);
	RUN(none_waits_for_ever);
	RUN(it_is_open_for_those_who_truncate);
	RUN(its_end_lets_all_go);
	return check_done();
}
