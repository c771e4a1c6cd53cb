/* SPDX-License-Identifier: MIT */
/*
 * Attempts of the escape suite as the function that librocker_client makes a process of:
 * client_attempts PACKAGE EXEC_DIR DATA_DIR UID NAME... [KEY=VALUE...]
 *
 * It is linked with that suite, whose main is attempt_main here. With the word "outside" for PACKAGE the same function is
 * called by a child in a mount namespace of its own, and nothing is entered. Two attempts are of its own, as user UID both times:
 * signal_kept and abstract_kept, with descriptors that lead out and were kept. Prints "NAME OUTCOME" for each, then "ended STATUS SIGNAL".
 */
#include <rocker.h>

#include "../escape/attempt.h"

#include <sys/un.h>

#undef main
int attempt_main(int argc, char **argv);

#define KEPT_PIDFD  40
#define KEPT_SOCKET 41

static char **words;
static struct sockaddr_un name = { .sun_family = AF_UNIX };
static socklen_t name_len;

static int signal_kept(void)
{
	return tried(syscall(SYS_pidfd_send_signal, KEPT_PIDFD, SIGUSR1, NULL, 0));
}

static int abstract_kept(void)
{
	return tried(connect(KEPT_SOCKET, (struct sockaddr *)&name, name_len));
}

static void try(const char *attempt)
{
	char *argv[64] = { (char *)"attempt", (char *)attempt };
	int argc = 2, err;

	if (!strcmp(attempt, "signal_kept") || !strcmp(attempt, "abstract_kept")) {
		err = attempt[0] == 's' ? signal_kept() : abstract_kept();
		printf("%s %s\n", attempt, err ? strerrorname_np(err) : "ESCAPED");
		fflush(stdout);
		return;
	}
	for (char **word = words; *word && argc < 63; word++)
		if (strchr(*word, '='))
			argv[argc++] = *word;
	attempt_main(argc, argv);
	fflush(stdout);
}

static int app(void *arg)
{
	(void)arg;
	for (char **word = words; *word; word++)
		if (!strchr(*word, '='))
			try(*word);
	return 0;
}

/* A process of that user that nothing ends, and an abstract socket that listens. */
static pid_t lead_out(uid_t uid)
{
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd, kept[2] = { KEPT_PIDFD, KEPT_SOCKET };
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGUSR1, SIG_IGN);
		if (setresuid(uid, uid, uid))
			_exit(1);
		for (;;)
			pause();
	}
	name_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			       (size_t)snprintf(name.sun_path + 1, 64, "client-attempts-%d", (int)getpid()));
	if (bind(listener, (struct sockaddr *)&name, name_len) || listen(listener, 8))
		perror("listener");
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	dup2(fd, KEPT_PIDFD);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	dup2(fd, KEPT_SOCKET);
	if (ROCKER_keep_fds(kept, 2))
		perror("kept");
	return pid;
}

static pid_t begin(char **argv, uid_t uid)
{
	RockerRequest req = ROCKER_request_new();
	RockerResult res;
	pid_t pid;

	if (!strcmp(argv[1], "outside")) {
		pid = fork();
		if (!pid && unshare(CLONE_NEWNS) == 0 && !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
			exit(app(NULL));
		return pid;
	}
	req.app_pkg_path = argv[1];
	req.app_exec_dir = argv[2];
	req.app_data_dir = argv[3];
	req.app_id = req.uid = req.gid = (int)uid;
	res = ROCKER_enter_rocker(&req, app, NULL);
	printf("result %d %s\n", (int)res.err_no, ROCKER_error());
	return res.err_no ? -1 : res.app_pid;
}

int main(int argc, char **argv)
{
	pid_t target, pid;
	uid_t uid;
	int status = 0;

	if (argc < 6)
		return 2;
	words = argv + 5;
	uid = (uid_t)atoi(argv[4]);
	setbuf(stdout, NULL);
	target = lead_out(uid);
	pid = begin(argv, uid);
	if (pid > 0 && waitpid(pid, &status, 0) == pid)
		printf("ended %d %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	kill(target, SIGKILL);
	return 0;
}
