/* SPDX-License-Identifier: MIT */
/*
 * librocker_client: runs a function of the calling program as a process inside a rocker of sandboxfs.
 *
 * The upper part is the interface of ROCKER's client library, names, types and numbers as they were there, so
 * that programs written for it compile and run unchanged; the lower part is what is new. All functions may
 * be called from any thread. The caller of ROCKER_enter_rocker() must be root, since sandboxfs gives a rocker's
 * namespaces to nobody else. See rocker(3).
 *
 * What the function sees: the user and group id of the request and no others, no capability, no
 * environment, descriptors 0, 1 and 2 and those named to ROCKER_keep_fds(), the rocker's own root, and a
 * session of its own. It is in the rocker's control groups and namespaces, under its system call profile
 * and its Landlock rules. Until it calls execve(2) it has the caller's memory.
 */
#ifndef ROCKER_H
#define ROCKER_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ROCKER_API __attribute__((visibility("default")))

/* The macros let a program ask with #ifdef whether this version knows an error. */
typedef enum {
	/* sandboxfs said something that this library does not understand */
	ROCKER_ERR_unknown = -1,
#define ROCKER_ERR_unknown ROCKER_ERR_unknown
	ROCKER_ERR_success = 0,
#define ROCKER_ERR_success ROCKER_ERR_success
	/* no pipe, no helper process */
	ROCKER_ERR_sys = 1,
#define ROCKER_ERR_sys ROCKER_ERR_sys
	/* no request, or no function */
	ROCKER_ERR_param_invalid = 2,
#define ROCKER_ERR_param_invalid ROCKER_ERR_param_invalid
	/* SANDBOXFS_MOUNT is not an absolute path of bearable length */
	ROCKER_ERR_server_unaddr_invalid = 3,
#define ROCKER_ERR_server_unaddr_invalid ROCKER_ERR_server_unaddr_invalid
	/* no directory for the rocker could be made: not allowed, or too many */
	ROCKER_ERR_gen_local_addr_failed = 4,
#define ROCKER_ERR_gen_local_addr_failed ROCKER_ERR_gen_local_addr_failed
	/* no sandboxfs is mounted, or it does not take the request */
	ROCKER_ERR_send_req_failed = 5,
#define ROCKER_ERR_send_req_failed ROCKER_ERR_send_req_failed
	/* it did not say in time that the rocker is ready */
	ROCKER_ERR_recv_resp_failed = 6,
#define ROCKER_ERR_recv_resp_failed ROCKER_ERR_recv_resp_failed
	/* the request cannot be fulfilled, or building the rocker failed */
	ROCKER_ERR_build_rocker_failed = 7,
#define ROCKER_ERR_build_rocker_failed ROCKER_ERR_build_rocker_failed
	/* its namespaces or its control groups cannot be entered, or its rules not be had */
	ROCKER_ERR_enter_rocker_failed = 8,
#define ROCKER_ERR_enter_rocker_failed ROCKER_ERR_enter_rocker_failed
	/* the app's process could not be made, or not be made harmless */
	ROCKER_ERR_app_exec_failed = 9,
#define ROCKER_ERR_app_exec_failed ROCKER_ERR_app_exec_failed
	/* there is no such process */
	ROCKER_ERR_get_guardname_failed = 10,
#define ROCKER_ERR_get_guardname_failed ROCKER_ERR_get_guardname_failed
} ROCKER_ERR;

/*
 * What every function of ROCKER's returns, by value. With an error both pids are INT_MIN, for which kill(2) and
 * waitpid(2) fail with ESRCH (-1 would mean everybody), unless said otherwise.
 */
typedef struct {
	ROCKER_ERR err_no;
	int app_pid;          /* of the function's process: a child of the caller */
	int guard_pid;        /* of the rocker's PID 1, as the caller sees it */
	char guard_pname[16]; /* its name, which no other guard has, with the NUL */
} RockerResult;

/*
 * What the rocker shall be. The ids and the three paths are mandatory, app_id above 0, paths absolute; in
 * app_overlay_dirs NULL and "" are empty places. Nothing is kept after the call.
 */
typedef struct {
	int app_id;
	int uid; /* of the app's process, and of what it writes; 0: root inside, without any right, another on the host */
	int gid;

	char *app_pkg_path;         /* a squashfs or erofs image */
	char *app_exec_dir;         /* where the app sees it; made if it is missing */
	char *app_data_dir;         /* where all that it writes lies; made if it is missing */
	char *app_overlay_dirs[16]; /* directories such as "/usr" of which it gets a writable view */
} RockerRequest;

/* All ids -1, all paths NULL. */
#ifdef __cplusplus
ROCKER_API RockerRequest ROCKER_request_new();
#else
ROCKER_API RockerRequest ROCKER_request_new(void);
#endif

/*
 * Builds a rocker and begins app(app_args) in it; what app returns is its exit status. Returns when the
 * process is about to call it, or after some seconds with ROCKER_ERR_recv_resp_failed. The app's process is
 * a child of the caller, who waits for it as for any other. The rocker ends when its last process has ended,
 * or its guard is killed. errno stays.
 */
ROCKER_API RockerResult ROCKER_enter_rocker(RockerRequest *req, int (*app)(void *), void *app_args);

/*
 * The name of a process, in guard_pname; guard_pid is pid in any case. A caller compares it with the name
 * that ROCKER_enter_rocker() returned before it kills by number.
 */
ROCKER_API RockerResult ROCKER_get_guardname(int pid);

/* ---- what ROCKER did not have ------------------------------------------------------------------ */

#define ROCKER_KEEP_FDS_MAX 64

/*
 * Descriptors that apps begun by this thread from now on inherit beside 0, 1 and 2; count 0: none again. 0,
 * or -1 with errno: EINVAL, EBADF, E2BIG. A descriptor of a directory is a way out of the rocker:
 * EISDIR.
 */
ROCKER_API int ROCKER_keep_fds(const int *fds, size_t count);

/*
 * A pidfd of the guard or of the app, close-on-exec, the caller's to close: pidfd_send_signal(2) with it
 * can never hit another process, and it is readable when the process has ended. -1 with errno: ESRCH when it
 * has ended already (the app: and has been waited for).
 */
ROCKER_API int ROCKER_guard_pidfd(const RockerResult *result);
ROCKER_API int ROCKER_app_pidfd(const RockerResult *result);

/*
 * Ends the rocker with every process in it and removes its directory. Without this the directory of a rocker
 * that has ended stays until the next ROCKER_enter_rocker(). 0, also when there is none any more; -1 with errno.
 */
ROCKER_API int ROCKER_remove(const RockerResult *result);

/* Why the last call of this thread failed, in a sentence without a newline; "" after a success. */
ROCKER_API const char *ROCKER_error(void);

#ifdef __cplusplus
}
#endif

#endif
