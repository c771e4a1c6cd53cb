/* SPDX-License-Identifier: MIT */
/* What the kernel still knows of a directory that was removed. */
/* waits */
#include "core_mount.c.inc"

#define PATIENCE_S 30 /* it is told ten seconds after the removal */

static bool is_forgotten(void)
{
	CHECK_INT(sh("ls toys | wc -l"), 0);
	return atoi(slurp(at("toys/one/alive"))) == atoi(out());
}

/* Names that are in use when their directory goes, and are not any more, keep nothing of it. */
static void what_has_gone_is_forgotten(void)
{
	static const char *const rows[] = { "value", "mine", "run", "long", "error" };
	int fds[5];

	CHECK_INT(mkdir(at("toys/used"), 0755), 0);
	CHECK_INT(put(at("toys/used/value"), O_TRUNC, "3\n"), 0);
	for (int i = 0; i < 5; i++) {
		char path[32];

		snprintf(path, sizeof(path), "toys/used/%s", rows[i]);
		fds[i] = open(at(path), O_RDONLY);
		CHECK(fds[i] >= 0);
	}
	CHECK_INT(rmdir(at("toys/used")), 0);
	CHECK(!is_forgotten());
	for (int i = 0; i < 5; i++)
		close(fds[i]);
	for (double begin = seconds(); seconds() - begin < PATIENCE_S && !is_forgotten();)
		usleep(100000);
	CHECK_MSG(is_forgotten(), "%s", slurp(at("toys/one/alive")));
}

static void tests(void)
{
	RUN(what_has_gone_is_forgotten);
	RUN(stop);
}

int main(void)
{
	return with_mount(tests);
}
