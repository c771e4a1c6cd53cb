/* SPDX-License-Identifier: MIT */
/* The log of the daemon and the two clocks that everything else is given. */
#include "log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_MAX 1024

static atomic_bool use_syslog;

void log_to_syslog(void)
{
	openlog("sandboxfs", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	atomic_store(&use_syslog, true);
}

void log_silence(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	if (null > STDERR_FILENO)
		close(null);
}

static void log_stderr(enum sfs_level level, const char *text)
{
	static const char *const names[] = { "debug", "info", "warning", "error" };
	char line[LOG_LINE_MAX + 64];
	int size = snprintf(line, sizeof(line), "sandboxfs: %s: %s\n", names[level], text);

	/* One write, so that lines of several processes do not mix. */
	if (size > 0 && write(STDERR_FILENO, line, (size_t)size) < 0)
		return;
}

void sfs_log(enum sfs_level level, const char *format, ...)
{
	static const int priorities[] = { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERR };
	char text[LOG_LINE_MAX];
	va_list args;

	if (level == SFS_DEBUG)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (atomic_load(&use_syslog))
		syslog(priorities[level], "%s", text);
	else
		log_stderr(level, text);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t sfs_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t sfs_wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}
