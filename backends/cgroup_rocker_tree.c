/* SPDX-License-Identifier: MIT */
/*
 * Which processes a rocker has, and what they use, where no control group counts them.
 *
 * Seen from outside, in /proc/PID/stat: the guard is the init of a pid namespace, so whoever loses its parent in
 * there becomes its child, and all of them descend from it. The template of a kernel is a child of the launcher's that
 * has joined the namespaces; it leads a process group that its runs cannot leave.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup_rocker.h"

#define STAT_MAX  1024
#define SEEN_MAX  (1u << 20) /* processes of the machine that are looked at */
#define DEPTH_MAX 65536

enum belongs { UNKNOWN, INSIDE, OUTSIDE };

struct seen {
	pid_t pid, parent, group;
	uint64_t user_ticks, system_ticks;
	uint64_t pages;
	enum belongs belongs;
};

struct processes {
	struct seen *seen; /* owned; by pid once it is sorted */
	size_t count, room;
};

/* ---- what /proc says ---------------------------------------------------------------------------- */

/* A name may hold blanks and parentheses: the last one closes it. See proc_pid_stat(5). */
static bool parse_stat(const char *text, struct seen *out)
{
	const char *at = strrchr(text, ')');
	unsigned long user, system;
	long user_reaped, system_reaped, pages;
	int parent, group;

	if (!at ||
	    sscanf(at + 1,
		   " %*c %d %d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld %*d %*d %*d "
		   "%*d %*u %*u %ld",
		   &parent, &group, &user, &system, &user_reaped, &system_reaped, &pages) != 7)
		return false;
	out->parent = parent;
	out->group = group;
	out->user_ticks = user + (uint64_t)user_reaped;
	out->system_ticks = system + (uint64_t)system_reaped;
	out->pages = pages > 0 ? (uint64_t)pages : 0;
	return true;
}

/* False: it has just ended, or is hidden from us. */
static bool look_at(int proc, const char *name, struct seen *out)
{
	char path[32], text[STAT_MAX];
	char *end;
	long pid = strtol(name, &end, 10);

	if (*end || pid <= 0)
		return false;
	(void)snprintf(path, sizeof path, "%ld/stat", pid);
	int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, sizeof text - 1);
	(void)close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	*out = (struct seen){ .pid = (pid_t)pid };
	return parse_stat(text, out);
}

static int add(struct processes *all, const struct seen *seen)
{
	if (all->count == all->room) {
		size_t room = all->room ? 2 * all->room : 256;
		struct seen *more =
			room > SEEN_MAX ? NULL : realloc(all->seen, room * sizeof *more);
		if (!more)
			return -ENOMEM;
		all->seen = more;
		all->room = room;
	}
	all->seen[all->count++] = *seen;
	return 0;
}

static int by_pid(const void *a, const void *b)
{
	const struct seen *one = a, *other = b;

	return (one->pid > other->pid) - (one->pid < other->pid);
}

static int look_at_all(struct processes *all)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	struct seen seen;
	int err = 0;

	if (!dir)
		return -errno;
	while (!err && (entry = readdir(dir)))
		if (look_at(dirfd(dir), entry->d_name, &seen))
			err = add(all, &seen);
	(void)closedir(dir);
	if (!err && all->count)
		qsort(all->seen, all->count, sizeof *all->seen, by_pid);
	return err;
}

/* ---- which of them are inside ------------------------------------------------------------------- */

static struct seen *find(const struct processes *all, pid_t pid)
{
	const struct seen wanted = { .pid = pid };

	return all->count ? bsearch(&wanted, all->seen, all->count, sizeof *all->seen, by_pid)
			  : NULL;
}

static enum belongs judge(const struct seen *seen, const struct rocker_roots *roots)
{
	if (!seen || seen->pid == 1)
		return OUTSIDE;
	if (seen->belongs != UNKNOWN)
		return seen->belongs;
	if (seen->pid == roots->guard)
		return INSIDE;
	for (unsigned i = 0; i < roots->ngroups; i++)
		if (seen->group == roots->groups[i])
			return INSIDE;
	return UNKNOWN;
}

/* Up the chain of parents until one is known; and all on the way are the same then. */
static void settle(const struct processes *all, struct seen *first,
		   const struct rocker_roots *roots)
{
	enum belongs found = UNKNOWN;
	struct seen *at = first;

	for (unsigned depth = 0; found == UNKNOWN; depth++) {
		found = depth < DEPTH_MAX ? judge(at, roots) : OUTSIDE;
		if (found == UNKNOWN)
			at = find(all, at->parent);
	}
	for (struct seen *s = first; s && s->belongs == UNKNOWN; s = find(all, s->parent)) {
		s->belongs = found;
		if (s == at)
			break;
	}
}

static void sum(const struct seen *seen, uint64_t tick_ns, uint64_t page, struct rocker_usage *out)
{
	out->user_ns += seen->user_ticks * tick_ns;
	out->system_ns += seen->system_ticks * tick_ns;
	out->memory_bytes += seen->pages * page;
	out->pids++;
}

int rocker_walk(const struct rocker_roots *roots, struct rocker_usage *out, pid_t *pids, int max)
{
	const uint64_t tick_ns = UINT64_C(1000000000) / (uint64_t)sysconf(_SC_CLK_TCK);
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct rocker_usage usage = { .has_cpu = true, .has_memory = true, .has_pids = true };
	struct processes all = { 0 };
	int found = 0, err = look_at_all(&all);

	for (size_t i = 0; !err && i < all.count; i++) {
		settle(&all, &all.seen[i], roots);
		if (all.seen[i].belongs != INSIDE)
			continue;
		sum(&all.seen[i], tick_ns, page, &usage);
		if (found < max)
			pids[found] = all.seen[i].pid;
		found++;
	}
	free(all.seen);
	if (err)
		return err;
	usage.cpu_ns = usage.user_ns + usage.system_ns;
	*out = usage;
	return found;
}
