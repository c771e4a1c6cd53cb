/* SPDX-License-Identifier: MIT */
/*
 * The process that waits to read a rocker's package, where the kernel must not: it comes before the opener that
 * finds that out, and ends by itself when it is not needed.
 */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "launcher_rocker.h"

/* What it takes itself is no part of what the rocker may have. */
#define SERVER_PIDS  1
#define SERVER_BYTES (UINT64_C(8) << 20)

/* An id of its own, so that neither guards nor jobs nor zygotes of its owner can be reached with it. */
static int take_id(struct ward *ward)
{
	if (ward->server_slot < 0)
		ward->server_slot = id_take(ward->owner, LAUNCH_ROCKER_IMAGE);
	return ward->server_slot < 0 ? ward->server_slot : 0;
}

int ward_server_start(struct ward *ward, int *socket_out)
{
	struct server_spec spec = { .groups = &launcher.groups };
	int ends[2], err = take_id(ward);

	if (err)
		return err;
	spec.group = ward->blank.has_group ? &ward->blank.group : NULL;
	spec.uid = id_uid(ward->server_slot);
	spec.gid = launcher.env.root ? spec.uid : getegid();
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -errno;
	spec.socket = ends[1];
	pid_t pid = server_spawn(&launcher.rockers, &spec);
	(void)close(ends[1]);
	if (pid < 0) {
		(void)close(ends[0]);
		return (int)pid;
	}
	ward->server = pid;
	kin_add(pid, KIN_SERVER, ward->index);
	*socket_out = ends[0];
	return 0;
}

/* With it ends the mount, for everybody who waits for an answer. */
void ward_server_end(const struct ward *ward)
{
	if (ward->server) /* not reaped, so the number is still its own */
		(void)kill(ward->server, SIGKILL);
}

static uint64_t more(uint64_t limit, uint64_t extra)
{
	return limit < UINT64_MAX / 2 ? limit + extra : limit;
}

struct plan_limits ward_limits(const struct ward *ward, const struct plan_limits *limits)
{
	struct plan_limits sum = *limits;

	if (ward->packaged) {
		sum.pids = more(sum.pids, SERVER_PIDS);
		sum.memory_bytes = more(sum.memory_bytes, SERVER_BYTES);
	}
	return sum;
}
