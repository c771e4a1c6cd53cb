/* SPDX-License-Identifier: MIT */
/*
 * Compares the time of one action with that of others: pairs CORE ROUNDS SERIES ACTION ACTION...
 *
 * All actions of a round see the same moment of the machine, so that the median of the ratios says
 * more than the ratio of two medians. Of the series the least disturbed is the one with the least
 * ratio. A line for each action after the first: ratio of the first to it, both medians in
 * microseconds. CORE is where this program and what it starts stay, -1 for anywhere. Actions, their
 * arguments separated by '|':
 *   write|FILE|LINE       one write on a kept descriptor      openwrite|FILE|LINE  open, write, close
 *   read|FILE             one pread of all on a kept descriptor       openread|FILE  open, read, close
 *   stat|FILE             stat                                list|FOLDER   each entry of it
 *   spawn|PROGRAM         posix_spawn and wait                mkdir|FOLDER  make and remove it
 *   copy|FROM|TO          create, write, close, with fresh bytes after the word SFS-BENCH- in them
 *   make|FROM|TO          the same of a name that is not there, and unlink
 *   socket|BYTES          a round trip through a Unix socket, to a process that sends so many back
 *   http|BYTES            a GET on a kept connection to a process on this machine
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX  10000
#define ACTIONS_MAX 8
#define WARMUP      20
#define BODY_MAX    65536

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

/* A run whose claims do not hold, since the machine is busy, has been a run all the same. */
static bool written(const struct action *a, int fd)
{
	return write(fd, a->more, a->size) == (ssize_t)a->size || errno == EBADMSG;
}

static int write_once(struct action *a)
{
	return written(a, a->fd) ? 0 : -1;
}

static int openwrite_once(struct action *a)
{
	int fd = open(a->what, O_WRONLY | O_CLOEXEC);
	bool bad = fd < 0 || !written(a, fd);

	return close(fd) || bad ? -1 : 0;
}

static int read_once(struct action *a)
{
	char buf[65536];

	return pread(a->fd, buf, sizeof(buf), 0) > 0 ? 0 : -1;
}

static int openread_once(struct action *a)
{
	char buf[BODY_MAX];
	int fd = open(a->what, O_RDONLY | O_CLOEXEC);
	int bad = fd < 0 || read(fd, buf, sizeof(buf)) <= 0;

	return close(fd) || bad ? -1 : 0;
}

static int stat_once(struct action *a)
{
	struct stat st;

	return stat(a->what, &st);
}

static int list_once(struct action *a)
{
	DIR *dir = opendir(a->what);
	size_t n = 0;

	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n > 2 ? 0 : -1;
}

static int mkdir_once(struct action *a)
{
	return mkdir(a->what, 0755) ?: rmdir(a->what);
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
		memcpy(a->mark,
		       (char[9]){ (char)('a' + a->count / 676 % 26),
				  (char)('a' + a->count / 26 % 26), (char)('a' + a->count % 26) },
		       3);
	a->count++;
	fd = open(a->more, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	bad = fd < 0 || write(fd, a->bytes, a->size) != (ssize_t)a->size;
	return close(fd) || bad ? -1 : 0;
}

static int make_once(struct action *a)
{
	return copy_once(a) ?: unlink(a->more);
}

/* ---- round trips to another process ---------------------------------------------------------- */

static int round_trip(struct action *a, const char *ask, size_t ask_size, size_t answer_size)
{
	char buf[BODY_MAX + 256];
	size_t got = 0;
	ssize_t n;

	if (write(a->fd, ask, ask_size) != (ssize_t)ask_size)
		return -1;
	while (got < answer_size) {
		n = read(a->fd, buf, sizeof(buf));
		if (n <= 0)
			return -1;
		got += (size_t)n;
	}
	return 0;
}

static int socket_once(struct action *a)
{
	return round_trip(a, "x", 1, a->size);
}

static const char ask[] = "GET /kernels/call0/counters HTTP/1.1\r\nHost: localhost\r\n"
			  "Connection: keep-alive\r\nAccept: */*\r\n\r\n";

static int http_once(struct action *a)
{
	return round_trip(a, ask, sizeof(ask) - 1, a->size);
}

/* The other side: what ends with end is answered with so many bytes. */
static void serve(int fd, const char *end, const char *answer, size_t size)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf) - 1)) > 0) {
		buf[n] = '\0';
		if (strstr(buf, end) && write(fd, answer, size) != (ssize_t)size)
			break;
	}
	_exit(0);
}

static bool is_child(void)
{
	pid_t pid = fork();

	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return !pid;
}

static int begin_socket(struct action *a)
{
	static char body[BODY_MAX];
	int fds[2];

	a->size = (size_t)atoi(a->what);
	if (!a->size || a->size > BODY_MAX ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return -1;
	if (is_child())
		serve(fds[1], "x", body, a->size);
	close(fds[1]);
	a->fd = fds[0];
	return 0;
}

static void serve_http(int listener, size_t body)
{
	static char answer[BODY_MAX + 256];
	int fd = accept(listener, NULL, NULL), one = 1;
	int head = snprintf(answer, 256,
			    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
			    "Content-Length: %08zu\r\n\r\n",
			    body);

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	serve(fd, "\r\n\r\n", answer, (size_t)head + body);
}

static int begin_http(struct action *a)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	size_t body = (size_t)atoi(a->what);

	a->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!body || body > BODY_MAX || bind(listener, (struct sockaddr *)&at, length) ||
	    listen(listener, 1) || getsockname(listener, (struct sockaddr *)&at, &length))
		return -1;
	if (is_child())
		serve_http(listener, body);
	close(listener);
	setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* The length of the head that serve_http() writes. */
	a->size = body +
		  sizeof("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
			 "Content-Length: 00000000\r\n\r\n") -
		  1;
	return connect(a->fd, (struct sockaddr *)&at, length);
}

/* ---- preparing ------------------------------------------------------------------------------- */

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

static int open_reader(struct action *a)
{
	return open_kept(a, O_RDONLY);
}

static int open_writer(struct action *a)
{
	return open_kept(a, O_WRONLY);
}

static const struct kind {
	const char *name;
	int (*once)(struct action *a);
	int (*begin)(struct action *a); /* or NULL */
	bool two;                       /* arguments */
} kinds[] = { { "write", write_once, open_writer, true },
	      { "openwrite", openwrite_once, NULL, true },
	      { "read", read_once, open_reader, false },
	      { "openread", openread_once, NULL, false },
	      { "stat", stat_once, NULL, false },
	      { "list", list_once, NULL, false },
	      { "mkdir", mkdir_once, NULL, false },
	      { "spawn", spawn_once, NULL, false },
	      { "copy", copy_once, load_bytes, true },
	      { "make", make_once, load_bytes, true },
	      { "socket", socket_once, begin_socket, false },
	      { "http", http_once, begin_http, false },
	      { 0 } };

static int prepare(struct action *a, char *text)
{
	char *name = strsep(&text, "|");
	const struct kind *kind = kinds;

	a->fd = -1;
	a->what = strsep(&text, "|");
	a->more = strsep(&text, "|");
	a->size = a->more ? strlen(a->more) : 0;
	while (kind->name && strcmp(kind->name, name))
		kind++;
	errno = EINVAL;
	if (!kind->name || !a->what || (kind->two && !a->more))
		return -1;
	a->once = kind->once;
	return kind->begin ? kind->begin(a) : 0;
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

struct result {
	double ratio, first, other;
};

static void run_series(struct action *actions, unsigned n, unsigned rounds, struct result *best)
{
	static double times[ACTIONS_MAX][ROUNDS_MAX], ratios[ACTIONS_MAX][ROUNDS_MAX];
	struct result now;

	for (unsigned i = 0; i < WARMUP; i++)
		for (unsigned k = 0; k < n; k++)
			timed(&actions[k]);
	for (unsigned i = 0; i < rounds; i++)
		for (unsigned k = 0; k < n; k++) {
			times[k][i] = timed(&actions[k]);
			ratios[k][i] = times[0][i] / times[k][i];
		}
	now.first = median(times[0], rounds);
	for (unsigned k = 1; k < n; k++) {
		now.ratio = median(ratios[k], rounds);
		now.other = median(times[k], rounds);
		if (!best[k].ratio || now.ratio < best[k].ratio)
			best[k] = now;
	}
}

static void stay_on(int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

int main(int argc, char **argv)
{
	struct action actions[ACTIONS_MAX] = { 0 };
	struct result best[ACTIONS_MAX] = { 0 };
	unsigned n = argc > 5 ? (unsigned)argc - 4 : 0, rounds = n ? (unsigned)atoi(argv[2]) : 0;
	unsigned k;

	errno = EINVAL;
	if (rounds && rounds <= ROUNDS_MAX && n <= ACTIONS_MAX && atoi(argv[1]) >= 0)
		stay_on(atoi(argv[1]));
	for (k = 0; k < n && n <= ACTIONS_MAX && !prepare(&actions[k], argv[4 + k]); k++)
		;
	if (!rounds || rounds > ROUNDS_MAX || k < n) {
		fprintf(stderr, "pairs CORE ROUNDS SERIES ACTION ACTION...: %s\n", strerror(errno));
		return 2;
	}
	for (int i = 0; i < atoi(argv[3]); i++)
		run_series(actions, n, rounds, best);
	for (k = 1; k < n; k++)
		printf("%.3f %.2f %.2f\n", best[k].ratio, best[k].first, best[k].other);
	return 0;
}
