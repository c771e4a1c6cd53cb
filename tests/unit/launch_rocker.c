/* SPDX-License-Identifier: MIT */
/*
 * Rockers between daemon and launcher: from the order to the guard's end, every refusal, and that nothing is left.
 * deadline: 180
 * waits
 */
#include "launch_rocker_fake.h"

#include <sys/resource.h>

static void a_life(void)
{
	struct life l;
	struct rocker_usage usage;
	pid_t pids[4];

	REQUIRE(life_new(&l, plan_of("ok", NULL), an_owner()));
	REQUIRE(!l.rc);
	CHECK(l.guard > 0 && is_alive(l.guard));
	CHECK_INT(strlen(l.name), 15);
	CHECK(!strncmp(l.name, "rk", 2));
	CHECK(l.pidfd >= 0 && l.control >= 0);
	CHECK(fcntl(l.control, F_GETFD) & FD_CLOEXEC);
	if (geteuid()) {
		CHECK_INT(l.uid, geteuid());
	} else {
		CHECK_INT(l.uid, 1234);
		CHECK(l.gid >= config.jail_uid_base);
	}
	CHECK_INT(launch_rocker_procs(l.rocker, pids, 4), 1);
	CHECK_INT(pids[0], l.guard);
	CHECK_INT(launch_rocker_usage(l.rocker, &usage), 0);
	CHECK_INT(usage.has_pids, launch_client.places.version[GROUP_PIDS] != 0);
	CHECK_INT(launch_rocker_usage_all(l.rocker, &usage), 0);
	CHECK(usage.has_pids && usage.pids == 1 && usage.has_cpu && usage.has_memory);
	pid_t guard = l.guard;
	life_end(&l);
	CHECK(!is_alive(guard));
	CHECK(groups_left() <= 0);
	CHECK(sem_trywait(&l.ended)); /* a drop is no end that is told */
}

static void names_differ(void)
{
	struct life a, b;

	REQUIRE(life_new(&a, plan_of("ok", NULL), an_owner()) && life_new(&b, plan_of("ok", NULL), an_owner()));
	CHECK(strcmp(a.name, b.name));
	life_end(&a);
	life_end(&b);
}

static void ends_by_itself(void)
{
	struct life l;

	REQUIRE(life_new(&l, plan_of("ok", NULL), an_owner()) && !l.rc);
	CHECK(send(l.control, "\7", 1, MSG_NOSIGNAL) == 1);
	REQUIRE(await(&l.ended, 20));
	CHECK_INT(l.how.code, CLD_EXITED);
	CHECK_INT(l.how.status, 7);
	CHECK(!l.how.oom);
	CHECK_INT(launch_rocker_freeze(l.rocker, true, on_done, &l), 0);
	REQUIRE(await(&l.done, 20));
	CHECK_INT(l.done_rc, -ESRCH);
	life_end(&l);
	REQUIRE(life_new(&l, plan_of("ok", NULL), an_owner()) && !l.rc);
	CHECK(send(l.control, "!", 1, MSG_NOSIGNAL) == 1);
	REQUIRE(await(&l.ended, 20));
	CHECK_INT(l.how.status, SIGSEGV);
	life_end(&l);
	REQUIRE(life_new(&l, plan_of("ok", NULL), an_owner()) && !l.rc);
	close(l.control); /* as when the daemon dies */
	l.control = -1;
	REQUIRE(await(&l.ended, 20));
	CHECK_INT(l.how.status, 0);
	life_end(&l);
}

static void refusals(void)
{
	static const struct {
		const char *how, *host;
		int rc;
		const char *sentence;
	} rows[] = {
		{ "report", NULL, -ENOENT, "host name 'report': No such file or directory" },
		{ "die", NULL, -EIO, "ended before its guard began: exit status 9" },
		{ "rubbish", NULL, -EIO, "cannot be understood" },
		{ "ok", "deny\n\033[1m\\", -EACCES, "binds 'deny\\x0a\\x1b[1m\\x5c': Permission denied" },
		{ "ok", "crash", -EIO, "host paths of uid 1234 ended: signal 9" },
		{ "ok", "hang", -ETIMEDOUT, "host paths of uid 1234 took longer than 1000 ms" },
		{ "hang", NULL, -ETIMEDOUT, "took longer than 5000 ms" },
		{ 0 },
	};

	for (int i = 0; rows[i].how; i++) {
		struct life l;
		REQUIRE(life_new(&l, plan_of(rows[i].how, rows[i].host), an_owner()));
		CHECK_MSG(l.rc == rows[i].rc, "%s %s: %d %s", rows[i].how, rows[i].host ?: "", l.rc, l.sentence);
		CHECK_HAS(l.sentence, rows[i].sentence);
		CHECK(l.pidfd == -1 && l.control == -1);
		life_end(&l);
	}
	CHECK(groups_left() <= 0);
}

static void identities(void)
{
	struct life l;
	struct rocker_plan *plan = plan_of("ok", NULL);
	static const uint32_t wrong[][2] = { { 0, 5 }, { 5, 0 }, { 2000001, 5 }, { 5, 2000001 }, { UINT32_MAX, 0 } };

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		plan->uid = wrong[i][0];
		plan->gid = wrong[i][1];
		plan->inside_uid = plan->inside_gid = i % 2 ? 0 : PLAN_AS_HOST; /* a name inside gives nothing */
		REQUIRE(life_new(&l, plan, an_owner()));
		CHECK_INT(l.rc, -EPERM);
		CHECK_HAS(l.sentence, "must not run as");
		life_end(&l);
	}
	if (geteuid())
		return;
	for (unsigned i = 0; i < 3; i++) { /* 33 and 77 alone are for root to give */
		plan->uid = i ? 33 : 0;
		plan->gid = i == 1 ? 0 : 77;
		REQUIRE(life_new(&l, plan, 0));
		CHECK_INT(l.rc, i == 2 ? 0 : -EPERM);
		CHECK(i < 2 || (l.uid == 33 && l.gid == 77));
		life_end(&l);
	}
	REQUIRE(life_new(&l, plan_of("ok", NULL), 0));
	CHECK(l.uid >= 2000000 && l.uid == l.gid);
	life_end(&l);
	REQUIRE(life_new(&l, plan_of("ok", "fine"), 1234));
	CHECK_INT(l.gid, 1234); /* of his opener */
	life_end(&l);
}

static void limits(void)
{
	struct life l;
	struct rocker_plan *plan = plan_of("ok", NULL);
	bool here = launch_client.places.version[GROUP_PIDS] != 0;

	plan->limits.pids = 7;
	REQUIRE(life_new(&l, plan, an_owner()) && !l.rc);
	CHECK_STR(l.sentence, here ? "" : "pids.max cannot be limited on this machine");
	plan->limits.memory_bytes = 64 * MIB;
	CHECK_INT(launch_rocker_limit(l.rocker, &plan->limits, on_done, &l), 0);
	REQUIRE(await(&l.done, 20));
	CHECK_INT(l.done_rc, here ? 0 : -EOPNOTSUPP);
	CHECK_STR(l.sentence, here ? "" : "memory.max is not possible on this machine");
	life_end(&l);
}

static void frozen(void)
{
	struct life l;
	bool here = launch_client.places.version[GROUP_CORE] != 0;

	REQUIRE(life_new(&l, plan_of("ok", NULL), an_owner()) && !l.rc);
	CHECK_INT(launch_rocker_freeze(l.rocker, true, on_done, &l), 0);
	REQUIRE(await(&l.done, 20));
	CHECK_INT(l.done_rc, here ? 0 : -EOPNOTSUPP);
	life_end(&l); /* as it is */
	CHECK(groups_left() <= 0);
}

static void killed(void)
{
	struct life l;

	REQUIRE(life_new(&l, plan_of("ok", NULL), an_owner()) && !l.rc);
	CHECK_INT(launch_rocker_kill(l.rocker, on_done, &l), 0);
	REQUIRE(await(&l.done, 20) && await(&l.ended, 20));
	CHECK_INT(l.done_rc, 0);
	CHECK_INT(l.how.code, CLD_KILLED);
	CHECK_INT(l.how.status, SIGKILL);
	life_end(&l);
	/* One that is being built answers both. */
	REQUIRE(life_begin(&l, plan_of("hang", NULL), an_owner()));
	CHECK_INT(launch_rocker_kill(l.rocker, on_done, &l), 0);
	REQUIRE(await(&l.ready, 20) && await(&l.done, 20));
	CHECK_INT(l.rc, -ECANCELED);
	life_end(&l);
}

static void dropped_early(void)
{
	static const char *const hosts[] = { NULL, "hang" };

	for (int i = 0; i < 2; i++) {
		struct life l;
		REQUIRE(life_begin(&l, plan_of("hang", hosts[i]), an_owner()));
		life_end(&l);
		CHECK(!sem_trywait(&l.ready)); /* before gone */
		CHECK_INT(l.rc, -ECANCELED);
	}
}

static int trial(const char *host, struct life *l)
{
	time_t begin = time(NULL);

	life_init(l);
	CHECK_INT(launch_rocker_check(plan_of("", host), on_done, l), 0);
	if (!await(&l->done, 20))
		return 1;
	CHECK(time(NULL) - begin < 7); /* a second is meant, and the machine has other things to do */
	return l->done_rc;
}

static void trials(void)
{
	static const struct {
		const char *host;
		int rc;
	} rows[] = { { "fine", 0 }, { "deny", -EACCES }, { "hang", -ETIMEDOUT }, { "crash", -EIO }, { 0 } };
	struct life l;

	for (int i = 0; rows[i].host; i++) {
		int rc = -ETIMEDOUT; /* also of one that had no processor for that second */
		for (int times = 0; times < 5 && rc == -ETIMEDOUT; times++)
			rc = trial(rows[i].host, &l);
		CHECK_MSG(rc == rows[i].rc, "%s: %d", rows[i].host, rc);
		CHECK(!l.done_rc == !l.sentence[0]);
	}
}

#define TRIALS 17 /* one more than a user may have at once */

static void trials_of_one(void)
{
	static struct life lives[TRIALS];
	struct life other;

	for (int i = 0; i < TRIALS; i++) {
		life_init(&lives[i]);
		CHECK_INT(launch_rocker_check(plan_of("", "hang"), on_done, &lives[i]), 0);
	}
	struct rocker_plan *plan = plan_of("", "fine");
	plan->openers[0].uid = 4321;
	life_init(&other);
	CHECK_INT(launch_rocker_check(plan, on_done, &other), 0);
	REQUIRE(await(&other.done, 20));
	CHECK_INT(other.done_rc, 0);
	for (int i = 0; i < TRIALS; i++) {
		REQUIRE(await(&lives[i].done, 20));
		CHECK_INT(lives[i].done_rc, i == TRIALS - 1 ? -EAGAIN : -ETIMEDOUT);
	}
}

/* Who has so many under way waits for his own, and nobody else for his; what is dropped before its turn is gone at once. */
static void turns(void)
{
	struct life his[BUILDING_MAX], waits, late, other;

	for (int i = 0; i < BUILDING_MAX; i++)
		REQUIRE(life_begin(&his[i], plan_of("hang", NULL), an_owner()));
	REQUIRE(life_begin(&waits, plan_of("ok", NULL), an_owner()) && life_begin(&late, plan_of("ok", NULL), an_owner()));
	REQUIRE(life_begin(&other, plan_of("ok", NULL), an_owner() + 1));
	REQUIRE(await(&other.ready, 20));
	CHECK(geteuid() || !other.rc);
	CHECK(sem_trywait(&waits.ready) && sem_trywait(&late.ready));
	CHECK_INT(launch_rocker_kill(waits.rocker, on_done, &waits), -ENODEV);
	launch_rocker_drop(waits.rocker);
	CHECK(!sem_trywait(&waits.ready) && !sem_trywait(&waits.gone));
	CHECK_INT(waits.rc, -ECANCELED);
	CHECK_HAS(waits.sentence, "dropped");
	life_close(&waits);
	launch_rocker_drop(his[0].rocker);
	REQUIRE(await(&late.ready, 20));
	CHECK_INT(late.rc, 0);
	for (int i = 1; i < BUILDING_MAX; i++)
		launch_rocker_drop(his[i].rocker);
	for (int i = 0; i < BUILDING_MAX; i++) {
		REQUIRE(await(&his[i].gone, 20));
		CHECK_INT(his[i].rc, -ECANCELED);
		life_close(&his[i]);
	}
	life_end(&late);
	life_end(&other);
	CHECK_INT(launch_client.waiting, 0);
	for (int part = SHARE_WAITING; part < SHARE_PARTS; part++)
		CHECK_INT(launch_client.shares[an_owner() % SHARES][part], 0);
}

#define MANY 200

/* What stays for a moment has gone; an instrumented launcher goes on in a child. */
static bool children_shrink(unsigned n)
{
	for (int i = 0; i < check_patient(1000) && children(test_launcher) > n; i++)
		usleep(10000);
	return children(test_launcher) <= n;
}

static bool children_become(unsigned n)
{
	for (int i = 0; i < check_patient(1000) && children(test_launcher) != n; i++)
		usleep(10000);
	return children(test_launcher) == n;
}

/* More orders than the socket holds: none is refused, and the descriptors and processes are given back. */
static void many(void)
{
	static struct life lives[MANY];
	unsigned files, kids;

	REQUIRE(children_shrink(1));
	kids = children(test_launcher);
	files = descriptors(test_launcher);
	struct rocker_plan *plan = plan_of("ok", NULL);
	plan->text_used = PLAN_TEXT_MAX - 1; /* a large message */
	for (int i = 0; i < MANY; i++)
		REQUIRE(life_begin(&lives[i], plan, an_owner()));
	for (int i = 0; i < MANY; i++) {
		REQUIRE(await(&lives[i].ready, 60));
		CHECK_INT(lives[i].rc, 0);
	}
	for (int i = 0; i < MANY; i++)
		launch_rocker_drop(lives[i].rocker);
	for (int i = 0; i < MANY; i++) {
		REQUIRE(await(&lives[i].gone, 60));
		life_close(&lives[i]);
	}
	CHECK(children_shrink(kids));
	if (!geteuid())
		CHECK_INT(descriptors(test_launcher), files);
	CHECK(groups_left() <= 0);
}

static void with_pool(void)
{
	struct life l;

	if (children(test_launcher)) {
		check_skip("an instrumented launcher goes on in a child, whose children are not seen from here");
		return;
	}
	/* Nobody has wanted one yet. */
	REQUIRE(life_new(&l, plan_of("ok", NULL), an_owner()) && !l.rc);
	life_end(&l);
	CHECK(children_become(4));
	CHECK(geteuid() || groups_left() == 4);
	/* One that dies is made anew. */
	char path[64], text[64] = "";
	snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", (long)test_launcher, (long)test_launcher);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(read(fd, text, sizeof text - 1) > 0);
	close(fd);
	pid_t spare = (pid_t)atoi(text);
	CHECK(!kill(spare, SIGKILL));
	for (int i = 0; i < check_patient(1000) && is_alive(spare); i++)
		usleep(10000);
	CHECK(children_become(4));
}

/* Everything that is pending or lives is told, and what is asked later fails. */
static void launcher_gone(void)
{
	struct life ready, building, late;

	REQUIRE(life_new(&ready, plan_of("ok", NULL), an_owner()) && !ready.rc);
	REQUIRE(life_begin(&building, plan_of("hang", NULL), an_owner()));
	life_init(&late);
	CHECK_INT(launch_rocker_check(plan_of("", "hang"), on_done, &late), 0);
	kill(test_launcher, SIGKILL);
	REQUIRE(await(&building.ready, 20));
	CHECK_INT(building.rc, -EIO);
	REQUIRE(await(&ready.ended, 20));
	CHECK_INT(ready.how.code, 0);
	REQUIRE(await(&late.done, 20));
	CHECK_INT(late.done_rc, -EIO);
	CHECK(!launch_rocker_new(an_owner(), plan_of("ok", NULL), &life_calls, &late));
	CHECK_INT(launch_rocker_kill(ready.rocker, on_done, &ready), -EIO);
	life_end(&ready);
	life_end(&building);
	launch_stop();
	CHECK(wait_launcher() > 0);
	close(test_channel);
}

/* What a launcher that was killed left behind, the next one clears away. */
static void next_launcher(void)
{
	struct group_places places = launch_client.places;
	char old[GROUP_PATH_MAX];

	snprintf(old, sizeof old, "%s", places.path[GROUP_CORE]);
	start(0);
	if (!geteuid())
		CHECK(access(old, F_OK) && access(launch_client.places.path[GROUP_CORE], F_OK) == 0);
	stop();
	if (!geteuid())
		CHECK(access(launch_client.places.path[GROUP_CORE], F_OK));
}

/* Whose answer is awaited, though nothing was asked. */
static void expect_answer(struct life *l)
{
	life_init(l);
	l->rocker = calloc(1, sizeof *l->rocker);
	REQUIRE(l->rocker);
	*l->rocker = (struct launch_rocker){ .calls = life_calls, .arg = l, .ready_pending = true };
	l->rocker->waits_end = &l->rocker->waits;
	launch_client.rockers[0] = l->rocker;
}

/* A message that no honest daemon sends ends the launcher, which does nothing of what it says. */
static void malformed(void)
{
	struct life l;
	static struct lm_rocker_new order;
	size_t size = offsetof(struct lm_rocker_new, plan) + plan_size(plan_of("ok", NULL));

	for (int i = 0; i < 4; i++) {
		start(0);
		order = (struct lm_rocker_new){ .head = { LM_ROCKER_NEW, i == 1 ? LM_ROCKERS_MAX : 0 }, .owner = an_owner() };
		memcpy(&order.plan, &test_plan, plan_size(&test_plan));
		order.plan.text_used += i == 2;
		order.head.type = i == 3 ? LM_ROCKER_DROP : LM_ROCKER_NEW;
		if (i == 3)
			size = sizeof(struct lm_rocker_drop);
		expect_answer(&l);
		CHECK(send(test_channel, &order, size - (i == 0), MSG_NOSIGNAL) > 0);
		REQUIRE(await(&l.ready, 20));
		CHECK_INT(l.rc, -EIO);
		life_end(&l);
		CHECK_INT(wait_launcher(), 0);
		launch_stop();
		close(test_channel);
	}
}

/* No room for the guard's descriptors: that one fails, and all else goes on. */
static void no_descriptors(void)
{
	struct rlimit before, none;
	struct life l;

	REQUIRE(!getrlimit(RLIMIT_NOFILE, &before));
	none = before;
	none.rlim_cur = 4; /* those below are taken */
	REQUIRE(!setrlimit(RLIMIT_NOFILE, &none));
	bool made = life_new(&l, plan_of("ok", NULL), an_owner());
	CHECK(!setrlimit(RLIMIT_NOFILE, &before));
	REQUIRE(made);
	CHECK_INT(l.rc, -EMFILE);
	CHECK_HAS(l.sentence, "no descriptor left");
	life_end(&l);
	CHECK(sem_trywait(&l.ended));
	REQUIRE(life_new(&l, plan_of("ok", NULL), an_owner()));
	CHECK_INT(l.rc, 0);
	life_end(&l);
}

static void tests(void)
{
	start(0);
	CHECK_HAS(launch_machine(), "rockers yes\n");
	CHECK_HAS(launch_machine(), "rocker_limits ");
	CHECK_HAS(launch_machine(), "rocker_fake yes\n");
	RUN_AS_ROLE(a_life);
	RUN_AS_ROLE(names_differ);
	RUN_AS_ROLE(ends_by_itself);
	RUN_AS_ROLE(refusals);
	RUN_AS_ROLE(identities);
	RUN_AS_ROLE(limits);
	RUN_AS_ROLE(frozen);
	RUN_AS_ROLE(killed);
	RUN_AS_ROLE(dropped_early);
	RUN_AS_ROLE(trials);
	RUN_AS_ROLE(trials_of_one);
	RUN_AS_ROLE(no_descriptors);
	RUN_AS_ROLE(turns);
	RUN_AS_ROLE(many);
	stop();
	start(4);
	RUN_AS_ROLE(with_pool);
	stop();
	fake_scopes = true;
	start(0);
	RUN_AS_ROLE(a_life);
	RUN_AS_ROLE(many);
	stop();
	fake_scopes = false;
	RUN_AS_ROLE(malformed);
	start(0);
	RUN_AS_ROLE(launcher_gone);
	RUN_AS_ROLE(next_launcher);
}

int main(void)
{
	return in_roles(tests);
}
