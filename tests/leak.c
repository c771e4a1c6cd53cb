/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into a daemon, it forgets one memfd in a hundred: the soak has to notice, else it notices nothing.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

int memfd_create(const char *name, unsigned flags)
{
	static atomic_uint calls;
	int (*real)(const char *, unsigned) = (int (*)(const char *, unsigned))dlsym(RTLD_NEXT, "memfd_create");
	int fd = real(name, flags);

	if (fd >= 0 && atomic_fetch_add(&calls, 1) % 100 == 99)
		(void)dup(fd);
	return fd;
}
