/* SPDX-License-Identifier: MIT */
/*
 * How a process becomes a jailed one: the clone, and the list of steps between it and the exec of a
 * helper.
 *
 * Used by the launcher alone, which has one thread. struct jail_env is made once by jail_start()
 * and constant afterwards. A jail is two processes of the launcher: an init (PID 1 of fresh
 * namespaces, which owns nothing but them), and the zygote, which joins them. Both exec the helper
 * with nothing but WIRE_CTL_FD open, or write one struct jail_report to the report pipe; that
 * pipe's end without a byte means that the exec was reached, or that the process was killed, which
 * its parent learns. Every failure is -errno.
 */
#ifndef JAIL_H
#define JAIL_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "cgroup.h"
#include "cgroup_rocker.h"
#include "seccomp_filter.h"

enum jail_kind { JAIL_INSPECTOR, JAIL_RUNNER };

struct jail_helper {
	const void *bytes;
	size_t size;
};

struct jail_env {
	/* else ids stay, and the namespaces belong to a user namespace of the launcher's */
	bool root;
	bool limits_processes; /* RLIMIT_NPROC counts inside of a user namespace (Linux 5.14) */
	int proc;              /* O_PATH of /proc */
	int landlock;          /* a ruleset that allows nothing; -1: not here */
	int landlock_abi;      /* 0: not here */
	int helpers[2];        /* sealed memfds, by enum jail_kind; -1: not built in */
	struct sock_fprog filters[SECCOMP_PROFILES];
};

struct jail_spec {
	enum jail_kind kind;
	uid_t uid; /* on the host; not 0 unless the launcher is an ordinary user's */
	gid_t gid;
	uint64_t memory_bytes;
	uint32_t pids;
	const struct cgroup *cgroup; /* borrowed */
	bool limited_by_cgroup;
	/* borrowed: a zygote that joins a rocker is limited with it, and has no group of its own; NULL */
	const struct rocker_groups *groups;
	const struct rocker_group *group;
};

/* What a process of ours says before it ends early. */
struct jail_report {
	int32_t err; /* -errno */
	char step[28];
};

/*
 * Enters a user namespace when not root, then makes all of env. helpers is indexed by enum
 * jail_kind.
 */
int jail_start(struct jail_env *env, const struct jail_helper helpers[2]);
/*
 * helper: its control socket, report: the write end; both borrowed. The pid, with a pidfd in
 * *pidfd_out.
 */
pid_t jail_spawn_init(const struct jail_env *env, const struct jail_spec *spec, int control,
		      int report, int *pidfd_out);
pid_t jail_spawn_zygote(const struct jail_env *env, const struct jail_spec *spec, int init_pidfd,
			int control, int report);

/* A sealed memfd that everybody may execute; -1: there are no bytes; or -errno. */
int jail_seal_helper(const struct jail_helper *helper);

/* A ruleset that allows nothing and its ABI version, or -1 with *abi_out 0. */
int jail_landlock_ruleset(int *abi_out);
int jail_landlock_restrict(int ruleset);
/*
 * A ruleset under which everything below root may be done but making device nodes, and with which abstract
 * sockets and signals stay inside where that version knows how; -1 in *out, which is no failure: it can have none. 0 or
 * -errno.
 */
int jail_landlock_rocker(int abi, int root, int *out);

/* The namespaces that a clone gets here, one bit each of CLONE_NEW*; tried by doing it. */
unsigned jail_namespaces_work(void);

#endif
