/* SPDX-License-Identifier: MIT */
/*
 * One jail from the order to make it until nothing of it is left.
 */
#include "launcher_state.h"

#include "sandboxfs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define NS_PER_MS UINT64_C(1000000)
#define READY_MS  2000 /* from the order to WIRE_READY */
#define SETUP_MS  5000
#define RETRY_MS  5 /* until a control group is empty */
#define OWN_PIDS                                                                                   \
	2 /* the init and the zygote: the one counts for RLIMIT_NPROC, both are none of the user's */
#define OWN_BYTES (8u << 20) /* what the zygote and its page tables take of the memory limit */

static uint64_t after_ms(uint64_t ms)
{
	return launcher_now() + ms * NS_PER_MS;
}

/* ---- the end --------------------------------------------------------------------------------- */

/*
 * Gives back what a dead jail held, as soon as its processes are gone, and its number once the
 * daemon dropped it.
 */
static void settle(struct cell *cell)
{
	struct lm_gone gone = { .head = { LM_GONE, cell->index } };

	if (cell->state != CELL_DEAD || cell->init || cell->zygote)
		return;
	run_abandon(cell);
	cell->process_group = 0;
	cell->deadline_ns = 0;
	if (cell->has_group &&
	    cgroup_remove(&launcher.cgroups, cell->index, &cell->group) == -EBUSY) {
		cell->deadline_ns = after_ms(RETRY_MS);
		return;
	}
	cell->has_group = false;
	launcher_close(&cell->listener);
	id_release(cell->slot);
	cell->slot = -1;
	if (!cell->dropped)
		return;
	cell->state = CELL_FREE;
	launcher_say(&gone, sizeof gone);
}

static void answer(struct cell *cell, int rc, const char *sentence)
{
	struct lm_ready ready = { .head = { LM_READY, cell->index }, .rc = rc };

	if (cell->answered)
		return;
	cell->answered = true;
	ready.group = rc ? 0 : (int32_t)cell->process_group;
	(void)snprintf(ready.sentence, sizeof ready.sentence, "%s", sentence);
	launcher_say(&ready, sizeof ready);
}

static void close_setup(struct cell *cell)
{
	while (cell->setup_nfds)
		launcher_close(&cell->setup_fds[--cell->setup_nfds]);
}

/*
 * The first reason stays. Killing the init ends everything in its pid namespace; the rest is for
 * the wait to see.
 */
void cell_fail(struct cell *cell, int err, const char *format, ...)
{
	va_list args;

	if (cell->state == CELL_DEAD || cell->state == CELL_FREE)
		return;
	va_start(args, format);
	(void)vsnprintf(cell->sentence, sizeof cell->sentence, format, args);
	va_end(args);
	cell->why = err;
	cell->state = CELL_DEAD;
	cell->deadline_ns = cell->retry_ns = 0;
	if (cell->run.state != RUN_NONE && !cell->run.killed) {
		cell->run.killed = true;
		cell->run.how.cause = err == -ENOMEM ? LAUNCH_OOM : LAUNCH_FAILED;
		cell->run.how.rc = err;
		memcpy(cell->run.how.sentence, cell->sentence, sizeof cell->sentence);
	}
	if (cell->init)
		(void)kill(cell->init, SIGKILL);
	else if (cell->zygote)
		(void)kill(cell->zygote, SIGKILL);
	if (!cell->init && cell->process_group) /* no init of its own takes the runs along */
		(void)kill(-cell->process_group, SIGKILL);
	launcher_unwatch(&cell->control);
	launcher_unwatch(&cell->report);
	launcher_close(&cell->init_control);
	launcher_close(&cell->zygote_pidfd);
	notify_mute(cell); /* what waits for an answer waits until it is killed */
	close_setup(cell);
	answer(cell, err, cell->sentence);
	settle(cell);
}

void cell_drop(struct cell *cell)
{
	cell->dropped = true;
	if (cell->run.state != RUN_NONE && !cell->run.killed) {
		cell->run.killed = true;
		cell->run.how.cause = LAUNCH_KILLED;
	}
	if (cell->state == CELL_DEAD)
		settle(cell);
	else
		cell_fail(cell, -ECANCELED, "the jail was dropped");
}

/* ---- the beginning --------------------------------------------------------------------------- */

static void fill_spec(const struct cell *cell, struct jail_spec *out)
{
	uid_t uid = id_uid(cell->slot);

	*out = (struct jail_spec){
		.kind = cell->kind == LAUNCH_RUNNER ? JAIL_RUNNER : JAIL_INSPECTOR,
		.uid = uid,
		.gid = launcher.env.root ? (gid_t)uid : getegid(),
		.memory_bytes = cell->memory_bytes,
		.pids = cell->pids + OWN_PIDS,
		.cgroup = &cell->group,
		.limited_by_cgroup = launcher.cgroups.version != 0,
	};
	place_spec(cell, out);
}

/*
 * A control socket, whose far end is for the child, and the report pipe. 0 or -errno with nothing
 * open.
 */
static int make_channels(int *control_out, int *far_out, int *report_out, int *write_out)
{
	int pair[2], pipes[2], on = 1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	if (setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) ||
	    pipe2(pipes, O_CLOEXEC)) {
		int err = -errno;
		(void)close(pair[0]);
		(void)close(pair[1]);
		return err;
	}
	(void)fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	*control_out = pair[0];
	*far_out = pair[1];
	*report_out = pipes[0];
	*write_out = pipes[1];
	return 0;
}

static void start_init(struct cell *cell)
{
	struct jail_spec spec;
	int far, write_end;

	int err = make_channels(&cell->init_control, &far, &cell->report, &write_end);
	if (err) {
		cell_fail(cell, err, "jail: descriptors: %s", strerror(-err));
		return;
	}
	fill_spec(cell, &spec);
	pid_t pid = jail_spawn_init(&launcher.env, &spec, far, write_end, &cell->init_pidfd);
	(void)close(far);
	(void)close(write_end);
	if (pid < 0) {
		cell->init_pidfd = -1;
		cell_fail(cell, (int)pid, "jail: namespaces: %s", strerror(-(int)pid));
		return;
	}
	cell->init = pid;
	err = launcher_watch(cell->report, WATCH_REPORT, cell->index, EPOLLIN);
	if (err)
		cell_fail(cell, err, "jail: its init cannot be watched");
}

static void start_zygote(struct cell *cell)
{
	struct jail_spec spec;
	int far, write_end;

	int err = make_channels(&cell->control, &far, &cell->report, &write_end);
	if (err) {
		cell_fail(cell, err, "jail: descriptors: %s", strerror(-err));
		return;
	}
	fill_spec(cell, &spec);
	pid_t pid = jail_spawn_zygote(&launcher.env, &spec, cell->init_pidfd, far, write_end);
	(void)close(far);
	(void)close(write_end);
	launcher_close(&cell->init_pidfd);
	if (pid < 0) {
		cell_fail(cell, (int)pid, "jail: fork: %s", strerror(-(int)pid));
		return;
	}
	cell->zygote = cell->process_group = pid;
	cell->state = CELL_ZYGOTE;
	err = launcher_watch(cell->report, WATCH_REPORT, cell->index, EPOLLIN);
	err = err ?: launcher_watch(cell->control, WATCH_CONTROL, cell->index, EPOLLIN);
	if (err)
		cell_fail(cell, err, "jail: its helper cannot be watched");
}

/* Its guard is the init of what joins it. */
static void join_rocker(struct cell *cell)
{
	int err = place_join(cell, &cell->init_pidfd);

	if (err)
		cell_fail(cell, err, "the rocker is gone");
	else
		start_zygote(cell);
}

static int keep_setup(struct cell *cell, const struct lm_new *order, const int *fds, unsigned nfds)
{
	cell->has_setup = order->has_setup != 0;
	cell->setup = order->setup;
	cell->setup.type = WIRE_SETUP;
	for (unsigned i = 0; i < nfds; i++) {
		int fd = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			return -errno;
		cell->setup_fds[cell->setup_nfds++] = fd;
	}
	return 0;
}

static int take_place(struct cell *cell, uint32_t owner)
{
	cell->slot = id_take(owner, cell->kind);
	if (cell->slot < 0)
		return cell->slot;
	if (cell->place.rocker) {
		cell->oom_kills = place_oom_kills(cell);
		return 0;
	}
	int err = cgroup_make(&launcher.cgroups, cell->index, cell->memory_bytes + OWN_BYTES,
			      cell->pids + OWN_PIDS, &cell->group);
	cell->has_group = !err && launcher.cgroups.version;
	return err;
}

static void clear(struct cell *cell, uint32_t index)
{
	memset(cell, 0, sizeof *cell);
	cell->index = index;
	cell->slot = cell->init_pidfd = cell->init_control = cell->control = cell->report = -1;
	cell->zygote_pidfd = cell->listener = cell->run.arena = -1;
	for (int i = 0; i < CGROUP_CONTROLLERS; i++)
		cell->group.dirs[i] = -1;
}

void cell_new(struct cell *cell, const struct lm_new *order, const int *fds, unsigned nfds)
{
	clear(cell, order->head.jail);
	cell->kind = (enum launch_kind)order->kind;
	cell->memory_bytes = order->memory_bytes;
	cell->pids = order->pids;
	cell->place = (struct launch_place){ order->rocker, order->group };
	cell->state = CELL_INIT;
	cell->deadline_ns = after_ms(READY_MS);
	if (launcher.start_error) {
		cell_fail(cell, -EOPNOTSUPP, "jails cannot be made here: %s",
			  strerror(-launcher.start_error));
		return;
	}
	if (launcher.env.helpers[order->kind == LAUNCH_RUNNER ? JAIL_RUNNER : JAIL_INSPECTOR] < 0) {
		cell_fail(cell, -EOPNOTSUPP, "this helper is not built in");
		return;
	}
	int err = keep_setup(cell, order, fds, nfds);
	err = err ?: take_place(cell, order->owner);
	if (err == -EDQUOT)
		cell_fail(cell, err, "all %u ids of [jail] uid_count are in use",
			  launcher.config->jail_uid_count);
	else if (err)
		cell_fail(cell, err, "jail: limits: %s", strerror(-err));
	else if (cell->place.rocker)
		join_rocker(cell);
	else
		start_init(cell);
}

/* ---- in between ------------------------------------------------------------------------------ */

void cell_reported(struct cell *cell)
{
	struct jail_report report;
	ssize_t n = read(cell->report, &report, sizeof report);

	if (n < 0)
		return;
	launcher_unwatch(&cell->report);
	if (n == (ssize_t)sizeof report) {
		report.step[sizeof report.step - 1] = '\0';
		cell_fail(cell, report.err, "jail: %s: %s", report.step, strerror(-report.err));
	} else if (cell->state == CELL_INIT) {
		start_zygote(cell);
	} else if (cell->state == CELL_ZYGOTE) {
		cell->state = CELL_START;
	}
}

int cell_send(const struct cell *cell, const struct wire_order *order, const int *fds,
	      unsigned nfds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int[WIRE_FDS_MAX]))];
	} control = { 0 };
	struct iovec part = { (void *)order, sizeof *order };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (nfds) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&message);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	ssize_t n = sendmsg(cell->control, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	return n < 0 ? -errno : n == (ssize_t)sizeof *order ? 0 : -EIO;
}

void cell_idle(struct cell *cell)
{
	cell->state = CELL_IDLE;
	cell->deadline_ns = 0;
	answer(cell, 0, "");
}

static void ready(struct cell *cell)
{
	if (cell->kind == LAUNCH_INSPECTOR) {
		cell_idle(cell);
		return;
	}
	if (!cell->has_setup) {
		cell_fail(cell, -EINVAL, "a runner needs something to run");
		return;
	}
	cell->state = CELL_SETUP;
	cell->deadline_ns = after_ms(SETUP_MS);
	int err = cell_send(cell, &cell->setup, cell->setup_fds, cell->setup_nfds);
	close_setup(cell);
	if (err)
		cell_fail(cell, -EIO, "the helper takes no order: %s", strerror(-err));
}

static void set_up(struct cell *cell, const struct wire_report *report)
{
	char text[WIRE_TEXT_MAX];

	if (!report->rc) {
		notify_begin(cell);
		return;
	}
	text_escape(report->text, sizeof report->text, text, sizeof text);
	cell_fail(cell, report->rc < 0 && report->rc > -4096 ? report->rc : -EIO, "%s", text);
}

/* What no honest helper sends at this moment ends its jail. */
static void hear(struct cell *cell, const struct wire_report *report, pid_t from)
{
	bool by_zygote = from == cell->zygote;

	if (report->type == WIRE_READY && by_zygote && cell->state == CELL_START)
		ready(cell);
	else if (report->type == WIRE_SETUP_DONE && by_zygote && cell->state == CELL_SETUP &&
		 report->seq == cell->setup.seq)
		set_up(cell, report);
	else if (report->type == WIRE_FORK_FAILED && cell->state == CELL_IDLE &&
		 cell->kind == LAUNCH_INSPECTOR)
		run_report(cell, report, from);
	else
		cell_fail(cell, -EIO, "the helper sent report %u out of turn", report->type);
}

/* The sender's pid as the kernel tells it, or 0: then there was something else, or more. */
static pid_t sender(struct msghdr *message)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(message);
	struct ucred who;

	if (!c || message->msg_flags & (MSG_TRUNC | MSG_CTRUNC) || c->cmsg_level != SOL_SOCKET ||
	    c->cmsg_type != SCM_CREDENTIALS || c->cmsg_len != CMSG_LEN(sizeof who))
		return 0;
	memcpy(&who, CMSG_DATA(c), sizeof who);
	return who.pid;
}

bool cell_heard(struct cell *cell)
{
	struct wire_report report;
	union {
		struct cmsghdr align;
		/* no room for descriptors: the kernel drops them */
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec part = { &report, sizeof report };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof control };

	ssize_t n = recvmsg(cell->control, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n == 0) {
		/*
		 * Its end closes the socket a moment before the wait tells how it ended, which is
		 * the better sentence.
		 */
		launcher_unwatch(&cell->control);
		return false;
	}
	if (cell->state == CELL_ZYGOTE &&
	    cell->report >= 0) /* it cannot have spoken before its exec */
		cell_reported(cell);
	pid_t from = n == (ssize_t)sizeof report ? sender(&message) : 0;
	if (from)
		hear(cell, &report, from);
	else
		cell_fail(cell, -EIO, "the helper sent a malformed report");
	return true;
}

void cell_late(struct cell *cell, uint64_t now)
{
	(void)now;
	if (cell->state == CELL_DEAD)
		settle(cell);
	else if (cell->state == CELL_SETUP || cell->state == CELL_FILTER)
		cell_fail(cell, -ETIMEDOUT, "linking took longer than %d ms", SETUP_MS);
	else
		cell_fail(cell, -ETIMEDOUT, "the helper was not ready within %d ms", READY_MS);
}

/* ---- ends of children ------------------------------------------------------------------------ */

static void ended(struct cell *cell, const char *who, const siginfo_t *how)
{
	uint64_t kills = place_oom_kills(cell);

	if (how->si_status == SIGKILL && how->si_code != CLD_EXITED && kills > cell->oom_kills)
		cell_fail(cell, -ENOMEM, "the memory limit of its jail ended the %s", who);
	else
		cell_fail(cell, -ESRCH, "the %s ended: %s %d", who,
			  how->si_code == CLD_EXITED ? "exit status" : "signal", how->si_status);
}

void cell_reaped(struct cell *cell, pid_t pid, const siginfo_t *how, const struct rusage *usage)
{
	if (cell->report >= 0 && (pid == cell->init || pid == cell->zygote))
		cell_reported(cell); /* it may have said why */
	if (pid == cell->init) {
		cell->init = 0;
		launcher_close(&cell->init_pidfd);
		ended(cell, "jail's init", how);
	} else if (pid == cell->zygote) {
		cell->zygote = 0;
		ended(cell, "helper", how);
	} else {
		run_reaped(cell, pid, how, usage);
	}
	settle(cell);
}
