/* SPDX-License-Identifier: MIT */
/*
 * What ROCKER's documentation shows of its client library, as a program: the same calls, fields and paths.
 *
 * As printed there it is no C with any header, ROCKER's own included: it assigns to an array as a whole, and
 * names a function, an argument and two members otherwise than it has declared them. Those five places
 * are put right here; nothing is added for sandboxfs.
 */
#include <rocker.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>

static int start_your_APP(void *args)
{
	(void)args;
	return 0;
}

int main(void)
{
	void *your_args = NULL;
	static char *const overlays[] = { "/usr", "/var", "/etc", "/home", "/root" };
	RockerRequest req = ROCKER_request_new();

	req.app_id = 1000;
	req.uid = 1000;
	req.gid = 1000;
	req.app_pkg_path = "/tmp/your_APP.squashfs";
	req.app_exec_dir = "/var/your_APP/execdir";
	req.app_data_dir = "/var/your_APP/datadir";
	memcpy(req.app_overlay_dirs, overlays, sizeof(overlays));

	RockerResult res = ROCKER_enter_rocker(&req, start_your_APP, your_args);

	if (ROCKER_ERR_success != res.err_no) {
		fprintf(stderr, "error %d\n", (int)res.err_no);
		return 1;
	}

	RockerResult res2 = ROCKER_get_guardname(res.guard_pid);

	if (ROCKER_ERR_success == res2.err_no && 0 == strcmp(res.guard_pname, res2.guard_pname))
		kill(res.guard_pid, SIGKILL);
	return 0;
}
