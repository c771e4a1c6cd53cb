/* SPDX-License-Identifier: MIT */
/*
 * What a rocker has written to its data directory, counted by a disposable child.
 *
 * It walks by descriptors and follows nothing: the tree is changed by hostile jobs while it is being walked. What
 * cannot be counted, for its depth, its number or an error, is an answer of its own, and whoever asked takes that for
 * too much; only what has just vanished is none. Whoever started it gives it a deadline, since a file system may hang.
 */
#include "jail_blank.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEPTH_MAX   384
#define ENTRIES_MAX (UINT64_C(1) << 20)
#define BUFFER_SIZE 4096
#define LINKS_MAX   65536 /* files of several names that are known; a power of two, never half full */
#define BLOCK       512   /* of st_blocks */
#define NICE        10

struct level {
	int fd;
	unsigned at, len;
	char buffer[BUFFER_SIZE] __attribute__((aligned(8)));
};

static struct walk {
	uint64_t limit_bytes, bytes, entries;
	uint64_t mount; /* devices differ also between subvolumes, which a job may make */
	unsigned depth;
	unsigned links;
	uint64_t known[LINKS_MAX];
	struct level levels[DEPTH_MAX];
} walk;

/* A process may have many files open here: one for each directory on the way down. */
static void prepare(pid_t parent)
{
	struct rlimit files;

	(void)jail_own_session(NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(0);
	(void)setpriority(PRIO_PROCESS, 0, NICE);
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int open_in(int dir, const char *name, int flags)
{
	struct open_how how = { .flags = (uint64_t)flags | O_DIRECTORY | O_CLOEXEC,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
	long fd = syscall(SYS_openat2, dir, name, &how, sizeof how);

	return fd < 0 ? -errno : (int)fd;
}

/* Seen for the first time? Where no more are remembered each name counts: rather too much than too little. */
static bool is_new(const struct statx *st)
{
	uint64_t key = st->stx_ino ^ (uint64_t)st->stx_dev_minor << 44;
	uint32_t at = (uint32_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 48);

	if (st->stx_nlink < 2)
		return true;
	while (walk.known[at % LINKS_MAX] && walk.known[at % LINKS_MAX] != key)
		at++;
	if (walk.known[at % LINKS_MAX])
		return false;
	if (walk.links < LINKS_MAX / 2) {
		walk.known[at % LINKS_MAX] = key;
		walk.links++;
	}
	return true;
}

static int look(int dir, const char *name, struct statx *out)
{
	const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name ? 0 : AT_EMPTY_PATH);

	return statx(dir, name, flags, STATX_BASIC_STATS | STATX_MNT_ID, out) ? -errno : 0;
}

static int enter(int fd, const struct statx *st)
{
	walk.bytes += st->stx_blocks * BLOCK;
	if (walk.depth == DEPTH_MAX) {
		(void)close(fd);
		return -ELOOP;
	}
	walk.levels[walk.depth].at = walk.levels[walk.depth].len = 0;
	walk.levels[walk.depth++].fd = fd;
	return 0;
}

/* What is mounted there is looked at by its number alone, and is another's. */
static int enter_below(int dir, const char *name)
{
	struct statx st;
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -errno;
	if (!look(fd, "", &st) && st.stx_mnt_id == walk.mount)
		return enter(fd, &st);
	(void)close(fd);
	return 0;
}

static int count(int dir, const char *name)
{
	struct statx st;

	if (++walk.entries > ENTRIES_MAX)
		return -E2BIG;
	int err = look(dir, name, &st);
	if (err)
		return err == -ENOENT ? 0 : err;
	if (st.stx_mnt_id != walk.mount)
		return 0;
	if (S_ISDIR(st.stx_mode))
		return enter_below(dir, name);
	if (is_new(&st))
		walk.bytes += st.stx_blocks * BLOCK;
	return 0;
}

struct entry {
	uint64_t inode, offset;
	uint16_t length;
	uint8_t type;
	char name[];
};

/* One step: the next entry of the deepest directory, or up again. */
static int step(void)
{
	struct level *level = &walk.levels[walk.depth - 1];

	if (level->at == level->len) {
		long n = syscall(SYS_getdents64, level->fd, level->buffer, BUFFER_SIZE);
		if (n < 0 && errno != ENOENT)
			return -errno;
		if (n <= 0) {
			(void)close(level->fd);
			walk.depth--;
			return 0;
		}
		level->at = 0;
		level->len = (unsigned)n;
	}
	const struct entry *entry = (const void *)(level->buffer + level->at);
	level->at += entry->length;
	if (!strcmp(entry->name, ".") || !strcmp(entry->name, ".."))
		return 0;
	return count(level->fd, entry->name);
}

/* Stops as soon as it is known to be too much. */
static int walk_all(int data)
{
	struct statx st;
	int err = look(data, "", &st);

	if (!err) {
		walk.mount = st.stx_mnt_id;
		err = enter(data, &st);
	}
	while (!err && walk.depth && walk.bytes <= walk.limit_bytes)
		err = step();
	return err;
}

/* By its guard, our parent's child: that root is changed by nobody any more. */
static int open_data(const struct rocker_env *env, pid_t guard)
{
	char path[40];
	struct statfs memory;

	(void)strcpy(jail_put_number(path, (unsigned long)guard), "/root");
	int root = openat(env->jail->proc, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	int data = open_in(root, "data", O_RDONLY);
	/* what is written elsewhere in it lies in memory, and counts too */
	if (data >= 0 && !fstatfs(root, &memory))
		walk.bytes = (memory.f_blocks - memory.f_bfree) * (uint64_t)memory.f_bsize;
	(void)close(root);
	return data;
}

static _Noreturn void measure(const struct rocker_env *env, const struct disk_spec *spec,
			      pid_t parent)
{
	struct disk_report report = { 0 };

	prepare(parent);
	walk.limit_bytes = spec->limit_bytes;
	int data = open_data(env, spec->guard);
	report.err = data < 0 ? data : walk_all(data);
	report.bytes = walk.bytes;
	(void)!write(spec->report, &report, sizeof report);
	_exit(0);
}

pid_t disk_spawn(const struct rocker_env *env, const struct disk_spec *spec)
{
	pid_t parent = getpid(), pid = jail_clone(0, -1, NULL);

	if (!pid)
		measure(env, spec, parent);
	return pid;
}
