/* SPDX-License-Identifier: MIT */
/*
 * How a rocker is made: a blank (a process in fresh namespaces that waits), the openers that bring it
 * what it shall see of the host, and its becoming the guard.
 *
 * Used by the launcher alone, which has one thread; what is declared here forks, and what runs in the
 * children is private to jail_*.c. A blank is PID 1 of new mount, pid, ipc, uts and cgroup namespaces
 * (and of a network namespace of its own unless it is given one), in an empty root (a tmpfs with
 * /proc, /dev, /tmp, /run and nothing else), still privileged, and waits for messages on its control
 * socket. An opener is a disposable child for one struct plan_opener: it takes that uid, gid and those
 * groups, gives up every capability, opens the paths of the plan that carry its number (openat2,
 * RESOLVE_NO_MAGICLINKS, O_PATH), and only then, with its capabilities back, turns each descriptor
 * into a detached mount (open_tree, mount_setattr) or mounts the image, and sends it to the blank. It
 * exits with 0 when all have been sent. The launcher then sends the plan itself, after which the
 * blank builds the rocker, gives up everything and executes the guard. Whoever fails writes one
 * struct rocker_report to its report pipe; the end of the blank's pipe without one means that the guard
 * was reached, or that it was killed, which its parent learns. Every failure is -errno.
 */
#ifndef JAIL_ROCKER_H
#define JAIL_ROCKER_H

#include "cgroup_rocker.h"
#include "jail.h"
#include "rockerplan.h"
#include "seccomp_profile.h"

#define ROCKER_NAME_SIZE 16 /* of a guard's unique name, with the NUL: what comm holds */

struct rocker_env {
	const struct jail_env *jail; /* borrowed */
	int guard;                   /* sealed memfd of the guard's helper; -1: not built in */
	/* the ABI with which each blank makes a ruleset of scopes and device nodes; -1: not here */
	int landlock;
	bool scopes;        /* it keeps abstract sockets apart: network namespaces may be shared */
	bool times; /* the kernel has time namespaces: clocks of a rocker begin as the host's do */
	bool kernel_images; /* squashfs or erofs can be mounted */
	const char *allowed_images; /* borrowed: [rockers] images, SHA-256 hashes */
	unsigned nprofiles;
	struct sock_fprog *profiles; /* owned; by number of profile */
};

struct rocker_report {
	int32_t err;   /* -errno */
	uint32_t text; /* of the plan: the word that it is about; 0: none */
	char step[56];
};

/* After jail_start(). 0 or -errno. */
int rocker_env_start(struct rocker_env *env, const struct jail_env *jail,
		     const struct jail_helper *guard, const char *allowed_images);

struct blank_spec {
	int netns; /* borrowed: to be joined; -1: one of its own */
	const struct rocker_groups *groups; /* borrowed; NULL: no group is entered */
	const struct rocker_group
		*group; /* borrowed; entered by the blank (clone where possible) */
	/*
	 * Borrowed: its ends. What it sends by control, the listener of its filter, is for the daemon, which gets
	 * the other end when the guard is there.
	 */
	int control, report;
};

/* The pid, with a pidfd in *pidfd_out, or -errno. */
pid_t blank_spawn(const struct rocker_env *env, const struct blank_spec *spec, int *pidfd_out);

/*
 * The last message: what the blank shall become. user_ns: a leaf user namespace, see leaf_make(); an
 * ordinary user's blank makes one of its own where no control group counts its processes.
 * netns: -1, or the host's or another one to join now. 0 or -errno.
 */
struct blank_order {
	const struct rocker_plan *plan;
	uint32_t guard_uid, guard_gid; /* of the host */
	int user_ns, netns;
	const char *name; /* the guard's, ROCKER_NAME_SIZE */
};
int blank_build(int control, const struct blank_order *order);

/*
 * A fitter is a resident child that furnishes rockers whose guard runs already: openers send it their mounts in
 * place of a blank, and its order, the last message, names the guard whose namespaces it enters for as long as that
 * takes. It answers each order with a rocker_report on its socket; one that fails ends. control: its end,
 * borrowed. The end of the socket ends it.
 */
pid_t fitter_spawn(const struct rocker_env *env, int control, int *pidfd_out);
/* guard: its pidfd. The plan must be one that fitter_can() do. 0 or -errno. */
int fitter_order(int control, const struct rocker_plan *plan, int guard);
bool fitter_can(const struct rocker_plan *plan);

/*
 * A user namespace below the launcher's own in which only these ids exist (a guard's and its jobs';
 * one for an ordinary user), and no further namespace can be made. A descriptor, or -errno.
 */
int leaf_make(const struct jail_env *env, const uint32_t uids[2], const uint32_t gids[2]);

/*
 * control: the launcher's end of the blank's socket, report: a write end, server: our end of the socket of the
 * process that waits to serve the image, or -1; all borrowed. blank: the process to which what it opens is sent.
 * check_only: opens everything and sends nothing.
 */
struct opener_spec {
	const struct rocker_plan *plan;
	unsigned opener;
	uint32_t job_uid, job_gid; /* who owns directories that are made in data_dir */
	int control, report, server;
	bool check_only;
	bool resident;
};
pid_t opener_spawn(const struct rocker_env *env, const struct opener_spec *spec, int *pidfd_out);
/*
 * A resident one does not end when it is done: report is its end of a socket pair of packets, on which it says
 * so by a rocker_report without an error, and then waits for the next plan that names the same user; the
 * end of the socket ends it. One that fails ends as any other. report: our end. 0 or -errno.
 */
int opener_order(int report, const struct opener_spec *spec);

/*
 * How much a rocker has written: to its data directory, and in memory. guard: its own, a child of the caller's that
 * is not reaped. report: a write end, borrowed; it gets one struct, unless the child is killed, and at least bytes has
 * been found when err is 0. err: -E2BIG: too many entries, -ELOOP: too deep, or what a directory could not be read for.
 */
struct disk_spec {
	pid_t guard;
	int report;
	uint64_t limit_bytes; /* more than that need not be counted */
};
struct disk_report {
	int32_t err;
	uint32_t reserved;
	uint64_t bytes;
};
pid_t disk_spawn(const struct rocker_env *env, const struct disk_spec *spec);

/*
 * A process that waits at its socket for an image and the device of a FUSE mount, to serve the one on the other as
 * nobody, jailed by namespaces, ids and a filter of its own. Its socket's end without them ends it. It dies with the
 * launcher. socket: its end, borrowed.
 */
struct server_spec {
	uint32_t uid, gid;
	const struct rocker_groups *groups; /* borrowed; as a blank's */
	const struct rocker_group *group;
	int socket;
};
pid_t server_spawn(const struct rocker_env *env, const struct server_spec *spec);

/* What lm_machine says of all this: lines "key value". Appends; the length. */
size_t rocker_facts(const struct rocker_env *env, char *text, size_t size);

#endif
