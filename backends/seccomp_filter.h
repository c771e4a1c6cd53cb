/* SPDX-License-Identifier: MIT */
/*
 * System call filters of the jails, compiled once, and the names of system calls.
 *
 * The programs are built by seccomp_build() before the first jail exists, are constant afterwards
 * and live as long as the process. seccomp_install() may be called between fork and exec: it
 * allocates nothing.
 */
#ifndef SECCOMP_SFS_H
#define SECCOMP_SFS_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Where the helper's memfd stands at the moment of execveat(2). The filters allow execveat of this
 * descriptor alone, and RLIMIT_NOFILE lies below it, so that after the exec closed it no second one
 * can ever succeed.
 */
#define SECCOMP_EXEC_FD 100

enum seccomp_profile { SECCOMP_INSPECTOR, SECCOMP_RUNNER, SECCOMP_INIT, SECCOMP_PROFILES };

/* Compiles a profile; out->filter is owned by the caller for good. 0 or -errno. */
int seccomp_build(enum seccomp_profile profile, struct sock_fprog *out);
/* For the calling process, for good; needs no_new_privs. 0 or -errno. */
int seccomp_install(const struct sock_fprog *program);
/* 0 when user notification is there, else -errno. */
int seccomp_notify_works(void);
/*
 * The name of a system call of that AUDIT_ARCH_*, "syscall_NR" for unknown ones, into buf; returns
 * buf.
 */
const char *seccomp_name(uint32_t arch, int64_t nr, char *buf, size_t size);

#endif
