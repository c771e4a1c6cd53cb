/* SPDX-License-Identifier: MIT */
/* The further plans of a resident opener, from the launcher to it. */
#include "jail_blank.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of a plan that has come by message. */
struct later {
	struct opener_spec spec;
	struct opener_order order;
	struct rocker_plan plan;
};

static struct later later;

/* Where a blank's socket belongs, so that it is closed between two plans; -1: none came. */
static int take_control(struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	int fd;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof fd);
	if (fd != BLANK_CONTROL_FD &&
	    (dup3(fd, BLANK_CONTROL_FD, O_CLOEXEC) != BLANK_CONTROL_FD || close(fd)))
		_exit(1);
	return BLANK_CONTROL_FD;
}

/* The next plan; the end of the socket: there is none. */
const struct opener_spec *opener_hear(int report)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} space;
	struct iovec parts[] = { { &later.order, sizeof later.order },
				 { &later.plan, sizeof later.plan } };
	struct msghdr m = { .msg_iov = parts,
			    .msg_iovlen = 2,
			    .msg_control = &space,
			    .msg_controllen = sizeof space };
	ssize_t n;

	do
		n = recvmsg(report, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		_exit(0);
	if (n < (ssize_t)sizeof later.order || m.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ||
	    !plan_ok(&later.plan, (size_t)n - sizeof later.order) ||
	    later.order.opener >= later.plan.nopeners)
		_exit(1);
	int control = take_control(&m);
	later.spec = (struct opener_spec){ .plan = &later.plan,
					   .opener = later.order.opener,
					   .job_uid = later.order.job_uid,
					   .job_gid = later.order.job_gid,
					   .control = control,
					   .report = report,
					   .server = -1,
					   .check_only = control < 0,
					   .resident = true };
	return &later.spec;
}

int opener_order(int report, const struct opener_spec *spec)
{
	const struct opener_order order = { spec->opener, spec->job_uid, spec->job_gid };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} space = { 0 };
	struct iovec parts[] = { { (void *)&order, sizeof order },
				 { (void *)spec->plan, plan_size(spec->plan) } };
	struct msghdr m = { .msg_iov = parts, .msg_iovlen = 2 };

	if (!spec->check_only) {
		m.msg_control = &space;
		m.msg_controllen = sizeof space;
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		*c = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(c), &spec->control, sizeof(int));
	}
	return sendmsg(report, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}
