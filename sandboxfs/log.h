/* SPDX-License-Identifier: MIT */
/*
 * Where the daemon's log lines go: standard error in the foreground and during the start, syslog
 * afterwards.
 */
#ifndef LOG_H
#define LOG_H

#include "sandboxfs.h"

/* From now on. Without it lines go to standard error. */
void log_to_syslog(void);
/* Lets go of the terminal, or of the pipe, of whoever started the program. */
void log_silence(void);

#endif
