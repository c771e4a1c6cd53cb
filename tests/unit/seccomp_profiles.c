/* SPDX-License-Identifier: MIT */
/*
 * The profiles of rockers: each compiles, and calls asked for real in a child are allowed, reported to the
 * listener, or absent, as the profile says.
 */
/* single-threaded */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "seccomp_play.h"

static void shipped(void)
{
	static const char *const names[] = { "default", "open", "strict" };
	char why[160] = "";

	REQUIRE(seccomp_profile_count() == PROFILES);
	for (unsigned i = 0; i < PROFILES; i++) {
		struct profile *profile = malloc(sizeof *profile);
		CHECK_MSG(!profile_parse(shipped_profiles[i].text, profile, why, sizeof why),
			  "%s: %s", names[i], why);
		free(profile);
		CHECK_STR(seccomp_profile_name(i), names[i]);
		CHECK_INT(seccomp_profile_find(names[i]), i);
		CHECK(*seccomp_profile_help(i));
		CHECK_INT(seccomp_profile_build(i, &programs[i]), 0);
		printf("# %s: %u instructions\n", names[i], programs[i].len);
	}
	CHECK_INT(seccomp_profile_find("nonsense"), -1);
	CHECK_INT(seccomp_profile_find(""), -1);
	CHECK(!seccomp_profile_kills(DEFAULT) && !seccomp_profile_kills(OPEN));
	CHECK(seccomp_profile_kills(STRICT));
	CHECK_INT(seccomp_profile_errno(DEFAULT, SYS_ptrace), EPERM);
	CHECK_INT(seccomp_profile_errno(DEFAULT, SYS_clone3), ENOSYS);
	CHECK_INT(seccomp_profile_errno(DEFAULT, 500), ENOSYS);
	CHECK_INT(seccomp_profile_errno(DEFAULT, -1), EPERM);
	struct sock_fprog none = { 0 };
	CHECK_INT(seccomp_profile_build(PROFILES, &none), -EINVAL);
}

static const struct {
	const char *text, *sentence;
} wrong[] = {
	{ "[allow]\na = no_such_call\n", "line 2: there is no system call 'no_such_call'" },
	{ "[allow]\na = read\n[refuse]\nb = write read\n", "line 4: 'read' is listed twice" },
	{ "[refuse]\na = ppoll\n", "the guard needs 'ppoll' as it is" },
	{ "[refuse]\na = clone\n", "the guard needs 'clone'" },
	{ "a = read\n", "line 1: no section" },
	{ "[other]\na = read\n", "unknown section 'other'" },
	{ "[a-section-of-a-long-name]\n", "is no section" },
	{ "[allow]\nread\n", "line 2: 'read' has no '='" },
	{ "[profile]\nanswer = shrug\n", "'shrug' is neither 'error' nor 'kill'" },
	{ "[profile]\nunlisted = shrug\n", "'shrug' is neither 'refuse' nor 'allow'" },
	{ "[profile]\nhelpful = x\n", "unknown key 'helpful'" },
	{ "[when]\nsocket = 0 is AF_NOTHING\n", "'AF_NOTHING' is no value" },
	{ "[when]\nsocket = 7 is 1\n", "'7' is no argument's number" },
	{ "[when]\nsocket = 0 equals 1\n", "a condition is" },
	{ "[when]\nsocket =\n", "a condition is empty" },
	{ "[when]\nsocket = 0 is 1 and\n", "a condition is empty" },
	{ "[when]\nsocket = 0 & 1 is 1 2\n", "'2' is a word too many" },
	{ "[when]\nsocket = 0 is 0x100000000\n", "is no value" },
	{ "[allow]\na = socket\n[when]\nsocket = 0 is 1\n", "'socket' is listed twice" },
	{ NULL, NULL },
};

static void wrong_texts(void)
{
	struct profile *profile = malloc(sizeof *profile);
	char why[160], longest[1024];

	for (int i = 0; wrong[i].text; i++) {
		*why = '\0';
		CHECK_INT(profile_parse(wrong[i].text, profile, why, sizeof why), -EINVAL);
		CHECK_HAS(why, wrong[i].sentence);
	}
	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	CHECK_INT(profile_parse(longest, profile, why, sizeof why), -EINVAL);
	CHECK_HAS(why, "line 1: it is too long");
	CHECK_INT(profile_parse("", profile, why, sizeof why), 0);
	CHECK_INT(profile->classes[SYS_ppoll], PROFILE_ALLOW);
	CHECK_INT(profile->classes[SYS_read], PROFILE_REFUSE);
	free(profile);
}

/* What a call is expected to come to, by profile: '+' allowed, '-' reported, '0' absent. */
struct sample {
	const char *name;
	const char *fates; /* default, open, strict */
	long nr;
	unsigned long args[5];
};

#define CALL(name, fates, ...)                                                                     \
	{                                                                                          \
#name, fates, SYS_##name,                                                          \
		{                                                                                  \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define NOBODY ((unsigned long)-1) /* a descriptor, an address or a pid that is none */
#define HIGH   0x100000000ul       /* of which the kernel takes no notice */

static const struct sample samples[] = {
	CALL(getpid, "+++", 0),
	CALL(read, "+++", NOBODY),
	CALL(openat, "+++", NOBODY, 0),
	CALL(mmap, "+++", 0, 0, 0, 0),
	CALL(futex, "+++", 0, 1),
	CALL(getrandom, "+++", 0, 0, 99),
	CALL(restart_syscall, "+++", 0),
	CALL(inotify_init1, "++-", 99),
	CALL(kill, "+++", 0, 0),
	CALL(splice, "+++", NOBODY),
	CALL(shmget, "++-", 0, 0, 0),
	CALL(io_setup, "++-", 0, 0),
	CALL(connect, "++-", NOBODY, 0, 0),
	CALL(mount, "---", 0),
	CALL(umount2, "---", 0),
	CALL(pivot_root, "---", 0),
	CALL(move_mount, "---", NOBODY, 0, NOBODY),
	CALL(open_tree, "---", NOBODY, 0, 0),
	CALL(fsopen, "---", 0),
	CALL(mount_setattr, "---", NOBODY, 0),
	CALL(chroot, "---", 0),
	CALL(setns, "---", NOBODY, 0),
	CALL(unshare, "++-", CLONE_FS),
	CALL(unshare, "---", CLONE_NEWUSER),
	CALL(unshare, "---", CLONE_NEWNET | CLONE_FS),
	CALL(clone, "---", CLONE_NEWUSER | CLONE_THREAD | SIGCHLD),
	CALL(clone, "---", CLONE_NEWPID | SIGCHLD),
	CALL(clone, "++-", CLONE_SIGHAND), /* EINVAL: without shared memory */
	CALL(clone, "+++", CLONE_THREAD),  /* EINVAL too */
	CALL(clone3, "000", 0),
	CALL(ptrace, "-+-", PTRACE_PEEKUSER, 0),
	CALL(process_vm_readv, "-+-", 0),
	CALL(process_vm_writev, "-+-", 0),
	CALL(bpf, "---", 99),
	CALL(perf_event_open, "---", 0),
	CALL(keyctl, "---", 99),
	CALL(add_key, "---", 0),
	CALL(request_key, "---", 0),
	CALL(io_uring_setup, "000", 0),
	CALL(io_uring_enter, "000", NOBODY),
	CALL(memfd_secret, "000", 99),
	CALL(userfaultfd, "---", 99),
	CALL(kexec_load, "---", 0),
	CALL(init_module, "---", 0),
	CALL(finit_module, "---", NOBODY),
	CALL(delete_module, "---", 0),
	CALL(reboot, "---", 0),
	CALL(swapon, "---", 0),
	CALL(acct, "---", NOBODY),
	CALL(quotactl, "---", NOBODY),
	CALL(open_by_handle_at, "---", NOBODY),
	CALL(name_to_handle_at, "---", NOBODY),
	CALL(fanotify_init, "---", 99),
	CALL(kcmp, "---", 0),
	CALL(pidfd_getfd, "---", NOBODY),
	CALL(pidfd_open, "+++", 0, 99),
	CALL(settimeofday, "---", 0),
	CALL(clock_settime, "---", 99),
	CALL(adjtimex, "---", 0),
	CALL(syslog, "---", 99),
	CALL(sethostname, "---", 0),
	CALL(personality, "+++", 0xffffffff),
	CALL(personality, "++-", ADDR_NO_RANDOMIZE),
	CALL(personality, "-+-", READ_IMPLIES_EXEC),
	CALL(prlimit64, "+++", 0, 99),
	CALL(prlimit64, "---", 1, RLIMIT_NOFILE),
	CALL(seccomp, "+++", SECCOMP_SET_MODE_FILTER, 0, 0),
	CALL(seccomp, "---", SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, 0),
	CALL(ioctl, "+++", NOBODY, TCGETS),
	CALL(ioctl, "---", NOBODY, TIOCSTI),
	CALL(ioctl, "---", NOBODY, TIOCSTI | HIGH),
	CALL(ioctl, "---", NOBODY, TIOCLINUX),
	CALL(ioctl, "---", NOBODY, TIOCSETD),
	CALL(ioctl, "+++", NOBODY, 0xffffffff80005412ul),
	CALL(socket, "++-", AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
	CALL(socket, "++-", AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0),
	CALL(socket, "++-", AF_INET, SOCK_STREAM, IPPROTO_TCP),
	CALL(socket, "++-", AF_INET6, SOCK_DGRAM, IPPROTO_UDP),
	CALL(socket, "++-", AF_NETLINK, SOCK_RAW, 0),
	CALL(socket, "---", AF_NETLINK, SOCK_RAW, 9 /* audit */),
	CALL(socket, "-+-", AF_INET, SOCK_RAW, IPPROTO_ICMP),
	CALL(socket, "-+-", AF_INET, SOCK_STREAM, IPPROTO_SCTP),
	CALL(socket, "---", AF_PACKET, SOCK_RAW, 0),
	CALL(socket, "---", 40 /* AF_VSOCK */, SOCK_STREAM, 0),
	CALL(socket, "---", 38 /* AF_ALG */, SOCK_SEQPACKET, 0),
	CALL(socketpair, "++-", AF_UNIX, SOCK_STREAM, 0, 0),
	CALL(mknodat, "++-", NOBODY, 0, S_IFIFO | 0600, 0),
	CALL(mknodat, "++-", NOBODY, 0, S_IFREG | 0600, 0),
	CALL(mknodat, "-+-", NOBODY, 0, S_IFCHR | 0600, 0x103),
	CALL(mknodat, "-+-", NOBODY, 0, S_IFBLK | 0600, 0x800),
	CALL(mknodat, "-+-", NOBODY, 0, S_IFCHR | 0600 | HIGH, 0x103),
#ifdef SYS_fork
	CALL(mknod, "-+-", 0, S_IFCHR | 0600, 0x103),
	CALL(iopl, "---", 0),
	CALL(ioperm, "---", 0),
	CALL(modify_ldt, "---", 99),
	{ "x32", "---", SYS_getpid | 0x40000000, { 0 } },
#endif
	{ "futex_wake", "+++", 454, { 0 } },
	{ "statmount", "-+-", 457, { 0 } },
	{ "the future", "000", 511, { 0 } },
	{ "far future", "000", 5000, { 0 } },
	{ "a negative one", "---", -1, { 0 } },
	{ NULL, NULL, 0, { 0 } },
};
#define SAMPLES (sizeof samples / sizeof *samples - 1)

/* Shared between a child and its observer. */
struct result {
	int error[SAMPLES + 1];
	long reported[SAMPLES + 1];
	volatile unsigned at;
};

static _Noreturn void ask_all(struct result *result)
{
	for (unsigned i = 0; i < SAMPLES; i++) {
		const struct sample *s = &samples[i];
		result->at = i;
		long value =
			syscall(s->nr, s->args[0], s->args[1], s->args[2], s->args[3], s->args[4]);
		result->error[i] = value == -1 ? errno : 0;
	}
	syscall(SYS_exit_group, 0);
	__builtin_unreachable();
}

static void note(const struct seccomp_notif *ask, void *arg)
{
	struct result *result = arg;

	result->reported[result->at] = ask->data.nr;
}

static void run_samples(void *arg)
{
	ask_all(arg);
}

/* Of a call that was allowed, and is harmless: does the kernel itself not have it? */
static bool unknown_here(const struct sample *s)
{
	return syscall(s->nr, s->args[0], s->args[1], s->args[2], s->args[3], s->args[4]) == -1 && errno == ENOSYS;
}

static void judge(unsigned number, const struct result *result)
{
	for (unsigned i = 0; i < SAMPLES; i++) {
		const struct sample *s = &samples[i];
		char fate = result->reported[i] != LONG_MIN ? '-'
			    : result->error[i] == ENOSYS    ? '0'
							    : '+';
		if (fate == '0' && s->fates[number] == '+' && unknown_here(s))
			continue;
		CHECK_MSG(fate == s->fates[number], "%s: %s (%lx, %lx, %lx): %c, errno %d",
			  seccomp_profile_name(number), s->name, s->args[0], s->args[1], s->args[2],
			  fate, result->error[i]);
		if (fate == '-')
			CHECK_MSG(result->reported[i] == (int)s->nr && result->error[i] == EPERM,
				  "%s: told of %ld, errno %d", s->name, result->reported[i],
				  result->error[i]);
	}
}

static void check_profile(unsigned number)
{
	struct result *result = mmap(NULL, sizeof *result, PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int listener = -1, status = -1;

	REQUIRE(result != MAP_FAILED);
	for (unsigned i = 0; i < SAMPLES; i++)
		result->reported[i] = LONG_MIN;
	pid_t pid = start(number, &listener, run_samples, result);
	REQUIRE(pid > 0 && listener >= 0);
	int answered = answer(listener, pid, note, result);
	waitpid(pid, &status, 0);
	CHECK_INT(status, 0);
	CHECK(answered > 0);
	judge(number, result);
	close(listener);
	munmap(result, sizeof *result);
}

static void default_profile(void)
{
	check_profile(DEFAULT);
}

static void open_profile(void)
{
	check_profile(OPEN);
}

static void strict_profile(void)
{
	check_profile(STRICT);
}

/* With nobody to tell, a refused call is EPERM at once; so it is below a filter that has a listener. */
static void without_listener(void)
{
	for (int below = 0; below < 2; below++) {
		int status = -1;
		fflush(stdout);
		pid_t pid = fork();
		if (!pid) {
			prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
			if (below && seccomp_profile_install(&programs[OPEN], true) < 0)
				syscall(SYS_exit_group, 1);
			/* A second listener must be asked for by this call itself. */
			if (seccomp_profile_install(&programs[DEFAULT], false) != -1)
				syscall(SYS_exit_group, 2);
			if (syscall(SYS_ptrace, PTRACE_PEEKUSER, 0, 0, 0) != -1 || errno != EPERM)
				syscall(SYS_exit_group, 3);
			if (syscall(SYS_clone3, 0, 0) != -1 || errno != ENOSYS)
				syscall(SYS_exit_group, 4);
			syscall(SYS_exit_group, 0);
		}
		waitpid(pid, &status, 0);
		CHECK_INT(status, 0);
	}
}

/* 0: it says so at once; else the signal that ends it. */
static int end_of_refused(unsigned number)
{
	struct sock_fprog program = { 0 };
	int status = -1;

	CHECK(!seccomp_profile_build_unheard(number, &program));
	CHECK_INT(program.len, programs[number].len);
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program))
			syscall(SYS_exit_group, 1);
		if (syscall(SYS_clone3, 0, 0) != -1 || errno != ENOSYS)
			syscall(SYS_exit_group, 2);
		if (syscall(SYS_keyctl, 0, 0) != -1 || errno != EPERM)
			syscall(SYS_exit_group, 3);
		syscall(SYS_exit_group, 0);
	}
	waitpid(pid, &status, 0);
	free(program.filter);
	CHECK(WIFSIGNALED(status) || !WEXITSTATUS(status));
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* The filter that is given to others answers itself, or kills where its profile does. */
static void unheard(void)
{
	struct sock_fprog none;

	CHECK_INT(end_of_refused(DEFAULT), 0);
	CHECK_INT(end_of_refused(OPEN), 0);
	CHECK_INT(end_of_refused(STRICT), SIGSYS);
	CHECK_INT(seccomp_profile_build_unheard(PROFILES, &none), -EINVAL);
}

int main(void)
{
	RUN(shipped);
	RUN(wrong_texts);
	RUN(default_profile);
	RUN(open_profile);
	RUN(strict_profile);
	RUN(without_listener);
	RUN(unheard);
	for (int i = 0; i < PROFILES; i++)
		free(programs[i].filter);
	return check_done();
}
