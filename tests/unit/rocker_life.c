/* SPDX-License-Identifier: MIT */
/* The life of a rocker against a launcher that does what the test says: building, use, change, ends, removal, in every order. */
/* single-threaded */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "after.h"
#include "rocker_life_fake.h"

/* ---- one rocker, and who asks for it -------------------------------------------------------------------- */

struct asked {
	int calls, rc;
	char sentence[128];
};

static void note(void *arg, int rc, const char *sentence)
{
	struct asked *asked = arg;

	asked->calls++;
	asked->rc = rc;
	snprintf(asked->sentence, sizeof(asked->sentence), "%s", sentence);
}

static struct rocker *fresh(void)
{
	nbuilt = ngone = ends = 0;
	refuse_new = false;
	return rocker_new("a", &(struct sfs_owner){ 1000, 1000, 0755 }, rocker_spec_new());
}

static void change(struct rocker *rocker, enum rocker_key key, const char *text)
{
	struct rocker_spec *old = rocker->spec;

	rocker->spec = rocker_spec_with(old, key, text, &(struct plan_opener){ .uid = 1000 });
	rocker_spec_put(old);
}

/* Every rocker ends so: removed, torn down, with nothing left. */
static void finish(struct rocker *rocker)
{
	unsigned links;

	rocker_remove(rocker);
	rocker_remove(rocker);
	bury();
	links = nlinks;
	CHECK_INT(atomic_load(&rocker->refs), 1);
	CHECK_INT(ngone, nbuilt);
	CHECK_INT(links, 0);
	rocker_put(rocker);
}

static void built_and_used(void)
{
	struct rocker *rocker = fresh();
	struct asked first = { 0 }, second = { 0 };

	CHECK_INT(rocker->state, ROCKER_DEAD);
	rocker_build(rocker);
	CHECK_INT(rocker->state, ROCKER_BUILDING);
	rocker_acquire(rocker, note, &first);
	CHECK_INT(first.calls, 0);
	answer(0, 0);
	CHECK_INT(first.calls, 1);
	CHECK_INT(first.rc, 0);
	CHECK_INT(rocker->state, ROCKER_READY);
	CHECK_INT(rocker->guard, 100);
	rocker_acquire(rocker, note, &second);
	CHECK_INT(second.calls, 1);
	CHECK_INT(rocker->uses, 2);
	CHECK_INT(rocker_check_idle(rocker, "uid"), -EBUSY);
	rocker_release(rocker);
	rocker_release(rocker);
	CHECK_INT(rocker_check_idle(rocker, "uid"), 0);
	CHECK_INT(nbuilt, 1);
	finish(rocker);
}

static void fails_and_comes_again(void)
{
	struct rocker *rocker = fresh();
	struct asked first = { 0 }, second = { 0 };

	rocker_acquire(rocker, note, &first);
	answer(0, -EPERM);
	CHECK_INT(first.rc, -EPERM);
	CHECK_STR(first.sentence, "no namespaces");
	CHECK_INT(rocker->state, ROCKER_DEAD);
	refuse_new = true;
	rocker_acquire(rocker, note, &second);
	CHECK_INT(second.rc, -EAGAIN);
	CHECK_HAS(second.sentence, "gone");
	refuse_new = false;
	rocker_acquire(rocker, note, &second);
	answer(1, 0);
	CHECK_INT(second.rc, 0);
	CHECK_INT(second.calls, 2);
	rocker_release(rocker);
	finish(rocker);
}

static void changed_while_idle(void)
{
	struct rocker *rocker = fresh();
	struct asked asked = { 0 };

	rocker_build(rocker);
	answer(0, 0);
	change(rocker, KEY_NETWORK, "loopback");
	CHECK_INT(nbuilt, 1);
	rocker_acquire(rocker, note, &asked);
	CHECK_INT(rocker->state, ROCKER_BUILDING);
	CHECK(built[0]->dropped);
	CHECK_INT(built[1]->network, PLAN_NET_LOOPBACK);
	answer(1, 0);
	CHECK_INT(asked.rc, 0);
	/* In use it stays as it is. */
	change(rocker, KEY_NETWORK, NULL);
	rocker_acquire(rocker, note, &asked);
	CHECK_INT(asked.calls, 2);
	CHECK_INT(nbuilt, 2);
	rocker_release(rocker);
	rocker_release(rocker);
	rocker_acquire(rocker, note, &asked);
	CHECK_INT(nbuilt, 3);
	answer(2, 0);
	rocker_release(rocker);
	finish(rocker);
}

static void changed_while_building(void)
{
	struct rocker *rocker = fresh();
	struct asked asked = { 0 };

	rocker_acquire(rocker, note, &asked);
	change(rocker, KEY_NETWORK, "loopback");
	answer(0, 0);
	CHECK_INT(asked.calls, 0);
	CHECK_INT(nbuilt, 2);
	CHECK_INT(rocker->state, ROCKER_BUILDING);
	change(rocker, KEY_MEMORY, "67108864");
	answer(1, 0);
	CHECK_INT(asked.rc, 0);
	CHECK_INT(asked.calls, 1);
	/* A limit needs no other one. */
	CHECK_INT(nbuilt, 2);
	CHECK_INT(built[1]->memory, 67108864);
	rocker_release(rocker);
	finish(rocker);
}

/* Built anew before the first has answered: that answer is nobody's. */
static void answered_late(void)
{
	struct rocker *rocker = fresh();
	struct asked asked = { 0 };

	rocker_acquire(rocker, note, &asked);
	rocker_build(rocker);
	CHECK_INT(nbuilt, 2);
	CHECK(built[0]->dropped);
	answer(0, 0);
	CHECK_INT(asked.calls, 0);
	CHECK_INT(rocker->state, ROCKER_BUILDING);
	answer(1, 0);
	CHECK_INT(asked.calls, 1);
	CHECK_INT(rocker->guard, 101);
	rocker_release(rocker);
	finish(rocker);
}

static void guard_ends(void)
{
	struct rocker *rocker = fresh();
	struct asked asked = { 0 };

	rocker_acquire(rocker, note, &asked);
	answer(0, 0);
	rocker->frozen = true;
	rocker_acquire(rocker, note, &asked);
	CHECK_INT(asked.rc, -EBUSY);
	end(0);
	CHECK_INT(rocker->state, ROCKER_DEAD);
	CHECK_INT(rocker->guard, 0);
	CHECK(!rocker->frozen);
	CHECK_INT(nlinks, 0);
	rocker_release(rocker);
	rocker_acquire(rocker, note, &asked);
	CHECK_INT(nbuilt, 2);
	answer(1, 0);
	CHECK_INT(asked.rc, 0);
	rocker_release(rocker);
	finish(rocker);
}

static void removed_while_building(void)
{
	struct rocker *rocker = fresh();
	struct asked first = { 0 }, second = { 0 };

	rocker_acquire(rocker, note, &first);
	rocker_remove(rocker);
	CHECK_INT(first.rc, -ENODEV);
	CHECK_INT(ends, 1);
	answer(0, 0); /* ready comes first where it is pending */
	CHECK_INT(nlinks, 0);
	rocker_acquire(rocker, note, &second);
	CHECK_INT(second.rc, -ENODEV);
	rocker_build(rocker);
	CHECK_INT(nbuilt, 1);
	finish(rocker);
}

static void many_wait(void)
{
	struct rocker *rocker = fresh();
	struct asked asked[20] = { 0 };

	for (int i = 0; i < 20; i++)
		rocker_acquire(rocker, note, &asked[i]);
	CHECK_INT(nbuilt, 1);
	answer(0, 0);
	for (int i = 0; i < 20; i++)
		CHECK(asked[i].calls == 1 && !asked[i].rc);
	CHECK_INT(rocker->uses, 20);
	for (int i = 0; i < 20; i++)
		rocker_release(rocker);
	finish(rocker);
}

/* One that was made is built once its maker has been answered: who comes before that waits for it. */
static void promised(void)
{
	struct rocker *rocker = fresh();
	struct asked asked = { 0 };

	after_begin();
	rocker_promise(rocker);
	CHECK_INT(rocker->state, ROCKER_BUILDING);
	rocker_acquire(rocker, note, &asked);
	CHECK_INT(asked.calls + (int)nbuilt, 0);
	rocker_begin(rocker);
	rocker_begin(rocker);
	CHECK_INT(nbuilt, 1);
	answer(0, 0);
	CHECK(asked.calls == 1 && !asked.rc);
	rocker_release(rocker);
	rocker_begin(rocker);
	CHECK_INT(nbuilt, 1);
	rocker_remove(rocker);
	CHECK(!built[0]->dropped); /* so is what is removed torn down */
	rocker_acquire(rocker, note, &asked);
	CHECK_INT(asked.rc, -ENODEV);
	after_end(false);
	CHECK(built[0]->dropped);
	finish(rocker);
}

static void promised_in_vain(void)
{
	struct rocker *rocker = fresh(), *other = fresh();
	struct asked asked = { 0 };

	rocker_promise(rocker);
	rocker_acquire(rocker, note, &asked);
	refuse_new = true;
	rocker_begin(rocker);
	CHECK_INT(asked.rc, -EAGAIN);
	CHECK_INT(rocker->state, ROCKER_DEAD);
	refuse_new = false;
	rocker_promise(other);
	change(other, KEY_NETWORK, "loopback");
	rocker_build(other);
	rocker_begin(other);
	CHECK_INT(nbuilt, 1);
	CHECK_INT(built[0]->network, PLAN_NET_LOOPBACK);
	finish(other);
	rocker_promise(rocker);
	rocker_acquire(rocker, note, &asked);
	nbuilt = ngone = 0;
	rocker_remove(rocker);
	rocker_begin(rocker);
	CHECK_INT(asked.rc, -ENODEV);
	CHECK_INT(nbuilt, 0);
	finish(rocker);
}

#define ROOM 32 /* for calls of one operation */

static unsigned afters[ROOM + 2], nafters;

static void after(void *arg)
{
	afters[nafters++] = *(const unsigned *)arg;
}

static void after_the_answer(void)
{
	unsigned numbers[ROOM + 1];

	for (unsigned i = 0; i <= ROOM; i++)
		numbers[i] = i;
	sfs_after(after, &numbers[7]);
	CHECK_INT(nafters, 1);
	nafters = 0;
	after_begin();
	for (unsigned i = 0; i < ROOM; i++)
		sfs_after(after, &numbers[i]);
	CHECK_INT(nafters, 0);
	sfs_after(after, &numbers[ROOM]); /* there is room for no more */
	CHECK_INT(nafters, 1);
	after_end(true);
	CHECK_INT(nafters, ROOM + 1);
	CHECK_INT(afters[0], ROOM);
	for (unsigned i = 0; i < ROOM; i++)
		CHECK_INT(afters[i + 1], i);
	after_end(false);
	CHECK_INT(nafters, ROOM + 1);
}

/* What the launcher has been asked for is under way until it has answered, and then until nothing is left. */
static void under_way(void)
{
	struct rocker *rocker = fresh();

	CHECK(!rocker_slow_look());
	wakes = 0;
	rocker_build(rocker);
	CHECK(rocker_slow_look());
	CHECK_INT(wakes, 1);
	answer(0, 0);
	CHECK(!rocker_slow_look());
	rocker_remove(rocker);
	CHECK(rocker_slow_look());
	CHECK_INT(wakes, 2);
	bury();
	CHECK(!rocker_slow_look());
	rocker_put(rocker);
}

/* Who comes before anybody has looked waits, also for one that is built already. */
static void full_or_not(void)
{
	struct rocker *rocker = fresh();
	struct asked first = { 0 }, second = { 0 }, third = { 0 };

	disk_answer = SFS_LATER;
	disk_uses = 0;
	rocker_acquire(rocker, note, &first);
	answer(0, 0);
	CHECK_INT(rocker->state, ROCKER_READY);
	CHECK_INT(first.calls, 0);
	rocker_acquire(rocker, note, &second);
	CHECK_INT(second.calls, 0);
	rocker_go_on(rocker, built[0], 0, "");
	CHECK_INT(first.calls + second.calls, 2);
	CHECK_INT(rocker->uses, 2);
	CHECK_INT(disk_uses, 1);
	rocker_acquire(rocker, note, &third);
	rocker_go_on(rocker, NULL, 0, ""); /* another's answer */
	CHECK_INT(third.calls, 0);
	rocker_go_on(rocker, built[0], -ENOSPC, "full");
	CHECK_INT(third.rc, -ENOSPC);
	CHECK_STR(third.sentence, "full");
	rocker_release(rocker);
	rocker_release(rocker);
	third = (struct asked){ 0 };
	rocker_acquire(rocker, note, &third);
	end(0);
	CHECK_INT(third.rc, -ESRCH);
	disk_answer = 0;
	finish(rocker);
}

int main(void)
{
	RUN(full_or_not);
	RUN(built_and_used);
	RUN(fails_and_comes_again);
	RUN(changed_while_idle);
	RUN(changed_while_building);
	RUN(answered_late);
	RUN(guard_ends);
	RUN(removed_while_building);
	RUN(many_wait);
	RUN(promised);
	RUN(promised_in_vain);
	RUN(after_the_answer);
	RUN(under_way);
	return check_done();
}
