/* SPDX-License-Identifier: MIT */
/* The whole program with a toy backend, mounted, and exercised by real system calls and tools. */
#include "sandboxfs.h" /* before main is another word */

int program_main(int argc, char **argv);
#define main program_main
#include "../../sandboxfs/main.c"
#undef main

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "check.h"
#include "core_toy.c.inc"

#define NOBODY 65534

const struct sfs_backend *const sfs_backends[] = { &toy_backend, &box_backend, NULL };
const struct sfs_attr *const sfs_top_attrs[] = { NULL };

/* Stands for the launcher: ends when nobody holds the other end. */
static int toy_privileged_main(const struct sfs_config *conf, int channel)
{
	char byte;

	(void)conf;
	while (read(channel, &byte, 1) > 0)
		;
	return 0;
}

const struct sfs_privileged sfs_privileged = { .name = "launcher", .main = toy_privileged_main };

static char place[] = "/tmp/core_mount.XXXXXX"; /* state/ and mnt/ are in it */
static pid_t program;

/* ---- helpers --------------------------------------------------------------------------------- */

/* Of a path below the mount. */
static const char *at(const char *path)
{
	static char full[4][256];
	static unsigned i;

	i = (i + 1) % 4;
	snprintf(full[i], sizeof(full[i]), "%s/mnt/%s", place, path);
	return full[i];
}

/* The exit status of a shell command, run in the mount. */
static int sh(const char *command)
{
	char line[1024];
	int status;

	snprintf(line, sizeof(line), "cd %s/mnt && { %s\n} >%s/out 2>&1", place, command, place);
	status = system(line);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static const char *slurp(const char *path)
{
	static char text[2][4096];
	static unsigned i;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	i = !i;
	n = fd < 0 ? -1 : read(fd, text[i], sizeof(text[i]) - 1);
	if (n < 0)
		n = snprintf(text[i], sizeof(text[i]), "errno %s", strerrorname_np(errno));
	text[i][n] = '\0';
	if (fd >= 0)
		close(fd);
	return text[i];
}

static const char *out(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/out", place);
	return slurp(path);
}

/* 0, or the errno of open, write or close. */
static int put(const char *path, int flags, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0644), err = 0;

	if (fd < 0)
		return errno;
	if (*text && write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		err = errno;
	if (close(fd) && !err)
		err = errno;
	return err;
}

static double seconds(void)
{
	return (double)sfs_now_ns() / 1e9;
}

/* Runs test() as another uid; true if it returned true. */
static bool as_uid(uid_t uid, bool (*test)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
			_exit(2);
		_exit(test() ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static pid_t start_program(void)
{
	char state[64], mnt[64];
	char *words[] = { "sandboxfs", "-f", "--state", state, mnt, NULL };
	pid_t pid = fork();

	snprintf(state, sizeof(state), "%s/state", place);
	snprintf(mnt, sizeof(mnt), "%s/mnt", place);
	if (pid == 0) {
		optind = 0;
		exit(program_main(5, words));
	}
	return pid;
}

static bool wait_mounted(bool mounted)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	struct stat st;
	int i;

	for (i = 0; i < 1000; i++) {
		if (!stat(at("version"), &st) == mounted)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* ---- reading --------------------------------------------------------------------------------- */

static void sizes_are_exact(void)
{
	static const char *const names[] = { "toys/one/value", "toys/one/mine", "toys/one/long", "README", "config",
					     "version", "toys/one/run" };
	struct stat st;
	char *data = malloc(200000);
	ssize_t n, sum;
	unsigned i;
	int fd;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		CHECK_INT(stat(at(names[i]), &st), 0);
		fd = open(at(names[i]), O_RDONLY);
		for (sum = 0; (n = read(fd, data, 200000)) > 0; sum += n)
			;
		CHECK_MSG(sum == st.st_size && sum > 0, "%s has %zd bytes, st_size %lld", names[i], sum,
			  (long long)st.st_size);
		close(fd);
	}
	free(data);
}

static void tools_read_the_same(void)
{
	CHECK_INT(sh("cat toys/one/long | cmp - toys/one/long"), 0);
	CHECK_INT(sh("cp toys/one/long ../copy && cmp ../copy toys/one/long"), 0);
	CHECK_INT(sh("dd if=toys/one/long bs=777 status=none | cmp - toys/one/long"), 0);
	CHECK_INT(sh("python3 -c 'import shutil; shutil.copyfile(\"toys/one/long\", \"../copy\")'; cmp ../copy toys/one/long"),
		  0);
	if (sh("command -v busybox") == 0) {
		CHECK_INT(sh("busybox cat toys/one/long | cmp - toys/one/long"), 0);
		CHECK_INT(sh("busybox cp toys/one/value ../copy && cmp ../copy toys/one/value"), 0);
	}
	if (sh("command -v rsync") == 0)
		CHECK_INT(sh("rsync -r toys/one/ ../copies && cmp ../copies/long toys/one/long"), 0);
	CHECK_INT(sh("tar cf ../tar toys/one && tar xOf ../tar toys/one/long | cmp - toys/one/long"), 0);
	CHECK_INT(sh("grep -r nothing-like-this . ; test $? = 1"), 0);
	CHECK_MSG(sh("ls -la . toys toys/one box") == 0, "%s", out());
}

static void small_pieces_see_one_moment(void)
{
	int fd = open(at("toys/one/value"), O_RDONLY);
	char byte[8] = "";

	CHECK_INT(put(at("toys/one/value"), 0, "123\n"), 0);
	CHECK_INT(read(fd, byte, 1), 1);
	CHECK_INT(put(at("toys/one/value"), 0, "7\n"), 0);
	CHECK_INT(pread(fd, byte, 1, 1), 1);
	CHECK_INT(pread(fd, byte, 8, 0), 2);
	CHECK_STR(byte, "7\n");
	close(fd);
}

static void top_rows_say_what_they_should(void)
{
	struct statvfs fs;

	CHECK_STR(slurp(at("status")), "ok\n");
	CHECK_HAS(slurp(at("version")), "release ");
	CHECK_HAS(slurp(at("README")), "/toys/NAME/value  (0644)\n    a number\n");
	CHECK_HAS(slurp(at("config")), "[daemon]\nstate_dir = ");
	CHECK_INT(config_parse("/config", slurp(at("config"))), 0);
	CHECK_HAS(slurp(at("stats")), "operations ");
	CHECK_INT(statvfs(at(""), &fs), 0);
	CHECK(fs.f_blocks > 0);
	CHECK_INT(fs.f_namemax, SFS_NAME_MAX);
}

/* ---- commands -------------------------------------------------------------------------------- */

static void shells_write_commands(void)
{
	CHECK_INT(sh("echo 5 > toys/one/value && test $(cat toys/one/value) = 5"), 0);
	CHECK_INT(sh("echo 6 >> toys/one/value && test $(cat toys/one/value) = 6"), 0);
	CHECK_INT(sh("bash -c 'echo 8 > toys/one/value' && test $(cat toys/one/value) = 8"), 0);
	CHECK_INT(sh("touch toys/one/value; truncate -s 0 toys/one/value; : > toys/one/value; test $(cat toys/one/value) = 8"),
		  0);
	CHECK_INT(sh("echo bad > toys/one/value; test $? != 0"), 0);
	CHECK_HAS(slurp(at("toys/one/error")), "toys/one/value EINVAL 'bad' is no number");
	CHECK_HAS(slurp(at("error")), "toys/one/value EINVAL 'bad' is no number");
	CHECK_INT(sh("exec 3<>toys/one/value; bash -c 'echo worse >&3' || cat <&3"), 0);
	CHECK_HAS(out(), "'worse' is no number\n");
	CHECK_INT(sh("bash -c 'printf \"1\\n2\\n3\\n\" > toys/one/value' && test $(cat toys/one/value) = 3"), 0);
	CHECK_STR(slurp(at("error")), "ok\n");
	CHECK_INT(sh("cp toys/one/value ../nine && echo 9 > ../nine && cp ../nine toys/one/value && test $(cat toys/one/value) = 9"),
		  0);
	CHECK_INT(sh("python3 -c 'open(\"toys/one/value\",\"w\").write(\"4\\n\")' && test $(cat toys/one/value) = 4"), 0);
}

static void wrong_things_have_errnos(void)
{
	/* Root passes the mode bits and meets the core; others meet the mode bits. */
	int locked = geteuid() ? EACCES : EPERM;

	CHECK_INT(put(at("toys/one/mine"), 0, "x"), locked);
	CHECK_INT(mkdir(at("nothing"), 0755) ? errno : 0, locked);
	CHECK_INT(mkdir(at("toys/-a b"), 0755) ? errno : 0, EINVAL);
	CHECK_HAS(slurp(at("error")), "toys/-a b EINVAL");
	CHECK_INT(mkdir(at("toys/one"), 0755) ? errno : 0, EEXIST);
	CHECK_INT(rmdir(at("toys/pinned")) ? errno : 0, EBUSY);
	CHECK_INT(rmdir(at("toys")) ? errno : 0, locked);
	CHECK_INT(unlink(at("version")) ? errno : 0, locked);
	CHECK_INT(symlink("x", at("box/link")) ? errno : 0, EPERM);
	CHECK_INT(mknod(at("box/fifo"), S_IFIFO | 0644, 0) ? errno : 0, EPERM);
	CHECK_INT(link(at("version"), at("box/link")) ? errno : 0, EPERM);
	CHECK_INT(rename(at("toys/one"), at("toys/two")) ? errno : 0, EPERM);
	CHECK_INT(open(at("box"), O_TMPFILE | O_RDWR, 0600) < 0 ? errno : 0, EOPNOTSUPP);
	CHECK_INT(put(at("toys/one/none"), O_CREAT, "x"), EPERM);
}

static void objects_come_and_go(void)
{
	struct stat st;
	int fd, nlink;

	stat(at("toys"), &st);
	nlink = (int)st.st_nlink;
	CHECK_INT(mkdir(at("toys/two"), 0750), 0);
	CHECK_INT(stat(at("toys/two"), &st), 0);
	CHECK_INT(st.st_mode & 07777, 0750);
	CHECK_INT(st.st_uid, geteuid());
	stat(at("toys"), &st);
	CHECK_INT(st.st_nlink, nlink + 1);
	fd = open(at("toys/two/value"), O_RDONLY);
	CHECK_INT(rmdir(at("toys/two")), 0);
	CHECK_INT(read(fd, &st, 1) < 0 ? errno : 0, ENODEV);
	close(fd);
	CHECK_INT(stat(at("toys/two"), &st) ? errno : 0, ENOENT);
	CHECK_INT(sh("mkdir toys/two && rm toys/two/value && ! ls toys/two | grep value && rm -rf toys/two && ! test -e toys/two"),
		  0);
	CHECK_INT(sh("mkdir toys/two && chmod 700 toys/two && chmod 600 toys/two/value && stat -c %a toys/two/value"), 0);
	CHECK_STR(out(), "600\n");
	CHECK_INT(sh("cat toys/two/value && rmdir toys/two"), 0);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static pid_t writer(const char *text)
{
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGINT, SIG_DFL);
		_exit(put(at("toys/one/run"), 0, text));
	}
	return pid;
}

static void waiting_writes_do_not_wait_for_each_other(void)
{
	pid_t pids[8];
	double begin = seconds();
	int i, status;

	for (i = 0; i < 8; i++)
		pids[i] = writer("ms=300\n");
	for (i = 0; i < 8; i++) {
		waitpid(pids[i], &status, 0);
		CHECK_INT(status, 0);
	}
	CHECK_MSG(seconds() - begin < 1.8, "8 x 0.3 s took %.2f s", seconds() - begin);
	CHECK_INT(sh("exec 3<>toys/one/run; echo ms=10 >&3; cat <&3"), 0);
	CHECK_STR(out(), "slept 10\n");
	CHECK_INT(put(at("toys/one/run"), 0, "refuse\n"), EBADMSG);
	CHECK_INT(put(at("toys/one/run"), 0, "ms=9000 deadline\n"), ETIMEDOUT);
}

static void signals_end_the_wait(int signal_number)
{
	const struct timespec pause = { .tv_nsec = 200000000 };
	pid_t pid = writer("never\n");
	double begin;
	int status;

	nanosleep(&pause, NULL);
	begin = seconds();
	kill(pid, signal_number);
	waitpid(pid, &status, 0);
	CHECK_MSG(WIFSIGNALED(status) && WTERMSIG(status) == signal_number, "status %x", (unsigned)status);
	CHECK_MSG(seconds() - begin < 0.25, "it took %.3f s", seconds() - begin);
	CHECK_HAS(slurp(at("toys/one/error")), "EINTR");
}

static void ctrl_c_ends_the_wait(void)
{
	signals_end_the_wait(SIGINT);
}

static void sigkill_ends_the_wait(void)
{
	signals_end_the_wait(SIGKILL);
}

static void nonblock_returns_at_once(void)
{
	int fd = open(at("toys/one/run"), O_RDWR | O_NONBLOCK);
	const struct timespec pause = { .tv_nsec = 300000000 };
	double begin = seconds();
	char text[32] = "";

	CHECK_INT(write(fd, "ms=100\n", 7), 7);
	CHECK(seconds() - begin < 0.09);
	CHECK_INT(write(fd, "ms=1\n", 5) < 0 ? errno : 0, EAGAIN);
	nanosleep(&pause, NULL);
	CHECK(pread(fd, text, sizeof(text) - 1, 0) > 0);
	CHECK_STR(text, "slept 100\n");
	close(fd);
}

/* ---- specs and uploads ----------------------------------------------------------------------- */

static void specs_are_judged_at_close(void)
{
	CHECK_INT(sh("printf 'good\\nspec\\n' > ../spec && cp ../spec toys/one/spec && cat toys/one/spec"), 0);
	CHECK_STR(out(), "good\nspec\n");
	CHECK_INT(put(at("toys/one/spec"), O_TRUNC, "evil\n"), EINVAL);
	CHECK_STR(slurp(at("toys/one/spec")), "good\nspec\n");
	CHECK_HAS(slurp(at("toys/one/error")), "is not good");
	CHECK_INT(sh("bash -c '{ echo good; echo two; } > toys/one/spec'; cat toys/one/spec"), 0);
	CHECK_STR(out(), "good\ntwo\n");
}

static void uploads_are_judged_at_close(void)
{
	struct stat st;

	CHECK_INT(put(at("box/a"), O_CREAT, "first"), 0);
	CHECK_STR(slurp(at("box/a")), "first");
	CHECK_INT(put(at("box/a"), O_TRUNC, "bad bytes"), ENOEXEC);
	CHECK_STR(slurp(at("box/a")), "first");
	CHECK_HAS(slurp(at("error")), "box/a ENOEXEC 'a' is bad");
	CHECK_INT(put(at("box/b"), O_CREAT, "bad bytes"), ENOEXEC);
	CHECK_INT(stat(at("box/b"), &st) ? errno : 0, ENOENT);
	CHECK_INT(put(at("box/c"), O_CREAT, "late and good"), 0);
	CHECK_STR(slurp(at("box/c")), "late and good");
	CHECK_INT(put(at("box/a"), O_APPEND, " and more"), 0);
	CHECK_STR(slurp(at("box/a")), "first and more");
	CHECK_INT(put(at("box/a"), O_CREAT | O_EXCL, "x"), EEXIST);
	CHECK_INT(put(at("box/a b"), O_CREAT, "x"), EINVAL);
	CHECK_INT(sh("head -c 1000000 /dev/zero > box/big"), 0);
	CHECK_INT(stat(at("box/big"), &st), 0);
	CHECK_INT(st.st_size, 1000000);
	CHECK(sh("head -c 1100000 /dev/zero > box/big") != 0);
	CHECK_INT(sh("rm box/big && ! test -e box/big"), 0);
}

static void others_see_the_old_bytes(void)
{
	int fd = open(at("box/a"), O_RDWR | O_TRUNC), old = open(at("box/a"), O_RDONLY);
	char text[64] = "";
	struct stat st;

	CHECK_INT(put(at("box/a"), O_TRUNC, "old"), 0);
	CHECK_INT(write(fd, "newer", 5), 5);
	CHECK_STR(slurp(at("box/a")), "old");
	CHECK_INT(stat(at("box/a"), &st), 0);
	CHECK_INT(st.st_size, 3);
	CHECK_INT(fsync(fd), 0);
	CHECK_STR(slurp(at("box/a")), "newer");
	CHECK_INT(pwrite(fd, "N", 1, 0), 1); /* what was handed over does not change */
	CHECK_STR(slurp(at("box/a")), "newer");
	CHECK_INT(close(fd), 0);
	CHECK_STR(slurp(at("box/a")), "Newer");
	CHECK(read(old, text, sizeof(text)) >= 0);
	CHECK_STR(text, "first and more");
	close(old);
}

static void empty_files_are_dropped(void)
{
	const struct timespec pause = { .tv_nsec = 50000000 };
	struct stat st;
	int i;

	CHECK_INT(put(at("box/empty"), O_CREAT, ""), 0);
	for (i = 0; i < 40 && !stat(at("box/empty"), &st); i++)
		nanosleep(&pause, NULL);
	CHECK_INT(stat(at("box/empty"), &st) ? errno : 0, ENOENT);
}

static void staged_names_are_committed_by_rename(void)
{
	struct stat st;
	int before;

	CHECK_INT(put(at("box/.t.XyZ"), O_CREAT, "staged"), 0);
	CHECK_STR(slurp(at("box/.t.XyZ")), "staged");
	CHECK_INT(chmod(at("box/.t.XyZ"), 0600), 0);
	CHECK_INT(sh("touch -d @1000 box/.t.XyZ"), 0);
	CHECK_INT(rename(at("box/.t.XyZ"), at("box/t")) ? errno : 0, 0);
	CHECK_STR(slurp(at("box/t")), "staged");
	CHECK_INT(stat(at("box/t"), &st), 0);
	CHECK_INT(st.st_mode & 0777, 0600);
	CHECK_INT(st.st_mtim.tv_sec, 1000);
	CHECK_INT(stat(at("box/.t.XyZ"), &st) ? errno : 0, ENOENT);
	CHECK_INT(put(at("box/.t.XyZ"), O_CREAT, "bad one"), 0);
	CHECK_INT(rename(at("box/.t.XyZ"), at("box/t")) ? errno : 0, ENOEXEC);
	CHECK_STR(slurp(at("box/t")), "staged");
	CHECK_INT(unlink(at("box/.t.XyZ")), 0);
	CHECK_INT(rename(at("box/t"), at("box/u")) ? errno : 0, 0);
	CHECK_STR(slurp(at("box/u")), "staged");
	CHECK_INT(renameat2(AT_FDCWD, at("box/u"), AT_FDCWD, at("box/a"), RENAME_NOREPLACE) ? errno : 0, EEXIST);
	CHECK_INT(renameat2(AT_FDCWD, at("box/u"), AT_FDCWD, at("box/a"), RENAME_EXCHANGE) ? errno : 0, EINVAL);
	CHECK_INT(rename(at("box/u"), at("toys/u")) ? errno : 0, EXDEV);
	before = sh("command -v rsync");
	if (!before) {
		CHECK_INT(sh("mkdir -p ../from && echo hello > ../from/h && rsync -a ../from/ box/ && cmp ../from/h box/h"), 0);
		CHECK_INT(sh("install -m 640 ../from/h box/i && cmp ../from/h box/i && stat -c %a box/i"), 0);
		CHECK_STR(out(), "640\n");
		CHECK_INT(sh("cp -p ../from/h box/j && mv ../from/h box/k && cat box/j box/k"), 0);
		CHECK_STR(out(), "hello\nhello\n");
	}
}

/* ---- two users ------------------------------------------------------------------------------- */

static bool nobody_sees_his_own(void)
{
	struct stat st;

	return !strcmp(slurp(at("toys/one/mine")), "uid 65534\n") && !strcmp(slurp(at("error")), "ok\n") &&
	       put(at("toys/one/value"), 0, "1\n") == EACCES && put(at("toys/one/run"), 0, "ms=1\n") == 0 &&
	       put(at("toys/one/run"), 0, "refuse\n") == EBADMSG && strstr(slurp(at("error")), "EBADMSG") &&
	       rmdir(at("toys/one")) && errno == EPERM && stat(at("box/.root"), &st) && errno == ENOENT &&
	       mkdir(at("toys/his"), 0700) == 0 && put(at("toys/his/value"), 0, "3\n") == 0 &&
	       unlink(at("box/a")) && (errno == EPERM || errno == EACCES);
}

static void two_users_have_two_views(void)
{
	struct stat st;

	if (geteuid()) {
		check_skip("needs root");
		return;
	}
	CHECK_INT(put(at("toys/one/value"), 0, "oops\n"), EINVAL);
	CHECK_INT(put(at("box/.root"), O_CREAT, "mine"), 0);
	CHECK_STR(slurp(at("toys/one/mine")), "uid 0\n");
	CHECK(as_uid(NOBODY, nobody_sees_his_own));
	CHECK_HAS(slurp(at("error")), "EINVAL");
	CHECK_INT(stat(at("toys/his/value"), &st), 0);
	CHECK_INT(st.st_uid, NOBODY);
	CHECK_INT(rmdir(at("toys/his")), 0);
	CHECK_INT(unlink(at("box/.root")), 0);
}

/* ---- beginning and end ----------------------------------------------------------------------- */

static void sigterm_unmounts(void)
{
	int status = -1, fd = open(at("toys/one/value"), O_RDONLY);
	double begin = seconds();

	kill(program, SIGTERM);
	waitpid(program, &status, 0);
	CHECK_INT(status, 0);
	CHECK_MSG(seconds() - begin < 4, "it took %.1f s", seconds() - begin);
	CHECK(wait_mounted(false));
	CHECK_INT(access(at(""), F_OK), 0);
	close(fd);
}

/* A mount whose daemon was killed with everything else is cleared away by the next start. */
static void dead_mounts_are_cleared(void)
{
	const struct timespec pause = { .tv_nsec = 300000000 };
	int status = 0;

	program = start_program();
	REQUIRE(wait_mounted(true));
	kill(program, SIGKILL);
	waitpid(program, &status, 0);
	nanosleep(&pause, NULL);
	program = start_program();
	CHECK(wait_mounted(true));
	kill(program, SIGTERM);
	waitpid(program, &status, 0);
	CHECK_INT(status, 0);
}

static bool can_mount(void)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static bool begin_mount(void)
{
	char path[64];

	if (!mkdtemp(place) || chmod(place, 0755))
		return false;
	snprintf(path, sizeof(path), "%s/mnt", place);
	if (mkdir(path, 0755))
		return false;
	program = start_program();
	return program > 0 && wait_mounted(true);
}

int main(void)
{
	char line[64];

	if (!can_mount()) {
		puts("skip core_mount: /dev/fuse cannot be opened");
		return 0;
	}
	if (!begin_mount()) {
		puts("not ok begin_mount: the mount does not answer");
		return 1;
	}
	RUN(sizes_are_exact);
	RUN(tools_read_the_same);
	RUN(small_pieces_see_one_moment);
	RUN(top_rows_say_what_they_should);
	RUN(shells_write_commands);
	RUN(wrong_things_have_errnos);
	RUN(objects_come_and_go);
	RUN(waiting_writes_do_not_wait_for_each_other);
	RUN(ctrl_c_ends_the_wait);
	RUN(sigkill_ends_the_wait);
	RUN(nonblock_returns_at_once);
	RUN(specs_are_judged_at_close);
	RUN(uploads_are_judged_at_close);
	RUN(others_see_the_old_bytes);
	RUN(empty_files_are_dropped);
	RUN(staged_names_are_committed_by_rename);
	RUN(two_users_have_two_views);
	RUN(sigterm_unmounts);
	RUN(dead_mounts_are_cleared);
	snprintf(line, sizeof(line), "rm -rf %s", place);
	if (system(line))
		puts("# the temporary directory stays");
	return check_done();
}
