/* SPDX-License-Identifier: MIT */
/*
 * librocker_client in several threads at once: each has errors and kept descriptors of its own, and one log is everybody's.
 * No rocker is entered here, so that it runs under ThreadSanitizer.
 */
#include <pthread.h>

#include "client_request.h"

#define THREADS 8
#define EACH    200

struct worker {
	pthread_t thread;
	int number, wrong;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	char expected[32];

	snprintf(expected, sizeof(expected), "process %d:", -1 - w->number);
	for (int i = 0; i < EACH; i++) {
		RockerResult result = enter();

		w->wrong += result.err_no != ROCKER_ERR_gen_local_addr_failed;
		result = ROCKER_get_guardname(-1 - w->number);
		w->wrong += result.err_no != ROCKER_ERR_get_guardname_failed || !strstr(ROCKER_error(), expected);
		result = ROCKER_get_guardname(getpid());
		w->wrong += result.err_no != ROCKER_ERR_success || *ROCKER_error();
		w->wrong += ROCKER_keep_fds(&w->number, (size_t)(i % 2)) != (i % 2 && w->number > 2 ? -1 : 0);
		result.guard_pid = getpid();
		int fd = ROCKER_guard_pidfd(&result);

		w->wrong += fd < 0;
		close(fd);
		w->wrong += ROCKER_remove(&result) != 0;
	}
	return NULL;
}

static void threads_do_not_disturb_each_other(void)
{
	struct worker workers[THREADS] = { 0 };

	fake_start();
	fake.mkdir_errno = EDQUOT;
	setenv("ROCKER_LOG_ROOT_DIR", fake.mount, 1);
	for (int i = 0; i < THREADS; i++) {
		workers[i].number = i < 3 ? i : 1000 + i;
		REQUIRE(!pthread_create(&workers[i].thread, NULL, work, &workers[i]));
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		CHECK_INT(workers[i].wrong, 0);
	}
	unsetenv("ROCKER_LOG_ROOT_DIR");
	CHECK_INT(fake_rockers(), 0);
}

int main(void)
{
	request_start();
	RUN(threads_do_not_disturb_each_other);
	fake_stop();
	return check_done();
}
