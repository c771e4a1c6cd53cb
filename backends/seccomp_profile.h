/* SPDX-License-Identifier: MIT */
/*
 * Named system call profiles of rockers: the INI files of backends/profiles, compiled once when the
 * launcher starts.
 *
 * A profile lists what is allowed. Everything else is reported to a listener (USER_NOTIF), whose holder
 * answers; where the kernel has none it is EPERM. Only what a profile calls absent, and what is newer
 * than this program, is ENOSYS at once and reported to nobody: libraries try such calls and then do
 * without. "answer = kill" of a profile tells that holder to end
 * the job as well. Numbers of profiles are their places in the list, the same in launcher and daemon.
 */
#ifndef SECCOMP_PROFILE_H
#define SECCOMP_PROFILE_H

#include <linux/filter.h>
#include <stdbool.h>

/* As they ship; ends with { 0 }. In order of their names. */
struct shipped_profile {
	const char *name, *text;
};
extern const struct shipped_profile shipped_profiles[];

unsigned seccomp_profile_count(void);
const char *seccomp_profile_name(unsigned number);
const char *seccomp_profile_help(unsigned number); /* one line */
int seccomp_profile_find(const char *name);        /* its number, or -1 */
bool seccomp_profile_kills(unsigned number);
/* The errno that a refused call answers: EPERM, or ENOSYS for calls that the profile says so of. */
int seccomp_profile_errno(unsigned number, int nr);
/* out->filter is owned by the caller for good. 0 or -errno with nothing made. */
int seccomp_profile_build(unsigned number, struct sock_fprog *out);
/*
 * The same for a process whose calls nobody listens for: what is refused answers its errno at once, or kills the
 * process where the profile kills.
 */
int seccomp_profile_build_unheard(unsigned number, struct sock_fprog *out);
/* For the calling process; the listener's descriptor, -1: it has none, or -errno below -1. */
int seccomp_profile_install(const struct sock_fprog *program, bool listener);

#endif
