/* SPDX-License-Identifier: MIT */
/* The program through a mount: reading with common tools, commands, waits that end, beginning and end. */
/* alone */
#include "core_mount.c.inc"

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
	CHECK_INT(sh("cp toys/one/long ../copy && chmod 600 ../copy && cmp ../copy toys/one/long"), 0);
	CHECK_INT(sh("dd if=toys/one/long bs=777 status=none | cmp - toys/one/long"), 0);
	CHECK_INT(sh("python3 -c 'import shutil; shutil.copyfile(\"toys/one/long\", \"../copy\")'; cmp ../copy toys/one/long"),
		  0);
	if (sh("command -v busybox") == 0) {
		CHECK_INT(sh("busybox cat toys/one/long | cmp - toys/one/long"), 0);
		CHECK_INT(sh("rm -f ../copy && busybox cp toys/one/value ../copy && cmp ../copy toys/one/value"), 0);
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

static void raw_rows_take_any_bytes(void)
{
	int fd = open(at("toys/one/raw"), O_WRONLY), again = open(at("toys/one/raw"), O_WRONLY);
	static char many[300000];

	CHECK_INT(write(fd, "a\nb\0c", 5), 5);
	CHECK_STR(slurp(at("toys/one/raw_seen")), "5 bytes 1 nuls 2 writers\n");
	CHECK_INT(write(fd, many, sizeof(many)), sizeof(many));
	CHECK_HAS(slurp(at("toys/one/raw_seen")), "nuls 2 writers");
	close(fd);
	CHECK_INT(write(again, "no\n", 3), -1);
	CHECK_INT(errno, ESRCH);
	CHECK_HAS(slurp(at("toys/one/error")), "nobody reads");
	close(again);
	CHECK_INT(sh("i=0; until grep -q ' 0 writers' toys/one/raw_seen || [ $i = 100 ]; do sleep 0.1; i=$((i+1)); done; "
		     "[ $i -lt 100 ]"),
		  0);
}

static void links_are_followed(void)
{
	char text[16] = "";
	struct stat st;

	CHECK_INT(readlink(at("toys/one/link"), text, sizeof(text)), 5);
	CHECK_STR(text, "value");
	CHECK_INT(lstat(at("toys/one/link"), &st), 0);
	CHECK(S_ISLNK(st.st_mode) && st.st_size == 5);
	CHECK_STR(slurp(at("toys/one/link")), slurp(at("toys/one/value")));
	CHECK_INT(sh("ls -l toys/one | grep -q -- '^l.* link -> value$' && find toys/one -type l | grep -q /link"), 0);
	CHECK_INT(readlink(at("toys/one/value"), text, sizeof(text)), -1);
	CHECK_INT(errno, EINVAL);
}

static void templates_have_an_at(void)
{
	CHECK_INT(mkdir(at("toys/web@a"), 0755), 0);
	CHECK_INT(rmdir(at("toys/web@a")), 0);
	CHECK_INT(mkdir(at("toys/web@a@b"), 0755), -1);
	CHECK_INT(errno, EINVAL);
	CHECK_INT(mkdir(at("toys/@a"), 0755), -1);
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

/* Names of directories are cached for an hour: what the daemon takes away by itself it must tell the kernel. */
static void what_the_daemon_removes_vanishes(void)
{
	struct stat st;

	CHECK_INT(sh("mkdir toys/unlucky && ls -l toys && cat toys/unlucky/value"), 0);
	CHECK_INT(stat(at("toys/unlucky"), &st), 0);
	CHECK_INT(put(at("toys/one/value"), 0, "13\n"), 0);
	CHECK_INT(stat(at("toys/unlucky"), &st) ? errno : 0, ENOENT);
	CHECK_INT(mkdir(at("toys/unlucky"), 0755), 0);
	CHECK_STR(slurp(at("toys/unlucky/value")), "0\n");
	CHECK_INT(rmdir(at("toys/unlucky")), 0);
}

/* ---- waiting --------------------------------------------------------------------------------- */

static pid_t writer(const char *text)
{
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGINT, SIG_DFL);
		_exit(put(at("toys/one/run"), O_TRUNC, text));
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

/* ---- beginning and end ----------------------------------------------------------------------- */

static void sigterm_unmounts(void)
{
	int fd = open(at("toys/one/value"), O_RDONLY);
	double begin = seconds();

	stop();
	CHECK_MSG(seconds() - begin < 4, "it took %.1f s", seconds() - begin);
	CHECK(wait_mounted(false));
	CHECK_INT(access(at(""), F_OK), 0);
	close(fd);
}

/* The child of the program with that name, or 0. */
static pid_t child_named(const char *name)
{
	char path[64];
	long pid;
	FILE *list;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)program, (int)program);
	list = fopen(path, "re");
	while (list && fscanf(list, "%ld", &pid) == 1) {
		snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
		if (!strncmp(slurp(path), name, strlen(name))) {
			fclose(list);
			return (pid_t)pid;
		}
	}
	if (list)
		fclose(list);
	return 0;
}

/* Waits for another one than that. */
static bool wait_child(const char *name, pid_t not_that)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	pid_t pid = 0;
	int i;

	for (i = 0; i < 1000 && (pid <= 0 || pid == not_that); i++) {
		nanosleep(&pause, NULL);
		pid = child_named(name);
	}
	return pid > 0 && pid != not_that;
}

static void children_that_die_are_replaced(void)
{
	static const char *const names[] = { "daemon", "launcher" };
	int i, status;
	pid_t pid;

	for (i = 0; i < 2; i++) {
		program = start_program();
		REQUIRE(wait_mounted(true));
		pid = child_named(names[i]);
		CHECK_MSG(pid > 0, "no child is called %s", names[i]);
		if (pid > 0)
			kill(pid, SIGKILL);
		CHECK_MSG(wait_child(names[i], pid), "no other %s comes", names[i]);
		CHECK(wait_mounted(true));
		kill(program, SIGTERM);
		waitpid(program, &status, 0);
		CHECK_INT(status, 0);
		CHECK_INT(access(at(""), F_OK), 0);
		CHECK(wait_mounted(false));
	}
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

static void tests(void)
{
	RUN(sizes_are_exact);
	RUN(tools_read_the_same);
	RUN(small_pieces_see_one_moment);
	RUN(top_rows_say_what_they_should);
	RUN(shells_write_commands);
	RUN(wrong_things_have_errnos);
	RUN(raw_rows_take_any_bytes);
	RUN(links_are_followed);
	RUN(templates_have_an_at);
	RUN(objects_come_and_go);
	RUN(what_the_daemon_removes_vanishes);
	RUN(waiting_writes_do_not_wait_for_each_other);
	RUN(ctrl_c_ends_the_wait);
	RUN(sigkill_ends_the_wait);
	RUN(nonblock_returns_at_once);
	RUN(sigterm_unmounts);
	RUN(children_that_die_are_replaced);
	RUN(dead_mounts_are_cleared);
}

int main(void)
{
	return with_mount(tests);
}
