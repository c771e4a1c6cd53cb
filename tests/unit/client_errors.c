/* SPDX-License-Identifier: MIT */
/* single-threaded */
/*
 * librocker_client without a sandboxfs: defaults, odd requests, and every error that comes before a rocker is
 * entered.
 * waits
 */
#include <limits.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "client_request.h"

static void defaults_are_rockers(void)
{
	RockerRequest req = ROCKER_request_new();

	CHECK_INT(req.app_id, -1);
	CHECK_INT(req.uid, -1);
	CHECK_INT(req.gid, -1);
	CHECK(!req.app_pkg_path && !req.app_exec_dir && !req.app_data_dir);
	for (int i = 0; i < 16; i++)
		CHECK(!req.app_overlay_dirs[i]);
	CHECK_INT(sizeof(RockerResult), 28);
	CHECK_INT(sizeof(((RockerResult *)0)->guard_pname), 16);
}

static void numbers_are_rockers(void)
{
	static const int numbers[] = { ROCKER_ERR_success, ROCKER_ERR_sys, ROCKER_ERR_param_invalid,
				       ROCKER_ERR_server_unaddr_invalid, ROCKER_ERR_gen_local_addr_failed,
				       ROCKER_ERR_send_req_failed, ROCKER_ERR_recv_resp_failed,
				       ROCKER_ERR_build_rocker_failed, ROCKER_ERR_enter_rocker_failed,
				       ROCKER_ERR_app_exec_failed, ROCKER_ERR_get_guardname_failed };

	CHECK_INT(ROCKER_ERR_unknown, -1);
	for (int i = 0; i < 11; i++)
		CHECK_INT(numbers[i], i);
}

static void nothing_to_do_is_invalid(void)
{
	RockerRequest req = request();

	fake_start();
	CHECK_ERR(ROCKER_enter_rocker(NULL, nothing, NULL), ROCKER_ERR_param_invalid, "no request");
	CHECK_ERR(ROCKER_enter_rocker(&req, NULL, NULL), ROCKER_ERR_param_invalid, "no function");
}

static void no_descriptors_is_sys(void)
{
	struct rlimit was, few;

	fake_start();
	getrlimit(RLIMIT_NOFILE, &was);
	few = was;
	few.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &few);
	RockerResult result = enter();

	setrlimit(RLIMIT_NOFILE, &was);
	CHECK_ERR(result, ROCKER_ERR_sys, "no pipe");
}

static void bad_mount_is_unaddr(void)
{
	static char longest[2 * PATH_MAX];

	fake_start();
	setenv("SANDBOXFS_MOUNT", "mnt", 1);
	CHECK_ERR(enter(), ROCKER_ERR_server_unaddr_invalid, "'mnt'");
	setenv("SANDBOXFS_MOUNT", "", 1);
	CHECK_ERR(enter(), ROCKER_ERR_server_unaddr_invalid, "SANDBOXFS_MOUNT");
	memset(longest, '/', sizeof(longest) - 1);
	setenv("SANDBOXFS_MOUNT", longest, 1);
	CHECK_ERR(enter(), ROCKER_ERR_server_unaddr_invalid, "SANDBOXFS_MOUNT");
}

/* Where one is, of whomever. */
static bool is_mounted(char point[256])
{
	char line[4096];
	FILE *f = fopen("/proc/self/mounts", "re");
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, " fuse.sandboxfs ") && sscanf(line, "%*s %255s", point) == 1;
	if (f)
		fclose(f);
	return found;
}

/* A mount namespace of the test's own, without any: those of others stay where they are. */
static bool leave_mounts(void)
{
	char point[256];

	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return false;
	while (is_mounted(point))
		if (umount2(point, MNT_DETACH))
			return false;
	return true;
}

static void no_server_is_send(void)
{
	char point[256];

	fake_start();
	setenv("SANDBOXFS_MOUNT", "/nonexistent/mnt", 1);
	CHECK_ERR(enter(), ROCKER_ERR_send_req_failed, "no sandboxfs answers");
	if (!is_mounted(point)) {
		unsetenv("SANDBOXFS_MOUNT");
		CHECK_ERR(enter(), ROCKER_ERR_send_req_failed, "no sandboxfs is mounted");
	}
	fake_start();
	fake.no_spec = true;
	CHECK_ERR(enter(), ROCKER_ERR_send_req_failed, "spec");
	fake_start();
	fake.mkdir_errno = ENOTCONN;
	CHECK_ERR(enter(), ROCKER_ERR_send_req_failed, "mkdir");
}

/* Anybody can mount something of that name, if not just anywhere. */
static void mounts_of_others_do_not_count(void)
{
	char options[128], point[128];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	fake_start();
	snprintf(point, sizeof(point), "%s/others", fake.mount);
	mkdir(point, 0755);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%d,group_id=%d", fd, FAKE_UID, FAKE_UID);
	if (!leave_mounts() || mount("sandboxfs", point, "fuse.sandboxfs", 0, options)) {
		close(fd);
		check_skip("it cannot be mounted here");
		return;
	}
	close(fd); /* who would touch it is not kept waiting */
	unsetenv("SANDBOXFS_MOUNT");
	CHECK_ERR(enter(), ROCKER_ERR_send_req_failed, "no sandboxfs is mounted");
	CHECK_INT(umount2(point, MNT_DETACH), 0);
}

static void no_directory_is_local(void)
{
	fake_start();
	fake.mkdir_errno = EDQUOT;
	CHECK_ERR(enter(), ROCKER_ERR_gen_local_addr_failed, "quota");
}

static void never_ready_is_recv(void)
{
	fake_start();
	fake.state = "building\n";
	CHECK_ERR(enter(), ROCKER_ERR_recv_resp_failed, "not ready after");
	fake_start();
	fake.state = NULL;
	CHECK_ERR(enter(), ROCKER_ERR_recv_resp_failed, "state of");
}

static void dead_is_build(void)
{
	fake_start();
	fake.state = "dead\n";
	fake.error = "EACCES overlays '/secret': you may not read it\n";
	CHECK_ERR(enter(), ROCKER_ERR_build_rocker_failed, "EACCES overlays '/secret'");
	fake_start();
	fake.state = "dead\n";
	CHECK_ERR(enter(), ROCKER_ERR_build_rocker_failed, "the rocker has ended");
}

static void riddles_are_unknown(void)
{
	fake_start();
	fake.state = "purple\n";
	CHECK_ERR(enter(), ROCKER_ERR_unknown, "purple");
	fake_start();
	fake.guard = "name nobody\n";
	CHECK_ERR(enter(), ROCKER_ERR_unknown, "name nobody");
	fake_start();
	fake.guard = "pid 1\nname init\n";
	CHECK_ERR(enter(), ROCKER_ERR_unknown, "pid 1");
}

static void empty_request_is_build(void)
{
	RockerRequest req = ROCKER_request_new();

	fake_start();
	CHECK_ERR(ROCKER_enter_rocker(&req, nothing, NULL), ROCKER_ERR_build_rocker_failed, "above 0");
}

static void odd_requests_are_build(void)
{
	static char longest[2 * PATH_MAX];
	struct {
		const char *part;
		char *package, *exec, *data, *overlay;
		int uid;
	} odd[] = {
		{ "below 0", package, exec_dir, data, "/usr", -1 },
		{ "missing", "", exec_dir, data, "/usr", 1 },
		{ "missing", package, NULL, data, "/usr", 1 },
		{ "slash", package, "opt/app", data, "/usr", 1 },
		{ "slash", package, exec_dir, data, "usr", 1 },
		{ "control", package, "/opt/a\nuid = 0", data, "/usr", 1 },
		{ "control", package, exec_dir, data, "/usr\t/etc", 1 },
		{ "too long", package, exec_dir, longest, "/usr", 1 },
		{ "regular", "/", exec_dir, data, "/usr", 1 },
		{ "No such", "/nonexistent/a.squashfs", exec_dir, data, "/usr", 1 },
		{ "directory", package, package, data, "/usr", 1 },
		{ "/proc", package, "/proc/nothing", data, "/usr", 1 },
	};

	fake_start();
	memset(longest, '/', sizeof(longest) - 1);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		RockerRequest req = request();

		req.app_pkg_path = odd[i].package;
		req.app_exec_dir = odd[i].exec;
		req.app_data_dir = odd[i].data;
		req.app_overlay_dirs[15] = odd[i].overlay;
		req.uid = odd[i].uid;
		CHECK_ERR(ROCKER_enter_rocker(&req, nothing, NULL), ROCKER_ERR_build_rocker_failed, odd[i].part);
	}
}

/* Blanks, quotes and what begins a comment elsewhere are bytes of a name like others. */
static void odd_names_are_quoted(void)
{
	RockerRequest req = request();
	char name[160];

	fake_start();
	fake.state = "dead\n";
	snprintf(name, sizeof(name), "%s/o'clock ; # \"x\" \\", data);
	req.app_data_dir = name;
	req.app_overlay_dirs[1] = "/a b";
	CHECK_ERR(ROCKER_enter_rocker(&req, nothing, NULL), ROCKER_ERR_build_rocker_failed, "has ended");
	CHECK_HAS(fake.spec, "/o'\\''clock ; # \"x\" \\'\n");
	CHECK_HAS(fake.spec, "overlays = '/usr' '/a b'\n");
	CHECK_INT(access(name, X_OK), 0);
}

/* ROCKER's whole request had to fit into 512 bytes. */
static void long_requests_are_written_whole(void)
{
	static char longer[16][301];
	RockerRequest req = request();

	fake_start();
	for (int i = 0; i < 16; i++) {
		memset(longer[i], 'a' + i, sizeof(longer[i]) - 1);
		longer[i][0] = '/';
		req.app_overlay_dirs[i] = longer[i];
	}
	fake.state = "dead\n";
	CHECK_ERR(ROCKER_enter_rocker(&req, nothing, NULL), ROCKER_ERR_build_rocker_failed, "has ended");
	CHECK_HAS(fake.spec, "app_id = 1000\nuid = 1000\ngid = 1000\npackage = ");
	CHECK_HAS(fake.spec, "exec_dir = ");
	CHECK_HAS(fake.spec, "data_dir = ");
	CHECK_HAS(fake.spec, "leave_empty = 1\n");
	for (int i = 0; i < 16; i++)
		CHECK_HAS(fake.spec, longer[i]);
	CHECK_INT(access(exec_dir, X_OK), 0);
	CHECK_INT(access(data, X_OK), 0);
}

static void names_of_processes(void)
{
	char was[16] = "";
	RockerResult result;

	prctl(PR_GET_NAME, was);
	prctl(PR_SET_NAME, "a) R (b c");
	result = ROCKER_get_guardname(getpid());
	prctl(PR_SET_NAME, was);
	CHECK_INT(result.err_no, ROCKER_ERR_success);
	CHECK_INT(result.guard_pid, getpid());
	CHECK_STR(result.guard_pname, "a) R (b c");
	CHECK_STR(ROCKER_error(), "");
	for (int i = 0; i < 3; i++) {
		static const int none[] = { 0, -1, INT_MAX };

		result = ROCKER_get_guardname(none[i]);
		CHECK_INT(result.err_no, ROCKER_ERR_get_guardname_failed);
		CHECK_INT(result.guard_pid, none[i]);
		CHECK_HAS(ROCKER_error(), "No such process");
	}
}

static void kept_descriptors_are_checked(void)
{
	int many[ROCKER_KEEP_FDS_MAX + 1] = { 0 }, root = open("/", O_RDONLY | O_CLOEXEC), bad = 9999;

	CHECK_INT(ROCKER_keep_fds(many, ROCKER_KEEP_FDS_MAX + 1), -1);
	CHECK_INT(errno, E2BIG);
	CHECK_INT(ROCKER_keep_fds(NULL, 1), -1);
	CHECK_INT(errno, EINVAL);
	CHECK_INT(ROCKER_keep_fds(&bad, 1), -1);
	CHECK_INT(errno, EBADF);
	CHECK_INT(ROCKER_keep_fds(&root, 1), -1);
	CHECK_INT(errno, EISDIR);
	CHECK_INT(ROCKER_keep_fds(NULL, 0), 0);
	close(root);
}

static void pidfds_are_of_the_right_process(void)
{
	RockerResult result = ROCKER_get_guardname(getpid());
	int pidfd = ROCKER_guard_pidfd(&result);

	CHECK(pidfd >= 0);
	CHECK_INT(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
	close(pidfd);
	strcpy(result.guard_pname, "somebody else");
	CHECK_INT(ROCKER_guard_pidfd(&result), -1);
	CHECK_INT(errno, ESRCH);
	result.app_pid = getpid(); /* no child of ours */
	CHECK_INT(ROCKER_app_pidfd(&result), -1);
	CHECK_INT(errno, ESRCH);
	result.app_pid = result.guard_pid = INT_MIN;
	CHECK_INT(ROCKER_app_pidfd(&result), -1);
	CHECK_INT(ROCKER_guard_pidfd(&result), -1);
	CHECK_INT(ROCKER_remove(&result), -1);
	CHECK_INT(errno, EINVAL);
}

static void log_is_written_where_asked(void)
{
	char text[1024] = "", path[512];
	struct dirent *entry;
	DIR *dir;

	fake_start();
	setenv("ROCKER_LOG_ROOT_DIR", fake.mount, 1);
	fake.mkdir_errno = EDQUOT;
	CHECK_INT(enter().err_no, ROCKER_ERR_gen_local_addr_failed);
	unsetenv("ROCKER_LOG_ROOT_DIR");
	dir = opendir(fake.mount);
	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, "librocker_client_log_", 21)) {
			snprintf(path, sizeof(path), "%.64s/%.256s", fake.mount, entry->d_name);
			int fd = open(path, O_RDONLY | O_CLOEXEC);

			CHECK(read(fd, text, sizeof(text) - 1) > 0);
			close(fd);
		}
	if (dir)
		closedir(dir);
	CHECK_HAS(text, "error 4: mkdir ");
}

int main(void)
{
	request_start();
	RUN(defaults_are_rockers);
	RUN(numbers_are_rockers);
	RUN(nothing_to_do_is_invalid);
	RUN(no_descriptors_is_sys);
	RUN(bad_mount_is_unaddr);
	RUN(no_server_is_send);
	RUN(mounts_of_others_do_not_count);
	RUN(no_directory_is_local);
	RUN(never_ready_is_recv);
	RUN(dead_is_build);
	RUN(riddles_are_unknown);
	RUN(empty_request_is_build);
	RUN(odd_requests_are_build);
	RUN(odd_names_are_quoted);
	RUN(long_requests_are_written_whole);
	RUN(names_of_processes);
	RUN(kept_descriptors_are_checked);
	RUN(pidfds_are_of_the_right_process);
	RUN(log_is_written_where_asked);
	fake_stop();
	return check_done();
}
