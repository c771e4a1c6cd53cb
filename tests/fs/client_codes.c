/* SPDX-License-Identifier: MIT */
/*
 * Every error of librocker_client, from a sandboxfs that is really there:
 * client_codes SCENARIO [POINT] PACKAGE EXEC_DIR DATA_DIR UID [WORD]
 *
 * The library is linked statically, so that its open, mkdir and fork are those here: at a point of its work, which is the end of
 * a path that it opens, or "mkdir" or "fork", something happens to the rocker. Prints "err NUMBER", "sentence TEXT", "descriptors N"
 * (more than before), "children N" (left by the call, the app apart), and for threads "distinct N".
 */
#include <rocker.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 8
#define EACH    10

static const char *point = "", *word = "";
static void (*act)(const char *rocker);
static char rocker[4096];
static RockerRequest req;

/* ---- what happens ------------------------------------------------------------------------------ */

static void put(const char *folder, const char *name, const char *text)
{
	char path[4200];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		printf("put %s: %s\n", path, strerror(errno));
	close(fd);
}

static void remove_rocker(const char *folder)
{
	if (syscall(SYS_unlinkat, AT_FDCWD, folder, AT_REMOVEDIR))
		printf("rmdir: %s\n", strerror(errno));
}

static void freeze_rocker(const char *folder)
{
	put(folder, "freeze", "1\n");
}

static void kill_word(const char *folder)
{
	(void)folder;
	kill(atoi(word), SIGKILL);
}

/* Until the rocker says that it is dead, or the deadline of whoever started this. */
static void kill_guard(const char *folder)
{
	char path[4200], text[64] = "";

	put(folder, "kill", "guard\n");
	snprintf(path, sizeof(path), "%s/state", folder);
	while (strncmp(text, "dead", 4)) {
		int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);

		if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
			return;
		close(fd);
		usleep(1000);
	}
}

static void reached(const char *path)
{
	size_t len = strlen(path), end = strlen(point);
	void (*now)(const char *) = act;

	if (!now || len < end || strcmp(path + len - end, point))
		return;
	act = NULL;
	now(rocker);
}

/* ---- in the place of libc's -------------------------------------------------------------------- */

int mkdir(const char *path, mode_t mode)
{
	int rc = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);

	if (!rc && strstr(path, "/rockers/lib-") && act) {
		snprintf(rocker, sizeof(rocker), "%s", path);
		reached("mkdir");
	}
	return rc;
}

int open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (strstr(path, "/rockers/lib-"))
		reached(path);
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

/* What open is in a library that was built with _FORTIFY_SOURCE. */
int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
	return open(path, flags);
}

pid_t fork(void)
{
	reached("fork");
	return _Fork();
}

/* ---- scenarios --------------------------------------------------------------------------------- */

static int app(void *arg)
{
	(void)arg;
	return 0;
}

static RockerResult enter(void)
{
	return ROCKER_enter_rocker(&req, app, NULL);
}

static RockerResult few_descriptors(void)
{
	struct rlimit was, few;
	RockerResult result;

	getrlimit(RLIMIT_NOFILE, &was);
	few = was;
	few.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &few);
	result = enter();
	setrlimit(RLIMIT_NOFILE, &was);
	return result;
}

static RockerResult no_function(void)
{
	return ROCKER_enter_rocker(&req, NULL, NULL);
}

static RockerResult elsewhere(void)
{
	setenv("SANDBOXFS_MOUNT", word, 1);
	return enter();
}

/* In a Landlock domain that forbids nothing that is needed here. */
static RockerResult confined(void)
{
	uint64_t rules[2] = { 0, 1 /* bind(2) of TCP */ };
	int fd = (int)syscall(444, rules, sizeof(rules), 0);

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (fd < 0 || syscall(446, fd, 0))
		printf("landlock: %s\n", strerror(errno));
	close(fd);
	return enter();
}

/* Under as many filters as there can be, each of which allows everything. */
static RockerResult filtered(void)
{
	static struct sock_filter code[BPF_MAXINSNS];
	struct sock_fprog program = { BPF_MAXINSNS, code };

	for (size_t i = 0; i < BPF_MAXINSNS; i++)
		code[i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	while (program.len > 8)
		if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program))
			program.len /= 2;
	return enter();
}

static RockerResult name_of_nobody(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	return ROCKER_get_guardname(pid);
}

static RockerResult results[THREADS * EACH];

static void *enter_some(void *arg)
{
	RockerResult *result = arg;
	int status, kept = (int)syscall(SYS_dup, 1);

	ROCKER_keep_fds(&kept, 1);
	for (int i = 0; i < EACH; i++) {
		result[i] = enter();
		if (result[i].err_no)
			printf("thread: %s\n", ROCKER_error());
		else if (waitpid(result[i].app_pid, &status, 0) != result[i].app_pid || status)
			printf("thread: status %d\n", status);
		if (!result[i].err_no && ROCKER_remove(&result[i]))
			printf("thread: remove: %s\n", ROCKER_error());
	}
	close(kept);
	return NULL;
}

static RockerResult threads(void)
{
	pthread_t thread[THREADS];
	RockerResult worst = { .app_pid = -1, .guard_pid = -1 };
	int distinct = 0;

	for (int i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, enter_some, results + EACH * i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0, j; i < THREADS * EACH; i++) {
		for (j = 0; j < i && memcmp(results[i].guard_pname, results[j].guard_pname, 16); j++)
			;
		distinct += j == i;
		if (results[i].err_no)
			worst.err_no = results[i].err_no;
	}
	printf("distinct %d\n", distinct);
	return worst;
}

static const struct {
	const char *name;
	RockerResult (*go)(void);
	void (*act)(const char *rocker); /* at the point */
} scenarios[] = {
	{ "enter", enter, NULL },
	{ "few_descriptors", few_descriptors, NULL },
	{ "no_function", no_function, NULL },
	{ "elsewhere", elsewhere, NULL },
	{ "name_of_nobody", name_of_nobody, NULL },
	{ "confined", confined, NULL },
	{ "filtered", filtered, NULL },
	{ "threads", threads, NULL },
	{ "removed", enter, remove_rocker },
	{ "frozen", enter, freeze_rocker },
	{ "guard_killed", enter, kill_guard },
	{ "killed", enter, kill_word },
};

static int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* The app's process apart, which is waited for. */
static int children(const RockerResult *result)
{
	int count = 0;

	if (!result->err_no && result->app_pid > 0)
		waitpid(result->app_pid, NULL, 0);
	while (waitpid(-1, NULL, WNOHANG) >= 0 && count < 100)
		count++;
	return count;
}

int main(int argc, char **argv)
{
	int before;
	RockerResult result = { .err_no = -2 };

	if (argc < 7)
		return 2;
	req = ROCKER_request_new();
	point = argv[2];
	req.app_pkg_path = argv[3];
	req.app_exec_dir = argv[4];
	req.app_data_dir = argv[5];
	req.app_id = req.uid = req.gid = atoi(argv[6]);
	word = argc > 7 ? argv[7] : "";
	setbuf(stdout, NULL);
	before = descriptors();
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		if (!strcmp(argv[1], scenarios[i].name)) {
			act = scenarios[i].act;
			result = scenarios[i].go();
		}
	printf("err %d\nsentence %s\n", (int)result.err_no, ROCKER_error());
	printf("children %d\n", children(&result));
	printf("descriptors %d\n", descriptors() - before);
	if (!result.err_no && result.app_pid > 0)
		printf("removed %d\n", ROCKER_remove(&result));
	return 0;
}
