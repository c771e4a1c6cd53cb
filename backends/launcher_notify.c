/* SPDX-License-Identifier: MIT */
/*
 * The calls of a template and of its runs, which wait for the launcher's answer.
 *
 * One listener for a jail, taken once. Who calls is told by the kernel: the template, which is only
 * ever let fork when a run is ordered, or the one child made so. A call that is let be made
 * bypasses the filter installed at the jail's making, hence each place that does so names the
 * calls, and those are ones that this filter allows as they stand.
 */
#include "launcher_state.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define YIELDS   20     /* to a template that installs its filter on this very CPU */
#define RETRY_NS 200000 /* when it does so on another one */

/* ---- answers --------------------------------------------------------------------------------- */

static int answer(const struct cell *cell, uint64_t id, uint32_t flags)
{
	struct seccomp_notif_resp response = { .id = id, .flags = flags };

	return ioctl(cell->listener, SECCOMP_IOCTL_NOTIF_SEND, &response) ? -errno : 0;
}

int notify_answer(const struct cell *cell, uint64_t id)
{
	return answer(cell, id, 0);
}

int notify_pass(const struct cell *cell, uint64_t id)
{
	return answer(cell, id, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

/* When a signal has interrupted the call it is made anew, with another id. */
int notify_fork(struct cell *cell)
{
	cell->fork_waits = false;
	return notify_pass(cell, cell->fork_id);
}

/* ---- the listener ---------------------------------------------------------------------------- */

static bool is_listener(int fd)
{
	uint64_t no_such_id = 0;

	return ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &no_such_id) < 0 && errno == ENOENT;
}

/* The template installs its filter just after it has said so: it is there in a moment, or never. */
void notify_take(struct cell *cell)
{
	int fd = -1;

	cell->retry_ns = 0;
	for (int i = 0; i < YIELDS && fd < 0; i++) {
		fd = (int)syscall(SYS_pidfd_getfd, cell->zygote_pidfd, WIRE_LISTENER_FD, 0);
		if (fd >= 0 && !is_listener(fd)) /* what it has not closed yet */
			launcher_close(&fd);
		if (fd < 0)
			(void)sched_yield();
	}
	if (fd < 0) {
		cell->retry_ns = launcher_now() + RETRY_NS;
		return;
	}
	launcher_close(&cell->zygote_pidfd);
	cell->listener = fd;
	int err = launcher_watch(fd, WATCH_LISTENER, cell->index, EPOLLIN);
	if (err)
		cell_fail(cell, err, "the helper's filter cannot be watched");
}

/* Its deadline stays that of the linking. */
void notify_begin(struct cell *cell)
{
	cell->state = CELL_FILTER;
	cell->zygote_pidfd = (int)syscall(SYS_pidfd_open, cell->zygote, 0);
	if (cell->zygote_pidfd < 0)
		cell_fail(cell, -errno, "the helper cannot be held");
	else
		notify_take(cell);
}

/* It stays open, since closing it would let the pending calls return. */
void notify_mute(struct cell *cell)
{
	if (cell->listener >= 0)
		(void)epoll_ctl(launcher.epoll, EPOLL_CTL_DEL, cell->listener, NULL);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static bool is_fork(const struct seccomp_data *call)
{
	return call->nr == SYS_clone && call->args[0] == WIRE_CLONE_FLAGS && !call->args[1] &&
	       !call->args[2] && !call->args[3] && !call->args[4];
}

static void template_waits(struct cell *cell, uint64_t id)
{
	cell->fork_id = id;
	cell->fork_waits = true;
	if (cell->state == CELL_FILTER)
		cell_idle(cell);
	else
		run_fork(cell);
}

static void by_template(struct cell *cell, const struct seccomp_notif *call)
{
	bool native = call->data.arch == NATIVE_ARCH;

	if (native && is_fork(&call->data))
		template_waits(cell, call->id);
	else if (native && call->data.nr == SYS_close && cell->state == CELL_FILTER)
		(void)notify_pass(cell, call->id);
	else if (native && call->data.nr == WIRE_CALL_TEXT && cell->state == CELL_IDLE)
		run_told(cell, call);
	else if (native && call->data.nr == WIRE_CALL_FAILED && cell->state == CELL_IDLE)
		run_fork_failed(cell, call);
	else
		cell_fail(cell, -EIO, "the helper made call %d out of turn", call->data.nr);
}

void notify_read(struct cell *cell)
{
	struct seccomp_notif call;

	memset(&call, 0, sizeof call); /* the kernel insists */
	/*
	 * Does not wait: the event says that one is there, and nobody else takes it. ENOENT: its
	 * caller was killed.
	 */
	if (ioctl(cell->listener, SECCOMP_IOCTL_NOTIF_RECV, &call) || cell->state == CELL_DEAD)
		return;
	if (call.pid == (uint32_t)cell->zygote)
		by_template(cell, &call);
	else
		run_notified(cell, &call);
}
