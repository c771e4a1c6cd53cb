/* SPDX-License-Identifier: MIT */
/*
 * The escape suite as one program: "attempt NAME [KEY=VALUE...]" tries one thing and says what came of it,
 * "attempt list" shows the index, "attempt bomb-NAME" misbehaves.
 *
 * Prints "NAME ERRNO" or "NAME ESCAPED" and exits with 0 when the errno is the one expected (of an
 * ordinary user's rocker with the word user=1), else 1.
 */
#include "attempt.h"

#include <sys/mman.h>

static const struct attempt *const topics[] = {
	file_attempts,   proc_attempts,    process_attempts, mount_attempts,   namespace_attempts,
	kernel_attempts, network_attempts, right_attempts,   overlay_attempts,
};
#define TOPICS (sizeof(topics) / sizeof(*topics))

static char **words;

const char *option(const char *key, const char *otherwise)
{
	size_t len = strlen(key);

	for (char **word = words; *word; word++)
		if (!strncmp(*word, key, len) && (*word)[len] == '=')
			return *word + len + 1;
	return otherwise;
}

int try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);
	int rc = tried(fd);

	if (fd >= 0)
		close(fd);
	return rc;
}

int try_secret(int dir, const char *path)
{
	char text[64] = "";
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return errno;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len < 0)
		return errno;
	return strstr(text, "SECRET-OF-THE-HOST") ? 0 : ENODATA;
}

pid_t sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sleep(20);
		_exit(0);
	}
	return pid;
}

int try_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return errno;
	rc = tried(write(fd, text, strlen(text)));
	close(fd);
	return rc;
}

static const struct attempt *find(const char *name)
{
	for (size_t i = 0; i < TOPICS; i++)
		for (const struct attempt *a = topics[i]; a->name; a++)
			if (!strcmp(a->name, name))
				return a;
	return NULL;
}

static void list(void)
{
	for (size_t i = 0; i < TOPICS; i++)
		for (const struct attempt *a = topics[i]; a->name; a++)
			printf("%s %s %s %u %ld %s\n", a->name,
			       a->want ? strerrorname_np(a->want) : "0",
			       strerrorname_np(a->user_want ?: a->want) ?: "0", a->flags, a->nr,
			       a->what);
}

/* In a process of its own: a signal that ends it is an outcome, too. */
static int outcome(const struct attempt *a, int *signal_out)
{
	int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	pid_t pid;

	*shared = -1;
	pid = fork();
	if (pid == 0) {
		*shared = a->go();
		_exit(0);
	}
	if (pid < 0)
		return errno;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	*signal_out = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	return *shared;
}

int main(int argc, char **argv)
{
	const struct attempt *a = argc > 1 ? find(argv[1]) : NULL;
	int want, rc, ended = 0;

	words = argv + (argc > 1 ? 2 : 1);
	if (argc > 1 && !strcmp(argv[1], "list")) {
		list();
		return 0;
	}
	if (argc > 3 && !strcmp(argv[1], "powers"))
		return powers(argv[2], argv[3]);
	if (argc > 1 && !strncmp(argv[1], "bomb-", 5))
		return bomb(argv[1] + 5);
	if (!a) {
		fprintf(stderr, "attempt: there is no attempt '%s'\n", argc > 1 ? argv[1] : "");
		return 2;
	}
	want = *option("user", "") && a->user_want ? a->user_want : a->want;
	rc = outcome(a, &ended);
	if (ended)
		printf("%s SIG%s\n", a->name, sigabbrev_np(ended));
	else
		printf("%s %s\n", a->name, rc ? strerrorname_np(rc) : "ESCAPED");
	return !ended && rc == want ? 0 : 1;
}
