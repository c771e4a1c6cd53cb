/* SPDX-License-Identifier: MIT */
/*
 * Why something failed: the sentence of each thread, and the log in the directory that
 * ROCKER_LOG_ROOT_DIR names.
 *
 * A log file is begun with the first failure and again after LOG_LINES of them; without the variable
 * nothing is written anywhere. A log that cannot be written is nobody's failure.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rocker_client.h"

#define LOG_LINES 10000

static _Thread_local char sentence[512];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;    /* lock */
static unsigned log_lines; /* lock */
static pid_t log_pid;      /* lock: a forked process begins a file of its own */

static void log_open(const char *folder, const struct tm *now)
{
	char path[PATH_MAX];

	if (log_fd >= 0 && log_pid == getpid() && log_lines < LOG_LINES)
		return;
	client_close(&log_fd);
	log_lines = 0;
	log_pid = getpid();
	for (int i = 0; i < 100 && log_fd < 0; i++) {
		char again[16] = "";

		if (i)
			snprintf(again, sizeof(again), ".%d", i);
		snprintf(path, sizeof(path), "%s/librocker_client_log_%d [%d-%d-%d %d:%d:%d]%s", folder, (int)log_pid,
			 now->tm_year + 1900, now->tm_mon + 1, now->tm_mday, now->tm_hour, now->tm_min, now->tm_sec, again);
		log_fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (log_fd < 0 && errno != EEXIST)
			return;
	}
}

static void log_line(ROCKER_ERR err)
{
	const char *folder = secure_getenv("ROCKER_LOG_ROOT_DIR");
	time_t seconds = time(NULL);
	struct tm now;

	if (!folder || !localtime_r(&seconds, &now))
		return;
	pthread_mutex_lock(&lock);
	log_open(folder, &now);
	if (log_fd >= 0) {
		dprintf(log_fd, "[ %d-%d-%d %d:%d:%d ] error %d: %s\n", now.tm_year + 1900, now.tm_mon + 1, now.tm_mday, now.tm_hour,
			now.tm_min, now.tm_sec, (int)err, sentence);
		log_lines++;
	}
	pthread_mutex_unlock(&lock);
}

ROCKER_ERR client_fail(ROCKER_ERR err, const char *format, ...)
{
	int saved = errno;
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	for (char *p = sentence; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = ' ';
	log_line(err);
	errno = saved;
	return err;
}

void client_succeed(void)
{
	sentence[0] = '\0';
}

const char *ROCKER_error(void)
{
	return sentence;
}
