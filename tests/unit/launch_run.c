/* SPDX-License-Identifier: MIT */
/*
 * Runs in jails: how each kind of end is told, what hostile helpers get, and that the launcher outlives them all.
 * deadline: 180
 * waits
 */
#include "launch_common.h"

#include <linux/audit.h>
#include <sys/syscall.h>

static struct launch_zygote *warm; /* for the tests of single runs */

static void machine(void)
{
	const char *text = launch_machine();

	CHECK_HAS(text, "jails yes\n");
	CHECK_HAS(text, "namespaces user mnt pid net ipc uts cgroup\n");
	CHECK_HAS(text, "landlock_abi ");
	CHECK_HAS(text, "seccomp_notify yes\n");
	CHECK_HAS(text, "pidfd_getfd yes\n");
	CHECK_HAS(text, "perf_software yes\n");
	const char *limits = strstr(text, "limits_by ") ?: "";
	printf("# %s: %.*s\n", test_role, (int)strcspn(limits, "\n"), limits);
}

static void ends(void)
{
	struct launch_exit how = run_once(warm, "empty");

	CHECK_INT(how.cause, LAUNCH_EXITED);
	CHECK_INT(how.status, 0);
	CHECK(how.wall_ns > 0 && how.max_rss_bytes > 0);
	how = run_once(warm, "exit3");
	CHECK_INT(how.cause, LAUNCH_EXITED);
	CHECK_INT(how.status, 3);
	how = run_once(warm, "crash");
	CHECK_INT(how.cause, LAUNCH_SIGNALED);
	CHECK_INT(how.status, SIGSEGV);
	how = run_once(warm, "abort");
	CHECK_INT(how.cause, LAUNCH_SIGNALED);
	CHECK_INT(how.status, SIGSEGV);
}

static void violations(void)
{
	char name[64];
	struct launch_exit how = run_once(warm, "getpid");

	CHECK_INT(how.cause, LAUNCH_SYSCALL);
	CHECK_INT(how.syscall_nr, SYS_getpid);
	CHECK_INT(how.syscall_arch, AUDIT_ARCH_X86_64);
	CHECK_INT(how.syscall_args[0], 7);
	CHECK_INT(how.syscall_args[2], 9);
	CHECK(how.syscall_ip != 0);
	CHECK_STR(launch_syscall_name(how.syscall_arch, how.syscall_nr, name, sizeof name), "getpid");
	how = run_once(warm, "mmap");
	CHECK_INT(how.cause, LAUNCH_SYSCALL);
	CHECK_STR(launch_syscall_name(how.syscall_arch, how.syscall_nr, name, sizeof name), "mmap");
	how = run_once(warm, "int80");
	CHECK_INT(how.cause, LAUNCH_SYSCALL);
	CHECK_INT(how.syscall_arch, AUDIT_ARCH_I386);
	CHECK_STR(launch_syscall_name(how.syscall_arch, how.syscall_nr, name, sizeof name), "getpid");
	how = run_once(warm, "x32");
	CHECK_INT(how.cause, LAUNCH_SYSCALL);
	CHECK_INT(how.syscall_nr, SYS_getpid | 0x40000000);
	CHECK_STR(launch_syscall_name(how.syscall_arch, how.syscall_nr, name, sizeof name), "getpid");
}

static void timeouts(void)
{
	struct launch_order order = { .wall_ms = 60 };
	struct launch_exit how = run_with(warm, "spin", &order);

	CHECK_INT(how.cause, LAUNCH_TIMEOUT);
	CHECK_MSG(how.wall_ns >= 60000000 && how.wall_ns < 400000000, "wall %llu ns", (unsigned long long)how.wall_ns);
	CHECK(how.user_ns > 0);
}

static void kills(void)
{
	struct launch_order order = { .wall_ms = 5000 };
	struct outcome out;
	int64_t id = begin_run(warm, "spin", &order, &out);

	CHECK_INT(launch_run(warm, &order, note_exit, &out), -EBUSY);
	launch_kill(id + (1 << 16)); /* another run's */
	usleep(20000);
	launch_kill(id);
	REQUIRE(await(&out.done, 5));
	CHECK_INT(out.how.cause, LAUNCH_KILLED);
	launch_kill(id); /* has ended: ignored */
	id = begin_run(warm, "spin", &order, &out);
	launch_kill(id); /* most likely before it armed */
	REQUIRE(await(&out.done, 5));
	CHECK_INT(out.how.cause, LAUNCH_KILLED);
	CHECK_INT(run_once(warm, "empty").cause, LAUNCH_EXITED);
}

static void drop_while_running(void)
{
	struct launch_order order = { .wall_ms = 5000 };
	struct outcome out;
	struct launch_zygote *zygote = make_runner();

	REQUIRE(zygote);
	begin_run(zygote, "spin", &order, &out);
	usleep(10000);
	launch_zygote_drop(zygote);
	REQUIRE(await(&out.done, 5));
	CHECK_INT(out.how.cause, LAUNCH_KILLED);
}

static void memory(void)
{
	struct launch_exit how = run_once(warm, "allocate");

	if (strstr(launch_machine(), "limits_by cgroup")) {
		CHECK_INT(how.cause, LAUNCH_OOM);
		CHECK(how.max_rss_bytes > 32 * MIB);
	} else { /* the zygote had no room for it in the first place */
		CHECK_INT(how.cause, LAUNCH_SIGNALED);
	}
	CHECK_INT(run_once(warm, "empty").cause, LAUNCH_EXITED);
}

static void events(void)
{
	struct launch_order order = { .nevents = 5, .events = {
		{ .type = PERF_TYPE_SOFTWARE, .exclude_kernel = 1, .config = PERF_COUNT_SW_TASK_CLOCK },
		{ .type = PERF_TYPE_SOFTWARE, .exclude_kernel = 1, .config = PERF_COUNT_SW_PAGE_FAULTS },
		{ .type = PERF_TYPE_SOFTWARE, .exclude_kernel = 1, .config = 999 },
		{ .type = PERF_TYPE_TRACEPOINT, .config = 1 },
		{ .type = PERF_TYPE_SOFTWARE, .exclude_kernel = 0, .config = PERF_COUNT_SW_CONTEXT_SWITCHES },
	} };
	struct launch_exit how = run_with(warm, "touch", &order);
	int error = 1;

	if (!strcmp(test_role, "root") || strstr(launch_machine(), "limits_by cgroup")) {
		CHECK_INT(how.cause, LAUNCH_EXITED);
		CHECK_MSG(how.counts[1].value >= 64 && how.counts[1].value < 80, "%llu page faults",
			  (unsigned long long)how.counts[1].value);
		CHECK_INT(how.counts[4].error, 0);
	}
	CHECK_INT(how.nevents, 5);
	CHECK_INT(how.counts[0].error, 0);
	CHECK(how.counts[0].value > 0 && how.counts[0].enabled_ns >= how.counts[0].running_ns);
	CHECK(how.counts[2].error < 0);
	CHECK_INT(how.counts[3].error, -EACCES);
	CHECK(launch_event_works(&order.events[0], &error) && error == 0);
	CHECK(!launch_event_works(&order.events[2], &error) && error < 0);
	CHECK(!launch_event_works(&order.events[3], &error) && error == -EACCES);
}

/* A run that does not keep to the protocol fails, and the next one is well. */
static void liars(void)
{
	static const struct {
		const char *mode;
		int rc;
	} lies[] = {
		{ "early", -EIO },   { "silent", -ETIMEDOUT }, { "refuse", -ENOMEM }, { "stays", -ENOMEM },
		{ "talks", -ETIMEDOUT }, { "nogate", -EIO },   { "clone", -EIO },     { "sibling", -EIO },
		{ "unshare", -EIO }, { "openat", -EIO },       { "socket", -EIO },    { "kill", -EIO },
		{ "int80mmap", -EIO }, { "x32mmap", -EIO },    { 0 },
	};

	for (int i = 0; lies[i].mode; i++) {
		struct launch_exit how = run_once(warm, lies[i].mode);
		CHECK_MSG(how.cause == LAUNCH_FAILED && how.rc == lies[i].rc, "%s: cause %u rc %d %s", lies[i].mode,
			  how.cause, how.rc, how.sentence);
		CHECK_MSG(how.sentence[0], "%s: no sentence", lies[i].mode);
		how = run_once(warm, "empty");
		CHECK_MSG(how.cause == LAUNCH_EXITED, "after %s: cause %u rc %d %s", lies[i].mode, how.cause, how.rc,
			  how.sentence);
	}
}

/* A template that does not keep to it is not believed any longer. */
static void lying_templates(void)
{
	static const struct {
		const char *misdeed, *mode;
		int rc;	  /* of the first run; 0: it may end well, or -EIO */
		bool fatal; /* the one after it fails too, as one that never began or as one in flight */
	} lies[] = {
		{ "stillborn", "empty", -EIO, true },	{ "prank", "empty", 0, false },
		{ "zygotedies", "spin", -ESRCH, true }, { "zygotecalls", "spin", -EIO, true },
		{ "zygotelies", "spin", -EIO, true },	{ "zygotespins", "empty", 0, true },
		{ 0 },
	};

	for (int i = 0; lies[i].misdeed; i++) {
		struct outcome out;
		struct launch_zygote *zygote = make_zygote(LAUNCH_RUNNER, 98, lies[i].misdeed, &out);
		REQUIRE(zygote && out.rc == 0);
		struct launch_exit how = run_once(zygote, lies[i].mode);
		/* The end of a child that it made besides may be taken for that of the run. */
		bool expected = how.rc == lies[i].rc || (!lies[i].rc && how.rc == -EIO);
		CHECK_MSG(expected && how.cause == (how.rc ? LAUNCH_FAILED : LAUNCH_EXITED), "%s: cause %u rc %d %s",
			  lies[i].misdeed, how.cause, how.rc, how.sentence);
		how = run_once(zygote, "empty");
		/* What it made besides may have been noticed, or have ended, only now. */
		bool late = strstr(how.sentence, "nobody asked for") || strstr(how.sentence, "ended before its gate");
		CHECK_MSG(how.cause == (lies[i].fatal ? LAUNCH_FAILED : LAUNCH_EXITED) ||
				  (!lies[i].fatal && how.cause == LAUNCH_FAILED && late),
			  "after %s: cause %u rc %d %s", lies[i].misdeed, how.cause, how.rc, how.sentence);
		launch_zygote_drop(zygote);
	}
}

/* What a template forks before it has its last filter is bounded, and ends with its jail. */
static void fork_bomb(void)
{
	struct outcome out;
	struct launch_zygote *zygote = make_zygote(LAUNCH_RUNNER, 97, "bomb", &out);

	REQUIRE(zygote && out.rc == 0);
	struct launch_exit how = run_once(zygote, "empty");
	CHECK_INT(how.cause, LAUNCH_FAILED);
	CHECK_INT(how.rc, -EAGAIN);
	CHECK_STR(how.sentence, "no fork");
	launch_zygote_drop(zygote);
}

static void escaped_text(void)
{
	struct launch_exit how = run_once(warm, "refuse");

	CHECK_STR(how.sentence, "no \\x1b[31mroom");
}

static void escapes(void)
{
	struct outcome out;
	struct launch_zygote *zygote = make_zygote(LAUNCH_RUNNER, 96, "escape", &out);

	REQUIRE(zygote);
	CHECK_MSG(out.rc == 0, "attempt %d of the helper's list succeeded", -out.rc);
	launch_zygote_drop(zygote);
}

static void bad_setups(void)
{
	static const struct {
		const char *misdeed;
		int rc;
	} setups[] = { { "fail", -ENOEXEC }, { "die", -ESRCH }, { "lie", -EIO }, { "big", -EIO }, { "hang", -ETIMEDOUT },
		       { "short", -EIO }, { "nofilter", -ETIMEDOUT }, { "calls", -EIO }, { "plainfork", -EIO },
		       { "namespace", -EIO }, { "gives up", -EIO }, { "int80fork", -EIO }, { 0 } };

	for (int i = 0; setups[i].misdeed; i++) {
		struct outcome out;
		struct launch_zygote *zygote = make_zygote(LAUNCH_RUNNER, 99, setups[i].misdeed, &out);
		REQUIRE(zygote);
		CHECK_MSG(out.rc == setups[i].rc, "%s: %d %s", setups[i].misdeed, out.rc, out.sentence);
		CHECK(out.sentence[0]);
		if (i == 0)
			CHECK_STR(out.sentence, "bad\\x0aELF");
		launch_zygote_drop(zygote);
	}
}

static void inspector(void)
{
	struct launch_order order = { .wall_ms = 80 };
	struct outcome out;
	struct launch_zygote *zygote = make_zygote(LAUNCH_INSPECTOR, 55, NULL, &out);

	REQUIRE(zygote && out.rc == 0);
	for (int i = 0; i < 20; i++)
		CHECK_INT(run_once(zygote, "empty").cause, LAUNCH_EXITED);
	CHECK_INT(run_once(zygote, "exit3").status, 3);
	CHECK_INT(run_once(zygote, "crash").cause, LAUNCH_SIGNALED);
	struct launch_exit how;
	int tries = 0;
	do { /* a busy machine may not let it run in so short a time */
		how = run_with(zygote, "spin", &order);
		CHECK_INT(how.cause, LAUNCH_TIMEOUT);
		CHECK(how.wall_ns >= 80000000);
	} while (!how.user_ns && ++tries < 50);
	CHECK(how.user_ns > 0);
	order.wall_ms = 5000;
	int64_t id = begin_run(zygote, "spin", &order, &out);
	usleep(20000);
	launch_kill(id);
	REQUIRE(await(&out.done, 5));
	CHECK_INT(out.how.cause, LAUNCH_KILLED);
	CHECK_INT(run_once(zygote, "prank").cause, LAUNCH_EXITED);
	CHECK_INT(run_once(zygote, "empty").cause, LAUNCH_EXITED);
	launch_zygote_drop(zygote);
}

/* Many jails at once, each with a run at the same time, dropped before they are ready in part. */
static void many(void)
{
	enum { COUNT = 12 };
	static struct outcome outs[COUNT], runs[COUNT];
	struct launch_order orders[COUNT];
	struct launch_zygote *zygotes[COUNT];
	const struct wire_order setup = { .seq = 78 };

	for (int i = 0; i < COUNT; i++) {
		memset(&outs[i], 0, sizeof outs[i]);
		sem_init(&outs[i].done, 0, 0);
		zygotes[i] = launch_zygote_new(LAUNCH_RUNNER, 1000 + (unsigned)i, &test_limits, &setup, NULL, 0, note_ready,
					       &outs[i]);
		REQUIRE(zygotes[i]);
		if (i % 4 == 3)
			launch_zygote_drop(zygotes[i]);
	}
	for (int i = 0; i < COUNT; i++) {
		REQUIRE(await(&outs[i].done, 20));
		orders[i] = (struct launch_order){ .wall_ms = 5000 };
		if (i % 4 == 3)
			CHECK_INT(outs[i].rc, -ECANCELED);
		else
			begin_run(zygotes[i], "empty", &orders[i], &runs[i]);
	}
	for (int i = 0; i < COUNT; i++) {
		if (i % 4 == 3)
			continue;
		CHECK(await(&runs[i].done, 20));
		CHECK_INT(runs[i].how.cause, LAUNCH_EXITED);
		launch_zygote_drop(zygotes[i]);
	}
}

static void many_runs(void)
{
	for (int i = 0; i < 300; i++) {
		struct launch_exit how = run_once(warm, "empty");
		CHECK_MSG(how.cause == LAUNCH_EXITED, "run %d: cause %u rc %d %s", i, how.cause, how.rc, how.sentence);
	}
}

/* A daemon that breaks the rules is served no longer: its launcher ends, in good order. */
static void malformed(void)
{
	static const struct lm_kill orders[] = {
		{ { 4711, 0 }, 1 }, { { LM_NEW, 0 }, 1 }, { { LM_KILL, LM_JAILS_MAX }, 1 }, { { LM_DROP, 3 }, 1 },
	};

	for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
		static struct lm_machine hello;
		int channel = test_channel, status;
		pid_t first = test_launcher;
		start_launcher();
		CHECK(recv(test_channel, &hello, sizeof hello, 0) == sizeof hello);
		CHECK(send(test_channel, &orders[i], sizeof orders[i], 0) > 0);
		status = wait_launcher();
		CHECK_MSG(status == 0, "order %zu: status %#x", i, status);
		close(test_channel);
		test_channel = channel;
		test_launcher = first;
	}
}

static void gone(void)
{
	struct launch_order order = { .wall_ms = 5000 };
	struct outcome out;
	int error;

	begin_run(warm, "spin", &order, &out);
	kill(test_launcher, SIGKILL);
	REQUIRE(await(&out.done, 5));
	CHECK_INT(out.how.cause, LAUNCH_FAILED);
	CHECK_INT(out.how.rc, -EIO);
	CHECK_INT(launch_run(warm, &order, note_exit, &out), -EIO);
	CHECK(!launch_zygote_new(LAUNCH_RUNNER, 1, &test_limits, NULL, NULL, 0, note_ready, &out));
	CHECK(!launch_event_works(&(struct launch_event){ .type = 1, .config = 77 }, &error));
	launch_zygote_drop(warm);
	waitpid(test_launcher, NULL, 0);
	launch_stop(); /* its thread has ended, and a fork must not find it unjoined */
	int channel = test_channel;
	start_launcher(); /* sweeps out the control groups that the other could not remove */
	close(test_channel);
	CHECK_INT(wait_launcher(), 0);
	test_channel = channel;
}

static void tests(void)
{
	start_launcher();
	if (launch_start()) {
		printf("not ok launch_start: %s\n", sfs_sentence());
		check_failed_tests++;
		return;
	}
	RUN_AS_ROLE(machine);
	warm = make_runner();
	if (!warm)
		return;
	RUN_AS_ROLE(ends);
	RUN_AS_ROLE(violations);
	RUN_AS_ROLE(timeouts);
	RUN_AS_ROLE(kills);
	RUN_AS_ROLE(memory);
	RUN_AS_ROLE(events);
	RUN_AS_ROLE(escapes);
	RUN_AS_ROLE(escaped_text);
	RUN_AS_ROLE(inspector);
	RUN_AS_ROLE(drop_while_running);
	RUN_AS_ROLE(many_runs);
	RUN_AS_ROLE(many);
	RUN_AS_ROLE(liars);
	RUN_AS_ROLE(lying_templates);
	RUN_AS_ROLE(fork_bomb);
	RUN_AS_ROLE(bad_setups);
	RUN_AS_ROLE(malformed);
	RUN_AS_ROLE(gone);
	close(test_channel);
}

int main(void)
{
	return launch_as(tests);
}
