/* SPDX-License-Identifier: MIT */
/*
 * What outlives a privileged process: messages, with descriptors, that it sends to itself by a socket of which the
 * supervisor holds both ends. The supervisor never reads one. When it ends, they end with it.
 */
#include "keep.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandboxfs.h"

static int ends[2] = { -1, -1 };

int keep_start(void)
{
	/* Processes that outlive one are ours from then on: nobody else may be there to reap them. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends))
		return -errno;
	return 0;
}

void keep_close(void)
{
	for (int i = 0; i < 2; i++) {
		if (ends[i] >= 0)
			(void)close(ends[i]);
		ends[i] = -1;
	}
}

void keep_end(void)
{
	if (ends[0] >= 0)
		(void)send(ends[1], "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int sfs_privileged_kept(int end)
{
	return ends[end];
}
