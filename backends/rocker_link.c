/* SPDX-License-Identifier: MIT */
/*
 * The thread that waits for all guards, for what jobs write, and for their time to be over: it looks at one
 * event after the other, and between two rounds at what does not come as an event.
 */
#include "rocker_link.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rocker_idle.h"
#include "rocker_number.h"
#include "rocker_pipe.h"

#define EVENTS     64                   /* of one round */
#define LEFT_MAX   4                    /* jobs of which something is left to be done */
#define LEFT_NS    UINT64_C(1000000)    /* for so long: who had an answer goes on first */
#define SOON_NS    UINT64_C(200000)     /* from the end of what a run writes to its own */
#define OVERDUE_NS UINT64_C(1000000000) /* from the end of its time to an answer whatever it does */

LIST_HEAD(link_list, rocker_link);
SLIST_HEAD(torn_list, rocker_link);
STAILQ_HEAD(kicked_list, rocker_job);

static struct {
	pthread_mutex_t lock; /* of links, kicked, stopping */
	struct link_list links;
	struct kicked_list kicked;
	bool stopping;
	bool running; /* set while nothing else runs, like the descriptors */
	int epoll, kick;
	pthread_t thread;
	struct source kick_source, end_source;
	/* of the thread */
	uint64_t soon_ns; /* until then an answer of a guard is near */
	uint64_t look_ns; /* when it is to look at all jobs; UINT64_MAX: never */
	struct job_list dropped;
	unsigned ndropped;
	uint64_t dropped_ns; /* when they are done with at the latest; UINT64_MAX: there are none */
	struct torn_list torn;
} all = { .lock = PTHREAD_MUTEX_INITIALIZER, .epoll = -1, .kick = -1 };

/* ---- sources ----------------------------------------------------------------------------------------- */

int rocker_link_watch(struct source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };
	int rc = epoll_ctl(all.epoll, EPOLL_CTL_ADD, source->fd, &event);

	if (rc < 0 && errno == EEXIST) /* only its end was watched */
		rc = epoll_ctl(all.epoll, EPOLL_CTL_MOD, source->fd, &event);
	return rc < 0 ? -errno : 0;
}

/* Of a pipe that nobody has yet: what is written into it makes no event. */
static void watch_end(int fd)
{
	struct epoll_event event = { .events = EPOLLONESHOT, .data.ptr = &all.end_source };

	if (rocker_idle_possible())
		(void)epoll_ctl(all.epoll, EPOLL_CTL_ADD, fd, &event);
}

void rocker_link_unwatch(struct source *source)
{
	(void)epoll_ctl(all.epoll, EPOLL_CTL_DEL, source->fd, NULL);
}

/* Others have had, or still have, what a guard's descriptors lead to: to close ours does not end the watch. */
static void close_shared(struct source *source)
{
	if (source->fd >= 0)
		rocker_link_unwatch(source);
	rocker_job_close(source);
}

void rocker_link_kick(struct rocker_job *job)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&all.lock);
	if (all.running && !all.stopping && !job->is_kicked) {
		job->is_kicked = true;
		rocker_job_get(job);
		STAILQ_INSERT_TAIL(&all.kicked, job, in_kicked);
		(void)!write(all.kick, &one, sizeof(one));
	}
	pthread_mutex_unlock(&all.lock);
}

void rocker_link_wake_at(uint64_t ns)
{
	if (ns < all.look_ns)
		all.look_ns = ns;
}

void rocker_link_drop(struct rocker_job *job)
{
	TAILQ_INSERT_TAIL(&all.dropped, job, of_link);
	if (!all.ndropped++)
		all.dropped_ns = sfs_now_ns() + LEFT_NS;
}

/* ---- time ---------------------------------------------------------------------------------------------- */

struct verdict {
	struct rocker_link *link; /* counted */
	bool kill, answer;
	int rc;
};

/* Under the job's lock. */
static void judge_time(struct rocker_job *job, uint64_t now, struct verdict *out)
{
	uint64_t next = UINT64_MAX;

	out->kill = job->state == JOB_RUNNING && !job->timed_out && now >= job->limit_ns;
	if (out->kill) {
		job->timed_out = true;
		if (!job->answer_ns)
			job->answer_ns = now + OVERDUE_NS;
	} else if (job->state == JOB_RUNNING && !job->timed_out) {
		next = job->limit_ns;
	}
	out->answer = job->req && job->answer_ns && now >= job->answer_ns;
	if (job->req && job->answer_ns && !out->answer && job->answer_ns < next)
		next = job->answer_ns;
	out->rc = job->cancelled ? -EINTR : -ETIMEDOUT;
	out->link = out->kill && job->link ? rocker_link_get(job->link) : NULL;
	rocker_link_wake_at(next);
}

static void attend(struct rocker_job *job)
{
	struct verdict verdict;

	pthread_mutex_lock(&job->lock);
	judge_time(job, sfs_now_ns(), &verdict);
	pthread_mutex_unlock(&job->lock);
	if (verdict.link) {
		(void)rocker_link_signal_job(verdict.link, job, SIGKILL, true);
		rocker_count(verdict.link->rocker, ROCKER_TIMEOUTS, 1);
	}
	if (verdict.answer)
		(void)rocker_job_answer(
			job, sfs_fail(verdict.rc, "the job was killed, and goes on to die"), NULL);
	rocker_stdin_go_on(job);
	rocker_link_put(verdict.link);
}

static void attend_kicked(void)
{
	struct rocker_job *job;

	for (;;) {
		pthread_mutex_lock(&all.lock);
		job = STAILQ_FIRST(&all.kicked);
		if (job) {
			STAILQ_REMOVE_HEAD(&all.kicked, in_kicked);
			job->is_kicked = false;
		}
		pthread_mutex_unlock(&all.lock);
		if (!job)
			return;
		attend(job);
		rocker_job_put(job);
	}
}

/* All jobs are looked at when the first of their times has come; they are few, and that is rare. */
static void look_at_all(uint64_t now)
{
	struct rocker_link *link;
	struct rocker_job *job;

	if (now < all.look_ns)
		return;
	all.look_ns = UINT64_MAX;
	pthread_mutex_lock(&all.lock);
	LIST_FOREACH(link, &all.links, in_links)
	{
		pthread_mutex_lock(&link->lock);
		TAILQ_FOREACH(job, &link->jobs, of_link)
		if (!job->is_kicked) {
			job->is_kicked = true;
			rocker_job_get(job);
			STAILQ_INSERT_TAIL(&all.kicked, job, in_kicked);
		}
		pthread_mutex_unlock(&link->lock);
	}
	pthread_mutex_unlock(&all.lock);
	attend_kicked();
}

/* ---- the end of a link ----------------------------------------------------------------------------------- */

static struct rocker_job *take_first(struct rocker_link *link)
{
	struct rocker_job *job;

	pthread_mutex_lock(&link->lock);
	job = TAILQ_FIRST(&link->jobs);
	if (job)
		TAILQ_REMOVE(&link->jobs, job, of_link);
	pthread_mutex_unlock(&link->lock);
	return job;
}

static void nobody_asks(void *arg, int rc, const char *sentence)
{
	(void)arg;
	(void)rc;
	(void)sentence;
}

/* A guard that went by itself, or lied: whatever is left of its rocker ends as well. */
static void end_rocker(struct rocker_link *link)
{
	struct rocker *rocker = link->rocker;

	pthread_mutex_lock(&rocker->lock);
	if (rocker->link == link && rocker->launch)
		(void)launch_rocker_kill(rocker->launch, nobody_asks, NULL);
	pthread_mutex_unlock(&rocker->lock);
}

static void tear(struct rocker_link *link)
{
	struct rocker_job *job;
	bool closed;

	if (link->is_torn)
		return;
	link->is_torn = true;
	SLIST_INSERT_HEAD(&all.torn, link, in_torn);
	pthread_mutex_lock(&link->lock);
	link->broken = true;
	closed = link->closed;
	rocker_link_unwatch(&link->control);
	(void)shutdown(link->control.fd, SHUT_RDWR);
	pthread_mutex_unlock(&link->lock);
	close_shared(&link->listener);
	if (!closed)
		end_rocker(link);
	while ((job = take_first(link))) {
		rocker_link_lost(link, job);
		rocker_link_drop(job);
	}
}

static void sweep_jobs(void)
{
	struct rocker_job *job;

	while ((job = TAILQ_FIRST(&all.dropped))) {
		TAILQ_REMOVE(&all.dropped, job, of_link);
		rocker_job_finish(job);
		rocker_job_put(job);
		rocker_pipe_prepare(watch_end); /* instead of its own */
	}
	all.ndropped = 0;
	all.dropped_ns = UINT64_MAX;
}

/* Between two rounds: what no event can point to any more. */
static void sweep(uint64_t now)
{
	struct rocker_link *link;

	if (all.ndropped >= LEFT_MAX || now >= all.dropped_ns)
		sweep_jobs();
	while ((link = SLIST_FIRST(&all.torn))) {
		SLIST_REMOVE_HEAD(&all.torn, in_torn);
		pthread_mutex_lock(&all.lock);
		LIST_REMOVE(link, in_links);
		pthread_mutex_unlock(&all.lock);
		rocker_link_put(link);
	}
}

/* ---- the thread ------------------------------------------------------------------------------------------ */

static void empty_kick(void)
{
	uint64_t count;

	(void)!read(all.kick, &count, sizeof(count));
}

/* What its round has ended already has no descriptor any more. */
static void serve(struct source *source, uint32_t events)
{
	struct rocker_link *link = source->owner;

	if (source->fd < 0)
		return;
	switch (source->kind) {
	case SOURCE_KICK:
		empty_kick();
		attend_kicked();
		break;
	case SOURCE_END:
		if (rocker_idle())
			all.soon_ns = sfs_now_ns() + SOON_NS;
		break;
	case SOURCE_CONTROL:
		all.soon_ns = 0;
		if (!link->is_torn && !rocker_link_receive(link))
			tear(link);
		break;
	case SOURCE_LISTENER:
		if (!(events & EPOLLIN) || !rocker_link_refused(link))
			close_shared(&link->listener);
		break;
	case SOURCE_OUT:
		(void)rocker_link_read(source->owner, OUTPUT_OUT);
		break;
	case SOURCE_ERR:
		(void)rocker_link_read(source->owner, OUTPUT_ERR);
		break;
	case SOURCE_IN:
		rocker_stdin_go_on(source->owner);
		break;
	}
}

/* Until something is to be done that does not come as an event; -1: nothing is. */
static int timeout_ms(uint64_t now)
{
	uint64_t next = all.look_ns;

	if (rocker_link_tell_ns() < next)
		next = rocker_link_tell_ns();
	if (all.dropped_ns < next)
		next = all.dropped_ns;
	if (next == UINT64_MAX)
		return -1;
	if (next <= now)
		return 0;
	next = (next - now + 999999) / 1000000;
	return next > 3600000 ? 3600000 : (int)next;
}

static bool is_stopping(void)
{
	bool stopping;

	pthread_mutex_lock(&all.lock);
	stopping = all.stopping;
	pthread_mutex_unlock(&all.lock);
	return stopping;
}

static void tear_all(void)
{
	struct rocker_link *link;

	do {
		pthread_mutex_lock(&all.lock);
		LIST_FOREACH(link, &all.links, in_links)
		if (!link->is_torn)
			break;
		pthread_mutex_unlock(&all.lock);
		if (link)
			tear(link);
	} while (link);
	attend_kicked();
	rocker_link_tell(UINT64_MAX);
	sweep(UINT64_MAX);
}

/*
 * The output of a run ends while its last process still dies. To sleep until its guard has been told and tells us takes
 * longer than to wait for that awake, with the processor left to whoever else wants it.
 */
static int wait_for_any(struct epoll_event *events, uint64_t now)
{
	bool soon = now < all.soon_ns;
	int count = epoll_wait(all.epoll, events, EVENTS, soon ? 0 : timeout_ms(now));

	if (!count && soon)
		sched_yield();
	return count;
}

static void *run(void *unused)
{
	struct epoll_event events[EVENTS];
	uint64_t now;
	int count;

	(void)unused;
	while (!is_stopping()) {
		now = sfs_now_ns();
		rocker_link_tell(now);
		look_at_all(now);
		sweep(now);
		count = wait_for_any(events, now);
		for (int i = 0; i < count; i++)
			serve(events[i].data.ptr, events[i].events);
	}
	tear_all();
	return NULL;
}

static int open_descriptors(void)
{
	all.epoll = epoll_create1(EPOLL_CLOEXEC);
	all.kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (all.epoll < 0 || all.kick < 0)
		return -errno;
	all.end_source = (struct source){ .kind = SOURCE_END };
	all.kick_source = (struct source){ .kind = SOURCE_KICK, .fd = all.kick };
	return rocker_link_watch(&all.kick_source, EPOLLIN);
}

static void close_descriptors(void)
{
	if (all.epoll >= 0)
		close(all.epoll);
	if (all.kick >= 0)
		close(all.kick);
	all.epoll = all.kick = -1;
}

int rocker_links_start(void)
{
	int rc = open_descriptors();

	rocker_idle_start();
	LIST_INIT(&all.links);
	STAILQ_INIT(&all.kicked);
	TAILQ_INIT(&all.dropped);
	SLIST_INIT(&all.torn);
	all.look_ns = all.dropped_ns = UINT64_MAX;
	all.stopping = false;
	if (!rc) {
		all.running = true;
		rc = -pthread_create(&all.thread, NULL, run, NULL);
		all.running = !rc;
	}
	if (rc) {
		close_descriptors();
		rocker_idle_stop();
		return sfs_fail(rc, "no thread for the guards of rockers: %s", strerror(-rc));
	}
	rocker_number_start();
	rocker_pipes_start();
	return 0;
}

void rocker_links_stop(void)
{
	const uint64_t one = 1;

	if (!all.running)
		return;
	pthread_mutex_lock(&all.lock);
	all.stopping = true;
	(void)!write(all.kick, &one, sizeof(one));
	pthread_mutex_unlock(&all.lock);
	pthread_join(all.thread, NULL);
	pthread_mutex_lock(&all.lock);
	all.running = false;
	pthread_mutex_unlock(&all.lock);
	close_descriptors();
	rocker_idle_stop();
	rocker_number_stop();
	rocker_pipes_stop();
}

int rocker_link_enlist(struct rocker_link *link)
{
	int rc = -EAGAIN; /* the daemon ends */

	pthread_mutex_lock(&all.lock);
	if (all.running && !all.stopping) {
		rocker_link_get(link);
		LIST_INSERT_HEAD(&all.links, link, in_links);
		rc = rocker_link_watch(&link->control, EPOLLIN);
		if (rc) {
			LIST_REMOVE(link, in_links);
			rocker_link_put(link);
		}
	}
	pthread_mutex_unlock(&all.lock);
	return rc;
}
