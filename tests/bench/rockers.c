/* SPDX-License-Identifier: MIT */
/*
 * What rockers cost beside a bare spawn of the same program: rockers ROUNDS FOLDER PROGRAM TEMPLATE LOOPBACK
 * [NAME|COMMAND...].
 *
 * FOLDER is rockers/ of a mount in which "ready" is a rocker that has PROGRAM's folder at /t, TEMPLATE makes such ones,
 * and LOOPBACK such that have a network namespace of their own. Every round does each thing once, the spawn first and
 * last, so that all see the same moment of the machine; the other commands (their words separated by '|') are sandboxes
 * that run PROGRAM. A line for each thing: its name, the median of the ratios to that round's spawn, the median in
 * microseconds. At last rockers are made and removed without any pause: a line with a name, and how many in a second.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 2000
#define PEERS_MAX  4
#define WORDS_MAX  32
#define WARMUP     10
#define REST_US    5000 /* between two users: what is made ahead is made then; see the rates for who never rests */
#define SUSTAINED  500 /* made and removed without a pause */

enum thing {
	SPAWN,
	RUN,
	MAKE,
	UNTIL_READY,
	REMOVE,
	MAKE_NET,
	WHOLE,
	PEERS,
	THINGS = PEERS + PEERS_MAX
};

static const char *const names[PEERS] = {
	"spawn",
	"run in a ready rocker",
	"mkdir",
	"mkdir until it is ready",
	"rmdir",
	"mkdir with its own network namespace",
	"mkdir, run, rmdir of a template's",
};
static const char *folder, *program, *template, *loopback;
static char *peers[PEERS_MAX][WORDS_MAX];
static const char *peer_names[PEERS_MAX];
static unsigned npeers;
static int ready_run;
static char line[300]; /* that runs the program */
static double times[THINGS][ROUNDS_MAX], ratios[THINGS][ROUNDS_MAX];

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void must(int bad, const char *what)
{
	if (!bad)
		return;
	perror(what);
	exit(1);
}

static double spawn(char *const argv[])
{
	char *const env[] = { "PATH=/usr/bin:/bin:/usr/sbin:/sbin", NULL };
	double begin = now_us();
	int status;
	pid_t pid;

	errno = posix_spawn(&pid, argv[0], NULL, NULL, argv, env);
	must(errno || waitpid(pid, &status, 0) != pid || status, argv[0]);
	return now_us() - begin;
}

static double run_ready(void)
{
	double begin = now_us();

	must(write(ready_run, line, strlen(line)) < 0, "run");
	return now_us() - begin;
}

static void at(const char *name, const char *file, char path[4096])
{
	snprintf(path, 4096, "%s/%s%s", folder, name, file);
}

/* Looks without sleeping: what it costs is known by then to a command that waits. */
static void until_ready(const char *name)
{
	char path[4096], word[64];

	at(name, "/state", path);
	for (double end = now_us() + 1e7; now_us() < end;) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = read(fd, word, sizeof(word));

		close(fd);
		if (n > 4 && !strncmp(word, "ready", 5))
			return;
		must(n < 0, path);
	}
	errno = ETIMEDOUT;
	must(1, path);
}

static void make_and_remove(unsigned round)
{
	char path[4096];
	double begin = now_us();

	at("made", "", path);
	must(mkdir(path, 0755), path);
	times[MAKE][round] = now_us() - begin;
	until_ready("made");
	times[UNTIL_READY][round] = now_us() - begin;
	usleep(REST_US); /* the pool fills up again, as it would between two users */
	begin = now_us();
	must(rmdir(path), path);
	times[REMOVE][round] = now_us() - begin;
}

static double make_with_network(void)
{
	char name[300], path[4096];
	double begin, took;

	snprintf(name, sizeof(name), "%s@net", loopback);
	at(name, "", path);
	begin = now_us();
	must(mkdir(path, 0755), path);
	took = now_us() - begin;
	until_ready(name);
	must(rmdir(path), path);
	return took;
}

static double whole(void)
{
	char path[4096], run[4200];
	double begin = now_us();
	int fd;

	snprintf(path, sizeof(path), "%s/%s@whole", folder, template);
	must(mkdir(path, 0755), path);
	snprintf(run, sizeof(run), "%s/run", path);
	fd = open(run, O_WRONLY | O_CLOEXEC);
	must(fd < 0 || write(fd, line, strlen(line)) < 0, run);
	close(fd);
	must(rmdir(path), path);
	return now_us() - begin;
}

/* How many a second, without a pause, so that what is left behind the answers counts; the unused are gone before it begins. */
static double sustained(bool used)
{
	char path[4096];
	double begin = now_us();

	at("made", "", path);
	for (int i = 0; i < SUSTAINED; i++)
		if (used)
			(void)whole();
		else
			must(mkdir(path, 0755) || rmdir(path), path);
	return SUSTAINED / (now_us() - begin) * 1e6;
}

/* One after which all that was made ahead is there again. */
static void do_one(unsigned round, unsigned thing)
{
	char *const bare[] = { (char *)program, NULL };

	usleep(REST_US);
	if (thing == SPAWN)
		times[SPAWN][round] = spawn(bare);
	else if (thing == RUN)
		times[RUN][round] = run_ready();
	else if (thing == MAKE)
		make_and_remove(round);
	else if (thing == MAKE_NET)
		times[MAKE_NET][round] = make_with_network();
	else if (thing == WHOLE)
		times[WHOLE][round] = whole();
	else
		times[thing][round] = spawn(peers[thing - PEERS]);
}

/* Each comes after each of the others as often: none finds the caches warmer than another for where it stands. */
static void play(unsigned round)
{
	unsigned order[THINGS] = { SPAWN, RUN, MAKE, MAKE_NET, WHOLE }, n = 5;

	for (unsigned i = 0; i < npeers; i++)
		order[n++] = PEERS + i;
	for (unsigned i = n - 1; i > 0; i--) {
		unsigned other = (unsigned)rand() % (i + 1), thing = order[i];

		order[i] = order[other];
		order[other] = thing;
	}
	for (unsigned i = 0; i < n; i++)
		do_one(round, order[i]);
	for (int t = 0; t < THINGS; t++)
		ratios[t][round] = times[t][round] / times[SPAWN][round];
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

static void add_peer(char *text)
{
	unsigned n = 0;

	peer_names[npeers] = strsep(&text, "|");
	while (text && n < WORDS_MAX - 1)
		peers[npeers][n++] = strsep(&text, "|");
	npeers += n > 0;
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 5 && strchr(argv[3], '/') ? (unsigned)atoi(argv[1]) : 0;
	char path[4096];

	if (!rounds || rounds + WARMUP > ROUNDS_MAX) {
		fprintf(stderr,
			"rockers ROUNDS FOLDER PROGRAM TEMPLATE LOOPBACK [NAME|COMMAND...]\n");
		return 2;
	}
	folder = argv[2];
	program = argv[3];
	template = argv[4];
	loopback = argv[5];
	snprintf(line, sizeof(line), "/t/%s\n", strrchr(program, '/') + 1);
	for (int i = 6; i < argc && npeers < PEERS_MAX; i++)
		add_peer(argv[i]);
	at("ready", "/run", path);
	ready_run = open(path, O_RDWR | O_CLOEXEC);
	must(ready_run < 0, path);
	for (unsigned i = 0; i < WARMUP; i++)
		play(i);
	for (unsigned i = 0; i < rounds; i++)
		play(i);
	for (unsigned t = 0; t < PEERS + npeers; t++)
		printf("%s|%.3f|%.1f\n", t < PEERS ? names[t] : peer_names[t - PEERS],
		       median(ratios[t], rounds), median(times[t], rounds));
	printf("mkdir, run, rmdir without a pause|%.0f\n", sustained(true));
	printf("mkdir, rmdir without a pause|%.0f\n", sustained(false));
	return 0;
}
