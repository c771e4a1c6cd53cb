/* SPDX-License-Identifier: MIT */
/* single-threaded */
/* The queue that goes round by uid: in which order what comes out of it, whatever came in when. */
#include "check.h"
#include "store_turns.h"

#include <stdlib.h>
#include <string.h>

#define MANY 64

struct waiting {
	struct turn turn;
	char name[4];
};

static struct turns queue;
static struct waiting waiting[MANY];

/* A letter says whose it is, a digit which one. */
static struct turn *turn_of(const char *name)
{
	struct waiting *w = &waiting[(name[0] - 'A') * 8 + name[1] - '0'];

	memcpy(w->name, name, 2);
	return &w->turn;
}

static void add(const char *names)
{
	for (; *names; names += 2)
		turns_add(&queue, turn_of(names), (uid_t)names[0]);
}

static const char *take_all(bool (*may)(uid_t uid))
{
	static char order[2 * MANY + 1];
	struct turn *turn;

	order[0] = '\0';
	while ((turn = turns_take(&queue, may)))
		strcat(order, ((struct waiting *)turn)->name);
	return order;
}

static bool not_a(uid_t uid)
{
	return uid != 'A';
}

static void each_user_in_turn(void)
{
	CHECK_STR(take_all(NULL), "");
	add("A0A1A2A3B0C0B1");
	CHECK_STR(take_all(NULL), "A0B0C0A1B1A2A3");
	add("A0A1");
	CHECK(turns_take(&queue, NULL) == turn_of("A0"));
	add("B0A2");
	CHECK_STR(take_all(NULL), "A1B0A2");
}

static void some_may_not(void)
{
	add("A0A1B0C0B1");
	CHECK(turns_any(&queue, not_a));
	CHECK_STR(take_all(not_a), "B0C0B1");
	CHECK(!turns_any(&queue, not_a));
	CHECK(turns_any(&queue, NULL));
	CHECK_STR(take_all(NULL), "A0A1");
}

/* A job of several pieces stays its user's first, and others have their turn in between. */
static void once_more(void)
{
	struct turn *turn;

	add("A0A1");
	turn = turns_take(&queue, NULL);
	add("B0C0B1");
	turns_again(&queue, turn);
	CHECK_STR(take_all(NULL), "B0C0A0B1A1");
	turns_again(&queue, turn);
	CHECK_STR(take_all(NULL), "A0");
}

static void taken_out(void)
{
	add("A0A1A2B0B1");
	CHECK(turns_remove(&queue, turn_of("A0")));
	CHECK(!turns_remove(&queue, turn_of("A0")));
	CHECK(turns_remove(&queue, turn_of("B1")));
	add("B2");
	CHECK(turns_remove(&queue, turn_of("A2")));
	add("A3");
	CHECK_STR(take_all(NULL), "A1B0A3B2");
	CHECK(!turns_remove(&queue, turn_of("A3")));
	add("A0");
	CHECK(turns_remove(&queue, turn_of("A0")));
	CHECK_STR(take_all(NULL), "");
}

/* Whatever is done: nothing is lost, nothing comes twice, and a user's own stay in their order. */
static void in_any_order(void)
{
	static struct waiting all[6 * 200];
	int next_in[6] = { 0 }, next_out[6] = { 0 };
	struct turn *turn;
	int in = 0, out = 0;

	srand(1);
	while (out < 1000) {
		int user = rand() % 6;

		if (in < 1000 && next_in[user] < 200 && rand() % 2) {
			turns_add(&queue, &all[user * 200 + next_in[user]++].turn, (uid_t)user);
			in++;
		} else if ((turn = turns_take(&queue, NULL))) {
			user = (int)turn->uid;
			if (rand() % 4 == 0) {
				turns_again(&queue, turn);
				continue;
			}
			REQUIRE(turn == &all[user * 200 + next_out[user]].turn);
			next_out[user]++;
			out++;
		}
	}
	CHECK(!queue.first);
}

int main(void)
{
	RUN(each_user_in_turn);
	RUN(some_may_not);
	RUN(once_more);
	RUN(taken_out);
	RUN(in_any_order);
	return check_done();
}
