/* SPDX-License-Identifier: MIT */
/*
 * Rockers that outlive their launcher.
 *
 * One message for each waits in the socket of sfs_privileged_kept(): what is known of it, the socket by which its guard
 * can be given to another daemon, the guard's pidfd, the listener of its filter. Nobody reads them but the next
 * launcher, which puts each back; when the supervisor ends the kernel drops them all, and the guards end by that. A
 * message is removed by going round: each is looked at, sent to the end of the queue and only then taken from its
 * head, so that a launcher which is killed in between leaves one twice rather than not at all.
 */
#include "launcher_left.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jailed/guard.h"
#include "sandboxfs.h"

#define QUEUE_BYTES (8 << 20) /* for a thousand rockers */
#define END_MS      2000      /* for one that nobody wants any more */
#define FDS         3

enum { KEEPER, PIDFD, LISTENER };

struct entry {
	uint64_t number; /* the plan's; 0: no rocker, but where a round began */
	uint64_t round;
	uint32_t owner, guard_uid, guard_gid, uid, gid, group;
	int32_t guard, guard_slot, job_slot;
	uint32_t has_group;
	char name[ROCKER_NAME_SIZE];
};

/* What an earlier launcher left, until a daemon asks for it. */
static struct waiting {
	struct entry entry;
	int fds[FDS];
} waiting[LM_ROCKERS_MAX];
static unsigned nwaiting;
static int ends[2] = { -1, -1 };
static bool is_last; /* there will be no launcher after this one */

/* ---- messages -------------------------------------------------------------------------------- */

union rights {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(FDS * sizeof(int))];
};

/* fds up to the first that is none. 0 or -errno. */
static int send_with(int socket, const void *data, size_t size, const int *fds, unsigned nfds)
{
	union rights rights = { 0 };
	struct iovec part = { (void *)(uintptr_t)data, size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	while (nfds && fds[nfds - 1] < 0)
		nfds--;
	if (nfds) {
		rights.head =
			(struct cmsghdr){ CMSG_LEN(nfds * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(&rights.head), fds, nfds * sizeof(int));
		message.msg_control = &rights;
		message.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
	}
	return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The next message, which stays where it is; its size or -errno. */
static ssize_t peek(int socket, void *data, size_t size, int fds[FDS])
{
	union rights rights;
	struct iovec part = { data, size };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = &rights,
				  .msg_controllen = sizeof rights };
	ssize_t n = recvmsg(socket, &message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *head = n < 0 ? NULL : CMSG_FIRSTHDR(&message);

	for (int i = 0; i < FDS; i++)
		fds[i] = -1;
	if (head && head->cmsg_type == SCM_RIGHTS)
		memcpy(fds, CMSG_DATA(head), head->cmsg_len - CMSG_LEN(0));
	return n < 0 ? -errno : n;
}

static void close_all(int fds[FDS])
{
	for (int i = 0; i < FDS; i++)
		launcher_close(&fds[i]);
}

static void discard(void)
{
	char byte;

	(void)!recv(ends[0], &byte, 1, MSG_DONTWAIT);
}

/* ---- going round ----------------------------------------------------------------------------- */

/* Does it stay? fds are closed afterwards. */
typedef bool visitor(const struct entry *entry, const int fds[FDS], const void *arg);

/* One message; false: there is none, or none can be sent. */
static bool step(const struct entry *entry, ssize_t size, const int fds[FDS], visitor *visit,
		 const void *arg)
{
	if (size != (ssize_t)sizeof *entry)
		is_last = true; /* the supervisor says so */
	else if (entry->number && visit(entry, fds, arg) &&
		 send_with(ends[1], entry, sizeof *entry, fds, FDS))
		return false;
	discard();
	return true;
}

static void go_round(visitor *visit, const void *arg)
{
	static uint64_t rounds;
	struct entry mark = { .round = (uint64_t)getpid() << 32 | ++rounds }, entry;
	bool goes_on = ends[0] >= 0 && !send_with(ends[1], &mark, sizeof mark, NULL, 0);
	int fds[FDS];

	while (goes_on) {
		ssize_t size = peek(ends[0], &entry, sizeof entry, fds);
		bool ended = size == (ssize_t)sizeof entry && !entry.number &&
			     entry.round == mark.round;
		goes_on = size > 0 && step(&entry, size, fds, visit, arg) && !ended;
		close_all(fds);
	}
}

/* ---- rockers of ours ------------------------------------------------------------------------- */

static bool has_other_name(const struct entry *entry, const int fds[FDS], const void *name)
{
	(void)fds;
	return memcmp(entry->name, name, sizeof entry->name) != 0;
}

void ward_forget(struct ward *ward)
{
	if (ward->is_kept)
		go_round(has_other_name, ward->name);
	ward->is_kept = false;
}

/* The listener of its filter is the first that the one who became the guard sent, if it has one. */
static int find_listener(const struct ward *ward)
{
	struct guard_reply reply;
	int fds[FDS];
	ssize_t size = peek(ward->blank.control, &reply, sizeof reply, fds);

	if (size == (ssize_t)sizeof reply && reply.type == GUARD_LISTENER && fds[1] < 0)
		return fds[0];
	close_all(fds);
	return -1;
}

static int send_order(int socket, enum guard_order_type type, int fd)
{
	static struct guard_order order; /* for its size: the text is not sent */

	order.type = type;
	return send_with(socket, &order, offsetof(struct guard_order, text), &fd, 1);
}

static int enqueue(const struct ward *ward, int keeper)
{
	const struct entry entry = { .number = ward->persist,
				     .owner = ward->owner,
				     .guard_uid = ward->guard_uid,
				     .guard_gid = ward->guard_gid,
				     .uid = ward->uid,
				     .gid = ward->gid,
				     .group = ward->blank.group.number,
				     .guard = ward->blank.pid,
				     .guard_slot = ward->guard_slot,
				     .job_slot = ward->job_slot,
				     .has_group = ward->blank.has_group };
	struct entry named = entry;
	int fds[FDS] = { keeper, ward->blank.pidfd, find_listener(ward) };

	memcpy(named.name, ward->name, sizeof named.name);
	int err = send_with(ends[1], &named, sizeof named, fds, FDS);
	launcher_close(&fds[LISTENER]);
	return err;
}

int ward_keep(struct ward *ward)
{
	int pair[2];

	if (ends[0] < 0)
		return -EOPNOTSUPP;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	int err = enqueue(ward, pair[0]);
	ward->is_kept = !err;
	err = err ?: send_order(ward->blank.control, GUARD_KEEP, pair[1]);
	(void)close(pair[0]);
	(void)close(pair[1]);
	return err;
}

/* ---- those of another launcher ----------------------------------------------------------------- */

static bool has_ended(int pidfd)
{
	struct pollfd process = { .fd = pidfd, .events = POLLIN };

	return poll(&process, 1, 0) != 0;
}

/* Twice in the queue: its launcher was killed while it went round. */
static bool is_known(const struct entry *entry)
{
	for (unsigned i = 0; i < nwaiting; i++)
		if (!memcmp(waiting[i].entry.name, entry->name, sizeof entry->name))
			return true;
	return false;
}

static bool take(const struct entry *entry, const int fds[FDS], const void *arg)
{
	struct waiting *w = &waiting[nwaiting];

	(void)arg;
	if (nwaiting == LM_ROCKERS_MAX || fds[PIDFD] < 0 || has_ended(fds[PIDFD]) ||
	    is_known(entry))
		return false;
	w->entry = *entry;
	for (int i = 0; i < FDS; i++)
		w->fds[i] = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
	nwaiting++;
	return true;
}

bool left_has_group(uint32_t number)
{
	for (unsigned i = 0; i < nwaiting; i++)
		if (waiting[i].entry.has_group && waiting[i].entry.group == number)
			return true;
	return false;
}

pid_t left_home(void)
{
	return ends[0] >= 0 ? getppid() : getpid();
}

void left_start(const int fds[2])
{
	const int room = QUEUE_BYTES;

	nwaiting = 0;
	is_last = false;
	memcpy(ends, fds, sizeof ends);
	if (ends[0] < 0)
		return;
	if (setsockopt(ends[1], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room))
		(void)setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	go_round(take, NULL);
	for (unsigned i = 0; i < nwaiting; i++)
		spares_number_after(waiting[i].entry.group);
}

void left_hold_ids(void)
{
	for (unsigned i = 0; i < nwaiting; i++) {
		const struct entry *entry = &waiting[i].entry;
		id_hold(entry->guard_slot, entry->owner, LAUNCH_ROCKER);
		id_hold(entry->job_slot, entry->owner, LAUNCH_ROCKER_JOB);
	}
}

/* ---- a daemon wants one ------------------------------------------------------------------------ */

/* The latest: an earlier one of that number was about to be ended. */
static struct waiting *find(uint32_t owner, uint64_t number)
{
	for (unsigned i = nwaiting; i-- > 0;)
		if (waiting[i].entry.number == number && waiting[i].entry.owner == owner)
			return &waiting[i];
	return NULL;
}

/* It begins as that of a new one does: with the listener. */
static int hand_over(const struct waiting *w, int *control_out)
{
	const struct guard_reply listener = { .type = GUARD_LISTENER };
	int pair[2], err = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	if (w->fds[LISTENER] >= 0)
		err = send_with(pair[1], &listener, sizeof listener, &w->fds[LISTENER], 1);
	err = err ?: send_order(w->fds[KEEPER], GUARD_ADOPT, pair[1]);
	(void)close(pair[1]);
	if (err)
		(void)close(pair[0]);
	else
		*control_out = pair[0];
	return err;
}

static void become(struct ward *ward, const struct entry *entry)
{
	ward->state = WARD_READY;
	ward->persist = entry->number;
	ward->is_kept = true;
	ward->guard_slot = entry->guard_slot;
	ward->job_slot = entry->job_slot;
	ward->guard_uid = entry->guard_uid;
	ward->guard_gid = entry->guard_gid;
	ward->uid = entry->uid;
	ward->gid = entry->gid;
	memcpy(ward->name, entry->name, sizeof ward->name);
	ward->blank.pid = entry->guard;
	ward->blank.is_adopted = true;
	ward->blank.has_group = entry->has_group;
	ward->blank.group = (struct rocker_group){ .number = entry->group };
	for (int i = 0; i < GROUP_PARTS; i++)
		ward->blank.group.dirs[i] = -1;
}

int ward_take_over(struct ward *ward)
{
	struct waiting *w = find(ward->owner, ward->persist);
	int control = -1;

	if (!w)
		return -ENOENT;
	/* Whoever froze it is not there to thaw it. */
	if (w->entry.has_group)
		(void)rocker_group_freeze(
			&launcher.groups, &(struct rocker_group){ .number = w->entry.group }, false);
	int err = hand_over(w, &control);
	if (err)
		return err;
	become(ward, &w->entry);
	ward->blank.control = control;
	ward->blank.watched = w->fds[PIDFD];
	ward->blank.pidfd = fcntl(w->fds[PIDFD], F_DUPFD_CLOEXEC, 0);
	w->fds[PIDFD] = -1;
	close_all(w->fds);
	*w = waiting[--nwaiting];
	return launcher_watch(ward->blank.watched, WATCH_KEPT, ward->index, EPOLLIN);
}

void ward_unwatch(struct ward *ward)
{
	if (!ward->blank.is_adopted || ward->blank.watched < 0)
		return;
	launcher_unwatch(&ward->blank.watched);
}

/* ---- the end ----------------------------------------------------------------------------------- */

static void end(struct waiting *w)
{
	struct pollfd process = { .fd = w->fds[PIDFD], .events = POLLIN };
	struct rocker_group group = { .number = w->entry.group };

	for (int i = 0; i < GROUP_PARTS; i++)
		group.dirs[i] = -1;
	if (w->entry.has_group)
		(void)rocker_group_kill(&launcher.groups, &group);
	(void)syscall(SYS_pidfd_send_signal, w->fds[PIDFD], SIGKILL, NULL, 0);
	(void)poll(&process, 1, END_MS);
	if (w->entry.has_group)
		spares_bury(&group);
	id_release(w->entry.guard_slot);
	id_release(w->entry.job_slot);
	close_all(w->fds);
}

void left_settle(void)
{
	for (unsigned i = 0; i < nwaiting; i++) {
		go_round(has_other_name, waiting[i].entry.name);
		end(&waiting[i]);
	}
	nwaiting = 0;
}

static bool stays(const struct entry *entry, const int fds[FDS], const void *arg)
{
	(void)entry;
	(void)fds;
	(void)arg;
	return true;
}

void left_say_last(void)
{
	is_last = true;
}

bool left_is_last(void)
{
	go_round(stays, NULL);
	return is_last || ends[0] < 0;
}
