/* SPDX-License-Identifier: MIT */
/*
 * What tests of blanks share: a guard that is asked what it sees, and a launcher's part in making a rocker.
 *
 * Control groups and profiles of system calls are others' business: here there are none of the first, and of the second one
 * that allows all and one that reports acct(2).
 */
#ifndef ROCKER_MAKE_H
#define ROCKER_MAKE_H

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "jail_rocker.h"
#include "jailed/guard.h"

#define NOBODY	  65534
#define GUARD_ID  2000001
#define JOB_ID	  2000002
#define SERVER_ID 2000003
#define ANSWER_MS check_patient(20000)

static struct jail_env jail;
static struct rocker_env env;
static struct jail_helper probe;
static const char *role;
static int leaf = -1;
static int build_netns = -1; /* what a build joins */

/* ---- in place of others' parts --------------------------------------------------------------------- */

unsigned __attribute__((weak)) seccomp_profile_count(void)
{
	return 2;
}

const char *__attribute__((weak)) seccomp_profile_name(unsigned number)
{
	return number ? "reports" : "allows";
}

int __attribute__((weak)) seccomp_profile_find(const char *name)
{
	(void)name;
	return 0;
}

int __attribute__((weak)) seccomp_profile_build(unsigned number, struct sock_fprog *out)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_acct, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	*out = number ? (struct sock_fprog){ 4, code } : (struct sock_fprog){ 1, code + 3 };
	return 0;
}

int __attribute__((weak)) seccomp_profile_install(const struct sock_fprog *program, bool listener)
{
	bool wanted = listener && program->len > 1;
	long rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, wanted ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0, program);

	return rc < 0 ? -errno : wanted ? (int)rc : -1;
}

int __attribute__((weak)) rocker_group_clone_dir(const struct rocker_groups *groups, const struct rocker_group *group)
{
	(void)groups, (void)group;
	return -1;
}

int __attribute__((weak)) rocker_group_enter(const struct rocker_groups *groups, const struct rocker_group *group, bool cloned)
{
	(void)groups, (void)group, (void)cloned;
	return 0;
}

/* ---- one rocker -------------------------------------------------------------------------------------- */

struct one {
	pid_t pid;
	int pidfd, control, report;
	pid_t server; /* of its image; 0: none */
	int hidden_control; /* what its blank has, until it is spawned */
	struct rocker_report said; /* err 0: the guard was reached */
};

static uint32_t guard_id(void)
{
	return jail.root ? GUARD_ID : geteuid();
}

static uint32_t job_id(void)
{
	return jail.root ? JOB_ID : geteuid();
}

static void begin_with(struct one *one, int netns)
{
	int pair[2], tube[2];

	memset(one, 0, sizeof *one);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) || pipe2(tube, O_CLOEXEC))
		abort();
	one->control = pair[0];
	one->report = tube[0];
	struct blank_spec spec = { .netns = netns, .control = pair[1], .report = tube[1] };
	one->pid = blank_spawn(&env, &spec, &one->pidfd);
	close(pair[1]);
	close(tube[1]);
	CHECK_MSG(one->pid > 0, "blank: %s", strerror(-one->pid));
}

static void begin(struct one *one)
{
	begin_with(one, -1);
}

/* What the pipe says until its end; err 0: nothing. */
static struct rocker_report hear_report(int fd)
{
	struct rocker_report said = { 0 };
	struct pollfd p = { fd, POLLIN, 0 };

	if (poll(&p, 1, ANSWER_MS) != 1)
		said.err = -ETIMEDOUT;
	else if (read(fd, &said, sizeof said) == 0)
		said.err = 0;
	close(fd);
	return said;
}

static int spawn_server(struct one *one)
{
	static const struct rocker_groups groups = { .dirs = { -1, -1, -1, -1, -1, -1, -1 } };
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		abort();
	struct server_spec spec = { .uid = jail.root ? SERVER_ID : geteuid(),
				    .gid = jail.root ? SERVER_ID : getegid(),
				    .groups = &groups,
				    .socket = ends[1] };
	one->server = server_spawn(&env, &spec);
	CHECK_MSG(one->server > 0, "server: %s", strerror(-one->server));
	close(ends[1]);
	return ends[0];
}

static struct rocker_report open_for(struct one *one, const struct rocker_plan *plan, unsigned opener, bool check_only)
{
	bool packs = one && !check_only && plan->package && plan->package_opener == opener;
	struct rocker_report said = { 0 };
	int tube[2], pidfd = -1, status = 0;

	if (pipe2(tube, O_CLOEXEC))
		abort();
	struct opener_spec spec = { .plan = plan, .opener = opener, .job_uid = plan->uid, .job_gid = plan->gid,
				    .control = one ? one->control : -1, .report = tube[1], .server = -1, .check_only = check_only };

	if (packs)
		spec.server = spawn_server(one);
	pid_t pid = opener_spawn(&env, &spec, &pidfd);
	close(tube[1]);
	if (packs)
		close(spec.server);
	if (pid < 0) {
		close(tube[0]);
		said.err = pid;
		return said;
	}
	said = hear_report(tube[0]);
	close(pidfd);
	waitpid(pid, &status, 0);
	CHECK_MSG((status == 0) == (said.err == 0), "opener: status %#x, report %d", status, said.err);
	return said;
}

static void order_build(struct one *one, const struct rocker_plan *plan)
{
	struct blank_order order = { .plan = plan, .guard_uid = guard_id(), .guard_gid = guard_id(), .user_ns = leaf,
				     .netns = build_netns, .name = "guard-of-test" };
	int err = blank_build(one->control, &order);

	CHECK_MSG(err == 0, "blank_build: %s", strerror(-err));
}

/* true: its guard answers. */
static bool build(struct one *one, const struct rocker_plan *plan)
{
	for (unsigned i = 0; i < plan->nopeners && !one->said.err; i++)
		one->said = open_for(one, plan, i, false);
	if (one->said.err)
		return false;
	order_build(one, plan);
	one->said = hear_report(one->report);
	one->report = -1;
	return !one->said.err;
}

/* The errno that the answer begins with; -1: none. text_out may be NULL. */
__attribute__((format(printf, 3, 4))) static int ask(struct one *one, char *text_out, const char *format, ...)
{
	static char line[5000], answer[61000];
	struct pollfd p = { one->control, POLLIN, 0 };
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	if (send(one->control, line, strlen(line), MSG_NOSIGNAL) < 0 || poll(&p, 1, ANSWER_MS) != 1)
		return -1;
	ssize_t n = recv(one->control, answer, sizeof answer - 1, 0);
	if (n <= 0)
		return -1;
	answer[n] = '\0';
	char *end;
	int err = (int)strtol(answer, &end, 10);
	if (text_out)
		strcpy(text_out, *end ? end + 1 : end);
	return err;
}

static char told[61000]; /* of the last ask() that wanted it */

#define ASK(one, err, ...)                                                                                             \
	do {                                                                                                           \
		int ask_got = ask(one, told, __VA_ARGS__);                                                              \
		CHECK_MSG(ask_got == (err), "%s: %d (%s), not %d: %.300s", #__VA_ARGS__, ask_got, strerror(ask_got), err, told); \
	} while (0)

static void end(struct one *one)
{
	int status;

	close(one->control);
	if (one->report >= 0)
		close(one->report);
	if (one->pid > 0) {
		CHECK_MSG(waitpid(one->pid, &status, 0) == one->pid, "no child");
		close(one->pidfd);
	}
	if (one->server > 0) /* the end of its mount ends it */
		CHECK_MSG(waitpid(one->server, &status, 0) == one->server, "no server");
}

/* ---- roles ------------------------------------------------------------------------------------------- */

/* Compiles a file that stands beside this one; false where there is no static libc or compiler. */
static bool build_probe(void)
{
	char dir[] = "/tmp/rocker-probe-XXXXXX", here[PATH_MAX], command[3 * PATH_MAX], file[64];
	struct stat st;

	if (!realpath(__FILE__, here) || !mkdtemp(dir))
		return false;
	*strrchr(here, '/') = '\0';
	snprintf(file, sizeof file, "%s/probe", dir);
	snprintf(command, sizeof command, "gcc -std=gnu17 -O1 -w -D_GNU_SOURCE -static -x c %s/rocker_probe.c.inc -o %s", here, file);
	if (system(command))
		return false;
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		return false;
	void *bytes = malloc((size_t)st.st_size);
	bool whole = bytes && read(fd, bytes, (size_t)st.st_size) == st.st_size;
	close(fd);
	unlink(file);
	rmdir(dir);
	probe = (struct jail_helper){ bytes, (size_t)st.st_size };
	return whole;
}

static int in_role(const char *name, void (*tests)(void))
{
	const struct jail_helper none[2] = { { 0 }, { 0 } };

	role = name;
	if (strcmp(role, "root") == 0) {
		if (setgroups(1, (const gid_t[]){ 4242 }))
			return 1;
	} else if (!geteuid() && (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
				  setresuid(NOBODY, NOBODY, NOBODY) || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))) {
		return 1;
	}
	int err = jail_start(&jail, none);
	err = err ?: rocker_env_start(&env, &jail, &probe, "");
	if (!err) {
		const struct leaf_ids ids = { guard_id(), guard_id(), job_id(), job_id(), job_id(), job_id() };
		leaf = leaf_make(&jail, &ids);
		err = leaf < 0 ? leaf : 0;
	}
	if (err) {
		printf("not ok start_as_%s: %s\n", role, strerror(-err));
		return 1;
	}
	tests();
	fflush(stdout);
	return check_done();
}

__attribute__((unused)) static void named_run(const char *name, void (*test)(void))
{
	char whole[128];

	snprintf(whole, sizeof whole, "%s_as_%s", name, role);
	check_run(whole, test);
}

#define RUN_AS_ROLE(test) named_run(#test, test)

/* Both roles when started by root, else only the user's own. */
static int rocker_as(void (*tests)(void))
{
	static const char *const roles[] = { "root", "nobody" };
	int failed = 0;

	if (!build_probe()) {
		printf("skip rockers: no compiler or static libc for the guard\n");
		return 0;
	}
	if (geteuid())
		return in_role("user", tests);
	for (int i = 0; i < 2; i++) {
		int status;
		fflush(stdout);
		pid_t pid = fork();
		if (!pid)
			exit(in_role(roles[i], tests));
		waitpid(pid, &status, 0);
		if (status) {
			printf("not ok rockers_as_%s: status %#x\n", roles[i], status);
			failed = 1;
		}
	}
	free((void *)probe.bytes);
	return failed;
}

#endif
