/* SPDX-License-Identifier: MIT */
/* Attempts to gain rights: ids, capabilities, programs that give them. */
#include "attempt.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sys/auxv.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/xattr.h>

#define ADMIN (1u << CAP_SYS_ADMIN)

/* Who is called root in the rocker asks for another's. */
static unsigned not_ours(unsigned own)
{
	return own ? 0 : 1;
}

static int root_uid(void)
{
	uid_t uid = not_ours(getuid());

	return tried(setresuid(uid, uid, uid));
}

static int root_gid(void)
{
	gid_t gid = not_ours(getgid());

	return tried(setresgid(gid, gid, gid));
}

static int root_groups(void)
{
	gid_t gid = 0;

	return tried(setgroups(1, &gid));
}

static int root_fsuid(void)
{
	uid_t uid = not_ours(getuid());

	setfsuid(uid);
	return setfsuid((uid_t)-1) == (int)uid ? 0 : EPERM;
}

/* To be the guard is to be able to end it. */
static int guard_uid(void)
{
	FILE *f = fopen("/proc/1/status", "r");
	char line[256];
	unsigned uid = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Uid: %u", &uid) == 1)
			break;
	return !f ? errno : uid == getuid() ? EPERM : tried(setresuid(uid, uid, uid));
}

static int capabilities(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { { ADMIN, ADMIN, ADMIN }, { 0, 0, 0 } };

	return tried(syscall(SYS_capset, &head, data));
}

static int ambient(void)
{
	capabilities();
	return tried(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, (long)CAP_SYS_ADMIN, 0L, 0L));
}

static int secure_bits(void)
{
	return tried(prctl(PR_SET_SECUREBITS, 1L, 0L, 0L, 0L));
}

static int old_privs(void)
{
	return tried(prctl(PR_SET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L));
}

static int privs_given(void)
{
	return prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) == 1 ? EPERM : 0;
}

static int bounding(void)
{
	return prctl(PR_CAPBSET_READ, (long)CAP_SYS_ADMIN, 0L, 0L, 0L) == 1 ? 0 : EPERM;
}

/* A filter that allows everything does not undo the one below it. */
static int filter_off(void)
{
	return tried(prctl(PR_SET_SECCOMP, SECCOMP_MODE_DISABLED, 0L, 0L, 0L));
}

static int filter_there(void)
{
	return prctl(PR_GET_SECCOMP, 0L, 0L, 0L, 0L) == 2 ? EPERM : 0;
}

static int move_brk(void)
{
	return tried(prctl(PR_SET_MM, PR_SET_MM_BRK, (unsigned long)sbrk(0), 0L, 0L));
}

static int map_zero(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		       -1, 0);

	return p == MAP_FAILED ? errno : 0;
}

static int lock_much(void)
{
	size_t size = (size_t)64 << 20;
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mlock(p, size) ? errno : 0;
}

/* Effective ids and capabilities of that program when we run it, as it says by its exit status. */
static int run_it(const char *path, char *const environment[])
{
	char uid[16], gid[16];
	char *const argv[] = { (char *)path, "powers", uid, gid, NULL };
	int status = 0;
	pid_t pid = fork();

	snprintf(uid, sizeof(uid), "%u", getuid());
	snprintf(gid, sizeof(gid), "%u", getgid());

	if (pid == 0) {
		execve(path, argv, environment);
		_exit(100 + errno);
	}
	waitpid(pid, &status, 0);
	if (!WIFEXITED(status))
		return EINTR;
	if (WEXITSTATUS(status) > 100)
		return WEXITSTATUS(status) - 100;
	return WEXITSTATUS(status) == 42 ? 0 : EPERM;
}

/* What run_it() starts, with the ids of before. */
int powers(const char *uid, const char *gid)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct data[2] = { 0 };

	syscall(SYS_capget, &head, data);
	return geteuid() != strtoul(uid, NULL, 10) || getegid() != strtoul(gid, NULL, 10) || data[0].permitted ||
			       data[1].permitted
		       ? 42
		       : 0;
}

static int run_beside(const char *name, char *const environment[])
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", option("ro", "/t"), name);
	return run_it(path, environment);
}

static int set_uid_program(void)
{
	return run_beside("setuid", (char *[]){ NULL });
}

static int set_gid_program(void)
{
	return run_beside("setgid", (char *[]){ NULL });
}

static int file_capability(void)
{
	return run_beside("filecaps", (char *[]){ NULL });
}

static int preload(void)
{
	return run_beside("setuid", (char *[]){ "LD_PRELOAD=/tmp/evil.so", "LD_AUDIT=/tmp/evil.so",
						"GLIBC_TUNABLES=glibc.malloc.check=3", NULL });
}

static int copied(char path[4096])
{
	char bytes[65536];
	int from = open("/proc/self/exe", O_RDONLY), to;
	ssize_t n;

	snprintf(path, 4096, "%s/copy-%d", option("rw", "/w"), getpid());
	to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	while (to >= 0 && (n = read(from, bytes, sizeof(bytes))) > 0)
		if (write(to, bytes, (size_t)n) != n)
			return errno;
	return to < 0 ? errno : tried(close(to));
}

/* Made inside, owned by us: it gives no more than we have. */
static int own_set_uid(void)
{
	char path[4096];
	int rc = copied(path) ?: tried(chmod(path, 06755)) ?: run_it(path, (char *[]){ NULL });

	unlink(path);
	return rc;
}

static int own_capability(void)
{
	static const unsigned char value[20] = { 1, 0, 0, 2, 0xff, 0xff, 0xff, 0xff };
	char path[4096];
	int rc = copied(path)
			 ?: tried(setxattr(path, "security.capability", value, sizeof(value), 0));

	unlink(path);
	return rc;
}

static int give_away(void)
{
	char path[4096];
	int rc = copied(path) ?: tried(chown(path, 1, 1));

	unlink(path);
	return rc;
}

/* Allowed: whoever may write to /tmp may run what he wrote. It runs with the same rights. */
static int memfd_program(void)
{
	char bytes[65536], path[64];
	int from = open("/proc/self/exe", O_RDONLY), to = (int)syscall(SYS_memfd_create, "x", 0L),
	    rc;
	ssize_t n;

	if (to < 0)
		return errno;
	while ((n = read(from, bytes, sizeof(bytes))) > 0)
		if (write(to, bytes, (size_t)n) != n)
			return errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", to);
	rc = run_it(path, (char *[]){ NULL });
	return rc == EPERM ? 0 : rc ?: ENOTSUP;
}

const struct attempt right_attempts[] = {
	{ "root_uid", EINVAL, 0, 0, 0, root_uid, "to be root" },
	{ "root_gid", EINVAL, 0, 0, 0, root_gid, "root's group" },
	{ "root_groups", EPERM, 0, 0, 0, root_groups, "root's supplementary group" },
	{ "root_fsuid", EPERM, 0, 0, 0, root_fsuid, "root's files by setfsuid" },
	{ "guard_uid", EPERM, 0, A_CANNOT, 0, guard_uid, "the guard's id" },
	{ "capset", EPERM, 0, A_SYSCALL, SYS_capset, capabilities, "CAP_SYS_ADMIN" },
	{ "ambient", EPERM, 0, A_SYSCALL, SYS_prctl, ambient, "an ambient capability" },
	{ "secure_bits", EPERM, 0, 0, 0, secure_bits, "securebits" },
	{ "bounding", EPERM, 0, 0, 0, bounding, "a bounding set with something in it" },
	{ "old_privs", EINVAL, 0, A_CANNOT, 0, old_privs, "no_new_privs taken back" },
	{ "privs_given", EPERM, 0, 0, 0, privs_given, "no_new_privs not set" },
	{ "filter_off", EINVAL, 0, A_CANNOT, 0, filter_off, "the filter taken off" },
	{ "filter_there", EPERM, 0, 0, 0, filter_there, "no filter" },
	{ "move_brk", EPERM, 0, A_CANNOT, 0, move_brk, "PR_SET_MM" },
	{ "map_zero", EPERM, 0, 0, 0, map_zero, "the page at zero" },
	{ "lock_much", ENOMEM, 0, 0, 0, lock_much, "64 MiB locked into memory" },
	{ "setuid_program", EPERM, 0, A_ROOT, 0, set_uid_program, "a setuid program of root's" },
	{ "setgid_program", EPERM, 0, A_ROOT, 0, set_gid_program, "a setgid program of root's" },
	{ "file_capability", EPERM, 0, A_ROOT, 0, file_capability, "a program with capabilities" },
	{ "preload", EPERM, 0, A_ROOT, 0, preload, "LD_PRELOAD with a setuid program" },
	{ "own_setuid", EPERM, 0, 0, 0, own_set_uid, "a setuid program that it made" },
	{ "own_capability", EPERM, 0, 0, 0, own_capability, "file capabilities that it gave" },
	{ "give_away", EINVAL, 0, 0, 0, give_away, "chown to somebody" },
	{ "memfd_program", 0, 0, A_ALLOWED, 0, memfd_program, "a program in a memfd, same rights" },
	{ 0 },
};
