/* SPDX-License-Identifier: MIT */
/* Namespaces that are made once and joined many times: an owner's network, an identity's leaf. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launcher_rocker.h"

#define KEPT_MAX     64 /* of each kind */
#define CHILDREN_MAX 3  /* in a row, until one lives for long enough */
#define IDS          6

struct kept {
	bool used;
	uint32_t ids[IDS]; /* whose */
	int fd;
	uint64_t turn; /* of its last use */
};

static struct kept networks[KEPT_MAX], leaves[KEPT_MAX];
static uint64_t turns;
static int host_network = -1;

/* The one with these ids, or else, with used false or another's, the place for it. */
static struct kept *look_up(struct kept *table, const uint32_t ids[IDS])
{
	struct kept *place = &table[0];

	for (unsigned i = 0; i < KEPT_MAX; i++) {
		struct kept *k = &table[i];
		if (k->used && !memcmp(k->ids, ids, sizeof k->ids))
			return k;
		if (place->used && (!k->used || k->turn < place->turn))
			place = k;
	}
	return place;
}

static bool is_it(const struct kept *k, const uint32_t ids[IDS])
{
	return k->used && !memcmp(k->ids, ids, sizeof k->ids);
}

static int keep(struct kept *k, const uint32_t ids[IDS], int fd)
{
	if (fd < 0)
		return fd;
	if (k->used)
		(void)close(k->fd);
	*k = (struct kept){ .used = true, .fd = fd, .turn = ++turns };
	memcpy(k->ids, ids, sizeof k->ids);
	return fd;
}

/* Waits to be killed, and does not outlive us. */
static _Noreturn void hold(pid_t parent)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(0);
	for (;;)
		(void)pause();
}

static int open_network(pid_t pid)
{
	char path[32];

	if (pid)
		(void)snprintf(path, sizeof path, "%ld/ns/net", (long)pid);
	else
		(void)snprintf(path, sizeof path, "self/ns/net");
	int fd = openat(launcher.env.proc, path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/*
 * By way of a child: an ordinary user's launcher, which has privilege in its own user namespace only, would
 * not be let back into the host's network.
 */
static int make_network(void)
{
	struct clone_args args = { .flags = CLONE_NEWNET, .exit_signal = SIGCHLD };
	pid_t parent = getpid();
	long pid = syscall(SYS_clone3, &args, sizeof args);

	if (!pid)
		hold(parent);
	if (pid < 0)
		return -errno;
	int fd = open_network((pid_t)pid);
	(void)kill((pid_t)pid, SIGKILL);
	while (waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR)
		;
	return fd;
}

/* Anybody of an ordinary user's may kill that child at any moment. */
static int make_network_at_last(void)
{
	int fd = -ENOENT;

	for (int times = 0; times < CHILDREN_MAX && fd == -ENOENT; times++)
		fd = make_network();
	return fd;
}

int ns_network(uint32_t owner)
{
	const uint32_t ids[IDS] = { owner };
	struct kept *k = look_up(networks, ids);

	k->turn = ++turns;
	return is_it(k, ids) ? k->fd : keep(k, ids, make_network_at_last());
}

int ns_host_network(void)
{
	if (host_network < 0)
		host_network = open_network(0);
	return host_network;
}

int ns_leaf(const struct leaf_ids *of)
{
	const uint32_t ids[IDS] = { of->guard_uid, of->guard_gid,  of->uid,
				    of->gid,       of->inside_uid, of->inside_gid };
	struct kept *k = look_up(leaves, ids);

	k->turn = ++turns;
	return is_it(k, ids) ? k->fd : keep(k, ids, leaf_make(&launcher.env, of));
}

int ns_join(uint32_t owner, enum plan_network network)
{
	switch (network) {
	case PLAN_NET_HOST:
		return launcher.env.root ? ns_host_network() : -EOPNOTSUPP;
	case PLAN_NET_NONE:
		if (launcher.rockers.scopes)
			return ns_network(owner);
		break;
	case PLAN_NET_LOOPBACK:
		break;
	}
	return -1;
}

enum blank_kind ns_blank(enum plan_network network)
{
	return launcher.rockers.scopes && network != PLAN_NET_LOOPBACK ? BLANK_SHARES : BLANK_OWNS;
}

static void forget(struct kept *table)
{
	for (unsigned i = 0; i < KEPT_MAX; i++) {
		if (table[i].used)
			(void)close(table[i].fd);
		table[i].used = false;
	}
}

void ns_stop(void)
{
	forget(networks);
	forget(leaves);
	launcher_close(&host_network);
}
