/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into a daemon, it forgets one memfd in a hundred or one block of memory in a thousand runs, as SFS_LEAK says: the soak
 * has to notice, else it notices nothing.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEMFDS 100
#define FREES  100000 /* of a thousand runs and the loads for them */

static bool leaks(const char *what)
{
	const char *wanted = getenv("SFS_LEAK");

	return wanted && !strcmp(wanted, what);
}

int memfd_create(const char *name, unsigned flags)
{
	static atomic_uint calls;
	int (*real)(const char *, unsigned) = (int (*)(const char *, unsigned))dlsym(RTLD_NEXT, "memfd_create");
	int fd = real(name, flags);

	if (fd >= 0 && leaks("descriptors") && atomic_fetch_add(&calls, 1) % MEMFDS == MEMFDS - 1)
		(void)dup(fd);
	return fd;
}

void free(void *block)
{
	static atomic_uint calls;
	static void (*_Atomic real)(void *);

	if (!real)
		real = (void (*)(void *))dlsym(RTLD_NEXT, "free");
	if (!block || !leaks("memory") || atomic_fetch_add(&calls, 1) % FREES != FREES - 1)
		real(block);
}
