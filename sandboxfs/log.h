/* SPDX-License-Identifier: MIT */
/* Where the daemon's log lines go: standard error in the foreground and during the start, syslog afterwards. */
#ifndef LOG_H
#define LOG_H

#include "sandboxfs.h"

/* Called before any thread exists. Without it lines go to standard error. */
void log_to_syslog(void);

#endif
