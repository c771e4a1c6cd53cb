/* SPDX-License-Identifier: MIT */
/*
 * Guards made ahead: who gets one, who does not, what comes of one that fails, and that none is left.
 * deadline: 120
 */
#include "launch_rocker_fake.h"

#define POOL 2

static pid_t told[64]; /* children that have been told what to become: blanks have not, nor have fitters */
static unsigned ntold;

static bool is_told(long pid)
{
	char path[48], name[16] = "";

	snprintf(path, sizeof path, "/proc/%ld/comm", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, name, sizeof name - 1);
	if (fd >= 0)
		close(fd);
	return n > 0 && !strcmp(name, "told\n");
}

static unsigned look(void)
{
	char path[64], text[2048];

	snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", (long)test_launcher, (long)test_launcher);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	text[len > 0 ? len : 0] = '\0';
	ntold = 0;
	for (char *p = text, *end; ntold < 64; p = end) {
		long pid = strtol(p, &end, 10);
		if (end == p)
			break;
		if (is_told(pid))
			told[ntold++] = (pid_t)pid;
	}
	return ntold;
}

static bool was_told(pid_t pid)
{
	for (unsigned i = 0; i < ntold; i++)
		if (told[i] == pid)
			return true;
	return false;
}

/* So many guards of rockers and made ahead; and then a fitter, too. */
static bool become(unsigned guards, unsigned all)
{
	unsigned n = 0, m = 0;

	for (int i = 0; i < 2000; i++, usleep(10000))
		if ((m = children(test_launcher)) == all && (n = look()) == guards)
			return true;
	CHECK_MSG(false, "%u guards of %u children, not %u of %u", n, m, guards, all);
	return false;
}

/* All of one kind, unless it is asked for another. */
static struct rocker_plan *plan_like(const char *how, const char *host)
{
	struct rocker_plan *plan = plan_of(how, host);

	plan->uid = plan->gid = 1234;
	return plan;
}

/* One lives, and there is what is made for who may want more like it. */
static bool first(struct life *l)
{
	return life_new(l, plan_like("ok", NULL), 1234) && !l->rc && become(1 + POOL, 1 + POOL + POOL + 1);
}

/* Who has made none for a while has no process that waits, and holds no id. */
static bool forgotten(void)
{
	for (int i = 0; i < 2000; i++, usleep(10000))
		if (children(test_launcher) <= POOL + 1 && !look())
			return true;
	CHECK_MSG(false, "%u guards of %u children", look(), children(test_launcher));
	return false;
}

static void alike(void)
{
	struct life a, b;

	REQUIRE(first(&a));
	REQUIRE(life_new(&b, plan_like("ok", "fine"), 1234) && !b.rc);
	CHECK(was_told(b.guard) && b.guard != a.guard && is_alive(b.guard));
	CHECK(b.pidfd >= 0 && b.control >= 0);
	CHECK(strcmp(a.name, b.name) && strlen(b.name) == 15);
	CHECK(a.uid == b.uid && a.gid == b.gid);
	CHECK(send(b.control, "\7", 1, MSG_NOSIGNAL) == 1);
	REQUIRE(await(&b.ended, 20));
	CHECK_INT(b.how.status, 7);
	life_end(&b);
	REQUIRE(become(1 + POOL, 1 + POOL + POOL + 1)); /* another in its place */
	life_end(&a);
	REQUIRE(forgotten());
	CHECK(groups_left() <= POOL);
}

static void failures(void)
{
	static const struct {
		const char *how, *host;
		int rc;
		const char *sentence;
	} rows[] = {
		{ "hang", NULL, -ETIMEDOUT, "took longer than 5000 ms" },
		{ "report", NULL, -ENOENT, "host name 'report': No such file or directory" },
		{ "die", NULL, -EIO, "who furnishes the rocker ended before it was done" },
		{ "ok", "deny", -EACCES, "binds 'deny': Permission denied" },
		{ "ok", "hang", -ETIMEDOUT, "took longer than 1000 ms" },
		{ 0 },
	};
	struct life one, l;

	for (int i = 0; rows[i].how; i++) {
		REQUIRE(first(&one));
		REQUIRE(life_new(&l, plan_like(rows[i].how, rows[i].host), 1234));
		CHECK_MSG(l.rc == rows[i].rc, "%s %s: %d %s", rows[i].how, rows[i].host ?: "", l.rc, l.sentence);
		CHECK_HAS(l.sentence, rows[i].sentence);
		CHECK(l.pidfd == -1 && l.control == -1);
		life_end(&l);
		life_end(&one);
	}
}

static void cannot_take(const char *what, const struct rocker_plan *plan, uid_t owner)
{
	struct life b;

	look();
	REQUIRE(life_new(&b, plan, owner) && !b.rc);
	CHECK_MSG(!was_told(b.guard), "%s", what);
	life_end(&b);
}

/* What differs in anything that cannot be changed any more, or is another's. */
static void others(void)
{
	struct rocker_plan *plan;
	struct life a;

	REQUIRE(first(&a));
	cannot_take("owner", plan_like("ok", NULL), 4321);
	plan = plan_like("ok", NULL);
	plan->uid = 5;
	cannot_take("uid", plan, 1234);
	plan = plan_like("ok", NULL);
	plan->gid = 5;
	cannot_take("gid", plan, 1234);
	plan = plan_like("ok", NULL);
	plan->inside_uid = 0;
	cannot_take("uid inside", plan, 1234);
	plan = plan_like("ok", NULL);
	plan->inside_gid = 0;
	cannot_take("gid inside", plan, 1234);
	plan = plan_like("ok", NULL);
	plan->limits.pids = 7;
	cannot_take("limits", plan, 1234);
	plan = plan_like("ok", NULL);
	plan->limits.disk_bytes = 1 << 20;
	cannot_take("size of the root", plan, 1234);
	plan = plan_like("ok", NULL);
	plan->network = PLAN_NET_LOOPBACK;
	cannot_take("network", plan, 1234);
	plan = plan_like("ok", NULL);
	plan->profile = 1;
	cannot_take("profile", plan, 1234);
	plan = plan_like("ok", NULL);
	plan->leave_empty = 1;
	cannot_take("leave_empty", plan, 1234);
	plan = plan_like("ok", "fine");
	plan->overlays[plan->noverlays++] = plan_add(plan, "/usr", 4);
	cannot_take("overlays", plan, 1234);
	life_end(&a);
}

static void dies_at_rest(void)
{
	struct life a, b;

	REQUIRE(first(&a));
	for (unsigned i = 0; i < ntold; i++)
		if (told[i] != a.guard)
			kill(told[i], SIGKILL);
	for (int i = 0; i < 1000 && look() > 1; i++)
		usleep(10000);
	REQUIRE(life_new(&b, plan_like("ok", NULL), 1234) && !b.rc);
	life_end(&b);
	REQUIRE(become(1 + POOL, 1 + POOL + POOL + 1));
	life_end(&a);
}

static void stopped_with_some(void)
{
	struct life a;

	REQUIRE(first(&a));
	life_end(&a);
}

/* More kinds than are remembered, all in turn. */
static void many_kinds(void)
{
	for (uint32_t i = 0; i < 24; i++) {
		struct rocker_plan *plan = plan_like("ok", NULL);
		struct life a;
		plan->limits.pids = 50 + i % 6;
		REQUIRE(life_new(&a, plan, 1234) && !a.rc);
		life_end(&a);
	}
	REQUIRE(forgotten());
}

static long launcher_ticks(void)
{
	char path[48], text[512], *p = text;

	snprintf(path, sizeof path, "/proc/%ld/stat", (long)test_launcher);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	for (int field = 0; p && field < 13; field++)
		p = strchr(p + 1, ' ');
	char *end;
	long user = p ? strtol(p, &end, 10) : -1;
	return user < 0 ? -1 : user + strtol(end, NULL, 10);
}

/* Blanks that have what the launcher had open when they began: it has nothing to do, and does nothing. */
static void nothing_to_do(void)
{
	struct life a, b;

	REQUIRE(life_new(&a, plan_like("ok", NULL), 1234) && !a.rc);
	usleep(100000); /* the pool is there */
	REQUIRE(life_new(&b, plan_like("ok", NULL), 1234) && !b.rc);
	usleep(100000);
	long before = launcher_ticks();
	usleep(600000);
	long ticks = launcher_ticks() - before;
	CHECK_MSG(before >= 0 && ticks < 20, "%ld ticks from %ld on", ticks, before);
	life_end(&a);
	life_end(&b);
}

static void none_wanted(void)
{
	struct life a;

	REQUIRE(life_new(&a, plan_of("ok", NULL), an_owner()) && !a.rc);
	usleep(100000);
	CHECK(children(test_launcher) <= 1);
	life_end(&a);
}

/* A blank that cannot even begin, taken as it is made and made ahead. */
static void stillborn(void)
{
	struct life l;

	for (int i = 0; i < 20; i++) {
		REQUIRE(life_new(&l, plan_of("ok", i % 2 ? "ok" : NULL), an_owner()));
		CHECK_INT(l.rc, -ENOSPC);
		CHECK_STR(l.sentence, "root: No space left on device");
		life_end(&l);
	}
}

static void not_seen(void)
{
	check_skip("an instrumented launcher goes on in a child, whose children are not seen from here");
}

static void in_a_life(const char *name, void (*test)(void))
{
	start(POOL);
	named_run(name, test);
	stop();
}

static void tests(void)
{
	start(POOL);
	bool seen = children(test_launcher) == 0;
	stop();
	fake_fits = true;
	start(0);
	RUN_AS_ROLE(none_wanted);
	stop();
	fake_stillborn = true;
	start(POOL);
	RUN_AS_ROLE(stillborn);
	stop();
	fake_stillborn = false;
	if (geteuid())
		return; /* an ordinary user's are built as they are asked for */
	if (!seen) {
		named_run("made_ahead", not_seen);
		return;
	}
	in_a_life("alike", alike);
	in_a_life("failures", failures);
	in_a_life("others", others);
	in_a_life("dies_at_rest", dies_at_rest);
	in_a_life("many_kinds", many_kinds);
	in_a_life("stopped_with_some", stopped_with_some);
	fake_holds = true;
	in_a_life("nothing_to_do", nothing_to_do);
}

int main(void)
{
	return in_roles(tests);
}
