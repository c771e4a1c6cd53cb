/* SPDX-License-Identifier: MIT */
/*
 * What the tests of rockers in launcher and daemon share: a launcher with a configuration, and rockers that are waited for.
 */
#ifndef LAUNCH_ROCKER_TEST_H
#define LAUNCH_ROCKER_TEST_H

#include "launch_common.h"

#include <dirent.h>

#include "launch_rocker.h"
#include "launch_state.h"

static struct sfs_config config;

__attribute__((unused)) static void start(unsigned pool)
{
	int pair[2];

	config = test_config;
	config.rockers_pool = pool;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		abort();
	fflush(stdout);
	test_launcher = fork();
	if (!test_launcher) {
		close(pair[0]);
		_exit(launcher_serve(&config, pair[1], (const struct jail_helper[2]){ { 0 } }));
	}
	close(pair[1]);
	test_channel = pair[0];
	CHECK_MSG(!launch_start(), "%s", sfs_sentence());
}

__attribute__((unused)) static void stop(void)
{
	launch_stop();
	CHECK_INT(wait_launcher(), 0);
	close(test_channel);
}

/* Owners' ids are of no account to an ordinary user's launcher. */
__attribute__((unused)) static bool is_alive(pid_t pid)
{
	return !kill(pid, 0) || errno == EPERM;
}

__attribute__((unused)) static unsigned descriptors(pid_t pid)
{
	char path[48];
	unsigned n = 0;

	snprintf(path, sizeof path, "/proc/%ld/fd", (long)pid);
	DIR *dir = opendir(path);
	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

__attribute__((unused)) static uid_t an_owner(void)
{
	return geteuid() ? geteuid() : 1234;
}

/* Directories of groups that the launcher has made; -1: it has none. */
__attribute__((unused)) static int groups_left(void)
{
	int n = 0;

	if (!launch_client.places.version[GROUP_CORE])
		return -1;
	DIR *dir = opendir(launch_client.places.path[GROUP_CORE]);
	for (struct dirent *e; dir && (e = readdir(dir));)
		n += e->d_name[0] == 'r' && e->d_type == DT_DIR;
	if (dir)
		closedir(dir);
	return n;
}

__attribute__((unused)) static unsigned children(pid_t pid)
{
	char path[64];
	static char text[65536];
	unsigned n = 0;

	snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", (long)pid, (long)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof text);
	if (fd >= 0)
		close(fd);
	for (ssize_t i = 0; i < len; i++)
		n += text[i] == ' ';
	return n;
}

/* ---- rockers, waited for ----------------------------------------------------------------------------- */

struct life {
	sem_t ready, ended, gone, done;
	struct launch_rocker *rocker;
	int rc, done_rc;
	char sentence[SFS_SENTENCE_MAX], name[ROCKER_NAME_SIZE];
	pid_t guard;
	uid_t uid;
	gid_t gid;
	int pidfd, control;
	struct launch_rocker_ended how;
};

static void on_ready(void *arg, struct launch_rocker *rocker, const struct launch_rocker_ready *how)
{
	struct life *l = arg;

	(void)rocker;
	l->rc = how->rc;
	snprintf(l->sentence, sizeof l->sentence, "%s", how->sentence);
	snprintf(l->name, sizeof l->name, "%s", how->name);
	l->guard = how->guard;
	l->uid = how->uid;
	l->gid = how->gid;
	l->pidfd = how->pidfd;
	l->control = how->control;
	sem_post(&l->ready);
}

static void on_ended(void *arg, struct launch_rocker *rocker, const struct launch_rocker_ended *how)
{
	struct life *l = arg;

	(void)rocker;
	l->how = *how;
	sem_post(&l->ended);
}

static void on_gone(void *arg)
{
	struct life *l = arg;

	sem_post(&l->gone);
}

__attribute__((unused)) static void on_done(void *arg, int rc, const char *sentence)
{
	struct life *l = arg;

	l->done_rc = rc;
	snprintf(l->sentence, sizeof l->sentence, "%s", sentence);
	sem_post(&l->done);
}

static const struct launch_rocker_calls life_calls = { on_ready, on_ended, on_gone };

static void life_init(struct life *l)
{
	memset(l, 0, sizeof *l);
	l->rc = 1;
	l->pidfd = l->control = -1;
	sem_init(&l->ready, 0, 0);
	sem_init(&l->ended, 0, 0);
	sem_init(&l->gone, 0, 0);
	sem_init(&l->done, 0, 0);
}

static struct rocker_plan test_plan;

__attribute__((unused)) static struct rocker_plan *plan_of(const char *how, const char *host)
{
	plan_init(&test_plan);
	test_plan.uid = test_plan.gid = UINT32_MAX;
	test_plan.hostname = plan_add(&test_plan, how, strlen(how));
	if (host) {
		struct plan_opener opener = { .uid = 1234, .gid = 1234 };
		test_plan.binds[0].host = plan_add(&test_plan, host, strlen(host));
		test_plan.binds[0].inside = plan_add(&test_plan, "/x", 2);
		test_plan.binds[0].opener = (uint32_t)plan_add_opener(&test_plan, &opener);
		test_plan.nbinds = 1;
	}
	return &test_plan;
}

static bool life_begin(struct life *l, const struct rocker_plan *plan, uid_t owner)
{
	life_init(l);
	l->rocker = launch_rocker_new(owner, plan, &life_calls, l);
	CHECK_MSG(l->rocker, "%s", sfs_sentence());
	return l->rocker != NULL;
}

__attribute__((unused)) static bool life_new(struct life *l, const struct rocker_plan *plan, uid_t owner)
{
	if (!life_begin(l, plan, owner))
		return false;
	bool heard = await(&l->ready, 20);
	CHECK_MSG(heard, "no answer from the launcher");
	return heard;
}

static void life_close(struct life *l)
{
	if (l->pidfd >= 0)
		close(l->pidfd);
	if (l->control >= 0)
		close(l->control);
	l->pidfd = l->control = -1;
}

__attribute__((unused)) static void life_end(struct life *l)
{
	if (!l->rocker)
		return;
	launch_rocker_drop(l->rocker);
	CHECK_MSG(await(&l->gone, 20), "it does not go");
	life_close(l);
}

#endif
