/* SPDX-License-Identifier: MIT */
/*
 * Host paths of a plan: a disposable child with the rights of each opener, one after the other, each
 * with its own deadline.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "launcher_rocker.h"

#define NS_PER_MS UINT64_C(1000000)
#define OPENER_MS 1000
#define SERVED_MS 5000 /* where a server of its image may have to begin */
#define WORD_MAX  160  /* shown of a plan's word */

int opening_start(struct opening *opening, const struct rocker_plan *plan, uint32_t number)
{
	size_t size = plan_size(plan);
	void *copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*opening = (struct opening){ .number = number, .report = -1, .control = -1 };
	if (copy == MAP_FAILED)
		return -errno;
	memcpy(copy, plan, size);
	opening->plan = copy;
	opening->size = size;
	return 0;
}

static const struct plan_opener *user_of(const struct opening *opening, unsigned opener)
{
	return &opening->plan->openers[opener];
}

/* One that rests already, if it takes the plan. */
static bool give_to_resident(struct opening *opening, const struct opener_spec *spec)
{
	int report;
	pid_t pid;

	while ((pid = resident_take(user_of(opening, spec->opener), &report))) {
		if (!opener_order(report, spec)) {
			opening->pid = pid;
			opening->report = report;
			return true;
		}
		resident_end(pid, report);
	}
	return false;
}

/* Only root's: an ordinary user's has a copy of the mounts that there were when it began. */
static int start_one(struct opening *opening, struct opener_spec *spec)
{
	int pair[2], pidfd = -1;

	spec->resident = launcher.env.root && spec->server < 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	spec->report = pair[1];
	pid_t pid = opener_spawn(&launcher.rockers, spec, &pidfd);
	(void)close(pair[1]);
	if (pid < 0) {
		(void)close(pair[0]);
		return (int)pid;
	}
	launcher_close(&pidfd); /* it is ours to reap, so its number stays its own */
	opening->pid = pid;
	opening->report = pair[0];
	return 0;
}

static int cannot(int err, struct verdict *why)
{
	why->err = err;
	(void)snprintf(why->sentence, sizeof why->sentence, "host paths: %s", strerror(-err));
	return err;
}

/* The one that is next opens the image. */
static bool wants_server(const struct opening *opening)
{
	const struct rocker_plan *plan = opening->plan;

	return opening->ward && plan->package && plan->package_opener == opening->next;
}

/* Of the one that runs. */
static unsigned patience_ms(const struct opening *opening)
{
	return opening->ward && opening->ward->server ? SERVED_MS : OPENER_MS;
}

int opening_next(struct opening *opening, struct verdict *why)
{
	struct opener_spec spec = { .plan = opening->plan,
				    .opener = opening->next,
				    .job_uid = opening->job_uid,
				    .job_gid = opening->job_gid,
				    .control = opening->control,
				    .server = -1,
				    .check_only = opening->check_only };

	if (opening->next >= opening->plan->nopeners)
		return 0;
	bool served = wants_server(opening);
	int err = served ? ward_server_start(opening->ward, &spec.server) : 0;
	if (!err && (served || !give_to_resident(opening, &spec)))
		err = start_one(opening, &spec);
	launcher_close(&spec.server);
	if (err)
		return cannot(err, why);
	opening->next++;
	kin_add(opening->pid, KIN_OPENER, opening->number);
	/* if it cannot be watched, its deadline comes */
	(void)launcher_watch(opening->report, WATCH_OPENER, opening->number, EPOLLIN);
	timer_set(opening->number, launcher_now() + patience_ms(opening) * NS_PER_MS);
	return 1;
}

/* What is wrong stays in the socket until its end, which comes at once, is reaped. */
bool opening_heard(struct opening *opening)
{
	struct rocker_report report;

	if (!opening->pid || opening->report < 0)
		return false;
	ssize_t n = recv(opening->report, &report, sizeof report, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0)
		return false;
	(void)epoll_ctl(launcher.epoll, EPOLL_CTL_DEL, opening->report, NULL);
	if (n != (ssize_t)sizeof report || report.err)
		return false;
	(void)recv(opening->report, &report, sizeof report, MSG_DONTWAIT);
	resident_rest(opening->pid, opening->report, user_of(opening, opening->next - 1));
	opening->pid = 0;
	opening->report = -1;
	timer_set(opening->number, 0);
	return true;
}

void report_judge(const struct rocker_plan *plan, struct rocker_report *report, struct verdict *out)
{
	char word[WORD_MAX], step[4 * sizeof report->step];
	bool names = report->text && report->text < plan->text_used;

	out->err = report->err < 0 && report->err > -4096 ? report->err : -EIO;
	text_escape(report->step, sizeof report->step, step, sizeof step);
	if (names) {
		text_escape(plan_text(plan, report->text), plan->text_used - report->text, word,
			    sizeof word);
		(void)snprintf(out->sentence, sizeof out->sentence, "%s '%s': %s", step, word,
			       strerror(-out->err));
	} else {
		(void)snprintf(out->sentence, sizeof out->sentence, "%s: %s", step,
			       strerror(-out->err));
	}
}

static void judge_end(const struct opening *opening, const siginfo_t *how, struct verdict *why)
{
	const struct plan_opener *opener = &opening->plan->openers[opening->next - 1];

	if (how->si_code != CLD_EXITED || how->si_status) {
		why->err = -EIO;
		(void)snprintf(
			why->sentence, sizeof why->sentence,
			"opening the host paths of uid %u ended: %s %d", (unsigned)opener->uid,
			how->si_code == CLD_EXITED ? "exit status" : "signal", how->si_status);
	}
}

int opening_reaped(struct opening *opening, const siginfo_t *how, struct verdict *why)
{
	struct rocker_report report;

	opening->pid = 0;
	timer_set(opening->number, 0);
	if (!opening->plan)
		return 0;
	ssize_t n = recv(opening->report, &report, sizeof report, MSG_DONTWAIT);
	launcher_unwatch(&opening->report);
	why->err = 0;
	if (n == (ssize_t)sizeof report && report.err)
		report_judge(opening->plan, &report, why);
	else
		judge_end(opening, how, why);
	return why->err;
}

/* Said now: a process that waits for a hung file system may not even die before that is answered. */
void opening_late(struct opening *opening, struct verdict *why)
{
	const struct plan_opener *opener = &opening->plan->openers[opening->next - 1];

	why->err = -ETIMEDOUT;
	(void)snprintf(why->sentence, sizeof why->sentence,
		       "opening the host paths of uid %u took longer than %u ms",
		       (unsigned)opener->uid, patience_ms(opening));
	opening_end(opening);
}

void opening_end(struct opening *opening)
{
	if (opening->pid)
		(void)kill(opening->pid, SIGKILL);
	if (opening->plan)
		(void)munmap(opening->plan, opening->size);
	opening->plan = NULL;
	launcher_unwatch(&opening->report);
}
