/* SPDX-License-Identifier: MIT */
/* Programs that take all they can get: "attempt bomb-NAME" prints how far it came and why not further. */
#include "attempt.h"

#include <pthread.h>
#include <time.h>
#include <sys/mman.h>

/* Where no limit holds them, these keep the machine alive. */
#define PROCESSES 2000
#define MEBIBYTES 256
#define BLOCKS    4096
#define INODES    300000
#define WILD_S    8

static int said(const char *what, unsigned long count, int err)
{
	dprintf(1, "%s %lu %s\n", what, count, err ? strerrorname_np(err) : "0");
	return 0;
}

static int forks(int stay)
{
	unsigned long n = 0;

	errno = 0;
	for (; n < PROCESSES; n++) {
		pid_t pid = fork();

		if (pid < 0)
			break;
		if (pid == 0 && !stay)
			_exit(0);
		if (pid == 0)
			for (;;)
				pause();
	}
	return said("processes", n, errno);
}

static int fork_bomb(void)
{
	return forks(1);
}

static int zombies(void)
{
	return forks(0);
}

/* The one that does not stop: each child does the same. */
static int wild(void)
{
	time_t end = time(NULL) + WILD_S;

	while (time(NULL) < end)
		if (fork() < 0)
			usleep(10);
	return 0;
}

static int memory(void)
{
	unsigned long n = 0;

	errno = 0;
	for (; n < MEBIBYTES; n++) {
		char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);

		if (p == MAP_FAILED)
			break;
		memset(p, 1, 1 << 20);
	}
	return said("mebibytes", n, errno);
}

static int fill(void)
{
	static char block[1 << 16];
	int fd = open("/tmp/fill", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	unsigned long n = 0;

	signal(SIGXFSZ, SIG_IGN);

	errno = 0;
	for (; n < BLOCKS; n++)
		if (write(fd, block, sizeof(block)) != sizeof(block))
			break;
	return said("blocks", n, errno);
}

static int inodes(void)
{
	char path[64];
	unsigned long n = 0;

	mkdir("/tmp/many", 0700);
	for (; n < INODES; n++) {
		snprintf(path, sizeof(path), "/tmp/many/%lu", n);
		if (mknod(path, S_IFREG | 0600, 0))
			break;
	}
	return said("inodes", n, errno);
}

static int descriptors(void)
{
	unsigned long n = 0;

	while (n < 10000000 && dup(0) >= 0)
		n++;
	return said("descriptors", n, errno);
}

static void *forever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static int threads(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	unsigned long n = 0;
	int rc = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	while (n < PROCESSES && (rc = pthread_create(&thread, &attr, forever, NULL)) == 0)
		n++;
	return said("threads", n, rc);
}

static void count_one(int signal)
{
	(void)signal;
}

static int signals(void)
{
	pid_t parent = getpid();
	unsigned long n = 0;

	signal(SIGUSR1, count_one);
	if (fork() == 0) {
		for (unsigned long i = 0; i < 200000; i++)
			kill(parent, SIGUSR1);
		for (int i = 1; i < 65; i++)
			if (i != SIGKILL && i != SIGSTOP)
				kill(1, i);
		_exit(0);
	}
	while (waitpid(-1, NULL, 0) < 0 && errno == EINTR)
		n++;
	return said("signals", n, 0);
}

static int output(void)
{
	static char block[1 << 16];

	memset(block, 'x', sizeof(block));
	for (unsigned long i = 0; i < 4096; i++) {
		if (write(1, block, sizeof(block)) < 0)
			return 3;
		if (write(2, block, sizeof(block)) < 0)
			return 4;
	}
	return 0;
}

static int endless_output(void)
{
	while (output() == 0)
		;
	return 0;
}

static int starve(void)
{
	char byte;
	ssize_t n = read(0, &byte, 1);

	return said("read", (unsigned long)n, n < 0 ? errno : 0);
}

/* What is left when its parent has ended. */
static int orphan(void)
{
	if (fork() == 0) {
		setsid();
		signal(SIGTERM, SIG_IGN);
		signal(SIGHUP, SIG_IGN);
		close(0);
		close(1);
		close(2);
		if (fork() == 0)
			for (;;)
				pause();
		_exit(0);
	}
	return said("orphan", 1, 0);
}

static int stop(void)
{
	kill(getpid(), SIGSTOP);
	return said("stopped", 0, 0);
}

static int all_signalled(void)
{
	return said("everyone", 0, tried(kill(-1, SIGKILL)));
}

/* Each of these calls goes to the daemon and back. */
static int refused(void)
{
	unsigned long n = 0;

	for (int i = 0; i < 3; i++)
		if (fork() == 0)
			break;
	for (time_t end = time(NULL) + 3; time(NULL) < end; n++)
		syscall(SYS_swapon, "/nothing", 0L);
	while (wait(NULL) > 0)
		;
	return said("refused", n, errno == ECHILD ? 0 : errno);
}

static int spin(void)
{
	for (volatile unsigned long n = 0;; n++)
		if (n == ~0UL)
			return 0;
}

int bomb(const char *name)
{
	static const struct {
		const char *name;
		int (*go)(void);
	} bombs[] = {
		{ "fork", fork_bomb },
		{ "zombies", zombies },
		{ "wild", wild },
		{ "memory", memory },
		{ "fill", fill },
		{ "inodes", inodes },
		{ "fds", descriptors },
		{ "threads", threads },
		{ "signals", signals },
		{ "output", output },
		{ "endless", endless_output },
		{ "starve", starve },
		{ "orphan", orphan },
		{ "stop", stop },
		{ "everyone", all_signalled },
		{ "spin", spin },
		{ "refused", refused },
	};

	for (size_t i = 0; i < sizeof(bombs) / sizeof(*bombs); i++)
		if (!strcmp(bombs[i].name, name))
			return bombs[i].go();
	return 2;
}
