/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into a daemon, it forgets one memfd in a hundred, and a block of sixteen bytes in a thousand runs, as SFS_LEAK says:
 * the soak has to notice, else it notices nothing.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMFDS 100
#define RUNS   1000
#define BYTES  16

static bool leaks(const char *what)
{
	const char *wanted = getenv("SFS_LEAK");

	return wanted && strstr(wanted, what);
}

/* True once in so many calls. */
static bool turn(atomic_uint *calls, unsigned every)
{
	return atomic_fetch_add(calls, 1) % every == every - 1;
}

/* Each run with other parameters makes a memfd of that name. */
static void run_begins(void)
{
	static atomic_uint calls;
	static void *volatile forgotten;

	if (leaks("memory") && turn(&calls, RUNS))
		forgotten = malloc(BYTES);
	(void)forgotten;
}

int memfd_create(const char *name, unsigned flags)
{
	static atomic_uint calls;
	int (*real)(const char *, unsigned) = (int (*)(const char *, unsigned))dlsym(RTLD_NEXT, "memfd_create");
	int fd = real(name, flags);

	if (fd >= 0 && leaks("descriptors") && turn(&calls, MEMFDS))
		(void)dup(fd);
	if (!strcmp(name, "arena"))
		run_begins();
	return fd;
}
