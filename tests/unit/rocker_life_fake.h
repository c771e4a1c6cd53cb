/* SPDX-License-Identifier: MIT */
/* What the life of a rocker stands on, for its test: a launcher that does what the test says, links and jobs. */
#ifndef ROCKER_LIFE_FAKE_H
#define ROCKER_LIFE_FAKE_H

#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "rocker_life.h"

/* The core, without any backend behind it. */
const struct sfs_backend *const sfs_backends[] = { NULL };
const struct sfs_attr *const sfs_top_attrs[] = { NULL };
const char sfs_session[] = "";
const struct sfs_privileged sfs_privileged = { .name = "none" };

/* ---- a launcher, links and jobs of a few lines -------------------------------------------------------- */

struct launch_rocker {
	struct launch_rocker_calls calls;
	void *arg;
	bool dropped;
	uint64_t memory; /* of its plan, and then as limited */
	unsigned network;
};

struct rocker_link {
	int control;
};

static struct launch_rocker *built[64];
static unsigned nbuilt, ngone, nlinks, ends;
static bool refuse_new;

struct launch_rocker *launch_rocker_new(uid_t owner, const struct rocker_plan *plan, const struct launch_rocker_calls *calls, void *arg)
{
	struct launch_rocker *launch;

	(void)owner;
	if (refuse_new) {
		(void)sfs_fail(-EAGAIN, "the launcher is gone");
		return NULL;
	}
	launch = calloc(1, sizeof(*launch));
	*launch = (struct launch_rocker){ *calls, arg, false, plan->limits.memory_bytes, plan->network };
	built[nbuilt++] = launch;
	return launch;
}

static unsigned nadopted;

struct launch_rocker *launch_rocker_adopt(uid_t owner, uint64_t number, const struct launch_rocker_calls *calls, void *arg)
{
	static struct rocker_plan plan;

	CHECK(number);
	nadopted++;
	return launch_rocker_new(owner, &plan, calls, arg);
}

void launch_rocker_drop(struct launch_rocker *launch)
{
	launch->dropped = true;
}

/* All that was dropped has been torn down. */
static void bury(void)
{
	for (unsigned i = 0; i < nbuilt; i++)
		if (built[i] && built[i]->dropped) {
			built[i]->calls.gone(built[i]->arg);
			free(built[i]);
			built[i] = NULL;
			ngone++;
		}
}

int launch_rocker_limit(struct launch_rocker *launch, const struct plan_limits *limits, launch_rocker_done *done, void *arg)
{
	launch->memory = limits->memory_bytes;
	done(arg, 0, "");
	return 0;
}

struct launch_place launch_rocker_place(const struct launch_rocker *launch)
{
	(void)launch;
	return (struct launch_place){ 1, 1 };
}

static unsigned wakes;

void rocker_answers_wake(void)
{
	wakes++;
}

int launch_answer(int rc)
{
	return rc == -EIO ? -EAGAIN : rc;
}

static void answer(unsigned i, int rc)
{
	struct launch_rocker_ready how = { .rc = rc, .sentence = "no namespaces", .guard = 100 + (pid_t)i, .name = "guard", .pidfd = -1, .control = -1 };

	if (!rc) {
		how.pidfd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		how.control = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
	built[i]->calls.ready(built[i]->arg, built[i], &how);
}

static void end(unsigned i)
{
	const struct launch_rocker_ended how = { .code = CLD_KILLED, .status = SIGKILL };

	built[i]->calls.ended(built[i]->arg, built[i], &how);
}

struct rocker_link *rocker_link_open(struct rocker *rocker, int control, unsigned profile)
{
	struct rocker_link *link = malloc(sizeof(*link));

	(void)rocker, (void)profile;
	link->control = control;
	nlinks++;
	return link;
}

bool rocker_link_alive(struct rocker_link *link)
{
	return link != NULL;
}

void rocker_link_close(struct rocker_link *link)
{
	if (!link)
		return;
	close(link->control);
	nlinks--;
	free(link);
}

struct rocker_jobs *rocker_jobs_new(struct rocker *rocker)
{
	(void)rocker;
	return malloc(1);
}

void rocker_jobs_end(struct rocker_jobs *jobs)
{
	(void)jobs;
	ends++;
}

void rocker_jobs_free(struct rocker_jobs *jobs)
{
	free(jobs);
}

/* What it has written is looked at by others: here it is full or not, or not known yet. */
static int disk_answer, disk_uses;

void rocker_disk_begin(struct rocker *rocker)
{
	(void)rocker;
}

int rocker_disk_ask(struct rocker *rocker)
{
	(void)rocker;
	return disk_answer;
}

void rocker_disk_used(struct rocker *rocker)
{
	(void)rocker;
	disk_uses++;
}

#endif
