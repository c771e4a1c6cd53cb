/* SPDX-License-Identifier: MIT */
/* From the count of all that run on the machine, against the processors that this thread may use. */
#include "rocker_idle.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int load = -1; /* /proc/loadavg; set while one thread alone runs */

void rocker_idle_start(void)
{
	load = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
}

void rocker_idle_stop(void)
{
	if (load >= 0)
		close(load);
	load = -1;
}

static unsigned long processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 0 : (unsigned long)CPU_COUNT(&set);
}

/* "0.20 0.18 0.12 RUN/ALL PID": proc_loadavg(5). 0: not known. */
static unsigned long running(void)
{
	char text[128];
	ssize_t got = pread(load, text, sizeof(text) - 1, 0);
	const char *at;

	if (got <= 0)
		return 0;
	text[got] = 0;
	at = strchr(text, '/');
	while (at && at > text && at[-1] != ' ')
		at--;
	return at ? strtoul(at, NULL, 10) : 0;
}

bool rocker_idle_possible(void)
{
	return load >= 0 && processors() > 1;
}

bool rocker_idle(void)
{
	unsigned long run = running();

	return run && run <= processors();
}
