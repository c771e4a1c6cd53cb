/* SPDX-License-Identifier: MIT */
/*
 * Which messages are plans: every count, offset and enumeration that is out of range is seen, each by itself.
 * single-threaded
 */
#include "rockerplan.h"

#include "check.h"

static struct rocker_plan plan;
static uint32_t first, second;

/* One that has all there can be. */
static void whole(void)
{
	static const struct plan_opener opener = { .uid = 5, .gid = 6, .ngroups = 1, .groups = { 7 } };

	plan_init(&plan);
	first = plan_add(&plan, "/first", 6);
	second = plan_add(&plan, "/second", 7);
	CHECK_INT(plan_add_opener(&plan, &opener), 0);
	CHECK_INT(plan_add_opener(&plan, &opener), 0);
	plan.hostname = first;
	plan.domainname = second;
	plan.package = first;
	plan.exec_dir = second;
	plan.data_dir = second;
	plan.noverlays = 1;
	plan.overlays[0] = first;
	plan.nbinds = 1;
	plan.binds[0] = (struct plan_bind){ .host = first, .inside = second };
}

static bool is_ok(void)
{
	return plan_ok(&plan, plan_size(&plan));
}

/* With a field set to that value it is none, and as it was it is one again. */
#define REFUSED(field, value)                                                        \
	do {                                                                         \
		uint32_t before = plan.field;                                        \
		plan.field = (value);                                                \
		CHECK_MSG(!is_ok(), "%s as %llu is accepted", #field, (unsigned long long)(value)); \
		plan.field = before;                                                 \
		CHECK(is_ok());                                                      \
	} while (0)

static void one_that_is_whole(void)
{
	whole();
	CHECK(is_ok());
	plan_init(&plan);
	CHECK(is_ok());
}

static void sizes_that_are_wrong(void)
{
	whole();
	size_t size = plan_size(&plan);

	CHECK(!plan_ok(&plan, size - 1));
	CHECK(!plan_ok(&plan, size + 1));
	CHECK(!plan_ok(&plan, 0));
	CHECK(!plan_ok(&plan, offsetof(struct rocker_plan, text)));
	CHECK(!plan_ok(&plan, sizeof plan + 1));
	plan.text_used = UINT32_MAX;
	CHECK(!plan_ok(&plan, size));
	plan.text_used = 0;
	CHECK(!plan_ok(&plan, plan_size(&plan)));
	plan.text_used = PLAN_TEXT_MAX + 1;
	CHECK(!plan_ok(&plan, plan_size(&plan)));
}

static void counts_that_are_too_large(void)
{
	whole();
	for (uint32_t i = 0; i < PLAN_OVERLAYS_MAX; i++)
		plan.overlays[i] = first;
	for (uint32_t i = 0; i < PLAN_BINDS_MAX; i++)
		plan.binds[i] = plan.binds[0];
	REFUSED(noverlays, PLAN_OVERLAYS_MAX + 1);
	/* What lies behind the table is a whole bind as well: openers begin there. */
	struct plan_opener behind = plan.openers[0];
	memcpy(&plan.openers[0], &plan.binds[0], sizeof plan.binds[0]);
	plan.openers[0].ngroups = plan.binds[0].opener;
	plan.openers[0].groups[0] = 0;
	REFUSED(nbinds, PLAN_BINDS_MAX + 1);
	plan.openers[0] = behind;
	REFUSED(nbinds, UINT32_MAX);
	REFUSED(nopeners, PLAN_OPENERS_MAX + 1);
	REFUSED(openers[0].ngroups, PLAN_GROUPS_MAX + 1);
	REFUSED(limits.ndevices, PLAN_DEVICES_MAX + 1);
	REFUSED(network, PLAN_NET_HOST + 1);
	REFUSED(leave_empty, 2);
	REFUSED(inside_uid, 1);
	REFUSED(inside_gid, PLAN_AS_HOST - 1);
	REFUSED(binds[0].writable, 2);
}

/* Four ids are who the jobs are; and who is called root differs from who is not. */
static void identities(void)
{
	plan_init(&plan);
	plan.uid = 5;
	plan.gid = 6;
	CHECK_INT(plan_inside_uid(&plan), 5);
	CHECK_INT(plan_inside_gid(&plan), 6);
	uint64_t before = plan_number(&plan, "a", 5, 6);
	plan.inside_uid = 0;
	uint64_t uid_only = plan_number(&plan, "a", 5, 6);
	plan.inside_gid = 0;
	CHECK(is_ok());
	CHECK(!plan_inside_uid(&plan) && !plan_inside_gid(&plan) && plan.uid == 5 && plan.gid == 6);
	CHECK(before != uid_only && uid_only != plan_number(&plan, "a", 5, 6));
}

static void offsets_that_name_no_text(void)
{
	whole();
	/* As a text of another message that was there before: it ends in NUL, and this message ends before it. */
	memset(plan.text + plan.text_used, 0, 64);
	REFUSED(hostname, plan.text_used);
	REFUSED(domainname, plan.text_used + 8);
	REFUSED(exec_dir, PLAN_TEXT_MAX);
	REFUSED(package, UINT32_MAX);
	REFUSED(hostname, first + 1);
	REFUSED(data_dir, second + 3);
	REFUSED(binds[0].host, first + 1);
	REFUSED(binds[0].inside, plan.text_used);
	REFUSED(binds[0].host, 0);
	REFUSED(binds[0].inside, 0);
	REFUSED(overlays[0], 0);
	REFUSED(overlays[0], second + 1);
	REFUSED(package, 0);
	REFUSED(exec_dir, 0);
	REFUSED(package_opener, 1);
	REFUSED(data_opener, 1);
	REFUSED(overlays_opener, 1);
	REFUSED(binds[0].opener, 1);
	plan.text[0] = 'x';
	CHECK(!is_ok());
	plan.text[0] = '\0';
	plan.text[plan.text_used - 1] = 'x';
	CHECK(!is_ok());
}

static void no_more_than_there_is_room_for(void)
{
	static char text[PLAN_TEXT_MAX];
	struct plan_opener opener = { .uid = 1 };

	memset(text, 'x', sizeof text);
	plan_init(&plan);
	CHECK_INT(plan_add(&plan, text, sizeof text), 0);
	CHECK_INT(plan_add(&plan, text, sizeof text - 1), 0);
	CHECK_INT(plan_add(&plan, text, sizeof text - 2), 1);
	CHECK_INT(plan_add(&plan, text, 1), 0);
	CHECK(is_ok());
	for (; opener.uid <= PLAN_OPENERS_MAX; opener.uid++)
		CHECK_INT(plan_add_opener(&plan, &opener), opener.uid - 1);
	CHECK(plan_add_opener(&plan, &opener) < 0);
	CHECK(is_ok());
}

int main(void)
{
	RUN(one_that_is_whole);
	RUN(sizes_that_are_wrong);
	RUN(identities);
	RUN(counts_that_are_too_large);
	RUN(offsets_that_name_no_text);
	RUN(no_more_than_there_is_room_for);
	return check_done();
}
