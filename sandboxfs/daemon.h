/* SPDX-License-Identifier: MIT */
/* The process that serves the mount: everything between its fork and its return to main(). */
#ifndef DAEMON_H
#define DAEMON_H

#include <stdbool.h>
#include <sys/types.h>

struct fuse_session;

struct daemon_start {
	struct fuse_session *session; /* mounted; never served by this process */
	int channel;                  /* to the privileged process */
	int ready_fd;                 /* gets one byte once the mount answers, and is closed */
	int life_fd;                  /* held, so that its closing tells our death; -1: nobody looks */
	bool foreground;              /* else the terminal is let go once the mount answers */
	uid_t uid;                    /* who mounts: the owner of the top */
	gid_t gid;
};

#define DAEMON_STRANDED 3 /* exit status: the mount cannot be taken over from another daemon */

/* Call with SIGTERM blocked. 0 when the mount ended or SIGTERM came, else an exit status. */
int daemon_run(const struct daemon_start *start);

#endif
