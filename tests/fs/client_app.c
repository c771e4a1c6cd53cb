/* SPDX-License-Identifier: MIT */
/*
 * Enters a rocker and says what is so inside: client_app PACKAGE EXEC_DIR DATA_DIR UID [remove | exec].
 *
 * The app prints a line for each fact, writes /usr/a_fake_file, and ends with 42 when its standard input does.
 * With exec it becomes id(1) instead. The program prints the result before, and how the app ended after.
 */
#include <rocker.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const char *exec_dir, *hidden;

static void say_status(void)
{
	char text[4096];
	int fd = open("/proc/self/status", O_RDONLY);
	ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	close(fd);
	if (len < 0)
		dprintf(1, "no status: %s\n", strerror(errno));
	else
		(void)!write(1, text, (size_t)len);
}

static void say_error(const char *what, int result)
{
	dprintf(1, "%s %s\n", what, result < 0 ? strerror(errno) : "possible");
}

static int app(void *arg)
{
	char path[4096], text[64];
	int fd, open_fds = 0;
	ssize_t len;

	for (fd = 3; fd < 4096; fd++)
		open_fds += fcntl(fd, F_GETFD) >= 0;
	dprintf(1, "arg %s\nfds %d\nenvironment %d\npid %d\nppid %d\n", (char *)arg, open_fds, environ && *environ, (int)getpid(),
		(int)getppid());
	dprintf(1, "no_new_privs %d\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	say_status();
	fd = open("/usr/a_fake_file", O_WRONLY | O_CREAT | O_TRUNC, 0644);
	say_error("write", fd < 0 || write(fd, "written inside\n", 15) != 15 ? -1 : 0);
	close(fd);
	snprintf(path, sizeof(path), "%s/hello", exec_dir);
	fd = open(path, O_RDONLY);
	len = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	dprintf(1, "package %.*s\n", len > 0 ? (int)len - 1 : 0, text);
	say_error("package_write", open(path, O_WRONLY));
	say_error("hidden", access(hidden, F_OK));
	say_error("setuid", setuid(0));
	dprintf(1, "securebits %d\n", prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
	dprintf(1, "told\n");
	while (read(0, text, sizeof(text)) > 0)
		;
	return 42;
}

static int become_id(void *arg)
{
	execl("/usr/bin/id", (char *)arg, (char *)NULL);
	return 127;
}

static int become_grep(void *arg)
{
	execl("/usr/bin/grep", (char *)arg, "Cap", "/proc/self/status", (char *)NULL);
	return 127;
}

int main(int argc, char **argv)
{
	RockerRequest req = ROCKER_request_new();
	RockerResult res;
	char word[] = "argument";
	int status, guard, pidfd;

	if (argc < 5)
		return 2;
	hidden = req.app_pkg_path = argv[1];
	exec_dir = req.app_exec_dir = argv[2];
	req.app_data_dir = argv[3];
	req.app_id = 1;
	req.uid = req.gid = atoi(argv[4]);
	req.app_overlay_dirs[0] = (char *)"/usr";
	res = ROCKER_enter_rocker(&req,
				  argc > 5 && !strcmp(argv[5], "exec")   ? become_id
				  : argc > 5 && !strcmp(argv[5], "caps") ? become_grep
									 : app,
				  word);
	dprintf(1, "result %d %d %d %.16s\n", (int)res.err_no, res.app_pid, res.guard_pid, res.guard_pname);
	if (res.err_no) {
		dprintf(1, "sentence %s\n", ROCKER_error());
		return 1;
	}
	guard = ROCKER_guard_pidfd(&res);
	pidfd = ROCKER_app_pidfd(&res);
	dprintf(1, "pidfds %d\n", guard >= 0 && pidfd >= 0);
	if (waitpid(res.app_pid, &status, 0) != res.app_pid)
		return 3;
	dprintf(1, "ended %d %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : -1);
	if (argc > 5)
		dprintf(1, "removed %d\n", ROCKER_remove(&res));
	return 0;
}
