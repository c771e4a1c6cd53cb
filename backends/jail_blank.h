/* SPDX-License-Identifier: MIT */
/*
 * A blank from within: what it waits for, what it is made into, and the steps; private to jail_blank*.c,
 * jail_open*.c and jail_rocker*.c.
 *
 * There is one struct blank in a process, static and not touched by the launcher. Steps are as in
 * jail_steps.h: system calls only, 0 or -errno. Those before the wait know nothing of the plan; those
 * after it are in the path of everybody who waits for a rocker, and do nothing that could have been
 * done before. A step may say what exactly was wrong in blank->what, and about which word of the plan.
 */
#ifndef JAIL_BLANK_H
#define JAIL_BLANK_H

#include <sys/types.h>

#include "jail_rocker.h"
#include "jail_steps.h"

/* Where a blank keeps what it has until it is the guard; all other descriptors are above. */
#define BLANK_CONTROL_FD 3 /* as the guard */
#define BLANK_GUARD_FD   4
#define BLANK_REPORT_FD  5
#define BLANK_PROC_FD    6 /* the host's /proc, O_PATH; only where blank_own_leaf() */
#define BLANK_KEPT_FDS   7

#define BLANK_HIDDEN ".rocker" /* in the root: layers, for nobody but host root */

#define BLANK_MESSAGE_FDS 2

enum blank_message_type { BLANK_MOUNT = 1, BLANK_PLAN, BLANK_IMAGE };
enum blank_mount { BLANK_BIND, BLANK_OVERLAY, BLANK_PACKAGE, BLANK_DATA };

/*
 * BLANK_MOUNT has one descriptor; BLANK_PLAN one or two, and the plan behind it; BLANK_IMAGE, for the server of
 * an image, the image and the device of FUSE.
 */
struct blank_message {
	uint32_t type;
	uint32_t mount, index; /* enum blank_mount; which of the plan's binds or overlays */
	uint32_t directory;    /* the mount's root is one */
	uint32_t guard_uid, guard_gid;
	uint32_t has_netns;
	char name[ROCKER_NAME_SIZE];
};

/* To a resident opener, with the plan behind it; a descriptor: the socket of the blank, or it only tries. */
struct opener_order {
	uint32_t opener, job_uid, job_gid;
};

/* A detached mount; fd -1: it has not come. */
struct blank_part {
	int fd;
	bool directory;
};

struct blank {
	const struct rocker_env *env;
	const struct blank_spec *spec;
	bool cloned; /* into the group of version 2 */
	int control, guard, report, root, landlock, user_ns, netns;
	const char *what; /* of a failure; NULL: the step's own name */
	uint32_t about;
	struct blank_part binds[PLAN_BINDS_MAX], overlays[PLAN_OVERLAYS_MAX], package, data;
	/* file systems of ours, in which mount points may be made */
	dev_t own[1 + PLAN_OVERLAYS_MAX];
	unsigned nown;
	struct blank_message order;
	struct rocker_plan plan;
};

struct blank_step {
	const char *name;
	int (*take)(struct blank *blank);
};

extern const struct blank_step blank_root_steps[], blank_mount_steps[], blank_last_steps[];
extern const struct blank_step blank_fit_steps[]; /* what a plan asks for beyond an empty one */

/*
 * Must the processes of each rocker be counted by a user namespace of its own? An ordinary user may map the one
 * id that there is without help; root's leaf namespaces are joined.
 */
bool blank_own_leaf(const struct blank *blank);

/* The message that a report pipe takes. */
void blank_report(int report, int err, const char *step, uint32_t about);
/* 0 or -errno; never waits. */
int blank_send(int control, const struct blank_message *message, const struct rocker_plan *plan,
	       const int *fds, unsigned nfds);

/*
 * Waits for one message with at most BLANK_MESSAGE_FDS descriptors; plan: NULL, or where one is put. 0: the other
 * end is gone; -1: no message.
 */
ssize_t blank_hear(int control, struct blank_message *message, struct rocker_plan *plan, int *fds,
		   unsigned *nfds_out);

/* Which of the host's top directories are links into /usr; once, at the start. */
void blank_find_links(void);
int blank_link_usr(struct blank *blank);

/* "/usr" -> ".upperdir____usr"; what: "upper" or "work". False: it is too long. */
bool blank_layer_name(char *out, size_t size, const char *what, const char *overlay);

/* An image, by whom is it read? fd is of the regular file, readable; or -errno: by nobody. */
enum image_reader { IMAGE_KERNEL, IMAGE_SERVER };
int image_check(const struct rocker_env *env, int *fd, const char **what_out);
int image_mount(int fd, const char **what_out); /* a detached mount, or -errno */
/*
 * A detached mount of FUSE whose device and the image have been handed to a server (server: our end of its socket),
 * which has answered; or -errno.
 */
int image_serve(int fd, int server, const char **what_out);
#define IMAGE_SERVER_PATH "/usr/bin/squashfuse_ll"
bool image_server_here(void);
bool image_known(const char *filesystem); /* does the kernel mount it? */

/* The next plan, once it comes; valid until the one after. The end of the socket ends the process. */
const struct opener_spec *opener_hear(int report);

#endif
