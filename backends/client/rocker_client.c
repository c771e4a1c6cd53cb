/* SPDX-License-Identifier: MIT */
/*
 * The three functions of ROCKER's client library.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "rocker_client.h"

static RockerResult result_of(ROCKER_ERR err)
{
	RockerResult result = { .err_no = err, .app_pid = INT_MIN, .guard_pid = INT_MIN };

	return result;
}

/* Above 2, so that none is in the place of a standard descriptor that the caller has closed. */
static int make_pipe(int ends[2])
{
	int low[2];

	if (pipe2(low, O_CLOEXEC))
		return -1;
	for (int i = 0; i < 2; i++) {
		ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, 3);
		client_close(&low[i]);
	}
	if (ends[0] >= 0 && ends[1] >= 0)
		return 0;
	client_close(&ends[0]);
	client_close(&ends[1]);
	return -1;
}

/* Removes what has been made if the app cannot be begun in it. */
static ROCKER_ERR make_and_enter(const RockerRequest *req, struct client_entry *entry, int report, RockerResult *out)
{
	struct client_rocker rocker;
	char mount[PATH_MAX];
	ROCKER_ERR err = client_find_mount(mount, sizeof(mount));
	int pid;

	if (err)
		return err;
	client_sweep(mount);
	err = client_make(mount, req, &rocker);
	if (err)
		return err;
	err = client_enter(&rocker, entry, report, &pid);
	if (err) {
		(void)client_rmdir(rocker.path);
		return err;
	}
	client_entered(&rocker);
	out->app_pid = pid;
	out->guard_pid = rocker.guard;
	memcpy(out->guard_pname, rocker.name, sizeof(out->guard_pname));
	return ROCKER_ERR_success;
}

RockerResult ROCKER_enter_rocker(RockerRequest *req, int (*app)(void *), void *app_args)
{
	RockerResult result = result_of(ROCKER_ERR_success);
	struct client_entry entry = { .app = app, .arg = app_args };
	int ends[2] = { -1, -1 };

	int saved = errno;

	client_succeed();
	if (!req || !app)
		return result_of(client_fail(ROCKER_ERR_param_invalid, "no %s is given", req ? "function" : "request"));
	if (make_pipe(ends)) {
		result = result_of(client_fail(ROCKER_ERR_sys, "no pipe: %s", strerror(errno)));
		errno = saved;
		return result;
	}
	entry.uid = (uid_t)req->uid;
	entry.gid = (gid_t)req->gid;
	entry.nkept = client_kept_fds(&entry.kept);
	entry.report = ends[1];
	result.err_no = make_and_enter(req, &entry, ends[0], &result);
	client_close(&ends[0]);
	client_close(&entry.report);
	errno = saved;
	return result;
}

RockerResult ROCKER_get_guardname(int pid)
{
	RockerResult result = result_of(ROCKER_ERR_success);
	int saved = errno, rc = client_process_name(pid, result.guard_pname);

	client_succeed();
	if (rc)
		result.err_no = client_fail(ROCKER_ERR_get_guardname_failed, "process %d: %s", pid, strerror(-rc));
	result.guard_pid = pid;
	errno = saved;
	return result;
}

RockerRequest ROCKER_request_new(void)
{
	RockerRequest req = { .app_id = -1, .uid = -1, .gid = -1 };

	return req;
}
