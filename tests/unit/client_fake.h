/* SPDX-License-Identifier: MIT */
/*
 * A tree that looks like a mounted sandboxfs to librocker_client: a folder with plain files.
 *
 * The library is linked statically, so that its mkdir and rmdir are those here: making rockers/lib-PID-N
 * also makes the files in it, as the test at hand has put them into struct fake. A rocker's guard is
 * played by a process in namespaces of its own.
 */
#ifndef CLIENT_FAKE_H
#define CLIENT_FAKE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

#define FAKE_UID  1000
#define FAKE_DATA (1UL << 40) /* bytes */

static const char *const fake_spaces[] = { "cgroup", "ipc", "uts", "net", "pid", "mnt", "user", NULL };

static struct {
	char mount[64];
	int mkdir_errno;         /* 0: rockers can be made */
	const char *state;       /* NULL: no file */
	const char *error;
	const char *guard;       /* NULL: as its process says */
	bool no_spec;            /* there is no such file */
	size_t filter_size;      /* of fake_filter; 0: there is no file */
	const char *broken;      /* namespace without a link */
	const char *link;        /* where "pid" leads instead */
	pid_t holder;            /* plays the guard */
	char holder_name[16];
	char last[128];          /* the rocker that was made last */
	char spec[16384];        /* what was written to that of the one that was removed last */
} fake;

/* Under it getpriority(2) is refused, and setpriority(2) kills. */
static const struct sock_filter fake_filter[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpriority, 2, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setpriority, 2, 0),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
};

static void fake_bytes(const char *folder, const char *name, const void *bytes, size_t size)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, bytes, size) < 0)
		check_fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
	close(fd);
}

static void fake_file(const char *folder, const char *name, const char *text)
{
	if (text)
		fake_bytes(folder, name, text, strlen(text));
}

static void fake_fill(const char *folder)
{
	char path[256], to[64], guard[80];

	snprintf(fake.last, sizeof(fake.last), "%s", folder);
	snprintf(guard, sizeof(guard), "pid %d\nname %s\n", (int)fake.holder, fake.holder_name);
	fake_file(folder, "guard", fake.guard ? fake.guard : guard);
	fake_file(folder, "state", fake.state);
	fake_file(folder, "error", fake.error ? fake.error : "ok\n");
	fake_file(folder, "spec", fake.no_spec ? NULL : "");
	if (fake.filter_size)
		fake_bytes(folder, "seccomp.bpf", fake_filter, fake.filter_size);
	snprintf(path, sizeof(path), "%s/ns", folder);
	syscall(SYS_mkdirat, AT_FDCWD, path, 0755);
	for (int i = 0; fake_spaces[i]; i++) {
		if (fake.broken && !strcmp(fake.broken, fake_spaces[i]))
			continue;
		snprintf(path, sizeof(path), "%s/ns/%s", folder, fake_spaces[i]);
		snprintf(to, sizeof(to), "/proc/%d/ns/%s", (int)fake.holder, fake_spaces[i]);
		if (symlink(fake.link && !strcmp(fake_spaces[i], "pid") ? fake.link : to, path))
			check_fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
	}
}

/* In the place of libc's. */
int mkdir(const char *path, mode_t mode)
{
	bool rocker = strstr(path, "/rockers/lib-") != NULL;

	if (rocker && fake.mkdir_errno) {
		errno = fake.mkdir_errno;
		return -1;
	}
	if (syscall(SYS_mkdirat, AT_FDCWD, path, mode))
		return -1;
	if (rocker)
		fake_fill(path);
	return 0;
}

static void fake_empty(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char path[512];

		snprintf(path, sizeof(path), "%.200s/%s", folder, entry->d_name);
		if (entry->d_name[0] == '.')
			continue;
		if (entry->d_type == DT_DIR) {
			fake_empty(path);
			syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
		} else {
			unlink(path);
		}
	}
	if (dir)
		closedir(dir);
}

static void keep_spec(const char *folder)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/spec", folder);
	memset(fake.spec, 0, sizeof(fake.spec));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, fake.spec, sizeof(fake.spec) - 1) < 0)
		check_fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
	close(fd);
}

/* As rmdir of an object: its files go with it. */
int rmdir(const char *path)
{
	if (strstr(path, "/rockers/lib-"))
		keep_spec(path);
	if (strstr(path, "/rockers"))
		fake_empty(path);
	return (int)syscall(SYS_unlinkat, AT_FDCWD, path, AT_REMOVEDIR);
}

/* Everything as it should be, with no rocker there. */
static void fake_start(void)
{
	char path[128];

	if (!fake.mount[0]) {
		strcpy(fake.mount, "/tmp/sfs-client-XXXXXX");
		if (!mkdtemp(fake.mount))
			exit(1);
	}
	snprintf(path, sizeof(path), "%s/rockers", fake.mount);
	rmdir(path);
	mkdir(path, 0755);
	fake.mkdir_errno = 0;
	fake.state = "ready\n";
	fake.error = fake.guard = fake.broken = fake.link = NULL;
	fake.no_spec = false;
	fake.filter_size = sizeof(fake_filter);
	fake_file(fake.mount, "machine", "kernel 1\nrocker_landlock devices\n");
	fake.last[0] = '\0';
	setenv("SANDBOXFS_MOUNT", fake.mount, 1);
}

static unsigned fake_rockers(void)
{
	char path[128];
	struct dirent *entry;
	unsigned count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/rockers", fake.mount);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return count;
}

/* ---- a process in namespaces of its own -------------------------------------------------------- */

static void write_proc(pid_t pid, const char *name, const char *text)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		check_fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
	close(fd);
}

static atomic_int *fake_reaped; /* children that the guard has waited for; it shares this memory */

static _Noreturn void hold(int ready)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	prctl(PR_SET_NAME, fake.holder_name);
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 1, 1 });
	setrlimit(RLIMIT_DATA, &(struct rlimit){ FAKE_DATA, FAKE_DATA });
	(void)!write(ready, "", 1);
	for (;;) {
		siginfo_t info;

		if (!waitid(P_ALL, 0, &info, WEXITED))
			atomic_fetch_add(fake_reaped, 1);
		else
			usleep(1000);
	}
}

/* PID 1 of everything but time; in it there is FAKE_UID, and no root whose going would take capabilities along. */
__attribute__((unused)) static void fake_hold(void)
{
	int flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | 0x02000000;
	int ready[2];
	char byte;
	long pid;

	fake_reaped = mmap(NULL, sizeof(*fake_reaped), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(!pipe2(ready, O_CLOEXEC));
	snprintf(fake.holder_name, sizeof(fake.holder_name), "a) b (%d", (int)getpid());
	pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
	if (!pid)
		hold(ready[1]);
	close(ready[1]);
	REQUIRE(pid > 0);
	CHECK_INT(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	fake.holder = (pid_t)pid;
	write_proc(fake.holder, "uid_map", "1000 1000 1\n");
	write_proc(fake.holder, "gid_map", "1000 1000 1\n");
}

static void fake_let_go(void)
{
	if (fake.holder <= 0)
		return;
	kill(fake.holder, SIGKILL);
	waitpid(fake.holder, NULL, 0);
	fake.holder = 0;
}

static void fake_stop(void)
{
	char path[128];

	fake_let_go();
	snprintf(path, sizeof(path), "%s/rockers", fake.mount);
	rmdir(path);
	fake_empty(fake.mount);
	rmdir(fake.mount);
}

#endif
