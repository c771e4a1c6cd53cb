/* SPDX-License-Identifier: MIT */
/*
 * Compares the time of two actions in interleaved pairs: pairs CORE PAIRS SERIES ACTION ACTION.
 *
 * Both actions of a pair see the same moment of the machine, so that the median of the ratios says more than the ratio of two
 * medians. The best of the series is the least disturbed. CORE is where this program and what it spawns stay, -1 for anywhere.
 * Actions, their arguments separated by '|':
 *   write|FILE|LINE       one write on a kept descriptor      openwrite|FILE|LINE  open, write, close
 *   read|FILE             one pread of all on a kept descriptor
 *   spawn|PROGRAM         posix_spawn and wait                copy|FROM|TO  create, write, close, with fresh bytes after the
 *                                                             word SFS-BENCH- in them
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAIRS_MAX 10000
#define WARMUP	  20

struct action {
	int (*once)(struct action *a);
	char *what, *more; /* borrowed from argv */
	int fd;
	char *bytes; /* of copy: owned till the end */
	size_t size;
	char *mark; /* where copy writes a number, or NULL */
	unsigned long count;
};

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int write_once(struct action *a)
{
	return write(a->fd, a->more, a->size) == (ssize_t)a->size ? 0 : -1;
}

static int openwrite_once(struct action *a)
{
	int fd = open(a->what, O_WRONLY | O_CLOEXEC);
	int bad = fd < 0 || write(fd, a->more, a->size) != (ssize_t)a->size;

	return close(fd) || bad ? -1 : 0;
}

static int read_once(struct action *a)
{
	char buf[65536];

	return pread(a->fd, buf, sizeof(buf), 0) > 0 ? 0 : -1;
}

static int spawn_once(struct action *a)
{
	char *const argv[] = { a->what, NULL }, *const env[] = { NULL };
	pid_t pid;
	int status;

	errno = posix_spawn(&pid, a->what, NULL, NULL, argv, env);
	if (errno || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static int copy_once(struct action *a)
{
	int fd, bad;

	if (a->mark) /* other bytes each time, so that nothing is answered from what is known already */
		memcpy(a->mark, (char[9]){ (char)('a' + a->count / 676 % 26), (char)('a' + a->count / 26 % 26),
					   (char)('a' + a->count % 26) }, 3);
	a->count++;
	fd = open(a->more, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	bad = fd < 0 || write(fd, a->bytes, a->size) != (ssize_t)a->size;
	return close(fd) || bad ? -1 : 0;
}

static int open_kept(struct action *a, int flags)
{
	a->fd = open(a->what, flags | O_CLOEXEC);
	return a->fd < 0 ? -1 : 0;
}

static int load_bytes(struct action *a)
{
	static const char word[] = "SFS-BENCH-";
	struct stat st;

	if (open_kept(a, O_RDONLY) || fstat(a->fd, &st))
		return -1;
	a->size = (size_t)st.st_size;
	a->bytes = malloc(a->size + 1);
	if (!a->bytes || read(a->fd, a->bytes, a->size) != (ssize_t)a->size)
		return -1;
	a->mark = memmem(a->bytes, a->size, word, sizeof(word) - 1);
	if (a->mark)
		a->mark += sizeof(word) - 1;
	return 0;
}

static int prepare(struct action *a, char *text)
{
	char *kind = strsep(&text, "|");

	a->what = strsep(&text, "|");
	a->more = strsep(&text, "|");
	a->size = a->more ? strlen(a->more) : 0;
	errno = EINVAL;
	if (!a->what)
		return -1;
	if (!strcmp(kind, "spawn"))
		return a->once = spawn_once, 0;
	if (!strcmp(kind, "read"))
		return a->once = read_once, open_kept(a, O_RDONLY);
	if (!a->more)
		return -1;
	if (!strcmp(kind, "write"))
		return a->once = write_once, open_kept(a, O_WRONLY);
	if (!strcmp(kind, "openwrite"))
		return a->once = openwrite_once, 0;
	if (!strcmp(kind, "copy"))
		return a->once = copy_once, load_bytes(a);
	return -1;
}

static double timed(struct action *a)
{
	double begin = now_us();

	if (a->once(a)) {
		perror(a->what);
		exit(1);
	}
	return now_us() - begin;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, unsigned n)
{
	qsort(values, n, sizeof(*values), by_value);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

int main(int argc, char **argv)
{
	static double first[PAIRS_MAX], second[PAIRS_MAX], ratio[PAIRS_MAX];
	struct action a = { .fd = -1 }, b = { .fd = -1 };
	double best[3] = { 0 };
	unsigned pairs = argc == 6 ? (unsigned)atoi(argv[2]) : 0;
	cpu_set_t set;

	if (!pairs || pairs > PAIRS_MAX || prepare(&a, argv[4]) || prepare(&b, argv[5])) {
		fprintf(stderr, "pairs CORE PAIRS SERIES ACTION ACTION: %s\n", strerror(errno));
		return 2;
	}
	CPU_ZERO(&set);
	if (atoi(argv[1]) >= 0) {
		CPU_SET(atoi(argv[1]), &set);
		sched_setaffinity(0, sizeof(set), &set);
	}
	for (int series = 0; series < atoi(argv[3]); series++) {
		for (int i = 0; i < WARMUP; i++)
			timed(&a), timed(&b);
		for (unsigned i = 0; i < pairs; i++) {
			first[i] = timed(&a);
			second[i] = timed(&b);
			ratio[i] = first[i] / second[i];
		}
		if (series == 0 || median(ratio, pairs) < best[0]) {
			best[0] = median(ratio, pairs);
			best[1] = median(first, pairs);
			best[2] = median(second, pairs);
		}
	}
	printf("%.3f %.2f %.2f\n", best[0], best[1], best[2]);
	return 0;
}
