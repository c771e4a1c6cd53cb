/* SPDX-License-Identifier: MIT */
/* How a guard outlives its daemon, and tells the next one of the jobs that it has. */
#include <fcntl.h>

#include "guard_own.h"
#include "guard_sys.h"

/* The one descriptor that came with the order at hand. */
static bool move(int to)
{
	bool moved = SYS_3(SYS_dup3, 0, to, O_CLOEXEC) == to;

	SYS_1(SYS_close, 0);
	return moved;
}

bool guard_keep(struct guard *g)
{
	if (g->is_kept || !move(GUARD_KEEP_MOVED))
		return false;
	g->is_kept = true;
	return true;
}

void guard_let_go(struct guard *g, const struct guard_job *job)
{
	for (uint32_t i = 0; i < job->kept; i++)
		SYS_1(SYS_close, GUARD_KEPT_FD(job - g->jobs, i));
}

static void tell_kept(struct guard *g, const struct guard_job *job)
{
	struct guard_reply reply = { .type = GUARD_KEPT,
				     .job = job->job,
				     .pid = job->pid,
				     .running = g->running,
				     .kept = job->kept };
	int fds[GUARD_KEPT_MAX + 1], pidfd = -1;

	for (uint32_t i = 0; i < job->kept; i++)
		fds[i] = GUARD_KEPT_FD(job - g->jobs, i);
	if (!job->over) {
		/* Nobody else's: it has not been reaped. */
		pidfd = (int)SYS_2(SYS_pidfd_open, job->pid, 0);
		if (pidfd < 0)
			sys_exit(7);
		fds[job->kept] = pidfd;
	}
	guard_reply(g, &reply, fds, job->kept + !job->over);
	if (pidfd >= 0)
		SYS_1(SYS_close, pidfd);
}

/* What nobody kept anything of can be told to nobody, and its end neither. */
static void forget(struct guard *g, struct guard_job *job)
{
	*job = (struct guard_job){ 0 };
	g->running--;
}

static void tell(struct guard *g, struct guard_job *job)
{
	job->untold = false;
	tell_kept(g, job);
	if (!job->over)
		return;
	guard_reply(g, &g->ends[job - g->jobs], NULL, 0);
	if (g->is_deaf) /* again: the next one is to hear of it */
		return;
	guard_let_go(g, job);
	*job = (struct guard_job){ 0 };
}

bool guard_adopt(struct guard *g)
{
	if (!move(GUARD_CTL_MOVED))
		return false;
	g->is_deaf = g->has_untold = false;
	guard_reply(g, &(struct guard_reply){ .type = GUARD_READY }, NULL, 0);
	for (struct guard_job *job = g->jobs; job < g->jobs + GUARD_JOBS_MAX && !g->is_deaf; job++)
		if (job->job && !job->kept)
			forget(g, job);
		else if (job->job)
			tell(g, job);
	return true;
}
