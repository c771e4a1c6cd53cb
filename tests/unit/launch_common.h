/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the launcher share: a helper built on the spot, a launcher in a child, and runs that are waited for.
 *
 * launch_as() runs a list of tests in a child process for each role, root and an ordinary user, with a launcher of its own.
 */
#ifndef LAUNCH_COMMON_H
#define LAUNCH_COMMON_H

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "launcher.h"
#include "sandboxfs.h"

#define NOBODY  65534
#define A_GROUP 4242
#define MIB (UINT64_C(1) << 20)

static int test_channel = -1;
static pid_t test_launcher;
static const char *test_role;
static bool test_drops; /* the launcher alone becomes an ordinary user's, the test itself stays privileged */
static struct jail_helper test_helper;

__attribute__((weak)) int sfs_privileged_fd(void);
__attribute__((weak)) int sfs_privileged_fd(void)
{
	return test_channel;
}

static const struct sfs_config test_config = {
	.jail_uid_base = 2000000,
	.jail_uid_count = 64,
	.jail_memory_bytes = 1u << 30,
	.jail_pids = 16,
};

__attribute__((unused)) static const struct launch_limits test_limits = { .memory_bytes = 64 * MIB, .pids = 8 };

/* Compiles launch_helper.c.inc, which stands beside this file; false when there is no static libc or compiler. */
__attribute__((unused)) static bool build_helper(void)
{
	char dir[] = "/tmp/launch-test-XXXXXX", here[PATH_MAX], command[3 * PATH_MAX], file[64];
	struct stat st;

	if (!realpath(__FILE__, here) || !mkdtemp(dir))
		return false;
	*strrchr(here, '/') = '\0';
	snprintf(file, sizeof file, "%s/helper", dir);
	snprintf(command, sizeof command,
		 "gcc -std=gnu17 -O2 -D_GNU_SOURCE -I %s/../../backends -static-pie -fPIE -fno-stack-protector -x c "
		 "%s/launch_helper.c.inc -o %s", here, here, file);
	if (system(command))
		return false;
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return false;
	void *bytes = malloc((size_t)st.st_size);
	bool whole = bytes && read(fd, bytes, (size_t)st.st_size) == st.st_size;
	close(fd);
	unlink(file);
	rmdir(dir);
	test_helper = (struct jail_helper){ bytes, (size_t)st.st_size };
	return whole;
}

__attribute__((unused)) static void start_launcher(void)
{
	const struct jail_helper helpers[2] = { test_helper, test_helper };
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		abort();
	fflush(stdout);
	test_launcher = fork();
	if (!test_launcher) {
		close(pair[0]);
		if (test_drops && (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
				   setresuid(NOBODY, NOBODY, NOBODY) || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)))
			_exit(1);
		/* Root's jails have to lose the groups that their launcher is in. */
		if (!geteuid() && setgroups(1, (const gid_t[]){ A_GROUP }))
			_exit(1);
		_exit(launcher_serve(&test_config, pair[1], helpers));
	}
	close(pair[1]);
	test_channel = pair[0];
}

/* The status with which the launcher ended; -1 when it does not end within 20 s. */
__attribute__((unused)) static int wait_launcher(void)
{
	int status;

	for (int i = 0; i < check_patient(2000); i++) {
		if (waitpid(test_launcher, &status, WNOHANG) == test_launcher)
			return status;
		usleep(10000);
	}
	return -1;
}

/* ---- zygotes and runs, waited for ------------------------------------------------------------------ */

struct outcome {
	sem_t done;
	int rc;
	char sentence[WIRE_TEXT_MAX];
	struct launch_exit how;
};

__attribute__((unused)) static bool await(sem_t *done, int seconds)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += check_patient(seconds);
	while (sem_timedwait(done, &until))
		if (errno != EINTR)
			return false;
	return true;
}

__attribute__((unused)) static void note_ready(void *arg, struct launch_zygote *zygote, int rc, const char *sentence)
{
	struct outcome *o = arg;

	(void)zygote;
	o->rc = rc;
	snprintf(o->sentence, sizeof o->sentence, "%s", sentence);
	sem_post(&o->done);
}

__attribute__((unused)) static void note_exit(void *arg, const struct launch_exit *how)
{
	struct outcome *o = arg;

	o->how = *how;
	sem_post(&o->done);
}

/* misdeed: what the zygote does in its setup, or NULL. out tells how it went. */
__attribute__((unused)) static struct launch_zygote *make_zygote(enum launch_kind kind, uid_t owner, const char *misdeed,
								  struct outcome *out)
{
	struct wire_order setup = { .seq = 77 };

	memset(out, 0, sizeof *out);
	out->rc = 1;
	sem_init(&out->done, 0, 0);
	snprintf(setup.allow, sizeof setup.allow, "%s", misdeed ?: "");
	struct launch_zygote *zygote = launch_zygote_new(kind, owner, &test_limits, kind == LAUNCH_RUNNER ? &setup : NULL,
							 NULL, 0, note_ready, out);
	if (zygote)
		CHECK_MSG(await(&out->done, 20), "no answer from the zygote");
	return zygote;
}

__attribute__((unused)) static struct launch_zygote *make_runner(void)
{
	struct outcome out;
	struct launch_zygote *zygote = make_zygote(LAUNCH_RUNNER, 1234, NULL, &out);

	CHECK_MSG(zygote && out.rc == 0, "zygote: %d: %s", out.rc, out.sentence);
	return zygote;
}

__attribute__((unused)) static int64_t begin_run(struct launch_zygote *zygote, const char *mode, struct launch_order *order,
						  struct outcome *out)
{
	int fd = memfd_create("mode", MFD_CLOEXEC);

	memset(out, 0, sizeof *out);
	sem_init(&out->done, 0, 0);
	out->how.cause = 99;
	CHECK(write(fd, mode, strlen(mode) + 1) > 0);
	order->fds[0] = fd;
	order->nfds = 1;
	order->wall_ms = order->wall_ms ?: 5000;
	int64_t id = launch_run(zygote, order, note_exit, out);
	CHECK_MSG(id > 0, "run %s: %lld %s", mode, (long long)id, sfs_sentence());
	close(fd);
	return id;
}

__attribute__((unused)) static struct launch_exit run_with(struct launch_zygote *zygote, const char *mode,
							    struct launch_order *order)
{
	struct outcome out;

	if (begin_run(zygote, mode, order, &out) > 0)
		CHECK_MSG(await(&out.done, 20), "run %s does not end", mode);
	return out.how;
}

__attribute__((unused)) static struct launch_exit run_once(struct launch_zygote *zygote, const char *mode)
{
	struct launch_order order = { .wall_ms = 5000 };

	return run_with(zygote, mode, &order);
}

/* ---- roles ----------------------------------------------------------------------------------------- */

__attribute__((unused)) static void named_run(const char *name, void (*test)(void))
{
	char whole[128];

	snprintf(whole, sizeof whole, "%s_as_%s", name, test_role);
	check_run(whole, test);
}

#define RUN_AS_ROLE(test) named_run(#test, test)

static int in_role(const char *role, void (*tests)(void))
{
	test_role = role;
	if (strcmp(role, "root") && (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
				     setresuid(NOBODY, NOBODY, NOBODY) || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)))
		return 1;
	tests();
	fflush(stdout);
	return check_done();
}

/* Both roles, beside each other, when started by root, else only the user's own: whether any of them failed. */
__attribute__((unused)) static int in_roles(void (*tests)(void))
{
	static const char *const roles[] = { "root", "nobody" };
	pid_t pids[2];
	int failed = 0;

	if (geteuid())
		return in_role("user", tests);
	fflush(stdout);
	for (int i = 0; i < 2; i++) {
		pids[i] = fork();
		if (!pids[i])
			exit(in_role(roles[i], tests));
	}
	for (int i = 0; i < 2; i++) {
		int status = -1;
		waitpid(pids[i], &status, 0);
		if (status) {
			printf("not ok launcher_as_%s: status %#x\n", roles[i], status);
			failed = 1;
		}
	}
	return failed;
}

__attribute__((unused)) static int launch_as(void (*tests)(void))
{
	if (!build_helper()) {
		printf("skip launcher: no compiler or static libc for its helper\n");
		return 0;
	}
	int failed = in_roles(tests);
	free((void *)test_helper.bytes);
	return failed;
}

#endif
