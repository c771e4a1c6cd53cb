/* SPDX-License-Identifier: MIT */
/* single-threaded */
/* deadline: 300 */
/*
 * librocker_client with callers of all kinds: that call it a thousand times, have closed what others have open, hold or
 * ignore signals, wait for their children elsewhere, or are interrupted all the time. As root; nobody else can enter.
 */
#include <sys/resource.h>
#include <sys/time.h>

#include "client_request.h"

#ifdef __SANITIZE_ADDRESS__ /* a fork takes long then */
#define ENTERED_OFTEN 200
#else
#define ENTERED_OFTEN 1000
#endif

static volatile int *shared; /* between the app and the test */

static unsigned open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count;
}

static RockerResult enter_with(int (*app)(void *))
{
	RockerRequest req = request();

	return ROCKER_enter_rocker(&req, app, NULL);
}

static void enter_and_wait(int (*app)(void *))
{
	RockerResult result = enter_with(app);

	CHECK_STR(ROCKER_error(), "");
	CHECK_INT(result.err_no, ROCKER_ERR_success);
	if (result.app_pid > 0)
		CHECK_INT(status_of(result.app_pid), 0);
	CHECK_INT(ROCKER_remove(&result), 0);
}

/* Of each third one the app cannot be begun. */
static void nothing_is_left_of_many(void)
{
	unsigned before;

	if (!can_hold())
		return;
	fake_start();
	enter_and_wait(nothing);
	before = open_descriptors();
	for (int i = 0; i < ENTERED_OFTEN; i++) {
		fake.filter_size = i % 3 ? sizeof(fake_filter) : sizeof(fake_filter[0]);
		if (i % 3)
			enter_and_wait(nothing);
		else
			CHECK_INT(enter().err_no, ROCKER_ERR_app_exec_failed);
	}
	CHECK_INT(open_descriptors(), before);
	CHECK_INT(fake_rockers(), 0);
	CHECK_INT(waitpid(-1, NULL, WNOHANG), 0); /* the guard, which lives */
}

static int look_at_standard(void *arg)
{
	(void)arg;
	for (int fd = 0; fd < 3; fd++)
		*shared += fcntl(fd, F_GETFD) >= 0;
	return 0;
}

/* What leads in must not be there in their place. */
static void closed_standard_descriptors_stay_closed(void)
{
	int was[3];
	RockerResult result;

	if (!can_hold())
		return;
	fake_start();
	*shared = 0;
	fflush(stdout);
	for (int fd = 0; fd < 3; fd++) {
		was[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 10);
		close(fd);
	}
	result = enter_with(look_at_standard);
	for (int fd = 0; fd < 3; fd++) {
		if (was[fd] >= 0)
			dup2(was[fd], fd);
		close(was[fd]);
	}
	CHECK_STR(ROCKER_error(), "");
	REQUIRE(result.app_pid > 0);
	status_of(result.app_pid);
	CHECK_INT(*shared, 0);
}

static int look_at_kept(void *arg)
{
	*shared = fcntl(*(int *)arg, F_GETFD) >= 0;
	return 0;
}

static void kept_number_becomes_a_directory(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), root;
	RockerRequest req = request();
	RockerResult result;

	if (!can_hold())
		return;
	fake_start();
	*shared = -1;
	CHECK_INT(ROCKER_keep_fds(&fd, 1), 0);
	root = open("/", O_RDONLY | O_CLOEXEC);
	CHECK_INT(dup2(root, fd), fd);
	result = ROCKER_enter_rocker(&req, look_at_kept, &fd);
	CHECK_INT(ROCKER_keep_fds(NULL, 0), 0);
	close(root);
	close(fd);
	REQUIRE(result.app_pid > 0);
	status_of(result.app_pid);
	CHECK_INT(*shared, 0);
}

static int look_at_mask(void *arg)
{
	sigset_t now;

	sigprocmask(SIG_SETMASK, NULL, &now);
	*shared = sigismember(&now, SIGUSR1) == 1 && !sigismember(&now, SIGUSR2) && !sigismember(&now, SIGCHLD);
	return arg != NULL;
}

static void signal_mask_is_the_callers(void)
{
	sigset_t mask, was, now;

	if (!can_hold())
		return;
	fake_start();
	*shared = -1;
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigprocmask(SIG_SETMASK, &mask, &was);
	enter_and_wait(look_at_mask);
	sigprocmask(SIG_SETMASK, &was, &now);
	CHECK_INT(*shared, 1);
	CHECK(sigismember(&now, SIGUSR1) && !sigismember(&now, SIGUSR2) && !sigismember(&now, SIGTERM));
}

static void tick(int signal)
{
	(void)signal;
}

/* Without SA_RESTART, a thousand times a second. */
static void interruptions_do_no_harm(void)
{
	struct itimerval often = { { 0, 1000 }, { 0, 1000 } }, never = { { 0, 0 }, { 0, 0 } };
	struct sigaction act = { .sa_handler = tick }, was;
	RockerResult results[50];

	if (!can_hold())
		return;
	fake_start();
	sigaction(SIGALRM, &act, &was);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < 50; i++)
		results[i] = enter_with(nothing);
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &was, NULL);
	for (int i = 0; i < 50; i++) {
		CHECK_INT(results[i].err_no, ROCKER_ERR_success);
		if (results[i].app_pid > 0)
			CHECK_INT(status_of(results[i].app_pid), 0);
	}
}

static void reap_all(int signal)
{
	int saved = errno;

	(void)signal;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	errno = saved;
}

/* The kernel, or a handler, has waited for the helper before the library could. */
static void children_are_waited_for_elsewhere(void)
{
	void (*const handlers[])(int) = { SIG_IGN, reap_all };
	struct sigaction act = { .sa_flags = SA_RESTART }, was;

	if (!can_hold())
		return;
	for (int i = 0; i < 2; i++) {
		fake_start();
		act.sa_handler = handlers[i];
		sigaction(SIGCHLD, &act, &was);
		CHECK_INT(enter().err_no, ROCKER_ERR_success);
		fake.filter_size = sizeof(fake_filter[0]);
		CHECK_INT(enter().err_no, ROCKER_ERR_app_exec_failed);
		sigaction(SIGCHLD, &was, NULL);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		CHECK_INT(kill(fake.holder, 0), 0);
	}
}

static void errno_is_the_callers(void)
{
	RockerResult result;

	if (!can_hold())
		return;
	fake_start();
	errno = ENOTTY;
	result = enter();
	CHECK_INT(errno, ENOTTY);
	REQUIRE(result.app_pid > 0);
	status_of(result.app_pid);
	fake.state = "dead\n";
	errno = ENOTTY;
	CHECK_INT(enter().err_no, ROCKER_ERR_build_rocker_failed);
	CHECK_INT(errno, ENOTTY);
	CHECK_INT(ROCKER_get_guardname(INT_MAX).err_no, ROCKER_ERR_get_guardname_failed);
	CHECK_INT(errno, ENOTTY);
}

/* "There is none" and "nobody can look" are two things. */
static void what_cannot_be_looked_at_is_not_removed(void)
{
	struct rlimit was, few;
	RockerResult result;
	int rc, err;

	if (!can_hold())
		return;
	fake_start();
	result = enter();
	REQUIRE(result.app_pid > 0);
	status_of(result.app_pid);
	getrlimit(RLIMIT_NOFILE, &was);
	few = was;
	few.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &few);
	rc = ROCKER_remove(&result);
	err = errno;
	setrlimit(RLIMIT_NOFILE, &was);
	CHECK_INT(rc, -1);
	CHECK_INT(err, EMFILE);
	CHECK_HAS(ROCKER_error(), "cannot be removed");
	CHECK_INT(fake_rockers(), 1);
	CHECK_INT(ROCKER_remove(&result), 0);
	CHECK_STR(ROCKER_error(), "");
	CHECK_INT(fake_rockers(), 0);
}

static int look_at_dumpable(void *arg)
{
	*shared = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
	return arg != NULL;
}

/* It has the caller's memory: who may not look at the one may not look at the other. */
static void secrets_stay_secret(void)
{
	if (!can_hold())
		return;
	fake_start();
	enter_and_wait(look_at_dumpable);
	CHECK_INT(*shared, 1);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	enter_and_wait(look_at_dumpable);
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	CHECK(*shared != 1);
}

static void nothing_at_all(void)
{
	CHECK_INT(ROCKER_guard_pidfd(NULL), -1);
	CHECK_INT(errno, EINVAL);
	CHECK_INT(ROCKER_app_pidfd(NULL), -1);
	CHECK_INT(errno, EINVAL);
	CHECK_INT(ROCKER_remove(NULL), -1);
	CHECK_INT(errno, EINVAL);
	CHECK_INT(ROCKER_keep_fds(NULL, 0), 0);
	CHECK_INT(ROCKER_enter_rocker(NULL, NULL, NULL).err_no, ROCKER_ERR_param_invalid);
}

int main(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	request_start();
	if (geteuid() == 0)
		RUN(fake_hold);
	RUN(nothing_at_all);
	RUN(closed_standard_descriptors_stay_closed);
	RUN(kept_number_becomes_a_directory);
	RUN(signal_mask_is_the_callers);
	RUN(interruptions_do_no_harm);
	RUN(secrets_stay_secret);
	RUN(errno_is_the_callers);
	RUN(what_cannot_be_looked_at_is_not_removed);
	RUN(nothing_is_left_of_many);
	RUN(children_are_waited_for_elsewhere);
	fake_stop();
	return check_done();
}
