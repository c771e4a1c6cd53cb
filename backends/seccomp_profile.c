/* SPDX-License-Identifier: MIT */
/* The named profiles of rockers: finding them, and putting one on. */
#include "seccomp_profile.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "seccomp_profile_own.h"

#define PROFILES_MAX 16

/* Read once, when one is first asked about, and constant then. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static unsigned count;
static struct profile profiles[PROFILES_MAX];
static int errors[PROFILES_MAX];

static void read_all(void)
{
	char why[160];

	for (; count < PROFILES_MAX && shipped_profiles[count].name; count++)
		errors[count] = profile_parse(shipped_profiles[count].text, &profiles[count], why,
					      sizeof why);
}

static const struct profile *profile_of(unsigned number)
{
	(void)pthread_once(&once, read_all);
	return number < count && !errors[number] ? &profiles[number] : NULL;
}

unsigned seccomp_profile_count(void)
{
	(void)pthread_once(&once, read_all);
	return count;
}

const char *seccomp_profile_name(unsigned number)
{
	return number < seccomp_profile_count() ? shipped_profiles[number].name : "";
}

const char *seccomp_profile_help(unsigned number)
{
	const struct profile *profile = profile_of(number);

	return profile ? profile->help : "";
}

int seccomp_profile_find(const char *name)
{
	for (unsigned i = 0; i < seccomp_profile_count(); i++)
		if (!strcmp(shipped_profiles[i].name, name))
			return (int)i;
	return -1;
}

bool seccomp_profile_kills(unsigned number)
{
	const struct profile *profile = profile_of(number);

	return profile && profile->kills;
}

int seccomp_profile_errno(unsigned number, int nr)
{
	const struct profile *profile = profile_of(number);

	if (!profile || nr < 0 || nr >= PROFILE_CALLS)
		return EPERM;
	return profile->classes[nr] == PROFILE_ABSENT ? ENOSYS : EPERM;
}

int seccomp_profile_build(unsigned number, struct sock_fprog *out)
{
	const struct profile *profile = profile_of(number);

	return profile ? profile_compile(profile, out) : -EINVAL;
}

/* Puts that action in the place of the listener's answer. */
static void answer_unheard(struct sock_filter *code, unsigned len, uint32_t action)
{
	for (unsigned i = 0; i < len; i++)
		if (code[i].code == (BPF_RET | BPF_K) && code[i].k == SECCOMP_RET_USER_NOTIF)
			code[i].k = action;
}

int seccomp_profile_build_unheard(unsigned number, struct sock_fprog *out)
{
	int err = seccomp_profile_build(number, out);

	if (!err)
		answer_unheard(out->filter, out->len,
			       seccomp_profile_kills(number) ? SECCOMP_RET_KILL_PROCESS :
							       SECCOMP_RET_ERRNO | EPERM);
	return err;
}

/*
 * Without a listener the kernel would answer ENOSYS for what is to be reported; refused calls are EPERM
 * then. The copy lies on the stack, since this may run between a fork and an exec.
 */
static int install_unheard(const struct sock_fprog *program)
{
	struct sock_filter code[BPF_MAXINSNS];
	const struct sock_fprog copy = { program->len, code };

	if (program->len > BPF_MAXINSNS)
		return -E2BIG;
	memcpy(code, program->filter, program->len * sizeof *code);
	answer_unheard(code, copy.len, SECCOMP_RET_ERRNO | EPERM);
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &copy) ? -errno : -1;
}

int seccomp_profile_install(const struct sock_fprog *program, bool listener)
{
	long fd;

	if (!listener)
		return install_unheard(program);
	fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
		     program);
	/* EINVAL: an old kernel; EBUSY: a filter that we live under has a listener already. */
	if (fd < 0 && (errno == EINVAL || errno == EBUSY))
		return install_unheard(program);
	return fd < 0 ? -errno : (int)fd;
}
