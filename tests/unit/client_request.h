/* SPDX-License-Identifier: MIT */
/*
 * A request that a fake tree fulfils, and how a failed call is judged; for tests of librocker_client.
 */
#ifndef CLIENT_REQUEST_H
#define CLIENT_REQUEST_H

#include <limits.h>

#include "client/rocker.h"
#include "client_fake.h"

static char data[128], package[128], exec_dir[128];

__attribute__((unused)) static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

static RockerRequest request(void)
{
	RockerRequest req = ROCKER_request_new();

	req.app_id = FAKE_UID;
	req.uid = FAKE_UID;
	req.gid = FAKE_UID;
	req.app_pkg_path = package;
	req.app_exec_dir = exec_dir;
	req.app_data_dir = data;
	req.app_overlay_dirs[0] = "/usr";
	return req;
}

__attribute__((unused)) static RockerResult enter(void)
{
	RockerRequest req = request();

	return ROCKER_enter_rocker(&req, nothing, NULL);
}

__attribute__((unused)) static bool can_hold(void)
{
	if (geteuid() == 0 && fake.holder > 0)
		return true;
	check_skip("namespaces can be entered by root alone");
	return false;
}

__attribute__((unused)) static int status_of(pid_t pid)
{
	int status = -1;

	CHECK_INT(waitpid(pid, &status, 0), pid);
	return status;
}

/* Such a failure, with a sentence, and pids that kill nobody. */
#define CHECK_ERR(result, expected, part)                                                                              \
	do {                                                                                                           \
		RockerResult check_r = (result);                                                                       \
		CHECK_INT(check_r.err_no, expected);                                                                   \
		CHECK_HAS(ROCKER_error(), part);                                                                       \
		CHECK_INT(kill(check_r.guard_pid, 0), -1);                                                             \
		CHECK_INT(kill(check_r.app_pid, 0), -1);                                                               \
		CHECK_INT(fake_rockers(), 0);                                                                          \
	} while (0)

static void request_start(void)
{
	fake_start();
	snprintf(package, sizeof(package), "%s/app.squashfs", fake.mount);
	snprintf(exec_dir, sizeof(exec_dir), "%s/exec/dir", fake.mount);
	snprintf(data, sizeof(data), "%s/data/dir", fake.mount);
	fake_file(fake.mount, "app.squashfs", "an image");
}

#endif
